"""policy: what could be had where limits cannot be kept - for each, the others kept, the nearest value that a run on virtual time shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from murakkab.errors import PlanError
from murakkab.optimizer.configurations import Ways
from murakkab.optimizer.conflict import Conflict, holding, reachable
from murakkab.optimizer.estimate import Scene
from murakkab.optimizer.limits import FLOORS, limits_of
from murakkab.optimizer.problem import MEASURES, Percentile, Problem
from murakkab.optimizer.reasons import amount, broken_limits, exact_amount, judged_of, said
from murakkab.optimizer.selection import LATENCIES, LEAST_STEP, ROUNDS, Selection, by_tails, nudged, over_by, rank, solved
from murakkab.optimizer.situation import Situation
from murakkab.spec import LIMITS, Goal

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


@dataclass(frozen=True, slots=True)
class Clash:
    """Limits of a `problem` that cannot be kept together, None where they can; `latency`: which of the goal they know by that name."""

    conflict: Conflict | None
    latency: str
    problem: Problem


def loosened(clash: Clash, goal: Goal, at: Situation) -> dict[str, float]:
    """Return limits on measures that can be kept: loosened alike; one of them alone where limits of the installation clash as well."""
    if clash.conflict is None:
        return {}
    if all(name in MEASURES for name in clash.conflict.limits):
        return {name: value for name, value in clash.conflict.together.items() if name in MEASURES}
    latency = {name: goal.limits[name] for name in LATENCIES[:1] if name in goal.limits}
    measures = (name for name in clash.conflict.limits if name in MEASURES)
    values = ((name, reachable(clash.problem, name, time_limit=at.time_limit)) for name in measures)
    one = next(((name, value) for name, value in values if value is not None), None)
    return {**latency, **dict([one] if one is not None else [])}


def refusal(scene: Scene, goal: Goal, ways: Ways, at: Situation, clash: Clash, nearest: Selection | None) -> PlanError:
    """Return the error that names the limits that cannot be kept together, and the nearest values that can be had.

    Limits of the installation are among them; those on requests and tokens per minute too, where it is for them that a job is too long.
    """
    named, held = _named(clash, goal.limits, nearest), _held(clash, at)
    names = [*named, *held]
    if not names:
        why = f": {'; '.join(broken_limits(nearest.made.estimate, goal.limits))}" if nearest is not None else ""
        return PlanError(f"no choice keeps the limits of the goal{why}", hint="loosen a limit")
    rates = {f"rate:{rate.name}": rate.calls for rate in clash.problem.rates}
    limits = {**limits_of(clash.problem), **rates, **goal.limits}
    told = " and ".join(f"{said(name)} {amount(name, limits[name])}" for name in names)
    could = {name: found for name in named if (found := _could(scene, goal, ways, at, name, clash.problem)) is not None}
    near = [text for _, text in could.values()] + [f"{said(name)} could be {amount(name, calls)}" for name, calls in held.items()]
    values = {name: value for name, (value, _) in could.items() if name in LIMITS}
    if len(names) == 1:
        return PlanError(f"no choice keeps {told}", hint=f"the nearest: {near[0]}" if near else "loosen it", nearest=values)
    together = _together(goal, names, nearest) if nearest is not None else ""
    hint = f"with the others as they are, {', or '.join(near)}{f'; or {together}' if together else ''}" if near else "loosen one of them"
    return PlanError(f"no choice keeps {told} together", hint=hint, nearest=values)


def _named(clash: Clash, limits: Mapping[str, float], nearest: Selection | None) -> list[str]:
    """Return the limits in conflict, as the goal names them; else those that are passed."""
    if clash.conflict is not None and clash.conflict.limits:
        return [clash.latency if name == "latency" else name for name in clash.conflict.limits]
    return [name for name in limits if nearest is not None and broken_limits(nearest.made.estimate, {name: limits[name]})]


def _held(clash: Clash, at: Situation) -> dict[str, float]:
    """Return the rates that hold the job up, with the calls that would suffice, where its latency is in conflict."""
    if clash.conflict is None or "latency" not in clash.conflict.limits:
        return {}
    return {f"rate:{name}": calls for name, calls in holding(clash.problem, time_limit=at.time_limit).items()}


def _could(scene: Scene, goal: Goal, ways: Ways, at: Situation, name: str, problem: Problem) -> tuple[float, str] | None:
    """Return what the limit *name* could be, with the others kept, and that in words: without them too, where that is nearer."""
    if name not in LIMITS:
        least = reachable(problem, name, time_limit=at.time_limit)
        return None if least is None else (least, f"{said(name)} could be {amount(name, least)}")
    kept = _value(reached(scene, goal, ways, at, name), name)
    if len(goal.limits) == 1 or name not in goal.limits:
        return None if kept is None else (kept, f"{said(name)} could be {exact_amount(name, kept)}")
    alone = _value(reached(scene, replace(goal, limits={name: goal.limits[name]}), ways, at, name), name)
    if kept is None:
        return None if alone is None else (alone, f"{said(name)} could be {exact_amount(name, alone)} without the other limits")
    gain = 0.0 if alone is None else kept - alone if name not in FLOORS else alone - kept
    more = f" ({exact_amount(name, alone)} without the others)" if alone is not None and gain > _WORTH * abs(kept) else ""
    return kept, f"{said(name)} could be {exact_amount(name, kept)}{more}"


def _value(found: Selection | None, name: str) -> float | None:
    return None if found is None else judged_of(found.made.estimate, name)


def _together(goal: Goal, clash: Sequence[str], nearest: Selection) -> str:
    """Return values that all of *clash* could have at once, each a little worse; "" where that selection passes another limit too."""
    broken = [one for one in goal.limits if broken_limits(nearest.made.estimate, {one: goal.limits[one]})]
    if len(broken) < 2 or not set(broken) <= set(clash):
        return ""
    values = [(name, value) for name in broken if (value := judged_of(nearest.made.estimate, name)) is not None]
    return f"all of them a little: {' and '.join(f'{said(name)} {exact_amount(name, value)}' for name, value in values)}"
