"""One running job: how it is stopped, what it hears, what steps may not do to each other, and what a broken journal does to it."""

import asyncio
import contextvars
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from murakkab.errors import BackendError, NotFoundError
from murakkab.ports import Call
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.messages import Event, TaskFailed, TaskStarted, TaskSucceeded
from murakkab.runtime.slots import SlotTable
from murakkab.spec import Effect
from tests.fakes import FakeExecutor, all_of, card, does, reasons, running, runtime, step, work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_is_left")]


# -------------------------------------------------------------------------------------------------------------- cancelling


async def test_cancelling_reaches_running_tasks_and_waiting_ones() -> None:
    stopped: list[str] = []

    async def behave(call: Call) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            stopped.append(call.task)

    fake = FakeExecutor(behave, card(needs={"cores": 1.0}))
    slots = SlotTable({"cores": 2.0})
    rt = runtime(fake, slots=slots)
    one = work(step("a", each="${inputs.xs}"), step("b", x="${a}"), cards=[fake.card])
    async with running(rt, one, {"xs": [0] * 5}, job="j") as job:
        rt.cancel("j", "enough")
        result = await job

    assert result.status == "cancelled"
    assert sorted(stopped) == ["a[0]", "a[1]"]
    assert [row.status for row in result.tasks] == ["cancelled"] * 5
    assert slots.is_idle()


async def test_cancelling_lets_go_of_a_thread() -> None:
    release = threading.Event()

    async def behave(call: Call) -> None:
        await anyio.to_thread.run_sync(release.wait, abandon_on_cancel=True)

    rt = runtime(FakeExecutor(behave))
    async with running(rt, work(step("a")), {}, job="j") as job:
        await asyncio.sleep(0.01)
        rt.cancel("j")
        result = await job
    release.set()

    assert result.status == "cancelled"


async def test_a_task_that_finishes_although_it_is_stopped_has_finished() -> None:
    async def behave(call: Call) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "done anyway"
        return "never"

    rt = runtime(FakeExecutor(behave))
    async with running(rt, work(step("a")), {}, job="j") as job:
        rt.cancel("j")
        result = await job

    assert result.status == "cancelled"
    assert [row.status for row in result.tasks] == ["succeeded"]


async def test_a_task_may_clean_up_and_fail_while_it_is_stopped() -> None:
    async def behave(call: Call) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            raise ValueError("while cleaning up") from None

    rt = runtime(FakeExecutor(behave))
    async with running(rt, work(step("a"), step("b")), {}, job="j") as job:
        rt.cancel("j")
        result = await job

    assert result.status == "cancelled"
    assert [row.status for row in result.tasks] == ["failed", "failed"]


async def test_a_step_may_cancel_its_own_job() -> None:
    async def behave(call: Call) -> str:
        if call.task == "a":
            rt.cancel("j", "the step said so")
        return call.task

    rt = runtime(FakeExecutor(behave))
    chain = [step("a"), *(step(f"b{i}", after=("a" if not i else f"b{i - 1}",)) for i in range(500))]
    result = await rt.run(work(*chain), {}, job="j")

    assert result.status == "cancelled"


async def test_cancelling_a_job_that_does_not_run_is_refused() -> None:
    with pytest.raises(NotFoundError, match="'j' does not run here"):
        runtime(FakeExecutor()).cancel("j")


async def test_cancelling_run_itself_stops_every_attempt_and_gives_everything_back() -> None:
    stopped: list[str] = []

    async def behave(call: Call) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            stopped.append(call.task)

    fake = FakeExecutor(behave, card(needs={"cores": 1.0}))
    slots, journal = SlotTable({"cores": 2.0}), MemoryJournal()
    rt = runtime(fake, slots=slots, journal=journal)
    async with running(rt, work(step("a", each="${inputs.xs}"), cards=[fake.card]), {"xs": [0] * 5}) as job:
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    assert sorted(stopped) == ["a[0]", "a[1]"]
    assert slots.is_idle()
    assert [one.status for one in journal.jobs()] == ["interrupted"]


async def test_cancelling_run_before_a_granted_task_began_gives_its_slots_back() -> None:
    fake = FakeExecutor(card=card(needs={"cores": 1.0}))
    slots = SlotTable({"cores": 2.0})
    rt = runtime(fake, slots=slots)
    job = asyncio.ensure_future(rt.run(work(step("a"), step("b"), step("c"), cards=[fake.card]), {}))
    await asyncio.sleep(0)
    assert not slots.is_idle()
    job.cancel()
    await asyncio.wait([job])

    assert fake.calls == []
    assert slots.is_idle()


async def test_a_scope_around_run_may_be_cancelled() -> None:
    async def behave(call: Call) -> None:
        await asyncio.sleep(30)

    rt = runtime(FakeExecutor(behave))
    with anyio.move_on_after(0.01) as scope:
        await rt.run(work(step("a"), step("b")), {})

    assert scope.cancelled_caught


# ------------------------------------------------------------------------------------------------------------ context, loop

VARIABLE: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="clean")


class Incomparable:
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth of this is ambiguous")

    __hash__ = None  # type: ignore[assignment]


async def test_what_a_step_sets_in_its_context_does_not_reach_the_next() -> None:
    async def behave(call: Call) -> Any:
        seen = VARIABLE.get()
        VARIABLE.set(f"dirt of {call.task}")
        if call.task.endswith(("1", "3")):
            await asyncio.sleep(0)
        return seen

    steps = [step("s0"), *(step(f"s{i}", x=f"${{s{i - 1}}}") for i in range(1, 6)), *(step(f"t{i}", after=("s2",)) for i in range(5))]
    result = await runtime(FakeExecutor(behave)).run(work(*steps, outputs={one.name: f"${{{one.name}}}" for one in steps}), {})

    assert set(result.outputs.values()) == {"clean"}


async def test_nor_does_it_through_slots_or_retries_or_other_jobs() -> None:
    failures = iter([True, False])

    async def behave(call: Call) -> Any:
        seen = VARIABLE.get()
        VARIABLE.set(f"dirt of {call.task}")
        if call.task == "r" and next(failures):
            raise ValueError
        await asyncio.sleep(0)
        return seen

    fake = FakeExecutor(behave, card(needs={"cores": 1.0}))
    rt = runtime(fake, slots=SlotTable({"cores": 1.0}))
    one = work(step("a"), step("b"), step("c", x="${b}"), step("r", retry=2), cards=[fake.card])
    VARIABLE.set("clean")
    results = await all_of(rt.run(one, {}), rt.run(work(step("a"), step("b"), cards=[fake.card]), {}))

    assert {value for result in results for value in result.outputs.values()} == {"clean"}


async def test_a_step_sees_the_context_of_whoever_runs_the_job() -> None:
    async def behave(call: Call) -> Any:
        return VARIABLE.get()

    token = VARIABLE.set("caller")
    result = await runtime(FakeExecutor(behave)).run(work(step("a"), step("b", x="${a}")), {})
    VARIABLE.reset(token)

    assert result.outputs == {"b": "caller"}


async def test_values_that_cannot_be_compared_do_no_harm() -> None:
    async def behave(call: Call) -> str:
        VARIABLE.set(Incomparable())
        return call.task

    token = VARIABLE.set(Incomparable())
    result = await runtime(FakeExecutor(behave)).run(work(step("a"), step("b", x="${a}"), step("c", x="${b}")), {})
    VARIABLE.reset(token)

    assert result.outputs == {"c": "c"}


# --------------------------------------------------------------------------------------------------------------- observers


async def test_observers_hear_every_event_in_order_with_starts() -> None:
    heard: list[tuple[str, str]] = []

    def listen(job: str, event: Event) -> None:
        heard.append((type(event).__name__, getattr(event, "task", job)))

    await runtime(FakeExecutor()).run(work(step("a"), step("b", x="${a}")), {}, job="j", observers=[listen])

    assert heard == [
        ("JobSubmitted", "j"),
        ("TaskStarted", "a"),
        ("TaskSucceeded", "a"),
        ("TaskStarted", "b"),
        ("TaskSucceeded", "b"),
    ]


async def test_an_observer_may_cancel_the_job_in_the_middle_of_an_event() -> None:
    journal = MemoryJournal()

    def listen(job: str, event: Event) -> None:
        if isinstance(event, TaskSucceeded):
            rt.cancel(job)

    rt = runtime(FakeExecutor(), journal=journal)
    chain = [step("s0"), *(step(f"s{i}", after=(f"s{i - 1}",)) for i in range(1, 300))]
    one = work(*chain)
    result = await rt.run(one, {}, job="j", observers=[listen])

    assert result.status == "cancelled"
    assert list(journal.read("j")[1]) == list(result.history)


async def test_an_observer_that_raises_ends_the_job_with_its_error() -> None:
    def listen(job: str, event: Event) -> None:
        if isinstance(event, TaskStarted) and event.task == "b":
            raise RuntimeError("cannot draw")

    with pytest.raises(RuntimeError, match="cannot draw"):
        await runtime(FakeExecutor()).run(work(step("a"), step("b", x="${a}")), {}, observers=[listen])


# ------------------------------------------------------------------------------------------------------------ broken journal


class FullDisk(MemoryJournal):
    """Fails from the n-th write on."""

    def __init__(self, writes: int, *, method: str = "append") -> None:
        super().__init__()
        self.left = writes
        self.method = method

    def _count(self, method: str) -> None:
        if method == self.method:
            self.left -= 1
            if self.left < 0:
                raise BackendError("the journal cannot be written: No space left on device")

    def append(self, job: str, event: Event) -> None:
        self._count("append")
        super().append(job, event)

    def flush(self) -> None:
        self._count("flush")

    def finish(self, job: str, status: str, time: float) -> None:
        self._count("append")
        super().finish(job, status, time)


@pytest.mark.parametrize("method", ["append", "flush"])
@pytest.mark.parametrize("writes", range(8))
async def test_a_journal_that_breaks_surfaces_and_nothing_hangs(writes: int, method: str) -> None:
    async def rest(call: Call) -> None:
        await asyncio.sleep(0)

    fake = FakeExecutor(rest, card(needs={"cores": 1.0}, effect=Effect.IRREVERSIBLE))
    slots = SlotTable({"cores": 2.0})
    rt = runtime(fake, slots=slots, journal=FullDisk(writes, method=method))
    one = work(*(step(f"s{i}") for i in range(8)), cards=[fake.card])

    with pytest.raises(BackendError, match="No space left"):
        await rt.run(one, {})
    assert slots.is_idle()


@pytest.mark.parametrize("method", ["append", "flush"])
async def test_an_irreversible_task_does_not_begin_when_that_cannot_be_written_down(method: str) -> None:
    fake = FakeExecutor(card=card(effect=Effect.IRREVERSIBLE))
    rt = runtime(fake, journal=FullDisk(1, method=method))

    with pytest.raises(BackendError):
        await rt.run(work(step("a"), step("b"), cards=[fake.card]), {})
    assert fake.calls == []


async def test_the_start_of_an_irreversible_task_is_flushed_before_it_begins() -> None:
    written: list[str] = []

    class Watched(MemoryJournal):
        def append(self, job: str, event: Event) -> None:
            written.append(type(event).__name__)
            super().append(job, event)

        def flush(self) -> None:
            written.append("flush")

    async def behave(call: Call) -> None:
        written.append("effect")

    fake = FakeExecutor(behave, card(effect=Effect.IRREVERSIBLE))
    await runtime(fake, journal=Watched()).run(work(step("a"), cards=[fake.card]), {})

    begun = written.index("TaskStarted")
    assert written[begun : begun + 3] == ["TaskStarted", "flush", "effect"]


async def test_a_value_that_cannot_be_journalled_is_a_failed_task() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for value in (object(), {1: 2}, float("nan"), {"x": {1, 2}}, circle, b"bytes"):
        result = await runtime(FakeExecutor(does(value)), journal=MemoryJournal()).run(work(step("a", retry=3)), {})

        assert reasons(result) == ["bad-result"], value
        assert isinstance(result.history[-1], TaskFailed)


async def test_text_that_is_not_utf8_can_be_journalled() -> None:
    journal = MemoryJournal()
    for i, value in enumerate(["\udcff.txt", {"name": "\udcff", "ü": 1}]):
        result = await runtime(FakeExecutor(does(value)), journal=journal).run(work(step("a")), {}, job=f"j{i}")

        assert result.status == "succeeded"
        assert next(e.value for e in journal.read(f"j{i}")[1] if isinstance(e, TaskSucceeded)) == value
