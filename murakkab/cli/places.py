"""policy: the steps of a graph by path, those inside of others right behind them, and where each is in the state of a job."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from murakkab.plan import Node, TaskGraph
from murakkab.runtime.records import Status, StepRecord, path_of
from murakkab.runtime.state import JobState

#: A step that is done in several places has the first of their statuses: as long as something is still to come, it has not failed.
WORST: Final = (
    Status.DOUBT,
    Status.AWAITING,
    Status.RUNNING,
    Status.BACKOFF,
    Status.WAITING,
    Status.FAILED,
    Status.CANCELLED,
    Status.SUCCEEDED,
    Status.SKIPPED,
)
#: Statuses of tasks to which something is still to happen.
_OPEN: Final = frozenset((Status.DOUBT, Status.AWAITING, Status.RUNNING, Status.BACKOFF, Status.WAITING))
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
    """Return the status of a step in one place. That of a map is what its tasks wait for, and failed once nothing more comes of it."""
    grown = step.map
    if grown is None or step.status in (Status.SUCCEEDED, Status.SKIPPED):
        return str(step.status)
    statuses = {task.status for task in grown.tasks}
    goes_on = not step.frame.ending and not statuses.isdisjoint(_OPEN)
    order = (Status.DOUBT, Status.AWAITING) if goes_on else (Status.FAILED, Status.DOUBT, Status.AWAITING)
    for status in order:
        if status in statuses:
            return str(status)
    if step.status is Status.WAITING and grown.tasks:
        return str(Status.RUNNING)
    return str(step.status)


def statuses_of(state: JobState) -> Mapping[str, str]:
    """Return the status of every step by path; running for a map that has begun and not settled, waiting for what was not reached."""
    found = {path: str(Status.WAITING) for path in nodes_of(state.graph)}
    found.update((name, status_of(step)) for name, step in state.steps.items())
    inside: dict[str, set[str]] = {}
    for record in state.inner.values():
        if not _ROUND.search(record.id):
            status = status_of(record)
            if status in _OPEN and state.is_closed(record):
                # Nobody waits for it any more.
                status = str(Status.CANCELLED)
            inside.setdefault(path_of(record.id), set()).add(status)
    found.update((path, worst_of(statuses)) for path, statuses in inside.items())
    return found


def worst_of(statuses: Iterable[str]) -> str:
    """Return the first of the statuses that somebody has to hear of."""
    known = set(statuses)
    return next((str(status) for status in WORST if status in known), "")


def ended(statuses: Mapping[str, str], job: str) -> dict[str, str]:
    """Return the statuses of the steps of a job that nobody runs, *job* being its own: what its state thinks is under way was interrupted.

    In a job that waits or is paused nothing was: steps that are under way hold something that waits, or has no money to go on.
    """
    stopped = _STOPPED.get(job, "interrupted")
    return {name: stopped if status in (Status.RUNNING, Status.BACKOFF) else status for name, status in statuses.items()}


_STOPPED: Final[Mapping[str, str]] = {"waiting": str(Status.AWAITING), "paused": "paused"}
