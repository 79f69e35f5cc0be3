"""Random workflows of every kind of step, and a puppet in the place of the driver that plays random jobs of them."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from murakkab.plan import TaskGraph
from murakkab.runtime.messages import (
    Answered,
    CancelRequested,
    CancelTask,
    Command,
    DoubtResolved,
    DropTimer,
    Event,
    JobResumed,
    JobSubmitted,
    RetryDue,
    SignalReceived,
    SkipRequested,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TaskYielded,
    TimerFired,
    WaitRetry,
    WaitTimer,
)
from murakkab.runtime.state import JobState
from murakkab.spec import Approve, Block, Effect, Input, Need, OnError, Otherwise, Output, Repeat, Step, Wait
from murakkab.types import INT
from tests.fakes import FALLBACK, SKIP, default, expr, graph, step

INPUTS = {"xs": [[1], [2, 3]], "flag": True}
_PLAIN = ("plain", "plain", "map", "irreversible", "repeat", "quorum", "stream")
_OTHERS = ("block", "rounds", "blocks", "some", "approve", "event", "pause")


def random_graph(random: Random) -> TaskGraph:
    """Return a graph of up to six steps, with others inside of them."""
    steps = _random_steps(random, "s", [], depth=0)
    kept = random.choice([[], [one.name for one in steps]])
    return graph(*steps, outputs={name: f"${{{name}}}" for name in kept}, optional=kept)


def _random_steps(random: Random, prefix: str, outer: Sequence[str], *, depth: int) -> list[Step]:
    steps: list[Step] = []
    for number in range(random.randint(1, 6 if not depth else 3)):
        around = [*outer, *(one.name for one in steps)]
        beside = [one.name for one in steps]
        kinds = _PLAIN if depth > 1 else _PLAIN + _OTHERS
        steps.append(_random_step(random, f"{prefix}{number}", random.choice(kinds), (around, beside), depth))
    return steps


def _random_step(random: Random, name: str, kind: str, near: tuple[list[str], list[str]], depth: int) -> Step:
    around, beside = near
    after = tuple(random.sample(beside, min(len(beside), random.randint(0, 1))))
    when = random.choice(["", "", "", "inputs.flag", "!inputs.flag"])
    rescue = random.choice([OnError(), OnError(), OnError(), SKIP, default([[7]])])
    common: dict[str, Any] = {"after": after, "when": when, "on_error": rescue}
    if kind in _PLAIN:
        return _plain(random, name, kind, around, common)
    if kind in ("approve", "event", "pause"):
        common["timeout"] = random.choice([None, 5.0]) if kind != "pause" else None
        gates: dict[str, Any] = {
            "approve": {"approve": Approve("Go on?", {"n": Input(INT, 3, required=False)})},
            "event": {"wait": Wait(event=name)},
            "pause": {"wait": Wait(seconds=2.0)},
        }
        each = {"item": "${inputs.xs}"} if random.random() < 0.3 else None
        return step(name, each=each, uses="", **gates[kind], **common)
    inner = _random_steps(random, f"{name}_", around, depth=depth + 1)
    outputs = {"o": Output(expr(f"${{{inner[-1].name}}}"), optional=True)} if kind != "some" and random.random() < 0.7 else {}
    common["timeout"] = random.choice([None, 9.0])
    if kind == "rounds":
        common["repeat"] = Repeat(random.randint(1, 3), delay=random.choice([0.0, 1.0]))
    elif kind == "some":
        common["need"] = Need(1)
    each = {"item": "${inputs.xs}"} if kind == "blocks" else None
    return step(name, each=each, uses="", block=Block({one.name: one for one in inner}, outputs), **common)


def _plain(random: Random, name: str, kind: str, around: list[str], common: dict[str, Any]) -> Step:
    inputs: dict[str, Any] = {f"x{i}": f"${{{one}}}" for i, one in enumerate(random.sample(around, min(len(around), random.randint(0, 2))))}
    if around and random.random() < 0.3:
        inputs["first"] = {"$first": [f"${{{random.choice(around)}}}", "${inputs.xs}"]}
    if kind != "irreversible":
        common["retry"] = random.randint(1, 3)
        if random.random() < 0.2:
            common["on_error"] = FALLBACK
    if kind == "irreversible":
        common["effect"] = Effect.IRREVERSIBLE
    elif kind == "repeat":
        common["repeat"] = Repeat(random.randint(1, 3), delay=random.choice([0.0, 1.0]), otherwise=Otherwise.LAST)
        inputs["last"] = "${loop.last}"
    elif kind == "quorum":
        common["need"] = random.choice([Need(1), Need(2), Need(share=0.5)])
    each = None
    if kind in ("map", "quorum"):
        each = {"item": "${inputs.xs}"} if random.random() < 0.8 else {"row": "${inputs.xs}", "item": "${row}"}
        common["max_parallel"] = random.choice([None, 1, 2])
    elif kind == "stream" and around:
        each = {"item": f"${{{random.choice(around)}}}"}
    return step(name, each=each, **inputs, **common)


class Puppet:
    """Tells a job what happens to the tasks that it starts, at random; `kind`: everything goes well, and whoever is asked says yes."""

    def __init__(self, of: TaskGraph, random: Random, *, is_kind: bool = False, past: Sequence[Event] = ()) -> None:
        self.state = JobState(of)
        self.now = 0.0
        self.started: list[str] = []
        self._random = random
        self._is_kind = is_kind
        self._clear()
        for event in past:
            self.state.handle(event)
            self.now = max(self.now, event.time)

    def _clear(self) -> None:
        self._running: dict[str, StartTask] = {}
        self._cancelled: set[str] = set()
        self._retries: set[str] = set()
        self._timers: set[str] = set()
        self._given: dict[str, int] = {}

    def tell(self, kind: Any, *fields: Any, **more: Any) -> None:
        """Tell the job an event, and hear its commands."""
        self.now += 1.0
        if kind is JobResumed:
            self._clear()
        for command in self.state.handle(kind(self.now, *fields, **more)):
            self._hear(command)

    def _hear(self, command: Command) -> None:
        match command:
            case StartTask():
                self._running[command.task] = command
                self._given[command.task] = 0
                self.started.append(command.task)
            case CancelTask():
                self._cancelled.add(command.task)
            case WaitRetry():
                self._retries.add(command.task)
            case WaitTimer():
                self._timers.add(command.task)
            case DropTimer():
                self._timers.discard(command.task)
            case _:
                pass

    def play(self, events: int) -> None:
        """Go on until the job is over, or for so many events."""
        for _ in range(events):
            deeds = list(self._deeds())
            if not deeds:
                return
            kind, *fields = self._random.choice(deeds)
            if kind is TaskStarted:
                # What is irreversible says so first.
                self.tell(kind, *fields)
            else:
                self._do(kind, *fields)

    def _do(self, kind: Any, *fields: Any) -> None:
        task = fields[0] if fields else ""
        if kind in (TaskSucceeded, TaskFailed, TaskCancelled):
            start = self._running.pop(task)
            self._cancelled.discard(task)
            if start.node.effect is Effect.IRREVERSIBLE and self._given[task] == 0 and kind is not TaskCancelled:
                self.tell(TaskStarted, task, start.attempt)
        elif kind is RetryDue:
            self._retries.discard(task)
        elif kind is TimerFired:
            self._timers.discard(task)
        elif kind is TaskYielded:
            self._given[task] += 1
        self.tell(kind, *fields)

    def _deeds(self) -> Iterator[tuple[Any, ...]]:
        """Yield what may happen next."""
        state, random = self.state, self._random
        if state.finished:
            yield from self._taken_up()
            return
        for task in self._running:
            value = [[random.randint(0, 9)]]
            if task in self._cancelled:
                yield TaskCancelled, task, self.now
                if not self._is_kind:
                    yield TaskSucceeded, task, value, self.now
                continue
            yield TaskSucceeded, task, value, self.now
            if not self._is_kind:
                yield TaskFailed, task, "bad", "it broke", random.random() < 0.6, self.now
        yield from ((RetryDue, task) for task in self._retries)
        for task in self._timers:
            if not self._is_kind or task in state.timers:
                yield TimerFired, task
        yield from self._asked()
        if not self._is_kind and random.random() < 0.15:
            yield from self._rarely()

    def _asked(self) -> Iterator[tuple[Any, ...]]:
        for task, gate in self.state.asking.items():
            if gate.kind == "event":
                yield SignalReceived, gate.event, self._random.randint(0, 9)
            else:
                yield Answered, task, self._is_kind or self._random.random() < 0.7, {}, "Ada"

    def _rarely(self) -> Iterator[tuple[Any, ...]]:
        random = self._random
        yield (JobResumed,)  # its process was killed
        yield SignalReceived, random.choice(["s0", "s1"]), random.randint(0, 9)
        yield CancelRequested, "enough"
        open_steps = [name for name, step in self.state.steps.items() if step.status in ("waiting", "running", "awaiting", "backoff")]
        if open_steps:
            yield SkipRequested, random.choice(open_steps), random.random() < 0.4

    def _taken_up(self) -> Iterator[tuple[Any, ...]]:
        state = self.state
        if state.finished == "succeeded" or (self._is_kind and state.finished in ("failed", "cancelled")):
            return
        yield (JobResumed,)
        for task in state.in_doubt():
            yield DoubtResolved, task, "done", [[5]]
            yield DoubtResolved, task, "retry"
        if state.finished == "waiting":
            yield from self._asked()


def played(seed: int, events: int) -> Puppet:
    """Return a random job after so many events."""
    random = Random(seed)
    puppet = Puppet(random_graph(random), random)
    puppet.tell(JobSubmitted, INPUTS)
    puppet.play(events)
    return puppet
