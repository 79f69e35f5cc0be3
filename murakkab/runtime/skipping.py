"""state: how somebody passes over a task, a step or a branch while the rest of the job goes on."""

from typing import TYPE_CHECKING

from murakkab.errors import InvalidTransition
from murakkab.runtime.ending import SETTLED, abandon
from murakkab.runtime.messages import CancelTask
from murakkab.runtime.records import Rounds, Status, StepRecord, TaskRecord
from murakkab.runtime.resolution import SKIPPED
from murakkab.runtime.settling import settle_step, settle_task, stop_growing

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState


def skip(job: "JobState", task: str, *, branch: bool, reason: str) -> None:
    """Stop a task or a whole step and pass over it; with *branch*, over every step that comes after it too."""
    cause = reason or "passed over on request"
    step = job.step_of(task)
    record = job.tasks.get(task)
    if record is None and step is None:
        raise InvalidTransition(f"SkipRequested for {task!r}, which does not exist", story=[])
    if record is not None:
        _skip_task(job, record, cause)
    elif step is not None and step.status is Status.WAITING:
        _skip_map(job, step, cause)
    if branch and step is not None:
        for after in _all_after(step):
            if after.map is not None:
                _skip_map(job, after, cause)
            else:
                _skip_task(job, after, cause)


def _skip_task(job: "JobState", record: TaskRecord, cause: str) -> None:
    if record.status in SETTLED or record.status is Status.DOUBT or record.id in job.skipping or job.is_closed(record):
        return
    if record.status is Status.RUNNING and type(record.work) is not Rounds:
        # It is settled when its attempt has ended: it may still succeed.
        job.skipping[record.id] = cause
        if not record.step.frame.ending:
            job.commands.append(CancelTask(record.id))
        return
    grown = record.step.map
    if grown is not None and record in grown.backlog:
        # It has no place that could be given to another.
        grown.backlog.remove(record)
        grown.unsettled -= 1
        job.note(record, Status.SKIPPED, cause)
        return
    work = record.work
    if type(work) is Rounds and work.frame is not None:
        frame = work.frame
        frame.closed = True
        abandon(job, [record], cause)
    job.backing_off.discard(record.id)
    settle_task(job, record, Status.SKIPPED, cause=cause)


def _skip_map(job: "JobState", step: StepRecord, cause: str) -> None:
    grown = step.map
    if grown is None or step.status is not Status.WAITING:
        return
    abandon(job, grown.tasks, cause)
    stop_growing(grown)
    if job.log is not None:
        job.log.append((job.now, step.id, Status.SKIPPED, cause))
    settle_step(job, step, Status.SKIPPED, SKIPPED)


def _all_after(step: StepRecord) -> list[StepRecord]:
    """Return every step of the same frame that comes after *step*, directly or not, and has not begun."""
    steps = step.frame.steps
    found: dict[str, StepRecord] = {}
    agenda = [step]
    while agenda:
        node = agenda.pop().node
        for name in (*node.opens, *node.feeds):
            if name not in found:
                found[name] = steps[name]
                agenda.append(steps[name])
    return list(found.values())
