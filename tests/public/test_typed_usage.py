"""Type checkers see real types: `typed_usage.py` is right as it stands, and a wrong line in it is found."""

from pathlib import Path

import pytest
from mypy import api

USAGE = Path(__file__).with_name("typed_usage.py")
#: Errors inside the package are the business of the check of the package.
OPTIONS = ("--strict", "--warn-unused-ignores", "--follow-imports=silent", "--no-error-summary", "--no-pretty")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def _complaints(file: Path, cache: Path) -> list[str]:
    out, err, _ = api.run([*OPTIONS, f"--cache-dir={cache}", str(file)])
    assert not err
    return out.splitlines()


@pytest.mark.timeout(120)
def test_a_user_sees_the_types_that_are_meant(cache: Path) -> None:
    assert _complaints(USAGE, cache) == []


@pytest.mark.timeout(120)
def test_what_is_not_meant_is_found(cache: Path, tmp_path: Path) -> None:
    text = USAGE.read_text()
    changes = {
        "assert_type(pages, list[Page])": "assert_type(pages, list[str])",
        'fetch(link="a")  # type: ignore[call-arg]': 'fetch(link="a")',
        "assert_type(text, str)": "assert_type(text, str)  # type: ignore[assert-type]",
    }
    for right, wrong in changes.items():
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    copy = tmp_path / "wrong_usage.py"
    copy.write_text(text)
    found = {line.rsplit("[", maxsplit=1)[-1].removesuffix("]") for line in _complaints(copy, cache) if ": error: " in line}
    assert found == {"assert-type", "call-arg", "unused-ignore"}
