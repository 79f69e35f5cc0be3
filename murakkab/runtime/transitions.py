"""state: how `JobState` changes - one function per event, and the tables that say which event is allowed when."""

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from murakkab.errors import Failure
from murakkab.runtime.agenda import rescue, settle_task
from murakkab.runtime.ending import end
from murakkab.runtime.messages import (
    CancelRequested,
    DeadlinePassed,
    DoubtResolved,
    JobResumed,
    JobSubmitted,
    RetryDue,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    WaitDeadline,
    WaitRetry,
)
from murakkab.runtime.records import Status, TaskRecord
from murakkab.spec import Effect, Retry

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

# ------------------------------------------------------------------------------------------------------------ job events


def _submitted(job: "JobState", event: JobSubmitted) -> None:
    job.known["inputs"] = event.inputs
    _set_deadline(job)
    job.ready.extend(step for step in job.steps.values() if not step.missing)


def _set_deadline(job: "JobState") -> None:
    if job.graph.workflow.timeout is not None:
        job.commands.append(WaitDeadline(job.graph.workflow.timeout))


def _cancel_requested(job: "JobState", event: CancelRequested) -> None:
    end(job, "cancelled", event.reason or "cancelled on request")


def _deadline_passed(job: "JobState", event: DeadlinePassed) -> None:
    if not job.ending:
        limit = job.graph.workflow.timeout
        job.failures.append(Failure("", "deadline", f"the job did not finish within {limit:g} s"))
        end(job, "failed", "deadline")


def _resumed(job: "JobState", event: JobResumed) -> None:
    """Start again what was lost, failed or never begun; keep what succeeded; hold what is in doubt."""
    job.ending = job.finished = ""
    job.failures.clear()
    job.backing_off.clear()
    job.running = 0
    _set_deadline(job)
    job.ready.extend(job.held)
    job.held.clear()
    for step in job.steps.values():
        if step.map is not None and step.status in (Status.CANCELLED, Status.FAILED):
            step.status = Status.WAITING
    for record in list(job.tasks.values()):
        if record.status not in _UNFINISHED:
            continue
        if record.touched and record.step.node.effect is Effect.IRREVERSIBLE:
            job.note(record, Status.DOUBT, f"irreversible, begun, and then {_ENDED[record.status]}")
        else:
            _begin_again(job, record)
    job.ready.extend(step for step in job.steps.values() if step.status is Status.WAITING and not step.missing)


def _begin_again(job: "JobState", record: TaskRecord) -> None:
    if record.status is Status.FAILED:
        record.attempt, record.executor = 1, ""
    elif record.status is Status.BACKOFF:
        record.attempt += 1
    record.touched, record.status = False, Status.WAITING
    if record.step is not record:
        job.ready.append(record)


_ENDED = {Status.RUNNING: "lost with its process", Status.BACKOFF: "failed", Status.FAILED: "failed", Status.CANCELLED: "cancelled"}
_UNFINISHED = frozenset(_ENDED)


# ----------------------------------------------------------------------------------------------------------- task events


def _started(_: "JobState", record: TaskRecord, event: TaskStarted) -> None:
    record.touched = True


def _succeeded(job: "JobState", record: TaskRecord, event: TaskSucceeded) -> None:
    job.running -= 1
    settle_task(job, record, Status.SUCCEEDED, event.value)


def _failed(job: "JobState", record: TaskRecord, event: TaskFailed) -> None:
    job.running -= 1
    retry = record.step.node.retry
    again = event.retryable and record.attempt < retry.attempts and not record.executor
    if job.ending:
        job.note(record, Status.CANCELLED, f"attempt {record.attempt}: {event.reason} while the job was ending")
        # A resume goes on with the next attempt, or begins a new round.
        record.attempt, record.executor = (record.attempt + 1, "") if again else (1, "")
    elif again:
        job.note(record, Status.BACKOFF, f"attempt {record.attempt}: {event.reason}: {event.message}")
        job.backing_off.add(record.id)
        job.commands.append(WaitRetry(record.id, backoff(retry, record.attempt, record.id)))
    else:
        rescue(job, record, Failure(record.id, event.reason, event.message, record.attempt))


def backoff(retry: Retry, attempt: int, task: str) -> float:
    """Return the seconds to wait after failed attempt number *attempt*.

    The jitter is a hash of the task: spread out, yet the same on replay.
    """
    try:
        delay = min(retry.max_delay, retry.delay * retry.backoff ** (attempt - 1))
    except OverflowError:
        delay = retry.max_delay
    spread = zlib.crc32(f"{task}/{attempt}".encode()) / 0xFFFFFFFF
    return delay * (1 + retry.jitter * (2 * spread - 1))


def _cancelled(job: "JobState", record: TaskRecord, event: TaskCancelled) -> None:
    job.running -= 1
    job.note(record, Status.CANCELLED)


def _retry_due(job: "JobState", record: TaskRecord, event: RetryDue) -> None:
    job.backing_off.discard(record.id)
    record.attempt += 1
    record.status = Status.WAITING
    job.ready.append(record)


def _too_late(_: "JobState", record: TaskRecord, event: RetryDue) -> None:
    """The wait ended after the job did: nothing to do."""


def _doubt_resolved(job: "JobState", record: TaskRecord, event: DoubtResolved) -> None:
    """Write the verdict down; nothing starts before the job is resumed."""
    job.ending = job.ending or "held"
    job.finished = job.finished or "held"
    if event.verdict == "done":
        settle_task(job, record, Status.SUCCEEDED, event.value, cause="a person said that it was done")
    else:
        job.note(record, Status.WAITING, "a person said that it was not done")
        record.touched = False
        job.held.append(record)


#: Events about the whole job.
JOB_TRANSITIONS: Mapping[type, Callable[["JobState", Any], None]] = {
    JobSubmitted: _submitted,
    CancelRequested: _cancel_requested,
    DeadlinePassed: _deadline_passed,
    JobResumed: _resumed,
}

#: Which event may meet a task in which status.
TRANSITIONS: Mapping[tuple[Status, type], Callable[["JobState", TaskRecord, Any], None]] = {
    (Status.RUNNING, TaskStarted): _started,
    (Status.RUNNING, TaskSucceeded): _succeeded,
    (Status.RUNNING, TaskFailed): _failed,
    (Status.RUNNING, TaskCancelled): _cancelled,
    (Status.BACKOFF, RetryDue): _retry_due,
    (Status.CANCELLED, RetryDue): _too_late,
    (Status.DOUBT, DoubtResolved): _doubt_resolved,
}
