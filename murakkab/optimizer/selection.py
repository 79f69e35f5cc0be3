"""policy: one selection of all steps - solved, run on virtual time, bettered by one step at a time - and how two of them compare."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from murakkab.optimizer.configurations import Configuration, Ways
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.options import problem_of
from murakkab.optimizer.problem import Percentile, Problem, Solution
from murakkab.optimizer.reasons import is_kept, measure_of, values_of
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
    problem = problem_of(scene.graph, ways, scene.counts, scene.view, aim, percentile=percentile)
    answer = solve(problem, time_limit=at.time_limit, gap=at.gap)
    return Selection(forecast(scene, _picked(problem, answer, ways)), answer, problem) if answer.picks else None


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
    over = 0.0
    for name, limit in goal.limits.items():
        value = measure_of(estimate, name)
        if value is not None and not is_kept(name, value, limit):
            over += abs(value - limit) / max(abs(limit), HAIR)
    return over, *values_of(estimate, goal.minimize)


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
            tried = rank(forecast(scene, {**chosen, path: way}, with_interval=False).estimate, goal)
            if tried < best:
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
