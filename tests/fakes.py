"""Fakes, and short ways to write graphs. The fakes keep the promises of `murakkab.ports`: `tests/conformance` holds them to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from murakkab.catalog import Capability, Catalog, ExecutorCard, Limits, Needs, Parameter
from murakkab.plan import Choice, Deployment, TaskGraph
from murakkab.planner.compile import compile_workflow
from murakkab.ports import Call, Meter
from murakkab.references import parse_expr
from murakkab.runtime.attempt import Outside
from murakkab.runtime.driver import Runtime, Work
from murakkab.runtime.messages import Command, Event, JobSubmitted, StartTask
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.state import JobState
from murakkab.spec import Effect, Expr, Input, Loop, OnError, Output, Rescue, Retry, Step, Workflow
from murakkab.types import ANY

WORK = Capability("work", "Whatever a test needs done.", result=ANY, open_inputs=True)
FAKE = ExecutorCard("fake", "work", "A fake.", knobs=(Parameter("speed", required=False),), effect=Effect.WRITE)
OTHER = ExecutorCard("other", "work", "Another fake.", effect=Effect.WRITE)
CATALOG = Catalog({"work": WORK}, {"fake": FAKE, "other": OTHER})


def expr(data: Any) -> Expr:
    """Return the expression that *data* writes, as in a YAML file."""
    problems: list[Any] = []
    found = parse_expr(data, problems=problems)
    assert not problems, problems
    return found


def step(name: str, *, each: Any = None, **parts: Any) -> Step:
    """Return a step. `each` is its `for_each`; `x=...` are inputs unless they are fields of `Step`; `retry` may be a number."""
    fields = {key: parts.pop(key) for key in list(parts) if key in Step.__dataclass_fields__ and key != "with_"}
    loops = {"item": each} if isinstance(each, str) else each or {}
    if isinstance(fields.get("retry"), int):
        fields["retry"] = Retry(fields["retry"], delay=0.0)
    fields["knobs"] = {key: expr(value) for key, value in fields.get("knobs", {}).items()}
    fields.setdefault("uses", "work")
    with_ = {key: expr(value) for key, value in parts.items()}
    return Step(name, with_=with_, for_each=tuple(Loop(key, expr(over)) for key, over in loops.items()), **fields)


SKIP = OnError(Rescue.SKIP)
FALLBACK = OnError(Rescue.FALLBACK, fallback="other")


def default(data: Any) -> OnError:
    """Return `on_error: {default: data}`."""
    return OnError(Rescue.DEFAULT, default=expr(data))


def workflow(*steps: Step, outputs: Mapping[str, Any] | None = None, optional: Sequence[str] = (), **parts: Any) -> Workflow:
    """Return a workflow; `outputs` are expressions, those named in `optional` may be skipped."""
    made = {name: Output(expr(value), optional=name in optional) for name, value in (outputs or {}).items()}
    inputs = dict.fromkeys(("xs", "flag"), Input(required=False))
    return Workflow("test", inputs=inputs, steps={one.name: one for one in steps}, outputs=made, **parts)


def graph(*steps: Step, catalog: Catalog = CATALOG, **parts: Any) -> TaskGraph:
    """Return the compiled graph of `workflow(...)`."""
    return compile_workflow(workflow(*steps, **parts), catalog)


class Talk:
    """A `JobState` and what was said to it: sends events in order of time and keeps every command."""

    def __init__(self, of: TaskGraph, **inputs: Any) -> None:
        self.graph = of
        self.state = JobState(of)
        self.now = 0.0
        self.events: list[Event] = []
        self.commands: list[Command] = []
        self.last: list[Command] = self.tell(JobSubmitted, inputs)

    def tell(self, kind: Callable[..., Any], *fields: Any, **more: Any) -> list[Command]:
        """Return the commands that an event, one second after the last, leads to."""
        self.now += 1.0
        event = kind(self.now, *fields, **more)
        self.last = self.state.handle(event)
        self.events.append(event)
        self.commands += self.last
        return self.last

    def replayed(self) -> "list[Command]":
        """Return the commands that the same events lead to in a new state."""
        state = JobState(self.graph)
        return [command for event in self.events for command in state.handle(event)]


def started(commands: Sequence[Command]) -> list[str]:
    """Return the tasks that *commands* start, in order."""
    return [command.task for command in commands if isinstance(command, StartTask)]


# ------------------------------------------------------------------------------------------------------------------ running


@dataclass
class FakeClock:
    """Time that stands still until it is told."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


Behaviour = Callable[[Call], Awaitable[Any]]


async def echo(call: Call) -> Any:
    """Return the inputs."""
    return dict(call.inputs)


@dataclass
class FakeExecutor:
    """Does what it is told to; `calls` holds every call, `most` the most that ran at once."""

    behave: Behaviour = echo
    card: ExecutorCard = FAKE
    calls: list[Call] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def run(self, call: Call) -> Any:
        """Return what the behaviour returns."""
        self.calls.append(call)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self.behave(call)
        finally:
            self.running -= 1

    @property
    def tasks(self) -> list[str]:
        """The tasks of the calls, in order."""
        return [call.task for call in self.calls]


def card(
    name: str = "fake", *, needs: Mapping[str, float] | None = None, limits: Limits | None = None, effect: Effect = Effect.WRITE
) -> ExecutorCard:
    """Return the card of a fake; `needs` may name cores."""
    wanted = dict(needs or {})
    return ExecutorCard(name, "work", "", FAKE.knobs, effect, needs=Needs(wanted.pop("cores", 0.0), wanted), limits=limits or Limits())


def work(*steps: Step, cards: Sequence[ExecutorCard] = (FAKE,), **parts: Any) -> Work:
    """Return compiled steps, each to be done by the first of *cards* or the executor that it names."""
    catalog = Catalog({"work": WORK}, {one.name: one for one in (*cards, OTHER)})
    made = graph(*steps, catalog=catalog, **parts)
    choices = {name: Choice(name, catalog.executors[node.executor or cards[0].name], node.knobs) for name, node in made.nodes.items()}
    return Work(made, Deployment(choices))


def runtime(
    *executors: FakeExecutor, slots: SlotTable | None = None, journal: Any = None, meter: Meter | None = None, **outside: Any
) -> Runtime:
    """Return a runtime of fakes on the current loop."""
    outside.setdefault("clock", asyncio.get_running_loop().time)
    known = {one.card.name: one for one in executors}
    return Runtime(known, Outside(None, **outside), slots=slots or SlotTable({"cores": 4.0}), journal=journal, meter=meter)  # type: ignore[arg-type]


@asynccontextmanager
async def running(rt: Runtime, *args: Any, **more: Any) -> AsyncIterator["asyncio.Task[JobResult]"]:
    """A job that has begun; what it raises is the test's to look at."""
    task = asyncio.ensure_future(rt.run(*args, **more))
    for _ in range(10):
        await asyncio.sleep(0)
    yield task
    if not task.done():
        task.cancel()
        await asyncio.wait([task])


def does(*answers: Any) -> Callable[[Call], Any]:
    """Return a behaviour that gives one answer per call; exceptions are raised."""
    left = list(answers)

    async def behave(call: Call) -> Any:
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return behave


def reasons(result: JobResult) -> list[str]:
    return [failure.reason for failure in result.failures]


async def all_of(*jobs: Coroutine[Any, Any, JobResult]) -> list[JobResult]:
    """Return how jobs ended that run at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
    return [task.result() for task in tasks]
