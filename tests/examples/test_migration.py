"""The pages about coming from other orchestrators: our side of each comparison runs and prints what it says, and lines are counted right.

The other side was run by hand, with the versions and on the day that each page names.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.documents import Desk, blocks_of, sections_of

pytestmark = pytest.mark.checkout
PAGES = ("from-langgraph.md", "from-prefect.md", "from-crewai.md")
COMPARED = ("Fan-out, join, branch", "Approval, resumed by another process", "Loop until it is good enough")


def sections() -> Iterator[tuple[str, str]]:
    """Yield the pages and sections to be run: what two of them have alike is run once."""
    seen: set[str] = set()
    for page in PAGES:
        path = Path(__file__).parents[2] / "docs" / "migration" / page
        found = sections_of(path.read_text()) if path.exists() else {}
        for section in COMPARED:
            ours = repr([block[:3] for block in blocks_of(found.get(section, "")) if block.file or block.language == "console"])
            if ours not in seen:
                yield page, section
            seen.add(ours)


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, root: Path) -> Path:
    path: Path = root / "docs" / "migration" / request.param
    return path


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "section"), [*sections()])
def test_our_side_prints_what_the_page_says(name: str, section: str, root: Path, tmp_path: Path) -> None:
    blocks = blocks_of(sections_of((root / "docs" / "migration" / name).read_text())[section])
    assert any(block.language == "console" for block in blocks)
    Desk(tmp_path).play(blocks, f"{name}, {section}")


@pytest.mark.parametrize("section", COMPARED)
def test_lines_are_counted_right(page: Path, section: str) -> None:
    text = page.read_text()
    counts = {True: 0, False: 0}
    for block in blocks_of(sections_of(text)[section]):
        if block.language in ("python", "yaml"):
            counts[bool(block.file)] += sum(bool(line.strip()) for line in block.text.splitlines())
    told = re.search(rf"^\| {section} \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert told is not None
    assert (int(told[1]), int(told[2])) == (counts[False], counts[True])


def test_the_page_says_what_the_other_side_was_run_with(page: Path) -> None:
    said = " ".join(page.read_text().split())
    assert re.search(r"was run with \w+ \d+\.\d+\.\d+ .{0,120}on 2026-11-25, and printed what stands below it", said)
    assert "## What is missing in Murakkab" in said
