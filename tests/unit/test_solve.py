"""The solver against brute force: it finds the best where there is one, and knows where there is none."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.optimizer.dual import dual_of
from murakkab.optimizer.form import form_of
from murakkab.optimizer.limits import limits_of, only_limits, with_limits
from murakkab.optimizer.problem import Bounds, Link, Option, PoolBound, Problem, Status, Task
from murakkab.optimizer.solve import solve
from murakkab.optimizer.totals import is_feasible, picked, totals_of
from tests.problems import best_of, problems, rich_problem, selections, signed


@settings(max_examples=50, deadline=None)
@given(problems())
def test_the_answer_is_the_best_that_brute_force_finds(problem: Problem) -> None:
    best = best_of(problem)
    answer = solve(problem, gap=1e-6, time_limit=20)
    if best is None:
        assert answer.status is Status.INFEASIBLE
        assert not answer.picks
        return
    options = picked(problem, answer.picks)
    totals = totals_of(problem, options)
    assert is_feasible(problem, options, totals)
    assert answer.totals == totals
    assert answer.status is Status.OPTIMAL
    found = tuple(signed(measure, totals.limits[measure]) for measure in problem.minimize)
    assert found[0] == pytest.approx(best[0], rel=1e-4, abs=1e-6)
    if len(best) > 1:
        assert found[1] == pytest.approx(best[1], rel=1e-4, abs=1e-6) or found[1] < best[1]
    for stage in answer.stages:
        assert signed(stage.measure, stage.bound) <= signed(stage.measure, stage.value) + 1e-9
    assert signed(problem.minimize[0], answer.stages[0].bound) <= best[0] + 1e-6 * max(1.0, abs(best[0]))


@pytest.mark.parametrize("measure", ["latency", "cost", "energy", "quality"])
@pytest.mark.parametrize("first", range(0, 40, 10))
def test_with_every_feature_at_once_too(measure: str, first: int) -> None:
    for seed in range(first, first + 10):
        problem = rich_problem(seed, measure=measure)
        best = best_of(problem)
        answer = solve(problem, gap=1e-6, time_limit=20)
        assert (answer.status is Status.INFEASIBLE) == (best is None)
        if best is None:
            continue
        assert answer.status is Status.OPTIMAL
        assert answer.objective is not None
        assert answer.totals is not None
        assert is_feasible(problem, picked(problem, answer.picks), answer.totals)
        assert signed(measure, answer.objective) == pytest.approx(best[0], rel=1e-4)
        near = solve(problem, gap=0.05, time_limit=20)
        assert near.bound is not None
        assert near.objective is not None
        assert signed(measure, near.bound) <= best[0] + 1e-6 * abs(best[0])
        assert abs(near.objective - near.bound) <= 0.05 * abs(near.objective) * (1 + 1e-6)


@settings(max_examples=60, deadline=None)
@given(problems(3), st.sampled_from((1e-300, 1e-30, 1e-9, 1e-5, 1e5, 1e9, 1e15)), st.data())
def test_a_limit_that_is_tiny_or_huge_is_refused_or_kept(problem: Problem, size: float, data: st.DataObject) -> None:
    bounded = sorted(limits_of(problem)) or ["latency"]
    name = data.draw(st.sampled_from(bounded))
    odd = with_limits(problem, {name: size * (limits_of(problem).get(name) or 1.0)})
    best = best_of(odd)
    answer = solve(odd, gap=1e-6, time_limit=20)
    assert (answer.status is Status.INFEASIBLE) == (best is None)
    if best is not None:
        assert answer.objective is not None
        assert signed(odd.minimize[0], answer.objective) == pytest.approx(best[0], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_prices_bound_what_can_be_had(seed: int) -> None:
    problem = rich_problem(seed, measure="cost")
    best = best_of(problem)
    dual = dual_of(form_of(problem), "cost")
    if best is not None:
        assert dual.bound <= best[0] * (1 + 1e-9)
    loose = only_limits(replace(problem, links=()), ["quality"])
    cheapest = sum(min(option.usd for option in task.options) for task in problem.tasks)
    assert cheapest * (1 - 1e-3) <= dual_of(form_of(loose), "cost").bound <= (best_of(loose) or (0.0,))[0] * (1 + 1e-9)


@settings(max_examples=50, deadline=None)
@given(problems())
def test_the_fallback_keeps_every_limit_and_its_bound_holds(problem: Problem) -> None:
    best = best_of(problem)
    answer = solve(problem, time_limit=0)
    if not answer.picks:
        assert answer.status in (Status.HEURISTIC, Status.INFEASIBLE)
        assert best is None or answer.status is Status.HEURISTIC
        return
    assert best is not None
    options = picked(problem, answer.picks)
    assert is_feasible(problem, options, totals_of(problem, options))
    stage = answer.stages[0]
    assert signed(stage.measure, stage.bound) <= best[0] + 1e-6 * max(1.0, abs(best[0]))
    assert signed(stage.measure, stage.value) >= best[0] - 1e-5 * max(1.0, abs(best[0]))


@settings(max_examples=50, deadline=None)
@given(problems(), st.data())
def test_loosening_a_limit_never_worsens_the_objective(problem: Problem, data: st.DataObject) -> None:
    limits = limits_of(problem)
    if not limits:
        return
    name = data.draw(st.sampled_from(sorted(limits)))
    factor = 0.8 if name == "quality" else 1.25
    before = solve(problem, gap=1e-6, time_limit=20)
    after = solve(with_limits(problem, {name: limits[name] * factor}), gap=1e-6, time_limit=20)
    if before.objective is not None:
        assert after.objective is not None
        measure = problem.minimize[0]
        assert signed(measure, after.objective) <= signed(measure, before.objective) + 1e-4 * max(1e-2, abs(before.objective))


@settings(max_examples=50, deadline=None)
@given(problems())
def test_nothing_asked_for_means_the_options_that_stand_first(problem: Problem) -> None:
    problem = replace(problem, minimize=())
    places = [
        sum(task.options.index(option) for task, option in zip(problem.tasks, options, strict=True)) for options, _ in selections(problem)
    ]
    answer = solve(problem, gap=1e-6, time_limit=20)
    assert bool(places) == bool(answer.picks)
    if places:
        chosen = picked(problem, answer.picks)
        assert sum(task.options.index(option) for task, option in zip(problem.tasks, chosen, strict=True)) == min(places)


def _task(name: str, *options: Option, parents: tuple[str, ...] = ()) -> Task:
    return Task(name, options, parents)


def test_a_pool_asleep_is_woken_only_where_its_base_power_pays() -> None:
    fast, slow = Option("fast", 1, joules=10, use={"gpu": 1.0}), Option("slow", 10, joules=40)
    asleep = Problem((_task("a", fast, slow),), (PoolBound("gpu", base_watts=50, is_on=False),), minimize=("energy",))
    assert solve(asleep).picks == {"a": "slow"}
    awake = replace(asleep, pools=(PoolBound("gpu", base_watts=50),))
    assert solve(awake).picks == {"a": "fast"}
    twice = replace(asleep, tasks=(*asleep.tasks, _task("b", fast, slow)))
    answer = solve(twice)
    assert answer.picks == {"a": "fast", "b": "fast"}
    assert answer.totals is not None
    assert answer.totals.base_joules == 50
    assert answer.totals.woken == ("gpu",)


def test_what_is_worse_stays_where_a_link_may_need_it() -> None:
    good, bad = Option("good", 1, usd=1, keys={"model": "a"}), Option("bad", 2, usd=2, keys={"model": "b"})
    only = Option("only", 1, keys={"model": "b"})
    problem = Problem((_task("x", good, bad), _task("y", only)), minimize=("cost",), links=(Link("model", ("x", "y")),))
    assert solve(problem).picks == {"x": "bad", "y": "only"}
    assert solve(replace(problem, links=())).picks == {"x": "good", "y": "only"}


def test_prices_tell_what_a_loosened_limit_is_worth() -> None:
    options = (Option("dear", 1, joules=1, usd=3), Option("cheap", 1, joules=5, usd=1))
    problem = Problem(tuple(_task(f"t{n}", *options) for n in range(10)), bounds=Bounds(cost=20.0), minimize=("energy",))
    answer = solve(problem)
    assert answer.totals is not None
    assert answer.totals.energy == pytest.approx(30)
    assert answer.prices["cost"] == pytest.approx(2.0, rel=0.01)
    assert answer.binding == ("cost",)


def test_a_floor_that_nobody_can_rate_is_not_met() -> None:
    problem = Problem((_task("a", Option("x", 1)),), bounds=Bounds(quality=0.5))
    assert solve(problem).status is Status.INFEASIBLE


def test_no_tasks_take_nothing() -> None:
    answer = solve(Problem(()))
    assert answer.status is Status.OPTIMAL
    assert answer.totals is not None
    assert answer.totals.latency == 0
    assert math.isclose(answer.gap, 0)


@pytest.mark.parametrize(
    ("tasks", "minimize", "said"),
    [
        ((Task("a", ()),), ("cost",), "no option"),
        ((_task("a", Option("x", 1)), _task("a", Option("x", 1))), ("cost",), "twice"),
        ((_task("a", Option("x", 1), parents=("b",)),), ("cost",), "stands before 'b'"),
        ((_task("a", Option("x", 1, use={"gpu": 1})),), ("cost",), "unknown 'gpu'"),
        ((_task("a", Option("x", 1), Option("x", 2)),), ("cost",), "option 'x' twice"),
        ((_task("a", Option("x", 1)),), ("speed",), "nothing to minimise"),
    ],
)
def test_what_no_solver_could_read_is_refused(tasks: tuple[Task, ...], minimize: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Problem(tasks, minimize=minimize)
