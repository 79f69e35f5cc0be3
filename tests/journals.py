"""Journals to test: where they are opened, and short ways to write what they hold."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from murakkab.ports import JobHeader, Journal
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.messages import TaskSucceeded
from murakkab.runtime.sqlite_journal import SqliteJournal

WORKFLOW = {"workflow": "test", "steps": {"a": {"uses": "work"}}}


def header(job: str = "job", **fields: Any) -> JobHeader:
    return JobHeader(**{"job": job, "workflow": WORKFLOW, "choices": {"a": "fake"}, "inputs": {"xs": [1, 2]}, "created": 1000.0, **fields})


def succeeded(task: str, value: Any = None, time: float = 1.0) -> TaskSucceeded:
    return TaskSucceeded(time, task, value, 0.5)


class Place:
    """Where journals are opened. What is still open at the end is closed."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self._memory = MemoryJournal()
        self._opened: list[Journal] = []

    @property
    def path(self) -> Path:
        return self.folder / "home" / "journal.db"

    @property
    def tails(self) -> Path:
        return self.folder / "home" / "journal.db-tails"

    def open(self) -> Journal:
        """Open what is kept here, as another process would; in memory there is one journal, for as long as the process lives."""
        if self.kind == "memory":
            return self._memory
        made = SqliteJournal(self.path, LocalArtifacts(self.folder / "artifacts"), sync=self.kind == "sqlite-sync")
        self._opened.append(made)
        return made

    def close(self) -> None:
        for journal in self._opened:
            journal.close()


def rows(place: Place, sql: str) -> list[Any]:
    """Return what the database itself holds."""
    with closing(sqlite3.connect(place.path)) as db:
        return db.execute(sql).fetchall()


def only_tail(place: Place) -> Path:
    tails = sorted(place.tails.glob("*.tail"))
    assert len(tails) == 1
    return tails[0]


def tail_of(journal: Journal, place: Place) -> Path:
    assert isinstance(journal, SqliteJournal)
    return max(place.tails.glob(f"{journal._tail.owner}.*.tail"))


# ------------------------------------------------------------------------------------------------------------- processes

#: How every script begins that a process of a test runs.
SCRIPT = """
import json, sys
from pathlib import Path
from murakkab.ports import JobHeader
from murakkab.runtime import sqlite_journal
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.messages import TaskSucceeded

def open_journal():
    return sqlite_journal.SqliteJournal(Path(sys.argv[1]), LocalArtifacts(sys.argv[2]))

def tell(*words):
    print(*words, flush=True)

"""


@contextmanager
def process(script: str, place: Place) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", script, str(place.path), str(place.folder / "artifacts")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def heard(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def say(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()
