"""state: how `JobState` changes - one function per event, and the tables that say which event is allowed when."""

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from murakkab.errors import Failure
from murakkab.runtime.budget import Purse
from murakkab.runtime.ending import attempt_over, end, open_frames
from murakkab.runtime.frames import time_is_up
from murakkab.runtime.gates import answer, gate_timer, signal
from murakkab.runtime.messages import (
    Answered,
    BudgetSpent,
    CancelRequested,
    ChoicesChanged,
    DeadlinePassed,
    DoubtResolved,
    JobForked,
    JobResumed,
    JobSubmitted,
    RetryDue,
    SignalReceived,
    SkipRequested,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TaskYielded,
    TimerFired,
    WaitBudget,
    WaitDeadline,
    WaitRetry,
)
from murakkab.runtime.records import Gate, Rounds, Status, TaskRecord
from murakkab.runtime.resuming import reopen
from murakkab.runtime.settling import arrive, rescue, settle_task
from murakkab.runtime.skipping import skip
from murakkab.spec import Retry

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

# ------------------------------------------------------------------------------------------------------------ job events


def _submitted(job: "JobState", event: JobSubmitted) -> None:
    job.known["inputs"] = event.inputs
    budget = {**job.graph.workflow.budget, **(event.budget or {})}
    if budget:
        job.purse = Purse(budget, event.expected or {})
    _watch_time(job)
    job.ready.extend(step for step in job.steps.values() if not step.missing)


def _watch_time(job: "JobState") -> None:
    job.began = job.now
    if job.graph.workflow.timeout is not None:
        job.commands.append(WaitDeadline(job.graph.workflow.timeout))
    if job.purse is not None and "time" in job.purse.limits:
        job.purse.is_out_of_time = False
        job.commands.append(WaitBudget(max(0.0, job.purse.limits["time"] - job.purse.spent["time"])))


def _cancel_requested(job: "JobState", event: CancelRequested) -> None:
    job.go_on()
    end(job, job.root, "cancelled", event.reason or "cancelled on request")


def _deadline_passed(job: "JobState", event: DeadlinePassed) -> None:
    if not job.root.ending:
        limit = job.graph.workflow.timeout
        job.root.failures.append(Failure("", "deadline", f"the job did not finish within {limit:g} s"))
        end(job, job.root, "failed", "deadline")


def _budget_spent(job: "JobState", event: BudgetSpent) -> None:
    if job.purse is not None:
        job.purse.is_out_of_time = True
        job.purse.spent["time"] = job.purse.limits["time"]


def _resumed(job: "JobState", event: JobResumed) -> None:
    if job.purse is not None:
        job.purse.spent["time"] += max(0.0, job.heard[-2].time - job.began)
    if event.budget:
        job.raise_budget(event.budget)
    reopen(job)
    _watch_time(job)
    if event.ending:
        end(job, job.root, event.ending, event.reason or "cancelled on request")


def _forked(job: "JobState", event: JobForked) -> None:
    """What was taken over is known; the time of this job begins."""
    job.began = job.now


def _signal_received(job: "JobState", event: SignalReceived) -> None:
    job.go_on()
    signal(job, event.name, event.value)


def _choices_changed(job: "JobState", event: ChoicesChanged) -> None:
    job.choices |= {path: (event.time, written) for path, written in event.choices.items()}
    if job.purse is not None and event.expected is not None:
        job.purse.expect(event.expected)


def _skip_requested(job: "JobState", event: SkipRequested) -> None:
    job.go_on()
    skip(job, event.task, branch=event.branch, reason=event.reason)


# ----------------------------------------------------------------------------------------------------------- task events


def _started(_: "JobState", record: TaskRecord, event: TaskStarted) -> None:
    record.touched = True


def _succeeded(job: "JobState", record: TaskRecord, event: TaskSucceeded) -> None:
    _over(job, record, event)
    settle_task(job, record, Status.SUCCEEDED, event.value)


def _over(job: "JobState", record: TaskRecord, event: TaskSucceeded | TaskFailed | TaskCancelled) -> None:
    """Book the end of an attempt."""
    frame = record.step.frame
    if frame.parent is None:
        frame.running -= 1
    else:
        attempt_over(job, frame)
    if job.purse is not None:
        job.purse.pay(job, record.id, event)


def _yielded(job: "JobState", record: TaskRecord, event: TaskYielded) -> None:
    given = record.work if type(record.work) is list else []
    record.work = given
    if event.number == len(given):
        given.append(event.value)
        for name in record.step.node.feeds:
            arrive(job, record.step.frame.steps[name], ((event.number,), event.value))


def _failed(job: "JobState", record: TaskRecord, event: TaskFailed) -> None:
    _over(job, record, event)
    retry = record.step.node.retry
    again = event.retryable and record.attempt < retry.attempts and not record.executor
    if record.id in job.skipping:
        _skipped(job, record)
    elif record.step.frame.ending:
        job.note(record, Status.CANCELLED, f"attempt {record.attempt}: {event.reason} while the job was ending")
        # A resume goes on with the next attempt, or begins a new round.
        record.attempt, record.executor = (record.attempt + 1, "") if again else (1, "")
    elif again:
        job.note(record, Status.BACKOFF, f"attempt {record.attempt}: {event.reason}: {event.message}")
        job.backing_off.add(record.id)
        job.commands.append(WaitRetry(record.id, backoff(retry, record.attempt, record.id)))
    elif job.is_done_otherwise(record.step.node.path, event.started, event.executor) and not record.executor:
        job.note(record, Status.WAITING, f"attempt {record.attempt}: {event.reason}: {event.message}; it is done otherwise now")
        record.attempt += 1
        job.ready.append(record)
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
    _over(job, record, event)
    if record.id in job.skipping:
        _skipped(job, record, event.left)
    else:
        job.note(record, Status.CANCELLED, event.left)


def _skipped(job: "JobState", record: TaskRecord, left: str = "") -> None:
    cause = job.skipping.pop(record.id)
    settle_task(job, record, Status.SKIPPED, cause=f"{cause}{'; ' if left else ''}{left}")


def _left(job: "JobState", record: TaskRecord, event: TaskSucceeded | TaskFailed | TaskCancelled) -> None:
    """What was abandoned has ended; its result is not wanted, its price is paid."""
    _over(job, record, event)


def _too_late(_: "JobState", record: TaskRecord, event: Any) -> None:
    """It came after the task was settled: nothing to do."""


def _retry_due(job: "JobState", record: TaskRecord, event: RetryDue) -> None:
    job.backing_off.discard(record.id)
    if type(record.work) is not Rounds:
        record.attempt += 1
    record.status = Status.WAITING
    job.ready.append(record)


def _timer_fired(job: "JobState", record: TaskRecord, event: TimerFired) -> None:
    work = record.work
    job.go_on()
    if type(work) is Gate:
        gate_timer(job, record, work)
    elif type(work) is Rounds and work.due is not None:
        time_is_up(job, record, work)


def _answered(job: "JobState", record: TaskRecord, event: Answered) -> None:
    job.go_on()
    answer(job, record, approved=event.approved, by=event.by, values=event.values)


def _doubt_resolved(job: "JobState", record: TaskRecord, event: DoubtResolved) -> None:
    """Write the verdict down; nothing starts before the job is resumed, inside of blocks and rounds neither."""
    for frame in open_frames(job.root):
        frame.ending = frame.ending or "held"
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
    BudgetSpent: _budget_spent,
    SignalReceived: _signal_received,
    SkipRequested: _skip_requested,
    ChoicesChanged: _choices_changed,
    JobResumed: _resumed,
    JobForked: _forked,
}

#: Which event may meet a task in which status.
TRANSITIONS: Mapping[tuple[Status, type], Callable[["JobState", TaskRecord, Any], None]] = {
    (Status.RUNNING, TaskStarted): _started,
    (Status.RUNNING, TaskSucceeded): _succeeded,
    (Status.RUNNING, TaskYielded): _yielded,
    (Status.RUNNING, TaskFailed): _failed,
    (Status.RUNNING, TaskCancelled): _cancelled,
    (Status.RUNNING, TimerFired): _timer_fired,
    (Status.AWAITING, TimerFired): _timer_fired,
    (Status.AWAITING, Answered): _answered,
    (Status.BACKOFF, RetryDue): _retry_due,
    (Status.BACKOFF, TimerFired): _timer_fired,
    (Status.CANCELLED, TaskStarted): _too_late,
    (Status.CANCELLED, TaskSucceeded): _left,
    (Status.CANCELLED, TaskFailed): _left,
    (Status.CANCELLED, TaskCancelled): _left,
    (Status.DOUBT, DoubtResolved): _doubt_resolved,
    **{(status, late): _too_late for late in (RetryDue, TimerFired) for status in (Status.CANCELLED, Status.FAILED, Status.SKIPPED)},
    (Status.SUCCEEDED, TimerFired): _too_late,
    (Status.SUCCEEDED, RetryDue): _too_late,
    (Status.CANCELLED, TaskYielded): _too_late,
}
