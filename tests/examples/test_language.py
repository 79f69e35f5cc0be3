"""The page about the language: every snippet is valid without a warning, and the commands print what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.documents import Block, Desk, blocks_of

pytestmark = pytest.mark.checkout


@pytest.fixture
def blocks(root: Path) -> list[Block]:
    return blocks_of((root / "docs" / "language.md").read_text())


@pytest.mark.timeout(60)
def test_every_snippet_is_valid(blocks: list[Block], tmp_path: Path) -> None:
    snippets = [block for block in blocks if block.text.startswith("workflow:")]
    assert len(snippets) >= 20
    for block in blocks:
        if block.file or block in snippets:
            (tmp_path / (block.file or f"line_{block.line}.yaml")).write_text(block.text)
    names = [block.file or f"line_{block.line}.yaml" for block in snippets]
    command = [str(Path(sys.executable).with_name("murakkab")), "validate", "--strict", *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(names)


@pytest.mark.timeout(60)
def test_of_several_results_one_is_kept(blocks: list[Block], tmp_path: Path) -> None:
    for block in blocks:
        if block.file == "desk.py" or block.text.startswith("workflow: several"):
            (tmp_path / (block.file or "several.yaml")).write_text(block.text)
    command = [
        str(Path(sys.executable).with_name("murakkab")),
        "run",
        "several.yaml",
        "--input",
        "question=Rain?",
        "--input",
        "text=It pours.",
    ]
    for knobs in ([], ["--knob", "voted.n=3,debated.rounds=2"]):
        done = subprocess.run([*command, *knobs, "--journal", "home"], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["voted"] == "Rain? (0)"


@pytest.mark.timeout(120)
def test_a_job_lives_as_the_page_says(blocks: list[Block], tmp_path: Path) -> None:
    Desk(tmp_path).play(blocks, "language.md")
