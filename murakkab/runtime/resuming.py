"""state: how a job is taken up again - what was lost, failed or never begun starts anew, what succeeded stays, what is in doubt is held."""

from typing import TYPE_CHECKING

from murakkab.runtime.ending import open_frames, tasks_of
from murakkab.runtime.messages import WaitTimer
from murakkab.runtime.records import Frame, Gate, MapRecord, Rounds, Status, StepRecord, TaskRecord
from murakkab.runtime.settling import is_one_of_several
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
    job.skipping.clear()
    frames = [*open_frames(job.root), *_frames_of_finale(job)]
    if job.purse is not None:
        job.purse.forget(job)
    job.ready.extend(record for record in job.held if not job.is_closed(record))
    job.held.clear()
    for frame in frames:
        if is_one_of_several(frame) and frame.failures:
            _restore_failed(frame)
        frame.ending = ""
        frame.running = 0
        frame.failures.clear()
    for frame in frames:
        _reopen_frame(job, frame)


def _frames_of_finale(job: "JobState") -> list[Frame]:
    """Return the frames of the last steps, where these go on; after a failed or cancelled end they will begin anew."""
    record = job.finale
    if record is None or type(record.work) is not Rounds or record.work.frame is None:
        return []
    if job.root.ending or job.root.unsettled or job.root.failures or record.status is not Status.RUNNING:
        record.work.frame.closed = True
        job.finale = None
        return []
    return list(open_frames(record.work.frame))


def _reopen_frame(job: "JobState", frame: Frame) -> None:
    for step in frame.steps.values():
        if step.map is not None:
            _reopen_map(step, step.map)
    for record in list(tasks_of(frame)):
        if record.status not in _UNFINISHED or not _is_due(record):
            continue
        if record.touched and record.step.node.effect is Effect.IRREVERSIBLE:
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
    """A map that was stopped goes on. Where it failed for want of enough successes, all that have not succeeded are to run again."""
    if step.status not in (Status.CANCELLED, Status.FAILED):
        return
    step.status = Status.WAITING
    if step.node.need is None and not is_one_of_several(step.frame):
        return
    left = [record for record in grown.tasks if record.status not in (Status.SUCCEEDED, Status.SKIPPED)]
    # What has begun inside keeps its place.
    left.sort(key=lambda record: not _has_open_frame(record))
    places = len(left) if step.node.max_parallel is None else step.node.max_parallel
    grown.unsettled, grown.running = len(left), min(len(left), places)
    for record in left:
        record.status = Status.CANCELLED if record.status is Status.FAILED else record.status
    grown.backlog.clear()
    for record in left[places:]:
        record.attempt, record.executor, record.touched, record.status = 1, "", False, Status.WAITING
        grown.backlog.append(record)


def _has_open_frame(record: TaskRecord) -> bool:
    return type(record.work) is Rounds and record.work.frame is not None and not record.work.frame.closed


def _begin_again(job: "JobState", record: TaskRecord) -> None:
    work = record.work
    if type(work) is Rounds and _has_open_frame(record):
        _go_on_inside(job, record, work)
        return
    if type(work) is Gate and record.status is Status.FAILED:
        record.work = None
    if record.status is Status.FAILED:
        record.attempt, record.executor = 1, ""
    elif record.status is Status.BACKOFF and type(work) is not Rounds:
        record.attempt += 1
    record.touched, record.status = False, Status.WAITING
    if record.step is not record:
        job.ready.append(record)


def _go_on_inside(job: "JobState", record: TaskRecord, work: Rounds) -> None:
    """The frame of a task goes on: its steps are put back one by one."""
    record.status = Status.RUNNING
    timeout = record.step.node.timeout
    if timeout is not None:
        if work.due is None:
            work.due = job.now + timeout
        job.commands.append(WaitTimer(record.id, max(0.0, work.due - job.now)))
    job.ready.append(record)


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
        step.missing = sum(need not in settled for need in step.node.needs)
        step.must_skip = any(need in settled and frame.steps[need].status is not Status.SUCCEEDED for need in _hard_needs(step))
        if step.status is Status.SKIPPED:
            step.status = Status.WAITING
        if step.map is not None and step.status is Status.FAILED:
            step.map.open = step.map.open or not step.map.tasks


def _hard_needs(step: StepRecord) -> list[str]:
    return [name for name in step.node.needs if name not in step.node.tolerant]
