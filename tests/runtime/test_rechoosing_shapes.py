"""Choosing again where a job is more than a row of steps: what of blocks, loops, maps and streams is left, and what has been waited for."""

import asyncio
from typing import Any

import pytest

from murakkab.catalog import Catalog, ExecutorCard
from murakkab.optimizer.choose import Decision, decide
from murakkab.optimizer.expected import Seen, expected_counts
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


def test_a_list_inside_of_a_block_that_is_short_does_not_take_less_time_where_all_run_side_by_side() -> None:
    """Two tasks at once take as long as four: half as many are no reason to be slower than the limit allows."""
    steps = (step("a"), block("b", step("i", each="${a}", x="${item}")), step("c", x="${b}"))
    done, _ = went(*steps, of={"length": 2}, latency=9.0)
    assert done.seconds <= 9.0


def test_tasks_that_follow_one_another_fall_into_whole_waves() -> None:
    """Three tasks, two at a time, take two waves: the last is half empty."""
    steps = (step("a"), step("b", each="${inputs.xs}", max_parallel=2, x="${item}", y="${a}"), step("c", x="${b}"))
    for limit in (10.0, 11.5, 13.0, 14.5):
        done, _ = went(*steps, of={"factors": {"a": 1.1}}, latency=limit)
        assert done.seconds <= limit


def test_what_streams_is_not_over_before_its_source() -> None:
    """The map over the stream begins with the first element, and its own work is short; what comes after it waits for the last."""
    steps = (
        step("a"),
        step("b", each="${inputs.xs}", max_parallel=1, x="${item}", y="${a}"),
        step("c", each="${b}", x="${item}"),
        step("d", x="${c}"),
        step("e", x="${d}"),
    )
    for factor in (1.0, 1.3, 1.6):
        done, _ = went(*steps, of={"factors": {"a": factor}}, latency=13.0)
        assert done.seconds <= 13.0


def test_rounds_that_are_left_of_several_steps_follow_one_another() -> None:
    inside = (step("i", n="${loop.index}", x="${a}"), step("j", y="${i}"))
    steps = (step("a"), block("b", *inside, repeat=Repeat(3)), step("c", x="${b}"), step("d", each="${b.o}", x="${a}"))
    del steps
    steps = (step("a"), block("b", *inside, repeat=Repeat(3)), step("c", x="${b}"))
    decision = decided(*steps, latency=20.0)
    looks: list[Any] = []

    class Watched(Again):
        def _now(self, problem: Any, state: Any, failed: str = "") -> Any:
            now = super()._now(problem, state, failed)
            looks.append(now)
            return now

        def before(self, commands: Any, state: Any) -> Any:
            if state.tasks.get("b#1/i") is not None and not any(now.seconds > 5 for now in looks):
                self._news.alarm()
                self._now(self._decision.problem, state)  # type: ignore[arg-type]
            return super().before(commands, state)

    work = Work(decision.graph, decision.deployment, again=lambda: Watched(decision))
    done = run(Plan(list(steps), CARDS, decision.deployment.goal), work)
    seconds = {path: choice.executor.quote.seconds for path, choice in done.result.deployment.choices.items()}
    now = next(now for now in looks if now.seconds > 5)
    rest = [now.settled[path].end - now.settled[path].start for path in ("b/i", "b/j")]
    # The second round begins.
    assert rest == pytest.approx([2 * seconds["b/i"], 2 * seconds["b/j"]])


def test_one_task_of_several_that_is_tried_again_takes_its_whole_time() -> None:
    """Of three that run side by side one has failed: a third of the work is left, but not a third of the time."""
    steps = (
        step("a", each="${inputs.xs}", x="${item}", retry=Retry(2, delay=0.0)),
        step("b", x=1),
        step("c", x="${b}"),
        step("d", x="${a}", y="${c}"),
    )
    for limit in (5.0, 6.0, 8.0, 9.0):
        done, _ = went(*steps, of={"failing": {"a[1]"}}, latency=limit)
        assert done.seconds <= max(limit, 3.0 * min(card.quote.seconds for card in CARDS)) or done.seconds > 8.0


def test_what_is_stopped_is_paid_for_before_its_bill_has_come() -> None:
    """Of three tasks two are needed; the third is stopped as the next step is chosen again, and costs as much as the others."""
    steps = (step("a"), step("b", each="${a}", need=Need(2), x="${item}"), step("c", each="${inputs.xs}", x="${b}", y="${item}"))
    decision = decided(*steps, latency=12.0)
    planned = decision.deployment.estimate
    assert planned is not None
    assert planned.joules is not None
    for joules in (100.0, 160.0, 200.0, 240.0):
        catalog = Catalog({"work": WORK}, {card.name: card for card in CARDS})
        at = Situation(VIEW, inputs={"xs": [1, 2, 3]}, capacity={"cores": CORES})
        made = decide(graph(*steps, catalog=catalog), catalog, Goal(("latency",), {"energy": joules}), at)
        plan = Plan(list(steps), CARDS, made.deployment.goal, length=3)
        done = run(plan, Work(made.graph, made.deployment, again=lambda made=made: Again(made)))  # type: ignore[misc]
        assert done.taken("energy") <= joules


def test_a_map_that_falls_behind_is_late_before_it_ends() -> None:
    """One task after the other: the first took three times as long, and the two that are left have not begun."""
    steps = (
        step("a", each="${inputs.xs}", max_parallel=1, x="${item}"),
        step("b", x=1),
        step("c", x="${b}"),
        step("d", x="${a}", y="${c}"),
    )
    done, by = went(*steps, of={"factors": {"a[0]": 3.0}}, latency=17.0)
    assert by["a"] == "slow"
    assert (by["d"], done.seconds) == ("quick", 21.0)


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
    steps = (step("a"), step("ask", uses="", approve=Approve("Go on?"), after=("a",)), step("b", x="${a}", after=("ask",)), step("c", x="${b}"))
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
