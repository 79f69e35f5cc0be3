"""policy: one selection of all steps - solved, run on virtual time, bettered by one step at a time - and how two of them compare."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from murakkab.optimizer.configurations import Configuration, Ways
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.options import problem_of
from murakkab.optimizer.problem import Percentile, Problem, Solution, Status
from murakkab.optimizer.reasons import excess, judged_of, measure_of, values_of
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.solve import solve
from murakkab.plan import Estimate
from murakkab.spec import Goal

#: How often a selection is made again whose run on virtual time takes longer than the limit allows.
ROUNDS: Final = 4
LEAST_STEP: Final = 0.95
#: A bound on tails is loosened to so much at a time, until a run comes so near to its limit.
_MOST_STEP: Final = 1.5
_NEAR: Final = 0.98
HAIR: Final = 1e-9
#: Steps in all forecasts that are made to better a selection by one step at a time.
_NUDGES: Final = 3000
#: What is loaded first matters from this part of the job's time on.
_LOADING: Final = 0.02
#: Limits on latency; a problem knows one of them at a time.
LATENCIES: Final = ("latency", "latency_p90")


@dataclass(frozen=True, slots=True)
class Selection:
    """All steps chosen at once: what the job is expected to take, and how sure the solver is.

    `problem`: what was solved, its limit on latency as much lower as the run on virtual time asks for. `beyond`: limits that are not kept.
    """

    made: Forecast
    answer: Solution
    problem: Problem
    beyond: tuple[str, ...] = ()


def solved(
    scene: Scene, goal: Goal, ways: Ways, at: Situation, limits: Mapping[str, float], percentile: Percentile = Percentile.P50
) -> Selection | None:
    """Return the best selection with *limits* in the place of those of the goal on the same; on latency it has these alone."""
    others = {name: limit for name, limit in goal.limits.items() if name not in LATENCIES}
    aim = replace(goal, limits={**others, **limits})
    found = _answered(scene, aim, ways, at, percentile)
    if found is None or not _loads_more(found):
        return found
    # What is loaded for a step that was not charged for it: both sides are looked at, then one step after another.
    other = _answered(scene, aim, ways, at, percentile, each_cold=True)
    both = [one for one in (found, other) if one is not None]
    best = nudged(scene, goal, ways, min(both, key=lambda one: rank(one.made.estimate, goal)))
    return replace(best, answer=unproven(best, found.answer, goal, at), problem=found.problem)


def _answered(scene: Scene, aim: Goal, ways: Ways, at: Situation, percentile: Percentile, *, each_cold: bool = False) -> Selection | None:
    problem = problem_of(scene, ways, aim, percentile=percentile, each_cold=each_cold)
    answer = solve(problem, time_limit=at.time_limit, gap=at.gap)
    return Selection(forecast(scene, _picked(problem, answer, ways)), answer, problem) if answer.picks else None


def _loads_more(found: Selection) -> bool:
    """Return whether something is loaded for a step that the selection did not charge for it, and that takes so long that it matters."""
    totals = found.answer.totals
    seconds = found.made.estimate.seconds.value
    loaded = sum(figure.value for figure in found.made.startup.values())
    return totals is not None and loaded > _LOADING * seconds and totals.seconds < seconds * (1.0 - _LOADING)


def unproven(found: Selection, relaxed: Solution, goal: Goal, at: Situation) -> Solution:
    """Return the answer of a selection with the bound of the problem that asks for less."""
    value = judged_of(found.made.estimate, goal.minimize[0]) if goal.minimize else None
    bound = relaxed.bound
    if value is None or bound is None or not math.isfinite(bound):
        return replace(found.answer, status=Status.HEURISTIC)
    gap = abs(value - bound) / max(abs(value), HAIR)
    status = Status.FEASIBLE if gap <= at.gap else Status.HEURISTIC
    return replace(found.answer, status=status, stages=(replace(relaxed.stages[0], value=value, gap=gap, status=status),))


def _picked(problem: Problem, answer: Solution, ways: Ways) -> dict[str, Configuration]:
    found: dict[str, Configuration] = {}
    for task in problem.tasks:
        if task.name in ways:
            labels = [option.label for option in task.options]
            found[task.name] = ways[task.name][labels.index(answer.picks[task.name])]
    return {path: found[path] for path in ways}


def over_by(found: Selection, goal: Goal) -> float:
    """Return how many times as long as its limit allows a job is expected to take, by the limit on latency that it keeps least."""
    estimate = found.made.estimate
    parts = [value / goal.limits[name] for name in LATENCIES if name in goal.limits and (value := measure_of(estimate, name)) is not None]
    return max(parts, default=0.0)


def rank(estimate: Estimate, goal: Goal) -> tuple[float, ...]:
    """Return what makes one selection better than another, less being better: by which part it passes limits, then what is minimised."""
    return excess(estimate, goal), *values_of(estimate, goal.minimize)


def nudged(scene: Scene, goal: Goal, ways: Ways, found: Selection, *, most: int = _NUDGES) -> Selection:
    """Return the selection with one step after another done in another way, as long as runs on virtual time are the better for it.

    *most*: steps in all of these runs together.
    """
    chosen, best = dict(found.made.chosen), rank(found.made.estimate, goal)
    left = most
    is_better = True
    while is_better:
        is_better = False
        for path, way in [(path, way) for path, several in ways.items() for way in several]:
            if chosen[path] is way:
                continue
            if (left := left - len(chosen)) < 0:
                break
            made = forecast(scene, {**chosen, path: way}, with_interval=False)
            # What pools have is no wish: no step is done in a way that there is no room for.
            tried = rank(made.estimate, goal)
            if tried < best and not made.passed:
                chosen[path], best, is_better = way, tried, True
    return replace(found, made=forecast(scene, chosen)) if chosen != found.made.chosen else found


def by_tails(scene: Scene, goal: Goal, ways: Ways, at: Situation, limit: float) -> Iterator[Selection]:
    """Yield selections by the sum of the tails along every path, the bound on it nearer each time to what a run makes of it."""
    bound = limit
    for _ in range(ROUNDS):
        found = solved(scene, goal, ways, at, {"latency": bound}, Percentile.P90)
        if found is None:
            return
        yield found
        over = over_by(found, goal)
        if _NEAR <= over <= 1.0:
            return
        bound *= min(LEAST_STEP, 1.0 / over) if over > 1.0 else min(_MOST_STEP, 1.0 / max(over, HAIR))
