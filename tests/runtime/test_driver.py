"""Jobs on a real event loop: many at once, user code of every kind, failures from every side."""

import asyncio
import sys
import threading
import time
from typing import Any

import anyio
import anyio.to_thread
import pytest

from murakkab.catalog import Limits
from murakkab.errors import BackendError, ConflictError, ExecutorError, NotFoundError, PlanError
from murakkab.ports import Call
from murakkab.runtime.cache import MemoryResultCache
from murakkab.runtime.messages import TaskCancelled
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.spec import CachePolicy, Effect, Retry
from murakkab.types import INT
from tests.fakes import (
    CATALOG,
    FALLBACK,
    OTHER,
    FakeClock,
    FakeExecutor,
    all_of,
    card,
    default,
    does,
    echo,
    reasons,
    running,
    runtime,
    step,
    work,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_is_left")]


# ------------------------------------------------------------------------------------------------------------ parallelism


async def test_a_job_gives_its_outputs_and_a_row_per_attempt() -> None:
    fake = FakeExecutor()
    result = await runtime(fake).run(work(step("a", x=1), step("b", y="${a}")), {})

    assert result.outputs == {"b": {"y": {"x": 1}}}
    assert result.raise_for_status() is result
    assert [(row.task, row.status, row.executor, row.attempt) for row in result.tasks] == [
        ("a", "succeeded", "fake", 1),
        ("b", "succeeded", "fake", 1),
    ]


async def test_independent_tasks_run_at_once() -> None:
    everyone = asyncio.Barrier(50)

    async def meet(call: Call) -> int:
        await everyone.wait()
        return 1

    result = await runtime(FakeExecutor(meet)).run(work(step("a", each="${inputs.xs}")), {"xs": [0] * 50})

    assert result.outputs == {"a": [1] * 50}


async def test_cores_bound_what_runs_at_once_and_are_all_given_back() -> None:
    async def rest(call: Call) -> None:
        await asyncio.sleep(0)

    fake = FakeExecutor(rest, card(needs={"cores": 2.0}))
    slots = SlotTable({"cores": 5.0})
    result = await runtime(fake, slots=slots).run(work(step("a", each="${inputs.xs}"), cards=[fake.card]), {"xs": [0] * 20})

    assert result.status == "succeeded"
    assert fake.most == 2
    assert slots.is_idle()


async def test_jobs_share_the_slots_and_the_most_critical_goes_first() -> None:
    gate = asyncio.Event()

    async def wait(call: Call) -> None:
        await gate.wait()

    fake = FakeExecutor(wait, card(needs={"cores": 1.0}))
    rt = runtime(fake, slots=SlotTable({"cores": 1.0}))
    short, long = work(step("short"), cards=[fake.card]), work(step("l1"), step("l2", x="${l1}"), cards=[fake.card])
    async with running(rt, short, {}) as first, running(rt, short, {}) as second, running(rt, long, {}) as third:
        gate.set()
        await asyncio.wait([first, second, third])

    assert fake.tasks[:2] == ["short", "l1"]
    assert fake.most == 1


async def test_two_thousand_jobs_at_once() -> None:
    fake = FakeExecutor(card=card(needs={"cores": 1.0}))
    slots = SlotTable({"cores": 8.0})
    rt = runtime(fake, slots=slots)
    one = work(step("a"), step("b", x="${a}"), step("c", x="${a}"), step("d", x="${b}", y="${c}"), cards=[fake.card])
    results = await all_of(*(rt.run(one, {}) for _ in range(2000)))

    assert {result.status for result in results} == {"succeeded"}
    assert len({result.job for result in results}) == 2000
    assert slots.is_idle()


async def test_a_blocking_task_does_not_stall_the_others() -> None:
    release = threading.Event()

    async def behave(call: Call) -> str:
        if call.task == "slow":
            await anyio.to_thread.run_sync(release.wait, abandon_on_cancel=True)
        elif call.task == "last":
            release.set()
        return call.task

    result = await runtime(FakeExecutor(behave)).run(work(step("slow"), step("quick"), step("last", x="${quick}")), {})

    assert result.outputs == {"slow": "slow", "last": "last"}


async def test_a_long_chain_of_quick_tasks_lets_others_have_their_turn() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.ensure_future(count())
    chain = [step("s0"), *(step(f"s{i}", after=(f"s{i - 1}",)) for i in range(1, 1000))]
    await runtime(FakeExecutor()).run(work(*chain), {})
    counter.cancel()
    await asyncio.wait([counter])

    assert turns >= 5


async def test_a_start_rate_spaces_tasks() -> None:
    fake = FakeExecutor(card=card(limits=Limits(rate_per_second=10.0)))
    slots = SlotTable({"executor:fake": 100.0}, {"executor:fake": 10.0})
    began = time.perf_counter()
    result = await runtime(fake, slots=slots).run(work(step("a", each="${inputs.xs}"), cards=[fake.card]), {"xs": [0] * 4})

    assert result.status == "succeeded"
    assert time.perf_counter() - began >= 0.29
    assert slots.is_idle()


async def test_a_start_rate_by_a_clock_that_stands_still_lets_one_task_through() -> None:
    second = asyncio.Event()

    async def behave(call: Call) -> None:
        if len(fake.calls) == 2:
            second.set()

    clock = FakeClock()
    fake = FakeExecutor(behave)
    slots = SlotTable({"executor:fake": 100.0}, {"executor:fake": 1000.0})
    rt = runtime(fake, slots=slots, clock=clock)
    async with running(rt, work(step("a", each="${inputs.xs}")), {"xs": [0] * 3}) as job:
        await asyncio.sleep(0.02)
        assert len(fake.calls) == 1
        clock.now += 0.001
        await asyncio.wait_for(second.wait(), 10)
        assert len(fake.calls) == 2
        clock.now += 0.001
        assert (await job).status == "succeeded"


async def test_a_full_executor_with_a_start_rate_does_not_keep_the_loop_busy() -> None:
    release = asyncio.Event()

    async def wait(call: Call) -> None:
        await release.wait()

    slots = SlotTable({"executor:fake": 1.0}, {"executor:fake": 1e6})
    rt = runtime(FakeExecutor(wait), slots=slots)
    async with running(rt, work(step("a", each="${inputs.xs}")), {"xs": [0] * 3}) as job:
        await asyncio.sleep(0.01)
        loop: Any = asyncio.get_running_loop()
        timers = [handle for handle in loop._scheduled if not handle.cancelled() and "_rate_due" in repr(handle)]
        assert timers == []
        release.set()
        assert (await job).status == "succeeded"


# ---------------------------------------------------------------------------------------------------------------- failures


async def test_an_exception_of_user_code_fails_the_task_with_its_name() -> None:
    result = await runtime(FakeExecutor(does(ValueError("no such thing")))).run(work(step("a")), {})

    assert result.status == "failed"
    assert [str(failure) for failure in result.failures] == ["a: exception: ValueError: no such thing"]


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


class Strange(BaseException):
    pass


@pytest.mark.parametrize(
    "raised", [SystemExit(3), Strange("odd"), BaseExceptionGroup("many", [Strange()]), Unprintable(), StopAsyncIteration()]
)
async def test_whatever_user_code_raises_ends_its_task_and_not_the_process(raised: BaseException) -> None:
    result = await runtime(FakeExecutor(does(raised, "fine"))).run(work(step("a"), step("b")), {})

    assert result.status == "failed"
    assert reasons(result) == ["exception"]


INTERRUPTED = """
import asyncio, os, signal
import murakkab

@murakkab.step
async def interrupted() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(5)
    return ''

@murakkab.workflow
def one() -> str:
    return interrupted()

loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(one.arun())
except KeyboardInterrupt:
    print("interrupted")
    os._exit(0)
"""


async def test_the_interrupt_of_the_keyboard_is_not_for_a_task_to_catch() -> None:
    """It arrives in whatever code runs, on a loop that does not listen for it itself."""
    done = await anyio.run_process([sys.executable, "-u", "-c", INTERRUPTED], check=False)
    assert done.stdout == b"interrupted\n", done.stderr


async def test_where_ctrl_c_cannot_come_from_the_interrupt_is_the_own_of_the_task() -> None:
    async def main() -> JobResult:
        return await runtime(FakeExecutor(does(KeyboardInterrupt()))).run(work(step("a")), {})

    result = await anyio.to_thread.run_sync(lambda: asyncio.run(main()))
    assert (result.status, reasons(result)) == ("failed", ["exception"])


async def test_a_task_that_raises_cancelled_by_itself_has_failed_and_the_job_goes_on() -> None:
    fake = FakeExecutor(does(asyncio.CancelledError(), "fine", "also"))
    result = await runtime(fake).run(work(step("a", retry=2), step("b")), {})

    assert result.outputs == {"a": "also", "b": "fine"}


async def test_a_task_that_awaits_something_cancelled_has_failed() -> None:
    async def behave(call: Call) -> None:
        other = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(other.cancel)
        await other

    result = await runtime(FakeExecutor(behave)).run(work(step("a")), {})

    assert reasons(result) == ["cancelled"]


async def test_a_task_that_cancels_its_own_asyncio_task_harms_no_other() -> None:
    async def behave(call: Call) -> str:
        if call.task == "a":
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
        else:
            await asyncio.sleep(0)
        return call.task

    chain = [step("a"), *(step(f"b{i}", after=("a",)) for i in range(5))]
    result = await runtime(FakeExecutor(behave)).run(work(*chain), {})

    assert result.outputs == {f"b{i}": f"b{i}" for i in range(5)}


async def test_an_executor_says_whether_a_retry_can_help() -> None:
    hopeless = ExecutorError("bad input", reason="bad-input", retryable=False)
    fake = FakeExecutor(does(ExecutorError("busy"), hopeless))
    result = await runtime(fake).run(work(step("a", retry=5)), {})

    assert len(fake.calls) == 2
    assert reasons(result) == ["bad-input"]


async def test_a_backend_that_is_down_is_worth_a_retry() -> None:
    fake = FakeExecutor(does(BackendError("full", retry_after=0.0), NotFoundError("gone")))
    result = await runtime(fake).run(work(step("a", retry=5)), {})

    assert [row.status for row in result.tasks] == ["failed", "failed"]
    assert reasons(result) == ["not-found"]


async def test_a_retry_waits_as_long_as_it_says() -> None:
    fake = FakeExecutor(does(ValueError(), ValueError(), "fine"))
    began = time.perf_counter()
    result = await runtime(fake).run(work(step("a", retry=Retry(3, delay=0.05, backoff=2.0, jitter=0.0))), {})

    assert result.outputs == {"a": "fine"}
    assert time.perf_counter() - began >= 0.149
    assert [call.attempt for call in fake.calls] == [1, 2, 3]


async def test_a_fallback_is_run_by_the_other_executor_without_the_knobs_of_the_first() -> None:
    fake, other = FakeExecutor(does(ValueError())), FakeExecutor(echo, OTHER)
    result = await runtime(fake, other).run(work(step("a", on_error=FALLBACK, x=1, knobs={"speed": 3})), {})

    assert result.outputs == {"a": {"x": 1}}
    assert (fake.calls[0].knobs, other.calls[0].knobs) == ({"speed": 3}, {})
    assert [(row.executor, row.status) for row in result.tasks] == [("fake", "failed"), ("other", "succeeded")]


async def test_knobs_may_be_references() -> None:
    fake = FakeExecutor(does({"s": 7}, None))
    await runtime(fake).run(work(step("a"), step("b", knobs={"speed": "${a.s}"})), {})

    assert fake.calls[1].knobs == {"speed": 7}


async def test_a_default_stands_in() -> None:
    fake = FakeExecutor(does(ValueError(), "fine"))
    result = await runtime(fake).run(work(step("a", on_error=default("spare")), step("b", x="${a}")), {})

    assert fake.calls[1].inputs == {"x": "spare"}
    assert result.status == "succeeded"


async def test_a_result_of_the_wrong_type_is_refused() -> None:
    one = work(step("a", retry=3))
    typed = work(step("a"))
    node = one.graph.nodes["a"]
    object.__setattr__(node, "result", INT)
    result = await runtime(FakeExecutor(does("seven"))).run(one, {})

    assert reasons(result) == ["bad-result"]
    assert typed.graph.nodes["a"].result.kind == "any"


async def test_a_timeout_stops_the_attempt() -> None:
    stopped: list[str] = []

    async def behave(call: Call) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            stopped.append(call.task)
            raise

    result = await runtime(FakeExecutor(behave)).run(work(step("a", timeout=0.01)), {})

    assert reasons(result) == ["timeout"]
    assert stopped == ["a"]


async def test_a_timeout_error_of_user_code_is_its_own() -> None:
    result = await runtime(FakeExecutor(does(TimeoutError("mine")))).run(work(step("a", timeout=30.0)), {})

    assert [str(failure) for failure in result.failures] == ["a: exception: TimeoutError: mine"]


async def test_user_code_may_use_timeouts_of_its_own() -> None:
    async def behave(call: Call) -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(30)
        except TimeoutError:
            return call.task
        return "too fast"

    result = await runtime(FakeExecutor(behave)).run(work(step("a"), step("b", x="${a}"), step("c", x="${b}")), {})

    assert result.outputs == {"c": "c"}


async def test_a_job_past_its_deadline_is_stopped() -> None:
    async def behave(call: Call) -> None:
        await asyncio.sleep(30)

    result = await runtime(FakeExecutor(behave)).run(work(step("a"), step("b", x="${a}"), timeout=0.01), {})

    assert reasons(result) == ["deadline"]
    assert [row.status for row in result.tasks] == ["cancelled"]


# ------------------------------------------------------------------------------------------------------------------- cache


async def test_a_kept_result_is_taken_and_says_so() -> None:
    fake = FakeExecutor(does("first"))
    rt = runtime(fake, cache=MemoryResultCache())
    one = work(step("a", x=1, cache=CachePolicy(), effect=Effect.PURE))
    await rt.run(one, {})
    result = await rt.run(one, {})

    assert result.outputs == {"a": "first"}
    assert [row.cached for row in result.tasks] == [True]
    assert len(fake.calls) == 1


async def test_a_kept_result_expires() -> None:
    clock = FakeClock()
    fake = FakeExecutor(does("first", "second"))
    rt = runtime(fake, cache=MemoryResultCache(), clock=clock)
    one = work(step("a", cache=CachePolicy(ttl=60.0), effect=Effect.PURE))
    await rt.run(one, {})
    clock.now += 61.0

    assert (await rt.run(one, {})).outputs == {"a": "second"}


@pytest.mark.parametrize("failure", [ValueError("no"), "not a number"])
async def test_failures_are_never_kept(failure: Any) -> None:
    fake = FakeExecutor(does(failure, 7))
    rt = runtime(fake, cache=MemoryResultCache())
    one = work(step("a", cache=CachePolicy(), effect=Effect.PURE))
    object.__setattr__(one.graph.nodes["a"], "result", INT)
    assert (await rt.run(one, {})).status == "failed"

    assert (await rt.run(one, {})).outputs == {"a": 7}


# --------------------------------------------------------------------------------------------------------------- preparing


async def test_an_executor_that_is_not_installed_is_a_plan_error() -> None:
    with pytest.raises(PlanError, match="step 'a' needs executor 'fake', which is not installed"):
        await runtime(FakeExecutor(card=OTHER)).run(work(step("a")), {})


async def test_a_resource_that_does_not_exist_is_a_plan_error() -> None:
    fake = FakeExecutor(card=card(needs={"gpu": 1.0}))

    with pytest.raises(PlanError, match="executor 'fake' needs 'gpu', of which this process has none"):
        await runtime(fake).run(work(step("a"), cards=[fake.card]), {})


async def test_a_job_id_can_be_used_once_at_a_time() -> None:
    release = asyncio.Event()

    async def wait(call: Call) -> None:
        await release.wait()

    rt = runtime(FakeExecutor(wait))
    one = work(step("a"))
    async with running(rt, one, {}, job="j") as job:
        with pytest.raises(ConflictError, match="'j' is running"):
            await rt.run(one, {}, job="j")
        release.set()
        assert (await job).status == "succeeded"
    assert (await rt.run(one, {}, job="j")).status == "succeeded"


# ------------------------------------------------------------------------------------------------------------- performance


async def test_waiting_in_a_long_queue_costs_nothing_per_event() -> None:
    """Ten thousand tasks wait for one core: what each start costs does not depend on how many wait."""
    fake = FakeExecutor(card=card(needs={"cores": 1.0}))
    rt = runtime(fake, slots=SlotTable({"cores": 1.0, "executor:fake": 1e6}, {"executor:fake": 1e9}))
    one = work(step("a", each="${inputs.xs}"), cards=[fake.card])
    began = time.perf_counter()
    result = await rt.run(one, {"xs": [0] * 10_000})

    assert result.status == "succeeded"
    assert time.perf_counter() - began < 10


def test_the_catalog_of_the_fakes_has_both() -> None:
    assert [one.name for one in CATALOG.providers("work")] == ["fake", "other"]


async def test_a_cancelled_row_has_the_executor_that_was_chosen() -> None:
    async def behave(call: Call) -> None:
        await asyncio.sleep(30)

    rt = runtime(FakeExecutor(behave))
    async with running(rt, work(step("a")), {}, job="j") as job:
        rt.cancel("j")
        result = await job

    assert isinstance(result.history[-1], TaskCancelled)
    assert [(row.executor, row.status) for row in result.tasks] == [("fake", "cancelled")]
