"""Choosing again where a job is more than a row of steps: what of blocks, loops, maps and streams is left, and what has been waited for."""

import asyncio
from functools import partial
from typing import Any

import pytest

from murakkab.catalog import Catalog, ExecutorCard
from murakkab.optimizer.choose import Decision, decide
from murakkab.optimizer.expected import Seen, expected_counts
from murakkab.optimizer.quick import Now, Rechoice
from murakkab.optimizer.situation import Situation
from murakkab.ports import Call
from murakkab.rechoosing import paces
from murakkab.rechoosing.again import Again
from murakkab.runtime.driver import Work
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.messages import Answered, ChoicesChanged
from murakkab.runtime.slots import SlotTable
from murakkab.spec import Approve, Block, Goal, Need, Output, Repeat, Retry, Step
from tests.fakes import WORK, FakeExecutor, expr, graph, runtime, step
from tests.runtime.test_rechoosing import QUICK, SLOW
from tests.runtime.test_rechoosing_language import CAPABILITIES, CORES, PYTHON, Plan, Run, run
from tests.runtime.test_rechoosing_properties import VIEW
from tests.virtual_time import in_virtual_time

CARDS = (QUICK, SLOW)


@pytest.fixture(autouse=True)
def _nothing_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was slow is not taken for a sign that the rest will be."""
    monkeypatch.setattr(paces, "PRIOR", 1e9)


def decided(*steps: Step, **limits: float) -> Decision:
    catalog = Catalog(CAPABILITIES, {card.name: card for card in (*CARDS, PYTHON)})
    at = Situation(VIEW, inputs={"xs": [1, 2, 3]}, capacity={"cores": CORES})
    return decide(graph(*steps, catalog=catalog), catalog, Goal(("energy",), limits), at)


def went(*steps: Step, of: dict[str, Any] | None = None, **limits: float) -> tuple[Run, dict[str, str]]:
    """Return how a job of *steps* went that saves energy within *limits*, and who did each step; *of*: what befalls it."""
    decision = decided(*steps, **limits)
    plan = Plan(list(steps), CARDS, decision.deployment.goal, **(of or {}))
    done = run(plan, Work(decision.graph, decision.deployment, again=lambda: Again(decision)))
    assert done.result.status == "succeeded"
    return done, {path: choice.executor.name for path, choice in done.result.deployment.choices.items()}


def block(name: str, *inner: Step, **parts: Any) -> Step:
    outputs = {"o": Output(expr(f"${{{inner[-1].name}}}"), optional=True)}
    return step(name, uses="", block=Block({one.name: one for one in inner}, outputs), **parts)


def test_a_step_that_is_passed_over_in_a_block_leaves_time_to_save() -> None:
    """The block has not ended yet when the step after it in the same block begins."""
    inside = (step("i", x="${a}", when="inputs.flag"), step("j", y="${a}", after=("i",)), step("k", z="${j}"))
    done, by = went(step("a"), block("b", *inside), latency=10.0)
    assert done.seconds <= 10.0
    assert [by["b/j"], by["b/k"]].count("slow") == (2 if by["a"] == "quick" else 1)


def test_a_list_that_is_short_does_not_take_less_time_where_all_run_side_by_side() -> None:
    """Two tasks at once take as long as four: half as many are no reason to be slower than the limit allows."""
    for limit in (6.0, 7.0, 9.0, 10.0):
        for inner in (step("b", each="${a}", x="${item}"), block("b", step("i", each="${a}", x="${item}"))):
            done, _ = went(step("a"), inner, step("c", x="${b}"), of={"length": 2}, latency=limit)
            assert done.seconds <= limit


def test_tasks_that_follow_one_another_fall_into_whole_waves() -> None:
    """Three tasks, two at a time, take two waves: the last is half empty."""
    steps = (step("a"), step("b", each="${inputs.xs}", max_parallel=2, x="${item}", y="${a}"), step("c", x="${b}"))
    for limit in (10.0, 11.5, 13.0, 14.5):
        done, _ = went(*steps, of={"factors": {"a": 1.1}}, latency=limit)
        assert done.seconds <= limit


def glances(*steps: Step, of: dict[str, Any] | None = None, **limits: float) -> tuple[list[tuple[Now, Rechoice]], dict[str, float]]:
    """Return what each look reckons with and finds, where there is one whenever a step begins; and the seconds of a task of each step."""
    decision = decided(*steps, **limits)
    found: list[tuple[Now, Rechoice]] = []

    class Curious(Again):
        def before(self, commands: Any, state: Any) -> Any:
            self._news.alarm()
            return super().before(commands, state)

        def _rechoice(self, problem: Any, now: Now) -> Rechoice:
            found.append((now, super()._rechoice(problem, now)))
            return found[-1][1]

    plan = Plan(list(steps), CARDS, decision.deployment.goal, **(of or {}))
    done = run(plan, Work(decision.graph, decision.deployment, again=lambda: Curious(decision)))
    return found, {path: choice.executor.quote.seconds for path, choice in done.result.deployment.choices.items()}


def test_what_streams_is_not_over_before_its_source() -> None:
    """The map over the stream begins with the first element, and its own work is short; what comes after it waits for the last."""
    steps = (
        step("b", each="${inputs.xs}", max_parallel=1, x="${item}", executor="slow"),
        step("c", each="${b}", x="${item}", executor="slow"),
        step("d", x="${c}", executor="slow"),
        step("z", x=1, executor="slow"),
        step("y", x="${z}"),
    )
    found, _ = glances(*steps, of={"factors": {"z": 1.1}}, latency=40.0)
    _, answer = next(one for one in found if one[0].seconds == pytest.approx(4.4))
    assert 40.0 - answer.slack["latency"] == pytest.approx(20.0)


def test_rounds_that_are_left_of_several_steps_follow_one_another() -> None:
    """The step beside them begins as the second of three rounds does."""
    inside = (step("i", n="${loop.index}", x="${inputs.flag}", executor="slow"), step("j", y="${i}", executor="quick"))
    steps = (
        block("b", *inside, repeat=Repeat(3)),
        step("z", x=1, executor="slow"),
        step("y", x="${z}"),
        step("c", x="${b}", executor="quick"),
    )
    found, _ = glances(*steps, of={"factors": {"z": 1.3}}, latency=40.0)
    now, answer = next(one for one in found if one[0].seconds == pytest.approx(5.2))
    assert [now.settled[path].end - now.settled[path].start for path in ("b/i", "b/j")] == pytest.approx([7.8, 2.0])
    assert 40.0 - answer.slack["latency"] == pytest.approx(16.0)


def test_one_task_of_several_that_is_tried_again_takes_its_whole_time() -> None:
    """Of three that run side by side one has failed: a third of the work is left, but not a third of the time."""
    steps = (
        step("a", each="${inputs.xs}", x="${item}", retry=Retry(2, delay=1.0, jitter=0.0), executor="slow"),
        step("b", x=1, executor="slow"),
        step("c", x="${b}"),
        step("d", x="${a}", y="${c}", executor="quick"),
    )
    found, _ = glances(*steps, of={"failing": {"a[1]"}, "factors": {"b": 1.1}}, latency=40.0)
    now, _ = next(one for one in found if one[0].seconds == pytest.approx(4.4))
    # It failed at four seconds, begins again at five and takes four.
    assert now.settled["a"].end == pytest.approx(9.0)


def test_a_map_that_falls_behind_is_late_before_it_ends() -> None:
    """One task after the other: the first took three times as long, and the two that are left have not begun."""
    steps = (
        step("a", each="${inputs.xs}", max_parallel=1, x="${item}", executor="slow"),
        step("b", x=1, executor="slow"),
        step("c", x="${b}"),
        step("d", x="${a}", y="${c}", executor="quick"),
    )
    found, _ = glances(*steps, of={"factors": {"a[0]": 3.0, "b": 3.1}}, latency=40.0)
    now, _ = next(one for one in found if one[0].seconds == pytest.approx(12.4))
    assert now.settled["a"].end == pytest.approx(20.0)


def test_what_is_stopped_is_paid_for_before_its_bill_has_come() -> None:
    """Of three tasks two are needed; the third is stopped as the next step is chosen again, and costs as much as the others."""
    steps = (step("a"), step("b", each="${a}", need=Need(2), x="${item}"), step("c", each="${inputs.xs}", x="${b}", y="${item}"))
    catalog = Catalog({"work": WORK}, {card.name: card for card in CARDS})
    at = Situation(VIEW, inputs={"xs": [1, 2, 3]}, capacity={"cores": CORES})
    goal = Goal(("latency", "cost"), {"cost": 17.6})
    made = decide(graph(*steps, catalog=catalog), catalog, goal, at)
    plan = Plan(list(steps), CARDS, goal, length=3, factors={"b[0]": 0.5})
    done = run(plan, Work(made.graph, made.deployment, again=partial(Again, made)))
    # Without that bill there would be room for the quick way.
    assert done.taken("cost") == pytest.approx(9.5)


# -------------------------------------------------------------------------------------------------------- waiting for others


def _busy(loop: asyncio.AbstractEventLoop) -> list[FakeExecutor]:
    async def does(call: Call, card: ExecutorCard) -> Any:
        await asyncio.sleep(card.quote.seconds)
        return call.task

    def made(card: ExecutorCard) -> FakeExecutor:
        return FakeExecutor(lambda call: does(call, card), card)

    return [made(card) for card in CARDS]


def test_waiting_for_the_slots_of_another_job_is_lateness() -> None:
    """The tasks take as long as expected; that the first began late is made good by the others."""
    catalog = Catalog({"work": WORK}, {card.name: card for card in CARDS})
    at = Situation(VIEW, inputs={}, capacity={"cores": 1.0})
    steps = (step("a"), step("b", x="${a}"), step("c", x="${b}"), step("d", x="${c}"))
    decision = decide(graph(*steps, catalog=catalog), catalog, Goal(("energy",), {"latency": 13.0}), at)
    other = decide(graph(step("o"), catalog=catalog), catalog, Goal(("energy",)), at)

    async def both() -> tuple[float, Any]:
        loop = asyncio.get_running_loop()
        rt = runtime(*_busy(loop), slots=SlotTable({"cores": 1.0}), clock=loop.time)
        first = asyncio.ensure_future(rt.run(Work(other.graph, other.deployment), {"xs": None, "flag": None}))
        await asyncio.sleep(0)
        began = loop.time()
        result = await rt.run(Work(decision.graph, decision.deployment, again=lambda: Again(decision)), {"xs": None, "flag": None})
        await first
        return loop.time() - began, result

    seconds, result = in_virtual_time(both())
    assert result.status == "succeeded"
    assert any(isinstance(event, ChoicesChanged) for event in result.history)
    assert seconds <= 13.0


def test_a_person_who_takes_an_hour_makes_no_step_hurry() -> None:
    """While nothing but an answer is waited for the job stands still, and its time does too."""
    steps = (
        step("a"),
        step("ask", uses="", approve=Approve("Go on?"), after=("a",)),
        step("b", x="${a}", after=("ask",)),
        step("c", x="${b}"),
    )
    decision = decided(*steps, latency=13.0)
    before = {path: choice.executor.name for path, choice in decision.deployment.choices.items()}

    async def job() -> Any:
        loop = asyncio.get_running_loop()
        rt = runtime(*_busy(loop), slots=SlotTable({"cores": CORES}), clock=loop.time, journal=MemoryJournal())
        work = Work(decision.graph, decision.deployment, again=lambda: Again(decision))
        result = await rt.run(work, {"xs": None, "flag": None})
        assert result.status == "waiting"
        await asyncio.sleep(3600.0)
        return await rt.resume(result.job, work, events=[Answered(loop.time(), "ask", approved=True, values={})])

    result = in_virtual_time(job())
    assert result.status == "succeeded"
    assert [event for event in result.history if isinstance(event, ChoicesChanged)] == []
    assert {path: choice.executor.name for path, choice in result.deployment.choices.items()} == before


# ------------------------------------------------------------------------------------------------------------- expectations


def test_how_many_tasks_a_nested_map_had_counts_once_and_not_for_each_of_its_loops() -> None:
    made = graph(step("a"), step("b", each={"row": "${a}", "item": "${row}"}, x="${item}"), step("c", each="${b[*]}", x="${item}"))
    counts = expected_counts(made, {}, Seen({"b": 6.0}))
    assert counts["b"].tasks == 6.0


def test_results_that_are_there_tell_how_long_lists_are() -> None:
    made = graph(step("a"), step("b"), step("c", each="${a}", x="${item}", y="${b}"), block("d", step("i", each="${a}", x="${item}")))
    counts = expected_counts(made, {}, results={"a": [1, 2, 3, 4, 5, 6]})
    assert (counts["c"].tasks, counts["d/i"].tasks) == (6.0, 6.0)
    assert expected_counts(made, {})["c"].tasks == 4.0
