"""Choosing again in random jobs with blocks, loops, maps, streams, quorums, compositions and last steps, on virtual time."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.catalog import Capability, Catalog, ExecutorCard, Quote
from murakkab.errors import ExecutorError, PlanError
from murakkab.optimizer.choose import Decision, choice_of, decide
from murakkab.optimizer.situation import Situation
from murakkab.picking import highest, majority, views
from murakkab.ports import Call
from murakkab.rechoosing import paces
from murakkab.rechoosing.again import Again
from murakkab.runtime.driver import Work, replay
from murakkab.runtime.messages import ChoicesChanged, Event, TaskCancelled, TaskFailed, TaskSucceeded
from murakkab.runtime.records import path_of
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.spec import BestOf, Block, Debate, Goal, Need, Output, Pick, Repeat, Retry, Step, Wait
from tests.fakes import WORK, FakeExecutor, expr, graph, runtime, step
from tests.runtime.test_rechoosing_properties import CORES, VIEW, cards
from tests.virtual_time import in_virtual_time

SEEDS = st.integers(0, 10**9)
FACTORS = (0.3, 1.1, 1.5, 3.0)
KINDS = ("plain", "plain", "plain", "map", "list", "block", "skipping", "blocks", "loop", "rounds", "stream", "wait", "quorum", "retry")
KINDS += ("best", "judged", "debate")
FUNCTIONS = {f"murakkab.picking:{one.__name__}": one for one in (highest, majority, views)}
PYTHON = ExecutorCard("python", "python", "", quote=Quote(0.001, 0.0, 0.0, source="measured"))
CAPABILITIES = {"work": WORK, "python": Capability("python", "", open_inputs=True)}


@dataclass
class Plan:
    """A job to be. `surprising`: by path, steps of which something is not as expected; `factors`: times what a step is expected to take."""

    steps: list[Step]
    cards: tuple[ExecutorCard, ...]
    goal: Goal
    last: dict[str, Step] = field(default_factory=dict)
    length: int = 4
    factors: dict[str, float] = field(default_factory=dict)
    surprising: set[str] = field(default_factory=set)
    #: Tasks whose first attempt fails.
    failing: set[str] = field(default_factory=set)


class _Maker:
    """Makes random steps; what they need is among those before."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.plan = Plan([step("a", me="a")], (), Goal())
        self.kinds: dict[str, str] = {"a": "plain"}

    def add(self, name: str, kind: str) -> None:
        maps = [one for one, of in self.kinds.items() if of in ("map", "list", "stream")]
        kind = "map" if kind == "stream" and not maps else kind
        near = [*self.kinds]
        some = self.chance.sample(near, self.chance.randint(1, min(2, len(near))))
        # Steps with the same inputs would be one.
        inputs = {"me": name, **{f"x{place}": f"${{{need}}}" for place, need in enumerate(some)}}
        make = {"map": self._map, "list": self._map, "quorum": self._map, "loop": self._loop, "retry": self._retry}.get(kind)
        if kind in ("block", "blocks", "rounds", "skipping"):
            made = self._block(name, kind, inputs)
        elif kind == "stream":
            most = self.chance.choice((None, None, 1, 2))
            made = step(name, each=f"${{{self.chance.choice(maps)}}}", max_parallel=most, z="${item}", me=name)
        elif kind == "wait":
            made = step(name, uses="", wait=Wait(seconds=self.chance.choice((1.0, 4.0))), after=(self.chance.choice(near),))
        elif make is not None:
            made = make(name, kind, inputs)
        else:
            made = step(name, **_composed(name, kind), **inputs)
        self.kinds[name] = kind
        self.plan.steps.append(made)

    def _map(self, name: str, kind: str, inputs: dict[str, Any]) -> Step:
        if kind == "quorum":
            if self.chance.random() < 0.7:
                self.plan.factors[f"{name}[{self.chance.randint(0, 2)}]"] = 3.0
                self.plan.surprising.add(name)
            return step(name, each="${inputs.xs}", need=Need(2), z="${item}", **inputs)
        most = self.chance.choice((None, None, 1, 2))
        return step(name, each="${inputs.xs}" if kind == "map" else "${a}", max_parallel=most, z="${item}", **inputs)

    def _loop(self, name: str, _: str, inputs: dict[str, Any]) -> Step:
        rounds = self.chance.randint(1, 3)
        if rounds != 2:
            self.plan.surprising.add(name)
        return step(name, repeat=Repeat(3, until=f"loop.index >= {rounds - 1}"), n="${loop.index}", **inputs)

    def _retry(self, name: str, _: str, inputs: dict[str, Any]) -> Step:
        self.plan.failing.add(name)
        self.plan.surprising.add(name)
        return step(name, retry=Retry(3, delay=self.chance.choice((0.0, 2.0)), jitter=0.0), **inputs)

    def _block(self, name: str, kind: str, inputs: dict[str, Any]) -> Step:
        parts: dict[str, Any] = {}
        first, second = step("i", **inputs), step("j", me=name, y="${i}")
        if kind == "skipping":
            second = step("j", after=("i",), **inputs)
            gone = self.chance.choice((0, 1))
            first, second = (replace(one, when="inputs.flag") if place == gone else one for place, one in enumerate((first, second)))
        elif kind == "blocks":
            parts["each"] = self.chance.choice(("${a}", "${inputs.xs}"))
            first = replace(first, with_={**first.with_, "z": expr("${item}")})
        elif kind == "rounds":
            parts["repeat"] = Repeat(self.chance.choice((2, 3)))
            first = replace(first, with_={**first.with_, "n": expr("${loop.index}")})
        block = Block({"i": first, "j": second}, {"o": Output(expr("${j}"), optional=True)})
        return step(name, uses="", block=block, **parts)


def _composed(name: str, kind: str) -> dict[str, Any]:
    judge = Step("judge", uses="work", with_={"me": name, "c": expr("${candidates}")})
    made = {"best": BestOf((3,)), "judged": BestOf((2,), Pick(judge=judge)), "debate": Debate((2,), (1,))}
    return {"debate" if kind == "debate" else "best_of": made[kind]} if kind in made else {}


def plan_of(seed: int, *, only: str = "") -> Plan:
    """Return a random plan; *only*: what its one limit is on."""
    chance = Random(seed)
    maker = _Maker(chance)
    plan = maker.plan
    for name in "bcde"[: chance.randint(2, 4)]:
        maker.add(name, chance.choice(KINDS))
    plan.cards = cards(chance)
    if chance.random() < 0.2:
        plan.last["z"] = step("z", me="z")
    # The length of a list of which nothing is known is taken to be four.
    plan.length = chance.choice((4, 4, 1, 2, 7))
    plan.surprising |= {"a"} if plan.length != 4 else set()
    for name in chance.sample([one.name for one in plan.steps], chance.randint(0, 2)):
        if maker.kinds[name] not in ("wait", "quorum"):
            plan.factors[name] = chance.choice(FACTORS)
            plan.surprising.add(name)
    measure = only or chance.choice(("latency", "cost", "energy"))
    minimized = chance.choice([one for one in ("latency", "cost", "energy") if one != measure])
    plan.goal = Goal((minimized,), {measure: chance.choice((0.2, 0.5, 0.8))})
    return plan


class Watched(Again):
    """Keeps what each look reckoned with, and what had been heard when steps began."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision)
        self.began: dict[str, int] = {}
        self.looks: list[tuple[int, Any, dict[str, Any]]] = []
        self.answers: list[Any] = []

    def begin(self, commands: Any, state: Any) -> None:
        """Take note of what begins."""
        before = set(self._spending.steps)
        super().begin(commands, state)
        self.began |= dict.fromkeys(self._spending.steps.keys() - before, len(state.heard))

    def _now(self, problem: Any, state: Any, failed: str = "") -> Any:
        now = super()._now(problem, state, failed)
        self.looks.append((len(state.heard), now, {path: self._sizes.left(path) for path in self._decision.ways}))
        return now

    def _rechoice(self, problem: Any, now: Any) -> Any:
        self.answers.append(super()._rechoice(problem, now))
        return self.answers[-1]


@dataclass
class Run:
    """What happened. `calls`: the executor of every attempt, and the one that was chosen for its step just then."""

    result: JobResult
    seconds: float
    calls: list[tuple[str, str, str]]

    def taken(self, measure: str) -> float:
        """Return what the job has taken."""
        if measure == "latency":
            return self.seconds
        return sum(row.usd if measure == "cost" else row.joules or 0.0 for row in self.result.tasks)


def decided(plan: Plan) -> Decision | None:
    """Return the choice, its limits at a part of the way between what is least and what is most; None where there is none."""
    catalog = Catalog(CAPABILITIES, {card.name: card for card in (*plan.cards, PYTHON)})
    made = graph(*plan.steps, catalog=catalog, finally_=plan.last)
    at = Situation(VIEW, inputs={"xs": [1, 2, 3]}, capacity={"cores": CORES}, with_others=False)
    (measure,) = plan.goal.limits
    ends = []
    for card in plan.cards:
        alone = decide(made, Catalog(CAPABILITIES, {card.name: card, "python": PYTHON}), Goal(("latency",)), at).deployment.estimate
        assert alone is not None
        assert alone.joules is not None
        ends.append({"latency": alone.seconds.value, "cost": alone.usd.value, "energy": alone.joules.value}[measure])
    share = plan.goal.limits[measure]
    plan.goal = replace(plan.goal, limits={measure: min(ends) + share * (max(ends) - min(ends))})
    try:
        return decide(made, catalog, plan.goal, at)
    except PlanError:
        return None


def run(plan: Plan, work: Work) -> Run:
    """Return how a job went."""
    return in_virtual_time(_run(plan, work))


async def _run(plan: Plan, work: Work) -> Run:
    loop = asyncio.get_running_loop()
    calls: list[tuple[str, str, str]] = []
    present = {path: choice.executor.name for path, choice in work.deployment.choices.items()}

    async def does(card: ExecutorCard, call: Call) -> Any:
        path = path_of(call.task)
        if call.target is not None:
            await asyncio.sleep(PYTHON.quote.seconds)
            return call.target(**call.inputs)
        calls.append((call.task, card.name, present[path]))
        factor = plan.factors.get(call.task, plan.factors.get(path.partition("/")[0], 1.0))
        # Somebody pays for what is cancelled, too.
        if call.report is not None:
            call.report.usd, call.report.joules = card.quote.usd * factor, (card.quote.joules or 0.0) * factor
        await asyncio.sleep(card.quote.seconds * factor)
        if call.task in plan.failing and call.attempt < 2:
            raise ExecutorError("busy", reason="worker-died")
        return list(range(plan.length)) if call.task == "a" else call.task

    def hear(_: str, event: Any) -> None:
        if isinstance(event, ChoicesChanged):
            present.update({path: written["executor"] for path, written in event.choices.items()})

    executors = [FakeExecutor(partial(does, card), card) for card in (*plan.cards, PYTHON)]
    rt = runtime(*executors, slots=SlotTable({"cores": CORES}), clock=loop.time)
    began = loop.time()
    result = await rt.run(work, {"xs": [1, 2, 3], "flag": False}, observers=(hear,))
    return Run(result, loop.time() - began, calls)


def job(seed: int, **parts: Any) -> tuple[Plan, Decision, Watched, Run] | None:
    """Return a random job that has run; None where its limits cannot be kept."""
    plan = plan_of(seed, **parts)
    decision = decided(plan)
    if decision is None:
        return None
    again = Watched(decision)
    return plan, decision, again, run(plan, Work(decision.graph, decision.deployment, FUNCTIONS, again=lambda: again))


def ended(history: Sequence[Event], kinds: Any) -> Iterator[tuple[int, str]]:
    """Yield the places of events of these kinds, and the paths of their steps."""
    for place, event in enumerate(history):
        if isinstance(event, kinds):
            yield place, path_of(event.task)


def last_surprise(plan: Plan, history: Sequence[Event]) -> int:
    """Return how much of the history there was when everything that is otherwise than expected was known."""
    places = [
        place
        for place, path in ended(history, TaskSucceeded | TaskFailed | TaskCancelled)
        if path.partition("/")[0] in plan.surprising or path in plan.surprising
    ]
    return max(places, default=-1) + 1


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_job_of_any_kind_of_steps_ends_as_it_would_have_and_is_done_as_it_was_chosen(seed: int) -> None:
    found = job(seed)
    if found is None:
        return
    plan, decision, again, done = found
    assert again.looks == [] or done.result.status == "succeeded"
    assert done.result.status == "succeeded", done.result.failures
    assert replay(decision.graph, done.result.history).finished == "succeeded"
    assert [card for _, card, _ in done.calls] == [chosen for _, _, chosen in done.calls]
    for event in done.result.history:
        if isinstance(event, ChoicesChanged):
            for path, written in event.choices.items():
                assert written["executor"] in {way.card.name for way in decision.ways[path]}
    plain = run(plan, Work(decision.graph, decision.deployment, FUNCTIONS))
    # Of a quorum the quickest are kept: who does a step decides which those are.
    if all(one.need is None for one in plan.steps):
        assert done.result.outputs == plain.result.outputs
        assert sorted(task for task, _, _ in done.calls) == sorted(task for task, _, _ in plain.calls)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_what_is_left_is_what_has_not_ended_and_nothing_else(seed: int) -> None:
    """Judged by how the job went on, where nothing more happened that was not foreseen."""
    found = job(seed)
    if found is None:
        return
    plan, _, again, done = found
    history = done.result.history
    since = last_surprise(plan, history)
    gone = {f"{one.name}/{name}" for one in plan.steps if one.block for name, inner in one.block.steps.items() if inner.when}
    quorums = {one.name for one in plan.steps if one.need is not None}
    for heard, now, left in again.looks:
        ends = [path for place, path in ended(history, TaskSucceeded) if place >= heard]
        for path, one in left.items():
            if again.began.get(path, heard) < heard:
                assert path in now.settled
            if heard >= since and path not in gone:
                # Of a quorum those are left, too, that will be stopped once enough have succeeded.
                is_some = path in quorums and one.tasks > ends.count(path)
                assert is_some or one.tasks == pytest.approx(ends.count(path)), (path, heard)
                assert (path in now.settled and now.settled[path].end <= now.seconds) or one.tasks or path not in again.began
            if not one.tasks:
                assert path in now.settled
                assert now.settled[path].end <= now.seconds


@pytest.mark.parametrize("measure", ["latency", "cost", "energy"])
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_no_limit_is_passed_that_another_choice_of_the_rest_would_have_kept(measure: str, seed: int) -> None:
    """Everything that is left when the last surprise is known is tried in every way, in jobs that really run."""
    with pytest.MonkeyPatch.context() as patch:
        # What was slow is not taken for a sign that the rest will be.
        patch.setattr(paces, "PRIOR", 1e9)
        found = job(seed, only=measure)
    if found is None:
        return
    plan, decision, again, done = found
    limit = plan.goal.limits[measure] * (1 + 1e-5)
    if done.taken(measure) <= limit:
        return
    since = last_surprise(plan, done.result.history)
    free = [path for path, ways in decision.ways.items() if again.began.get(path, since) >= since and len(ways) > 1]
    chosen = done.result.deployment.choices
    for ways in product(*(decision.ways[path] for path in free)):
        picks = {path: choice_of(path, way, "") for path, way in zip(free, ways, strict=True)}
        other = run(plan, Work(decision.graph, replace(decision.deployment, choices={**chosen, **picks}), FUNCTIONS))
        assert other.taken(measure) > limit, {path: way.label for path, way in zip(free, ways, strict=True)}


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_what_the_last_look_foresees_is_how_the_job_goes(seed: int) -> None:
    """Once nothing is otherwise than expected any more: to the second, not only on the safe side."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paces, "PRIOR", 1e9)
        found = job(seed, only="latency")
    if found is None:
        return
    plan, decision, again, done = found
    gone = any(inner.when for one in plan.steps if one.block for inner in one.block.steps.values())
    if gone or not again.looks or again.looks[-1][0] < last_surprise(plan, done.result.history):
        return
    assert decision.problem is not None
    slack = again.answers[-1].slack
    if slack:
        # Where less than the goal allows was asked for in vain, all of it was.
        foreseen = [
            limit - slack["latency"] for limit in (decision.problem.bounds.latency, plan.goal.limits["latency"]) if limit is not None
        ]
        assert any(seconds == pytest.approx(done.seconds, abs=0.01) for seconds in foreseen)
