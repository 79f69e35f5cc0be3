"""state: how frames end before their work is done - nothing starts in them any more, and what runs is stopped."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from murakkab.runtime.messages import CancelTask, Command, DropTimer, StartTask
from murakkab.runtime.records import Frame, Gate, Rounds, Status, TaskRecord

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

#: Statuses that a task does not leave.
SETTLED = frozenset({Status.SUCCEEDED, Status.SKIPPED, Status.FAILED, Status.CANCELLED})


def tasks_of(frame: Frame) -> Iterator[TaskRecord]:
    """Yield the tasks of *frame*, those of a map that exist by now included; not those inside of them."""
    for step in frame.steps.values():
        if step.map is None:
            yield step
        else:
            yield from step.map.tasks


def open_frames(frame: Frame) -> Iterator[Frame]:
    """Yield *frame* and every frame inside it whose outcome still matters."""
    agenda = [frame]
    while agenda:
        frame = agenda.pop()
        yield frame
        inner = (record.work.frame for record in tasks_of(frame) if type(record.work) is Rounds)
        agenda.extend(one for one in inner if one is not None and not one.closed)


def end(job: "JobState", frame: Frame, status: str, cause: str) -> None:
    """Let nothing start any more in *frame* and stop what runs; results that still arrive are kept."""
    if frame.ending:
        return
    ended = [inner for inner in open_frames(frame) if not inner.ending]
    for inner in ended:
        inner.ending = status
    unsaid = _unsaid(job, cause)
    job.held.extend(unsaid)
    for inner in ended:
        for record in tasks_of(inner):
            if record.status is Status.RUNNING and type(record.work) is not Rounds:
                if record.id not in job.skipping:
                    job.commands.append(CancelTask(record.id))
            elif record.status in (Status.BACKOFF, Status.AWAITING):
                _stop_waiting(job, record, cause)
    for inner in ended:
        wake(job, inner)


def wake(job: "JobState", frame: Frame) -> None:
    """Have the parent of *frame* looked at once nothing runs in it."""
    if frame.parent is not None and not frame.running and not frame.closed:
        job.ready.append(frame.parent)


def _stop_waiting(job: "JobState", record: TaskRecord, cause: str) -> None:
    if record.status is Status.BACKOFF:
        job.backing_off.discard(record.id)
        if type(record.work) is not Rounds:
            record.attempt += 1
    else:
        job.asking.pop(record.id, None)
        job.timers.discard(record.id)
        job.commands.append(DropTimer(record.id))
    job.note(record, Status.CANCELLED, cause)


def _unsaid(job: "JobState", cause: str) -> list[TaskRecord]:
    """Take back the starts in frames that are over, of which nobody has heard yet: they need not be stopped, for they never happen."""
    kept: list[Command] = []
    taken: list[TaskRecord] = []
    for command in job.commands:
        record = job.tasks[command.task] if type(command) is StartTask else None
        if record is None or not (record.step.frame.ending or record.status is Status.CANCELLED):
            kept.append(command)
            continue
        count(record.step.frame, -1)
        if job.purse is not None:
            job.purse.release(record.id)
        if record.status is not Status.CANCELLED:
            job.note(record, Status.WAITING, cause)
        taken.append(record)
    job.commands[:] = kept
    return taken


def count(frame: Frame, by: int) -> None:
    """Add *by* to the attempts in flight of *frame* and of all that it lies in."""
    frame.running += by
    while frame.parent is not None:
        frame = frame.parent.step.frame
        frame.running += by


def attempt_over(job: "JobState", frame: Frame) -> None:
    """Count down the attempts in flight; a frame that is ending may be over now."""
    frame.running -= 1
    while frame.parent is not None:
        if frame.ending and not frame.running and not frame.closed:
            job.ready.append(frame.parent)
        frame = frame.parent.step.frame
        frame.running -= 1


def abandon(job: "JobState", records: Iterable[TaskRecord], cause: str) -> None:
    """Cancel tasks whose results are not wanted any more, with all inside them. What runs still owes its event, which changes nothing."""
    agenda = list(records)
    stopped: list[str] = []
    while agenda:
        record = agenda.pop()
        if record.status in SETTLED:
            continue
        if type(record.work) is Rounds:
            if record.work.frame is not None:
                record.work.frame.closed = True
                agenda.extend(tasks_of(record.work.frame))
        elif record.status is Status.RUNNING and job.skipping.pop(record.id, None) is None and not record.step.frame.ending:
            stopped.append(record.id)
        forget_timer(job, record)
        job.backing_off.discard(record.id)
        job.note(record, Status.CANCELLED, cause)
    unsaid = {record.id for record in _unsaid(job, cause)}
    job.commands.extend(CancelTask(task) for task in stopped if task not in unsaid)


def forget_timer(job: "JobState", record: TaskRecord) -> None:
    """Drop the timer of a gate or of a task with a body, where it has one."""
    work = record.work
    if type(work) is Gate:
        job.asking.pop(record.id, None)
        job.timers.discard(record.id)
    if isinstance(work, Gate | Rounds) and work.due is not None:
        work.due = None
        job.commands.append(DropTimer(record.id))
