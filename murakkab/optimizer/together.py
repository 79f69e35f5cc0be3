"""policy: all steps of a job chosen at once - solved as one selection, run on virtual time, solved again where that shows it too slow."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from murakkab.errors import PlanError
from murakkab.figures import Source
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.conflict import Conflict, conflict_of
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.options import known_measures, problem_of
from murakkab.optimizer.problem import MEASURES, Percentile, Problem, Solution, Status
from murakkab.optimizer.reasons import amount, broken_limits, excess, figure_of, measure_of, said, values_of
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.solve import solve
from murakkab.plan import Estimate
from murakkab.spec import Goal

#: How often a selection is made again whose run on virtual time takes longer than the limit allows.
_ROUNDS: Final = 4
_LEAST_STEP: Final = 0.95
#: A bound on tails is loosened to so much at a time, until a run comes so near to its limit.
_MOST_STEP: Final = 1.5
_NEAR: Final = 0.98
_HAIR: Final = 1e-9
#: Steps in all forecasts that are made to better a selection by one step at a time.
_NUDGES: Final = 3000
#: Limits on latency; a problem knows one of them at a time.
_LATENCIES: Final = ("latency", "latency_p90")
Ways = Mapping[str, Sequence[Configuration]]


@dataclass(frozen=True, slots=True)
class Selection:
    """All steps chosen at once: what the job is expected to take, and how sure the solver is.

    `problem`: what was solved, its limit on latency as much lower as the run on virtual time asks for. `beyond`: limits that are not kept.
    """

    made: Forecast
    answer: Solution
    problem: Problem
    beyond: tuple[str, ...] = ()


def select(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> Selection:
    """Return the best selection whose run on virtual time keeps the limits.

    Where none does by figures that are merely assumed, the one nearest to the limits: nobody is refused on a guess. Raises `PlanError`
    where none does by better figures.
    """
    found = _selected(scene, goal, ways, at)
    blind = sorted(goal.limits.keys() - known_measures(ways))
    return replace(found, beyond=(*found.beyond, *(f"{name} is limited, and nothing is known of it" for name in blind)))


def _selected(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> Selection:
    if "latency_p90" in goal.limits:
        return _steady(scene, goal, ways, at)
    limit = goal.limits.get("latency")
    bound = limit
    nearest: Selection | None = None
    for _ in range(_ROUNDS):
        found = _solved(scene, goal, ways, at, {} if bound is None else {"latency": bound})
        if found is None:
            break
        seconds = found.made.estimate.seconds.value
        if limit is None or bound is None or seconds <= limit:
            return found
        if nearest is None or seconds < nearest.made.estimate.seconds.value:
            nearest = found
        # The selection sees the work of a pool, not how the tasks fall into it: as much less must be asked for.
        bound *= min(_LEAST_STEP, limit / seconds)
    return _beyond(scene, goal, ways, at, nearest)


def _steady(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> Selection:
    """Return the best selection found whose run keeps a limit at the 90th percentile, and every other.

    No sum over steps says how their tails add up on the critical path. By the expected times the limit is too loose: what keeps it anyway
    is the best there is. By the sum of the tails it is too tight, and is loosened as far as runs on virtual time allow; then one step
    after another is done in another way where that is better.
    """
    limit = goal.limits["latency_p90"]
    relaxed = _solved(scene, goal, ways, at, {"latency": min(limit, goal.limits.get("latency", limit))})
    if relaxed is None:
        return _beyond(scene, goal, ways, at, None)
    if _over(relaxed, goal) <= 1.0:
        return relaxed
    tried = [relaxed, *_by_tails(scene, goal, ways, at, limit)]
    if all(_over(one, goal) > 1.0 for one in tried):
        quickest = replace(goal, minimize=("latency",))
        tried += filter(None, (_solved(scene, quickest, ways, at, {}, one) for one in (Percentile.P90, Percentile.P50)))
    best = _nudged(scene, goal, ways, min(tried, key=lambda one: _rank(one.made.estimate, goal)))
    if _over(best, goal) > 1.0:
        return _beyond(scene, goal, ways, at, best)
    return replace(best, answer=_unproven(best, relaxed.answer, goal, at))


def _nudged(scene: Scene, goal: Goal, ways: Ways, found: Selection) -> Selection:
    """Return the selection with one step after another done in another way, as long as runs on virtual time are the better for it."""
    chosen, rank = dict(found.made.chosen), _rank(found.made.estimate, goal)
    left = _NUDGES
    is_better = True
    while is_better:
        is_better = False
        for path, way in [(path, way) for path, several in ways.items() for way in several]:
            if chosen[path] is way:
                continue
            if (left := left - len(chosen)) < 0:
                break
            tried = _rank(forecast(scene, {**chosen, path: way}, with_interval=False).estimate, goal)
            if tried < rank:
                chosen[path], rank, is_better = way, tried, True
    return replace(found, made=forecast(scene, chosen)) if chosen != found.made.chosen else found


def _rank(estimate: Estimate, goal: Goal) -> tuple[float, ...]:
    """Return what makes one selection better than another, less being better: by which part it passes limits, then what is minimised."""
    return excess(estimate, goal), *values_of(estimate, goal.minimize)


def _by_tails(scene: Scene, goal: Goal, ways: Ways, at: Situation, limit: float) -> Iterator[Selection]:
    """Yield selections by the sum of the tails along every path, the bound on it nearer each time to what a run makes of it."""
    bound = limit
    for _ in range(_ROUNDS):
        found = _solved(scene, goal, ways, at, {"latency": bound}, Percentile.P90)
        if found is None:
            return
        yield found
        over = _over(found, goal)
        if _NEAR <= over <= 1.0:
            return
        bound *= min(_LEAST_STEP, 1.0 / over) if over > 1.0 else min(_MOST_STEP, 1.0 / max(over, _HAIR))


def _unproven(found: Selection, relaxed: Solution, goal: Goal, at: Situation) -> Solution:
    """Return the answer of a selection with the bound of the problem that asks for less."""
    value = measure_of(found.made.estimate, goal.minimize[0]) if goal.minimize else None
    bound = relaxed.bound
    if value is None or bound is None or not math.isfinite(bound):
        return replace(found.answer, status=Status.HEURISTIC)
    gap = abs(value - bound) / max(abs(value), _HAIR)
    status = Status.FEASIBLE if gap <= at.gap else Status.HEURISTIC
    return replace(found.answer, status=status, stages=(replace(relaxed.stages[0], value=value, gap=gap, status=status),))


def _over(found: Selection, goal: Goal) -> float:
    """Return how many times as long as its limit allows a job is expected to take, by the limit on latency that it keeps least."""
    estimate = found.made.estimate
    parts = [value / goal.limits[name] for name in _LATENCIES if name in goal.limits and (value := measure_of(estimate, name)) is not None]
    return max(parts, default=0.0)


def _solved(
    scene: Scene, goal: Goal, ways: Ways, at: Situation, limits: Mapping[str, float], percentile: Percentile = Percentile.P50
) -> Selection | None:
    """Return the best selection with *limits* in the place of those of the goal on the same; on latency it has these alone."""
    others = {name: limit for name, limit in goal.limits.items() if name not in _LATENCIES}
    aim = replace(goal, limits={**others, **limits})
    problem = problem_of(scene.graph, ways, scene.counts, scene.view, aim, percentile=percentile)
    answer = solve(problem, time_limit=at.time_limit, gap=at.gap)
    return Selection(forecast(scene, _picked(problem, answer, ways)), answer, problem) if answer.picks else None


def _beyond(scene: Scene, goal: Goal, ways: Ways, at: Situation, nearest: Selection | None) -> Selection:
    """Return the selection nearest to the limits, where what says that they cannot be kept is a guess. Raises `PlanError`."""
    conflict, name = _conflict(scene, goal, ways, at)
    if conflict is not None:
        values = {one: value for one, value in conflict.together.items() if one in MEASURES}
        percentile = Percentile.P90 if name == "latency_p90" else Percentile.P50
        nearest = _solved(scene, goal, ways, at, values, percentile) or nearest
    if nearest is None:
        raise PlanError("no choice was found that keeps the limits of the goal", hint="loosen a limit")
    estimate = nearest.made.estimate
    broken = [one for one in goal.limits if broken_limits(estimate, {one: goal.limits[one]})]
    figures = (figure_of(estimate, one) for one in broken)
    if not all(figure is not None and figure.of.source is Source.ASSUMED for figure in figures):
        raise _infeasible(conflict, name, goal, estimate)
    said_of = tuple(f"{one} (by figures that are assumed)" for one in broken_limits(estimate, goal.limits))
    return replace(nearest, beyond=said_of)


def _conflict(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> tuple[Conflict | None, str]:
    """Return the limits in conflict, and which limit on latency their `latency` is: the expected one is asked about first."""
    others = {name: limit for name, limit in goal.limits.items() if name not in _LATENCIES}
    found, name = None, "latency"
    for name, percentile in (("latency", Percentile.P50), ("latency_p90", Percentile.P90)):
        if name in goal.limits or name == "latency":
            limits = {**others, **({"latency": goal.limits[name]} if name in goal.limits else {})}
            aim = replace(goal, limits=limits)
            found = conflict_of(
                problem_of(scene.graph, ways, scene.counts, scene.view, aim, percentile=percentile), time_limit=at.time_limit
            )
            if found is not None:
                break
    return found, name


def _picked(problem: Problem, answer: Solution, ways: Ways) -> dict[str, Configuration]:
    found: dict[str, Configuration] = {}
    for task in problem.tasks:
        if task.name in ways:
            labels = [option.label for option in task.options]
            found[task.name] = ways[task.name][labels.index(answer.picks[task.name])]
    return {path: found[path] for path in ways}


def _infeasible(conflict: Conflict | None, latency: str, goal: Goal, nearest: Estimate) -> PlanError:
    """Return the error that names the fewest limits that cannot be kept together, and the nearest that could be.

    *latency*: the limit that the conflict knows as `latency`.
    """
    clash = [name for name in conflict.limits if name in MEASURES] if conflict is not None else []
    if conflict is None or not clash:
        return PlanError(f"no choice keeps the limits of the goal: {'; '.join(broken_limits(nearest, goal.limits))}", hint="loosen a limit")
    names = {name: latency if name == "latency" else name for name in clash}
    told = " and ".join(f"{said(names[name])} {amount(name, goal.limits[names[name]])}" for name in clash)
    near = [f"{said(names[name])} could be {amount(name, value)}" for name in clash if (value := conflict.alone.get(name)) is not None]
    hint = f"with the others as they are, {', or '.join(near)}" if len(clash) > 1 else f"the nearest: {near[0]}" if near else "loosen it"
    return PlanError(f"no choice keeps {told}{' together' if len(clash) > 1 else ''}", hint=hint)
