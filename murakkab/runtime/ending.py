"""state: how a job ends - nothing starts any more, every step is settled, the outputs are made."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from murakkab.errors import Failure, InvalidTransition
from murakkab.runtime.messages import CancelTask, FinishJob, StartTask
from murakkab.runtime.records import Status
from murakkab.runtime.resolution import InputSkipped, ReferenceFailed, value_of

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

_NO_SCOPE: Mapping[str, Any] = {}


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


def finish(job: "JobState") -> None:
    """Settle every step that never ran, and say how the job ended."""
    doubts = [record.id for record in job.tasks.values() if record.status is Status.DOUBT]
    outputs: dict[str, Any] = {}
    if job.ending:
        status = job.ending
        why = next((f" because of {failure.task}" for failure in job.failures if failure.task), "")
        for step in job.steps.values():
            if step.status is Status.WAITING:
                job.note(step, Status.CANCELLED, f"the job {'was ' * (status == 'cancelled')}{status}{why}")
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
