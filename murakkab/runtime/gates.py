"""state: tasks that wait - for a person's answer, for an event from outside, or for a time."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from murakkab.errors import Failure
from murakkab.runtime.messages import AskPerson, WaitTimer
from murakkab.runtime.records import Gate, Status, TaskRecord
from murakkab.runtime.resolution import ReferenceFailed, value_of
from murakkab.runtime.settling import rescue, settle_task
from murakkab.spec import Approve, Expr, Wait
from murakkab.types import mismatch

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

_DURATION: Final = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*(ms|s|m|min|h|d)?\s*", re.ASCII)
_SECONDS: Final[Mapping[str, float]] = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
#: A job does not wait for longer than a hundred years.
_LONGEST: Final = 3.2e9


def begin_gate(job: "JobState", record: TaskRecord) -> None:
    """Let a task wait for what its step says. Raises `InputSkipped` and `ReferenceFailed`."""
    node = record.step.node
    before = record.work if type(record.work) is Gate else None
    gate = _question(job, record, node.approve) if node.approve is not None else _pause(job, record, node.wait or Wait())
    if node.timeout is not None and (gate.due is None or job.now + node.timeout < gate.due):
        gate.due, gate.opens = job.now + node.timeout, False
    if before is not None and before.due is not None:
        # It has begun before this process did; a promised time stays.
        gate.due, gate.opens = before.due, before.opens
    record.work = gate
    job.note(record, Status.AWAITING, _awaited(gate))
    if gate.kind != "time":
        job.asking[record.id] = gate
    if gate.due is not None:
        if gate.kind == "time" or gate.due <= job.now:
            # Nobody but the clock opens it, or it should have ended while nobody was awake.
            job.timers.add(record.id)
        job.commands.append(WaitTimer(record.id, max(0.0, gate.due - job.now)))
    if gate.kind == "person" and node.approve is not None:
        job.commands.append(AskPerson(record.id, gate.message, node.approve.form))
    elif gate.kind == "event" and job.signals.get(gate.event):
        _receive(job, record, job.signals[gate.event].popleft())


def _awaited(gate: Gate) -> str:
    return {"person": f"asks: {gate.message}", "event": f"waits for the event {gate.event!r}"}.get(gate.kind, "waits for its time")


def _question(job: "JobState", record: TaskRecord, approve: Approve) -> Gate:
    message = value_of(approve.message, record.scope, record.step.frame.known)
    return Gate("person", message=message if isinstance(message, str) else str(message))


def _pause(job: "JobState", record: TaskRecord, wait: Wait) -> Gate:
    def found(expr: Expr) -> Any:
        return value_of(expr, record.scope, record.step.frame.known)

    if wait.event is not None:
        event = found(wait.event)
        if not isinstance(event, str) or not event:
            raise ReferenceFailed(f"the name of an event is text, not {event!r}")
        return Gate("event", event=event)
    due = moment_of(found(wait.until)) if wait.until is not None else job.now + seconds_of(found(wait.seconds))
    return Gate("time", due=due, opens=True)


def seconds_of(value: Any) -> float:
    """Return a duration in seconds: a number, or text like `30s`. Raises `ReferenceFailed`."""
    amount = value
    if isinstance(value, str) and (read := _DURATION.fullmatch(value)):
        amount = float(read[1]) * _SECONDS[read[2] or ""]
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= _LONGEST:
        raise ReferenceFailed(f"{value!r} is not a duration: a number of seconds, or text like 30s, 5m, 2h or 1d")
    return float(amount)


def moment_of(value: Any) -> float:
    """Return a time in seconds since the epoch: a number, or text of ISO 8601, UTC where it names no zone. Raises `ReferenceFailed`."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ReferenceFailed(f"{value!r} is not a time: write 2026-03-01T09:00:00+01:00") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LONGEST <= value <= 1e11:
        raise ReferenceFailed(f"{value!r} is not a time: write 2026-03-01T09:00:00+01:00, or seconds since the epoch")
    return float(value)


def gate_timer(job: "JobState", record: TaskRecord, gate: Gate) -> None:
    """The time of a gate has come: it opens, or it has waited too long."""
    waited = _awaited(gate)
    opens = gate.opens
    gate.due = None
    job.timers.discard(record.id)
    job.asking.pop(record.id, None)
    if opens:
        settle_task(job, record, Status.SUCCEEDED, None)
    else:
        rescue(job, record, Failure(record.id, "timeout", f"it {waited}, and nothing came in time", record.attempt))


def answer(job: "JobState", record: TaskRecord, *, approved: bool, by: str, values: Mapping[str, Any]) -> None:
    """A person has answered."""
    form = record.step.node.approve.form if record.step.node.approve is not None else {}
    if approved:
        given = {name: values.get(name, one.default) for name, one in form.items()}
        settle_task(job, record, Status.SUCCEEDED, {"approved": True, "by": by, **given}, cause=f"approved{' by ' if by else ''}{by}")
    else:
        job.asking.pop(record.id, None)
        reason = "; ".join(f"{name}: {value}" for name, value in values.items())
        message = f"{by or 'a person'} said no{': ' if reason else ''}{reason}"
        rescue(job, record, Failure(record.id, "rejected", message, record.attempt))


def signal(job: "JobState", name: str, value: Any) -> None:
    """An event has come: the task that has waited longest for it takes it; else it is kept."""
    for task, gate in job.asking.items():
        if gate.kind == "event" and gate.event == name:
            _receive(job, job.tasks[task], value)
            return
    job.keep_signal(name, value)


def _receive(job: "JobState", record: TaskRecord, value: Any) -> None:
    wait = record.step.node.wait
    if wait is not None and (reason := mismatch(wait.type, value)):
        job.asking.pop(record.id, None)
        rescue(job, record, Failure(record.id, "bad-event", f"what came with the event does not fit: {reason}", record.attempt))
    else:
        settle_task(job, record, Status.SUCCEEDED, value, cause="the event came")
