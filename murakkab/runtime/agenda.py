"""state: how a job gets ahead - steps whose gate has opened begin, lists become tasks, bodies open, results open further gates.

The agenda (`ready`) is drained by `advance`, never by recursion: a chain of a million skipped steps needs no stack.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from murakkab.errors import ExecutorError, Failure
from murakkab.plan import Body, Node
from murakkab.runtime.closing import close
from murakkab.runtime.expansion import elements_arrived, elements_of, nested, task_id
from murakkab.runtime.frames import begin_round, look_inside, stand_in
from murakkab.runtime.gates import begin_gate
from murakkab.runtime.messages import StartTask
from murakkab.runtime.records import Key, MapRecord, Rounds, Status, StepRecord, TaskRecord
from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed, value_of
from murakkab.runtime.resuming import go_on_inside
from murakkab.runtime.settling import fail_frame, fail_step, is_one_of_several, judge_map, rescue, settle_step, settle_task

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState


def advance(job: "JobState") -> None:
    """Drain the agenda, then close the job if nothing is left that could happen."""
    ready = job.ready
    while True:
        while ready:
            entry = ready.popleft()
            step = entry.step
            if entry is not step or (step.map is None and not step.must_skip and not step.missing):
                run(job, entry)
            else:
                _look(job, step)
        if job.root.running or job.finished or not close(job):
            return


def _look(job: "JobState", step: StepRecord) -> None:
    """Do what *step* is ripe for: its gate may have opened, results may have arrived, its map may be done."""
    if step.missing or step.status is not Status.WAITING or step.frame.closed:
        return
    grown = step.map
    if step.must_skip and (grown is None or not grown.unsettled):
        _skip_step(job, step)
    elif grown is None:
        run(job, step)
    elif not step.frame.ending:
        if grown.parked:
            job.ready.extend(grown.parked)
            grown.parked.clear()
        if not _grow(job, step, grown):
            return
        if step.node.need is not None:
            if judge_map(job, step, grown, step.node.need):
                _close(job, step, grown)
        elif not (grown.open or grown.unsettled or grown.arrivals or step.frame.ending):
            _close(job, step, grown)


def _close(job: "JobState", step: StepRecord, grown: MapRecord) -> None:
    if step.must_skip:
        _skip_step(job, step)
    else:
        if job.log is not None:
            job.log.append((job.now, step.id, Status.SUCCEEDED, ""))
        done = ((record.key, record.value) for record in grown.tasks if record.status is Status.SUCCEEDED)
        settle_step(job, step, Status.SUCCEEDED, nested(done, grown.branches, len(step.node.loops)))


def _skip_step(job: "JobState", step: StepRecord) -> None:
    if job.log is not None:
        job.log.append((job.now, step.id, Status.SKIPPED, _why_skipped(step)))
    settle_step(job, step, Status.SKIPPED, SKIPPED)


def _why_skipped(step: StepRecord) -> str:
    node = step.node
    needs = (*node.needs, *([node.stream.source] if node.stream else ()))
    steps = step.frame.steps
    skipped = (name for name in needs if name not in node.tolerant and steps[name].status is not Status.SUCCEEDED)
    return f"{next(skipped, 'what it goes over')} was skipped"


def _grow(job: "JobState", step: StepRecord, grown: MapRecord) -> bool:
    """Make the tasks of the elements that are known by now; False when that fails. It stays to be done, so that a resume meets it again."""
    stream = step.node.stream
    known = step.frame.known
    try:
        if stream is None and grown.open:
            _add_tasks(job, step, list(elements_of(step.node.loops, known)))
            grown.open = False
        while stream is not None and grown.arrivals:
            _add_tasks(job, step, list(elements_arrived(step.node.loops, stream.rest, grown.arrivals[0], known)))
            grown.arrivals.popleft()
    except InputSkipped:
        step.must_skip, grown.open = True, False
        grown.arrivals.clear()
    except ReferenceFailed as exc:
        failure = Failure(step.id, "bad-reference", f"for_each: {exc}")
        if is_one_of_several(step.frame):
            step.frame.tolerated.append(failure)
            fail_step(job, step, failure)
        else:
            job.note(step, Status.FAILED, str(failure))
            fail_frame(job, step.frame, failure, f"{step.id} cannot be expanded")
        return False
    return True


def _add_tasks(job: "JobState", step: StepRecord, elements: Sequence[tuple[Key, Mapping[str, Any]]]) -> None:
    grown = step.map
    if grown is None:
        return
    limit = step.node.max_parallel
    name, levels = step.id, len(step.node.loops)
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
    """Begin a task, unless it has begun already, its condition is false, an input was skipped, or nothing may start any more."""
    step = record.step
    node = step.node
    if record.status is not Status.WAITING:
        if node.body is not None and type(record.work) is Rounds:
            look_inside(job, record, record.work, node.body)
        return
    if step.frame.ending:
        job.held.append(record)
        return
    try:
        if node.condition is not None and record.work is None and not node.condition(ChainMap(record.scope, step.frame.known)):  # type: ignore[arg-type]
            settle_task(job, record, Status.SKIPPED, cause=f"when: {node.condition_source} is false")
        elif node.uses:
            _start(job, record, step)
        else:
            _begin(job, record, node)
    except InputSkipped as exc:
        settle_task(job, record, Status.SKIPPED, cause=f"{exc} was skipped")
    except ReferenceFailed as exc:
        rescue(job, record, Failure(record.id, "bad-reference", str(exc), record.attempt))
    except ExecutorError as exc:
        rescue(job, record, Failure(record.id, exc.reason, str(exc), record.attempt))


def _begin(job: "JobState", record: TaskRecord, node: Node) -> None:
    """Begin what no executor does."""
    if node.body is not None:
        _open(job, record, node.body)
    elif node.is_late:
        stand_in(job, record.step)
    else:
        begin_gate(job, record)


def _open(job: "JobState", record: TaskRecord, body: Body) -> None:
    if type(record.work) is Rounds and record.work.frame is not None:
        go_on_inside(job, record, record.work.frame)
    else:
        begin_round(job, record, body)


def _start(job: "JobState", record: TaskRecord, step: StepRecord) -> None:
    """Start one attempt, if there is money for it."""
    node, frame, scope = step.node, step.frame, record.scope
    known = frame.known
    inputs: dict[str, Any] = {}
    for name, expr in node.with_.items():
        inputs[name] = value_of(expr, scope, known)
    knobs = {name: value_of(expr, scope, known) for name, expr in node.knobs.items()} if node.knobs else None
    if job.purse is not None and not job.purse.afford(record):
        return
    frame.running += 1
    if frame.parent is not None:
        job.count_outside(frame)
    record.status = Status.RUNNING
    if job.log is not None:
        job.log.append((job.now, record.id, Status.RUNNING, ""))
    job.commands.append(StartTask(record.id, node, inputs, record.attempt, record.executor, knobs))
