"""data: where the keys and values of a document stand in its text, and in the texts of the files that it includes."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from murakkab.diagnostics import MAX_TOLD
from murakkab.document.compose import Origins, written
from murakkab.errors import Diagnostic, Path, Place

Position = tuple[int, int]

#: Messages are told up to here.
_LONGEST: Final = 1_000

#: Mistakes about a key; all others are about its value.
_ABOUT_KEYS: Final = frozenset(
    (
        *("unknown-field", "duplicate-key", "bad-name", "unknown-input", "unknown-knob", "shadowed-name", "unknown-operator"),
        *("unknown-goal", "misplaced", "unused-input", "unused"),
    )
)


@dataclass(slots=True)
class Places:
    """Zero-based positions by path. Filled while a text is read, then only asked.

    `origins`: what was put together from several parts of the text. `files`: what is written in files of its own.
    """

    file: str
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    origins: Origins = field(default_factory=dict)
    files: "dict[Path, Places]" = field(default_factory=dict)

    def home(self, path: Path) -> "tuple[Places, Path]":
        """Return the text in which *path* is written, and the path there."""
        places, path = self, written(path, self.origins)
        end = 1
        while places.files and end <= len(path):
            inner = places.files.get(path[:end])
            if inner is None:
                end += 1
            else:
                places, path, end = inner, written(path[end:], inner.origins), 1
        return places, path

    def get(self, path: Path) -> Place | None:
        """Return where the value of exactly *path* is written, or None."""
        places, path = self.home(path)
        position = places.values.get(path)
        return None if position is None else places.at(position)

    def find(self, path: Path, *, key: bool = False) -> Place:
        """Return where *path* is written, or the nearest thing around it that is written at all."""
        places, path = self.home(path)
        if not key and path[-2:-1] == ("outputs",) and (*path, "value") in places.values:
            path = (*path, "value")
        first, second = (places.keys, places.values) if key else (places.values, places.keys)
        while path:
            position = first.get(path) or second.get(path) or places.inside(path)
            if position is not None:
                return places.at(position)
            path = path[:-1]
        return Place(places.file, 1, 1)

    def inside(self, path: Path) -> Position | None:
        """Return the position of what has a short path, though it is written further down: a loop variable, an executor, an output."""
        if path[-2:-1] == ("for_each",):
            levels = range(sum(1 for _ in self._levels(path[:-1])))
            ways = [("$zip",), *(("$levels", i) for i in levels), *(("$levels", i, "$zip") for i in levels)]
            return next((at for way in ways if (at := self.values.get((*path[:-1], *way, path[-1])))), None)
        if path[-1:] == ("executor",):
            return self.values.get((*path[:-1], "prefer", "executor"))
        longer = ((*path[: i + 2], "value", *path[i + 2 :]) for i, item in enumerate(path[:-2]) if item == "outputs")
        return next((self.values[way] for way in longer if way in self.values), None)

    def _levels(self, path: Path) -> Iterable[int]:
        i = 0
        while (*path, "$levels", i) in self.values:
            yield i
            i += 1

    def at(self, position: Position) -> Place:
        """Return a zero-based position as a place."""
        return Place(self.file, position[0] + 1, position[1] + 1)

    def placed(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Return *diagnostics* with their places, in the order of the text, those of other files last; each place says a thing once."""
        found: dict[tuple[Place | None, str, str], Diagnostic] = {}
        for one in diagnostics:
            there = one if one.place else replace(one, place=self.find(one.path, key=one.code in _ABOUT_KEYS))
            found.setdefault((there.place, one.code, one.message), there)
        return sorted(found.values(), key=self._order)

    def told(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Return *diagnostics* with their places, the first thousand where there are more, in messages that can be read."""
        found = self.placed(diagnostics)
        listed = [one for one in found if one.code != "too-many"]
        if len(found) > MAX_TOLD:
            message = f"these are the first {MAX_TOLD:,} mistakes; there may be more"
            listed = [Diagnostic("too-many", message, "mend them first", place=Place(self.file, 1, 1)), *listed[:MAX_TOLD]]
        return [replace(one, message=f"{one.message[:_LONGEST]}...") if len(one.message) > _LONGEST else one for one in listed]

    def _order(self, diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
        place = diagnostic.place
        return (place.file != self.file, place.file, place.line, place.column) if place else (False, "", 0, 0)
