"""data: how a job ended - outputs, failures, and a row per task from which tables and bills are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from murakkab.errors import Failure, JobCancelled, JobError, JobFailed, JobHeld, JobInterrupted
from murakkab.plan import Deployment, TaskGraph
from murakkab.runtime.messages import Event, JobResumed, TaskCancelled, TaskFailed, TaskSucceeded


class TaskRow(NamedTuple):
    """One ended attempt. Times are seconds since the epoch; `joules` None means not measured."""

    task: str
    step: str
    status: str
    executor: str
    device: str
    started: float
    finished: float
    attempt: int
    cached: bool
    usd: float
    joules: float | None


def rows_of(history: Sequence[Event], deployment: Deployment) -> list[TaskRow]:
    """Return a row per attempt that ended, in the order in which they did."""
    attempts: dict[str, int] = {}
    return [_row(event, attempts, deployment) for event in history if isinstance(event, TaskSucceeded | TaskFailed | TaskCancelled)]


def _row(event: TaskSucceeded | TaskFailed | TaskCancelled, attempts: dict[str, int], deployment: Deployment) -> TaskRow:
    attempt = attempts[event.task] = attempts.get(event.task, 0) + 1
    step = event.task.partition("[")[0]
    choice = deployment.choices.get(step)
    row = TaskRow(
        task=event.task,
        step=step,
        status=_STATUS[type(event)],
        executor=choice.executor.name if choice else "",
        device=choice.executor.device.value if choice else "",
        started=event.started,
        finished=event.time,
        attempt=attempt,
        cached=False,
        usd=0.0,
        joules=None,
    )
    if isinstance(event, TaskCancelled):
        return row
    row = row._replace(executor=event.executor or row.executor)
    return row._replace(cached=event.cached, usd=event.usd, joules=event.joules) if isinstance(event, TaskSucceeded) else row


_ENDS = (TaskSucceeded, TaskFailed, TaskCancelled)
_STATUS: Mapping[type, str] = {TaskSucceeded: "succeeded", TaskFailed: "failed", TaskCancelled: "cancelled"}


@dataclass(frozen=True)
class JobResult:
    """How a job ended. `status`: succeeded, failed, cancelled, held, or interrupted (stopped on the way; resume it)."""

    job: str
    status: str
    outputs: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()
    graph: TaskGraph | None = None
    deployment: Deployment = Deployment({})
    history: Sequence[Event] = field(default=(), repr=False)
    #: Energy of the machine since the job was begun or resumed, None when it was not measured.
    joules: float | None = None

    @cached_property
    def tasks(self) -> list[TaskRow]:
        """A row per ended attempt; measured energy is shared out by busy seconds, so that the rows add up to the run.

        What ran before a resume was not measured with it and has no part in it.
        """
        rows = rows_of(self.history, self.deployment)
        if self.joules is None:
            return rows
        earlier = self._rows_before()
        busy = sum(row.finished - row.started for row in rows[earlier:])
        shares = ((row.finished - row.started) / busy if busy else 0.0 for row in rows[earlier:])
        return rows[:earlier] + [row._replace(joules=self.joules * share) for row, share in zip(rows[earlier:], shares, strict=True)]

    def _rows_before(self) -> int:
        resumed = max((i for i, event in enumerate(self.history) if isinstance(event, JobResumed)), default=0)
        return sum(isinstance(event, _ENDS) for event in self.history[:resumed])

    @property
    def usd(self) -> float:
        """What the tasks cost in dollars."""
        return sum(row.usd for row in self.tasks)

    def raise_for_status(self) -> "JobResult":
        """Return self when the job succeeded, else raise the `JobError` that says why not and what to do."""
        if self.status == "succeeded":
            return self
        raise self._error()

    def _error(self) -> JobError:
        causes = "; ".join(map(str, self.failures))
        if self.status == "cancelled":
            return JobCancelled(f"job {self.job} was cancelled", job=self.job, causes=self.failures)
        if self.status == "held":
            hint = "find out what happened, then resume the job with a verdict for each task (done or retry)"
            return JobHeld(f"job {self.job} is held: {causes}", hint=hint, job=self.job, causes=self.failures)
        if self.status == "interrupted":
            return JobInterrupted(f"job {self.job} was interrupted", hint="resume it", job=self.job)
        return JobFailed(f"job {self.job} failed: {causes}", job=self.job, causes=self.failures)
