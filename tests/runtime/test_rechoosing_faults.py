"""What may go wrong around choosing again: defects, ways that cannot be had, crashes at any moment, budgets; who is told what was done."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from murakkab.catalog import Catalog, ExecutorCard, Needs, Quote
from murakkab.observing import observations_of
from murakkab.optimizer.choose import Decision, decide
from murakkab.optimizer.situation import Situation
from murakkab.plan import Choice
from murakkab.ports import Call, JobHeader
from murakkab.rechoosing.again import Again, Change
from murakkab.runtime.choices import Earlier, choice_at, read_back
from murakkab.runtime.codec import decoded, encoded
from murakkab.runtime.driver import Work, replay
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.messages import ChoicesChanged, Command, Event, FinishJob, JobSubmitted, TaskFailed, TaskSucceeded
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.state import JobState
from murakkab.spec import Goal, Retry, Step, Wait
from tests.fakes import WORK, FakeExecutor, graph, runtime, started, step
from tests.runtime.test_rechoosing import CHAIN, QUICK, SLOW, VIEW, Bench, changes, dead, decided

NEEDY = replace(QUICK, name="needy", needs=Needs(1.0, {"tape": 1.0}), quote=Quote(0.5, 0.1, 0.1, 0.9, "measured"))


class _Broken(Again):
    """Has a defect in one of its methods."""

    def __init__(self, decision: Decision, method: str) -> None:
        super().__init__(decision)
        setattr(self, method, self._break)

    def _break(self, *_: Any) -> None:
        raise ZeroDivisionError("a defect")


@pytest.mark.parametrize("method", ["hear", "before", "begin", "after_failure", "accept", "_now"])
def test_a_defect_in_choosing_again_leaves_the_job_as_it_was_chosen(method: str, caplog: pytest.LogCaptureFixture) -> None:
    decision = _decision(CHAIN, Goal(("energy",), {"latency": 13.0}), (QUICK, SLOW))
    work = Work(decision.graph, decision.deployment, again=lambda: _Broken(decision, method))
    first = decision.deployment.choices["a"].executor
    bench = Bench({(first.name, "a"): 5.0 + first.quote.seconds, ("slow", "c"): dead(), ("quick", "d"): dead()})
    with caplog.at_level(logging.ERROR):
        result = bench.run(work)
    assert result.status in ("succeeded", "failed")
    assert "a defect" in caplog.text
    assert replay(work.graph, result.history).finished == result.status


def _decision(steps: Sequence[Step], goal: Goal, cards: Sequence[ExecutorCard], **inputs: Any) -> Decision:
    catalog = Catalog({"work": WORK}, {card.name: card for card in cards})
    made = graph(*steps, catalog=catalog)
    return decide(made, catalog, goal, Situation(VIEW, inputs=inputs, capacity={"cores": 4.0}))


@pytest.mark.parametrize("goal", [Goal(("quality",)), Goal(("quality",), {"latency": 40.0})], ids=["separate", "together"])
def test_a_way_that_cannot_be_had_is_passed_over_for_the_next(goal: Goal) -> None:
    """There is no tape here: the first choice is overruled, and the next best comes next."""
    decision = _decision(CHAIN[:1], goal, (replace(NEEDY, quote=replace(NEEDY.quote, quality=0.8)), QUICK, SLOW))
    work = Work(decision.graph, decision.deployment, again=partial(Again, decision))
    bench = Bench({("slow", "a"): dead()})
    bench.executors.append(FakeExecutor(card=NEEDY))
    result = bench.run(work)
    assert result.status == "succeeded"
    assert bench.by == [("a", "slow"), ("a", "quick")]
    assert [change.choices["a"]["executor"] for change in changes(result)] == ["quick"]


# ------------------------------------------------------------------------------------------------------- what counts as news


def test_time_lost_in_attempts_that_fail_is_made_good() -> None:
    late = (step("a", retry=Retry(3, delay=0.0)), *CHAIN[1:])
    work = decided(late, Goal(("energy",), {"latency": 13.0}))
    bench = Bench({})
    does, tries = bench._does, []

    async def slowly(card: ExecutorCard, call: Call) -> Any:
        if call.task == "a" and not tries:
            tries.append(card.name)
            bench.clock.now += 3.0
            raise dead_but_retryable()
        return await does(card, call)

    bench.executors = [FakeExecutor(partial(slowly, card), card) for card in (QUICK, SLOW)]
    result = bench.run(work)
    assert result.status == "succeeded"
    assert bench.clock.now - 1000.0 <= 13.0
    assert changes(result)[0].why.endswith("to keep the limits")


def dead_but_retryable() -> Exception:
    return type(dead())("busy", reason="worker-died")


def test_a_hair_too_late_is_too_late_for_a_limit() -> None:
    """Half a hundredth of the whole is no news, but for a limit that it breaks."""
    work = decided(CHAIN, Goal(("energy",), {"latency": 13.0}))
    first = work.deployment.choices["a"].executor
    bench = Bench({(first.name, "a"): first.quote.seconds + 0.05})
    result = bench.run(work)
    assert result.status == "succeeded"
    assert bench.clock.now - 1000.0 <= 13.0


def test_a_step_that_waits_for_a_time_does_not_make_every_look_a_change() -> None:
    steps = (step("a"), step("nap", uses="", wait=Wait(seconds=0.0001), after=("a",)), step("b", x="${a}", after=("nap",)))
    work = decided(steps, Goal(("energy",), {"latency": 30.0}))
    result = Bench({("slow", "a"): 5.0}).run(work)
    assert (result.status, changes(result)) == ("succeeded", [])


def test_an_empty_list_leaves_time_to_save() -> None:
    steps = (step("a"), step("b", each="${a}", max_parallel=1, x="${item}"), step("c", x="${b}"))
    work = decided(steps, Goal(("energy",), {"latency": 9.0}))
    bench = Bench({}, {"a": []})
    result = bench.run(work)
    assert result.status == "succeeded"
    assert work.deployment.choices["c"].executor.name == "quick"
    assert dict(bench.by)["c"] == "slow"


def test_a_step_that_is_passed_over_leaves_time_to_save() -> None:
    steps = (step("a"), step("b", x="${a}", when="inputs.flag"), step("c", x="${a}", after=("b",)))
    work = decided(steps, Goal(("energy",), {"latency": 6.0}))
    bench = Bench({})
    result = bench.run(work, flag=False)
    assert result.status == "succeeded"
    seconds = {"quick": 1.0, "slow": 4.0}
    left = 6.0 - seconds[dict(bench.by)["a"]]
    assert dict(bench.by)["c"] == ("slow" if left >= 4.0 else "quick")


def test_tasks_that_wait_for_slots_are_done_in_the_new_way() -> None:
    work = decided((step("a", each="${inputs.xs}", x="${item}"),), Goal(("energy",)), xs=[1, 2, 3])
    bench = Bench({("slow", f"a[{n}]"): dead() for n in range(3)})

    async def job() -> JobResult:
        rt = runtime(*bench.executors, slots=SlotTable({"cores": 1.0}), clock=bench.clock)
        return await rt.run(work, {"xs": [1, 2, 3], "flag": None})

    result = asyncio.run(job())
    assert result.status == "succeeded"
    assert [name for _, name in bench.by].count("slow") == 1
    assert sorted(task for task, name in bench.by if name == "quick") == ["a[0]", "a[1]", "a[2]"]


# ------------------------------------------------------------------------------------------------------------------ crashes


@pytest.mark.parametrize("goal", [Goal(("energy",)), Goal(("energy",), {"latency": 40.0})], ids=["separate", "together"])
def test_killed_at_any_moment_a_job_goes_on_as_it_was_chosen_last(goal: Goal) -> None:
    work = decided(CHAIN, goal)
    whole = Bench({("slow", "b"): dead()}).run(work).history
    assert any(isinstance(event, ChoicesChanged) for event in whole)
    for count in range(1, len(whole)):
        past = whole[:count]
        bench = Bench({("slow", "b"): dead()})
        bench.clock.now = 2000.0
        result = asyncio.run(_resumed(bench, work, past))
        assert result.status == "succeeded"
        assert dict(bench.by).get("b", "quick") == "quick"
        known = [event for event in past if isinstance(event, ChoicesChanged)]
        assert (("b", "slow") in bench.by) == (not known)
        assert replay(work.graph, result.history).finished == "succeeded"


async def _resumed(bench: Bench, work: Work, past: Sequence[Event]) -> JobResult:
    journal = MemoryJournal()
    journal.create(JobHeader("j", work.document, work.chosen, {"xs": None, "flag": None}, 1000.0, work.forecast))
    for event in past:
        journal.append("j", event)
    journal.finish("j", "interrupted", 1500.0)
    rt = runtime(*bench.executors, slots=SlotTable({"cores": 4.0}), clock=bench.clock, journal=journal)
    return await rt.resume("j", work)


def test_a_job_whose_new_executor_is_gone_goes_on_as_it_was_chosen_first() -> None:
    work = decided(CHAIN, Goal(("energy",)))
    past = [*Bench({}).run(work).history[:2], ChoicesChanged(1004.5, {"b": {"executor": "gone", "knobs": {}}})]
    bench = Bench({})
    assert asyncio.run(_resumed(bench, work, past)).status == "succeeded"
    assert dict(bench.by)["b"] == "slow"


def test_a_change_reads_back_as_it_was_written_and_as_it_used_to_be_written() -> None:
    event = ChoicesChanged(1.0, {"a": {"executor": "quick", "knobs": {"k": [1]}, "pool": "cpu"}}, "late", {"a": {"cost": 1.0}})
    assert decoded("ChoicesChanged", encoded(event)) == event
    old = decoded("ChoicesChanged", '[1.0,{"a":{"executor":"quick","knobs":{}}},"late"]')
    assert old == ChoicesChanged(1.0, {"a": {"executor": "quick", "knobs": {}}}, "late", None)


# ------------------------------------------------------------------------------------------------------------------ budgets


def _told(*events: Event) -> tuple[JobState, list[Command]]:
    state = JobState(graph(*CHAIN[:2]))
    commands: list[Command] = []
    for event in events:
        commands = state.handle(event)
    return state, commands


def test_a_budget_expects_of_a_step_what_its_new_way_takes() -> None:
    submitted = JobSubmitted(0.0, {}, {"cost": 5.0}, {"b": {"cost": 1.0}})
    done = TaskSucceeded(1.0, "a", 1, 0.0, usd=2.0)
    _, commands = _told(submitted, done)
    assert started(commands) == ["b"]
    state, commands = _told(submitted, ChoicesChanged(0.5, {"b": {"executor": "x", "knobs": {}}}, "", {"b": {"cost": 4.0}}), done)
    (finish,) = commands
    assert isinstance(finish, FinishJob)
    assert (finish.status, state.purse is not None and state.purse.why_paused()) == (
        "paused",
        "cost: 2 of 5 USD is spent, and b is expected to take 4",
    )


@pytest.mark.parametrize(("cost", "quick"), [(9.0, 1), (100.0, 3)])
def test_who_has_to_hurry_does_not_spend_more_than_the_budget_leaves(cost: float, quick: int) -> None:
    """Done as planned it costs 7 USD; what is quicker costs 10 and more, and pausing for want of money would be no quicker."""
    work = decided(CHAIN, Goal(("energy",), {"latency": 13.0}))
    first = work.deployment.choices["a"].executor
    bench = Bench({(first.name, "a"): first.quote.seconds + 1.5})

    async def job() -> JobResult:
        rt = runtime(*bench.executors, slots=SlotTable({"cores": 4.0}), clock=bench.clock)
        return await rt.run(work, {"xs": None, "flag": None}, budget={"cost": cost})

    result = asyncio.run(job())
    assert result.status == "succeeded"
    assert result.usd <= cost
    assert [name for _, name in bench.by].count("quick") == quick
    assert all(event.expected is not None and event.expected.keys() == event.choices.keys() for event in changes(result))


# ------------------------------------------------------------------------------------------------- who did what, afterwards


def _other(name: str, **knobs: Any) -> Choice:
    return Choice("a", replace(SLOW, name=name), knobs, pool="cpu")


def test_an_attempt_was_done_by_what_was_chosen_when_it_began() -> None:
    one, two, three = _other("x", speed=1), _other("y"), _other("x", speed=2)
    earlier = [Earlier(10.0, one), Earlier(20.0, two)]
    at: Callable[..., Choice | None] = partial(choice_at, three, earlier)
    assert at(5.0, "x") is one
    assert at(15.0, "y") is two
    assert at(15.0, "x") is one, "it waited in its old way"
    assert at(25.0, "x") is three
    assert at(25.0, "fallback") is None
    assert choice_at(three, [Earlier(10.0, None)], 5.0, "x") is None


def test_what_is_learned_is_learned_of_the_way_it_was_really_done() -> None:
    work = decided((step("a", each="${inputs.xs}", max_parallel=1, x="${item}"),), Goal(("energy",)), xs=[1, 2, 3])
    result = Bench({("slow", "a[1]"): dead()}).run(work, xs=[1, 2, 3])
    assert [(row.task, row.executor, row.device) for row in result.tasks] == [
        ("a[0]", "slow", "cpu"),
        ("a[1]", "slow", "cpu"),
        ("a[1]", "quick", "cpu"),
        ("a[2]", "quick", "cpu"),
    ]
    assert [(one.setting.executor, one.seconds) for one in observations_of(result)] == [("slow", 4.0), ("quick", 1.0), ("quick", 1.0)]


def test_knobs_alone_may_have_been_changed() -> None:
    """The same executor before and after: each task is booked on the knobs that it was done with."""
    done = [TaskSucceeded(at + 1.0, f"a[{at}]", 1, float(at), executor="slow") for at in range(2)]
    change = ChoicesChanged(1.0, {"a": {"executor": "slow", "knobs": {"speed": 2}}})
    made = graph(step("a", each="${inputs.xs}", x="${item}"))
    deployment = replace(decided(CHAIN[:1], Goal()).deployment, choices={"a": _other("slow", speed=2)})
    earlier = {"a": [Earlier(1.0, _other("slow", speed=1))]}
    result = JobResult("j", "succeeded", {}, graph=made, deployment=deployment, history=[done[0], change, done[1]], earlier=earlier)
    assert [dict(one.setting.knobs)["speed"] for one in observations_of(result)] == [1, 2]


def test_where_a_journal_says_nothing_of_the_pool_another_executor_has_none() -> None:
    base = replace(_other("slow"), pool="gpu", model="m")
    cards = {"slow": SLOW, "quick": QUICK}
    assert read_back("slow", base, cards, {}, "") == replace(base, executor=SLOW)
    other = read_back({"executor": "quick", "knobs": {"model": "n"}}, base, cards, {}, "")
    assert other is not None
    assert (other.pool, other.model) == ("", "n")
    assert read_back("gone", base, cards, {}, "") is None


def test_nothing_is_chosen_again_for_what_nobody_waits_for() -> None:
    """A task that is to be passed over, or that was stopped, may fail as it likes."""
    decision = _decision(CHAIN[:1], Goal(("energy",)), (QUICK, SLOW))
    state = JobState(decision.graph)
    state.handle(JobSubmitted(0.0, {}))
    failed = TaskFailed(1.0, "a", "worker-died", "", retryable=False, started=0.0, executor="slow")
    assert isinstance(Again(decision).after_failure(failed, state), Change)
    state.skipping["a"] = "passed over"
    assert Again(decision).after_failure(failed, state) is None
