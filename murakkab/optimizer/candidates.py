"""policy: what comes into question for a job - the steps that an executor does, the ways to do each, and the scene in which it runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from murakkab.catalog import Catalog, Device
from murakkab.optimizer.cards import cards_for
from murakkab.optimizer.compositions import composed_ways
from murakkab.optimizer.configurations import UNPRICED, Configuration, Task, Ways, configurations
from murakkab.optimizer.estimate import Scene, device_slot, knows_energy
from murakkab.optimizer.expected import expected_counts, total_tasks
from murakkab.optimizer.models import model_ways
from murakkab.optimizer.options import known_measures
from murakkab.optimizer.problem import Rule
from murakkab.optimizer.situation import Situation
from murakkab.plan import Node, TaskGraph
from murakkab.profiles import Profile
from murakkab.spec import Goal


@dataclass(frozen=True, slots=True)
class Candidates:
    """By path: the `nodes` that an executor does, all `ways` to do each, and of these the `apt` ones, of which what matters is known."""

    nodes: Mapping[str, Node]
    ways: Ways
    apt: Ways


def candidates_of(graph: TaskGraph, catalog: Catalog, goal: Goal, at: Situation) -> Candidates:
    """Return what comes into question under *goal*.

    What a step pins is kept. An executor that lacks something stands only where there is no other. Work may be left undone where a limit
    says how much quality that may cost. Raises `PlanError` where a step has no executor.
    """
    nodes = {node.path: node for node in graph.every_node() if node.is_plain}
    undone = "quality" in goal.limits
    totals = total_tasks(graph, expected_counts(graph, at.inputs, at.seen))
    tasks = {path: Task(totals.get(path, 1.0), at.seen.units.get(path)) for path in nodes}
    ways: Ways = {path: _ways(node, catalog, at, tasks[path], with_undone=undone) for path, node in reversed(nodes.items())}
    ways = composed_ways(nodes, ways, at.profiles)
    return Candidates(nodes, ways, {path: _apt(found, goal) for path, found in ways.items()})


def scene_of(graph: TaskGraph, at: Situation, goal: Goal) -> Scene:
    """Return where the job runs, and how many tasks each of its steps is expected to have."""
    capacity = {**(at.capacity or _capacity(at)), **_devices(at)}
    missing = missing_of(graph, at.profiles)
    return Scene(graph, expected_counts(graph, at.inputs, at.seen), at.view, capacity, Rule(goal.quality), at.warm, missing)


def missing_of(graph: TaskGraph, profiles: Mapping[str, Sequence[Profile]]) -> tuple[str, ...]:
    """Return the steps that are left out and would have had a quality, as their executors say or as it was measured."""
    rated = {(name, one.setting.version) for name, each in profiles.items() for one in each if one.quality}
    return (*graph.left_out, *(path for path, cards in graph.unrated.items() if not rated.isdisjoint(cards)))


def _ways(node: Node, catalog: Catalog, at: Situation, task: Task, *, with_undone: bool) -> list[Configuration]:
    cards = cards_for(node, catalog)
    able = [card for card in cards if card.name not in catalog.lacking and (with_undone or not card.leaves_undone)]
    asked = {**node.knobs, **({"model": node.prefer.model} if node.prefer.model else {})}
    # What an environment variable would name, an engine of the installation can be instead.
    reach = [card for card in cards if not card.extra or card.name not in catalog.lacking]
    served = [way for card in reach for way in model_ways(card, asked, at.view, at.known, at.profiles.get(card.name, ()))]
    # Where none is, what is lacking is told when the job begins.
    return [*configurations(node, able or ([] if served else cards), at.view, at.profiles, task=task), *served]


def _apt(ways: Sequence[Configuration], goal: Goal) -> Sequence[Configuration]:
    """Return the ways of which what matters is known, where it is known of any: of the others nothing can be promised."""
    matters = {*goal.minimize, *goal.limits}
    if "energy" in matters:
        ways = [one for one in ways if one.taken.joules is not None] or ways
    if "quality" in matters:
        ways = [one for one in ways if one.taken.quality is not None] or ways
    return ways


def unjudged_in(nodes: Mapping[str, Node], chosen: Mapping[str, Configuration], limits: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return, by what is limited, the steps of which nobody knows it as they are *chosen*; nothing of what is known of no step."""
    known = known_measures({path: (way,) for path, way in chosen.items()})
    found = {name: tuple(path for path, way in chosen.items() if not knows(nodes[path], way, name)) for name in limits if name in known}
    return {name: steps for name, steps in found.items() if steps}


def knows(node: Node, way: Configuration, measure: str) -> bool:
    """Return whether a measure is known of a way to do *node*. What only helps to keep one of several results has no quality itself."""
    if measure == "energy":
        return knows_energy(way)
    if measure == "quality":
        return way.taken.quality is not None or node.only_helps
    return measure != "cost" or way.taken.usd.of != UNPRICED


def _devices(at: Situation) -> dict[str, float]:
    """Return the devices of the pools of GPUs that executors use themselves: a task has those it needs to itself."""
    gpus = (pool for pool in at.view.pools.values() if pool.kind.device is Device.GPU and not pool.endpoint)
    return {device_slot(pool.name): pool.count for pool in gpus}


def _capacity(at: Situation) -> dict[str, float]:
    cores = [pool.count for pool in at.view.pools.values() if pool.kind.device is Device.CPU and not pool.endpoint]
    return {"cores": cores[0]} if cores else {}
