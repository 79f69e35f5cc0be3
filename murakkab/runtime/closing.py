"""state: how a job closes - its last steps run, its outputs are made, or it is said what it waits for."""

from typing import TYPE_CHECKING, Any

from murakkab.errors import Failure, InvalidTransition
from murakkab.plan import Body, Node
from murakkab.runtime.ending import open_frames, tasks_of
from murakkab.runtime.frames import open_frame, outputs_of
from murakkab.runtime.messages import FinishJob
from murakkab.runtime.records import Rounds, Status, StepRecord
from murakkab.runtime.resolution import SKIPPED

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

FINALLY = "finally"


def close(job: "JobState") -> bool:
    """Say how the job ends, now that nothing runs in it; True when its last steps have been put on the agenda instead."""
    if job.backing_off or job.timers:
        return False
    if job.purse is not None and job.purse.waiting and job.purse.look_again(job):
        return True
    verdict = _verdict(job)
    if verdict is None:
        return False
    status, outputs, failures = verdict
    body = job.graph.finally_
    if body is not None and status in ("succeeded", "failed", "cancelled"):
        if job.finale is None:
            _open_finale(job, body, status, failures)
            return True
        if job.finale.status is Status.RUNNING and not _finale_is_over(job.finale):
            return False
        failures = [*failures, *_finale_failures(job.finale)]
        status = "failed" if failures and status == "succeeded" else status
    job.finished = status
    job.commands.append(FinishJob(status, outputs, tuple(failures)))
    return False


def _verdict(job: "JobState") -> tuple[str, dict[str, Any], list[Failure]] | None:
    root = job.root
    doubts = [record.id for record in job.tasks.values() if record.status is Status.DOUBT and not job.is_closed(record)]
    if root.ending:
        _cancel_waiting(job)
        return root.ending, {}, list(root.failures)
    if not root.unsettled and not doubts:
        failures = list(root.failures)
        outputs = outputs_of(job.graph.outputs, job.graph.optional_outputs, root.known, failures)
        return ("failed" if failures else "succeeded"), outputs, failures
    if doubts:
        return "held", {}, [Failure(task, "in-doubt", "nobody knows whether it happened before the crash") for task in doubts]
    if job.purse is not None and job.purse.waiting:
        return "paused", {}, [Failure("", "budget", job.purse.why_paused())]
    if job.asking:
        return "waiting", {}, [Failure(task, gate.kind, gate.message or gate.event) for task, gate in job.asking.items()]
    stuck = [name for name, step in job.steps.items() if step.status not in (Status.SUCCEEDED, Status.SKIPPED)]
    # While a story is being told there is none to tell.
    story = job.story(stuck[0]) if job.log is None and stuck else []
    raise InvalidTransition(f"nothing can happen, yet {', '.join(stuck[:5])} did not settle", story=story)


def _cancel_waiting(job: "JobState") -> None:
    """Settle every step that never ran, and whatever still stands around tasks in doubt: those are all that is left open."""
    cancelled = job.root.ending == "cancelled"
    why = next((f" because of {failure.task}" for failure in job.root.failures if failure.task), "")
    cause = f"the job {'was ' * cancelled}{job.root.ending}{why}"
    for frame in open_frames(job.root):
        for step in frame.steps.values():
            if step.status is Status.WAITING:
                job.note(step, Status.CANCELLED, cause)
        for record in tasks_of(frame):
            if record.status is Status.RUNNING:
                job.note(record, Status.CANCELLED, cause)


# ------------------------------------------------------------------------------------------------------------- the last steps


def _open_finale(job: "JobState", body: Body, status: str, failures: list[Failure]) -> None:
    root = job.root
    facts = {"status": status, "failures": [{"task": f.task, "reason": f.reason, "message": f.message} for f in failures]}
    known: dict[str, Any] = {}
    for name in body.captures:
        value = facts if name == "job" else root.known.get(name)
        known[name] = None if value is SKIPPED else value
    prefix = FINALLY if not job.finales else f"{FINALLY}~{job.finales + 1}"
    job.finales += 1
    record = job.finale = StepRecord(Node(FINALLY, "", path=FINALLY, body=body), root, prefix)
    work = record.work = Rounds()
    record.status = Status.RUNNING
    work.frame = open_frame(job, body, known, parent=record, prefix=prefix)


def _finale_is_over(record: StepRecord) -> bool:
    work = record.work
    if type(work) is not Rounds or work.frame is None or work.frame.ending or not work.frame.unsettled:
        record.status = Status.SUCCEEDED
        return True
    return False


def _finale_failures(record: StepRecord) -> list[Failure]:
    return list(record.work.frame.failures) if type(record.work) is Rounds and record.work.frame is not None else []
