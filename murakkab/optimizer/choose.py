"""policy: choose(graph, catalog, goal, situation) -> Deployment. Picks executor, model, pool and knobs of every step; pure.

Where nothing binds the steps together each is chosen for itself. Where limits do, or where the time of one step leaves room for another,
they are one selection (`together`), and the answer is run on virtual time to see what it takes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from murakkab.catalog import Catalog, Device
from murakkab.optimizer.cards import cards_for
from murakkab.optimizer.configurations import Configuration, Task, configurations
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.expected import expected_counts, total_tasks
from murakkab.optimizer.reasons import runner_up, why
from murakkab.optimizer.situation import Situation
from murakkab.plan import Choice, Deployment, Node, TaskGraph
from murakkab.spec import Goal

_WORST: Final = float("inf")
Ways = Mapping[str, Sequence[Configuration]]


def choose(graph: TaskGraph, catalog: Catalog, goal: Goal | None = None, situation: Situation | None = None) -> Deployment:
    """Return one choice per step that an executor does, the best by the goal of those that keep its limits.

    What a step pins is kept. An executor that lacks a library or a setting is chosen only where it is pinned or there is no other. Under
    equal figures the earlier registered. Raises `PlanError` when no executor provides a capability, when none that does has the knobs, the
    device or the model that the step asks for, when a pinned one is missing, or when no choice keeps the limits: then it names the fewest
    limits that clash, and the nearest that could be kept.
    """
    goal = graph.workflow.goal if goal is None else goal
    at = situation or Situation()
    nodes = {node.path: node for node in graph.every_node() if node.is_plain}
    # Work may be left undone where a limit says how much quality that may cost.
    undone = "quality" in goal.limits
    counts = expected_counts(graph, at.inputs, at.seen)
    totals = total_tasks(graph, counts)
    ways = {
        path: _ways(node, catalog, at, Task(totals.get(path, 1.0), at.seen.units.get(path)), with_undone=undone)
        for path, node in reversed(nodes.items())
    }
    apt = {path: _apt(found, goal) for path, found in ways.items()}
    if is_separate(goal, apt) and at.is_hurried:
        return Deployment({path: _bare(nodes[path], _best(apt[path], goal), ways[path], goal) for path in ways}, goal)
    scene = Scene(graph, counts, at.view, at.capacity or _capacity(at))
    if is_separate(goal, apt):
        made = forecast(scene, {path: _best(found, goal) for path, found in apt.items()})
        return Deployment(_choices(scene, nodes, ways, made, goal), goal, made.estimate, made.timeline.critical)
    # NumPy and SciPy are loaded for a selection alone: most jobs have none to make.
    from murakkab.optimizer.together import select

    found = select(scene, goal, apt, at)
    made, answer = found.made, found.answer
    choices = _choices(scene, nodes, ways, made, goal)
    path, status = made.timeline.critical, answer.status.value
    return Deployment(choices, goal, made.estimate, path, status, answer.gap, answer.bound, found.beyond)


def _ways(node: Node, catalog: Catalog, at: Situation, task: Task, *, with_undone: bool) -> list[Configuration]:
    cards = cards_for(node, catalog)
    able = [card for card in cards if card.name not in catalog.lacking and (with_undone or not card.leaves_undone)]
    # Where none is, what is lacking is told when the job begins.
    return configurations(node, able or cards, at.view, at.profiles, task=task)


def _apt(ways: Sequence[Configuration], goal: Goal) -> Sequence[Configuration]:
    """Return the ways of which what matters is known, where it is known of any: of the others nothing can be promised."""
    matters = {*goal.minimize, *goal.limits}
    if "energy" in matters:
        ways = [one for one in ways if one.taken.joules is not None] or ways
    if "quality" in matters:
        ways = [one for one in ways if one.taken.quality is not None] or ways
    return ways


def is_separate(goal: Goal, ways: Ways) -> bool:
    """Return whether the best for each step is the best for all: no limits, and no time that one could leave to another."""
    if goal.limits:
        return False
    return "latency" not in goal.minimize or goal.minimize == ("latency",) or all(len(found) == 1 for found in ways.values())


def _best(ways: Sequence[Configuration], goal: Goal) -> Configuration:
    return min(ways, key=lambda one: _score(one, goal))


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
    cores = [pool.count for pool in at.view.pools.values() if pool.kind.device is Device.CPU and not pool.endpoint]
    return {"cores": cores[0]} if cores else {}


def _bare(node: Node, way: Configuration, ways: Sequence[Configuration], goal: Goal) -> Choice:
    return Choice(node.path, way.card, way.knobs, why(node, way, ways, goal), model=way.model, pool=way.pool)


def _choices(scene: Scene, nodes: Mapping[str, Node], ways: Ways, made: Forecast, goal: Goal) -> dict[str, Choice]:
    return {
        path: Choice(
            path,
            way.card,
            way.knobs,
            why(nodes[path], way, ways[path], goal),
            model=way.model,
            pool=way.pool,
            tasks=made.tasks[path],
            estimate=made.steps[path],
            runner_up=runner_up(path, ways[path], scene, goal, made),
        )
        for path, way in made.chosen.items()
    }
