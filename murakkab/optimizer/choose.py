"""policy: choose(graph, catalog, goal, situation) -> Deployment. Picks executor, model, pool and knobs of every step; pure.

Where nothing binds the steps together each is chosen for itself. Where limits do, or where the time of one step leaves room for another,
they are one selection, solved exactly, and the answer is run on virtual time to see what it really takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from murakkab.catalog import Catalog, ExecutorCard
from murakkab.errors import PlanError
from murakkab.optimizer.configurations import Configuration, configurations
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.expected import expected_counts
from murakkab.optimizer.options import problem_of
from murakkab.optimizer.problem import Problem, Solution, Status
from murakkab.optimizer.reasons import infeasible, runner_up, why
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.solve import solve
from murakkab.plan import Choice, Deployment, Node, TaskGraph
from murakkab.spec import Goal

_WORST: Final = float("inf")
#: How often a selection is made again whose run on virtual time takes longer than the limit allows.
_ROUNDS: Final = 4


def choose(graph: TaskGraph, catalog: Catalog, goal: Goal | None = None, situation: Situation | None = None) -> Deployment:
    """Return one choice per step that an executor does, the best by the goal of those that keep its limits.

    What a step pins is kept. Under equal figures the earlier registered. Raises `PlanError` when no executor provides a capability, when
    none that does has the knobs, the device or the model that the step asks for, when a pinned one is missing, or when no choice keeps the
    limits: then it names the fewest limits that clash, and the nearest that could be kept.
    """
    goal = graph.workflow.goal if goal is None else goal
    at = situation or Situation()
    nodes = {node.path: node for node in graph.every_node() if node.is_plain}
    counts = expected_counts(graph, at.inputs, at.seen)
    ways = {path: _ways(node, catalog, goal, at) for path, node in reversed(nodes.items())}
    scene = Scene(graph, counts, at.view, at.capacity or _capacity(at))
    if _is_separate(goal, ways):
        chosen = {path: min(found, key=lambda one: _score(one, goal)) for path, found in ways.items()}
        return _deployment(_Made(scene, goal, ways, chosen, forecast(scene, chosen)))
    return _deployment(_together(scene, goal, ways, at))


def _ways(node: Node, catalog: Catalog, goal: Goal, at: Situation) -> list[Configuration]:
    cards = _cards(node, catalog)
    able = [card for card in cards if card.name not in at.view.lacking]
    found = configurations(node, able or cards, at.view, at.profiles)
    # Of what nothing is known nothing can be promised, where something is known of others.
    matters = {*goal.minimize, *goal.limits}
    for measure, figure in (("energy", lambda one: one.taken.joules), ("quality", lambda one: one.taken.quality)):
        known = [one for one in found if figure(one) is not None]
        if measure in matters and known:
            found = known
    return found


def _is_separate(goal: Goal, ways: Mapping[str, Sequence[Configuration]]) -> bool:
    """True where the best for each step is the best for all: no limits, and no time that one could leave to another."""
    if all(len(found) == 1 for found in ways.values()):
        return not goal.limits
    return not goal.limits and ("latency" not in goal.minimize or goal.minimize == ("latency",))


def _score(one: Configuration, goal: Goal) -> tuple[float, ...]:
    taken = one.taken
    figures = {
        "latency": taken.seconds.value,
        "cost": taken.usd.value,
        "energy": _WORST if taken.joules is None else taken.joules.value,
        "quality": _WORST if taken.quality is None else -taken.quality.value,
    }
    return tuple(figures[measure] for measure in goal.minimize)


def _capacity(at: Situation) -> dict[str, float]:
    cores = [pool.count for pool in at.view.pools.values() if pool.kind.device.value == "cpu" and not pool.endpoint]
    return {"cores": cores[0]} if cores else {}


# ---------------------------------------------------------------------------------------------------------- one selection


@dataclass(frozen=True, slots=True)
class _Made:
    """A selection, what it is expected to take, and what it was chosen from."""

    scene: Scene
    goal: Goal
    ways: Mapping[str, Sequence[Configuration]]
    chosen: Mapping[str, Configuration]
    forecast: Forecast
    problem: Problem | None = None
    solution: Solution | None = None


def _together(scene: Scene, goal: Goal, ways: Mapping[str, Sequence[Configuration]], at: Situation) -> _Made:
    """Solve the selection; where its run on virtual time takes longer than allowed, again with a limit as much shorter."""
    limit = goal.limits.get("latency")
    bound = limit
    best: _Made | None = None
    for _ in range(_ROUNDS):
        limits = {**goal.limits, **({"latency": bound} if bound is not None else {})}
        problem = problem_of(scene.graph, ways, scene.counts, scene.view, Goal(goal.minimize, limits))
        solution = solve(problem, time_limit=at.time_limit, gap=at.gap)
        if not solution.picks:
            break
        chosen = _picked(problem, solution, ways)
        made = _Made(scene, goal, ways, chosen, forecast(scene, chosen), problem, solution)
        seconds = made.forecast.estimate.seconds.value
        if best is None or seconds < best.forecast.estimate.seconds.value:
            best = made
        if limit is None or seconds <= limit or bound is None:
            return made
        bound *= min(0.95, limit / seconds)
    if best is None or limit is not None:
        problem = problem_of(scene.graph, ways, scene.counts, scene.view, goal)
        raise infeasible(problem, goal, None if best is None else best.forecast.estimate)
    return best


def _picked(problem: Problem, solution: Solution, ways: Mapping[str, Sequence[Configuration]]) -> dict[str, Configuration]:
    found: dict[str, Configuration] = {}
    for task in problem.tasks:
        if task.name in ways:
            labels = [option.label for option in task.options]
            found[task.name] = ways[task.name][labels.index(solution.picks[task.name])]
    return {path: found[path] for path in ways}


def _deployment(made: _Made) -> Deployment:
    estimate = made.forecast.estimate
    choices: dict[str, Choice] = {}
    for path, way in made.chosen.items():
        choices[path] = Choice(
            path,
            way.card,
            way.knobs,
            why(way, made.ways[path], made.goal),
            model=way.model,
            pool=way.pool,
            tasks=made.forecast.tasks[path],
            estimate=made.forecast.steps[path],
            runner_up=runner_up(path, made),
        )
    solution = made.solution
    if solution is None:
        return Deployment(choices, made.goal, estimate)
    status = "optimal" if solution.status is Status.OPTIMAL else solution.status.value
    return Deployment(choices, made.goal, estimate, status=status, gap=solution.gap, bound=solution.bound)
