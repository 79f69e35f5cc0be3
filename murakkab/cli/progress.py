"""state: how far each step of a running job is - hears its events, reads its `JobState`, and says a line per step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from murakkab.runtime.messages import TaskCancelled, TaskFailed, TaskStarted, TaskSucceeded
from murakkab.runtime.records import Status, StepRecord
from murakkab.runtime.state import JobState


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
        return self.status not in ("waiting", "running", "queued")


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
        if status == Status.WAITING and (running or total):
            status = "running" if running else "queued"
        began = self._began.get(name)
        seconds = None
        if began is not None:
            seconds = (now if status in ("running", "queued") else self._ended.get(name, now)) - began
        return StepLine(name, status, done, total, step.map is not None and step.map.open, running, seconds)


def step_of(task: str) -> str:
    """Return the step that a task belongs to: `frames` for `frames[0][1]`."""
    return task.partition("[")[0]


def step_status(name: str, state: JobState) -> str:
    """Return the status of a step; failed or in doubt when one of its tasks is."""
    step = state.steps[name]
    tasks = step.map.tasks if step.map else [state.tasks[name]] if name in state.tasks else []
    statuses = {task.status for task in tasks}
    for worst in (Status.FAILED, Status.DOUBT):
        if worst in statuses:
            return str(worst)
    return str(step.status)


def statuses_of(state: JobState) -> Mapping[str, str]:
    """Return the status of every step."""
    return {name: step_status(name, state) for name in state.steps}


def _counts(name: str, step: StepRecord, state: JobState) -> tuple[int, int]:
    """Return how many tasks of a step are settled, and how many there are."""
    if step.map is not None:
        return len(step.map.tasks) - step.map.unsettled, len(step.map.tasks)
    task = state.tasks.get(name)
    if task is None:
        return 0, 0
    return int(task.status in (Status.SUCCEEDED, Status.SKIPPED)), 1
