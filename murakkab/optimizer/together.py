"""policy: all steps of a job chosen at once - solved as one selection, run on virtual time, solved again where that shows it too slow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from murakkab.errors import PlanError
from murakkab.figures import Source
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.conflict import Conflict, conflict_of
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.options import known_measures, problem_of
from murakkab.optimizer.problem import MEASURES, Problem, Solution
from murakkab.optimizer.reasons import amount, broken_limits, figure_of
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.solve import solve
from murakkab.plan import Estimate
from murakkab.spec import Goal

#: How often a selection is made again whose run on virtual time takes longer than the limit allows.
_ROUNDS: Final = 4
_LEAST_STEP: Final = 0.95
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


def _solved(scene: Scene, goal: Goal, ways: Ways, at: Situation, limits: Mapping[str, float]) -> Selection | None:
    """Return the best selection with *limits* in the place of those of the goal, None where there is none."""
    problem = problem_of(scene.graph, ways, scene.counts, scene.view, Goal(goal.minimize, {**goal.limits, **limits}))
    answer = solve(problem, time_limit=at.time_limit, gap=at.gap)
    return Selection(forecast(scene, _picked(problem, answer, ways)), answer, problem) if answer.picks else None


def _beyond(scene: Scene, goal: Goal, ways: Ways, at: Situation, nearest: Selection | None) -> Selection:
    """Return the selection nearest to the limits, where what says that they cannot be kept is a guess. Raises `PlanError`."""
    conflict = conflict_of(problem_of(scene.graph, ways, scene.counts, scene.view, goal), time_limit=at.time_limit)
    if conflict is not None:
        nearest = _solved(scene, goal, ways, at, {name: value for name, value in conflict.together.items() if name in MEASURES})
    if nearest is None:
        raise PlanError("no choice was found that keeps the limits of the goal", hint="loosen a limit")
    estimate = nearest.made.estimate
    broken = [name for name in goal.limits if broken_limits(estimate, {name: goal.limits[name]})]
    figures = (figure_of(estimate, name) for name in broken)
    if not all(figure is not None and figure.of.source is Source.ASSUMED for figure in figures):
        raise _infeasible(conflict, goal, estimate)
    said = tuple(f"{one} (by figures that are assumed)" for one in broken_limits(estimate, goal.limits))
    return replace(nearest, beyond=said)


def _picked(problem: Problem, answer: Solution, ways: Ways) -> dict[str, Configuration]:
    found: dict[str, Configuration] = {}
    for task in problem.tasks:
        if task.name in ways:
            labels = [option.label for option in task.options]
            found[task.name] = ways[task.name][labels.index(answer.picks[task.name])]
    return {path: found[path] for path in ways}


def _infeasible(conflict: Conflict | None, goal: Goal, nearest: Estimate) -> PlanError:
    """Return the error that names the fewest limits that cannot be kept together, and the nearest that could be."""
    clash = [name for name in conflict.limits if name in MEASURES] if conflict is not None else []
    if conflict is None or not clash:
        return PlanError(f"no choice keeps the limits of the goal: {'; '.join(broken_limits(nearest, goal.limits))}", hint="loosen a limit")
    told = " and ".join(f"{name} {amount(name, goal.limits[name])}" for name in clash)
    near = [f"{name} could be {amount(name, value)}" for name in clash if (value := conflict.alone.get(name)) is not None]
    hint = f"with the others as they are, {', or '.join(near)}" if len(clash) > 1 else f"the nearest: {near[0]}" if near else "loosen it"
    return PlanError(f"no choice keeps {told}{' together' if len(clash) > 1 else ''}", hint=hint)
