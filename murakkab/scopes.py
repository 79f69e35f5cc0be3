"""state: the levels of steps while a workflow is written down: the workflow itself, its blocks, and what comes at the end."""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from murakkab.spec import Step


@dataclass(slots=True, eq=False)
class Scope:
    """One level: its steps so far, and the conditions that its next step stands under. A level sees the steps of those `around` it.

    `path` leads to its steps in the document. `borrowed`: names of levels around that were used here; no step here may take one of them.
    """

    around: "Scope | None" = None
    path: tuple[str, ...] = ("steps",)
    steps: dict[str, Step] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)
    borrowed: set[str] = field(default_factory=set)
    #: The last number given to a name.
    numbers: dict[str, int] = field(default_factory=dict)

    def sees(self, name: str) -> bool:
        """Return whether *name* is a step here or of a level around."""
        return name in self.steps or (self.around is not None and self.around.sees(name))

    def is_free(self, name: str) -> bool:
        """Return whether a new step here may be called *name* without changing what is written already."""
        return name not in self.steps and name not in self.borrowed

    def hiding(self, home: "Scope", names: Iterable[str]) -> str:
        """Return the first of *names*, steps of *home* around this level, that a step on the way there hides, or ""; borrow the others."""
        wanted = [*names]
        level: Scope | None = self
        while level is not None and level is not home:
            if hidden := next((n for n in wanted if n in level.steps), ""):
                return hidden
            level.borrowed.update(wanted)
            level = level.around
        return ""

    def is_inside(self, home: object) -> bool:
        """Return whether this is *home* or a level inside of it."""
        return self is home or (self.around is not None and self.around.is_inside(home))


#: What is being written down, None outside of any workflow.
WRITING: Final[ContextVar[Scope | None]] = ContextVar("murakkab_writing", default=None)
#: The home of values that mean the same in every workflow: `loop`, `item`, `ref("${...}")`.
ANYWHERE: Final = Scope()
