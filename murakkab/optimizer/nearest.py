"""policy: what could be had where limits cannot be kept - for each, the others kept, the nearest value that a run on virtual time shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from murakkab.errors import PlanError
from murakkab.optimizer.configurations import Ways
from murakkab.optimizer.conflict import Conflict
from murakkab.optimizer.estimate import Scene
from murakkab.optimizer.limits import FLOORS
from murakkab.optimizer.problem import MEASURES, Percentile
from murakkab.optimizer.reasons import amount, broken_limits, exact_amount, measure_of, said
from murakkab.optimizer.selection import LATENCIES, LEAST_STEP, ROUNDS, Selection, by_tails, nudged, over_by, rank, solved
from murakkab.optimizer.situation import Situation
from murakkab.spec import Goal

#: How near to the best a value is looked for, as a part of it.
_EXACT: Final = 1e-5
#: Steps in all forecasts that are made to come nearer by one step at a time.
_NUDGES: Final = 600
#: Parts by which a value must be nearer to be worth giving up other limits.
_WORTH: Final = 0.01


def reached(scene: Scene, goal: Goal, ways: Ways, at: Situation, name: str) -> Selection | None:
    """Return the selection nearest to the limit *name* of those found that keep all others of *goal*; None where none is found.

    What is found for a limit does not depend on how low it is: set to the value of this selection, it can be kept.
    """
    others = {one: limit for one, limit in goal.limits.items() if one != name}
    aim = replace(goal, minimize=("latency" if name in LATENCIES else name,), limits=others)
    wish = replace(aim, minimize=(name,))
    tried = list(_tries(scene, aim, ways, replace(at, gap=min(at.gap, _EXACT)), name))
    if not tried:
        return None
    best = nudged(scene, wish, ways, min(tried, key=lambda one: rank(one.made.estimate, wish)), most=_NUDGES)
    return best if rank(best.made.estimate, wish)[0] == 0.0 else None


def _tries(scene: Scene, aim: Goal, ways: Ways, at: Situation, name: str) -> Iterator[Selection]:
    """Yield selections that come into question: by the bounds on latency that runs on virtual time ask for, and the quickest."""
    limits = [aim.limits[one] for one in LATENCIES if one in aim.limits]
    bound = min(limits, default=None)
    for _ in range(1 if bound is None else ROUNDS):
        found = solved(scene, aim, ways, at, {} if bound is None else {"latency": bound})
        if found is None:
            break
        yield found
        over = over_by(found, aim)
        if bound is None or over <= 1.0:
            break
        bound *= min(LEAST_STEP, 1.0 / over)
    if "latency_p90" in aim.limits:
        yield from by_tails(scene, aim, ways, at, aim.limits["latency_p90"])
    if limits or name == "latency_p90":
        quickest = replace(aim, minimize=("latency",))
        yield from filter(None, (solved(scene, quickest, ways, at, {}, one) for one in (Percentile.P50, Percentile.P90)))


def refusal(scene: Scene, goal: Goal, ways: Ways, at: Situation, clash: Sequence[str], nearest: Selection) -> PlanError:
    """Return the error that names the limits that cannot be kept together, and the nearest values that can be had."""
    if not clash:
        told = "; ".join(broken_limits(nearest.made.estimate, goal.limits))
        return PlanError(f"no choice keeps the limits of the goal: {told}", hint="loosen a limit")
    told = " and ".join(f"{said(name)} {amount(name, goal.limits[name])}" for name in clash)
    near = [text for name in clash if (text := _could(scene, goal, ways, at, name))]
    if not near:
        return PlanError(f"no choice keeps {told}{' together' if len(clash) > 1 else ''}", hint="loosen it")
    if len(clash) == 1:
        return PlanError(f"no choice keeps {told}", hint=f"the nearest: {near[0]}")
    together = _together(goal, clash, nearest)
    hint = f"with the others as they are, {', or '.join(near)}{f'; or {together}' if together else ''}"
    return PlanError(f"no choice keeps {told} together", hint=hint)


def _could(scene: Scene, goal: Goal, ways: Ways, at: Situation, name: str) -> str:
    """Return what the limit *name* could be, with the others kept; and without them, where that is nearer."""
    kept = _value(reached(scene, goal, ways, at, name), name)
    if len(goal.limits) == 1 or name not in goal.limits:
        return "" if kept is None else f"{said(name)} could be {exact_amount(name, kept)}"
    alone = _value(reached(scene, replace(goal, limits={name: goal.limits[name]}), ways, at, name), name)
    if kept is None:
        return "" if alone is None else f"{said(name)} could be {exact_amount(name, alone)} without the other limits"
    gain = 0.0 if alone is None else kept - alone if name not in FLOORS else alone - kept
    more = f" ({exact_amount(name, alone)} without the others)" if alone is not None and gain > _WORTH * abs(kept) else ""
    return f"{said(name)} could be {exact_amount(name, kept)}{more}"


def _value(found: Selection | None, name: str) -> float | None:
    return None if found is None else measure_of(found.made.estimate, name)


def _together(goal: Goal, clash: Sequence[str], nearest: Selection) -> str:
    """Return values that all of *clash* could have at once, each a little worse; "" where that selection passes another limit too."""
    broken = [one for one in goal.limits if broken_limits(nearest.made.estimate, {one: goal.limits[one]})]
    if len(broken) < 2 or not set(broken) <= set(clash):
        return ""
    values = [(name, value) for name in broken if (value := measure_of(nearest.made.estimate, name)) is not None]
    return f"all of them a little: {' and '.join(f'{said(name)} {exact_amount(name, value)}' for name, value in values)}"


def clash_of(conflict: Conflict | None, latency: str, limits: Mapping[str, float], nearest: Selection | None) -> list[str]:
    """Return the limits of the goal in conflict: *latency* is the one that the conflict knows as `latency`; else those that are passed."""
    named = [name for name in conflict.limits if name in MEASURES] if conflict is not None else []
    if named or nearest is None:
        return [latency if name == "latency" else name for name in named]
    return [name for name in limits if broken_limits(nearest.made.estimate, {name: limits[name]})]
