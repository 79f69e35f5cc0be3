"""data: how a job ended - outputs, failures, and a row per task from which tables and bills are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from murakkab.errors import Failure, JobCancelled, JobError, JobFailed, JobHeld, JobInterrupted, JobPaused, JobWaiting
from murakkab.plan import Deployment, TaskGraph
from murakkab.runtime.choices import Earlier, choice_at
from murakkab.runtime.messages import Event, JobResumed, TaskCancelled, TaskFailed, TaskSucceeded
from murakkab.runtime.records import path_of


class TaskRow(NamedTuple):
    """One ended attempt. `device` is empty where nobody knows. Times are seconds since the epoch; `joules` None means not measured."""

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
    tokens: int = 0


_ENDS = (TaskSucceeded, TaskFailed, TaskCancelled)
_NOTHING: Mapping[str, Sequence[Earlier]] = {}


def rows_of(history: Sequence[Event], deployment: Deployment, earlier: Mapping[str, Sequence[Earlier]] = _NOTHING) -> list[TaskRow]:
    """Return a row per attempt that ended, in the order in which they did. *earlier*: how steps were done that were chosen again."""
    attempts: dict[str, int] = {}
    return [_row(event, attempts, deployment, earlier) for event in history if isinstance(event, _ENDS)]


def _row(
    event: TaskSucceeded | TaskFailed | TaskCancelled,
    attempts: dict[str, int],
    deployment: Deployment,
    earlier: Mapping[str, Sequence[Earlier]],
) -> TaskRow:
    attempt = attempts[event.task] = attempts.get(event.task, 0) + 1
    step = path_of(event.task)
    choice = deployment.choices.get(step)
    if choice is not None and (step in earlier or event.executor not in ("", choice.executor.name)):
        choice = choice_at(choice, earlier.get(step, ()), event.started, event.executor)
    return TaskRow(
        task=event.task,
        step=step,
        status=_STATUS[type(event)],
        executor=event.executor or (choice.executor.name if choice else ""),
        device=choice.executor.device.value if choice else "",
        started=event.started,
        finished=event.time,
        attempt=attempt,
        cached=isinstance(event, TaskSucceeded) and event.cached,
        usd=event.usd,
        joules=event.joules,
        tokens=event.tokens,
    )


_STATUS: Mapping[type, str] = {TaskSucceeded: "succeeded", TaskFailed: "failed", TaskCancelled: "cancelled"}


@dataclass(frozen=True)
class JobResult:
    """How a job ended. `status`: succeeded, failed, cancelled, held, waiting, paused, or interrupted (stopped on the way; resume it)."""

    job: str
    status: str
    outputs: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()
    graph: TaskGraph | None = None
    deployment: Deployment = Deployment({})
    history: Sequence[Event] = field(default=(), repr=False)
    #: Energy of the machine since the job was begun or resumed, None when it was not measured.
    joules: float | None = None
    #: How steps were done before they were chosen again, by path.
    earlier: Mapping[str, Sequence[Earlier]] = field(default_factory=dict)

    @cached_property
    def tasks(self) -> list[TaskRow]:
        """A row per ended attempt; energy measured for the machine is shared out by busy seconds, so that the rows add up to the run.

        What an executor measured itself stands for itself. What ran before a resume was not measured with it and has no part in it.
        """
        rows = rows_of(self.history, self.deployment, self.earlier)
        if self.joules is None:
            return rows
        earlier = self._rows_before()
        known = sum(row.joules for row in rows[earlier:] if row.joules is not None)
        left = max(0.0, self.joules - known)
        busy = sum(row.finished - row.started for row in rows[earlier:] if row.joules is None)
        return rows[:earlier] + [
            row if row.joules is not None else row._replace(joules=left * (row.finished - row.started) / busy if busy else 0.0)
            for row in rows[earlier:]
        ]

    def _rows_before(self) -> int:
        resumed = max((i for i, event in enumerate(self.history) if isinstance(event, JobResumed)), default=0)
        return sum(isinstance(event, _ENDS) for event in self.history[:resumed])

    @property
    def usd(self) -> float:
        """What the tasks cost in dollars."""
        return sum(row.usd for row in self.tasks)

    @property
    def tokens(self) -> int:
        """How many tokens the tasks took."""
        return sum(row.tokens for row in self.tasks)

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
        if self.status == "waiting":
            hint = "answer, or send the event, and resume it"
            return JobWaiting(f"job {self.job} waits: {causes}", hint=hint, job=self.job, causes=self.failures)
        if self.status == "paused":
            hint = "resume it with a larger budget; nothing is lost"
            return JobPaused(f"job {self.job} is paused: {causes}", hint=hint, job=self.job, causes=self.failures)
        if self.status == "interrupted":
            return JobInterrupted(f"job {self.job} was interrupted", hint="resume it", job=self.job)
        return JobFailed(f"job {self.job} failed: {causes}", job=self.job, causes=self.failures)


def worked_in(result: JobResult, *, since: float) -> frozenset[str]:
    """Return the executors that have done a task of a job to its end since then, in seconds since the epoch; the cache does none."""
    done = (event for event in result.history if type(event) is TaskSucceeded and not event.cached and event.started >= since)
    return frozenset(event.executor for event in done if event.executor)
