"""How functions are called: element by element, in threads that are asked to end, and what they say of themselves meanwhile."""

import asyncio
import functools
import importlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

import murakkab
from murakkab.catalog import Capability, Parameter
from murakkab.errors import ExecutorError
from murakkab.ports import Call, Report
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.steps import CURRENT, CurrentAttempt
from murakkab.types import ANY, list_of
from murakkab_executors.function import executor
from murakkab_executors.python import PythonExecutor

SERIES = Capability("series", "", (Parameter("n"),), list_of(ANY), streams=True)


async def ran(target: Callable[..., Any], report: Report | None = None, **inputs: Any) -> Any:
    return await PythonExecutor().run(Call("t", 1, inputs, {}, LocalArtifacts("unused"), target, report or Report()))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


@dataclass
class Point:
    x: int


def plain(n: int) -> Iterator[int]:
    yield from range(n)


async def later(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


class Plain:
    def __call__(self, n: int) -> Iterator[int]:
        yield from range(n)


class Later:
    async def __call__(self, n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i


BOTH = pytest.mark.parametrize("target", [plain, later, Plain(), Later(), functools.partial(plain), functools.partial(later)])


# --------------------------------------------------------------------------------------------------------------- streaming


@BOTH
async def test_elements_are_given_one_by_one_and_the_result_is_the_list(target: Any) -> None:
    heard: list[tuple[Any, bool]] = []

    value = await ran(target, Report(lambda element: heard.append((element, threading.current_thread() is threading.main_thread()))), n=300)

    assert value == list(range(300))
    assert heard == [(element, True) for element in range(300)]


@BOTH
async def test_without_a_listener_the_elements_are_collected(target: Any) -> None:
    assert await ran(target, n=3) == [0, 1, 2]
    assert await ran(target, n=0) == []


async def test_elements_are_converted_like_results() -> None:
    def points() -> Iterator[Point]:
        yield Point(1)
        yield {"x": 2}  # type: ignore[misc]

    async def points_later() -> AsyncIterator[Point]:
        yield Point(1)
        yield Point(2)

    for target in (points, points_later):
        heard: list[Any] = []
        assert await ran(target, Report(heard.append)) == [{"x": 1}, {"x": 2}] == heard


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_element_that_is_no_json_ends_the_attempt_and_closes_the_generator(is_async: bool) -> None:
    closed: list[bool] = []

    def wrong() -> Iterator[Any]:
        try:
            yield 1
            yield threading.Lock()
        finally:
            closed.append(True)

    async def wrong_later() -> AsyncIterator[Any]:
        try:
            yield 1
            yield threading.Lock()
        finally:
            closed.append(True)

    heard: list[Any] = []
    with pytest.raises(ExecutorError, match="result is lock, which is not JSON data"):
        await ran(wrong_later if is_async else wrong, Report(heard.append))
    assert (heard, closed) == ([1], [True])


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("is_async", [True, False])
async def test_what_the_listener_raises_ends_the_attempt(is_async: bool, last: bool) -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield 0
            while not last:
                yield 1
        finally:
            closed.set()

    async def endless_later() -> AsyncIterator[int]:
        try:
            yield 0
            while not last:
                yield 1
        finally:
            closed.set()

    def refuse(element: Any) -> None:
        raise ExecutorError("not what was said before", reason="stream-diverged", retryable=False)

    with pytest.raises(ExecutorError, match="not what was said before"):
        await ran(endless_later if is_async else endless, Report(refuse))
    await anyio.to_thread.run_sync(closed.wait, 10)
    assert closed.is_set()


async def test_a_thread_does_not_run_far_ahead_of_the_loop() -> None:
    """Back-pressure: a generator that is quicker than its consumers does not fill the memory."""
    given = 0
    furthest: list[int] = []

    def quick() -> Iterator[int]:
        nonlocal given
        for i in range(2000):
            given += 1
            yield i

    heard: list[int] = []

    def hear(element: int) -> None:
        heard.append(element)
        if element % 100 == 0:
            time.sleep(0.002)
            furthest.append(given - len(heard))

    assert await ran(quick, Report(hear)) == heard == list(range(2000))
    assert max(furthest) <= 66


async def test_an_async_generator_that_never_waits_lets_others_run_and_can_be_stopped() -> None:
    closed: list[bool] = []

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ran(endless, Report(lambda element: None))
    assert closed == [True]


@pytest.mark.parametrize("listens", [False, True])
async def test_cancelling_closes_a_generator_in_its_thread(listens: bool) -> None:
    begun, closed = threading.Event(), threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
                begun.set()
        finally:
            closed.set()

    work = asyncio.ensure_future(ran(endless, Report((lambda element: None) if listens else None)))
    await anyio.to_thread.run_sync(begun.wait, 10)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await anyio.to_thread.run_sync(closed.wait, 10)
    assert closed.is_set()


async def test_cancelling_wakes_a_thread_that_waits_for_the_loop() -> None:
    closed = threading.Event()
    given = 0

    def quick() -> Iterator[int]:
        nonlocal given
        try:
            while True:
                given += 1
                yield 1
        finally:
            closed.set()

    heard = 0

    def hear(element: int) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            until(lambda: given >= 64)  # nothing more has room
            work.cancel()

    work = asyncio.ensure_future(ran(quick, Report(hear)))
    with pytest.raises(asyncio.CancelledError):
        await work
    await anyio.to_thread.run_sync(closed.wait, 10)
    assert closed.is_set()


async def test_cancelling_closes_an_async_generator() -> None:
    ended: list[str] = []

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    work = asyncio.ensure_future(ran(endless, Report(lambda element: None)))
    await anyio.wait_all_tasks_blocked()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert ended == ["cleaned up"]


async def test_a_decorator_may_make_a_list_of_a_generator() -> None:
    @functools.wraps(plain)
    def listed(n: int) -> list[int]:
        return list(plain(n))

    @functools.wraps(plain)
    def wrong(n: int) -> int:
        return n

    heard: list[Any] = []
    assert await ran(listed, Report(heard.append), n=2) == [0, 1] == heard
    with pytest.raises(ExecutorError, match="gives int where elements are expected"):
        await ran(wrong, n=2)


async def test_a_generator_fails_with_its_own_exception() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    async def broken_later() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    for target in (broken, broken_later):
        with pytest.raises(ValueError, match="no more"):
            await ran(target, Report(lambda element: None))
    with pytest.raises(ExecutorError, match="raised by the function itself"):
        await ran(interrupted)


async def test_executors_made_of_generator_functions_stream_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "from collections.abc import AsyncIterator, Iterator\nimport murakkab\nfrom murakkab_executors.function import executor\n"
        "from tests.executors.test_calling import SERIES\n"
        '@executor(SERIES, name="x", run_in="process")\n'
        "def far(n: int) -> Iterator[int]:\n    murakkab.spend(tokens=n)\n    yield from range(n)\n"
    )
    (tmp_path / "far_series.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    made = [
        executor(SERIES, name="x")(plain),
        executor(SERIES, name="x", run_in="loop")(plain),
        executor(SERIES, name="x")(later),
        importlib.import_module("far_series").far,
    ]
    for one in made:
        heard: list[Any] = []
        assert await one.run(Call("t", 1, {"n": 3}, {}, LocalArtifacts("unused"), None, Report(heard.append))) == [0, 1, 2] == heard
    assert [one.card.needs.cores for one in made] == [1.0, 0.0, 0.0, 1.0]


# ----------------------------------------------------------------------------------------------------------------- threads


async def stopped(target: Callable[..., Any], begun: threading.Event, report: Report, grace: float) -> None:
    """Cancel an attempt once it has begun."""

    async def attempt() -> None:
        CURRENT.set(CurrentAttempt(grace=grace))
        await ran(target, report)

    work = asyncio.ensure_future(attempt())
    await anyio.to_thread.run_sync(begun.wait, 10)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_a_function_that_asks_ends_when_its_attempt_is_cancelled() -> None:
    begun, ended = threading.Event(), threading.Event()

    def patient() -> None:
        try:
            while True:
                begun.set()
                murakkab.check_cancelled()
                time.sleep(0.001)
        except Exception as error:
            raise AssertionError("a step that handles its errors must not handle this one") from error
        finally:
            ended.set()

    report = Report()
    await stopped(patient, begun, report, grace=30.0)
    assert ended.is_set()
    assert report.left == ""


async def test_a_thread_that_does_not_end_in_time_is_said_to_run_on() -> None:
    begun, release = threading.Event(), threading.Event()

    def stubborn() -> None:
        begun.set()
        release.wait(10)

    report = Report()
    await stopped(stubborn, begun, report, grace=0.01)
    assert report.left == "its thread runs on"
    release.set()


async def test_a_thread_that_never_asks_is_not_waited_for_for_long() -> None:
    """A timeout must not be late, nor a cancelled job hang, for a function that will not hear of it anyway."""
    begun, release = threading.Event(), threading.Event()

    def stubborn() -> None:
        begun.set()
        release.wait(10)

    report = Report()
    with anyio.fail_after(5):
        await stopped(stubborn, begun, report, grace=30.0)
    assert report.left == "its thread runs on"
    release.set()


async def test_a_thread_that_ends_by_itself_meanwhile_does_not_run_on() -> None:
    begun = threading.Event()

    def short() -> None:
        begun.set()
        time.sleep(0.05)

    report = Report()
    await stopped(short, begun, report, grace=30.0)
    assert report.left == ""


async def test_the_wait_for_a_thread_ends_when_one_is_cancelled_again() -> None:
    begun, release = threading.Event(), threading.Event()

    def stubborn() -> None:
        begun.set()
        release.wait(10)

    async def attempt() -> None:
        CURRENT.set(CurrentAttempt(grace=30.0))
        await ran(stubborn, report)

    report = Report()
    work = asyncio.ensure_future(attempt())
    await anyio.to_thread.run_sync(begun.wait, 10)
    for _ in range(2):
        work.cancel()
        await anyio.wait_all_tasks_blocked()
    assert work.done()
    assert report.left == "its thread runs on"
    release.set()


async def test_what_was_cancelled_before_its_thread_began_never_runs() -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    limiter.total_tokens, before = 1, limiter.total_tokens
    release, ran_anyway = threading.Event(), threading.Event()
    holder = asyncio.ensure_future(anyio.to_thread.run_sync(release.wait, 10))
    await anyio.wait_all_tasks_blocked()
    report = Report()
    work = asyncio.ensure_future(ran(ran_anyway.set, report))
    await anyio.wait_all_tasks_blocked()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    release.set()
    await holder
    limiter.total_tokens = before
    assert not ran_anyway.is_set()
    assert report.left == ""


async def test_an_abandoned_thread_keeps_no_place_from_others() -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    release = threading.Event()
    free = limiter.available_tokens
    begun = threading.Event()

    def stubborn() -> None:
        begun.set()
        release.wait(10)

    for _ in range(3):
        begun.clear()
        await stopped(stubborn, begun, Report(), grace=0.0)
    assert limiter.available_tokens == free
    assert await ran(lambda: "next") == "next"
    release.set()


def test_outside_of_a_step_nobody_is_cancelled_and_nothing_is_billed() -> None:
    murakkab.check_cancelled()
    murakkab.spend(usd=1.0)


# --------------------------------------------------------------------------------------------------------------- the bill


async def test_a_step_says_what_it_spends_wherever_its_code_runs() -> None:
    def deep() -> None:
        murakkab.spend(usd=0.25, tokens=10)

    async def on_loop() -> None:
        deep()
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(deep))
            group.create_task(asyncio.sleep(0))

    def in_thread() -> None:
        deep()
        murakkab.spend(joules=2.0, tokens=10)

    def one_by_one() -> Iterator[int]:
        deep()
        yield 1
        deep()

    for target, expected in ((on_loop, (0.5, None, 20)), (in_thread, (0.25, 2.0, 20)), (one_by_one, (0.5, None, 20))):
        report = Report()
        CURRENT.set(CurrentAttempt(report))
        await ran(target, report)  # type: ignore[arg-type]
        assert (report.usd, report.joules, report.tokens) == expected


async def test_what_a_process_spends_is_billed_here_also_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "import murakkab\nfrom murakkab.ports import Call\nfrom murakkab_executors.function import executor\n"
        "from tests.executors.test_calling import SERIES\n"
        '@executor(SERIES, name="x", run_in="process")\n'
        "def far(n: int, *, call: Call) -> list[int]:\n"
        "    murakkab.spend(usd=0.5, joules=3.0)\n    call.report.tokens += 7\n    return [1 // n]\n"
    )
    (tmp_path / "far_spending.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    far = importlib.import_module("far_spending").far
    for n in (1, 0):
        report = Report()
        call = Call("t", 1, {"n": n}, {}, LocalArtifacts("unused"), None, report)
        if n:
            assert await far.run(call) == [1]
        else:
            with pytest.raises(ZeroDivisionError):
                await far.run(call)
        assert (report.usd, report.joules, report.tokens) == (0.5, 3.0, 7)


@pytest.mark.parametrize("amount", [{"usd": -1.0}, {"tokens": -1}, {"joules": float("nan")}, {"usd": float("inf")}])
def test_only_amounts_can_be_spent(amount: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be spent"):
        murakkab.spend(**amount)
