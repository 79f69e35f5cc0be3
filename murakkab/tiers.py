"""driver: the tiers of a workflow in this installation - set when they are first asked for, kept until somebody asks for new ones."""

import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import TypeVar

from murakkab import app
from murakkab.errors import PlanError
from murakkab.figures import Source
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.tiers import Amounts, Version, amounts_of, in_numbers, steps_of, weaker
from murakkab.plan import TaskGraph, TierUse
from murakkab.spec import Goal

_T = TypeVar("_T")


def tiers_for(graph: TaskGraph, at: Situation, settings: app.Settings, *, renew: bool = False) -> Version:
    """Return the tiers that hold for a workflow.

    They are set when there are none, when its steps are others than those they were set for, and (*renew*) when that is asked for. Setting
    them takes some seconds. Raises `InputError` where they cannot be read or kept.
    """
    store, name = app.open_tiers(settings), graph.workflow.name
    found = None if renew else store.latest(name)
    if found is not None and found.tiers.steps == steps_of(graph):
        return found
    # NumPy and SciPy are loaded to set tiers alone.
    from murakkab.optimizer.tier_setting import tiers_of

    why = "asked for" if renew else "the first" if found is None else "the steps have changed"
    anyone = Situation(at.view, at.profiles, capacity=at.capacity, time_limit=at.time_limit, known=at.known)
    made = tiers_of(graph, app.catalog(), anyone)
    amounts = amounts_of(made, graph, anyone)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    profiles = sum(one.of.source is Source.MEASURED for each in at.profiles.values() for one in each)
    return store.add(name, lambda number: Version(name, number, since, why, made, amounts, _software(), profiles))


def with_numbers(
    graph: TaskGraph, goal: Goal, at: Situation, settings: app.Settings, then: Callable[[Goal], _T]
) -> tuple[_T, tuple[TierUse, ...]]:
    """Return what *then* makes of *goal* with numbers in the place of its tiers, and which numbers these are.

    Where *then* raises `PlanError`, because no choice reaches them any more, the error names the tiers, and those that can be reached.
    """
    if not goal.tiers:
        return then(goal), ()
    version = tiers_for(graph, at, settings)
    amounts = amounts_of(version.tiers, graph, at)
    numbers = in_numbers(goal, amounts)
    day = version.since.partition("T")[0]
    uses = tuple(TierUse(name, tier, numbers.limits[name], version.number, day) for name, tier in goal.tiers.items())
    try:
        return then(numbers), uses
    except PlanError as error:
        told = " and ".join(f"{one.measure} {one.tier}" for one in uses)
        nearest = _nearest(goal, amounts, then)
        can = f"{nearest} can be had" if nearest else "none of the tiers can"
        message = f"{error.message} ({told}, version {version.number} of {day})"
        raise PlanError(message, hint=f"{can}; {error.hint}; `murakkab tiers FILE --renew` sets tiers anew") from error


def _nearest(goal: Goal, amounts: Amounts, then: Callable[[Goal], object]) -> str:
    """Return the hardest tiers that can be reached, all of them made easier step by step."""
    easier = weaker(goal)
    while easier is not None:
        try:
            then(in_numbers(easier, amounts))
        except PlanError:
            easier = weaker(easier)
        else:
            return " and ".join(f"{name} {tier}" for name, tier in easier.tiers.items())
    return ""


def _software() -> str:
    try:
        return version_of("murakkab")
    except PackageNotFoundError:
        return ""
