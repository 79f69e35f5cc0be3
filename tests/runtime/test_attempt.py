"""One attempt: whatever an executor does, an event tells how it ended."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio.to_thread
import pytest

import murakkab
from murakkab.catalog import ExecutorCard
from murakkab.errors import BackendError, ConflictError, ExecutorError
from murakkab.ports import Call
from murakkab.runtime.cache import MemoryResultCache
from murakkab.runtime.messages import TaskFailed, TaskSucceeded
from murakkab.spec import CachePolicy
from murakkab.types import INT, STR, Type, parse_type
from murakkab_executors.python import PythonExecutor
from tests.attempts import CACHED, heard, node_of, outside_of, streams, tells, tried, way
from tests.fakes import FakeClock, FakeExecutor, card, does

# ------------------------------------------------------------------------------------------------------------- how it ends


async def test_a_value_is_told_with_when_it_began_and_ended_and_what_it_cost() -> None:
    clock = FakeClock(10.0)

    async def behave(call: Call) -> Any:
        clock.now += 2.0
        return dict(call.inputs)

    assert await tells(behave, clock=clock) == TaskSucceeded(12.0, "s", {"x": 1}, 10.0, executor="fake")


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize(
    ("error", "reason", "message", "retryable"),
    [
        (ValueError("no"), "exception", "ValueError: no", True),
        (ValueError(), "exception", "ValueError", True),
        (KeyError("k"), "exception", "KeyError: 'k'", True),
        (SystemExit(3), "exception", "SystemExit: 3", True),
        (TimeoutError(), "exception", "TimeoutError", True),
        (ExecutorError("bad", hint="mend it", reason="http-500"), "http-500", "bad; mend it", True),
        (ExecutorError("bad", reason="http-400", retryable=False), "http-400", "bad", False),
        (BackendError("away"), "backend-error", "away", True),
        (ConflictError("taken"), "conflict", "taken", False),
    ],
)
async def test_a_failure_is_told_with_its_reason(
    error: BaseException, reason: str, message: str, *, retryable: bool, limit: float | None
) -> None:
    event = await tells(does(error), node_of(timeout=limit))

    assert isinstance(event, TaskFailed)
    expected = type(error).code if isinstance(error, BackendError | ConflictError) else reason
    assert (event.reason, event.message, event.retryable, event.executor) == (expected, message, retryable, "fake")


async def test_an_exception_that_cannot_be_shown_is_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("even this fails")

    event = await tells(does(Mute()))

    assert isinstance(event, TaskFailed)
    assert event.message == "Mute"


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C as a terminal has it: it is ignored in what a shell runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
async def test_cancellation_and_the_keyboard_are_not_failures() -> None:
    for stop in (asyncio.CancelledError(), KeyboardInterrupt()):
        with pytest.raises(type(stop)):
            await tells(does(stop))


# ----------------------------------------------------------------------------------------------------------- what must hold


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize(
    ("wanted", "value", "message"),
    [
        (INT, "1", "its result is not what the step promises: int is wanted, str is given"),
        (INT, True, "its result is not what the step promises: int is wanted, bool is given"),
        (STR, None, "its result is not what the step promises: str is wanted, null is given"),
        (
            parse_type("list[{a: int, b?: str}]"),
            [{"a": 1}, {"a": 1, "b": 2}],
            "its result is not what the step promises: [1].b: str is wanted, int is given",
        ),
    ],
)
async def test_a_result_of_another_type_is_a_failure_that_another_try_does_not_mend(
    wanted: Type, value: Any, message: str, *, limit: float | None
) -> None:
    event = await tells(does(value), node_of(wanted, timeout=limit))

    assert isinstance(event, TaskFailed)
    assert (event.reason, event.message, event.retryable) == ("bad-result", message, False)


async def test_a_result_of_the_declared_type_passes() -> None:
    event = await tells(does([{"a": 1}]), node_of(parse_type("list[{a: int, b?: str}]")))

    assert isinstance(event, TaskSucceeded)


async def test_an_attempt_that_takes_too_long_is_stopped() -> None:
    stopped = asyncio.Event()

    async def behave(call: Call) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    event = await tells(behave, node_of(timeout=0.01))

    assert isinstance(event, TaskFailed)
    assert (event.reason, event.retryable) == ("timeout", True)
    assert event.message == "no result within 0.01 s; raise its `timeout`, or look why it is slow"
    assert stopped.is_set()


async def test_a_timeout_does_not_swallow_being_cancelled() -> None:
    async def behave(call: Call) -> Any:
        await asyncio.Event().wait()

    running = asyncio.ensure_future(tells(behave, node_of(timeout=60.0)))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# ------------------------------------------------------------------------------------------------------------------- knobs


async def test_knobs_that_were_computed_stand_in_for_those_that_were_written() -> None:
    fake = FakeExecutor()
    node = node_of(knobs={"speed": "${inputs.flag}"})
    await tried(fake, node, outside_of(), knobs={"speed": 3, "of another executor": 1}, attempt=2)

    assert fake.calls[0].knobs == {"speed": 3}
    assert (fake.calls[0].task, fake.calls[0].attempt) == ("s", 2)


# ------------------------------------------------------------------------------------------------------------------- cache


async def test_what_is_kept_is_not_made_again_until_it_expires() -> None:
    clock = FakeClock(0.0)
    fake, outside, node = FakeExecutor(does(1, 2)), outside_of(clock=clock, cache=MemoryResultCache()), node_of(cache=CACHED)
    first = await tried(fake, node, outside)
    clock.now = 9.0
    second = await tried(fake, node, outside)
    clock.now = 10.0
    third = await tried(fake, node, outside)

    found = [(event.value, event.cached) for event in (first, second, third) if isinstance(event, TaskSucceeded)]
    assert found == [(1, False), (1, True), (2, False)]
    assert len(fake.calls) == 2


async def test_what_is_kept_costs_nothing() -> None:
    priced = card()
    fake = FakeExecutor(does(1), card=type(priced)("fake", "work", "", quote=type(priced.quote)(usd=0.5)))
    outside, node = outside_of(cache=MemoryResultCache()), node_of(cache=CachePolicy())
    events = [await tried(fake, node, outside) for _ in range(2)]

    assert [event.usd for event in events if isinstance(event, TaskSucceeded)] == [0.5, 0.0]


@pytest.mark.parametrize("other", [{"inputs": {"x": 2}}, {"inputs": {"x": 1, "y": 1}}, {"knobs": {"speed": 2}}])
async def test_other_inputs_or_knobs_are_another_result(other: dict[str, Any]) -> None:
    fake, outside = FakeExecutor(does(1, 2)), outside_of(cache=MemoryResultCache())
    node = node_of(cache=CACHED, knobs={"speed": 1})
    await tried(fake, node, outside, knobs={"speed": 1})
    event = await tried(fake, node, outside, **{"knobs": {"speed": 1}, **other})

    assert isinstance(event, TaskSucceeded)
    assert (event.value, event.cached) == (2, False)


async def test_failures_and_misfits_are_never_kept() -> None:
    fake, outside = FakeExecutor(does(ValueError(), "1", 3)), outside_of(cache=MemoryResultCache())
    node = node_of(INT, cache=CACHED)
    events = [await tried(fake, node, outside) for _ in range(4)]

    assert [type(event) for event in events] == [TaskFailed, TaskFailed, TaskSucceeded, TaskSucceeded]
    assert len(fake.calls) == 3


async def test_what_was_kept_under_another_declaration_and_does_not_fit_is_made_anew() -> None:
    fake, outside = FakeExecutor(does("1", 2)), outside_of(cache=MemoryResultCache())
    await tried(fake, node_of(STR, cache=CACHED), outside)
    event = await tried(fake, node_of(INT, cache=CACHED), outside)

    assert isinstance(event, TaskSucceeded)
    assert (event.value, event.cached) == (2, False)


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
async def test_what_cannot_be_kept_is_no_result(value: Any) -> None:
    event = await tried(FakeExecutor(does(value)), node_of(cache=CACHED), outside_of(cache=MemoryResultCache()))

    assert isinstance(event, TaskFailed)
    assert (event.reason, event.retryable) == ("bad-result", False)


async def test_without_a_policy_or_a_cache_every_attempt_runs() -> None:
    fake = FakeExecutor(does(1, 2, 3, 4))
    for node, outside in ((node_of(), outside_of(cache=MemoryResultCache())), (node_of(cache=CACHED), outside_of())):
        await tried(fake, node, outside)
        await tried(fake, node, outside)

    assert len(fake.calls) == 4


#: Not in a closure: what a function closes over is part of the key.
CALLS: list[str] = []


async def test_the_cache_works_for_steps_of_every_kind() -> None:
    """A cache that is keyed by inputs, never keeps a failure, and serves coroutines, plain functions and generators alike."""

    async def later(x: int) -> list[int]:
        CALLS.append("later")
        if x < 0:
            raise ValueError
        return [x]

    def plain(x: int) -> list[int]:
        CALLS.append("plain")
        if x < 0:
            raise ValueError
        return [x]

    def one_by_one(x: int) -> Iterator[int]:
        CALLS.append("one_by_one")
        if x < 0:
            raise ValueError
        yield x

    for target, node in ((later, node_of(cache=CACHED)), (plain, node_of(cache=CACHED)), (one_by_one, streams(cache=CACHED))):
        CALLS.clear()
        outside, python = outside_of(cache=MemoryResultCache()), PythonExecutor()
        events = [await heard(python, node, outside, [], target=target, inputs={"x": x}) for x in (1, 1, 2, -1, -1, 1)]
        shown = [event.cached if isinstance(event, TaskSucceeded) else event.reason for event in events]
        assert shown == [False, True, False, "exception", "exception", True]
        assert len(CALLS) == 4


async def test_another_version_of_the_code_or_of_the_executor_is_another_result() -> None:
    def made(text: str) -> Any:
        scope: dict[str, Any] = {}
        exec(f"async def step(x):\n    return {text}", scope)
        return scope["step"]

    outside, node, python = outside_of(cache=MemoryResultCache()), node_of(cache=CACHED), PythonExecutor()
    events = [await heard(python, node, outside, [], target=made(text)) for text in ("x + 1", "x + 1", "x + 2")]
    assert [event.cached for event in events if isinstance(event, TaskSucceeded)] == [False, True, False]

    old, new = ExecutorCard("fake", "work", "", version="1"), ExecutorCard("fake", "work", "", version="2")
    events = [await tried(FakeExecutor(does(1, 2), card=one), node, outside) for one in (old, old, new)]
    assert [event.cached for event in events if isinstance(event, TaskSucceeded)] == [False, True, False]


# ------------------------------------------------------------------------------------------------------------------ tracing


class Spans:
    """Stands in for the tracer."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @contextmanager
    def attempt(self, job: str, task: str, attempt: int, executor: str) -> Iterator[None]:
        try:
            yield
        except BaseException as exc:
            self.told.append((job, task, attempt, executor, type(exc).__name__))
            raise
        self.told.append((job, task, attempt, executor, "done"))


async def test_an_attempt_has_a_span_that_hears_how_it_ended() -> None:
    spans = Spans()
    outside = outside_of(tracer=spans)
    fake = FakeExecutor(does(1, "1", ValueError()))
    for number in (1, 2, 3):
        await tried(fake, node_of(INT), outside, attempt=number)

    assert spans.told == [
        ("j1", "s", 1, "fake", "done"),
        ("j1", "s", 2, "fake", "ExecutorError"),
        ("j1", "s", 3, "fake", "ValueError"),
    ]


async def test_what_comes_out_of_the_cache_was_no_attempt() -> None:
    spans = Spans()
    outside = outside_of(tracer=spans, cache=MemoryResultCache())
    for _ in range(2):
        await tried(FakeExecutor(does(1)), node_of(cache=CACHED), outside)

    assert len(spans.told) == 1


def test_without_timeout_cache_and_tracing_nothing_stands_between_the_loop_and_the_executor() -> None:
    fake = FakeExecutor()

    assert way(fake, outside_of(cache=MemoryResultCache()), node_of()).is_plain
    assert not way(fake, outside_of(), node_of(timeout=1.0)).is_plain
    assert not way(fake, outside_of(), node_of(cache=CACHED)).is_plain
    assert not way(fake, outside_of(tracer=Spans()), node_of()).is_plain
    assert way(fake, outside_of(), node_of()).check is None


async def test_a_group_of_exceptions_is_told_by_what_is_in_it() -> None:
    async def behave(call: Call) -> Any:
        raise ExceptionGroup("unhandled errors", [ValueError("inner"), ExceptionGroup("more", [KeyError("k")])])

    ended = await tells(behave)
    assert isinstance(ended, TaskFailed)
    assert ended.message == "ValueError: inner, KeyError: 'k'"


async def test_work_that_will_not_be_cancelled_is_left_behind() -> None:
    """A step that swallowed its cancellation held up its job for ever, timeout or not."""
    released, left = asyncio.Event(), asyncio.Event()

    async def stubborn(call: Call) -> Any:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()
        left.set()

    fake = FakeExecutor(stubborn)
    event = await tried(fake, node_of(timeout=0.01), outside_of(grace=0.01))
    assert isinstance(event, TaskFailed)
    assert (event.reason, event.retryable) == ("timeout", True)
    released.set()
    await left.wait()


async def test_what_will_not_be_cancelled_is_said_to_run_on() -> None:
    """Honestly reported: a thread cannot be stopped, and whoever reads the failure must know."""
    release = threading.Event()

    def in_thread() -> None:
        release.wait(10)

    async def stubborn() -> None:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await anyio.to_thread.run_sync(release.wait, 10, abandon_on_cancel=True)

    for target, left in ((in_thread, "its thread runs on"), (stubborn, "it runs on in spite of being cancelled")):
        event = await heard(PythonExecutor(), node_of(timeout=0.3), outside_of(grace=0.01), [], target=target, inputs={})
        assert isinstance(event, TaskFailed)
        assert event.message == f"no result within 0.3 s, and {left}; raise its `timeout`, or look why it is slow"
    release.set()
    await asyncio.sleep(0.01)


async def test_a_thread_that_asks_ends_with_its_time() -> None:
    def in_thread() -> None:
        while True:
            murakkab.check_cancelled()

    event = await heard(PythonExecutor(), node_of(timeout=0.01), outside_of(grace=30.0), [], target=in_thread, inputs={})
    assert isinstance(event, TaskFailed)
    assert event.message == "no result within 0.01 s; raise its `timeout`, or look why it is slow"
