"""Frontiers of whole jobs: no point beats another, each says what the plan for it says, and it is had by its limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Quote
from murakkab.cli.scatter import Axis, Mark, scatter
from murakkab.cli.trades import limit_text, remarks_of
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.errors import PlanError
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.trades import Point, Trade, trade_of, undominated
from murakkab.plan import TaskGraph
from murakkab.spec import Goal
from tests.fakes import WORK, graph, step

VIEW = ClusterView({"cpu": Pool("cpu", DeviceKind("cpu", Device.CPU), 4.0)})
AT = Situation(VIEW, gap=1e-6)


def card(name: str, seconds: float, usd: float, joules: float | None, quality: float | None) -> ExecutorCard:
    return ExecutorCard(name, "work", "", needs=Needs(1.0), quote=Quote(seconds, usd, joules, quality, "measured"))


QUICK, SLOW, BAD = card("quick", 1.0, 4.0, 50.0, 0.5), card("slow", 4.0, 1.0, 10.0, 0.9), card("bad", 5.0, 5.0, 60.0, 0.4)


def job(*cards: ExecutorCard) -> tuple[TaskGraph, Catalog]:
    catalog = Catalog({"work": WORK}, {one.name: one for one in cards})
    return graph(step("a"), step("b"), step("c", x="${a}", y="${b}"), catalog=catalog), catalog


def traded(*cards: ExecutorCard, goal: Goal = Goal(("energy",)), measures: tuple[str, ...] = ("energy", "latency")) -> Trade:
    return trade_of(*job(*cards), goal, AT, measures=measures, points=20)


def test_a_frontier_has_every_choice_worth_having() -> None:
    found = traded(QUICK, SLOW, BAD)
    assert [point.values for point in found.points] == [(30.0, 8.0), (70.0, 5.0), (150.0, 2.0)]
    assert [point.is_chosen for point in found.points] == [True, False, False]
    assert (found.is_complete, found.aside, found.unknown, found.beyond) == (True, None, {}, 0)


def test_the_limits_of_the_goal_hold_for_every_point() -> None:
    found = traded(QUICK, SLOW, goal=Goal(("energy",), {"latency": 6.0}))
    assert [point.values for point in found.points] == [(70.0, 5.0), (150.0, 2.0)]
    with pytest.raises(PlanError, match="no choice keeps latency 1 s"):
        traded(QUICK, SLOW, goal=Goal(("energy",), {"latency": 1.0}))


def test_a_plan_that_aims_at_something_else_stands_aside() -> None:
    cheap = card("cheap", 6.0, 0.5, 55.0, 0.5)
    found = traded(QUICK, SLOW, cheap, goal=Goal(("cost",)))
    assert found.aside is not None
    assert found.aside.values == (165.0, 12.0)
    assert not any(point.is_chosen for point in found.points)
    assert any("aims at something else" in remark for remark in remarks_of(found))


def test_three_measures_have_a_frontier_too() -> None:
    found = traded(QUICK, SLOW, BAD, measures=("quality", "latency", "energy"))
    values = [tuple(round(value, 6) for value in point.values) for point in found.points]
    assert values == [(0.9, 8.0, 30.0), (0.766667, 5.0, 70.0), (0.5, 2.0, 150.0)]


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(PlanError, match=r"no frontier of energy: nothing is known of it for .*\ba\b"):
        traded(card("blind", 1.0, 1.0, None, 0.5), goal=Goal(("latency",)))
    with pytest.raises(PlanError, match="no frontier of quality"):
        traded(card("blind", 1.0, 1.0, 1.0, None), measures=("quality", "latency"))


def test_steps_of_which_a_measure_is_not_known_are_named() -> None:
    blind = ExecutorCard("blind", "other", "", needs=Needs(1.0), quote=Quote(1.0, 0.0, 1.0, None, "measured"))
    other = WORK.__class__("other", "", open_inputs=True)
    catalog = Catalog({"work": WORK, "other": other}, {one.name: one for one in (QUICK, SLOW, blind)})
    made = graph(step("a"), step("b", uses="other", x="${a}"), catalog=catalog)
    found = trade_of(made, catalog, Goal(("quality",)), AT, measures=("quality", "latency"), points=9)
    assert found.unknown == {"quality": ("b",)}
    assert "quality is that of the other steps: nothing is known of it for b" in list(remarks_of(found))


_CARDS = st.lists(
    st.builds(
        lambda seconds, joules, quality: (float(seconds), float(joules), quality / 20),
        st.integers(1, 20),
        st.integers(1, 20),
        st.integers(1, 20),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(_CARDS, st.sampled_from([("energy", "latency"), ("quality", "energy"), ("latency", "quality")]))
def test_each_point_is_what_the_plan_says_under_its_limits(figures: list[tuple[float, float, float]], measures: tuple[str, str]) -> None:
    cards = [card(f"e{n}", seconds, 0.0, joules, quality) for n, (seconds, joules, quality) in enumerate(figures)]
    made, catalog = job(*cards)
    found = trade_of(made, catalog, Goal((measures[0],)), AT, measures=measures, points=12)
    first, second = measures
    for point in found.points:
        limit = point.values[1]
        plan = choose(made, catalog, Goal((first,), {second: limit - 1e-9 if second == "quality" else limit + 1e-9}), AT)
        assert plan.estimate is not None
        values = {"energy": plan.estimate.joules, "latency": plan.estimate.seconds, "quality": plan.estimate.quality}
        got = values[first]
        assert got is not None
        assert got.value == pytest.approx(point.values[0])


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=12))
def test_what_is_left_beats_all_else(values: list[tuple[int, int]]) -> None:
    made = traded(QUICK).points[0].made
    points = [Point((float(a), float(b)), made) for a, b in values]
    kept = [point.values for point in undominated(points, ("energy", "latency"))]
    assert kept == sorted(set(kept))
    assert all(any(a <= c and b <= d for a, b in kept) for c, d in values)
    assert not any(one != other and one[0] <= other[0] and one[1] <= other[1] for one in kept for other in kept)


@given(st.floats(1e-6, 1e9))
def test_a_limit_is_kept_by_the_value_it_is_made_of(value: float) -> None:
    assert float(limit_text("quality", value)) <= value * (1 + 1e-9)
    assert float(limit_text("cost", value)) >= value * (1 - 1e-9)
    assert float(limit_text("cost", value)) == pytest.approx(value, rel=1.1e-3)


X, Y = Axis("energy", lambda value: f"{value:.3g} J"), Axis("quality", lambda value: f"{value:.3g}", more_is_better=True)


def test_a_picture_has_its_marks_where_they_belong() -> None:
    marks = [Mark(1.0, 0.1, "1"), Mark(2.0, 0.9, "2", stands_out=True)]
    lines = scatter(marks, X, Y, width=60, steps=marks).plain.splitlines()
    assert lines[0] == "quality, more is better ↑"
    assert lines[1].startswith("0.9 ┤".rjust(len(lines[1].split("┤")[0]) + 1))
    assert "[2]" in lines[1]
    assert "1····" in lines[-4]
    assert lines[-1].strip() == "energy, less is better ←"
    assert "1 J" in lines[-2]
    assert lines[-2].rstrip().endswith("2 J")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e12), st.floats(0, 1)), min_size=1, max_size=20),
    st.integers(40, 200),
)
def test_a_picture_is_never_wider_than_its_terminal(values: list[tuple[float, float]], width: int) -> None:
    marks = [Mark(x, y, "1", stands_out=n == 0) for n, (x, y) in enumerate(values)]
    text = scatter(marks, X, Y, width=width, steps=marks).plain
    assert max(map(len, text.splitlines())) <= width
    assert "[1]" in text
