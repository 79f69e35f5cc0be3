"""driver: every job of a process - one event loop, shared slots, one journal. Makes running jobs, resumes them, stops them."""

import asyncio
import inspect
import logging
import secrets
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from murakkab.catalog import ExecutorCard
from murakkab.document import to_document
from murakkab.errors import BackendError, ConflictError, Diagnostic, InputError, InvalidTransition, NotFoundError, PlanError
from murakkab.forecasts import forecast_json
from murakkab.plan import Choice, Deployment, Node, TaskGraph
from murakkab.ports import Executor, JobHeader, Journal, Letter, Meter, Observer
from murakkab.runtime.attempt import Outside, Way, way_of
from murakkab.runtime.choices import Earlier, amounts_of, earlier_choices, read_back
from murakkab.runtime.gate import Gate
from murakkab.runtime.job import RunningJob
from murakkab.runtime.messages import Answered, CancelRequested, DoubtResolved, Event, JobResumed, JobSubmitted
from murakkab.runtime.metering import energy_book
from murakkab.runtime.requests import completed_answer, refusal
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.state import JobState
from murakkab.runtime.vault import missing_secrets, short_secrets
from murakkab.spec import Workflow

if TYPE_CHECKING:
    from murakkab.rechoosing.again import Again

_log = logging.getLogger("murakkab.runtime")
#: Seconds between looks for letters.
_MAIL_EVERY: Final = 0.2


@dataclass(frozen=True, eq=False)
class Work:
    """A compiled workflow, ready to be run any number of times: graph, choices, and the functions of its `call` steps by name."""

    graph: TaskGraph
    deployment: Deployment
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    #: What was noticed when it was checked, and stops nobody.
    warnings: tuple[Diagnostic, ...] = ()
    #: Makes what decides between the steps of a job whether the rest is done otherwise; None: all stays as it was chosen.
    again: "Callable[[], Again] | None" = None
    #: Of a job that was begun earlier: how steps were to be done at first that were chosen again since; None where that is gone.
    begun: Mapping[str, Choice | None] = field(default_factory=dict)

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The workflow as JSON data; the same object each time, so that a journal writes it once."""
        return to_document(self.graph.workflow)

    @cached_property
    def chosen(self) -> Mapping[str, Any]:
        """The executor of each step by name, as a journal writes it; with its knobs where it has more than those of the step."""
        asked = _asked_of(self)
        return {name: _written(choice, asked[name]) for name, choice in self.deployment.choices.items()}

    @cached_property
    def forecast(self) -> Mapping[str, Any]:
        """What a job is expected to take, as a journal writes it."""
        return forecast_json(self.deployment)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says about an irreversible task in doubt: `done`, with its value, or `retry`."""

    task: str
    verdict: str
    value: Any = None


class Runtime:
    """Runs jobs on the current event loop until it is stopped. Safe to use from that loop alone."""

    def __init__(
        self,
        executors: Mapping[str, Executor],
        outside: Outside,
        *,
        slots: SlotTable,
        journal: Journal | None = None,
        meter: Meter | None = None,
        ended: Callable[[JobResult], None] | None = None,
    ) -> None:
        self._executors = executors
        self._outside = outside
        self._slots = slots
        self._gate = Gate(slots, outside.clock)
        self._journal = journal
        self._meter = meter
        #: Hears of every job once it has ended, before whoever ran it; must not block.
        self._ended = ended
        self._jobs: dict[str, RunningJob] = {}
        self._prepared: WeakKeyDictionary[Work, dict[str, Way]] = WeakKeyDictionary()
        self._stopping = False
        self._mail_timer: asyncio.TimerHandle | None = None

    async def run(
        self,
        work: Work,
        inputs: Mapping[str, Any],
        *,
        job: str = "",
        budget: Mapping[str, float] | None = None,
        observers: Sequence[Observer] = (),
    ) -> JobResult:
        """Return how a new job ended; *inputs* have been checked against the workflow. *budget* overrides that of the workflow.

        Raises `ConflictError` when the id *job* is taken, `InputError` when a secret is not there, and `BackendError` when the journal
        breaks: the job can be resumed then.
        """
        if job in self._jobs:
            raise ConflictError(f"job {job!r} is running", hint="give the new job another id")
        refuse_missing_secrets(work.graph.workflow)
        given, job = job, job or secrets.token_hex(6)
        warn_of_short_secrets(job, work.graph.workflow)
        running = self._running(job, work, JobState(work.graph), observers, budget)
        now = self._outside.clock()
        if self._journal is not None:
            self._journal.create(JobHeader(job, work.document, work.chosen, inputs, now, work.forecast), is_fresh=not given)
        return await self._carry_out(running, work, [_submission(now, inputs, work, budget)])

    async def resume(
        self,
        job: str,
        work: Work,
        *,
        verdicts: Sequence[Verdict] = (),
        events: Sequence[Event] = (),
        budget: Mapping[str, float] | None = None,
        observers: Sequence[Observer] = (),
    ) -> JobResult:
        """Return how a job ended that was interrupted, failed, cancelled, held, waiting or paused. What it completed is not run again.

        *events*: what somebody outside asks of it: answers, events, skips; with a `CancelRequested`, its last steps run and nothing else.
        *budget*: new limits. Raises `NotFoundError`; `ConflictError` when it has succeeded, its owner lives, its journal does not fit
        *work*, or a request does not fit it; `InputError` for a request that cannot be understood, and when a secret is not there.
        """
        if self._journal is None:
            raise NotFoundError(f"job {job!r} cannot be resumed: there is no journal")
        self._journal.claim(job)
        try:
            refuse_missing_secrets(work.graph.workflow)
            warn_of_short_secrets(job, work.graph.workflow)
            header, past = self._journal.read(job)
            state = _replayed(job, work.graph, past)
            running = self._running(job, work, state, observers, budget)
            now = self._outside.clock()
            todo: list[Event | Letter] = [_submission(now, header.inputs, work, budget)]
            if past:
                cancel = next((event for event in events if isinstance(event, CancelRequested)), None)
                resumed = JobResumed(now, budget) if cancel is None else JobResumed(now, budget, "cancelled", cancel.reason)
                scratch = _replayed(job, work.graph, past)
                said = _accepted([DoubtResolved(now, v.task, v.verdict, v.value) for v in verdicts], scratch)
                scratch.handle(resumed)
                asked = _accepted([e._replace(time=now) for e in events if e is not cancel], scratch)
                todo = [*said, resumed, *asked, *self._letters(job, scratch)]
        except BaseException:
            self._journal.finish(job, "", self._outside.clock())
            raise
        return await self._carry_out(running, work, todo)

    def cancel(self, job: str, reason: str = "") -> None:
        """Cancel a running job for good; its `run` returns once every task has settled. Raises `NotFoundError`."""
        self._found(job).ask(CancelRequested(self._outside.clock(), reason))

    def tell(self, job: str, event: Event) -> None:
        """Tell a job that runs here what somebody outside asks of it: an answer, an event, a skip, a verdict, a cancellation.

        Raises `NotFoundError`, and `ConflictError` or `InputError` where the request does not fit the job.
        """
        running = self._found(job)
        (said,) = _accepted([event._replace(time=self._outside.clock())], running.state, is_told=False)
        running.ask(said)

    def _found(self, job: str) -> RunningJob:
        if job not in self._jobs:
            raise NotFoundError(f"job {job!r} does not run here")
        return self._jobs[job]

    def stop(self) -> None:
        """Start no task any more. Running attempts finish; every job then ends as interrupted, to be resumed later."""
        self._stopping = True
        for running in list(self._jobs.values()):
            running.stop()

    def _running(
        self, job: str, work: Work, state: JobState, observers: Sequence[Observer], budget: Mapping[str, float] | None
    ) -> RunningJob:
        running = RunningJob(job, state, self._ways(work), self._outside, gate=self._gate, journal=self._journal)
        running.observers.extend(observers)
        running.way_of = partial(self._way_of, work)
        running.use(self._chosen_since(work, state))
        if work.again is not None:
            running.choose_again_by(work.again())
            running.recall(state.heard)
        if "energy" in _limits(work, state, budget):
            running.energy = energy_book(self._meter, job)
        return running

    def _chosen_since(self, work: Work, state: JobState) -> dict[str, Choice]:
        """Return the choices that were made again before the job was resumed, as far as they can still be had."""
        if not state.choices:
            return {}
        asked, cards, last = _asked_of(work), self._cards(), work.deployment.choices
        known = {path: said for path, (_, said) in state.choices.items() if path in last and path in asked}
        found = {path: read_back(said, last[path], cards, asked[path], last[path].why) for path, said in known.items()}
        return {path: choice for path, choice in found.items() if choice is not None}

    def _cards(self) -> dict[str, ExecutorCard]:
        return {name: executor.card for name, executor in self._executors.items()}

    def _earlier(self, work: Work, running: RunningJob) -> Mapping[str, Sequence[Earlier]]:
        """Return how steps were done before they were chosen again, where any was."""
        if not running.state.choices:
            return {}
        last = work.deployment.choices
        # What was changed before the job was taken up may be in its deployment already.
        first = {**last, **work.begun}
        return earlier_choices(running.state.heard, last, first, self._cards(), _asked_of(work))

    def drifted(self, executor: str, ratio: float) -> None:
        """Let running jobs know that what *executor* does takes *ratio* times what its profile said when they began."""
        for running in self._jobs.values():
            if running.again is not None:
                running.again.drifted(executor, ratio)

    def _letters(self, job: str, state: JobState) -> list[Letter]:
        """Return what came by mail for a job that was just claimed, as far as it fits its *state*; letters for others are delivered."""
        mine: list[Letter] = []
        for letter in self._journal.mail() if self._journal is not None else ():
            if letter.job != job:
                self._deliver(letter)
            elif refusal(state, letter.event) is None:
                event = completed(state, letter.event._replace(time=self._outside.clock()))
                state.handle(event)
                mine.append(letter._replace(event=event))
            elif self._journal is not None:
                self._journal.drop(letter.number)
        return mine

    def _watch_mail(self) -> None:
        """Look for letters as long as any job runs."""
        if self._journal is not None and self._mail_timer is None:
            self._mail_timer = asyncio.get_running_loop().call_later(_MAIL_EVERY, self._fetch_mail)

    def _fetch_mail(self) -> None:
        self._mail_timer = None
        if self._journal is None or not self._jobs:
            return
        try:
            for letter in self._journal.mail():
                self._deliver(letter)
        except BackendError as exc:
            # What cannot be read now is read later; what cannot be written stops the jobs by itself.
            _log.warning("the mail cannot be read: %s", exc)
        self._watch_mail()

    def _deliver(self, letter: Letter) -> None:
        running = self._jobs.get(letter.job)
        if self._journal is None or running is None:
            return
        event = letter.event._replace(time=self._outside.clock())
        if refusal(running.state, event) is not None:
            self._journal.drop(letter.number)
        else:
            running.deliver(completed(running.state, event), letter=letter.number)

    async def _carry_out(self, running: RunningJob, work: Work, events: Sequence[Event | Letter]) -> JobResult:
        job = running.job
        self._jobs[job] = running
        self._watch_mail()
        tracer = self._outside.tracer
        if tracer is not None:
            tracer.job_started(job, work.graph.workflow.name, self._outside.clock())
        before = None if self._meter is None else self._meter.read()
        try:
            if not self._stopping:
                await running.run(*events)
        except BaseException:
            with suppress(Exception):
                # What broke the job is told, not what that breaks in turn.
                self._leave(job, "interrupted")
            raise
        finish = running.finish
        status = finish.status if finish else "interrupted"
        self._leave(job, status)
        after = None if self._meter is None else self._meter.read()
        result = JobResult(
            job=job,
            status=status,
            outputs=finish.outputs if finish else {},
            failures=finish.failures if finish else (),
            graph=work.graph,
            deployment=_as_changed(work.deployment, running.choices),
            history=running.state.heard,
            earlier=self._earlier(work, running),
            joules=None if before is None or after is None else after - before,
        )
        if self._ended is not None:
            self._ended(result)
        return result

    def _leave(self, job: str, status: str) -> None:
        del self._jobs[job]
        if self._outside.tracer is not None:
            self._outside.tracer.job_finished(job, status)
        if self._journal is not None:
            self._journal.finish(job, status, self._outside.clock())

    def _ways(self, work: Work) -> dict[str, Way]:
        """Return how each step is run; prepared once per `Work`."""
        ways = self._prepared.get(work)
        if ways is None:
            ways = {}
            alike: dict[Hashable, Way] = {}
            for node in work.graph.every_node():
                if not node.is_plain:
                    continue
                choice = work.deployment.choices[node.path]
                likeness = (
                    choice.executor.name,
                    node.call,
                    repr(choice.knobs),
                    node.result,
                    node.timeout,
                    node.cache,
                    node.on_error.fallback,
                    node.effect,
                    node.has_secrets,
                    node.streams,
                )
                way = alike.get(likeness)
                if way is None:
                    way = self._whole_way(node, work, choice)
                    alike[likeness] = way
                ways[node.path] = way
            self._prepared[work] = ways
        return ways

    def _way_of(self, work: Work, path: str, choice: Choice) -> Way:
        """Return how a step is run that is done otherwise than it was first chosen. Raises `PlanError` where it cannot be."""
        node = next(node for node in work.graph.every_node() if node.path == path and node.is_plain)
        return self._whole_way(node, work, choice)

    def _whole_way(self, node: Node, work: Work, choice: Choice) -> Way:
        way = self._way(node, work, choice.executor.name, choice.knobs)
        return replace(way, fallback=self._way(node, work, node.on_error.fallback, {})) if node.on_error.fallback else way

    def _way(self, node: Node, work: Work, name: str, knobs: Mapping[str, Any]) -> Way:
        executor = self._executors.get(name)
        if executor is None:
            raise PlanError(f"step {node.path!r} needs executor {name!r}, which is not installed")
        card = executor.card
        wanted = {"cores": card.needs.cores, **card.needs.slots}
        limited = f"executor:{name}"
        if limited in self._slots.capacity:
            wanted[limited] = 1.0
        target = work.functions.get(node.call) if node.call else None
        on_loop = inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target)
        if target is not None and not on_loop and "threads" in self._slots.capacity:
            # A plain function waits here for its thread, not behind the start of its attempt: the wait is no part of its timeout.
            wanted["threads"] = 1.0
        lacking = self._outside.lacking(card)
        if lacking and not (lacking in card.settings and knobs.get("url")):
            hint = "set it in the environment" if lacking in card.settings else f"pip install 'murakkab[{card.extra}]'"
            raise PlanError(f"step {node.path!r} needs {lacking} for {name!r}", hint=hint)
        try:
            needs = self._slots.fitting(wanted)
        except KeyError as exc:
            hint = "declare how much of it there is"
            raise PlanError(f"executor {name!r} needs {exc.args[0]!r}, of which this process has none", hint=hint) from None
        return way_of(node, executor, knobs=knobs, target=target, needs=needs, outside=self._outside)


def _asked_of(work: Work) -> dict[str, Mapping[str, Any]]:
    """Return the knobs that every step itself asks for, by path."""
    return {node.path: node.knobs for node in work.graph.every_node()}


def _written(choice: Choice, asked: Mapping[str, Any]) -> Any:
    more = choice.more_than(asked)
    return {"executor": choice.executor.name, "knobs": more} if more else choice.executor.name


def _as_changed(deployment: Deployment, choices: Mapping[str, Choice]) -> Deployment:
    return replace(deployment, choices={**deployment.choices, **choices}) if choices else deployment


def _limits(work: Work, state: JobState, budget: Mapping[str, float] | None) -> Mapping[str, float]:
    """Return every limit on what a job may spend: what its workflow says, what it was given before, what it is given now."""
    earlier = state.purse.limits if state.purse is not None else {}
    return {**work.graph.workflow.budget, **earlier, **(budget or {})}


def _submission(now: float, inputs: Mapping[str, Any], work: Work, budget: Mapping[str, float] | None) -> JobSubmitted:
    if not budget and not work.graph.workflow.budget:
        return JobSubmitted(now, inputs)
    expected = {path: amounts_of(choice) for path, choice in work.deployment.choices.items()}
    return JobSubmitted(now, inputs, budget, {path: amounts for path, amounts in expected.items() if amounts})


def _accepted(events: Sequence[Event], state: JobState, *, is_told: bool = True) -> list[Event]:
    """Return requests with what they leave out filled in; *is_told*: each after those before it. Raises why one does not fit."""
    accepted: list[Event] = []
    for event in events:
        if (error := refusal(state, event)) is not None:
            raise error
        accepted.append(completed(state, event))
        if is_told:
            state.handle(accepted[-1])
    return accepted


def completed(state: JobState, event: Event) -> Event:
    """Return a request with the defaults of its form."""
    return completed_answer(state, event) if isinstance(event, Answered) else event


def refuse_missing_secrets(workflow: Workflow) -> None:
    """Raise `InputError` with every secret that is not there."""
    if missing := missing_secrets(workflow):
        raise InputError("; ".join(missing), hint="set it where the job runs, then run it again")


def warn_of_short_secrets(job: str, workflow: Workflow) -> None:
    """Say of every secret that it is too short to be masked."""
    for line in short_secrets(workflow):
        _log.warning("job %s: %s", job, line)


def _replayed(job: str, graph: TaskGraph, past: Sequence[Event]) -> JobState:
    try:
        return replay(graph, past)
    except InvalidTransition as exc:
        hint = "resume it with the version and the executors that it began with, or begin a new job"
        raise ConflictError(f"the journal of job {job!r} does not fit the workflow as it compiles now: {exc.message}", hint=hint) from exc


def replay(graph: TaskGraph, past: Sequence[Event]) -> JobState:
    """Return the state that the events lead to; the commands were carried out long ago."""
    state = JobState(graph)
    for event in past:
        state.handle(event)
    return state
