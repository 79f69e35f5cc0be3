"""Broken and hostile workflow files, each with the exact diagnostics that it gets; `python -m tests.public.test_corpus` writes them."""

import re
import sys
import time
from pathlib import Path

import pytest

from murakkab import app
from murakkab.errors import MurakkabError, SpecError

CORPUS = Path(__file__).parent.parent / "corpus"
_FOLDER = re.compile(r"[^\s(]*/tests/corpus/(?:\w+/)?")
CASES = sorted(path.with_suffix(".yaml") for path in CORPUS.rglob("*.expected"))


def diagnostics_of(file: Path) -> str:
    """Return the diagnostics of *file*, a line each, with the base names of files; nothing when it is valid."""
    try:
        work = app.load_file(file)
    except SpecError as error:
        found = [str(one) for one in error.diagnostics]
    except MurakkabError as error:
        found = [f"{error.code}: {error}"]
    else:
        found = [str(one) for one in work.warnings]
    return "".join(f"{_FOLDER.sub('', line)}\n" for line in found)


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize("file", CASES, ids=lambda file: str(file.relative_to(CORPUS)))
def test_a_broken_file_gets_its_diagnostics(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CORPUS))
    app.catalog()
    began = time.perf_counter()
    found = diagnostics_of(file)
    assert time.perf_counter() - began < 1.0
    assert found == file.with_suffix(".expected").read_text()


if __name__ == "__main__":
    sys.path.insert(0, str(CORPUS))
    for one in sorted(CORPUS.rglob("*.yaml")):
        if text := diagnostics_of(one):
            one.with_suffix(".expected").write_text(text)
