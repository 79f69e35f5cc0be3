"""policy: a task graph and the ways to do its steps -> a selection in numbers (`Problem`), one task per step that an executor does."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from murakkab.devices import ClusterView
from murakkab.optimizer.configurations import Configuration, Ways, places_in
from murakkab.optimizer.estimate import Scene, warmth_of
from murakkab.optimizer.problem import Bounds, Option, Percentile, Problem, Rule, Task
from murakkab.optimizer.resources import bounds_of, rates_of, split_of, use_of
from murakkab.plan import Body, Node
from murakkab.spec import Goal

_NOBODY: Final = float("inf")
#: Names that steps may wait for -> the tasks whose ends that means.
_Ends = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Repeated:
    """How often a step is done in a job: `rounds` one after the other, each for `tasks` elements that may run side by side."""

    tasks: float = 1.0
    rounds: float = 1.0

    @property
    def total(self) -> float:
        """How many tasks there are of it."""
        return self.tasks * self.rounds


def problem_of(
    scene: Scene,
    ways: Ways,
    goal: Goal,
    *,
    percentile: Percentile = Percentile.P50,
    each_cold: bool = False,
) -> Problem:
    """Return the choice between the *ways* to do every plain node (by path) of the graph of *scene* as a selection.

    Each step is one task that takes as long as all of its tasks do with as many at once as its pool and its limits let run. Latency is that
    of the *percentile*, and so is the limit `latency` of *goal*; any other limit on it is the caller's business. The limits of the
    installation are in it as well: devices and memory of its pools, and what may be asked of its endpoints.

    What is not warm in *scene* is loaded once, for the step that needs it first; no sum over steps says that. It is charged to the first
    that may need it, which is never too much, or (*each_cold*) to each that does, which is never too little.
    """
    graph, view = scene.graph, scene.view
    maker = _Maker(scene, ways, each_cold=each_cold)
    ends = maker.frame(graph.nodes, {}, (), Repeated())
    if graph.finally_ is not None:
        everything = tuple(dict.fromkeys(task for tasks in ends.values() for task in tasks))
        maker.frame(graph.finally_.nodes, {}, everything, Repeated())
    # What is missing counts as nothing of what it would have been.
    maker.tasks += (Task(f"{name} left out", (Option("left out", 0.0, quality=0.0),)) for name in scene.missing)
    known = known_in(scene, ways)
    every = [way for found in ways.values() for way in found]
    engines = {way.footprint.engine: (way.pool, way.devices) for way in every if way.footprint.engine}
    limits = {name: limit for name, limit in goal.limits.items() if name in known}
    bounds = Bounds(limits.get("latency"), limits.get("cost"), limits.get("energy"), limits.get("quality"), percentile, Rule(goal.quality))
    aims = tuple(one for one in goal.minimize if one in known)
    pools = bounds_of(view, engines, split_of((way.pool, way.footprint) for way in every))
    return Problem(tuple(maker.tasks), pools, rates_of(view), bounds=bounds, minimize=aims)


def label_of(way: Configuration) -> str:
    """Return what names a way among those of its step in a selection."""
    return f"{way.label}@{way.pool}"


def known_in(scene: Scene, ways: Ways) -> frozenset[str]:
    """Return the measures of which anything is known of a job: of what is left out it is known that it is worth nothing."""
    return known_measures(ways) | ({"quality"} if scene.missing else frozenset())


def width_of(view: ClusterView, way: Configuration, limit: int | None) -> float:
    """Return how many tasks of a step can run at once that is done in this way; *limit*: of the step itself."""
    pool = view.pools.get(way.pool)
    places = places_in(pool, way) if pool is not None else _NOBODY
    return min(places, limit or _NOBODY, way.card.limits.concurrency or _NOBODY)


def known_measures(ways: Ways) -> frozenset[str]:
    """Return the measures of which anything is known: the rest can be neither minimised nor limited."""
    every = [one.taken for configurations in ways.values() for one in configurations]
    known = {"latency", "latency_p90", "cost"}
    known |= {"energy"} if any(taken.joules is not None for taken in every) else set()
    known |= {"quality"} if any(taken.quality is not None for taken in every) else set()
    return frozenset(known)


class _Maker:
    """Goes through the graph, those inside of others with what is around them."""

    def __init__(self, scene: Scene, ways: Ways, *, each_cold: bool) -> None:
        self.tasks: list[Task] = []
        #: What is warm here, or will have been loaded for a step before.
        self._warm = set(scene.warm)
        self._each_cold = each_cold
        self._ways = ways
        self._counts = scene.counts
        self._view = scene.view

    def frame(self, nodes: Mapping[str, Node], around: _Ends, before: tuple[str, ...], within: Repeated) -> dict[str, tuple[str, ...]]:
        """Add the tasks of *nodes*, in topological order; return what the end of each means. *before*: what the whole frame waits for."""
        ends: dict[str, tuple[str, ...]] = {}
        seen = ChainMap(ends, around)  # type: ignore[arg-type]
        for name, node in nodes.items():
            ends[name] = self._node(node, seen, before, within)
        return ends

    def _node(self, node: Node, seen: _Ends, before: tuple[str, ...], within: Repeated) -> tuple[str, ...]:
        count = self._counts[node.path]
        inside = Repeated(within.tasks * count.tasks, within.rounds * count.rounds)
        waits = tuple(dict.fromkeys((*_all_ends(seen, (name for name in node.needs if name not in node.late)), *before)))
        source = seen[node.stream.source] if node.stream is not None else ()
        if node.body is not None:
            return self._inside(node, node.body, seen, (tuple(dict.fromkeys((*waits, *source))), inside))
        if not node.is_plain:
            return self._gate(node, tuple(dict.fromkeys((*waits, *source))))
        is_streamed = len(source) == 1 and source[0] in self._ways
        parents = waits if is_streamed else tuple(dict.fromkeys((*waits, *source)))
        self.tasks.append(Task(node.path, self._options(node, inside), parents, source if is_streamed else ()))
        return (node.path,)

    def _inside(self, node: Node, body: Body, seen: _Ends, at: tuple[tuple[str, ...], Repeated]) -> tuple[str, ...]:
        waits, inside = at
        if body.only:
            # The one step of a loop, which has the path of the loop.
            (inner,) = body.nodes.values()
            self.tasks.append(Task(inner.path, self._options(inner, inside, limit=node.max_parallel), waits))
            return (inner.path,)
        around = {name: seen[name] for name in body.late}
        ends = self.frame(body.nodes, around, waits, inside)
        last = [ends[name] for name, one in body.nodes.items() if not one.consumers and not one.feeds]
        return tuple(dict.fromkeys(task for tasks in last for task in tasks)) or waits

    def _gate(self, node: Node, waits: tuple[str, ...]) -> tuple[str, ...]:
        """A wait for a time takes that; a person or an event takes nobody knows how long, and counts as nothing."""
        wait = node.wait
        seconds = float(wait.seconds) if wait is not None and isinstance(wait.seconds, int | float) else 0.0
        if not seconds:
            return waits
        self.tasks.append(Task(node.path, (Option("wait", seconds),), waits))
        return (node.path,)

    def _options(self, node: Node, of: Repeated, *, limit: int | None = None) -> tuple[Option, ...]:
        ways = self._ways[node.path]
        options = tuple(self._option(node, one, of, limit=limit) for one in ways)
        if of.total and not self._each_cold:
            self._warm.update(map(warmth_of, ways))
        return options

    def _option(self, node: Node, way: Configuration, of: Repeated, *, limit: int | None = None) -> Option:
        taken, total = way.taken, of.total
        startup = taken.startup.value if taken.startup is not None and total and warmth_of(way) not in self._warm else 0.0
        seconds, tail = taken.seconds.value, max(taken.p90, taken.seconds.value)
        width = width_of(self._view, way, node.max_parallel if limit is None else limit)
        waves = of.rounds * (max(1.0, of.tasks / width) if total else 0.0)
        pool, takes = self._view.pools.get(way.pool), way.footprint
        use = use_of(pool, takes, total, seconds, way.card.needs.cores) if pool is not None else {}
        return Option(
            label=label_of(way),
            seconds=startup + seconds * waves,
            # Of many tasks in a row, some are slow and some are quick: it is the tail of the last that counts.
            tail=startup + seconds * waves + (tail - seconds if waves else 0.0),
            joules=total * (taken.joules.value if taken.joules is not None else 0.0),
            usd=total * taken.usd.value,
            quality=taken.quality.value if taken.quality is not None else None,
            first=startup + min(seconds, seconds * waves),
            last=min(seconds, seconds * waves),
            use=use,
            calls={name: total * amount for name, amount in takes.calls.items()},
            resident={way.pool: {takes.resides: takes.resident}} if takes.resident and total else {},
        )


def _all_ends(seen: _Ends, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(task for name in names for task in seen[name]))
