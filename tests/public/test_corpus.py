"""Broken and hostile workflow files, each with exactly what `murakkab validate` says of it.

A file's expected output stands beside it, in `NAME.expected`; that of the files that are too large to keep is in `monsters.expected`. The
first line of a file may say with which options it is validated: `# validate --profile prod`. `python -m tests.public.test_corpus` writes
all expected output anew; read the difference.
"""

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from typer.testing import CliRunner

from murakkab import app
from murakkab.cli.app import app as commands
from murakkab.diagnostics import CODES
from tests.corpus.monsters import MONSTERS, Measured, measured
from tests.effort import effort

CORPUS: Final = Path(__file__).parent.parent / "corpus"
FILES: Final = sorted(file for file in CORPUS.rglob("*") if file.suffix in (".yaml", ".json"))
#: Only programs can make these mistakes.
IN_PYTHON: Final = frozenset(
    ("wrong-arguments", "unknown-option", "not-there-yet", "part-of-many", "condition-decided", "outside-workflow", "nested-workflow")
)

_OPTIONS: Final = re.compile(rb"# validate (.*)")
#: Calls of functions that a file may take: well below a second.
_MOST_CALLS: Final = 1_000_000
#: So much is kept of what is said of a monster.
_LINES: Final = 3
_SHOWN: Final = 400
_SAID: Final = re.compile(r"^\S+: (?:warning: )?([a-z-]+): ", re.MULTILINE)


def expected_of(file: Path) -> Path:
    return file.with_suffix(file.suffix.replace(".yaml", "") + ".expected")


def validated(file: Path) -> tuple[str, int]:
    """Return what is said of *file*, which stands in the current folder, and the exit status."""
    options = _OPTIONS.match(file.read_bytes())
    words = options[1].decode().split() if options else []
    done = CliRunner().invoke(commands, ["validate", file.name, *words], catch_exceptions=False)
    return (done.stderr + done.stdout).replace(f"{CORPUS}{os.sep}", ""), done.exit_code


def test_the_corpus_is_large() -> None:
    assert len(FILES) >= 110
    assert all(expected_of(file).exists() for file in FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CORPUS)))
def test_a_file_gets_exactly_its_diagnostics(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CORPUS))
    monkeypatch.chdir(file.parent)
    app.catalog()
    (said, status), calls = effort(lambda: validated(file))
    assert calls < _MOST_CALLS
    assert said == expected_of(file).read_text(encoding="utf-8")
    assert status == (0 if re.search(r": ok, \d+ steps?", said) else 2)


def test_a_pipe_or_device_is_no_file_of_a_workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one might never end."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.yaml")
    Path("outer.yaml").write_text("workflow: outer\nsteps:\n  a: {workflow: ./pipe.yaml}\n  b: {workflow: /dev/zero}\n")
    said, status = validated(Path("outer.yaml"))
    hint = "it is no regular file; a path is relative to the file that names it"
    assert said.splitlines()[:2] == [
        f"outer.yaml:3:17: unknown-workflow: there is no file 'pipe.yaml' that can be read: {hint}",
        f"outer.yaml:4:17: unknown-workflow: there is no file '/dev/zero' that can be read: {hint}",
    ]
    assert status == 2


def told(found: Measured) -> str:
    """Return how many lines are said of a monster, and the first of them."""
    return "\n".join([str(len(found.said)), *(line[:_SHOWN] for line in found.said[:_LINES])]) + "\n"


def expected_of_monsters() -> dict[str, str]:
    sections = (CORPUS / "monsters.expected").read_text(encoding="utf-8").split("== ")[1:]
    return {name: text for name, _, text in (section.partition("\n") for section in sections)}


def test_every_code_that_a_file_can_cause_is_in_the_corpus() -> None:
    said = [expected_of(file).read_text(encoding="utf-8") for file in FILES]
    codes = {code for text in (*said, *expected_of_monsters().values()) for code in _SAID.findall(text)}
    assert CODES.keys() - IN_PYTHON == codes & CODES.keys()


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    return measured(MONSTERS, tmp_path_factory.mktemp("monsters"))


@pytest.mark.parametrize("name", [monster.name for monster in MONSTERS])
@pytest.mark.timeout(120)
def test_a_monster_is_refused_within_a_second_and_200_megabytes(name: str, findings: dict[str, Measured]) -> None:
    """Measured in a process of its own, which the operating system would stop long before it could do harm."""
    found = findings[name]
    assert told(found) == expected_of_monsters()[name]
    assert max(map(len, found.said)) < 1_500
    assert found.seconds < 1.0
    assert found.megabytes < 200


if __name__ == "__main__":
    sys.path.insert(0, str(CORPUS))
    for one in FILES:
        os.chdir(one.parent)
        expected_of(one).write_text(validated(one)[0], encoding="utf-8")
    with (CORPUS / "monsters.expected").open("w", encoding="utf-8") as expected, TemporaryDirectory() as folder:
        expected.writelines(f"== {name}\n{told(found)}" for name, found in measured(MONSTERS, Path(folder)).items())
