"""The first page: its workflows are right, it names every command and exit status, and what it points to is there."""

import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from murakkab.cli.app import app
from murakkab.errors import EXITS
from tests.examples.documents import blocks_of, sections_of
from tests.examples.test_examples import python

pytestmark = pytest.mark.checkout


@pytest.fixture
def text(root: Path) -> str:
    return (root / "README.md").read_text()


@pytest.mark.timeout(60)
def test_ten_lines_of_python_run(text: str, tmp_path: Path) -> None:
    [block] = [block for block in blocks_of(text) if block.language == "python"]
    (tmp_path / "words.py").write_text(block.text)
    assert python(tmp_path / "words.py", cwd=tmp_path) == "[4, 4]\n"


def test_ten_lines_of_yaml_are_valid(text: str, tmp_path: Path) -> None:
    [block] = [block for block in blocks_of(text) if block.language == "yaml"]
    file = tmp_path / "videos.yaml"
    file.write_text(block.text)
    done = CliRunner().invoke(app, ["validate", "--strict", str(file)])
    assert done.exit_code == 0, done.output


def test_every_command_is_named_and_no_other(text: str) -> None:
    lines = re.findall(r"^    murakkab (.+?)(?:  .*|(?<=JOB) what ran.*)?$", sections_of(text)["The command line"], re.MULTILINE)
    named = {part.split()[0] for line in lines for part in line.split(" | ")}
    commands = getattr(get_command(app), "commands")  # noqa: B009 - of a group, which the type does not say
    assert named == set(commands)


def test_every_exit_status_is_told(text: str) -> None:
    section = " ".join(sections_of(text)["The command line"].split())
    told = {int(number) for number in re.findall(r"[,:] (\d+) [a-z]", section)}
    # A defect of Murakkab itself is told where it happens.
    assert told == {0, *(status for code, (status, _) in EXITS.items() if code != "internal")}


@pytest.mark.parametrize(
    "page", ["README.md", "docs/language.md", "docs/catalog.md", "docs/migration/from-langgraph.md", "benchmarks/README.md"]
)
def test_what_a_page_points_to_is_there(page: str, root: Path) -> None:
    path = root / page
    for target in re.findall(r"\]\((?!http)([^)\s]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        found = (path.parent / file) if file else path
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}, target
