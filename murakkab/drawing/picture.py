"""data: a picture of a workflow or job - boxes, what is inside of them, and what leads where. Knows no form to draw it in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

#: The keys of the boxes that are no steps; no step can be called so.
INPUTS, OUTPUTS, FINALLY = ">inputs", ">outputs", ">finally"


class Badge(NamedTuple):
    """One thing worth knowing of a step: `each` (a map), `repeat`, `when`, `need`, `retry`, `rescue`, `limit`, `cache` or `effect`."""

    kind: str
    text: str


class Edge(NamedTuple):
    """One box waits for another of the same frame, by their keys.

    `kind`: data, stream (element by element), either (one of several ways), condition (asked by `when` alone) or order (`after`).
    """

    source: str
    target: str
    kind: str = "data"


@dataclass(frozen=True, slots=True)
class Frame:
    """Boxes side by side, in an order in which they can run, and the edges between them."""

    boxes: "tuple[Box, ...]" = ()
    edges: tuple[Edge, ...] = ()

    def every_box(self) -> Iterator["Box"]:
        """Yield every box, those inside of others right behind them."""
        agenda = list(reversed(self.boxes))
        while agenda:
            box = agenda.pop()
            yield box
            if box.inside is not None:
                agenda.extend(reversed(box.inside.boxes))


@dataclass(frozen=True, slots=True)
class Box:
    """A step. `key` is its path; `kind`: task, block, workflow, approve, wait, plain (language) - or inputs, outputs, finally.

    `work` says what is done, `way` by whom; `folded` counts the steps inside that are not shown.
    """

    key: str
    name: str
    kind: str
    work: str = ""
    way: str = ""
    badges: tuple[Badge, ...] = ()
    status: str = ""
    inside: Frame | None = None
    folded: int = 0

    @property
    def is_step(self) -> bool:
        """True unless it stands for the inputs or outputs of the whole."""
        return self.kind not in ("inputs", "outputs")

    @property
    def is_map(self) -> bool:
        """True when it is done once per element of a list."""
        return any(badge.kind == "each" for badge in self.badges)


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole workflow; of a job when its boxes have a status. `remarks` are lines to stand below."""

    title: str
    frame: Frame = field(default_factory=Frame)
    remarks: tuple[str, ...] = ()
    status: str = ""
