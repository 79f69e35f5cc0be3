"""state: how far each step of a running job is - hears its events, reads its `JobState`, and says a line per step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from murakkab.runtime.messages import TaskCancelled, TaskFailed, TaskStarted, TaskSucceeded
from murakkab.runtime.records import Status, StepRecord
from murakkab.runtime.state import JobState

_SETTLED = frozenset(map(str, (Status.SUCCEEDED, Status.FAILED, Status.SKIPPED, Status.CANCELLED, Status.DOUBT)))


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
    """What has been heard of one job. `hear` takes its events; `lines` may be asked at any moment."""

    def __init__(self) -> None:
        #: Attempts that have begun and not ended, by step.
        self._running: dict[str, set[str]] = {}
        #: When the first attempt of a step began, and when its last one ended.
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def hear(self, event: Any) -> None:
        """Take an event into account; those that are not about an attempt change nothing."""
        if isinstance(event, TaskStarted):
            step = step_of(event.task)
            self._running.setdefault(step, set()).add(event.task)
            self._began.setdefault(step, event.time)
        elif isinstance(event, TaskSucceeded | TaskFailed | TaskCancelled):
            step = step_of(event.task)
            self._running.get(step, set()).discard(event.task)
            self._ended[step] = event.time

    def lines(self, state: JobState, now: float) -> list[StepLine]:
        """Return a line per step, in the order of the graph."""
        return [self.line(name, state, now) for name in state.steps]

    def line(self, name: str, state: JobState, now: float) -> StepLine:
        """Return the line of one step."""
        step = state.steps[name]
        running = len(self._running.get(name, ()))
        done, total = _counts(name, step, state)
        status = step_status(name, state)
        if status == Status.RUNNING or (status == Status.WAITING and step.map is not None and total):
            status = "running" if running else "queued"
        began = self._began.get(name)
        seconds = None
        if began is not None:
            seconds = (self._ended.get(name, now) if status in _SETTLED else now) - began
        return StepLine(name, status, done, total, step.map is not None and step.map.open, running, seconds)


def step_of(task: str) -> str:
    """Return the step that a task belongs to: `frames` for `frames[0][1]`."""
    return task.partition("[")[0]


def step_status(name: str, state: JobState) -> str:
    """Return the status of a step; failed or in doubt when one of its tasks is."""
    step = state.steps[name]
    if step.map is None:
        return str(state.tasks[name].status)
    statuses = {task.status for task in step.map.tasks}
    for worst in (Status.FAILED, Status.DOUBT):
        if worst in statuses:
            return str(worst)
    return str(step.status)


def statuses_of(state: JobState) -> Mapping[str, str]:
    """Return the status of every step; running for a `for_each` step that has begun and not settled."""
    found = {name: step_status(name, state) for name in state.steps}
    for name, step in state.steps.items():
        if found[name] == Status.WAITING and step.map is not None and step.map.tasks:
            found[name] = str(Status.RUNNING)
    return found


def ended(statuses: Mapping[str, str]) -> dict[str, str]:
    """Return the statuses of a job that goes on no more: what its state thinks is under way was interrupted."""
    return {name: "interrupted" if status in (Status.RUNNING, Status.BACKOFF) else status for name, status in statuses.items()}


def _counts(name: str, step: StepRecord, state: JobState) -> tuple[int, int]:
    """Return how many tasks of a step are settled, and how many there are."""
    if step.map is not None:
        return len(step.map.tasks) - step.map.unsettled, len(step.map.tasks)
    return int(state.tasks[name].status in (Status.SUCCEEDED, Status.SKIPPED)), 1
