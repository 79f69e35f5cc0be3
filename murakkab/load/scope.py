"""state: what is known while a text and the files that it names are read: where it stands, what may be named, what is wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, NamedTuple

from murakkab.diagnostics import MAX_TOLD
from murakkab.document.read import MAX_NESTED
from murakkab.errors import Diagnostic, Path
from murakkab.load.places import Places
from murakkab.load.text import MAX_CHARACTERS
from murakkab.load.tree import MAX_VALUES
from murakkab.spec import Workflow

#: Gives the bytes of a file; of one that has more than `MAX_CHARACTERS` the beginning is enough. Raises `OSError` when it cannot.
ReadFile = Callable[[str], bytes]

#: A path with the file in which it is written.
Address = tuple[str, Path]

#: How many characters all files together may have, and all definitions, each counted wherever it is put.
MAX_TOTAL: Final = 10 * MAX_CHARACTERS


class Definition(NamedTuple):
    """A workflow as read, and how much it is with all that is inside of it."""

    workflow: Workflow
    depth: int = 0
    total: int = 1
    size: int = 0


@dataclass(slots=True)
class Loading:
    """What is known while one text and all that it includes are read. `chain`: what is being read right now, the outermost first.

    `broken`: the paths, each with its file, of what could not be read. `room`: how many values and characters may still come. `guesses`:
    how many hints may still be looked for. `is_full`: there is too much, and that has been said.
    """

    read: ReadFile | None
    profile: str
    chain: dict[Address, str] = field(default_factory=dict)
    files: dict[str, tuple[Definition | None, Places]] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    broken: set[Address] = field(default_factory=set)
    room: tuple[int, int] = (MAX_VALUES, MAX_TOTAL)
    guesses: int = 100
    is_full: bool = False

    def note(self, problems: Iterable[Diagnostic], places: Places, at: Path = ()) -> None:
        """Keep what is wrong in the workflow at *at* of a text."""
        room = MAX_TOLD + 1 - len(self.problems)
        for one in places.placed(replace(d, path=(*at, *d.path)) for d in islice(problems, max(0, room))):
            self.problems.append(one)
            self.broken.add(address(places, one.path))

    def refuse(self, message: str, places: Places, at: Path, *, hint: str = "") -> None:
        """Say, once, that there is too much."""
        if not self.is_full:
            self.is_full = True
            self.note([Diagnostic("too-large", message, hint, at)], places)

    @contextmanager
    def reading(self, what: Address, label: str, places: Places, at: Path) -> Iterator[bool]:
        """Read *what*, which is named at *at*; False when that would never end."""
        problem = None
        if what in self.chain:
            labels = list(self.chain.values())[list(self.chain).index(what) :]
            problem = Diagnostic("cycle", f"workflows run each other: {' -> '.join([*labels, label])}", "take one of the steps away", at)
        elif len(self.chain) > MAX_NESTED:
            problem = Diagnostic("too-deep", f"workflows stand more than {MAX_NESTED} deep inside of each other", "", at)
        if problem is not None:
            self.note([problem], places)
            yield False
            return
        self.chain[what] = label
        yield True
        del self.chain[what]


@dataclass(slots=True)
class Scope:
    """The workflows that one workflow may name: its own (`declared`), then those of the workflow around it in the same text.

    `found` are those that it uses; `keys` says what a file is called among them.
    """

    places: Places
    at: Path
    declared: Mapping[str, Any]
    outer: "Scope | None"
    found: dict[str, Definition | None] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def around(self) -> "Iterator[Scope]":
        """Yield this and the workflows around it, the nearest first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def owner(self, name: str) -> "Scope | None":
        """Return the nearest workflow that declares *name*."""
        return next((scope for scope in self.around() if name in scope.declared), None)


def address(places: Places, path: Path) -> Address:
    """Return the file in which *path* is written, and the path there."""
    home, path = places.home(path)
    return home.file, path
