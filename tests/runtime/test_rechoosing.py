"""Choosing again while a job runs: late is quicker, early is cheaper, and a way that fails is left for another."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Quote
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.errors import BackendError, ExecutorError
from murakkab.optimizer.choose import decide
from murakkab.optimizer.situation import Situation
from murakkab.ports import Call
from murakkab.rechoosing.again import Again
from murakkab.runtime.driver import Work, replay
from murakkab.runtime.fork import branched
from murakkab.runtime.messages import ChoicesChanged, TaskFailed
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.spec import Effect, Goal, OnError, Rescue, Retry, Step
from tests.fakes import WORK, FakeClock, FakeExecutor, graph, runtime, step

QUICK = ExecutorCard("quick", "work", "", effect=Effect.PURE, needs=Needs(1.0), quote=Quote(1.0, 4.0, 50.0, 0.5, "measured"))
SLOW = ExecutorCard("slow", "work", "", effect=Effect.PURE, needs=Needs(1.0), quote=Quote(4.0, 1.0, 10.0, 0.9, "measured"))
CARDS = {card.name: card for card in (QUICK, SLOW)}
CATALOG = Catalog({"work": WORK}, CARDS)
VIEW = ClusterView({"cpu": Pool("cpu", DeviceKind("cpu", Device.CPU), 4.0)})
CHAIN = (step("a"), step("b", x="${a}"), step("c", x="${b}"), step("d", x="${c}"))
Answer = float | Exception


def decided(steps: Sequence[Step], goal: Goal, **inputs: Any) -> Work:
    """Return *steps* with the best choices for the goal, to be made again."""
    made = graph(*steps, catalog=CATALOG)
    decision = decide(made, CATALOG, goal, Situation(VIEW, inputs=inputs, capacity={"cores": 4.0}))
    return Work(made, decision.deployment, again=partial(Again, decision))


class Bench:
    """Executors that take as long as they are told to on a clock of their own: `seconds` by executor and task, `values` by task."""

    def __init__(self, seconds: Mapping[tuple[str, str], Answer], values: Mapping[str, Any] | None = None, *, turns: int = 0) -> None:
        self.clock = FakeClock()
        #: How often each attempt lets the others go first.
        self.turns = turns
        self.seconds = seconds
        self.values = values or {}
        self.by: list[tuple[str, str]] = []
        self.executors = [FakeExecutor(partial(self._does, card), card) for card in CARDS.values()]

    async def _does(self, card: ExecutorCard, call: Call) -> Any:
        self.by.append((call.task, card.name))
        for _ in range(self.turns):
            await asyncio.sleep(0)
        answer = self.seconds.get((card.name, call.task), card.quote.seconds)
        if isinstance(answer, Exception):
            raise answer
        self.clock.now += answer
        return self.values.get(call.task, call.task)

    def run(self, work: Work, **inputs: Any) -> JobResult:
        """Return how a job ended."""

        async def job() -> JobResult:
            rt = runtime(*self.executors, slots=SlotTable({"cores": 4.0}), clock=self.clock)
            return await rt.run(work, {"xs": None, "flag": None, **inputs})

        return asyncio.run(job())


def changes(result: JobResult) -> list[ChoicesChanged]:
    return [event for event in result.history if isinstance(event, ChoicesChanged)]


def dead(reason: str = "worker-died") -> ExecutorError:
    return ExecutorError("gone", reason=reason, retryable=False)


# ----------------------------------------------------------------------------------------------------------- between steps


def test_what_is_as_expected_stays_as_it_is() -> None:
    work = decided(CHAIN, Goal(("energy",), {"latency": 13.0}))
    bench = Bench({})
    result = bench.run(work)
    assert result.status == "succeeded"
    assert sorted(name for _, name in bench.by) == ["quick", "slow", "slow", "slow"]
    assert changes(result) == []
    assert result.deployment == work.deployment


def test_a_job_that_is_late_goes_on_quicker() -> None:
    work = decided(CHAIN, Goal(("energy",), {"latency": 13.0}))
    first = work.deployment.choices["a"].executor
    bench = Bench({(first.name, "a"): first.quote.seconds + 5.0})
    result = bench.run(work)
    assert result.status == "succeeded"
    assert bench.clock.now - 1000.0 <= 13.0
    (change, *_) = changes(result)
    assert "times what was expected" in change.why
    assert change.why.endswith("to keep the limits")
    assert {path: choice.executor.name for path, choice in result.deployment.choices.items()} == dict(bench.by)


def test_a_job_that_is_early_takes_its_time_and_saves() -> None:
    work = decided(CHAIN, Goal(("energy",), {"latency": 8.0}))
    planned = sum(choice.executor.quote.joules or 0.0 for choice in work.deployment.choices.values())
    bench = Bench({(name, "a"): 0.1 for name in CARDS})
    result = bench.run(work)
    taken = sum(CARDS[name].quote.joules or 0.0 for _, name in bench.by)
    assert taken < planned
    assert bench.clock.now - 1000.0 <= 8.0
    assert changes(result)[0].why.endswith("there is room for better")


def test_a_list_that_is_longer_than_expected_is_seen_before_its_tasks_begin() -> None:
    """Four elements are assumed: of forty, the slow way would take ten times as long."""
    steps = (step("a"), step("b", each="${a}", x="${item}"))
    work = decided(steps, Goal(("energy",), {"latency": 20.0}))
    assert work.deployment.choices["b"].executor.name == "slow"
    bench = Bench({}, {"a": list(range(40))})
    result = bench.run(work)
    assert {name for task, name in bench.by if task.startswith("b")} == {"quick"}
    assert [change.why for change in changes(result)] == ["lists have other lengths than expected: to keep the limits"]


def test_a_step_that_has_begun_is_left_alone() -> None:
    """The other one, beside it, may change: it comes later."""
    steps = (step("a", x=1), step("b", x=2), step("c", x="${a}", y="${b}"))
    work = decided(steps, Goal(("energy",), {"latency": 8.0}))
    bench = Bench({("slow", "a"): 6.5})
    result = bench.run(work)
    begun = {task for task, _ in bench.by[:2]}
    assert all(not begun & change.choices.keys() for change in changes(result))
    assert dict(bench.by)["c"] == "quick"


# ---------------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("goal", [Goal(("energy",)), Goal(("energy",), {"latency": 40.0})], ids=["separate", "together"])
def test_a_way_that_fails_for_good_is_left_for_another(goal: Goal) -> None:
    work = decided(CHAIN, goal)
    bench = Bench({("slow", "b"): dead()})
    result = bench.run(work)
    assert result.status == "succeeded"
    assert bench.by == [("a", "slow"), ("b", "slow"), ("b", "quick"), ("c", "slow"), ("d", "slow")]
    (change,) = changes(result)
    assert change.choices == {"b": {"executor": "quick", "knobs": {}, "pool": "cpu"}}
    assert change.why == "slow failed (worker-died)"
    assert result.deployment.choices["b"].why == "slow failed (worker-died)"
    assert replay(work.graph, result.history).finished == "succeeded"


def test_what_is_not_there_is_asked_no_more() -> None:
    work = decided(CHAIN, Goal(("energy",)))
    bench = Bench({("slow", "b"): BackendError("the engine at port 1 does not answer")})
    result = bench.run(work)
    assert result.status == "succeeded"
    assert bench.by == [("a", "slow"), ("b", "slow"), ("b", "quick"), ("c", "quick"), ("d", "quick")]


def test_where_all_ways_fail_the_job_fails_with_the_last() -> None:
    work = decided(CHAIN, Goal(("energy",)))
    bench = Bench({("slow", "b"): dead(), ("quick", "b"): dead("timeout")})
    result = bench.run(work)
    assert (result.status, [failure.reason for failure in result.failures]) == ("failed", ["timeout"])
    assert bench.by == [("a", "slow"), ("b", "slow"), ("b", "quick")]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (step("a"), "bad-input"),
        (step("a", effect=Effect.WRITE), "worker-died"),
        (step("a", executor="slow"), "worker-died"),
    ],
    ids=["the input is wrong", "the world may have changed", "asked for"],
)
def test_where_another_way_would_not_do_the_failure_stands(one: Step, reason: str) -> None:
    bench = Bench({("slow", "a"): dead(reason)})
    result = bench.run(decided((one,), Goal(("energy",))))
    assert [failure.reason for failure in result.failures] == [reason]
    assert bench.by == [("a", "slow")]


def test_attempts_that_are_left_come_first() -> None:
    bench = Bench({("slow", "a"): ExecutorError("busy", reason="worker-died")})
    result = bench.run(decided((step("a", retry=Retry(2, delay=0.0)),), Goal(("energy",))))
    assert result.status == "succeeded"
    assert bench.by == [("a", "slow"), ("a", "slow"), ("a", "quick")]


def test_what_the_file_says_about_errors_comes_after_other_ways_and_a_fallback_before() -> None:
    bench = Bench({("slow", "a"): dead()})
    assert bench.run(decided((step("a", on_error=OnError(Rescue.SKIP)),), Goal(("energy",)))).status == "succeeded"
    bench = Bench({("slow", "a"): dead()})
    result = bench.run(decided((step("a", on_error=OnError(Rescue.FALLBACK, fallback="quick")),), Goal(("energy",))))
    assert (result.status, changes(result)) == ("succeeded", [])


def test_the_tasks_of_a_map_that_ran_beside_the_one_that_failed_are_done_anew() -> None:
    steps = (step("a", each="${inputs.xs}", x="${item}"),)
    work = decided(steps, Goal(("energy",)), xs=[1, 2, 3])
    bench = Bench({("slow", "a[0]"): dead(), ("slow", "a[2]"): dead()}, turns=8)
    result = bench.run(work, xs=[1, 2, 3])
    assert result.status == "succeeded"
    assert sorted(bench.by) == [("a[0]", "quick"), ("a[0]", "slow"), ("a[1]", "slow"), ("a[2]", "quick"), ("a[2]", "slow")]
    assert len(changes(result)) == 1
    assert sum(isinstance(event, TaskFailed) for event in result.history) == 2


def test_who_branches_off_takes_over_what_was_chosen_again() -> None:
    work = decided(CHAIN, Goal(("energy",)))
    result = Bench({("slow", "b"): dead()}).run(work)
    branch = branched(work.graph, result.history, "d", job="old", now=2000.0)
    assert list(branch.kept) == ["a", "b", "c"]
    assert replay(work.graph, branch.events).choices.keys() == {"b"}


def test_drift_counts_like_what_was_observed() -> None:
    work = decided(CHAIN, Goal(("energy",), {"latency": 13.0}))
    assert work.again is not None
    again = work.again()
    bench = Bench({})
    result = bench.run(Work(work.graph, work.deployment, again=lambda: again))
    assert changes(result) == []
    again = work.again()
    again.drifted("slow", 3.0)
    result = bench.run(Work(work.graph, work.deployment, again=lambda: again))
    assert changes(result)[0].why.startswith("slow takes 3 times what it did")
