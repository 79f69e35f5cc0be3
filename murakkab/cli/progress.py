"""state: how far each step of a running job is - hears its events and the changes of its `JobState`, and says a line per step."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from murakkab.cli.places import nodes_of, status_of, worst_of
from murakkab.plan import Node
from murakkab.runtime.messages import TaskCancelled, TaskFailed, TaskStarted, TaskSucceeded
from murakkab.runtime.records import Status, StepRecord, path_of
from murakkab.runtime.state import JobState

_SETTLED = frozenset(map(str, (Status.SUCCEEDED, Status.FAILED, Status.SKIPPED, Status.CANCELLED, Status.DOUBT)))
_DONE = (Status.SUCCEEDED, Status.SKIPPED)


class StepLine(NamedTuple):
    """Where one step is. `total` counts the tasks known so far; `is_growing`: more may come. `seconds` since its first start."""

    step: str
    status: str
    done: int
    total: int
    is_growing: bool
    running: int
    seconds: float | None

    @property
    def is_settled(self) -> bool:
        """True once nothing more will happen to it."""
        return self.status in _SETTLED


class Progress:
    """What has been heard of one job. `hear` takes its events, `see` the log of its state; `lines` may be asked at any moment."""

    def __init__(self) -> None:
        #: Attempts that have begun and not ended, by step.
        self._running: dict[str, set[str]] = {}
        #: When the first attempt of a step began, and when its last one ended.
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        #: When a step was begun, whether or not it found a place: what counts for those that no executor does.
        self._entered: dict[str, float] = {}
        self._nodes: Mapping[str, Node] = {}
        #: Where each task inside of a step is, by the path of its own step, in the order in which these began.
        self._inside: dict[str, dict[str, Status]] = {}

    def hear(self, event: Any) -> None:
        """Take an event into account; those that are not about an attempt change nothing."""
        if isinstance(event, TaskStarted):
            step = path_of(event.task)
            self._running.setdefault(step, set()).add(event.task)
            self._began.setdefault(step, event.time)
        elif isinstance(event, TaskSucceeded | TaskFailed | TaskCancelled):
            step = path_of(event.task)
            self._running.get(step, set()).discard(event.task)
            self._ended[step] = event.time

    def see(self, changes: Sequence[tuple[float, str, Status, str]]) -> None:
        """Take changes of tasks into account: of steps inside of others, and of those that no executor does."""
        for time, task, status, _ in changes:
            path = path_of(task)
            if "/" in path:
                self._inside.setdefault(path, {})[task] = status
            if status in (Status.RUNNING, Status.AWAITING):
                self._entered.setdefault(path, time)
            elif status is not Status.WAITING:
                self._ended[path] = max(time, self._ended.get(path, time))

    def lines(self, state: JobState, now: float) -> list[StepLine]:
        """Return a line per step, in the order of the graph; below it the steps inside, as far as they have begun."""
        inside: dict[str, list[str]] = {}
        for path in self._inside:
            inside.setdefault(path.partition("/")[0], []).append(path)
        lines: list[StepLine] = []
        for name in (*state.steps, *(name for name in inside if name not in state.steps)):
            if name in state.steps:
                lines.append(self.line(name, state, now))
            lines += (self._line_inside(path, state, now) for path in sorted(inside.get(name, ()), key=_by_parent(inside.get(name, ()))))
        return lines

    def line(self, name: str, state: JobState, now: float) -> StepLine:
        """Return the line of one step of the job's own graph."""
        step = state.steps[name]
        running = len(self._running.get(name, ()))
        done, total = _counts(name, step, state)
        status = status_of(step)
        if status == Status.RUNNING and step.node.is_plain:
            status = "running" if running else "queued"
        growing = step.map is not None and step.map.open
        return StepLine(name, status, done, total, growing, running, self._seconds(name, status, now, step.node))

    def counted(self, name: str, state: JobState) -> str:
        """Return how many tasks of a settled step have succeeded, and what became of the others; "" for a step that is one task."""
        grown = state.steps[name].map
        if grown is None:
            return ""
        found = Counter(str(task.status) for task in grown.tasks)
        beside = ", ".join(f"{count} {status}" for status, count in found.items() if status != Status.SUCCEEDED)
        return f"{found[Status.SUCCEEDED]}/{len(grown.tasks)}{f' ({beside})' if beside else ''}"

    def _line_inside(self, path: str, state: JobState, now: float) -> StepLine:
        self._nodes = self._nodes or nodes_of(state.graph)
        tasks = self._inside[path].values()
        status = worst_of(tasks)
        done, running = sum(one in _DONE for one in tasks), len(self._running.get(path, ()))
        seconds = self._seconds(path, status, now, self._nodes.get(path))
        return StepLine(path, status, done, len(tasks), status not in _SETTLED, running, seconds)

    def _seconds(self, path: str, status: str, now: float, node: Node | None) -> float | None:
        began = self._began.get(path) if node is None or node.is_plain else self._entered.get(path)
        if began is None:
            return None
        return (self._ended.get(path, now) if status in _SETTLED else now) - began


def _by_parent(paths: Sequence[str]) -> Any:
    """Return what to sort paths by: each behind the one that it lies in, else as they came."""
    place = {path: i for i, path in enumerate(paths)}

    def key(path: str) -> list[int]:
        parts = path.split("/")
        above = ("/".join(parts[:i]) for i in range(2, len(parts) + 1))
        return [place.get(one, -1) for one in above]

    return key


def _counts(name: str, step: StepRecord, state: JobState) -> tuple[int, int]:
    """Return how many tasks of a step are settled, and how many there are."""
    if step.map is not None:
        return len(step.map.tasks) - step.map.unsettled, len(step.map.tasks)
    return int(state.tasks[name].status in _DONE), 1
