"""state: how a job is taken up again - what was lost, failed or never begun starts anew, what succeeded stays, what is in doubt is held."""

from typing import TYPE_CHECKING

from murakkab.runtime.ending import tasks_of
from murakkab.runtime.messages import WaitTimer
from murakkab.runtime.records import Frame, Gate, MapRecord, Rounds, Status, StepRecord, TaskRecord
from murakkab.runtime.settling import is_one_of_several, settle_task
from murakkab.spec import Effect

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

_ENDED = {Status.RUNNING: "lost with its process", Status.BACKOFF: "failed", Status.FAILED: "failed", Status.CANCELLED: "cancelled"}
_UNFINISHED = frozenset((*_ENDED, Status.AWAITING))


def reopen(job: "JobState") -> None:
    """Put back on the agenda whatever has not settled for good, in every frame that still matters."""
    job.finished = ""
    job.backing_off.clear()
    job.timers.clear()
    job.asking.clear()
    frames = [*_reopened(job.root), *_reopened(*_frames_of_finale(job))]
    if job.purse is not None:
        job.purse.forget(job)
    job.ready.extend(record for record in job.held if not job.is_closed(record))
    job.held.clear()
    for frame in frames:
        _begin_frame_again(job, frame)
    job.skipping.clear()


def go_on_inside(job: "JobState", record: TaskRecord, frame: Frame) -> None:
    """Take up a task again whose frame was closed before its end, now that there is a place for it."""
    record.status = Status.RUNNING
    frame.closed = False
    for inner in _reopened(frame):
        _begin_frame_again(job, inner)
    job.ready.append(record)


def _frames_of_finale(job: "JobState") -> list[Frame]:
    """Return the frame of the last steps, where these go on; after a failed or cancelled end they will begin anew."""
    record = job.finale
    if record is None or type(record.work) is not Rounds or record.work.frame is None:
        return []
    if job.root.ending or job.root.unsettled or job.root.failures or record.status is not Status.RUNNING:
        record.work.frame.closed = True
        job.finale = None
        return []
    return [record.work.frame]


def _reopened(*agenda: Frame) -> list[Frame]:
    """Return the frames and all that go on inside of them, ready to begin again."""
    found: list[Frame] = []
    left = list(agenda)
    while left:
        frame = left.pop()
        found.append(frame)
        if is_one_of_several(frame) and frame.failures:
            _restore_failed(frame)
        for step in frame.steps.values():
            if step.map is not None:
                _reopen_map(step, step.map)
        frame.ending = ""
        frame.running = 0
        frame.failures.clear()
        for record in tasks_of(frame):
            if type(record.work) is Rounds and record.work.frame is not None and record.status in _UNFINISHED and _is_due(record):
                record.work.frame.closed = False
                left.append(record.work.frame)
    return found


def _begin_frame_again(job: "JobState", frame: Frame) -> None:
    for record in list(tasks_of(frame)):
        if record.status not in _UNFINISHED or not _is_due(record):
            continue
        if record.id in job.skipping and record.status is Status.RUNNING:
            # Its process died before it had stopped; nobody wants its result.
            settle_task(job, record, Status.SKIPPED, cause=job.skipping.pop(record.id))
        elif record.touched and record.step.node.effect is Effect.IRREVERSIBLE:
            job.note(record, Status.DOUBT, f"irreversible, begun, and then {_ENDED[record.status]}")
        else:
            _begin_again(job, record)
    job.ready.extend(step for step in frame.steps.values() if step.status is Status.WAITING and not step.missing)


def _is_due(record: TaskRecord) -> bool:
    """True for a task that is to begin again: not where its step is settled, nor where others may still make up for its failure."""
    step = record.step
    if step.node.name in step.frame.known:
        return False
    return record is step or record.status is not Status.FAILED or step.node.need is None


def _reopen_map(step: StepRecord, grown: MapRecord) -> None:
    """A map that was stopped goes on. Where it failed as a whole, all that have not succeeded are to run again."""
    for record in grown.backlog:
        record.status = Status.WAITING
    failed = step.status is Status.FAILED
    if step.status not in (Status.CANCELLED, Status.FAILED) or step.node.name in step.frame.known:
        # The latter: it has failed for good, and others make up for it.
        return
    step.status = Status.WAITING
    if not failed or not (step.node.need is not None or is_one_of_several(step.frame)):
        return
    left = [record for record in grown.tasks if record.status not in (Status.SUCCEEDED, Status.SKIPPED)]
    # What has begun inside keeps its place.
    left.sort(key=lambda record: type(record.work) is not Rounds)
    places = len(left) if step.node.max_parallel is None else step.node.max_parallel
    grown.unsettled, grown.running = len(left), min(len(left), places)
    grown.backlog.clear()
    for record in left:
        if record.status is Status.FAILED:
            record.attempt, record.executor, record.status = 1, "", Status.CANCELLED
    for record in left[places:]:
        record.status = Status.WAITING
        grown.backlog.append(record)


def _begin_again(job: "JobState", record: TaskRecord) -> None:
    work = record.work
    if type(work) is Rounds:
        _wind_up(job, record, work)
        if work.frame is not None:
            # Its frame goes on: the steps there are put back one by one.
            record.status = Status.RUNNING
            job.ready.append(record)
            return
    if type(work) is Gate and record.status is Status.FAILED:
        record.work = None
    if record.status is Status.FAILED:
        record.attempt, record.executor = 1, ""
    elif record.status is Status.BACKOFF and type(work) is not Rounds:
        record.attempt += 1
    record.touched, record.status = False, Status.WAITING
    if record.step is not record:
        grown = record.step.map
        (job.ready if grown is None or not record.step.missing else grown.parked).append(record)


def _wind_up(job: "JobState", record: TaskRecord, work: Rounds) -> None:
    """Set the timer of a task whose time is limited: to what is left of it, or anew when it was up."""
    timeout = record.step.node.timeout
    if timeout is not None:
        work.due = job.now + timeout if work.due is None else work.due
        job.commands.append(WaitTimer(record.id, max(0.0, work.due - job.now)))


def _restore_failed(frame: Frame) -> None:
    """Where too many steps failed of which only some are needed, those run again, and what was skipped because of them."""
    frame.tolerated.clear()
    again = [step for step in frame.steps.values() if step.status is Status.FAILED or (step.status is Status.SKIPPED and step.must_skip)]
    for step in again:
        if step.node.name in frame.known:
            del frame.known[step.node.name]
            frame.unsettled += 1
    settled = {name for name in frame.steps if name in frame.known}
    for step in frame.steps.values():
        if step.node.name in settled:
            continue
        step.missing = sum(need not in settled for need in step.node.needs if need not in step.node.late)
        step.must_skip = any(need in settled and frame.steps[need].status is not Status.SUCCEEDED for need in _hard_needs(step))
        if step.status is Status.SKIPPED:
            step.status = Status.WAITING
        if step.map is not None and step.status is Status.FAILED:
            step.map.open = step.map.open or not step.map.tasks


def _hard_needs(step: StepRecord) -> list[str]:
    return [name for name in step.node.needs if name not in step.node.tolerant]
