"""state: how a job gets ahead - steps whose gate has opened begin, lists become tasks, results open further gates.

The agenda (`ready`) is drained by `advance`, never by recursion: a chain of a million skipped steps needs no stack.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from murakkab.errors import ExecutorError, Failure
from murakkab.runtime.ending import end, finish
from murakkab.runtime.expansion import elements_arrived, elements_of, nested, task_id
from murakkab.runtime.messages import StartTask
from murakkab.runtime.records import Key, MapRecord, Status, StepRecord, TaskRecord
from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed, value_of
from murakkab.spec import Rescue

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

_NO_SCOPE: Mapping[str, Any] = {}


def advance(job: "JobState") -> None:
    """Drain the agenda, then finish the job if nothing is left that could happen."""
    ready = job.ready
    while ready:
        entry = ready.popleft()
        step = entry.step
        if entry is not step or (step.map is None and not step.must_skip and not step.missing):
            run(job, entry)
        else:
            _look(job, step)
    if not job.running and not job.finished and (not job.unsettled or job.ending or not job.backing_off):
        finish(job)


def _look(job: "JobState", step: StepRecord) -> None:
    """Do what *step* is ripe for: its gate may have opened, results may have arrived, its map may be done."""
    if step.missing or step.status is not Status.WAITING:
        return
    grown = step.map
    if step.must_skip and (grown is None or not grown.unsettled):
        _skip_step(job, step)
    elif grown is None:
        run(job, step)
    elif not job.ending:
        _grow(job, step, grown)
        if not (grown.open or grown.unsettled or grown.arrivals or job.ending):
            _close(job, step, grown)


def _close(job: "JobState", step: StepRecord, grown: MapRecord) -> None:
    if step.must_skip:
        _skip_step(job, step)
    else:
        if job.log is not None:
            job.log.append((job.now, step.id, Status.SUCCEEDED, ""))
        done = ((record.key, record.value) for record in grown.tasks if record.status is Status.SUCCEEDED)
        _settle_step(job, step, Status.SUCCEEDED, nested(done, grown.branches, len(step.node.loops)))


def _skip_step(job: "JobState", step: StepRecord) -> None:
    if job.log is not None:
        job.log.append((job.now, step.id, Status.SKIPPED, _why_skipped(job, step)))
    _settle_step(job, step, Status.SKIPPED, SKIPPED)


def _why_skipped(job: "JobState", step: StepRecord) -> str:
    node = step.node
    needs = (*node.needs, *([node.stream.source] if node.stream else ()))
    skipped = (name for name in needs if name not in node.tolerant and job.steps[name].status is Status.SKIPPED)
    return f"{next(skipped, 'what it goes over')} was skipped"


def _grow(job: "JobState", step: StepRecord, grown: MapRecord) -> None:
    """Make the tasks of the elements that are known by now. What cannot be expanded stays, so that a resume meets it again."""
    stream = step.node.stream
    try:
        if stream is None and grown.open:
            _add_tasks(job, step, list(elements_of(step.node.loops, job.known)))
            grown.open = False
        while stream is not None and grown.arrivals:
            _add_tasks(job, step, list(elements_arrived(step.node.loops, stream.rest, grown.arrivals[0], job.known)))
            grown.arrivals.popleft()
    except InputSkipped:
        step.must_skip, grown.open = True, False
        grown.arrivals.clear()
    except ReferenceFailed as exc:
        job.failures.append(Failure(step.node.name, "bad-reference", f"for_each: {exc}"))
        job.note(step, Status.FAILED, f"bad-reference: for_each: {exc}")
        end(job, "failed", f"{step.node.name} cannot be expanded")


def _add_tasks(job: "JobState", step: StepRecord, elements: Sequence[tuple[Key, Mapping[str, Any]]]) -> None:
    grown = step.map
    if grown is None:
        return
    limit = step.node.max_parallel
    name, levels = step.node.name, len(step.node.loops)
    for key, scope in elements:
        if len(key) < levels:
            grown.branches.append(key)
            continue
        record = TaskRecord(task_id(name, key), step, key, scope)
        job.tasks[record.id] = record
        grown.tasks.append(record)
        grown.unsettled += 1
        if limit is not None and grown.running >= limit:
            grown.backlog.append(record)
        else:
            grown.running += 1
            job.ready.append(record)


def run(job: "JobState", record: TaskRecord) -> None:
    """Start one attempt, unless it has begun already, its condition is false, an input was skipped, or the job is ending."""
    if record.status is not Status.WAITING:
        return
    if job.ending:
        job.held.append(record)
        return
    node = record.step.node
    known, scope = job.known, record.scope
    try:
        if node.condition is not None and not node.condition(ChainMap(scope, known)):  # type: ignore[arg-type]
            settle_task(job, record, Status.SKIPPED, cause=f"when: {node.condition_source} is false")
            return
        inputs: dict[str, Any] = {}
        for name, expr in node.with_.items():
            inputs[name] = value_of(expr, scope, known)
        knobs = {name: value_of(expr, scope, known) for name, expr in node.knobs.items()} if node.knobs else None
    except InputSkipped as exc:
        settle_task(job, record, Status.SKIPPED, cause=f"{exc} was skipped")
    except ReferenceFailed as exc:
        rescue(job, record, Failure(record.id, "bad-reference", str(exc), record.attempt))
    except ExecutorError as exc:
        rescue(job, record, Failure(record.id, exc.reason, str(exc), record.attempt))
    else:
        job.running += 1
        record.status = Status.RUNNING
        if job.log is not None:
            job.log.append((job.now, record.id, Status.RUNNING, ""))
        job.commands.append(StartTask(record.id, node, inputs, record.attempt, record.executor, knobs))


def settle_task(job: "JobState", record: TaskRecord, status: Status, value: Any = None, *, cause: str = "") -> None:
    """Put a task into a status that it will not leave, and let whatever waited for that come next."""
    record.status = status
    if job.log is not None:
        job.log.append((job.now, record.id, status, cause))
    step = record.step
    grown = step.map
    if grown is None:
        _settle_step(job, step, status, value if status is Status.SUCCEEDED else SKIPPED)
        return
    grown.unsettled -= 1
    grown.running -= 1
    if status is Status.SUCCEEDED:
        record.value = value
        for name in step.node.feeds:
            _arrive(job, job.steps[name], (record.key[0], value))
    if grown.backlog:
        grown.running += 1
        job.ready.append(grown.backlog.popleft())
    if not grown.unsettled and not grown.open:
        job.ready.append(step)


def _arrive(job: "JobState", step: StepRecord, arrival: tuple[tuple[int, ...], Any]) -> None:
    if step.map is not None:
        step.map.arrivals.append(arrival)
        if not step.missing:
            job.ready.append(step)


def _settle_step(job: "JobState", step: StepRecord, status: Status, value: Any) -> None:
    """Give the step its value and tell everyone who waits for it."""
    step.status = status
    node = step.node
    job.known[node.name] = value
    job.unsettled -= 1
    skipped = status is Status.SKIPPED
    steps = job.steps
    for name in node.consumers:
        consumer = steps[name]
        consumer.missing -= 1
        if skipped and node.name not in consumer.node.tolerant:
            consumer.must_skip = True
        if not consumer.missing:
            job.ready.append(consumer)
    for name in node.feeds:
        _end_stream(job, steps[name], skipped=skipped)


def _end_stream(job: "JobState", step: StepRecord, *, skipped: bool) -> None:
    if step.map is not None:
        step.map.open = False
        step.must_skip = step.must_skip or skipped
        job.ready.append(step)


def rescue(job: "JobState", record: TaskRecord, failure: Failure) -> None:
    """Do what the step's `on_error` says, now that no attempt is left."""
    on_error = record.step.node.on_error
    cause = f"attempt {failure.attempt}: {failure.reason}: {failure.message}"
    if on_error.action is Rescue.FALLBACK and not record.executor:
        record.executor = on_error.fallback
        record.attempt += 1
        job.note(record, Status.WAITING, f"{cause}; falling back to {on_error.fallback}")
        job.ready.append(record)
    elif on_error.action is Rescue.SKIP:
        settle_task(job, record, Status.SKIPPED, cause=cause)
    elif on_error.action is Rescue.DEFAULT:
        try:
            value = value_of(on_error.default, record.scope, job.known)
        except (InputSkipped, ReferenceFailed) as exc:
            _fail(job, record, Failure(record.id, "bad-reference", f"on_error.default: {exc}", failure.attempt))
        else:
            settle_task(job, record, Status.SUCCEEDED, value, cause=f"{cause}; took its default")
    else:
        _fail(job, record, failure)


def _fail(job: "JobState", record: TaskRecord, failure: Failure) -> None:
    job.note(record, Status.FAILED, f"attempt {failure.attempt}: {failure.reason}: {failure.message}")
    job.failures.append(failure)
    end(job, "failed", f"{record.id} failed")
