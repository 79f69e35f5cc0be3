"""policy: what the `.options()` of a workflow ask for -> a goal, and knobs that change the graph."""

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from murakkab.document import limit_from
from murakkab.errors import InputError
from murakkab.spec import LIMITS, MEASURES, Goal, limited

#: Stands for integers that no float can hold; no limit may be so high.
_LARGE: Final = 1e300


def goal_asked(declared: Goal, options: Mapping[str, Any]) -> Goal:
    """Return the goal of jobs with these options. Raises `InputError` for what has the wrong type; the rest is checked with the goal."""
    goal = options.get("goal", declared)
    if not isinstance(goal, Goal):
        raise InputError(
            f"goal={reprlib.repr(goal)} is no Goal", hint='write Goal(("energy",), limits={"quality": 0.8}), or minimize= and limits='
        )
    if "minimize" in options:
        goal = replace(goal, minimize=_measures(options["minimize"]))
    return limited(goal, _limits(options["limits"])) if "limits" in options else goal


def knobs_asked(asked: object) -> Mapping[str, int]:
    """Return knobs that change the graph as they are to be set. Raises `InputError`."""
    if not isinstance(asked, Mapping) or not all(isinstance(name, str) and type(value) is int for name, value in asked.items()):
        raise InputError(f"knobs={reprlib.repr(asked)} sets no knobs", hint='write knobs={"answer.n": 3}')
    return asked


def _measures(asked: object) -> tuple[str, ...]:
    several = (asked,) if isinstance(asked, str) else tuple(asked) if isinstance(asked, Sequence) else ()
    if not isinstance(asked, Sequence) or not all(isinstance(name, str) for name in several):
        raise InputError(f"minimize={reprlib.repr(asked)} names no measures", hint=f"write one of {', '.join(MEASURES)}, or a list of them")
    return several


def _limits(asked: object) -> dict[str, float | str]:
    if not isinstance(asked, Mapping):
        raise InputError(f"limits={reprlib.repr(asked)} is no mapping", hint='write limits={"latency": 60, "quality": 0.8}')
    return {_name(name): _limit(name, limit) for name, limit in asked.items()}


def _name(asked: object) -> str:
    if not isinstance(asked, str):
        raise InputError(f"{reprlib.repr(asked)} cannot be limited", hint=f"there are {', '.join(LIMITS)}")
    return asked


def _limit(name: str, asked: object) -> float | str:
    """Return a number, or the name of a tier; an amount with its unit is read as in a file."""
    if isinstance(asked, bool) or not isinstance(asked, int | float | str):
        hint = "it is a number: seconds, USD, joules, or a quality"
        raise InputError(f"the limit of {name} cannot be {reprlib.repr(asked)}", hint=hint)
    if isinstance(asked, str) and name in LIMITS:
        read, flaws = limit_from(name, asked)
        if flaws:
            raise InputError(f"limits: {flaws[0].message}", hint=flaws[0].hint)
        return read.tiers.get(name) or read.limits[name]
    return min(asked, _LARGE) if isinstance(asked, int) else asked
