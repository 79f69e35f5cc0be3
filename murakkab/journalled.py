"""driver: jobs in a journal - as they stand or stood, compiled again, forked, told what somebody wants."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from murakkab import app
from murakkab.document import from_document
from murakkab.errors import ConflictError, InputError, InvalidTransition, NotFoundError, SpecError
from murakkab.forecasts import with_forecast
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.planner.compile import compile_workflow
from murakkab.planner.graph_knobs import graph_knobs
from murakkab.ports import JobHeader, Journal, Records
from murakkab.runtime.choices import Earlier, earlier_choices, read_back
from murakkab.runtime.driver import Work, replay
from murakkab.runtime.fork import branched
from murakkab.runtime.messages import Answered, ChoicesChanged, Event, FinishJob
from murakkab.runtime.requests import completed_answer, refusal
from murakkab.runtime.result import JobResult
from murakkab.runtime.state import JobState
from murakkab.spec import Workflow

if TYPE_CHECKING:
    from murakkab.plan import Choice

#: Seconds between looks whether a letter was taken.
_LOOK_EVERY: Final = 0.02


def work_of(journal: Records, job: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> Work:
    """Return the workflow of a journalled job, compiled again with the choices it was started with."""
    header, past = journal.read(job)
    return _as_chosen(app.prepare(_declared(header), functions), header, past)


def as_begun(journal: Records, job: str, work: Work) -> Work:
    """Return *work* with the choices that a journalled job of it was started with. Raises `NotFoundError`."""
    header, past = journal.read(job)
    begun = app.with_graph(work, {knob.name: knob.choices[0] for knob in graph_knobs(_declared(header))})
    return _as_chosen(begun, header, past)


def _declared(header: JobHeader) -> Workflow:
    read = from_document(header.workflow)
    wrong = [one for one in read.diagnostics if not one.is_warning]
    if read.workflow is None or wrong:
        raise SpecError(wrong)
    return read.workflow


def _as_chosen(work: Work, header: JobHeader, past: Sequence[Event]) -> Work:
    """Return *work* with the choices that the job began with, and those that were made again since."""
    cards = {name: executor.card for name, executor in app.executors().items()}
    asked = {node.path: node.knobs for node in work.graph.every_node()}
    again = {path: (said, one.why) for one in past if isinstance(one, ChoicesChanged) for path, said in one.choices.items()}
    choices = dict(work.deployment.choices)
    begun: dict[str, Choice | None] = {}
    for path, choice in work.deployment.choices.items():
        first = read_back(header.choices.get(path, choice.executor.name), choice, cards, asked[path], "chosen when the job began")
        choices[path] = first or choice
        if path in again:
            said, why = again[path]
            begun[path] = first
            choices[path] = read_back(said, choice, cards, asked[path], why) or choices[path]
    return Work(work.graph, with_forecast(replace(work.deployment, choices=choices), header.forecast), work.functions, begun=begun)


def state_of(journal: Records, job: str, *, at: float | None = None) -> tuple[Work, JobState, JobResult]:
    """Return a journalled job as it stands: its workflow, its state, and its result so far.

    *at*: as it stood then, after so many events (an `int`), or so many seconds after it began (a `float`). Nothing is run, so functions
    that cannot be found here (those of a script, say) do no harm.
    """
    header, past = journal.read(job)
    if at is not None:
        past = _until(past, at)
    work = _work_seen(header, past)
    state = _replayed(job, work, past)
    end = next((command for command in state.commands if isinstance(command, FinishJob)), FinishJob("", {}, tuple(state.failures)))
    status, earlier = _status_of(journal, job, state, at), _earlier(work, past)
    result = JobResult(job, status, end.outputs, end.failures, work.graph, work.deployment, past, earlier=earlier)
    return work, state, result


def _earlier(work: Work, past: Sequence[Event]) -> Mapping[str, Sequence[Earlier]]:
    if not work.begun:
        return {}
    cards = {name: executor.card for name, executor in app.executors().items()}
    asked = {node.path: node.knobs for node in work.graph.every_node()}
    return earlier_choices(past, work.deployment.choices, work.begun, cards, asked)


def _work_seen(header: JobHeader, past: Sequence[Event]) -> Work:
    """Return the workflow of a job as far as looking at it goes: its functions may be gone."""
    workflow = _declared(header)
    functions, described, _ = app.functions_of(workflow)
    graph = compile_workflow(workflow, app.catalog(), described)
    return _as_chosen(Work(graph, choose(graph, app.catalog(), situation=Situation(is_hurried=True)), functions), header, past)


def _replayed(job: str, work: Work, past: Sequence[Event]) -> JobState:
    try:
        return replay(work.graph, past)
    except InvalidTransition as exc:
        hint = "look at it with the version and the executors that it ran with"
        raise ConflictError(f"the journal of job {job!r} does not fit the workflow as it compiles now: {exc.message}", hint=hint) from exc


def _until(past: Sequence[Event], at: float) -> Sequence[Event]:
    """Return the events up to *at*. Raises `InputError` where there is no such moment."""
    if not past or at < 0 or (isinstance(at, int) and at > len(past)):
        raise InputError(f"the job has no moment {at:g}", hint=f"it has {len(past)} events, numbered from 1")
    if isinstance(at, int):
        return past[:at]
    limit = past[0].time + at
    return past[: next((number for number, event in enumerate(past) if event.time > limit), len(past))]


def _status_of(journal: Records, job: str, state: JobState, at: float | None) -> str:
    if at is not None:
        return state.finished or "running"
    return next((one.status for one in journal.jobs() if one.job == job), "interrupted")


class Forked(NamedTuple):
    """A new job that goes on from an old one: its id, the tasks whose results it has, and the irreversible ones it will do once more."""

    job: str
    kept: Sequence[str]
    repeated: Sequence[str]


def fork(journal: Journal, job: str, step: str, *, new_id: str = "") -> Forked:
    """Make a new job, ready to be resumed, that has what *job* completed, but for *step* and whatever depends on it.

    *job* is only read: it may have ended, or run. Raises `NotFoundError`, `InputError` for a step inside of another, and `ConflictError`
    when *new_id* is taken.
    """
    header, past = journal.read(job)
    work = _work_seen(header, past)
    now = time.time()
    _replayed(job, work, past)
    branch = branched(work.graph, past, step, job=job, now=now)
    new = new_id or secrets.token_hex(6)
    journal.create(header._replace(job=new, created=now), is_fresh=not new_id)
    try:
        for event in branch.events:
            journal.append(new, event)
    finally:
        journal.finish(new, "interrupted", now)
    if all(one.job != job for one in journal.jobs()):
        # What it refers to may have been thrown away with the old one, before anybody could know of the new.
        journal.delete(new)
        raise NotFoundError(f"job {job!r} was deleted just now")
    return Forked(new, branch.kept, branch.repeated)


def tell(journal: Journal, job: str, event: Event, *, patience: float = 2.0) -> bool:
    """Tell a job what somebody outside wants; True when a process that runs it hears of it.

    False when nobody runs it: whoever resumes it has to tell it then. Raises what `requests.refusal` says about a request that does not
    fit, and `NotFoundError`. Waits up to *patience* seconds for the owner to take it, and leaves it in the mail after that.
    """
    header, past = journal.read(job)
    state = _replayed(job, _work_seen(header, past), past)
    if (refused := refusal(state, event)) is not None:
        raise refused
    letter = journal.post(job, completed_answer(state, event) if isinstance(event, Answered) else event)
    until = time.monotonic() + patience
    while letter:
        heard = journal.is_heard(letter)
        if heard is not None or time.monotonic() > until:
            return heard is not False
        time.sleep(_LOOK_EVERY)
    return False
