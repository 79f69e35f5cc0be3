"""policy: how many tasks each step is expected to become, before anybody has seen the lists that it goes over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

from murakkab.plan import Node, TaskGraph
from murakkab.profiling.observation import Shape
from murakkab.runtime.resolution import InputSkipped, ReferenceFailed, value_of
from murakkab.spec import WILD, Expr, Loop, Maybe, PathItem, Ref

#: How long a list is taken to be of which nothing is known.
ASSUMED_LENGTH: Final = 4.0
#: So many earlier jobs tell what the next one becomes.
_NEWEST: Final = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """What earlier jobs of a workflow became, by path: tasks per task of the step gone over (else per list), rounds per loop, and units.

    Units are how much work a task of the step is, on average: seconds of sound, images, characters.
    """

    fan_out: Mapping[str, float] = field(default_factory=dict)
    rounds: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, float] = field(default_factory=dict)


def seen_in(graph: TaskGraph, shapes: Sequence[Shape], chosen: Mapping[str, str] | None = None) -> Seen:
    """Return what a job is expected to become by the *shapes* of earlier ones, newest last: the means of the newest `_NEWEST`.

    *chosen*: by whom each step is to be done. What comes before a step decides how much there is for it: jobs in which that was done as
    it is to be now count alone, where there are any.
    """
    fan_out: dict[str, float] = {}
    units: dict[str, float] = {}
    before: dict[str, frozenset[str]] = {}
    for name, node in graph.nodes.items():
        sources = {one for one in (*node.needs, *([node.stream.source] if node.stream else [])) if one in before}
        before[name] = frozenset(sources).union(*(before[one] for one in sources))
        paths = [graph.nodes[one].path for one in before[name]]
        alike = [one for one in shapes if chosen is not None and all(one.by.get(path) == chosen.get(path) for path in paths)]
        newest = (alike or shapes)[-_NEWEST:]
        if spread := [found[node.path] for one in newest if node.path in (found := observed_fan_out(graph, one.tasks))]:
            fan_out[node.path] = sum(spread) / len(spread)
        if known := [one.units[node.path] for one in newest if node.path in one.units]:
            units[node.path] = sum(known) / len(known)
    return Seen(fan_out, units=units)


@dataclass(frozen=True, slots=True)
class Count:
    """How many tasks a step has in one run of the graph it stands in, and how many rounds each; `is_assumed`: nobody has counted."""

    tasks: float = 1.0
    rounds: float = 1.0
    is_assumed: bool = False


def expected_counts(
    graph: TaskGraph, inputs: Mapping[str, Any] | None = None, seen: Seen | None = None, results: Mapping[str, Any] | None = None
) -> dict[str, Count]:
    """Return what every node is expected to become, by path: counted where the *inputs* tell, as *seen* before, else assumed.

    *results*: of steps at the top that are done already, by name; they tell as well.
    """
    found: dict[str, Count] = {}
    known = {**(results or {}), **({"inputs": inputs} if inputs is not None else {})}
    last = graph.finally_.nodes if graph.finally_ is not None else {}
    for nodes in (graph.nodes, last):
        _count(nodes, known, seen or Seen(), found)
    return found


def total_tasks(graph: TaskGraph, counts: Mapping[str, Count]) -> dict[str, float]:
    """Return how many tasks of each node a whole job has: those of nodes inside of others once per task and round of these."""
    totals: dict[str, float] = {}
    last = graph.finally_.nodes if graph.finally_ is not None else {}
    agenda = [(node, 1.0) for node in (*graph.nodes.values(), *last.values())]
    while agenda:
        node, times = agenda.pop()
        count = counts[node.path]
        # A step that is done again and again has one node inside, which has its path.
        totals[node.path] = times * count.tasks
        if node.body is not None:
            inside = times * count.tasks * count.rounds
            if node.body.only:
                totals[node.path] = inside
            else:
                agenda.extend((inner, inside) for inner in node.body.nodes.values())
    return totals


def _count(nodes: Mapping[str, Node], known: Mapping[str, Any], seen: Seen, found: dict[str, Count]) -> None:
    for node in nodes.values():
        tasks, is_assumed = _tasks(node, nodes, known, seen, found)
        named = {name for loop in node.loops for name, _ in loop.lists()}
        rounds = 1.0
        if node.again is not None:
            rounds = seen.rounds.get(node.path, (node.again.at_most + 1) / 2 if node.again.until else float(node.again.at_most))
        found[node.path] = Count(tasks, rounds, is_assumed)
        if node.body is not None and not node.body.only:
            # A sub-workflow sees other inputs, whose values nobody knows yet.
            around = {name: value for name, value in known.items() if name not in node.body.nodes and name not in named}
            _count(node.body.nodes, around if node.body.inputs is None else {}, seen, found)


def _tasks(node: Node, nodes: Mapping[str, Node], known: Mapping[str, Any], seen: Seen, found: Mapping[str, Count]) -> tuple[float, bool]:
    tasks, is_assumed = 1.0, False
    lengths = [_length(loop, known) for loop in node.loops]
    if node.path in seen.fan_out and None in lengths:
        return _seen(node, nodes, seen.fan_out[node.path], found)
    for loop, length in zip(node.loops, lengths, strict=True):
        if length is None:
            source, lists = _gone_over(loop, nodes)
            base = found[source.path].tasks if source is not None and source.path in found else 1.0
            length = base * ASSUMED_LENGTH**lists
            is_assumed = is_assumed or lists > 0
            is_assumed = is_assumed or (source is not None and found[source.path].is_assumed)
        tasks *= length
    return tasks, is_assumed


def _seen(node: Node, nodes: Mapping[str, Node], fan_out: float, found: Mapping[str, Count]) -> tuple[float, bool]:
    """Return how many tasks a step has that had so many for all of its loops together, for each task of what it goes over."""
    sources = (_gone_over(loop, nodes)[0] for loop in node.loops)
    bases = [found[source.path] for source in sources if source is not None and source.path in found]
    return fan_out * prod(one.tasks for one in bases), any(one.is_assumed for one in bases)


def _length(loop: Loop, known: Mapping[str, Any]) -> float | None:
    """Return how long the list of a loop is, where it is known before the run."""
    if not _is_known(loop.over, known):
        return None
    try:
        value = value_of(loop.over, {}, known)
    except (InputSkipped, ReferenceFailed):
        return None
    return float(len(value)) if isinstance(value, list | tuple) else None


def _is_known(expr: Expr, known: Mapping[str, Any]) -> bool:
    if isinstance(expr, Ref):
        return expr.source in known
    return isinstance(expr, list | tuple) and all(not isinstance(one, dict | list) and _is_plain(one, known) for one in expr)


def _is_plain(expr: Expr, known: Mapping[str, Any]) -> bool:
    return isinstance(expr, str | int | float | bool | None) or _is_known(expr, known)


def _gone_over(loop: Loop, nodes: Mapping[str, Node]) -> tuple[Node | None, int]:
    """Return the mapped step whose results a loop goes over, and how many lists of unknown length lie in each of them."""
    if not isinstance(loop.over, Ref):
        return None, 1
    lists = max(1, sum(map(_is_wild, loop.over.path)))
    source = nodes.get(loop.over.source)
    if source is None or not source.loops:
        return None, lists
    return source, max(0, lists - len(source.loops))


def _is_wild(item: PathItem) -> bool:
    return item is WILD or (isinstance(item, Maybe) and item.item is WILD)


def observed_fan_out(graph: TaskGraph, tasks: Mapping[str, float]) -> dict[str, float]:
    """Return the fan-out of every mapped node at the top of the graph, from how many *tasks* of each a job had."""
    found: dict[str, float] = {}
    for node in graph.nodes.values():
        if node.loops and node.path in tasks:
            base = 1.0
            for loop in node.loops:
                source, _ = _gone_over(loop, graph.nodes)
                base *= tasks.get(source.path, 0) if source is not None else 1.0
            if base:
                found[node.path] = tasks[node.path] / base
    return found
