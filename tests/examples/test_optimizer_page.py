"""The page about goals: its commands print what it says."""

from pathlib import Path

import pytest

from tests.examples.documents import Desk, blocks_of

pytestmark = pytest.mark.checkout


@pytest.mark.timeout(60)
def test_its_commands_print_what_it_says(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MURAKKAB_SITE", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    Desk(tmp_path).play(blocks_of((root / "docs" / "optimizer.md").read_text()), "optimizer.md")
