"""driver: every job of a process - one event loop, shared slots, one journal. Makes running jobs, resumes them, stops them."""

import inspect
import secrets
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from murakkab.document import to_document
from murakkab.errors import ConflictError, Diagnostic, InputError, InvalidTransition, NotFoundError, PlanError
from murakkab.plan import Deployment, Node, TaskGraph
from murakkab.ports import Executor, JobHeader, Journal, Meter, Observer
from murakkab.runtime.attempt import Outside, Way, way_of
from murakkab.runtime.gate import Gate
from murakkab.runtime.job import RunningJob
from murakkab.runtime.messages import DoubtResolved, Event, JobResumed, JobSubmitted
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.state import JobState
from murakkab.types import mismatch


@dataclass(frozen=True, eq=False)
class Work:
    """A compiled workflow, ready to be run any number of times: graph, choices, and the functions of its `call` steps by name."""

    graph: TaskGraph
    deployment: Deployment
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    #: What was noticed when it was checked, and stops nobody.
    warnings: tuple[Diagnostic, ...] = ()

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The workflow as JSON data; the same object each time, so that a journal writes it once."""
        return to_document(self.graph.workflow)

    @cached_property
    def chosen(self) -> Mapping[str, str]:
        """The executor of each step, by name."""
        return {name: choice.executor.name for name, choice in self.deployment.choices.items()}


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
    ) -> None:
        self._executors = executors
        self._outside = outside
        self._slots = slots
        self._gate = Gate(slots, outside.clock)
        self._journal = journal
        self._meter = meter
        self._jobs: dict[str, RunningJob] = {}
        self._prepared: WeakKeyDictionary[Work, dict[str, Way]] = WeakKeyDictionary()
        self._stopping = False

    async def run(self, work: Work, inputs: Mapping[str, Any], *, job: str = "", observers: Sequence[Observer] = ()) -> JobResult:
        """Return how a new job ended; *inputs* have been checked against the workflow.

        Raises `ConflictError` when the id *job* is taken, and `BackendError` when the journal breaks: the job can be resumed then.
        """
        if job in self._jobs:
            raise ConflictError(f"job {job!r} is running", hint="give the new job another id")
        given, job = job, job or secrets.token_hex(6)
        running = self._running(job, work, JobState(work.graph), observers)
        now = self._outside.clock()
        if self._journal is not None:
            self._journal.create(JobHeader(job, work.document, work.chosen, inputs, now), is_fresh=not given)
        return await self._carry_out(running, work, [JobSubmitted(now, inputs)])

    async def resume(self, job: str, work: Work, *, verdicts: Sequence[Verdict] = (), observers: Sequence[Observer] = ()) -> JobResult:
        """Return how a job ended that was interrupted, failed, cancelled or held. What it completed is not run again.

        Raises `NotFoundError`; `ConflictError` when it has succeeded, its owner lives, its journal does not fit *work*, or a verdict is on
        a task not in doubt; `InputError` for a verdict that is neither `done` nor `retry`, or whose value does not fit the step.
        """
        if self._journal is None:
            raise NotFoundError(f"job {job!r} cannot be resumed: there is no journal")
        self._journal.claim(job)
        try:
            header, past = self._journal.read(job)
            state = _replayed(job, work.graph, past)
            running = self._running(job, work, state, observers)
            events: list[Event] = [JobSubmitted(self._outside.clock(), header.inputs)]
            if past:
                _check_verdicts(verdicts, state)
                now = self._outside.clock()
                events = [*(DoubtResolved(now, v.task, v.verdict, v.value) for v in verdicts), JobResumed(now)]
        except BaseException:
            self._journal.finish(job, "", self._outside.clock())
            raise
        return await self._carry_out(running, work, events)

    def cancel(self, job: str, reason: str = "") -> None:
        """Cancel a running job for good; its `run` returns once every task has settled. Raises `NotFoundError`."""
        if job not in self._jobs:
            raise NotFoundError(f"job {job!r} does not run here")
        self._jobs[job].cancel(reason)

    def stop(self) -> None:
        """Start no task any more. Running attempts finish; every job then ends as interrupted, to be resumed later."""
        self._stopping = True
        for running in list(self._jobs.values()):
            running.stop()

    def _running(self, job: str, work: Work, state: JobState, observers: Sequence[Observer]) -> RunningJob:
        running = RunningJob(job, state, self._ways(work), self._outside, gate=self._gate, journal=self._journal)
        running.observers.extend(observers)
        return running

    async def _carry_out(self, running: RunningJob, work: Work, events: Sequence[Event]) -> JobResult:
        job = running.job
        self._jobs[job] = running
        tracer = self._outside.tracer
        if tracer is not None:
            tracer.job_started(job, work.graph.workflow.name, events[0].time)
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
        return JobResult(
            job=job,
            status=status,
            outputs=finish.outputs if finish else {},
            failures=finish.failures if finish else (),
            graph=work.graph,
            deployment=work.deployment,
            history=running.state.heard,
            joules=None if before is None or after is None else after - before,
        )

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
            for name, node in work.graph.nodes.items():
                choice = work.deployment.choices[name]
                likeness = (
                    choice.executor.name,
                    node.call,
                    repr(choice.knobs),
                    node.result,
                    node.timeout,
                    node.cache,
                    node.on_error.fallback,
                    node.effect,
                )
                way = alike.get(likeness)
                if way is None:
                    way = self._way(node, work, choice.executor.name, choice.knobs)
                    if node.on_error.fallback:
                        way = replace(way, fallback=self._way(node, work, node.on_error.fallback, {}))
                    alike[likeness] = way
                ways[name] = way
            self._prepared[work] = ways
        return ways

    def _way(self, node: Node, work: Work, name: str, knobs: Mapping[str, Any]) -> Way:
        executor = self._executors.get(name)
        if executor is None:
            raise PlanError(f"step {node.name!r} needs executor {name!r}, which is not installed")
        card = executor.card
        wanted = {"cores": card.needs.cores, **card.needs.slots}
        limited = f"executor:{name}"
        if limited in self._slots.capacity:
            wanted[limited] = 1.0
        target = work.functions.get(node.call) if node.call else None
        if target is not None and not inspect.iscoroutinefunction(target) and "threads" in self._slots.capacity:
            # A plain function waits here for its thread, not behind the start of its attempt: the wait is no part of its timeout.
            wanted["threads"] = 1.0
        if lacking := self._outside.lacking(card):
            raise PlanError(f"step {node.name!r} needs {lacking} for {name!r}", hint=f"pip install 'murakkab[{card.extra}]'")
        try:
            needs = self._slots.fitting(wanted)
        except KeyError as exc:
            hint = "declare how much of it there is"
            raise PlanError(f"executor {name!r} needs {exc.args[0]!r}, of which this process has none", hint=hint) from None
        return way_of(node, executor, knobs=knobs, target=target, needs=needs, outside=self._outside)


def _check_verdicts(verdicts: Sequence[Verdict], state: JobState) -> None:
    doubts = list(state.in_doubt())
    for verdict in verdicts:
        if verdict.task not in doubts:
            raise ConflictError(f"task {verdict.task!r} is not in doubt", hint=f"in doubt: {', '.join(doubts) or 'none'}")
        doubts.remove(verdict.task)
        if verdict.verdict not in ("done", "retry"):
            raise InputError(f"{verdict.verdict!r} is no verdict on {verdict.task!r}", hint="say done or retry")
        wanted = state.tasks[verdict.task].step.node.result
        if verdict.verdict == "done" and (reason := mismatch(wanted, verdict.value)):
            raise InputError(f"the value of {verdict.task!r} does not fit: {reason}", hint="give what the task would have returned")


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
