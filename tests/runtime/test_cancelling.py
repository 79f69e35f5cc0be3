"""Cancelling reaches everything that runs, gives back what it held, and says so where something would not be stopped."""

import asyncio
import logging
import threading
from contextlib import suppress
from typing import Any

import anyio.to_thread
import pytest

import murakkab
from murakkab.ports import Call
from murakkab.runtime.attempts import _BURST
from murakkab.runtime.messages import Event, TaskCancelled, TaskFailed, TaskSucceeded
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab_executors.calling import beside_loop
from tests.fakes import FakeExecutor, card, default, running, runtime, step, work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_is_left")]

STUBBORN = "it runs on in spite of being cancelled"


class Deaf:
    """A coroutine that will not be cancelled until it is released."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, call: Call) -> str:
        murakkab.spend(usd=0.5, tokens=3)
        self.begun.set()
        while not self.released.is_set():
            with suppress(asyncio.CancelledError):
                await self.released.wait()
        murakkab.spend(usd=99.0)
        self.ended.set()
        return "too late"

    async def release(self) -> None:
        self.released.set()
        await self.ended.wait()
        await asyncio.sleep(0)


def ends(result: JobResult) -> list[Event]:
    return [event for event in result.history if isinstance(event, TaskSucceeded | TaskFailed | TaskCancelled)]


async def test_a_coroutine_that_will_not_be_cancelled_does_not_hold_up_its_job() -> None:
    deaf, slots = Deaf(), SlotTable({"cores": 1.0})
    fake = FakeExecutor(deaf, card(needs={"cores": 1.0}))
    rt = runtime(fake, slots=slots, grace=0.02)
    async with running(rt, work(step("a"), step("b"), cards=[fake.card]), {}, job="j") as job:
        await deaf.begun.wait()
        rt.cancel("j")
        result = await job
    assert result.status == "cancelled"
    (event,) = (event for event in ends(result) if isinstance(event, TaskCancelled) and event.left)
    assert (event.task, event.left, event.usd, event.tokens, event.executor) == ("a", STUBBORN, 0.5, 3, "fake")
    assert 0.02 <= event.time - event.started < 5.0
    assert slots.is_idle()

    await deaf.release()
    assert slots.is_idle()


async def test_others_go_on_when_one_was_left_behind() -> None:
    deaf = Deaf()

    async def behave(call: Call) -> str:
        if call.task == "deaf":
            return await deaf(call)
        await asyncio.sleep(0)
        return call.task

    chain = [step("a0", after=("deaf",)), *(step(f"a{i}", after=(f"a{i - 1}",)) for i in range(1, 2 * _BURST))]
    one = work(step("deaf", timeout=0.01, on_error=default("gone")), *chain)
    async with running(runtime(FakeExecutor(behave), grace=0.01), one, {}) as job:
        result = await job
    assert result.status == "succeeded"
    assert [event.message for event in ends(result) if isinstance(event, TaskFailed)] == [
        f"no result within 0.01 s, and {STUBBORN}; raise its `timeout`, or look why it is slow",
    ]
    await deaf.release()


async def test_a_thread_is_asked_to_end_and_said_to_run_on_where_it_does_not() -> None:
    begun, release, asked = threading.Semaphore(0), threading.Event(), threading.Event()

    def listens() -> None:
        begun.release()
        try:
            while True:
                murakkab.check_cancelled()
        finally:
            asked.set()

    def stubborn() -> None:
        begun.release()
        release.wait(10)

    async def behave(call: Call) -> None:
        await beside_loop(listens if call.task == "listens" else stubborn, report=call.report)

    rt = runtime(FakeExecutor(behave), grace=0.05)
    async with running(rt, work(step("listens"), step("stubborn")), {}, job="j") as job:
        for _ in range(2):
            await anyio.to_thread.run_sync(begun.acquire, True, 10)
        rt.cancel("j")
        result = await job
    release.set()

    assert asked.is_set()
    assert {event.task: event.left for event in ends(result) if isinstance(event, TaskCancelled)} == {
        "listens": "",
        "stubborn": "its thread runs on",
    }


async def test_cancelling_costs_what_was_spent_until_then() -> None:
    async def behave(call: Call) -> None:
        call.report.usd, call.report.joules, call.report.tokens = 0.25, 4.0, 7
        await asyncio.sleep(30)

    rt = runtime(FakeExecutor(behave))
    async with running(rt, work(step("a")), {}, job="j") as job:
        await asyncio.sleep(0.02)
        rt.cancel("j")
        result = await job
    (event,) = ends(result)
    assert isinstance(event, TaskCancelled)
    assert (event.usd, event.joules, event.tokens, event.executor) == (0.25, 4.0, 7, "fake")
    assert event.time - event.started >= 0.02


async def test_an_interrupted_job_leaves_stubborn_work_behind_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Stopping twice must end the process's work on a job, whatever its steps think of it."""
    deaf, slots = Deaf(), SlotTable({"cores": 1.0})
    fake = FakeExecutor(deaf, card(needs={"cores": 1.0}))
    rt = runtime(fake, slots=slots, grace=0.02)
    job = asyncio.ensure_future(rt.run(work(step("a"), cards=[fake.card]), {}, job="j"))
    await deaf.begun.wait()
    with caplog.at_level(logging.WARNING, "murakkab"):
        job.cancel()
        await asyncio.wait([job], timeout=10)
    assert job.cancelled()
    assert caplog.messages == [f"job j: a was interrupted; {STUBBORN}"]
    assert slots.is_idle()
    await deaf.release()
    assert slots.is_idle()


async def test_an_interrupted_thread_is_said_to_run_on(caplog: pytest.LogCaptureFixture) -> None:
    begun, release = threading.Event(), threading.Event()

    def stubborn() -> None:
        begun.set()
        release.wait(10)

    async def behave(call: Call) -> None:
        await beside_loop(stubborn, report=call.report)

    job = asyncio.ensure_future(runtime(FakeExecutor(behave), grace=0.02).run(work(step("a")), {}, job="j"))
    await anyio.to_thread.run_sync(begun.wait, 10)
    with caplog.at_level(logging.WARNING, "murakkab"):
        job.cancel()
        await asyncio.wait([job], timeout=10)
    release.set()
    assert caplog.messages == ["job j: a was interrupted; its thread runs on"]


async def test_an_attempt_that_was_cancelled_by_itself_leaves_no_mark_on_the_next() -> None:
    """The worker that ran it would have been interrupted in the middle of somebody else's attempt."""
    seen: list[str] = []

    async def behave(call: Call) -> Any:
        seen.append(call.task)
        if call.task == "a":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        else:
            await asyncio.sleep(0)
        return call.task

    steps = [step("a"), *(step(f"b{i}", after=("a" if not i else f"b{i - 1}",)) for i in range(5))]
    result = await runtime(FakeExecutor(behave)).run(work(*steps), {})
    assert result.status == "succeeded"
    assert len(seen) == 6


async def test_what_one_worker_does_next_is_not_billed_to_what_was_cancelled() -> None:
    async def behave(call: Call) -> Any:
        if call.task == "slow":
            murakkab.spend(usd=1.0)
            await asyncio.sleep(30)
        return call.task

    rt = runtime(FakeExecutor(behave))
    chain = [step("a0"), *(step(f"a{i}", after=(f"a{i - 1}",)) for i in range(1, 20))]
    result = await rt.run(work(step("slow", timeout=0.01), *chain), {})
    assert {event.usd for event in ends(result) if isinstance(event, TaskSucceeded)} == {0.0}
    assert [event.usd for event in ends(result) if isinstance(event, TaskFailed)] == [1.0]
