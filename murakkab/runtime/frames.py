"""state: tasks with a graph of their own inside - blocks, sub-workflows, and rounds of a loop."""

from collections import ChainMap
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from murakkab.errors import ExecutorError, Failure
from murakkab.plan import Again, Body
from murakkab.references import refs_in
from murakkab.runtime.ending import abandon, tasks_of, wake
from murakkab.runtime.messages import WaitRetry, WaitTimer
from murakkab.runtime.records import Frame, Rounds, Status, StepRecord, TaskRecord
from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed, value_of
from murakkab.runtime.secrets import Secret
from murakkab.runtime.settling import fail_frame, judge_body, rescue, settle_step, settle_task
from murakkab.spec import Otherwise
from murakkab.types import mismatch
from murakkab.values import MAX_NESTED, is_deeper

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState


def begin_round(job: "JobState", record: TaskRecord, body: Body) -> None:
    """Open the frame of the next round of a task. Raises `InputSkipped` and `ReferenceFailed`."""
    node = record.step.node
    work = record.work if type(record.work) is Rounds else Rounds()
    scope = {**record.scope, "loop": work.loop()} if node.again is not None else record.scope
    known = _captured(body, scope, record) if body.inputs is None else _given(body, scope, record)
    if record.work is None and node.timeout is not None:
        work.due = job.now + node.timeout
        job.commands.append(WaitTimer(record.id, node.timeout))
    record.work = work
    prefix = f"{record.id}#{len(work.history)}" if node.again is not None else record.id
    work.frame = open_frame(job, body, known, parent=record, prefix=prefix)
    job.note(record, Status.RUNNING, f"round {len(work.history)}" if node.again is not None else "")


def open_frame(job: "JobState", body: Body, known: dict[str, Any], *, parent: TaskRecord, prefix: str) -> Frame:
    """Return a new frame whose first steps are on the agenda."""
    frame = Frame(body.nodes, known, body, parent, prefix)
    for step in frame.steps.values():
        if step.node.is_late:
            continue
        job.inner[step.id] = step
        if step.map is None:
            job.tasks[step.id] = step
    job.ready.extend(step for step in frame.steps.values() if not step.missing)
    if not frame.unsettled:
        job.ready.append(parent)
    return frame


def _captured(body: Body, scope: Mapping[str, Any], record: TaskRecord) -> dict[str, Any]:
    known = record.step.frame.known
    found = {name: scope[name] if name in scope else known[name] for name in body.captures if name not in body.late}
    if record.step.node.again is not None:
        found["loop"] = scope["loop"]
    return found


def stand_in(job: "JobState", step: StepRecord) -> None:
    """Settle *step*, which stands in a block for one around it, like that one; where that has not settled, do so once it has."""
    parent = step.frame.parent
    if parent is None:
        return
    name = step.node.name
    around = parent.step.frame
    original = around.steps[name]
    if name not in around.known:
        original.stand_ins = [*(original.stand_ins or ()), step]
        return
    settle_step(job, step, original.status, around.known[name])


def _given(body: Body, scope: Mapping[str, Any], record: TaskRecord) -> dict[str, Any]:
    known = record.step.frame.known
    given = {name: value_of(expr, scope, known) for name, expr in record.step.node.with_.items()}
    inputs: dict[str, Any] = {}
    for name, declared in (body.inputs or {}).items():
        inputs[name] = given[name] if name in given else deepcopy(declared.default)
        if name in given and (reason := mismatch(declared.type, given[name])):
            raise ReferenceFailed(f"the input {name!r} does not fit: {reason}")
    return {"inputs": inputs, "secrets": secrets_of(body.secrets)}


def secrets_of(declared: Mapping[str, str]) -> dict[str, Secret]:
    """Return a mark for every declared secret."""
    return {name: Secret(name, source) for name, source in declared.items()}


def look_inside(job: "JobState", record: TaskRecord, work: Rounds, body: Body) -> None:
    """Do what a task is ripe for whose frame has changed: end its round, fail with it, or be stopped."""
    frame = work.frame
    if record.status is not Status.RUNNING or frame is None or frame.closed or record is job.finale:
        return
    if frame.ending:
        if not frame.running and not any(inner.status is Status.DOUBT for inner in tasks_of(frame)):
            _ended(job, record, frame)
    elif body.need is not None:
        verdict = judge_body(frame, body.need, body.sinks)
        if verdict is True:
            abandon(job, tasks_of(frame), "enough others have succeeded")
            _round_done(job, record, work, frame)
        elif isinstance(verdict, Failure):
            fail_frame(job, frame, verdict, "too many have failed")
    elif not frame.unsettled:
        _round_done(job, record, work, frame)


def _ended(job: "JobState", record: TaskRecord, frame: Frame) -> None:
    if frame.failures:
        rescue(job, record, frame.failures[0])
        if record.status is Status.FAILED:
            return
        frame.closed = True
    else:
        job.note(record, Status.CANCELLED, "what it is part of ended")
        wake(job, record.step.frame)


def _round_done(job: "JobState", record: TaskRecord, work: Rounds, frame: Frame) -> None:
    problems: list[Failure] = []
    value = value_of_body(frame, problems)
    if problems and (gone := _gone(frame)):
        # A step that needs what was skipped is skipped; that some steps inside did not need it makes no difference.
        settle_task(job, record, Status.SKIPPED, cause=f"{gone} was skipped")
    elif problems:
        problem = problems[0]
        rescue(job, record, Failure(record.id, problem.reason, problem.message))
    elif value is SKIPPED:
        settle_task(job, record, Status.SKIPPED, cause="what it repeats was skipped")
    elif (again := record.step.node.again) is None:
        settle_task(job, record, Status.SUCCEEDED, value)
    else:
        _next_round(job, record, work, (again, value, frame))


def _gone(frame: Frame) -> str:
    """Return the step around a block whose being skipped is why outputs have no value, "" where one lacks it for another reason."""
    body = frame.body
    if body is None:
        return ""
    gone = {name: name for name in body.late if frame.steps[name].status is not Status.SUCCEEDED}
    for name, node in body.nodes.items():
        lost = next((gone[need] for need in node.needs if need in gone and need not in node.tolerant), "")
        if lost and frame.steps[name].status is Status.SKIPPED:
            gone[name] = lost
    found = ""
    for name, value in body.outputs.items():
        if name in body.optional_outputs or not gone:
            continue
        try:
            value_of(value, {}, frame.known)
        except InputSkipped:
            found = next((gone[ref.source] for ref in refs_in(value) if ref.source in gone), "")
            if not found:
                return ""
        except ReferenceFailed:
            return ""
    return found


def _next_round(job: "JobState", record: TaskRecord, work: Rounds, done: tuple[Again, Any, Frame]) -> None:
    again, value, frame = done
    if is_deeper(value, MAX_NESTED):
        # What each round takes from the one before may grow without end, and no executor is there to refuse it.
        rescue(job, record, Failure(record.id, "bad-result", f"the result of a round is nested more than {MAX_NESTED} deep"))
        return
    try:
        env = ChainMap({"result": value, "loop": work.loop()}, record.scope, record.step.frame.known)  # type: ignore[arg-type]
        holds = again.until is not None and again.until(env)
    except ExecutorError as exc:
        rescue(job, record, Failure(record.id, exc.reason, f"until: {exc}"))
        return
    rounds = len(work.history) + 1
    if holds:
        settle_task(job, record, Status.SUCCEEDED, value, cause=f"until: {again.until_source} holds after round {rounds - 1}")
    elif rounds < again.at_most:
        work.history.append(value)
        frame.closed = True
        work.frame = None
        if again.delay:
            job.note(record, Status.BACKOFF, f"the next round begins in {again.delay:g} s")
            job.backing_off.add(record.id)
            job.commands.append(WaitRetry(record.id, again.delay))
        else:
            record.status = Status.WAITING
            job.ready.append(record)
    elif again.until is None or again.otherwise is Otherwise.LAST:
        settle_task(job, record, Status.SUCCEEDED, value, cause=f"all {rounds} rounds are done")
    else:
        message = f"after {rounds} rounds `until: {again.until_source}` does not hold"
        rescue(job, record, Failure(record.id, "loop-exhausted", message))


def value_of_body(frame: Frame, problems: list[Failure]) -> Any:
    """Return what the outputs of a frame's body come to; what has no value goes to *problems*."""
    body = frame.body
    if body is None:
        return None
    if body.only:
        return frame.known[body.only]
    if body.gives:
        return frame.known[body.gives]
    if body.need is not None:
        return {name: frame.known[name] for name in body.sinks if frame.steps[name].status is Status.SUCCEEDED}
    return outputs_of(body.outputs, body.optional_outputs, frame.known, problems)


def outputs_of(outputs: Mapping[str, Any], optional: frozenset[str], known: Mapping[str, Any], problems: list[Failure]) -> dict[str, Any]:
    """Return the values of *outputs*; null for an optional one whose source was skipped. What has no value goes to *problems*."""
    found: dict[str, Any] = {}
    for name, expr in outputs.items():
        try:
            found[name] = value_of(expr, {}, known)
        except InputSkipped as exc:
            found[name] = None
            if name not in optional:
                problems.append(Failure("", "skipped-output", f"output {name!r} has no value: {exc} was skipped"))
        except ReferenceFailed as exc:
            problems.append(Failure("", "bad-reference", f"output {name!r}: {exc}"))
    return found


def time_is_up(job: "JobState", record: TaskRecord, work: Rounds) -> None:
    """A task with a body has taken longer than it may."""
    limit = record.step.node.timeout or 0.0
    work.due = None
    failure = Failure(record.id, "timeout", f"it did not end within {limit:g} s")
    if work.frame is not None and not work.frame.closed:
        fail_frame(job, work.frame, failure, "its time is up")
    else:
        # Between two rounds.
        job.backing_off.discard(record.id)
        rescue(job, record, failure)
