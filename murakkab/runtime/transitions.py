"""state: how `JobState` changes - one function per event, and the tables that say which event is allowed when.

The agenda (`ready`) is drained by `advance`, never by recursion: a chain of a million skipped steps needs no stack.
"""

import zlib
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from murakkab.errors import ExecutorError, Failure, InvalidTransition
from murakkab.runtime.expansion import elements_arrived, elements_of, nested, task_id
from murakkab.runtime.messages import (
    CancelRequested,
    CancelTask,
    DeadlinePassed,
    DoubtResolved,
    FinishJob,
    JobResumed,
    JobSubmitted,
    RetryDue,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    WaitDeadline,
    WaitRetry,
)
from murakkab.runtime.records import Key, MapRecord, Status, StepRecord, TaskRecord
from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed, value_of
from murakkab.spec import Effect, Rescue, Retry

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

_NO_SCOPE: Mapping[str, Any] = {}
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
        if step.status is Status.CANCELLED and step.map is not None:
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
    _settle_task(job, record, Status.SUCCEEDED, event.value)


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
        _rescue(job, record, Failure(record.id, event.reason, event.message, record.attempt))


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


def _rescue(job: "JobState", record: TaskRecord, failure: Failure) -> None:
    on_error = record.step.node.on_error
    cause = f"attempt {failure.attempt}: {failure.reason}: {failure.message}"
    if on_error.action is Rescue.FALLBACK and not record.executor:
        record.executor = on_error.fallback
        record.attempt += 1
        job.note(record, Status.WAITING, f"{cause}; falling back to {on_error.fallback}")
        job.ready.append(record)
    elif on_error.action is Rescue.SKIP:
        _settle_task(job, record, Status.SKIPPED, cause=cause)
    elif on_error.action is Rescue.DEFAULT:
        try:
            value = value_of(on_error.default, record.scope, job.known)
        except (InputSkipped, ReferenceFailed) as exc:
            _fail(job, record, Failure(record.id, "bad-reference", f"on_error.default: {exc}", failure.attempt))
        else:
            _settle_task(job, record, Status.SUCCEEDED, value, cause=f"{cause}; took its default")
    else:
        _fail(job, record, failure)


def _fail(job: "JobState", record: TaskRecord, failure: Failure) -> None:
    job.note(record, Status.FAILED, f"attempt {failure.attempt}: {failure.reason}: {failure.message}")
    job.failures.append(failure)
    end(job, "failed", f"{record.id} failed")


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
        _settle_task(job, record, Status.SUCCEEDED, event.value, cause="a person said that it was done")
    else:
        job.note(record, Status.WAITING, "a person said that it was not done")
        record.touched = False
        job.held.append(record)


# --------------------------------------------------------------------------------------------------------- getting ahead


def advance(job: "JobState") -> None:
    """Drain the agenda, then finish the job if nothing is left that could happen."""
    ready = job.ready
    while ready:
        entry = ready.popleft()
        if type(entry) is StepRecord:
            _look(job, entry)
        else:
            _run(job, entry)
    if not job.running and not job.finished and (not job.unsettled or job.ending or not job.backing_off):
        _finish(job)


def _look(job: "JobState", step: StepRecord) -> None:
    """Do what *step* is ripe for: its gate may have opened, results may have arrived, its map may be done."""
    if step.missing or step.status is not Status.WAITING:
        return
    grown = step.map
    if step.must_skip and (grown is None or not grown.unsettled):
        _skip_step(job, step)
    elif grown is None:
        _run(job, step)
    elif not job.ending:
        _grow(job, step, grown)
        if not (grown.open or grown.unsettled or grown.arrivals or job.ending):
            _close(job, step, grown)


def _close(job: "JobState", step: StepRecord, grown: MapRecord) -> None:
    if step.must_skip:
        _skip_step(job, step)
    else:
        if job.log is not None:
            job.log.append((job.now, step.id, Status.SUCCEEDED, ""))
        done = ((record.key, record.value) for record in grown.tasks if record.status is Status.SUCCEEDED)
        _settle_step(job, step, Status.SUCCEEDED, nested(done, grown.branches, len(step.node.loops)))


def _skip_step(job: "JobState", step: StepRecord) -> None:
    if job.log is not None:
        job.log.append((job.now, step.id, Status.SKIPPED, _why_skipped(job, step)))
    _settle_step(job, step, Status.SKIPPED, SKIPPED)


def _why_skipped(job: "JobState", step: StepRecord) -> str:
    node = step.node
    needs = (*node.needs, *([node.stream.source] if node.stream else ()))
    skipped = (name for name in needs if name not in node.tolerant and job.steps[name].status is Status.SKIPPED)
    return f"{next(skipped, 'what it goes over')} was skipped"


def _grow(job: "JobState", step: StepRecord, grown: MapRecord) -> None:
    """Make the tasks of the elements that are known by now. What cannot be expanded stays, so that a resume meets it again."""
    stream = step.node.stream
    try:
        if stream is None and grown.open:
            _add_tasks(job, step, list(elements_of(step.node.loops, job.known)))
            grown.open = False
        while stream is not None and grown.arrivals:
            _add_tasks(job, step, list(elements_arrived(step.node.loops, stream.rest, grown.arrivals[0], job.known)))
            grown.arrivals.popleft()
    except InputSkipped:
        step.must_skip, grown.open = True, False
        grown.arrivals.clear()
    except ReferenceFailed as exc:
        job.failures.append(Failure(step.node.name, "bad-reference", f"for_each: {exc}"))
        end(job, "failed", f"{step.node.name} cannot be expanded")


def _add_tasks(job: "JobState", step: StepRecord, elements: Sequence[tuple[Key, Mapping[str, Any]]]) -> None:
    grown = step.map
    if grown is None:
        return
    limit = step.node.max_parallel
    name, levels = step.node.name, len(step.node.loops)
    for key, scope in elements:
        if len(key) < levels:
            grown.branches.append(key)
            continue
        record = TaskRecord(task_id(name, key), step, key, scope)
        job.tasks[record.id] = record
        grown.tasks.append(record)
        grown.unsettled += 1
        if limit is not None and grown.running >= limit:
            grown.backlog.append(record)
        else:
            grown.running += 1
            job.ready.append(record)


def _run(job: "JobState", record: TaskRecord) -> None:
    """Start one attempt, unless it has begun already, its condition is false, an input was skipped, or the job is ending."""
    if record.status is not Status.WAITING:
        return
    if job.ending:
        job.held.append(record)
        return
    node = record.step.node
    known, scope = job.known, record.scope
    try:
        if node.condition is not None and not node.condition(ChainMap(scope, known)):  # type: ignore[arg-type]
            _settle_task(job, record, Status.SKIPPED, cause=f"when: {node.condition_source} is false")
            return
        inputs = {name: value_of(expr, scope, known) for name, expr in node.with_.items()}
        knobs = {name: value_of(expr, scope, known) for name, expr in node.knobs.items()} if node.knobs else None
    except InputSkipped as exc:
        _settle_task(job, record, Status.SKIPPED, cause=f"{exc} was skipped")
    except ReferenceFailed as exc:
        _rescue(job, record, Failure(record.id, "bad-reference", str(exc), record.attempt))
    except ExecutorError as exc:
        _rescue(job, record, Failure(record.id, exc.reason, str(exc), record.attempt))
    else:
        job.running += 1
        record.status = Status.RUNNING
        if job.log is not None:
            job.log.append((job.now, record.id, Status.RUNNING, ""))
        job.commands.append(StartTask(record.id, node, inputs, record.attempt, record.executor, knobs))


def _settle_task(job: "JobState", record: TaskRecord, status: Status, value: Any = None, *, cause: str = "") -> None:
    record.status = status
    if job.log is not None:
        job.log.append((job.now, record.id, status, cause))
    step = record.step
    grown = step.map
    if grown is None:
        _settle_step(job, step, status, value if status is Status.SUCCEEDED else SKIPPED)
        return
    grown.unsettled -= 1
    grown.running -= 1
    if status is Status.SUCCEEDED:
        record.value = value
        for name in step.node.feeds:
            _arrive(job, job.steps[name], (record.key[0], value))
    if grown.backlog:
        grown.running += 1
        job.ready.append(grown.backlog.popleft())
    if not grown.unsettled and not grown.open:
        job.ready.append(step)


def _arrive(job: "JobState", step: StepRecord, arrival: tuple[tuple[int, ...], Any]) -> None:
    if step.map is not None:
        step.map.arrivals.append(arrival)
        if not step.missing:
            job.ready.append(step)


def _settle_step(job: "JobState", step: StepRecord, status: Status, value: Any) -> None:
    """Give the step its value and tell everyone who waits for it."""
    step.status = status
    node = step.node
    job.known[node.name] = value
    job.unsettled -= 1
    skipped = status is Status.SKIPPED
    steps = job.steps
    for name in node.consumers:
        consumer = steps[name]
        consumer.missing -= 1
        if skipped and node.name not in consumer.node.tolerant:
            consumer.must_skip = True
        if not consumer.missing:
            job.ready.append(consumer)
    for name in node.feeds:
        _end_stream(job, steps[name], skipped=skipped)


def _end_stream(job: "JobState", step: StepRecord, *, skipped: bool) -> None:
    if step.map is not None:
        step.map.open = False
        step.must_skip = step.must_skip or skipped
        job.ready.append(step)


# ----------------------------------------------------------------------------------------------------------------- ending


def end(job: "JobState", status: str, cause: str) -> None:
    """Let nothing start any more and stop what runs; results that still arrive are kept."""
    if job.ending:
        return
    job.ending = status
    unsaid = {command.task for command in job.commands if type(command) is StartTask}
    job.commands[:] = [command for command in job.commands if type(command) is not StartTask]
    for record in job.tasks.values():
        if record.status is Status.BACKOFF:
            job.note(record, Status.CANCELLED, cause)
            record.attempt += 1
        elif record.id in unsaid:
            # Nobody has heard of it yet: it need not be stopped, for it never starts.
            job.running -= 1
            job.note(record, Status.WAITING, cause)
            job.held.append(record)
        elif record.status is Status.RUNNING:
            job.commands.append(CancelTask(record.id))
    job.backing_off.clear()


def _finish(job: "JobState") -> None:
    """Settle every step that never ran, and say how the job ended."""
    doubts = [record.id for record in job.tasks.values() if record.status is Status.DOUBT]
    outputs: dict[str, Any] = {}
    if job.ending:
        status = job.ending
        for step in job.steps.values():
            if step.status is Status.WAITING:
                job.note(step, Status.CANCELLED, f"the job {status}")
    elif job.unsettled and not doubts:
        stuck = [name for name, step in job.steps.items() if step.status is Status.WAITING]
        raise InvalidTransition(f"nothing can happen, yet {', '.join(stuck[:5])} did not settle", story=job.story(stuck[0]))
    elif doubts:
        status = "held"
        job.failures.extend(Failure(task, "in-doubt", "nobody knows whether it happened before the crash") for task in doubts)
    else:
        outputs = _outputs(job)
        status = "failed" if job.failures else "succeeded"
    job.finished = status
    job.commands.append(FinishJob(status, outputs, tuple(job.failures)))


def _outputs(job: "JobState") -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for name, expr in job.graph.outputs.items():
        try:
            outputs[name] = value_of(expr, _NO_SCOPE, job.known)
        except InputSkipped as exc:
            outputs[name] = None
            if name not in job.graph.optional_outputs:
                job.failures.append(Failure("", "skipped-output", f"output {name!r} has no value: {exc} was skipped"))
        except ReferenceFailed as exc:
            job.failures.append(Failure("", "bad-reference", f"output {name!r}: {exc}"))
    return outputs


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
