"""The steps of random workflows. Their inputs say how they behave: what `do` says for the first time, the second time ... a task begins."""

import asyncio
import json
import math
import os
import re
import signal
import threading
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypedDict

import murakkab
from murakkab.catalog import Capability, Catalog, ExecutorCard, Needs, Parameter
from murakkab.errors import BackendError, ExecutorError
from murakkab.ports import Call
from murakkab.spec import Effect
from murakkab.types import ANY, INT, STR, list_of, mismatch, optional
from murakkab_executors.python import PythonExecutor

#: The task that runs here, and how often it had begun before.
TASK: ContextVar[tuple[str, int]] = ContextVar("random_task", default=("", 0))
_NUMBER = re.compile(r"(\d+)\D*$")


class Pair(TypedDict):
    n: int
    xs: list[int]


class Mute(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Odd(BaseException):
    """Nobody who expects an `Exception` expects this."""


class Scene:
    """What the steps of one example see and tell. `record`: a file that outlives the process, in which every beginning is written down.

    `kill`: where this process kills itself, `(at, number)` - at the so-manieth `begin` or `end` of an attempt.
    """

    def __init__(self, record: Path | None = None, kill: tuple[str, int] = ("", 0)) -> None:
        self.begun: Counter[str] = Counter(record.read_text().split() if record is not None and record.exists() else ())
        self.wrong: list[str] = []
        self.gate = asyncio.Event()
        self.thread_gate = threading.Event()
        #: Hears of a task that hangs until somebody does something about it; called on the loop.
        self.on_hang: Callable[[str], None] = lambda task: self.release()
        self._record = record
        self._kill = kill
        self._seen: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None

    def release(self) -> None:
        """Let everything go on that hangs."""
        self.gate.set()
        self.thread_gate.set()

    def begin(self, task: str) -> int:
        """Write down that a task begins, and return how often it did before."""
        self._loop = asyncio.get_running_loop()
        before = self.begun[task]
        self.begun[task] += 1
        if self._record is not None:
            with self._record.open("a") as file:
                file.write(f"{task}\n")
        self.passes("begin")
        return before

    def passes(self, point: str) -> None:
        """Kill the process if this is the point for it."""
        self._seen[point] += 1
        if (point, self._seen[point]) == self._kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def hangs(self, task: str) -> None:
        """Call for help, from whatever thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.on_hang, task)


#: That of the example that runs.
scene = Scene()


def new_scene(record: Path | None = None, kill: tuple[str, int] = ("", 0)) -> Scene:
    """Begin an example."""
    global scene
    scene = Scene(record, kill)
    return scene


# ------------------------------------------------------------------------------------------------------------------- values


def made(kind: str, given: Any, n: int) -> Any:
    """Return what a step of that kind makes of its inputs: another value for other inputs, and always the same for the same."""
    digest = zlib.crc32(json.dumps([kind, given, n], sort_keys=True).encode())
    numbers = [(digest >> i) % 1000 for i in range(digest % 4)]
    if kind == "numbers":
        return numbers
    if kind == "table":
        return [numbers[:i] for i in range(digest % 3)]
    return {"n": digest % 1000, "xs": numbers} if kind == "pair" else digest % 1000


def behaviour(do: list[str], odd: int | None) -> str:
    """Return what the task that runs here is to do now. `odd`: the only one of many that misbehaves."""
    task, before = TASK.get()
    number = _NUMBER.search(task)
    if not do or (odd is not None and (number is None or int(number[1]) != odd)):
        return "ok"
    return do[min(before, len(do) - 1)]


def _misbehave(how: str) -> Any:
    """Return a wrong value, or raise."""
    failures: dict[str, Callable[[], BaseException]] = {
        "fail": lambda: ConnectionError("it is not there"),
        "fatal": lambda: ExecutorError("no use", reason="no-use", retryable=False),
        "backend": lambda: BackendError("full"),
        "exit": lambda: SystemExit(3),
        "stop": lambda: StopIteration(4),
        "group": lambda: BaseExceptionGroup("some", [ValueError("one"), ExceptionGroup("more", [KeyError("two")])]),
        "mute": Mute,
        "odd": Odd,
        "cancelled": asyncio.CancelledError,
        "closed": GeneratorExit,
        "inside": GeneratorExit,
    }
    if how in failures:
        raise failures[how]()
    values: dict[str, Any] = {"text": "not a number", "null": None, "object": object(), "nan": math.nan, "set": {1}, "surrogate": "\ud800"}
    return values[how]


MISBEHAVIOUR = (
    *("fail", "fatal", "backend", "exit", "stop", "group", "mute", "odd", "cancelled", "closed", "inside"),
    *("text", "null", "object", "nan", "set", "surrogate"),
)


async def _acted(kind: str, do: list[str], odd: int | None, given: Any, n: Any) -> Any:
    _check_whole(n)
    murakkab.spend(usd=1, tokens=1)
    how = behaviour(do, odd)
    if how in ("hang", "wait", "stubborn"):
        await _hang(how)
        how = "ok"
    if how == "inside":
        await _closed_inside()
    return made(kind, given, n) if how == "ok" else _misbehave(how)


async def _closed_inside() -> None:
    """Await what ends with `GeneratorExit`: that closes whoever awaits it."""
    loop = asyncio.get_running_loop()
    ends: asyncio.Future[None] = loop.create_future()
    loop.call_soon(lambda: ends.done() or ends.set_exception(GeneratorExit()))
    await ends


async def _hang(how: str) -> None:
    if how != "hang":
        scene.hangs(TASK.get()[0])
    try:
        await scene.gate.wait()
    except asyncio.CancelledError:
        if how != "stubborn":
            raise
        await scene.gate.wait()


def _hang_in_thread(how: str) -> None:
    if how != "hang":
        scene.hangs(TASK.get()[0])
    while not scene.thread_gate.wait(0.002):
        murakkab.check_cancelled()


def _check_whole(n: Any) -> None:
    if type(n) is not int:
        scene.wrong.append(f"{TASK.get()[0]} runs on {n!r}, which is no whole number")


# ---------------------------------------------------------------------------------------------------------------- functions


async def number(do: list[str], given: Any, odd: int | None = None, n: int = 0) -> int:
    value: int = await _acted("number", do, odd, given, n)
    return value


async def numbers(do: list[str], given: Any, odd: int | None = None, n: int = 0) -> list[int]:
    value: list[int] = await _acted("numbers", do, odd, given, n)
    return value


async def table(do: list[str], given: Any, odd: int | None = None, n: int = 0) -> list[list[int]]:
    value: list[list[int]] = await _acted("table", do, odd, given, n)
    return value


async def pair(do: list[str], given: Any, odd: int | None = None, n: int = 0) -> Pair:
    value: Pair = await _acted("pair", do, odd, given, n)
    return value


def thread(do: list[str], given: Any, odd: int | None = None, n: int = 0) -> int:
    _check_whole(n)
    how = behaviour(do, odd)
    if how in ("hang", "wait", "stubborn"):
        _hang_in_thread(how)
        how = "ok"
    value: int = made("number", given, n) if how == "ok" else _misbehave(how)
    return value


async def stream(do: list[str], given: Any, odd: int | None = None, n: int = 0) -> AsyncIterator[int]:
    """Misbehaves once the first element is given."""
    elements = made("numbers", given, n)
    how = behaviour(do, odd)
    for element in elements[:1]:
        yield element
    if how in ("hang", "wait", "stubborn"):
        await _hang(how)
    elif how != "ok":
        yield _misbehave(how)
    for element in elements[1:]:
        yield element


def lines(do: list[str], given: Any, odd: int | None = None, n: int = 0) -> Iterator[int]:
    """The same, in a thread."""
    elements = made("numbers", given, n)
    how = behaviour(do, odd)
    yield from elements[:1]
    if how in ("hang", "wait", "stubborn"):
        _hang_in_thread(how)
    elif how != "ok":
        yield _misbehave(how)
    yield from elements[1:]


# ---------------------------------------------------------------------------------------------------------------- executors


class Watched:
    """An executor whose calls are written down."""

    def __init__(self, card: ExecutorCard, run: Callable[[Call], Any]) -> None:
        self.card = card
        self._run = run

    async def run(self, call: Call) -> Any:
        token = TASK.set((call.task, scene.begin(call.task)))
        try:
            return await self._run(call)
        finally:
            scene.passes("end")
            TASK.reset(token)


_python = PythonExecutor()


class WatchedPython(Watched):
    """The same, for functions."""

    def __init__(self) -> None:
        super().__init__(_python.card, _python.run)

    def is_silent(self, target: Any) -> bool:
        return _python.is_silent(target)


_INPUTS = (
    Parameter("do", list_of(STR)),
    Parameter("given", ANY),
    Parameter("odd", optional(INT), None, required=False),
    Parameter("n", INT, 0, required=False),
)


async def _provided(call: Call) -> Any:
    for one in _INPUTS:
        if one.name in call.inputs and (reason := mismatch(one.type, call.inputs[one.name])):
            scene.wrong.append(f"{call.task}: {one.name}: {reason}")
    how = {"do": [], "odd": None, "n": 0, **call.inputs}
    return await _acted("number", how["do"], how["odd"], how["given"], how["n"])


async def _provided_well(call: Call) -> Any:
    """What one falls back to does well."""
    return await _provided(call._replace(inputs={**call.inputs, "do": []}))


def executors() -> dict[str, Watched]:
    """Return all of them, by name."""
    cards = {
        "first": ExecutorCard("first", "number", "", effect=Effect.WRITE, needs=Needs(1.0)),
        "second": ExecutorCard("second", "number", "", effect=Effect.WRITE),
    }
    return {"first": Watched(cards["first"], _provided), "second": Watched(cards["second"], _provided_well), "python": WatchedPython()}


CATALOG = Catalog(
    {"number": Capability("number", "A number.", _INPUTS, INT), "python": Capability("python", "A function.", open_inputs=True)},
    {name: one.card for name, one in executors().items()},
)
