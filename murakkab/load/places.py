"""data: where the keys and values of a document stand in its text."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from murakkab.errors import Diagnostic, Path, Place

Position = tuple[int, int]

#: Mistakes about a key; all others are about its value.
_ABOUT_KEYS: Final = frozenset(
    {"unknown-field", "duplicate-key", "bad-name", "unknown-input", "unknown-knob", "shadowed-name", "unknown-operator", "unknown-goal"}
)


@dataclass(slots=True)
class Places:
    """Zero-based positions by path. Filled while a text is read, then only asked."""

    file: str
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)

    def get(self, path: Path) -> Place | None:
        """Return where the value of exactly *path* is written, or None."""
        position = self.values.get(path)
        return None if position is None else self.at(position)

    def find(self, path: Path, *, key: bool = False) -> Place:
        """Return where *path* is written, or the nearest thing around it that is written at all."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        while path:
            position = first.get(path) or second.get(path)
            if position is not None:
                return self.at(position)
            path = path[:-1]
        return Place(self.file, 1, 1)

    def at(self, position: Position) -> Place:
        """Return a zero-based position as a place."""
        return Place(self.file, position[0] + 1, position[1] + 1)

    def placed(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Return *diagnostics* with their places, in the order of the text."""
        found = [d if d.place else replace(d, place=self.find(d.path, key=d.code in _ABOUT_KEYS)) for d in diagnostics]
        return sorted(found, key=_position)


def _position(diagnostic: Diagnostic) -> Position:
    place = diagnostic.place
    return (place.line, place.column) if place else (0, 0)
