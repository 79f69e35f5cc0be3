"""What an attempt costs: what it says it spent, else the price of the card, and never what another one spent."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

import murakkab
from murakkab.catalog import ExecutorCard, Quote
from murakkab.plan import Node
from murakkab.ports import Call
from murakkab.runtime.attempt import Desk, attempt, way_of
from murakkab.runtime.messages import StartTask, TaskFailed, TaskSucceeded
from murakkab.steps import CURRENT
from murakkab.types import INT
from murakkab_cluster.energy import NoMeter, ReplayMeter
from murakkab_executors.python import PythonExecutor
from tests.attempts import node_of, outside_of, tried
from tests.fakes import FakeExecutor, does, runtime, step, work

PRICED = ExecutorCard("fake", "work", "", quote=Quote(usd=0.5))


def billed(event: TaskSucceeded | TaskFailed) -> tuple[float, float | None, int]:
    return event.usd, event.joules, event.tokens


async def spends(behave: Any, node: Node | None = None, **outside: Any) -> tuple[float, float | None, int]:
    return billed(await tried(FakeExecutor(behave, card=PRICED), node or node_of(), outside_of(**outside)))


@pytest.mark.parametrize("limit", [None, 5.0])
async def test_what_an_attempt_says_it_spent_is_billed_however_it_ends(limit: float | None) -> None:
    """Money is accounted per attempt: a failed call to a model is paid for, too."""

    async def behave(call: Call) -> Any:
        call.report.usd, call.report.tokens = 0.125, 100
        murakkab.spend(joules=3.0, tokens=11)
        if call.inputs["x"] == 1:
            raise ValueError
        return call.inputs["x"]

    fake, node = FakeExecutor(behave, card=PRICED), node_of(INT, timeout=limit)
    for x in (1, 2, "no number"):
        assert billed(await tried(fake, node, outside_of(), inputs={"x": x})) == (0.125, 3.0, 111)


async def test_who_says_nothing_pays_the_price_of_the_card_for_what_succeeds() -> None:
    assert await spends(does(1)) == (0.5, None, 0)
    assert await spends(does(ValueError())) == (0.0, None, 0)
    assert await spends(does("text"), node_of(INT)) == (0.0, None, 0)

    async def tokens_only(call: Call) -> int:
        murakkab.spend(tokens=7)
        return 1

    async def nothing(call: Call) -> int:
        murakkab.spend(usd=0.0)
        return 1

    assert await spends(tokens_only) == (0.5, None, 7)
    assert await spends(nothing) == (0.0, None, 0)


async def test_how_much_work_it_was_is_told_and_costs_nothing() -> None:
    async def behave(call: Call) -> int:
        murakkab.spend(units=2.5)
        murakkab.spend(units=1)
        return 1

    async def wrong(call: Call) -> int:
        call.report.units = float("nan")
        return 1

    async def told(behave: Any) -> tuple[float, float | None]:
        event = await tried(FakeExecutor(behave, card=PRICED), node_of(), outside_of())
        assert isinstance(event, TaskSucceeded)
        return event.usd, event.units

    assert [await told(one) for one in (behave, wrong, does(1))] == [(0.5, 3.5), (0.5, None), (0.5, None)]
    with pytest.raises(ValueError, match="cannot be spent"):
        murakkab.spend(units=-1)


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -1.0, "a lot", [1]])
async def test_a_figure_that_is_none_does_not_break_the_books(nonsense: Any) -> None:
    async def behave(call: Call) -> int:
        call.report.usd = call.report.joules = call.report.tokens = nonsense
        return 1

    assert await spends(behave) == (0.5, None, 0)


async def test_one_attempt_does_not_pay_for_another_on_the_same_desk() -> None:
    async def behave(call: Call) -> int:
        if call.inputs["x"] == 1:
            murakkab.spend(usd=1.0)
        return 1

    async def silent(x: int) -> int:
        if x == 1:
            murakkab.spend(usd=1.0)
        return 1

    desk, outside, node = Desk(1.0, lambda event: None), outside_of(), node_of()
    CURRENT.set(desk)
    for executor, target, free in ((FakeExecutor(behave, card=PRICED), None, 0.5), (PythonExecutor(), silent, 0.0)):
        prepared = way_of(node, executor, knobs={}, target=target, needs={}, outside=outside)
        assert prepared.is_silent is (target is not None)
        events = [await attempt("j1", StartTask("s", node, {"x": x}), prepared, outside, desk) for x in (1, 2)]
        assert [event.usd for event in events] == [1.0, free]


async def test_what_runs_on_after_its_time_spends_for_nobody() -> None:
    release, left = asyncio.Event(), asyncio.Event()

    async def stubborn(call: Call) -> int:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        murakkab.spend(usd=5.0)
        left.set()
        return 1

    desk, outside = Desk(0.01, lambda event: None), outside_of(grace=0.01)
    CURRENT.set(desk)
    events = []
    for behave, limit in ((stubborn, 0.01), (does(1), None)):
        node = node_of(timeout=limit)
        prepared = way_of(node, FakeExecutor(behave), knobs={}, target=None, needs={}, outside=outside)
        events.append(await attempt("j1", StartTask("s", node, {}), prepared, outside, desk))
        release.set()
        await left.wait()
    assert [event.usd for event in events] == [0.0, 0.0]


async def test_an_energy_budget_counts_what_the_machine_takes() -> None:
    """Nobody else knows what a function took: the meter does, from the end of one attempt to the end of the next."""
    fake = FakeExecutor()
    rt = runtime(fake, meter=ReplayMeter([100.0, 100.0, 130.0, 190.0, 195.0]))
    result = await rt.run(work(step("a"), step("b", x="${a}"), step("c", x="${b}")), {}, budget={"energy": 80.0})

    assert result.status == "paused"
    assert "90 of 80 J" in str(result.failures[0])
    assert [(row.task, row.joules) for row in result.tasks] == [("a", 30.0), ("b", 60.0)]
    assert len(fake.calls) == 2


async def test_what_a_step_says_of_its_energy_stands(caplog: pytest.LogCaptureFixture) -> None:
    async def behave(call: Call) -> int:
        murakkab.spend(joules=7.0)
        return 1

    rt = runtime(FakeExecutor(behave), meter=ReplayMeter([0.0, 0.0, 50.0, 100.0]))
    result = await rt.run(work(step("a"), step("b", x="${a}")), {}, budget={"energy": 80.0})

    assert result.status == "succeeded"
    assert [row.joules for row in result.tasks] == [7.0, 7.0]
    assert not caplog.records


async def test_a_budget_of_energy_that_nobody_measures_is_no_silent_promise(caplog: pytest.LogCaptureFixture) -> None:
    await runtime(FakeExecutor(), meter=NoMeter()).run(work(step("a")), {}, job="unseen", budget={"energy": 80.0})

    assert [record.getMessage() for record in caplog.records] == [
        "job unseen: energy is not measured here; its budget counts only the joules that steps and executors report"
    ]
