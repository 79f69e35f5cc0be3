"""Every numbered example runs as a reader would run it, and says what it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What each example prints, or a part of it that only a right run prints.
EXPECTED = {
    "01_hello.py": "Hello world",
    "02_yaml.py": "{'greetings': ['Hello, Ada!', 'Hello, Grace!'], 'crowd': 'That is a crowd.\\n'}",
    "03_map.py": "Emma stands 2 times in emma, alice",
    "04_conditions.py": "{'action': 'queued with 0 tags', 'note': None}",
    "05_errors_and_retries.py": "Ann answered at attempt 3",
}


def test_every_example_is_expected(root: Path) -> None:
    assert {path.name for path in (root / "examples").glob("[0-9]*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_runs(name: str, root: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", root / "examples" / name],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert EXPECTED[name] in ran.stdout


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_is_short_and_says_what_it_teaches(name: str, root: Path) -> None:
    lines = (root / "examples" / name).read_text().splitlines()
    assert len(lines) < 60
    assert lines[0].startswith("# ")
