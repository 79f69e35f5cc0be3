"""The page about the catalog: its files are read without a remark, its commands print what it says, its figures are those we have."""

from pathlib import Path

import pytest

from murakkab_cluster.figures import shipped
from murakkab_cluster.site_form import read_site
from tests.examples.documents import Block, Desk, blocks_of

pytestmark = pytest.mark.checkout


@pytest.fixture
def blocks(root: Path) -> list[Block]:
    return blocks_of((root / "docs" / "catalog.md").read_text())


def test_every_file_is_right_but_the_wrong_one(blocks: list[Block]) -> None:
    files = {block.file: block.text for block in blocks if block.file}
    assert {name: len(read_site(text, name, shipped())[1]) for name, text in files.items()} == {
        "murakkab.yaml": 0,
        "wrong.yaml": 4,
        "own.yaml": 0,
    }


@pytest.mark.timeout(60)
def test_its_commands_print_what_it_says(blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MURAKKAB_SITE", raising=False)
    Desk(tmp_path).play(blocks, "catalog.md")


def test_every_key_of_the_form_is_explained(root: Path) -> None:
    text = (root / "docs" / "catalog.md").read_text()
    keys = (
        "carbon",
        "electricity",
        "pue",
        "url",
        "base_watts",
        "requests_per_minute",
        "memory_share",
        "like",
        "kv_bytes",
        "modalities",
        "keys",
    )
    assert [key for key in keys if f"`{key}`" not in text and f"{key}," not in text] == []
