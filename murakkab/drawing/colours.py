"""data: the colours of pictures - one per kind of step, one per status."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Colour(NamedTuple):
    """A colour on a light and on a dark ground, and the tints that text stands on."""

    line: str
    ground: str
    dark_line: str
    dark_ground: str


_BLUE = Colour("#3b6fd4", "#eef3fd", "#7ea6f4", "#1b2640")
_TEAL = Colour("#0f8a83", "#e8f6f5", "#4cc5bd", "#12302f")
_AMBER = Colour("#b7791f", "#fdf5e3", "#e5b454", "#362b12")
_VIOLET = Colour("#7d4fd0", "#f4effd", "#b394f2", "#2a2044")
_GREY = Colour("#6b7685", "#f3f5f7", "#98a3b1", "#20262e")
_GREEN = Colour("#1f8a4c", "#e9f7ee", "#57c785", "#12301e")
_RED = Colour("#cf3a3a", "#fdeeee", "#f28080", "#3d1919")
_CYAN = Colour("#1683b5", "#e6f5fc", "#5bbfe8", "#102c3a")

KINDS: Final[Mapping[str, Colour]] = {
    "task": _BLUE,
    "block": _GREY,
    "workflow": _TEAL,
    "approve": _AMBER,
    "wait": _AMBER,
    "plain": _VIOLET,
    "inputs": _GREY,
    "outputs": _GREY,
    "finally": _GREY,
}
STATUSES: Final[Mapping[str, Colour]] = {
    "succeeded": _GREEN,
    "failed": _RED,
    "cancelled": _AMBER,
    "interrupted": _AMBER,
    "running": _CYAN,
    "queued": _CYAN,
    "backoff": _AMBER,
    "awaiting": _AMBER,
    "doubt": _VIOLET,
    "held": _VIOLET,
    "paused": _VIOLET,
    "skipped": _GREY,
    "waiting": _GREY,
}


def colour_of(kind: str, status: str) -> Colour:
    """Return the colour of a box: that of its status, where it has one."""
    return STATUSES.get(status) or KINDS.get(kind, _GREY)
