"""policy: what somebody outside asks of a job - whether it fits the state that the job is in, and what to tell where it does not."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.errors import ConflictError, InputError, MurakkabError, NotFoundError
from murakkab.runtime.ending import SETTLED
from murakkab.runtime.messages import Answered, CancelRequested, DoubtResolved, Event, SignalReceived, SkipRequested
from murakkab.runtime.records import Status, TaskRecord
from murakkab.runtime.state import JobState
from murakkab.spec import Input
from murakkab.types import Type, mismatch

#: Statuses of a job in which nothing that is asked of it can change anything.
_OVER: Final = ("succeeded", "failed", "cancelled")
_NAMED: Final = 5


def refusal(state: JobState, event: Event) -> MurakkabError | None:
    """Return why the request *event* does not fit a job in *state*, with what would; None when it fits."""
    ask = _CHECKS.get(type(event))
    if ask is None:
        return InputError(f"{type(event).__name__} is nothing that can be asked of a job")
    try:
        ask(state, event)
    except MurakkabError as exc:
        return exc
    return None


def completed_answer(state: JobState, event: Answered) -> Answered:
    """Return an answer that was not refused, with the defaults of its form filled in."""
    if not event.approved:
        return event
    defaults = {name: deepcopy(one.default) for name, one in _form(state, event.task).items() if not one.required}
    return event._replace(values={**defaults, **event.values})


# ------------------------------------------------------------------------------------------------------------------ answers


def _check_answer(state: JobState, event: Answered) -> None:
    record = _task(state, event.task)
    gate = state.asking.get(event.task)
    if gate is None or gate.kind != "person":
        if record.status is Status.CANCELLED:
            _refuse_over(state)
        asking = [task for task, one in state.asking.items() if one.kind == "person"]
        hint = f"asked by: {_some(asking)}" if asking else "no task of the job asks anything now"
        raise ConflictError(f"task {record.id!r} asks nothing: it is {record.status}", hint=hint)
    form = _form(state, event.task)
    wrong = list(_flaws(form, event.values, is_whole=event.approved))
    if wrong:
        asked = ", ".join(f"{name}: {one.type}{'' if one.required else '?'}" for name, one in form.items())
        raise InputError(f"the answer to {event.task!r} does not fit: {'; '.join(wrong)}", hint=f"it asks for {asked or 'yes or no alone'}")


def _form(state: JobState, task: str) -> Mapping[str, Input]:
    approve = state.tasks[task].step.node.approve
    return approve.form if approve is not None else {}


def _flaws(form: Mapping[str, Input], values: Mapping[str, Any], *, is_whole: bool) -> list[str]:
    """Return what is wrong about *values*; who says no need not fill in the form, and may give a reason by any name."""
    wrong: list[str] = []
    for name, value in values.items():
        if name not in form:
            if is_whole:
                near = did_you_mean(name, form)
                wrong.append(f"unknown field {name!r}{', ' if near else ''}{near}")
        elif reason := mismatch(form[name].type, value):
            wrong.append(f"field {name!r}: {reason}")
    if is_whole:
        wrong += [f"field {name!r} ({one.type}) is missing" for name, one in form.items() if one.required and name not in values]
    return wrong


# ------------------------------------------------------------------------------------------------------------------- events


def _check_signal(state: JobState, event: SignalReceived) -> None:
    _refuse_over(state)
    wanted = [state.tasks[task] for task, gate in state.asking.items() if gate.kind == "event" and gate.event == event.name]
    if wanted:
        # The one that has waited longest takes it.
        _check_value(event, [_event_type(wanted[0])])
        return
    waits = [node.wait for node in state.graph.every_node() if node.wait is not None and node.wait.event is not None]
    if not waits:
        raise ConflictError(f"workflow {state.graph.workflow.name!r} waits for no event")
    if not all(isinstance(wait.event, str) for wait in waits):
        # The names of some are not known before they wait.
        return
    types = [wait.type for wait in waits if wait.event == event.name]
    if not types:
        known = {str(wait.event) for wait in waits}
        raise NotFoundError(f"no step waits for the event {event.name!r}", hint=did_you_mean(event.name, known, others="there are"))
    _check_value(event, types)


def _event_type(record: TaskRecord) -> Type:
    wait = record.step.node.wait
    return wait.type if wait is not None else Type("any")


def _check_value(event: SignalReceived, types: list[Type]) -> None:
    reasons = [mismatch(wanted, event.value) for wanted in types]
    if all(reasons):
        raise InputError(f"what comes with the event {event.name!r} does not fit: {reasons[0]}", hint=f"give {types[0]}")


# ------------------------------------------------------------------------------------------------------- skips and the rest


def _check_skip(state: JobState, event: SkipRequested) -> None:
    _refuse_over(state)
    step = state.step_of(event.task)
    record = state.tasks.get(event.task) or step
    if record is None or step is None:
        raise _unknown(state, event.task)
    if record.status in SETTLED or step.status in (Status.SUCCEEDED, Status.SKIPPED) or state.is_closed(record):
        raise ConflictError(f"{event.task!r} cannot be passed over: it is {record.status}")
    if record.status is Status.DOUBT:
        raise ConflictError(f"{event.task!r} cannot be passed over: nobody knows whether it happened", hint="say so first: done or retry")


def _check_cancel(state: JobState, event: CancelRequested) -> None:
    _refuse_over(state)


def _check_verdict(state: JobState, event: DoubtResolved) -> None:
    doubts = state.in_doubt()
    if event.task not in doubts:
        _task(state, event.task)
        raise ConflictError(f"task {event.task!r} is not in doubt", hint=f"in doubt: {_some(doubts) or 'none'}")
    if event.verdict not in ("done", "retry"):
        raise InputError(f"{event.verdict!r} is no verdict on {event.task!r}", hint="say done or retry")
    wanted = state.tasks[event.task].step.node.result
    if event.verdict == "done" and (reason := mismatch(wanted, event.value)):
        raise InputError(f"the value of {event.task!r} does not fit: {reason}", hint="give what the task would have returned")


_CHECKS: Final[Mapping[type, Callable[[JobState, Any], None]]] = {
    Answered: _check_answer,
    SignalReceived: _check_signal,
    SkipRequested: _check_skip,
    CancelRequested: _check_cancel,
    DoubtResolved: _check_verdict,
}


def _refuse_over(state: JobState) -> None:
    if state.finished in _OVER:
        hint = "resume it, and ask again" if state.finished != "succeeded" else ""
        raise ConflictError(f"the job has {'been ' * (state.finished == 'cancelled')}{state.finished} already", hint=hint)


def _task(state: JobState, task: str) -> TaskRecord:
    """Return the task of that id. Raises `NotFoundError`."""
    record = state.tasks.get(task)
    if record is None:
        raise _unknown(state, task)
    return record


def _unknown(state: JobState, task: str) -> NotFoundError:
    step = state.step_of(task)
    if step is not None and step.map is not None:
        tasks = [record.id for record in step.map.tasks]
        return NotFoundError(f"{task!r} is a step of {len(tasks)} tasks", hint=f"name one of them: {_some(tasks)}" if tasks else "")
    return NotFoundError(f"the job has no task {task!r}", hint=did_you_mean(task, state.statuses(), others="there are"))


def _some(names: Any) -> str:
    return f"{', '.join(list(names)[:_NAMED])}{', ...' if len(names) > _NAMED else ''}"
