"""state: how tasks settle - results open gates, maps and bodies fill up, failures meet what `on_error` says."""

from math import ceil
from typing import TYPE_CHECKING, Any

from murakkab.errors import Failure
from murakkab.runtime.ending import SETTLED, abandon, end, forget_timer
from murakkab.runtime.records import Frame, MapRecord, Rounds, Status, StepRecord, TaskRecord
from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed, value_of
from murakkab.spec import Need, Rescue

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState


def settle_task(job: "JobState", record: TaskRecord, status: Status, value: Any = None, *, cause: str = "") -> None:
    """Put a task into a status that it will not leave, and let whatever waited for that come next."""
    record.status = status
    if job.log is not None:
        job.log.append((job.now, record.id, status, cause))
    if record.work is not None:
        _close_work(job, record, value)
    step = record.step
    grown = step.map
    if grown is None:
        settle_step(job, step, status, value if status is Status.SUCCEEDED else SKIPPED)
        return
    grown.unsettled -= 1
    grown.running -= 1
    if status is Status.SUCCEEDED:
        record.value = value
        for name in step.node.feeds:
            arrive(job, step.frame.steps[name], (record.key[0], value))
        if step.node.need is not None:
            grown.succeeded += 1
            job.ready.append(step)
    if grown.backlog:
        grown.running += 1
        job.ready.append(grown.backlog.popleft())
    if not grown.unsettled and not grown.open:
        job.ready.append(step)


def _close_work(job: "JobState", record: TaskRecord, value: Any) -> None:
    """Nothing inside of a settled task matters any more; what its stream has not given yet is given now."""
    work = record.work
    if type(work) is Rounds:
        if work.frame is not None:
            work.frame.closed = True
    elif type(work) is list and isinstance(value, list):
        flow(job, record.step, value, since=len(work))
    forget_timer(job, record)


def flow(job: "JobState", step: StepRecord, elements: list[Any], *, since: int) -> None:
    """Hand the elements of a stream, from number *since* on, to the maps that go over them."""
    for name in step.node.feeds:
        for number in range(since, len(elements)):
            arrive(job, step.frame.steps[name], ((number,), elements[number]))


def arrive(job: "JobState", step: StepRecord, arrival: tuple[tuple[int, ...], Any]) -> None:
    """Add an element to what the map *step* goes over."""
    if step.map is not None:
        step.map.arrivals.append(arrival)
        if not step.missing:
            job.ready.append(step)


def settle_step(job: "JobState", step: StepRecord, status: Status, value: Any) -> None:
    """Give the step its value and tell everyone who waits for it."""
    step.status = status
    node = step.node
    frame = step.frame
    frame.known[node.name] = value
    frame.unsettled -= 1
    skipped = status is not Status.SUCCEEDED
    steps = frame.steps
    for name in node.opens:
        consumer = steps[name]
        consumer.missing -= 1
        if skipped and node.name not in consumer.node.tolerant:
            consumer.must_skip = True
        if not consumer.missing:
            job.ready.append(consumer)
    if step.stand_ins is not None:
        job.ready.extend(step.stand_ins)
        step.stand_ins = None
    if node.feeds:
        if node.streams and step.work is None and isinstance(value, list):
            flow(job, step, value, since=0)
        for name in node.feeds:
            _end_stream(job, steps[name], skipped=skipped)
    if frame.parent is not None:
        _count_sink(frame, step)
        if not frame.unsettled or frame.body.need is not None:  # type: ignore[union-attr]
            job.ready.append(frame.parent)


def _count_sink(frame: Frame, step: StepRecord) -> None:
    if frame.body is not None and frame.body.need is not None and step.status is Status.SUCCEEDED and step.node.name in frame.body.sinks:
        frame.succeeded += 1


def _end_stream(job: "JobState", step: StepRecord, *, skipped: bool) -> None:
    if step.map is not None:
        step.map.open = False
        step.must_skip = step.must_skip or skipped
        job.ready.append(step)


# ---------------------------------------------------------------------------------------------------------------- failures


def rescue(job: "JobState", record: TaskRecord, failure: Failure) -> None:
    """Do what the step's `on_error` says, now that no attempt is left."""
    on_error = record.step.node.on_error
    cause = f"attempt {failure.attempt}: {failure.reason}: {failure.message}"
    may_fall_back = on_error.action is Rescue.FALLBACK and not record.executor
    if record.step.node.need is not None and record is not record.step and not may_fall_back:
        # One of a map of which only some are needed: the map judges, and `on_error` is about the whole of it.
        record.step.frame.tolerated.append(failure)
        settle_task(job, record, Status.FAILED, cause=cause)
        job.ready.append(record.step)
    elif may_fall_back:
        record.executor = on_error.fallback
        record.attempt += 1
        job.note(record, Status.WAITING, f"{cause}; falling back to {on_error.fallback}")
        job.ready.append(record)
    elif on_error.action is Rescue.SKIP:
        settle_task(job, record, Status.SKIPPED, cause=cause)
    elif on_error.action is Rescue.DEFAULT:
        error = {"reason": failure.reason, "message": failure.message, "attempt": failure.attempt, "task": failure.task}
        try:
            value = value_of(on_error.default, {**record.scope, "error": error}, record.step.frame.known)
        except (InputSkipped, ReferenceFailed) as exc:
            _fail(job, record, Failure(record.id, "bad-reference", f"on_error.default: {exc}", failure.attempt))
        else:
            settle_task(job, record, Status.SUCCEEDED, value, cause=f"{cause}; took its default")
    else:
        _fail(job, record, failure)


def _fail(job: "JobState", record: TaskRecord, failure: Failure) -> None:
    cause = f"attempt {failure.attempt}: {failure.reason}: {failure.message}"
    step = record.step
    if is_one_of_several(step.frame):
        step.frame.tolerated.append(failure)
        forget_timer(job, record)
        job.note(record, Status.FAILED, cause)
        fail_step(job, step, failure)
    else:
        forget_timer(job, record)
        job.note(record, Status.FAILED, cause)
        fail_frame(job, step.frame, failure, f"{record.id} failed")


def is_one_of_several(frame: Frame) -> bool:
    """True where only some of the steps are needed: the body judges."""
    return frame.body is not None and frame.body.need is not None


def fail_step(job: "JobState", step: StepRecord, failure: Failure) -> None:
    """Settle a step as failed, of which others may make up for it."""
    grown = step.map
    if grown is not None:
        abandon(job, grown.tasks, f"{failure.task} failed")
        stop_growing(grown)
    _log(job, step, Status.FAILED, f"{failure.reason}: {failure.message}")
    settle_step(job, step, Status.FAILED, SKIPPED)


def fail_frame(job: "JobState", frame: Frame, failure: Failure, cause: str) -> None:
    """End a frame because of *failure*: the job, or the task whose body it is."""
    frame.failures.append(failure)
    end(job, frame, "failed", cause)


# ------------------------------------------------------------------------------------------------------------------ quorums


def wanted_of(need: Need, total: int) -> int:
    """Return how many of *total* must succeed."""
    return need.count or ceil(need.share * total - 1e-9)


def judge_map(job: "JobState", step: StepRecord, grown: MapRecord, need: Need) -> bool:
    """Return whether enough tasks of a map have succeeded, the rest being cancelled then; fail it once there cannot be enough."""
    if (grown.open and not need.count) or step.frame.ending:
        return False
    wanted = wanted_of(need, len(grown.tasks))
    if grown.succeeded >= wanted and (need.count or not grown.arrivals):
        abandon(job, grown.tasks, "enough others have succeeded")
        stop_growing(grown)
        return True
    if not grown.open and not grown.arrivals and grown.succeeded + grown.unsettled < wanted:
        abandon(job, grown.tasks, "too many others have failed")
        causes = "".join(f"; {f}" for f in step.frame.tolerated if f.task.startswith(f"{step.id}["))
        message = f"{grown.succeeded} of {len(grown.tasks)} succeeded, {wanted} are needed{causes}"
        rescue_step(job, step, Failure(step.id, "quorum", message))
    return False


def stop_growing(grown: MapRecord) -> None:
    """Let a map have no more tasks than it has."""
    grown.backlog.clear()
    grown.arrivals.clear()
    grown.unsettled, grown.open = 0, False


def judge_body(frame: Frame, need: Need, sinks: tuple[str, ...]) -> Failure | bool:
    """Return whether enough sinks of a body have succeeded, or the failure once there cannot be enough."""
    wanted = wanted_of(need, len(sinks))
    if frame.succeeded >= wanted:
        return True
    possible = sum(frame.steps[name].status not in SETTLED for name in sinks)
    if frame.succeeded + possible >= wanted:
        return False
    causes = "".join(f"; {failure}" for failure in frame.tolerated)
    return Failure(frame.prefix, "quorum", f"{frame.succeeded} of {len(sinks)} succeeded, {wanted} are needed{causes}")


def rescue_step(job: "JobState", step: StepRecord, failure: Failure) -> None:
    """Do what `on_error` says about a map that failed as a whole."""
    on_error = step.node.on_error
    if on_error.action is Rescue.SKIP:
        _log(job, step, Status.SKIPPED, str(failure))
        settle_step(job, step, Status.SKIPPED, SKIPPED)
        return
    if on_error.action is Rescue.DEFAULT:
        error = {"reason": failure.reason, "message": failure.message, "attempt": 1, "task": step.id}
        try:
            value = value_of(on_error.default, {"error": error}, step.frame.known)
        except (InputSkipped, ReferenceFailed, KeyError) as exc:
            failure = Failure(step.id, "bad-reference", f"on_error.default: {exc}")
        else:
            _log(job, step, Status.SUCCEEDED, f"{failure}; took its default")
            settle_step(job, step, Status.SUCCEEDED, value if isinstance(value, list) else [value])
            return
    if is_one_of_several(step.frame):
        step.frame.tolerated.append(failure)
        fail_step(job, step, failure)
    else:
        job.note(step, Status.FAILED, f"{failure.reason}: {failure.message}")
        fail_frame(job, step.frame, failure, f"{step.id} failed")


def _log(job: "JobState", step: StepRecord, status: Status, cause: str) -> None:
    if job.log is not None:
        job.log.append((job.now, step.id, status, cause))
