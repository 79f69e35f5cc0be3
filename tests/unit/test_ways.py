"""Which ways of doing a step are looked at where there are many: those that no other beats, whatever order they come in."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Parameter
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.figures import Provenance, Source, exactly
from murakkab.optimizer.choose import choose
from murakkab.optimizer.configurations import FEW, MOST, Configuration, configurations
from murakkab.optimizer.situation import Situation
from murakkab.plan import TaskGraph
from murakkab.profiles import Profile, Setting, Spread
from murakkab.spec import Goal
from tests.fakes import WORK, graph, step

OF = Provenance(Source.PUBLISHED, "a test")
VIEW = ClusterView({"big": Pool("big", DeviceKind("big-gpu"), 8.0), "small": Pool("small", DeviceKind("small-gpu"), 8.0)})
Point = tuple[float, float, float, float]


def card(count: int, **parts: Needs) -> ExecutorCard:
    return ExecutorCard(
        "model", "work", "", (Parameter("way", default=0, choices=tuple(range(count)), trades=True),), device=Device.GPU, **parts
    )


def profile(number: int, point: Point, device: str = "big-gpu") -> Profile:
    """Return that a way takes (seconds, USD, joules) and has a quality."""
    seconds, usd, joules, quality = point
    setting = Setting("model", knobs=(("way", number),), device=device)
    spread = Spread(seconds, seconds, seconds, seconds)
    return Profile(setting, spread, joules=exactly(joules, OF), usd=exactly(usd, OF), quality={"right": exactly(quality, OF)}, of=OF)


def the_graph(count: int) -> TaskGraph:
    return graph(step("s"), catalog=Catalog({"work": WORK}, {"model": card(count)}))


def ways(points: Sequence[Point], **parts: Needs) -> list[Configuration]:
    (node,) = the_graph(len(points)).every_node()
    only = ClusterView({"big": VIEW.pools["big"]})
    return configurations(node, [card(len(points), **parts)], only, {"model": [profile(n, one) for n, one in enumerate(points)]})


def numbers(found: Sequence[Configuration]) -> list[int]:
    return [int(one.knobs.get("way", 0)) for one in found]


def frontier(count: int) -> list[Point]:
    """Return points of which none beats another."""
    return [(1.0 + n, 1.0 + count - n, 1.0, 0.5) for n in range(count)]


def test_few_ways_are_all_kept_beaten_or_not() -> None:
    points = [(1.0 + n, 1.0 + n, 1.0, 0.5) for n in range(FEW)]

    assert numbers(ways(points)) == list(range(FEW))


def test_of_many_the_beaten_go_and_the_first_stays() -> None:
    points = [(9.0, 9.0, 9.0, 0.1), *((5.0 + n, 5.0, 5.0, 0.5) for n in range(FEW)), (1.0, 1.0, 1.0, 0.9)]

    assert numbers(ways(points)) == [0, FEW + 1]


def test_equals_stay_and_so_does_what_is_better_in_one_thing() -> None:
    points = [(2.0, 2.0, 2.0, 0.5)] * (FEW + 1) + [(3.0, 3.0, 3.0, 0.6), (3.0, 3.0, 3.0, 0.5)]

    assert numbers(ways(points)) == list(range(FEW + 2))


def test_what_runs_elsewhere_is_not_beaten() -> None:
    points = frontier(FEW + 1)
    (node,) = the_graph(len(points)).every_node()
    known = [profile(n, one) for n, one in enumerate(points)]
    known += [profile(n, (one[0] * 9, one[1] * 9, 9.0, 0.1), "small-gpu") for n, one in enumerate(points)]

    found = configurations(node, [card(len(points))], VIEW, {"model": known})

    assert {one.pool for one in found} == {"big", "small"}


def test_too_many_are_cut_to_the_best_by_each_measure() -> None:
    found = numbers(ways(frontier(MOST + 50)))

    assert len(found) == MOST
    assert {0, 1, MOST + 49, MOST + 48} <= set(found)
    assert found == sorted(found)


@pytest.mark.parametrize("minimize", [("cost",), ("energy",), ("latency",), ("cost", "energy")])
@given(seed=st.integers(0, 10_000), floor=st.sampled_from([0.2, 0.5, 0.8]))
@settings(max_examples=8, deadline=None)
def test_the_choice_among_many_is_the_best_of_all(minimize: tuple[str, ...], seed: int, floor: float) -> None:
    random = Random(seed)
    points = [(random.uniform(1, 9), random.uniform(1, 9), random.uniform(1, 9), round(random.random(), 2)) for _ in range(150)]
    # The default may be chosen, but is beaten.
    points[0] = (99.0, 99.0, 99.0, 0.01)
    known = Catalog({"work": WORK}, {"model": card(len(points))})
    at = Situation(VIEW, {"model": [profile(n, one) for n, one in enumerate(points)]}, gap=1e-6, time_limit=5.0)

    found = choose(graph(step("s"), catalog=known), known, Goal(minimize, {"quality": floor}), at)

    column = {"latency": 0, "cost": 1, "energy": 2}
    best = min((tuple(one[column[name]] for name in minimize) for one in points if one[3] >= floor), default=None)
    assert best is not None
    assert found.estimate is not None
    mine = {"latency": found.estimate.seconds, "cost": found.estimate.usd, "energy": found.estimate.joules}[minimize[0]]
    assert mine is not None
    assert mine.value == pytest.approx(best[0], rel=2e-4)
