"""policy: choose(graph, catalog, goal, situation) -> Deployment. Picks executor, model, pool and knobs of every step; pure.

Where nothing binds the steps together each is chosen for itself. Where limits do, or where the time of one step leaves room for another,
they are one selection (`together`), and the answer is run on virtual time to see what it takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from murakkab.catalog import Catalog
from murakkab.devices import ClusterView
from murakkab.optimizer.candidates import candidates_of, scene_of, unjudged_in
from murakkab.optimizer.configurations import Configuration, Ways
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.reasons import looked_at, runner_up, why
from murakkab.optimizer.situation import Situation
from murakkab.plan import Choice, Deployment, Node, TaskGraph
from murakkab.spec import Goal

if TYPE_CHECKING:
    from murakkab.optimizer.problem import Problem

_WORST: Final = float("inf")
#: What is loaded in fewer seconds than the solver itself needs is not worth a selection of all steps together.
_SLOW: Final = 1.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What was chosen, and what from: the `ways` to do each step of which what matters is known. Steps can be chosen again from it.

    `chosen`: the way of each step. `scene` is None where nothing was forecast, `problem` where each step was chosen for itself.
    """

    deployment: Deployment
    graph: TaskGraph
    ways: Ways
    chosen: Mapping[str, Configuration]
    scene: Scene | None = None
    problem: "Problem | None" = None
    situation: Situation = field(default_factory=Situation)


def choose(graph: TaskGraph, catalog: Catalog, goal: Goal | None = None, situation: Situation | None = None) -> Deployment:
    """Return one choice per step that an executor does; `decide` says how."""
    return decide(graph, catalog, goal, situation).deployment


def decide(graph: TaskGraph, catalog: Catalog, goal: Goal | None = None, situation: Situation | None = None) -> Decision:
    """Return one choice per step that an executor does, the best by the goal of those that keep its limits.

    What a step pins is kept. An executor that lacks a library or a setting is chosen only where it is pinned or there is no other. Under
    equal figures the earlier registered. Raises `PlanError` when no executor provides a capability, when none that does has the knobs, the
    device or the model that the step asks for, when a pinned one is missing, or when no choice keeps the limits: then it names the fewest
    limits that clash, and the nearest that could be kept.
    """
    goal = graph.workflow.goal if goal is None else goal
    at = situation or Situation()
    goal, asked = (replace(goal, limits={}, tiers={}) if at.is_hurried else goal), goal
    open_ = candidates_of(graph, catalog, goal, at)
    nodes, ways, apt = open_.nodes, open_.ways, open_.apt
    if at.is_hurried:
        best = {path: best_of(found, goal) for path, found in apt.items()}
        deployment = Deployment({path: _bare(nodes[path], best[path], ways[path], goal) for path in ways}, asked)
        return Decision(deployment, graph, apt, best, situation=at)
    scene = scene_of(graph, at, goal)
    if is_separate(goal, apt) and not is_bound(goal, apt, at.view):
        made = forecast(scene, {path: best_of(found, goal) for path, found in apt.items()})
        choices = _choices(scene, nodes, ways, made, at, goal)
        deployment = Deployment(choices, goal, made.estimate, made.timeline.critical, held_by=made.held_by)
        return Decision(deployment, graph, apt, made.chosen, scene, situation=at)
    # NumPy and SciPy are loaded for a selection alone: most jobs have none to make.
    from murakkab.optimizer.together import select

    found = select(scene, goal, apt, at)
    made, answer = found.made, found.answer
    choices = _choices(scene, nodes, ways, made, at, goal)
    path, status = made.timeline.critical, answer.status.value
    deployment = Deployment(choices, goal, made.estimate, path, status, answer.gap, answer.bound, found.beyond, held_by=made.held_by)
    deployment = replace(deployment, unjudged=unjudged_in(nodes, made.chosen, goal.limits))
    return Decision(deployment, graph, apt, made.chosen, scene, found.problem, at)


def is_separate(goal: Goal, ways: Ways) -> bool:
    """Return whether the best for each step is the best for all: no limits, and no time that one could leave to another."""
    if goal.limits:
        return False
    return "latency" not in goal.minimize or goal.minimize == ("latency",) or all(len(found) == 1 for found in ways.values())


def is_bound(goal: Goal, ways: Ways, view: ClusterView) -> bool:
    """Return whether what the installation has may keep steps from being done each in its best way, or makes one way bear on another.

    Memory of a pool must hold all models that a job uses, and a job may have no more than its device-seconds; what must be woken or loaded
    for one step is there for the others; requests to one endpoint wait for each other.
    """
    every = [way for found in ways.values() for way in found]
    if any(way.footprint.resident or _is_rationed(way, view) for way in every):
        return True
    if all(len(found) == 1 for found in ways.values()):
        return False
    asleep = {pool.name for pool in view.pools.values() if not pool.is_on}
    by_energy = "energy" in goal.minimize and any(way.pool in asleep for way in every)
    by_time = "latency" in goal.minimize and any(way.footprint.calls or _is_slow_to_start(way) for way in every)
    return by_energy or by_time


def _is_rationed(way: Configuration, view: ClusterView) -> bool:
    pool = view.pools.get(way.pool)
    return pool is not None and pool.capacity is not None


def _is_slow_to_start(way: Configuration) -> bool:
    return way.taken.startup is not None and way.taken.startup.value > _SLOW


def best_of(ways: Sequence[Configuration], goal: Goal) -> Configuration:
    """Return the best way by the goal; under equal figures the first."""
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


def _bare(node: Node, way: Configuration, ways: Sequence[Configuration], goal: Goal) -> Choice:
    return choice_of(node.path, way, why(node, way, ways, goal))


def choice_of(path: str, way: Configuration, why: str) -> Choice:
    """Return a way to do a step as a choice, of which nothing is forecast."""
    return Choice(path, way.card, way.knobs, why, model=way.model, pool=way.pool, devices=way.devices)


def _choices(scene: Scene, nodes: Mapping[str, Node], ways: Ways, made: Forecast, at: Situation, goal: Goal) -> dict[str, Choice]:
    others = looked_at(ways, goal, made) if at.with_others else frozenset()
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
            runner_up=runner_up(path, ways[path], scene, goal, made) if path in others else None,
            devices=way.devices,
            startup=made.startup.get(path),
        )
        for path, way in made.chosen.items()
    }
