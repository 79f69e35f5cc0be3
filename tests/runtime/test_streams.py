"""Attempts that give their result element by element."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio.to_thread
import pytest

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.runtime.attempt import Desk, attempt, way_of
from murakkab.runtime.cache import MemoryResultCache
from murakkab.runtime.messages import StartTask, TaskFailed, TaskSucceeded, TaskYielded
from murakkab.types import INT
from murakkab_executors.python import PythonExecutor
from tests.attempts import CACHED, emits, heard, node_of, outside_of, streams, tried
from tests.fakes import FakeClock, FakeExecutor


async def test_elements_are_told_as_they_come_and_counted() -> None:
    clock, into = FakeClock(7.0), list[Any]()
    event = await heard(FakeExecutor(emits(5, 6)), streams(INT), outside_of(clock=clock), into)

    assert into == [TaskYielded(7.0, "s", 0, 5), TaskYielded(7.0, "s", 1, 6)]
    assert isinstance(event, TaskSucceeded)
    assert event.value == [5, 6]


async def test_a_step_that_gives_no_elements_has_its_result_told_as_elements() -> None:
    into: list[Any] = []
    await heard(FakeExecutor(emits(5, returns=[5, 6, 7])), streams(INT), outside_of(), into)

    assert [(event.number, event.value) for event in into] == [(0, 5), (1, 6), (2, 7)]


async def test_an_element_of_the_wrong_type_ends_the_attempt_and_nobody_hears_of_it() -> None:
    into: list[Any] = []
    event = await heard(FakeExecutor(emits(5, "6")), streams(INT), outside_of(), into)

    assert isinstance(event, TaskFailed)
    assert (event.reason, event.retryable) == ("bad-result", False)
    assert event.message == "element 1 of its result is not what the step promises: int is wanted, str is given"
    assert [element.value for element in into] == [5]


@pytest.mark.parametrize("result", [[5, 7], [5], "text", {"a": 1}])
async def test_a_result_that_is_not_what_was_told_is_none(result: Any) -> None:
    event = await heard(FakeExecutor(emits(5, 6, returns=result)), replace(node_of(), streams=True), outside_of(), [])

    assert isinstance(event, TaskFailed)
    assert (event.reason, event.retryable) == ("bad-result", False)


async def test_an_element_that_an_earlier_attempt_gave_otherwise_ends_the_attempt() -> None:
    """The elements are in use: a second attempt that gives others must not go on as if nothing had happened."""

    def owner(event: Any) -> None:
        raise ExecutorError("not what an earlier attempt gave", reason="stream-diverged", retryable=False)

    outside, node, closed = outside_of(), streams(), threading.Event()

    def numbers() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    for executor, target in ((FakeExecutor(emits(1)), None), (PythonExecutor(), numbers)):
        prepared = way_of(node, executor, knobs={}, target=target, needs={}, outside=outside)
        event = await attempt("j1", StartTask("s", node, {}), prepared, outside, Desk(1.0, owner))
        assert isinstance(event, TaskFailed)
        assert (event.reason, event.retryable) == ("stream-diverged", False)
    await anyio.to_thread.run_sync(closed.wait, 10)
    assert closed.is_set()


async def test_nobody_hears_of_elements_that_come_too_late() -> None:
    release, refused = asyncio.Event(), asyncio.Event()

    async def late(call: Call) -> Any:
        assert call.report.emit is not None
        call.report.emit(1)
        with suppress(asyncio.CancelledError):
            await release.wait()
        await release.wait()
        with pytest.raises(ExecutorError, match="the attempt is over"):
            call.report.emit(2)
        refused.set()

    into: list[Any] = []
    event = await heard(FakeExecutor(late), streams(timeout=0.01), outside_of(grace=0.01), into)
    release.set()
    await refused.wait()
    assert isinstance(event, TaskFailed)
    assert event.reason == "timeout"
    assert [element.value for element in into] == [1]


async def test_a_stream_keeps_to_its_timeout() -> None:
    async def endless() -> Any:
        while True:
            yield 1

    into: list[Any] = []
    event = await heard(PythonExecutor(), streams(INT, timeout=0.02), outside_of(), into, target=endless, inputs={})

    assert isinstance(event, TaskFailed)
    assert event.reason == "timeout"
    assert [element.number for element in into] == list(range(len(into)))


async def test_a_cached_stream_gives_all_its_elements_at_once() -> None:
    fake, outside, node = FakeExecutor(emits(*range(200))), outside_of(cache=MemoryResultCache()), streams(INT, cache=CACHED)
    told = []
    for _ in range(2):
        into: list[Any] = []
        event = await heard(fake, node, outside, into)
        assert isinstance(event, TaskSucceeded)
        told.append([element.value for element in into])

    assert event.cached
    assert told == [list(range(200))] * 2
    assert len(fake.calls) == 1


async def test_a_stream_that_failed_half_way_is_not_kept() -> None:
    async def breaks(call: Call) -> Any:
        assert call.report.emit is not None
        call.report.emit(1)
        if call.attempt == 1:
            raise ValueError
        return [1]

    outside, node = outside_of(cache=MemoryResultCache()), streams(INT, cache=CACHED)
    events = [await tried(FakeExecutor(breaks), node, outside, attempt=number) for number in (1, 2)]

    assert [type(event) for event in events] == [TaskFailed, TaskSucceeded]
    assert not events[1].cached  # type: ignore[union-attr]
