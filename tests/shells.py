"""A folder with workflow files in which commands run, as a user would type them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from murakkab.cli.app import app

GREETING = """
workflow: greeting
inputs: {names: "list[str]"}
steps:
  hello: {call: "cli_steps:hello", for_each: "${inputs.names}", with: {name: "${item}"}}
  all: {call: "cli_steps:join", with: {parts: "${hello}"}}
outputs: {text: "${all}"}
"""
STEPS = """
import pathlib
import time

def hello(name: str) -> str:
    return "Hello " + name

def join(parts: list[str]) -> str:
    if pathlib.Path("broken").exists():
        raise ValueError("it is broken")
    return ", ".join(parts)

def slow(name: str) -> str:
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return name

def last(name: str) -> str:
    return name + "!"
"""
WRONG = """
workflow: wrong
steps:
  a: {uses: no-such-thing}
  b: {call: "cli_steps:join", wiht: {parts: []}}
"""
SLOW = """
workflow: slow
steps:
  first: {call: "cli_steps:slow", with: {name: "Ann"}}
  second: {call: "cli_steps:last", with: {name: "${first}"}}
outputs: {text: "${second}"}
"""


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


class Shell:
    """A folder with workflow files, in which commands run: in this process, or (`process`) in one of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MURAKKAB_")}
        for name, text in {"greeting.yaml": GREETING, "wrong.yaml": WRONG, "slow.yaml": SLOW, "cli_steps.py": STEPS}.items():
            (folder / name).write_text(text)

    def __call__(self, *words: str) -> Done:
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        return Done(result.exit_code, result.stdout, result.stderr)

    def json(self, *words: str, status: int = 0) -> Any:
        done = self(*words, "--json")
        assert done.status == status, done.err or done.out
        assert done.err == ""
        return json.loads(done.out)

    def process(self, *words: str) -> Done:
        done = subprocess.run(self.command(*words), cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from murakkab.cli.app import main; main()", *words]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("MURAKKAB_JOURNAL", raising=False)
    yield Shell(tmp_path)
    sys.modules.pop("cli_steps", None)
