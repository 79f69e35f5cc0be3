"""Carries a random job to its end on the real driver, through all that may happen to it from outside."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from murakkab import app
from murakkab.document import from_document
from murakkab.errors import ConflictError, MurakkabError
from murakkab.optimizer.choose import choose
from murakkab.planner.check import check
from murakkab.planner.compile import compile_workflow
from murakkab.ports import Journal, ResultCache
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.attempt import Outside
from murakkab.runtime.driver import Runtime, Verdict, Work, replay
from murakkab.runtime.messages import Answered, AskPerson, CancelRequested, Event, SignalReceived, SkipRequested, TaskSucceeded
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.types import Type
from tests.public import random_steps
from tests.public.random_oracle import ANSWER, SIGNAL
from tests.public.random_steps import CATALOG, executors

JOB = "job"
#: Seconds after which a job that does not end is one that hangs.
PATIENCE = 15.0
#: How often somebody tries to end what hangs, before letting it go on.
_HELPS = 4
#: Runs in a row that get nothing done, after which a job is one that never ends.
_RUNS = 30


def work_of(document: Mapping[str, Any]) -> Work:
    """Return the compiled workflow; it is valid."""
    read = from_document(document)
    assert read.workflow is not None
    functions, described, found = app.functions_of(read.workflow)
    found += [*read.diagnostics, *check(read.workflow, CATALOG, described)]
    assert not [one for one in found if not one.is_warning], found
    graph = compile_workflow(read.workflow, CATALOG, described)
    return Work(graph, choose(graph, CATALOG), functions)


@dataclass(frozen=True)
class Plan:
    """What happens to a job from outside. `meddling`: `(number, deed, pick)` - what somebody does as soon as so many messages were told.

    `is_live`: questions are answered the moment they are asked; `answers`: yes or no, one after the other; `help`: what somebody does about
    a task that hangs; `verdict`: what is said of tasks in doubt; `again`: how often a job that failed or was cancelled is taken up again.
    """

    inputs: Mapping[str, Any] = field(default_factory=lambda: {"n": 5})
    is_live: bool = False
    answers: Sequence[bool] = (True,)
    help: str = "release"
    verdict: str = "retry"
    again: int = 1
    meddling: Sequence[tuple[int, str, int]] = ()


DEEDS = ("skip", "branch", "cancel", "stop", "interrupt", "red", "blue", "answer", "twice")
inputs = st.fixed_dictionaries({"n": st.integers(0, 9), "flag": st.booleans(), "xs": st.sampled_from([[], [4], [7, 2], [3, 1, 2]])})
plans = st.builds(
    Plan,
    inputs,
    st.booleans(),
    st.lists(st.booleans(), min_size=1, max_size=3),
    st.sampled_from(["release", "skip", "cancel", "stop", "interrupt"]),
    st.sampled_from(["retry", "done"]),
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(1, 20), st.sampled_from(DEEDS), st.integers(0, 12)), max_size=4),
)


class Carrier:
    """Carries one job to its end, in as many runs as that takes. `told`: all that was told of it."""

    def __init__(self, work: Work, plan: Plan, journal: Journal, folder: Path, *, cache: ResultCache | None = None) -> None:
        self.told: list[Any] = []
        self.results: list[JobResult] = []
        self._work = work
        self._plan = plan
        self._journal = journal
        self._folder = folder
        self._cache = cache
        self._runtime: Runtime | None = None
        self._run: asyncio.Task[JobResult] | None = None
        self._answered = 0
        self._again = plan.again
        self._helps = 0
        random_steps.scene.on_hang = self._helped

    async def carry(self, *, is_new: bool = True) -> str:
        """Return the status in which the job ended."""
        result = (
            await self._begun(lambda runtime: runtime.run(self._work, self._inputs(), job=JOB, observers=[self._hear])) if is_new else None
        )
        idle, heard = 0, 0
        while idle < _RUNS:
            # Who is interrupted at the very end hears of nothing, but the job has ended.
            status = next(one.status for one in self._journal.jobs())
            assert result is None or result.status == status
            if not self._goes_on(status):
                return status
            result = await self._resumed(result)
            # Answers come one at a time, and a loop over a list may ask for hundreds.
            idle, before = idle + 1, heard
            heard = sum(isinstance(one, TaskSucceeded | Answered | SignalReceived) for one in self._journal.read(JOB)[1])
            idle = 0 if heard > before else idle
        raise AssertionError("the job does not come to an end")

    def _inputs(self) -> dict[str, Any]:
        return app.check_inputs(self._work.graph.workflow, self._plan.inputs)

    def _goes_on(self, status: str) -> bool:
        if status == "succeeded":
            return False
        if status in ("failed", "cancelled"):
            self._again -= 1
            return self._again >= 0
        return True

    async def _begun(self, run: Callable[[Runtime], Any]) -> JobResult | None:
        """Return how a run ended; None when it was interrupted."""
        scene = random_steps.scene
        scene.gate.clear()
        scene.thread_gate.clear()
        outside = Outside(LocalArtifacts(self._folder), app.system_clock(), self._cache, grace=0.02)
        slots = SlotTable({"cores": 2.0, "threads": 3.0})
        self._runtime = Runtime(executors(), outside, slots=slots, journal=self._journal)
        running: asyncio.Task[JobResult] = asyncio.ensure_future(run(self._runtime))
        self._run = running
        done, _ = await asyncio.wait([running], timeout=PATIENCE)
        assert done, f"the job hangs: {self.told[-10:]}"
        scene.release()
        if running.cancelled():
            return None
        result = running.result()
        self.results.append(result)
        return result

    async def _resumed(self, result: JobResult | None) -> JobResult | None:
        """Return how the next run ended, in which somebody does what the job waits for."""
        events, verdicts = self._asked(result), self._verdicts()
        budget = {"cost": 1000.0, "time": 1000.0} if result is not None and result.status == "paused" else None

        async def resume(runtime: Runtime, said: Sequence[Event]) -> JobResult:
            return await runtime.resume(JOB, self._work, verdicts=verdicts, events=said, budget=budget, observers=[self._hear])

        # One answer may make others needless, and a time that was up may make all of them so.
        for said in (events, events[:1]):
            with suppress(ConflictError):
                return await self._begun(partial(resume, said=said))
        return await self._begun(partial(resume, said=[]))

    def _asked(self, result: JobResult | None) -> list[Event]:
        asks = result.failures if result is not None and result.status == "waiting" else ()
        return [self._answer(one.task) if one.reason == "person" else SignalReceived(0.0, one.message, SIGNAL) for one in asks]

    def _answer(self, task: str) -> Answered:
        self._answered += 1
        approved = self._plan.answers[self._answered % len(self._plan.answers)]
        return Answered(0.0, task, approved, {"k": ANSWER["k"]} if approved else {"why": "no"}, str(ANSWER["by"]))

    def _verdicts(self) -> list[Verdict]:
        _, past = self._journal.read(JOB)
        state = replay(self._work.graph, past)
        return [self._verdict(task, state.tasks[task].step.node.result) for task in state.in_doubt()]

    def _verdict(self, task: str, of: Type) -> Verdict:
        return Verdict(task, "done", value_of(of)) if self._plan.verdict == "done" else Verdict(task, "retry")

    # ---------------------------------------------------------------------------------------------------------- from outside

    def _hear(self, job: str, message: Any) -> None:
        random_steps.scene.passes("message")
        self.told.append(message)
        if isinstance(message, AskPerson) and self._plan.is_live:
            self._tell(self._answer(message.task))
        for number, deed, pick in self._plan.meddling:
            if number == len(self.told):
                self._meddle(deed, pick)

    def _meddle(self, deed: str, pick: int) -> None:
        runtime, run = self._runtime, self._run
        assert runtime is not None
        assert run is not None
        tasks = sorted({one.task for one in self.told if hasattr(one, "task")} | set(self._work.graph.nodes)) or [""]
        task = tasks[pick % len(tasks)]
        if deed == "stop":
            runtime.stop()
            random_steps.scene.release()
        elif deed == "interrupt":
            run.cancel()
        elif deed in ("red", "blue"):
            self._tell(SignalReceived(0.0, deed, SIGNAL))
        elif deed in ("skip", "branch"):
            self._tell(SkipRequested(0.0, task, deed == "branch"))
        elif deed == "cancel":
            self._tell(CancelRequested(0.0))
        else:
            for _ in range(1 + (deed == "twice")):
                self._tell(self._answer(task))

    def _tell(self, event: Event) -> bool:
        assert self._runtime is not None
        try:
            self._runtime.tell(JOB, event)
        except MurakkabError:
            return False
        return True

    def _helped(self, task: str) -> None:
        """Do something about a task that hangs."""
        told = False
        self._helps += 1
        if self._helps > _HELPS:
            pass
        elif self._plan.help == "skip":
            told = self._tell(SkipRequested(0.0, task))
        elif self._plan.help == "cancel" and not task.startswith("finally"):
            told = self._tell(CancelRequested(0.0))
        elif self._plan.help == "interrupt" and self._run is not None:
            told = self._run.cancel()
        elif self._plan.help == "stop" and self._runtime is not None:
            self._runtime.stop()
        if not told:
            random_steps.scene.release()


def value_of(of: Type) -> Any:
    """Return a value of a type."""
    if of.kind == "list":
        return []
    if of.kind == "record":
        return {one.name: value_of(one.type) for one in of.fields}
    return 8
