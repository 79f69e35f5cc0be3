"""policy: the steps of a graph by path, those inside of others right behind them, and where each is in the state of a job."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from murakkab.plan import Node, TaskGraph
from murakkab.runtime.records import Status, StepRecord, path_of
from murakkab.runtime.state import JobState

#: A step has the worst status of its tasks, and one that is done in several places the worst of these.
WORST: Final = (
    Status.FAILED,
    Status.DOUBT,
    Status.AWAITING,
    Status.RUNNING,
    Status.BACKOFF,
    Status.CANCELLED,
    Status.WAITING,
    Status.SUCCEEDED,
    Status.SKIPPED,
)
_ROUND: Final = re.compile(r"#\d+$")


def nodes_of(graph: TaskGraph) -> dict[str, Node]:
    """Return every node by path, in the order of the graph, those inside of one right behind it."""
    found: dict[str, Node] = {}
    for node in _walked(graph):
        # The rounds of a step have its own path; what they are is known of the first.
        found.setdefault(node.path or node.name, node)
    return found


def _walked(graph: TaskGraph) -> Iterator[Node]:
    last = graph.finally_.nodes.values() if graph.finally_ else ()
    agenda = [*reversed(list(last)), *reversed(list(graph.nodes.values()))]
    while agenda:
        node = agenda.pop()
        yield node
        if node.body is not None:
            agenda.extend(reversed(list(node.body.nodes.values())))


def kind_of(node: Node) -> str:
    """Return what a node is: task, approve, wait, loop, or steps, for one that holds others."""
    if node.approve is not None:
        return "approve"
    if node.wait is not None:
        return "wait"
    if node.body is None or (node.body.only and next(iter(node.body.nodes.values())).is_plain):
        return "task"
    return "steps"


def status_of(step: StepRecord) -> str:
    """Return the status of a step in one place; failed or in doubt when one of its tasks is."""
    if step.map is None:
        return str(step.status)
    statuses = {task.status for task in step.map.tasks}
    for worst in (Status.FAILED, Status.DOUBT, Status.AWAITING):
        if worst in statuses and step.status is not Status.SUCCEEDED:
            return str(worst)
    if step.status is Status.WAITING and step.map.tasks:
        return str(Status.RUNNING)
    return str(step.status)


def statuses_of(state: JobState) -> Mapping[str, str]:
    """Return the status of every step by path; running for a map that has begun and not settled, waiting for what was not reached."""
    found = {path: str(Status.WAITING) for path in nodes_of(state.graph)}
    found.update((name, status_of(step)) for name, step in state.steps.items())
    inside: dict[str, set[str]] = {}
    for record in state.inner.values():
        if not _ROUND.search(record.id):
            inside.setdefault(path_of(record.id), set()).add(status_of(record))
    found.update((path, worst_of(statuses)) for path, statuses in inside.items())
    return found


def worst_of(statuses: Iterable[str]) -> str:
    """Return the first of the statuses that somebody has to hear of."""
    known = set(statuses)
    return next((str(status) for status in WORST if status in known), "")


def ended(statuses: Mapping[str, str]) -> dict[str, str]:
    """Return the statuses of a job that goes on no more: what its state thinks is under way was interrupted."""
    return {name: "interrupted" if status in (Status.RUNNING, Status.BACKOFF) else status for name, status in statuses.items()}
