"""policy: a job with fewer tasks that takes as long - where lists are long, one task stands for several, and one round too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from murakkab.optimizer.expected import Count
from murakkab.plan import Node, TaskGraph

#: Behind so many tasks of one step in one run of its graph, each stands for several, ...
MOST_TASKS: Final = 500
#: ... and behind so many in the whole job, where the graph is run again and again inside of another; but for so many in each run.
MOST_IN_ALL: Final = 2000
LEAST_TASKS: Final = 4


@dataclass(frozen=True, slots=True)
class Condensed:
    """By path: `tasks` in one run of the graph, and `rounds` of each.

    One stands for so many of the whole job: `in_line` for those that can only follow each other, `at_once` for those that places alone
    keep from running side by side.
    """

    tasks: dict[str, int] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    in_line: dict[str, float] = field(default_factory=dict)
    at_once: dict[str, float] = field(default_factory=dict)

    def times(self, path: str, *, has_places: bool) -> float:
        """Return how many times as long as one task its stand-in takes; work that needs no places is done side by side."""
        return self.in_line.get(path, 1.0) * (self.at_once.get(path, 1.0) if has_places else 1.0)


@dataclass(frozen=True, slots=True)
class _Inside:
    """A graph that runs so many times (`frames`), and for how many each of them stands."""

    frames: int = 1
    in_line: float = 1.0
    at_once: float = 1.0


def condensed(graph: TaskGraph, counts: Mapping[str, Count]) -> Condensed:
    """Return *graph*, of which each step has so many tasks as *counts* say, with no more of them than a run on virtual time can bear."""
    found = Condensed()
    last = graph.finally_.nodes if graph.finally_ is not None else {}
    agenda = [(node, _Inside()) for node in (*graph.nodes.values(), *last.values())]
    while agenda:
        node, around = agenda.pop()
        inside = _noted(node, around, counts[node.path], found)
        if node.body is not None and not node.body.only:
            agenda.extend((inner, inside) for inner in node.body.nodes.values())
    return found


def _noted(node: Node, around: _Inside, count: Count, found: Condensed) -> _Inside:
    """Write down what stands for the tasks of a step; return how often what is inside of it runs."""
    wanted, laps = _whole(count.tasks), _whole(count.rounds)
    tasks = min(wanted, MOST_TASKS, max(LEAST_TASKS, MOST_IN_ALL // around.frames))
    frames = around.frames * max(1, tasks)
    rounds = min(laps, max(1, MOST_IN_ALL // frames))
    share = wanted / max(1, tasks)
    in_line, at_once = (share, 1.0) if node.max_parallel is not None else (1.0, share)
    in_line *= laps / max(1, rounds)
    inside = _Inside(frames * max(1, rounds), around.in_line * max(1.0, in_line), around.at_once * max(1.0, at_once))
    found.tasks[node.path], found.rounds[node.path] = tasks, rounds
    found.in_line[node.path], found.at_once[node.path] = inside.in_line, inside.at_once
    return inside


def _whole(tasks: float) -> int:
    """Return a number of tasks: never none where some are expected."""
    return ceil(tasks - 0.5) if tasks >= 1 else (1 if tasks > 0 else 0)
