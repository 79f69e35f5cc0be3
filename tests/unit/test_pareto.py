"""Frontiers against brute force: nothing on them is dominated, nothing is missing, and few points are spread."""

import itertools

import pytest
from hypothesis import given, settings

from murakkab.optimizer.pareto import STEP, Search, frontier_of
from murakkab.optimizer.problem import Option, Problem, Task
from tests.instances import instance
from tests.problems import problems, selections, signed


def _dominates(one: tuple[float, ...], other: tuple[float, ...], part: float) -> bool:
    return all(a <= b + part * max(abs(b), 1e-9) for a, b in zip(one, other, strict=True))


def _hold(problem: Problem, measures: tuple[str, ...]) -> None:
    if not all(any(option.quality is not None for option in task.options) for task in problem.tasks):
        return
    everything = {tuple(signed(name, totals.limits[name]) for name in measures) for _, totals in selections(problem)}
    found = frontier_of(problem, measures, Search(points=200, time_limit=20, gap=1e-7))
    assert found.is_complete
    points = [tuple(signed(name, value) for name, value in zip(measures, values, strict=True)) for values in found.values()]
    assert points == sorted(points)
    for place, point in enumerate(points):
        assert any(_dominates(one, point, 10 * STEP) and _dominates(point, one, 10 * STEP) for one in everything)
        assert not any(_dominates(other, point, STEP / 10) for number, other in enumerate(points) if number != place)
    for one in everything:
        assert any(_dominates(point, one, 10 * STEP) for point in points), one


@settings(max_examples=50, deadline=None)
@given(problems(3))
def test_a_frontier_of_two_measures_is_complete(problem: Problem) -> None:
    _hold(problem, ("energy", "latency"))


@settings(max_examples=30, deadline=None)
@given(problems(3))
def test_a_frontier_with_quality_is_complete(problem: Problem) -> None:
    _hold(problem, ("quality", "cost"))


@settings(max_examples=12, deadline=None)
@given(problems(2))
def test_a_frontier_of_three_measures_is_complete(problem: Problem) -> None:
    _hold(problem, ("energy", "latency", "quality"))


def test_few_points_are_spread_between_the_ends() -> None:
    options = tuple(Option(str(n), 1 + n, joules=100 / (1 + n)) for n in range(40))
    problem = Problem((Task("a", options),))
    found = frontier_of(problem, ("energy", "latency"), Search(points=6))
    values = found.values()
    assert len(values) == 6
    assert not found.is_complete
    assert (values[0][1], values[-1][1]) == (40, 1)
    assert max(a[1] - b[1] for a, b in itertools.pairwise(values)) <= 12


def test_a_real_selection_has_a_frontier() -> None:
    found = frontier_of(instance(8, 1), ("energy", "latency"), Search(points=5))
    assert 2 <= len(found.points) <= 5
    joules = [point[0] for point in found.values()]
    assert joules == sorted(joules)


def test_a_frontier_has_two_or_three_measures() -> None:
    with pytest.raises(ValueError, match="two or three"):
        frontier_of(instance(2, 1), ("energy",))
