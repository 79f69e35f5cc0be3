"""state: how a job is taken up again - what was lost, failed or never begun starts anew, what succeeded stays, what is in doubt is held."""

from typing import TYPE_CHECKING

from murakkab.runtime.ending import open_frames, tasks_of
from murakkab.runtime.messages import WaitTimer
from murakkab.runtime.records import Frame, Gate, MapRecord, Rounds, Status, TaskRecord
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
    if frame.body is not None and frame.body.need is not None:
        _restore_failed(frame)
    for step in frame.steps.values():
        if step.map is not None and step.status in (Status.CANCELLED, Status.FAILED):
            step.status = Status.WAITING
            if step.node.need is not None:
                _readmit(step.map)
    for record in list(tasks_of(frame)):
        if record.status not in _UNFINISHED or (record.step is not record and record.step.status is not Status.WAITING):
            continue
        if record.touched and record.step.node.effect is Effect.IRREVERSIBLE:
            job.note(record, Status.DOUBT, f"irreversible, begun, and then {_ENDED[record.status]}")
        else:
            _begin_again(job, record)
    job.ready.extend(step for step in frame.steps.values() if step.status is Status.WAITING and not step.missing)


def _begin_again(job: "JobState", record: TaskRecord) -> None:
    work = record.work
    if type(work) is Rounds and work.frame is not None and not work.frame.closed:
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


def _readmit(grown: MapRecord) -> None:
    """Those of a map that failed for want of enough successes run again: all that have not succeeded count as unsettled."""
    left = [record for record in grown.tasks if record.status not in (Status.SUCCEEDED, Status.SKIPPED)]
    grown.unsettled = grown.running = len(left)
    grown.backlog.clear()


def _restore_failed(frame: Frame) -> None:
    """Of the steps of a body of which only some are needed, those that have not succeeded run again, and what was skipped with them."""
    again = [step for step in frame.steps.values() if step.status in (Status.FAILED, Status.SKIPPED, Status.CANCELLED)]
    for step in again:
        if step.node.name in frame.known and step.status is not Status.CANCELLED:
            del frame.known[step.node.name]
            frame.unsettled += 1
    settled = {name for name, step in frame.steps.items() if step.status is Status.SUCCEEDED}
    for step in again:
        step.must_skip = False
        step.missing = sum(need not in settled for need in step.node.needs)
        if step.status is Status.SKIPPED:
            step.status = Status.WAITING
