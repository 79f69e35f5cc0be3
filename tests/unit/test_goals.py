"""What goals say: latency as expected and at p90, the quality of a job as mean or product - checked, kept, and said."""

import itertools
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab import Goal, step, workflow
from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Quote
from murakkab.cli.options import limits_from
from murakkab.cli.plans import aim_text
from murakkab.cli.wishes import Wishes
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.document import from_document, to_document
from murakkab.errors import Diagnostic, InputError, PlanError, SpecError
from murakkab.figures import Provenance, Source, exactly
from murakkab.optimizer.choose import choose
from murakkab.optimizer.estimate import quality_of
from murakkab.optimizer.problem import Bounds, Option, Problem, Rule, Task
from murakkab.optimizer.reasons import amount, is_kept, measure_of, said
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.totals import quality_of as quality_of_picks
from murakkab.plan import Deployment, Estimate
from murakkab.planner.check import check
from murakkab.profiles import Profile, Setting, Spread
from tests.fakes import WORK, graph
from tests.fakes import step as task

MEASURED = Provenance(Source.MEASURED, "here", "2026-11-25", 20)
VIEW = ClusterView({"cpu": Pool("cpu", DeviceKind("cpu", Device.CPU), 4.0)})
#: What ways take: seconds, seconds at p90, USD, quality.
Way = tuple[float, float, float, float]
#: Quick as a rule, and now and then slow; never quick, and never slow; dear.
WAYS: dict[str, Way] = {"moody": (1.0, 6.0, 1.0, 0.9), "steady": (2.0, 2.2, 2.0, 0.8), "dear": (0.5, 0.6, 9.0, 0.7)}


def chosen(goal: Goal, ways: dict[str, Way] | None = None, *, steps: int = 2) -> Deployment:
    """Return the choices for steps one after the other, each of which can be done in all of these *ways*."""
    ways = WAYS if ways is None else ways
    cards = {
        name: ExecutorCard(name, "work", "", needs=Needs(1.0), quote=Quote(seconds, usd, 0.0, quality, "measured"))
        for name, (seconds, _, usd, quality) in ways.items()
    }
    catalog = Catalog({"work": WORK}, cards)
    chain = [task("s0"), *(task(f"s{n}", x=f"${{s{n - 1}}}") for n in range(1, steps))]
    return choose(
        graph(*chain, catalog=catalog), catalog, goal, Situation(VIEW, {name: [_profile(name, way)] for name, way in ways.items()})
    )


def _profile(name: str, way: Way) -> Profile:
    seconds, tail, usd, quality = way
    setting = Setting(name, device="cpu")
    spread = Spread(seconds, seconds, tail, tail)
    return Profile(setting, spread, usd=exactly(usd, MEASURED), quality={"f1": exactly(quality, MEASURED)}, of=MEASURED)


def names(made: Deployment) -> list[str]:
    return sorted(choice.executor.name for choice in made.choices.values())


# ------------------------------------------------------------------------------------------------------------ latency at p90


def test_a_limit_at_p90_asks_for_what_is_steady() -> None:
    assert names(chosen(Goal(("cost",), {"latency": 5.0}))) == ["moody", "moody"]
    steady = chosen(Goal(("cost",), {"latency_p90": 5.0}))
    assert names(steady) == ["steady", "steady"]
    assert steady.estimate is not None
    assert steady.estimate.seconds.value == 4.0
    assert steady.estimate.p90 == pytest.approx(4.0 + math.hypot(0.2, 0.2))


def test_both_limits_on_latency_are_kept_together() -> None:
    made = chosen(Goal(("cost",), {"latency": 3.0, "latency_p90": 5.0}))
    assert made.estimate is not None
    assert made.estimate.seconds.value <= 3.0
    assert made.estimate.p90 <= 5.0
    assert names(made) == ["dear", "steady"]


def test_tails_of_independent_steps_are_not_simply_added() -> None:
    ways: dict[str, Way] = {"only": (1.0, 2.0, 1.0, 0.5)}
    assert chosen(Goal((), {"latency_p90": 2.0 + 1.5}), ways).estimate is not None
    with pytest.raises(PlanError, match="latency at p90 3 s") as caught:
        chosen(Goal((), {"latency_p90": 3.0}), ways)
    assert "latency at p90 could be 3.415 s" in caught.value.hint
    assert chosen(Goal((), {"latency_p90": 3.415}), ways).beyond == ()


def test_a_conflict_with_other_limits_names_p90() -> None:
    with pytest.raises(PlanError) as caught:
        chosen(Goal(("cost",), {"latency_p90": 3.0, "cost": 5.0}))
    assert caught.value.message == "no choice keeps cost 5 USD and latency at p90 3 s together"
    assert "latency at p90 could be" in caught.value.hint


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_a_refusal_names_is_the_nearest_that_brute_force_finds_and_can_be_had(data: st.DataObject) -> None:
    ways: dict[str, Way] = {}
    for name in ("one", "two", "three", "four"):
        seconds = data.draw(st.floats(0.5, 5.0))
        ways[name] = seconds, seconds * data.draw(st.floats(1.0, 4.0)), data.draw(st.floats(0.1, 5.0)), data.draw(st.floats(0.1, 1.0))
    triples = list(itertools.product(ways.values(), repeat=3))
    measures = {"latency": _usual, "latency_p90": _tail, "cost": _cost, "quality": _quality}
    limited = data.draw(st.lists(st.sampled_from(sorted(measures)), min_size=1, max_size=3, unique=True))
    parts = st.floats(0.3, 1.3)
    limits = {
        name: min(0.99, measures[name](data.draw(st.sampled_from(triples))) * data.draw(parts)) for name in limited if name == "quality"
    }
    limits |= {name: measures[name](data.draw(st.sampled_from(triples))) * data.draw(parts) for name in limited if name != "quality"}

    def is_kept_by(triple: tuple[Way, ...], without: str = "") -> bool:
        return all(is_kept(name, measures[name](triple), limit) for name, limit in limits.items() if name != without)

    try:
        chosen(Goal(("cost",), limits), ways, steps=3)
    except PlanError as refused:
        error = refused
    else:
        return
    assert not any(map(is_kept_by, triples))
    names_told = {name for name in limits if f"{said(name)} {amount(name, limits[name])}" in error.message}
    assert names_told
    for name in names_told:
        sign = -1.0 if name == "quality" else 1.0
        nearest = min((sign * measures[name](one) for one in triples if is_kept_by(one, name)), default=None)
        shown = re.search(rf"{said(name)} could be ([0-9.e+-]+)[^;,]*", error.hint)
        if nearest is None:
            assert shown is None or "without the other limits" in shown[0]
            continue
        assert shown is not None, error.hint
        assert float(shown[1]) == pytest.approx(sign * nearest, rel=2e-3)
        assert chosen(Goal(("cost",), {**limits, name: float(shown[1])}), ways, steps=3).beyond == ()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_choice_within_both_limits_is_found_whenever_there_is_one_with_room(data: st.DataObject) -> None:
    numbers = st.floats(0.5, 5.0)
    ways: dict[str, Way] = {}
    for name in ("one", "two", "three"):
        seconds = data.draw(numbers)
        ways[name] = seconds, seconds * data.draw(st.floats(1.0, 4.0)), data.draw(numbers), data.draw(st.floats(0.1, 1.0))
    pairs = list(itertools.product(ways.values(), repeat=2))
    by = data.draw(st.sampled_from(pairs))
    goal = Goal(("cost",), {"latency": _usual(by) * 1.01, "latency_p90": _tail(by) * 1.01})
    made = chosen(goal, ways)

    assert made.estimate is not None
    for name, limit in goal.limits.items():
        value = measure_of(made.estimate, name)
        assert value is not None
        assert is_kept(name, value, limit * (1 + 1e-6))


def _cost(ways: tuple[Way, ...]) -> float:
    return math.fsum(usd for _, _, usd, _ in ways)


def _quality(ways: tuple[Way, ...]) -> float:
    return math.fsum(quality for _, _, _, quality in ways) / len(ways)


def _tail(pair: tuple[Way, ...]) -> float:
    return _usual(pair) + math.hypot(*(way[1] - way[0] for way in pair))


def _usual(pair: tuple[Way, ...]) -> float:
    return sum(way[0] for way in pair)


# ------------------------------------------------------------------------------------------------------------------ quality


def test_the_product_is_another_limit_than_the_mean() -> None:
    ways: dict[str, Way] = {"good": (1.0, 1.0, 9.0, 0.9), "fair": (1.0, 1.0, 1.0, 0.7)}
    assert names(chosen(Goal(("cost",), {"quality": 0.75}), ways)) == ["fair", "good"]
    made = chosen(Goal(("cost",), {"quality": 0.75}, "product"), ways)
    assert names(made) == ["good", "good"]
    assert made.estimate is not None
    assert made.estimate.quality is not None
    assert made.estimate.quality.value == pytest.approx(0.81)
    with pytest.raises(PlanError, match=r"quality 0\.85"):
        chosen(Goal(("cost",), {"quality": 0.85}, "product"), ways)


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6), st.sampled_from(Rule))
def test_the_forecast_and_the_solver_mean_the_same_by_quality(qualities: list[float], rule: Rule) -> None:
    steps = [Estimate(exactly(1.0), 1.0, exactly(0.0), quality=exactly(one)) for one in qualities]
    tasks = tuple(Task(f"t{n}", (Option("only", 1.0, quality=one),)) for n, one in enumerate(qualities))
    problem = Problem(tasks, bounds=Bounds(rule=rule))
    found = quality_of([*steps, Estimate(exactly(1.0), 1.0, exactly(0.0))], rule)

    assert found is not None
    assert found.value == pytest.approx(quality_of_picks(problem, [task.options[0] for task in tasks]))
    assert found.low <= found.value <= found.high
    assert quality_of([], rule) is None


# ------------------------------------------------------------------------------------------------------------------ checked


def told(**goal: object) -> list[Diagnostic]:
    read = from_document({"workflow": "w", "steps": {}, "goal": goal})
    assert read.workflow is not None
    return [*read.diagnostics, *(one for one in check(read.workflow, Catalog({}, {}), {}) if one.path[:1] == ("goal",))]


@pytest.mark.parametrize(
    ("goal", "code", "is_warning", "hint"),
    [
        ({"limits": {"latency": "2m", "latency_p90": "1m"}}, "unused", True, "lower it, or take it away"),
        ({"limits": {"latency": 5, "latency_p90": 5}}, "unused", True, "lower it, or take it away"),
        ({"quality": "product"}, "unused", True, "limit it, or take this away"),
        ({"quality": "produkt"}, "bad-choice", False, "did you mean 'product'?"),
        ({"quality": 0.8}, "wrong-form", False, "write limits: {quality: 0.8}"),
        ({"limits": {"latency_p50": 3}}, "unknown-field", False, "write latency: the time that is expected"),
        ({"limits": {"p90": 3}}, "unknown-field", False, "write latency_p90: the time that is kept nine times out of ten"),
        ({"limits": {"latency_90": 3}}, "unknown-field", False, "did you mean 'latency_p90'?"),
        ({"limits": {"latency_p90": 0}}, "out-of-range", False, "limits are positive"),
    ],
)
def test_what_says_nothing_or_is_mistaken_is_told(goal: dict[str, object], code: str, is_warning: bool, hint: str) -> None:
    (one,) = told(**goal)
    assert (one.code, one.is_warning, one.hint) == (code, is_warning, hint)


def test_what_is_right_is_not_told() -> None:
    assert told(minimize="cost", limits={"latency": "1m", "latency_p90": "2m", "quality": 0.5}, quality="product") == []


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (Goal(limits={"latency_p50": 3}), "'latency_p50' cannot be limited; write latency"),
        (Goal(limits={"latency": "60s"}), "the limit of latency cannot be '60s'"),  # type: ignore[dict-item]
        (Goal(("quality",), quality="median"), "no quality of a job is the 'median' of its steps"),
    ],
)
def test_a_goal_in_python_is_checked_likewise(goal: Goal, message: str) -> None:
    @step
    def same(x: int) -> int:
        return x

    @workflow(goal=goal)
    def aimed(x: int) -> int:
        return same(x)

    with pytest.raises(SpecError, match=message):
        aimed.run(1)


def test_a_goal_goes_to_yaml_and_python_and_back() -> None:
    goal = Goal(("cost",), {"latency": 60.0, "latency_p90": 90.0, "quality": 0.5}, "product")

    @step
    def same(x: int) -> int:
        return x

    @workflow(goal=goal)
    def aimed(x: int) -> int:
        return same(x)

    document = to_document(aimed.definition)
    assert document["goal"] == {
        "minimize": ["cost"],
        "limits": {"latency": 60.0, "latency_p90": 90.0, "quality": 0.5},
        "quality": "product",
    }
    read = from_document(document)
    assert read.workflow is not None
    assert read.workflow.goal == goal
    assert 'Goal(("cost",), {"latency": 60, "latency_p90": 90, "quality": 0.5}, quality="product")' in " ".join(aimed.to_python().split())


# --------------------------------------------------------------------------------------------------------- the command line


def test_limits_of_the_command_line_are_laid_over_the_goal() -> None:
    for wrong in ("latency=0", "latency=-3", "quality=-1", "quality=1.5", "cost=-1", "energy=-1"):
        with pytest.raises(InputError, match="cannot be"):
            Wishes(limits=[wrong]).goal(Goal())
    assert Wishes(limits=["quality=0", "cost=0"]).goal(Goal()).limits == {"quality": 0.0, "cost": 0.0}
    wishes = Wishes(limits=["latency_p90=2m,quality=0.5"])
    assert wishes.goal(Goal(("cost",), {"latency": 60.0}, "product")) == Goal(
        ("cost",), {"latency": 60.0, "latency_p90": 120.0, "quality": 0.5}, "product"
    )
    with pytest.raises(InputError, match="is no limit"):
        limits_from(["latency_p90=2s"])


def test_what_matters_is_said_in_words() -> None:
    assert aim_text(Goal(("cost",), {"latency_p90": 90.0, "quality": 0.5}, "product")) == (
        "minimizes cost, within latency at p90 90 s and quality 0.5, quality being the product of the steps'"
    )
