"""Documents that are run: the files and the commands in a Markdown page, and what the page says that they print.

A block behind the comment `<!-- file: NAME -->` is a file of that name. A block of the language `console` has commands behind `$ `,
each with what it prints; `...` stands for anything, and the ids of jobs may differ from those of the page.
"""

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_JOB = re.compile(r"\b[0-9a-f]{12}\b")
_LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A block of a page: what it is written in, its text, the file that it is (or ""), and the line of the page that it begins at."""

    language: str
    text: str
    file: str
    line: int


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(found["language"], found["text"], found["file"] or "", text.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(text)
    ]


def sections_of(text: str) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@dataclass
class Desk:
    """A folder in which a page is played through."""

    folder: Path
    #: What jobs are called on the page -> what they are called here.
    jobs: dict[str, str] = field(default_factory=dict)
    status: int = 0

    def play(self, blocks: Sequence[Block], page: str = "") -> None:
        """Lay the files of a page down and run its commands, in order."""
        for block in blocks:
            if block.file:
                (self.folder / block.file).write_text(block.text)
            if block.language != "console":
                continue
            for command, wanted in _commands(block.text):
                got = self._run(command)
                self._note_jobs(wanted, got)
                seen = _renamed(got, {here: there for there, here in self.jobs.items()})
                if not doctest.OutputChecker().check_output(wanted, seen, _LIKE):
                    raise AssertionError(f"{page}:{block.line}: $ {command}\nis said to print\n{wanted}\nbut prints\n{seen}")

    def _run(self, command: str) -> str:
        if command == "echo $?":
            return f"{self.status}\n"
        name, *words = shlex.split(_renamed(command, self.jobs))
        program = [sys.executable] if name == "python" else [str(Path(sys.executable).with_name(name))]
        done = subprocess.run(
            [*program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "132", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
            check=False,
        )
        self.status = done.returncode
        return done.stdout

    def _note_jobs(self, wanted: str, got: str) -> None:
        here = [job for job in dict.fromkeys(_JOB.findall(got)) if job not in self.jobs.values()]
        there = [job for job in dict.fromkeys(_JOB.findall(wanted)) if job not in self.jobs]
        self.jobs |= dict(zip(there, here, strict=False))


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        while command.endswith("\\"):
            more, _, printed = printed.partition("\n")
            command = command[:-1] + more
        yield command, printed


def _renamed(text: str, jobs: Mapping[str, str]) -> str:
    return _JOB.sub(lambda found: jobs.get(found[0], found[0]), text)
