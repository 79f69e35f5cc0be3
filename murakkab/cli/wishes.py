"""driver: what somebody wishes of a job on the command line - a profile, what to minimize, limits, a budget."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from murakkab.cli.options import goal_limits_from, measures_of
from murakkab.errors import InputError
from murakkab.spec import Goal, limited


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of a command about how a workflow is to run; what is left out is as the file says."""

    profile: str = ""
    minimize: str | None = None
    limits: Sequence[str] = ()
    budget: str | None = None
    knobs: Sequence[str] = ()

    def goal(self, declared: Goal) -> Goal:
        """Return the goal that the file declares with what is wished laid over it. Raises `InputError`."""
        minimize = declared.minimize if self.minimize is None else measures_of(self.minimize)
        asked = goal_limits_from(self.limits)
        return limited(replace(declared, minimize=minimize), {**asked.limits, **asked.tiers})

    def settings(self) -> dict[str, int]:
        """Return the knobs that change the graph, as they are to be set. Raises `InputError`."""
        found: dict[str, int] = {}
        for part in (part for text in self.knobs for part in text.split(",") if part.strip()):
            name, equals, number = (word.strip() for word in part.partition("="))
            if not equals or not name or not (number.isascii() and number.isdigit()):
                raise InputError(f"{part.strip()!r} sets no knob", hint="--knob answer.n=3")
            if name in found and found[name] != int(number):
                raise InputError(f"the knob {name} is set to {found[name]} and to {int(number)}", hint="set it once")
            found[name] = int(number)
        return found
