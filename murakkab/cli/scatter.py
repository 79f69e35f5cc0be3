"""policy: points in a plane as lines of text - axes, ticks, and what lies between points where no others are."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rich.text import Text

#: What a picture has at least beside its axes, and at most, in columns and rows.
_NARROWEST: Final = 16
_WIDEST: Final = 72
_HEIGHT: Final = 15
#: From so many times the least on, values stand by their logarithms.
SPREAD: Final = 50.0
#: Columns that a mark may need beside its place.
_ROOM: Final = 1


@dataclass(frozen=True, slots=True)
class Axis:
    """What is drawn along one side: its name, how a value is written, and whether more of it is better."""

    name: str
    text: Callable[[float], str]
    more_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A point and the sign that stands for it; one that `stands_out` is set in brackets."""

    x: float
    y: float
    sign: str
    stands_out: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values lie on a line of `size` places, 0 to `size` - 1."""

    low: float
    high: float
    size: int

    @property
    def is_log(self) -> bool:
        return self.low > 0 and self.high / self.low >= SPREAD

    def place(self, value: float) -> int:
        low, high, at = (math.log(one) for one in (self.low, self.high, value)) if self.is_log else (self.low, self.high, value)
        part = (at - low) / (high - low) if high > low else 0.5
        return round(part * (self.size - 1))

    def value(self, place: int) -> float:
        part = place / max(1, self.size - 1)
        return self.low * (self.high / self.low) ** part if self.is_log else self.low + part * (self.high - self.low)


def scatter(marks: Sequence[Mark], x: Axis, y: Axis, *, width: int, steps: Sequence[Mark] = ()) -> Text:
    """Return the *marks* between two axes, in at most *width* columns where these are 40 or more; of marks in one place the first is seen.

    Dots lead from each of the *steps* to the next: the edge of what can be had.
    """
    ys = _Scale(min(one.y for one in marks), max(one.y for one in marks), _HEIGHT)
    ticks = {place: y.text(ys.value(place)) for place in _ticks(ys, 3)}
    margin = max(map(len, ticks.values())) + 1
    columns = max(_NARROWEST, min(_WIDEST, width - margin - 2 - 2 * _ROOM))
    xs = _Scale(min(one.x for one in marks), max(one.x for one in marks), columns)
    cells: dict[tuple[int, int], tuple[str, str]] = {}
    _draw_steps(cells, sorted(steps, key=lambda one: one.x), (xs, ys), holds_before=x.more_is_better)
    for mark in reversed(marks):
        row, column = ys.place(mark.y), xs.place(mark.x)
        cells[row, column] = (mark.sign, "bold reverse" if mark.stands_out else "bold cyan")
        if mark.stands_out:
            cells[row, column - 1], cells[row, column + 1] = ("[", "bold"), ("]", "bold")
    lines = [Text(f"{_titled(y, ys, '↑', '↓')}", "dim")]
    for row in reversed(range(_HEIGHT)):
        line = Text(f"{ticks.get(row, ''):>{margin}} {'┤' if row in ticks else '│'}", "dim")
        for column in range(-_ROOM, columns + _ROOM):
            line.append(*cells.get((row, column), (" ", "")))
        lines.append(line)
    return Text("\n").join([*lines, *_below(xs, x, margin)])


def _ticks(scale: _Scale, most: int) -> list[int]:
    """Return the places that say their value: the ends and, where there is room, what lies half-way."""
    if scale.high == scale.low:
        return [scale.place(scale.low)]
    return [round(part * (scale.size - 1) / (most - 1)) for part in range(most)]


def _draw_steps(
    cells: dict[tuple[int, int], tuple[str, str]], marks: Sequence[Mark], scales: tuple[_Scale, _Scale], *, holds_before: bool
) -> None:
    """Draw what is had for each x: that of the mark before it, or (*holds_before*), where x is the least that is asked for, behind it."""
    xs, ys = scales
    for one, other in pairwise(marks):
        begin, end = xs.place(one.x), xs.place(other.x)
        rows = sorted((ys.place(one.y), ys.place(other.y)))
        for column in range(begin, end + 1):
            cells[ys.place(other.y if holds_before else one.y), column] = ("·", "dim")
        for row in range(rows[0], rows[1] + 1):
            cells[row, begin if holds_before else end] = ("·", "dim")


def _titled(axis: Axis, scale: _Scale, more: str, less: str) -> str:
    better = f"more is better {more}" if axis.more_is_better else f"less is better {less}"
    return f"{axis.name}{' (log)' if scale.is_log else ''}, {better}"


def _below(xs: _Scale, x: Axis, margin: int) -> list[Text]:
    """Return the axis of x, its values, and what it is."""
    places = _ticks(xs, 3)
    rule = "".join("┬" if column in places else "─" for column in range(-_ROOM, xs.size + _ROOM))
    values = ""
    room = margin + 2 + _ROOM
    for place in places:
        said = x.text(xs.value(place))
        # The last ends with the axis.
        at = max(0, min(room + place - len(said) // 2, room + xs.size + _ROOM - len(said)))
        if at > len(values) or not values:
            values = f"{values:<{at}}{said}"
    title = _titled(x, xs, "→", "←")
    at = max(0, min(room, room + xs.size + _ROOM - len(title)))
    return [Text(f"{'':>{margin}} └{rule}", "dim"), Text(values, "dim"), Text(f"{'':>{at}}{title}", "dim")]
