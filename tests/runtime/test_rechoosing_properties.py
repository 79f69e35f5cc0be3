"""Choosing again in random jobs, on virtual time: they end, replay, keep what has begun, and keep every limit that some choice keeps."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Quote
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.errors import ExecutorError, PlanError
from murakkab.optimizer.choose import decide
from murakkab.optimizer.situation import Situation
from murakkab.ports import Call
from murakkab.rechoosing import paces
from murakkab.rechoosing.again import Again
from murakkab.runtime.driver import Work, replay
from murakkab.runtime.messages import ChoicesChanged
from murakkab.runtime.records import path_of
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.spec import Effect, Goal, Retry, Step
from tests.fakes import WORK, FakeExecutor, graph, runtime, step
from tests.virtual_time import in_virtual_time

CORES = 64.0
VIEW = ClusterView({"cpu": Pool("cpu", DeviceKind("cpu", Device.CPU), CORES)})
XS = [1, 2, 3]
FACTORS = (0.3, 0.9, 1.0, 1.0005, 1.1, 1.5, 3.0)


@dataclass(frozen=True)
class Plan:
    """A job to be: its steps, the cards that can do them, its goal, and what befalls it. `shape`: by step, what it waits for; and maps."""

    shape: Mapping[str, tuple[str, ...]]
    maps: frozenset[str]
    cards: tuple[ExecutorCard, ...]
    goal: Goal
    #: By step, how many times more than expected its tasks take of time, joules and USD.
    factors: Mapping[str, float] = field(default_factory=dict)
    #: Tasks that fail: by card and task.
    failing: Mapping[tuple[str, str], str] = field(default_factory=dict)
    retry: int = 1

    def steps(self) -> tuple[Step, ...]:
        """Return its steps."""
        each = {name: {"each": "${inputs.xs}"} if name in self.maps else {} for name in self.shape}
        retry = Retry(self.retry, delay=0.5)
        return tuple(
            # Steps with the same inputs would be one.
            step(name, retry=retry, me=name, **each[name], **{f"x{place}": f"${{{need}}}" for place, need in enumerate(needs)})
            for name, needs in self.shape.items()
        )

    def tasks(self, name: str) -> int:
        """Return how many tasks a step has."""
        return len(XS) if name in self.maps else 1


def cards(chance: Random) -> tuple[ExecutorCard, ...]:
    """Return two or three ways, mostly those that are quicker take more of the rest."""
    found = []
    for number in range(chance.choice((2, 3, 3))):
        seconds = chance.choice((1.0, 2.0, 3.0, 5.0, 8.0))
        usd, joules = (chance.choice((1.0, 2.0, 8.0 / seconds, 8.0 / seconds)) for _ in range(2))
        quote = Quote(seconds, usd, joules, chance.choice((0.3, 0.6, 0.9)), "measured")
        found.append(ExecutorCard(f"way{number}", "work", "", effect=Effect.PURE, needs=Needs(1.0), quote=quote))
    return tuple(found)


def plan_of(seed: int, *, with_failures: bool = False, only: str = "") -> Plan:
    """Return a random plan; *only*: what its one limit is on."""
    # Not drawn by Hypothesis, whose simple cases are those in which nothing has to be chosen again.
    chance = Random(seed)
    names = "abcde"[: chance.randint(2, 5)]
    shape = {
        name: tuple(sorted(chance.sample(names[:place], chance.randint(place > 1 or chance.random() < 0.7, min(place, 2)))))
        for place, name in enumerate(names)
        if place
    }
    shape = {"a": (), **shape}
    maps = frozenset(name for name in names if chance.random() < 0.25)
    chosen = cards(chance)
    measure = only or chance.choice(("latency", "cost", "energy", "quality"))
    minimized = chance.choice([one for one in ("latency", "cost", "energy") if one != measure])
    least, most = _extremes(chosen, shape, maps, measure)
    limits = {measure: least + chance.choice((0.0, 0.2, 0.5, 0.8)) * (most - least)} if only or chance.random() < 0.8 else {}
    factors = {name: chance.choice(FACTORS) for name, needs in shape.items() if with_failures or not needs}
    failing: dict[tuple[str, str], str] = {}
    if with_failures:
        tasks = [task for name in names for task in ([f"{name}[{n}]" for n in range(len(XS))] if name in maps else [name])]
        for _ in range(chance.randint(0, 3)):
            failing[chance.choice(chosen).name, chance.choice(tasks)] = chance.choice(
                ("worker-died", "unreachable", "bad-input", "timeout")
            )
    return Plan(shape, maps, chosen, Goal((minimized,), limits), factors, failing, chance.randint(1, 2) if with_failures else 1)


SEEDS = st.integers(0, 10**9)


def _extremes(
    chosen: tuple[ExecutorCard, ...], shape: Mapping[str, tuple[str, ...]], maps: frozenset[str], measure: str
) -> tuple[float, float]:
    values = []
    for card in chosen:
        picks = dict.fromkeys(shape, card)
        values.append(_total(measure, picks, shape, maps, {}))
    return min(values), max(values)


def _total(
    measure: str, picks: Mapping[str, ExecutorCard], shape: Mapping[str, tuple[str, ...]], maps: frozenset[str], known: Mapping[str, float]
) -> float:
    """Return what a job takes whose steps are done by *picks*; *known*: what some of them take, or when they end."""
    counts = {name: len(XS) if name in maps else 1 for name in shape}
    if measure == "quality":
        return sum(card.quote.quality or 0.0 for card in picks.values()) / len(picks)
    if measure == "latency":
        ends: dict[str, float] = {}
        for name, needs in shape.items():
            ends[name] = known.get(name, max((ends[need] for need in needs), default=0.0) + picks[name].quote.seconds)
        return max(ends.values())
    amounts = {name: (card.quote.usd if measure == "cost" else card.quote.joules or 0.0) * counts[name] for name, card in picks.items()}
    return sum({**amounts, **known}.values())


@dataclass
class Run:
    """What happened. `calls`: task, card, when it began, and the executor that was chosen for its step just then."""

    result: JobResult
    calls: list[tuple[str, str, float, str]]
    work: Work
    began: float
    ended: float


def run(plan: Plan) -> Run | None:
    """Return how the job went; None where it is refused before."""
    catalog = Catalog({"work": WORK}, {card.name: card for card in plan.cards})
    made = graph(*plan.steps(), catalog=catalog)
    try:
        decision = decide(made, catalog, plan.goal, Situation(VIEW, inputs={"xs": XS}, capacity={"cores": CORES}, with_others=False))
    except PlanError:
        return None
    return in_virtual_time(_run(plan, Work(made, decision.deployment, again=partial(Again, decision))))


async def _run(plan: Plan, work: Work) -> Run:
    loop = asyncio.get_running_loop()
    calls: list[tuple[str, str, float, str]] = []
    present = {path: choice.executor.name for path, choice in work.deployment.choices.items()}

    async def does(card: ExecutorCard, call: Call) -> Any:
        name = path_of(call.task)
        calls.append((call.task, card.name, loop.time(), present[name]))
        factor = plan.factors.get(name, 1.0)
        await asyncio.sleep(card.quote.seconds * factor)
        if call.report is not None:
            call.report.usd, call.report.joules = card.quote.usd * factor, (card.quote.joules or 0.0) * factor
        if (card.name, call.task) in plan.failing:
            raise ExecutorError("failed", reason=plan.failing[card.name, call.task], retryable=call.attempt < 2)
        return call.task

    def hear(_: str, event: Any) -> None:
        if isinstance(event, ChoicesChanged):
            present.update({path: written["executor"] for path, written in event.choices.items()})

    executors = [FakeExecutor(partial(does, card), card) for card in plan.cards]
    rt = runtime(*executors, slots=SlotTable({"cores": CORES}), clock=loop.time)
    began = loop.time()
    result = await rt.run(work, {"xs": XS, "flag": None}, observers=(hear,))
    return Run(result, calls, work, began, loop.time())


def changes(done: Run) -> list[ChoicesChanged]:
    return [event for event in done.result.history if isinstance(event, ChoicesChanged)]


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_whatever_happens_a_job_ends_and_replays_and_is_done_as_it_was_chosen(seed: int) -> None:
    plan = plan_of(seed, with_failures=True)
    done = run(plan)
    if done is None:
        return
    assert done.result.status in ("succeeded", "failed")
    if not plan.failing:
        assert done.result.status == "succeeded"
    again = replay(done.work.graph, done.result.history)
    assert again.finished == done.result.status
    assert [card for _, card, _, _ in done.calls] == [chosen for _, _, _, chosen in done.calls]
    assert {name: choice.executor.name for name, choice in done.result.deployment.choices.items()} == {
        **{name: choice.executor.name for name, choice in done.work.deployment.choices.items()},
        **{name: written["executor"] for change in changes(done) for name, written in change.choices.items()},
    }
    rows = {(row.task, row.started - done.began): row for row in done.result.tasks}
    assert all((task, at - done.began) in rows for task, _, at, _ in done.calls)


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_what_has_begun_is_changed_by_its_failure_alone(seed: int) -> None:
    done = run(plan_of(seed, with_failures=True))
    if done is None:
        return
    for change in changes(done):
        begun = {path_of(task) for task, _, at, _ in done.calls if at < change.time}
        assert len(begun & change.choices.keys()) <= (" failed (" in change.why)


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_what_goes_as_expected_stays_as_it_was_chosen(seed: int) -> None:
    plan = plan_of(seed)
    done = run(Plan(plan.shape, plan.maps, plan.cards, plan.goal))
    if done is not None:
        assert changes(done) == []
        for measure, limit in plan.goal.limits.items():
            value = _taken(done, plan, measure)
            assert value >= limit * (1 - 1e-5) if measure == "quality" else value <= limit * (1 + 1e-5)


def _taken(done: Run, plan: Plan, measure: str) -> float:
    if measure == "latency":
        return done.ended - done.began
    cards_of = {card.name: card for card in plan.cards}
    if measure == "quality":
        return _total(measure, {path_of(task): cards_of[card] for task, card, _, _ in done.calls}, plan.shape, plan.maps, {})
    return sum(row.usd if measure == "cost" else row.joules or 0.0 for row in done.result.tasks)


@pytest.mark.parametrize("measure", ["latency", "cost", "energy"])
@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_a_limit_is_kept_where_some_choice_of_the_rest_keeps_it(measure: str, seed: int) -> None:
    """The first steps take more or less than expected, all others as much; nothing is made of that but that they did."""
    plan = plan_of(seed, only=measure)
    with pytest.MonkeyPatch.context() as patch:
        # What was slow is not taken for a sign that the rest will be.
        patch.setattr(paces, "PRIOR", 1e9)
        done = run(plan)
    if done is None:
        return
    limit = plan.goal.limits[measure]
    if _could_be_kept(done, plan, measure, limit):
        assert _taken(done, plan, measure) <= limit * (1 + 1e-5)


def _could_be_kept(done: Run, plan: Plan, measure: str, limit: float) -> bool:
    """Return whether any choice of the steps that had not begun when the last of the first ones ended would have kept the limit."""
    rows = done.result.tasks
    roots = {name for name, needs in plan.shape.items() if not needs}
    last = max(row.finished for row in rows if row.step in roots)
    begun = {row.step for row in rows if row.started < last}
    of: dict[str, list[Any]] = {name: [row for row in rows if row.step == name] for name in begun}
    if measure == "latency":
        known = {name: max(row.finished for row in some) - done.began for name, some in of.items()}
    else:
        known = {name: sum(row.usd if measure == "cost" else row.joules or 0.0 for row in some) for name, some in of.items()}
    left = [name for name in plan.shape if name not in begun]
    for several in product(plan.cards, repeat=len(left)):
        picks = {**dict.fromkeys(plan.shape, plan.cards[0]), **dict(zip(left, several, strict=True))}
        if _total(measure, picks, plan.shape, plan.maps, known) <= limit * (1 + 1e-7):
            return True
    return False
