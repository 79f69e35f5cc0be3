"""What is named as a conflict is one: it cannot hold, anything less can, nothing smaller is one, and the values given are reached."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings

from murakkab.optimizer.conflict import conflict_of
from murakkab.optimizer.limits import excess, is_met, limits_of, only_limits, with_limits
from murakkab.optimizer.problem import TOLERANCE, Bounds, Link, Option, PoolBound, Problem, Task
from tests.problems import problems, selections


def _is_feasible(problem: Problem) -> bool:
    return next(selections(problem), None) is not None


@settings(max_examples=40, deadline=None)
@given(problems(3))
def test_a_conflict_is_real_and_smallest(problem: Problem) -> None:
    found = conflict_of(problem, time_limit=20)
    if _is_feasible(problem):
        assert found is None
        return
    assert found is not None
    limits = limits_of(problem)
    assert not _is_feasible(only_limits(problem, found.limits))
    for name in found.limits:
        assert _is_feasible(only_limits(problem, [other for other in found.limits if other != name]))
    assert found.is_smallest
    if found.limits:
        for some in itertools.combinations(limits, len(found.limits) - 1):
            assert _is_feasible(only_limits(problem, some))


@settings(max_examples=40, deadline=None)
@given(problems(3))
def test_the_values_that_hold_together_do_and_are_nearest(problem: Problem) -> None:
    found = conflict_of(problem, time_limit=20)
    if found is None or not found.together:
        return
    assert _is_feasible(with_limits(problem, found.together))
    limits = limits_of(problem)
    if set(found.together) != set(found.limits) or problem.bounds.rule == "product":
        return
    others = {name: limit for name, limit in limits.items() if name not in found.limits}
    least = min(
        max(max(0.0, excess(name, totals.limits.get(name), limits[name])) for name in found.limits)
        for _, totals in selections(with_limits(problem, dict.fromkeys(found.limits)))
        if all(is_met(name, totals.limits.get(name), limit) for name, limit in others.items())
    )
    if all(limits[name] for name in found.limits):
        assert found.part == pytest.approx(least, rel=1e-3, abs=10 * TOLERANCE)


def test_a_smaller_conflict_is_found_behind_a_larger_one() -> None:
    """Deletion drops the budget first, and is left with two; the budget alone is impossible."""
    options = (Option("good", 9, usd=5, quality=0.9), Option("bad", 1, usd=5, quality=0.1))
    problem = Problem((Task("a", options),), bounds=Bounds(latency=5, cost=2, quality=0.8))
    found = conflict_of(problem)
    assert found is not None
    assert found.limits == ("cost",)
    assert found.is_smallest


def test_a_deadline_and_a_floor_are_named_with_what_could_be_had() -> None:
    options = (Option("quick", 1, quality=0.5), Option("good", 4, quality=0.9))
    problem = Problem((Task("a", options), Task("b", options, ("a",))), bounds=Bounds(latency=4, cost=9, quality=0.8))
    found = conflict_of(problem)
    assert found is not None
    assert found.limits == ("latency", "quality")
    assert found.together["quality"] == pytest.approx(0.7)
    assert found.together["latency"] == pytest.approx(5)
    assert found.part == pytest.approx(0.25, rel=1e-3)


def test_a_users_limit_is_named_rather_than_the_installations() -> None:
    option = Option("only", 9, use={"gpu": 9.0})
    problem = Problem((Task("a", (option,)),), (PoolBound("gpu", capacity=5),), bounds=Bounds(latency=5))
    found = conflict_of(problem)
    assert found is not None
    assert found.limits == ("latency",)
    assert found.together == {"latency": 9, "capacity:gpu": 9}


def test_links_alone_can_leave_nothing() -> None:
    one, other = Option("x", 1, keys={"model": "a"}), Option("x", 1, keys={"model": "b"})
    problem = Problem((Task("a", (one,)), Task("b", (other,))), links=(Link("model", ("a", "b")),))
    found = conflict_of(problem)
    assert found is not None
    assert found.limits == ()
    assert conflict_of(replace(problem, links=())) is None
