"""policy: Picture -> lines for a terminal, one per step. Each result runs down a rail until its last consumer has taken it.

○        search     a step that waits for no other
●        facts      takes what stands above it
├─●      votes      takes facts, which others take as well
│ │ ○    style
●─│─╯    review     takes facts and style; the rail of votes passes by
┃ │ ●    draft      a step inside of review
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from murakkab.drawing.picture import Box, Frame


class Rail(NamedTuple):
    """A step as a line: `lead` is what is drawn before its name, `below` before further lines of words about it.

    `takes` names what it waits for without a rail, for want of room.
    """

    lead: str
    box: Box
    depth: int
    takes: tuple[str, ...] = ()
    below: str = ""


def rails(frame: Frame, *, most: int = 12) -> list[Rail]:
    """Return a line per step, those inside of a step behind it; at most *most* rails side by side in each frame."""
    return list(_frame(frame, "", 0, most))


def _frame(frame: Frame, outer: str, depth: int, most: int) -> Iterator[Rail]:
    lanes = _Lanes(frame, most)
    for box in frame.boxes:
        if not box.is_step:
            continue
        lead, column, takes = lanes.step(box)
        if box.inside is None:
            yield Rail(outer + lead, box, depth, takes, outer + lanes.passing())
            continue
        beside = outer + lanes.passing(column)
        yield Rail(outer + lead, box, depth, takes, beside)
        yield from _frame(box.inside, beside, depth + 1, most)


class _Lanes:
    """The rails of one frame, from left to right: whose result runs down each."""

    def __init__(self, frame: Frame, most: int) -> None:
        steps = {box.key: box.name for box in frame.boxes if box.is_step}
        self._names: Mapping[str, str] = steps
        self._sources: dict[str, set[str]] = {key: set() for key in steps}
        #: How many still wait for the result of a step.
        self._left = dict.fromkeys(steps, 0)
        self._most = most
        self._lanes: list[str] = []
        for edge in frame.edges:
            if edge.source in steps and edge.target in steps:
                self._sources[edge.target].add(edge.source)
                self._left[edge.source] += 1

    def step(self, box: Box) -> tuple[str, int, tuple[str, ...]]:
        """Return what is drawn on the line of *box*, in which column it stands, and what it takes that has no rail."""
        sources = self._sources[box.key]
        found = [column for column, one in enumerate(self._lanes) if one in sources]
        takes = tuple(sorted(self._names[one] for one in sources - {self._lanes[column] for column in found}))
        for one in sources:
            self._left[one] -= 1
        ending = [column for column in found if not self._left[self._lanes[column]]]
        column = ending[0] if ending else self._free(after=max(found, default=-1))
        lead = self._drawn(box, column, found, set(ending))
        for end in ending:
            self._lanes[end] = ""
        if self._left[box.key] and column < self._most:
            self._lanes += [""] * (column + 1 - len(self._lanes))
            self._lanes[column] = box.key
        while self._lanes and not self._lanes[-1]:
            self._lanes.pop()
        return lead, column, takes

    def passing(self, column: int = -1) -> str:
        """Return the rails that run on, and beside them the step in *column* whose inside is shown."""
        count = max(len(self._lanes), column + 1)
        lanes = [*self._lanes, *([""] * (count - len(self._lanes)))]
        return "".join("┃ " if i == column else "│ " if lane else "  " for i, lane in enumerate(lanes)) + " "

    def _free(self, *, after: int) -> int:
        """Return the first free column behind what a step takes, else the first free one."""
        for columns in (range(after + 1, len(self._lanes)), range(len(self._lanes))):
            for column in columns:
                if not self._lanes[column]:
                    return column
        return min(len(self._lanes), self._most)

    def _drawn(self, box: Box, column: int, found: list[int], ending: set[int]) -> str:
        low, high = min([*found, column]), max([*found, column])
        drawn = ""
        for i in range(max(len(self._lanes), column + 1)):
            lane = i < len(self._lanes) and bool(self._lanes[i])
            if i == column:
                drawn += _mark(box, waits=bool(self._sources[box.key]))
            elif i in found:
                drawn += _joint(right=i < high, left=i > low, ends=i in ending)
            else:
                drawn += "│" if lane else "─" if low < i < high else " "
            drawn += "─" if low <= i < high else " "
        return drawn


def _mark(box: Box, *, waits: bool) -> str:
    if box.kind in ("approve", "wait"):
        return "◆" if waits else "◇"
    return "●" if waits else "○"


def _joint(*, right: bool, left: bool, ends: bool) -> str:
    if right and left:
        return "┴" if ends else "┼"
    if right:
        return "╰" if ends else "├"
    return "╯" if ends else "┤"
