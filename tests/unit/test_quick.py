"""Choosing again: what is settled stays, limits hold whenever some choice keeps them, and the measures are those of the whole job."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.optimizer.dual import dual_of
from murakkab.optimizer.form import form_of
from murakkab.optimizer.limits import only_limits, with_limits
from murakkab.optimizer.polish import Local
from murakkab.optimizer.problem import Bounds, Option, Percentile, PoolBound, Problem, Status, Task
from murakkab.optimizer.quick import Now, Settled, prepare, rechoose
from murakkab.optimizer.search import OutOfNodes, first_feasible
from murakkab.optimizer.solve import solve
from murakkab.optimizer.totals import is_feasible, picked, totals_of
from tests.instances import instance
from tests.problems import best_of, problems, rich_problem, selections, signed


@settings(max_examples=60, deadline=None)
@given(problems())
def test_before_anything_has_begun_it_finds_what_is_feasible(problem: Problem) -> None:
    best = best_of(problem)
    again = rechoose(prepare(problem), Now())
    assert (again.status is Status.INFEASIBLE) == (best is None)
    if best is None:
        return
    options = picked(problem, again.picks)
    totals = totals_of(problem, options)
    assert is_feasible(problem, options, totals)
    measure = problem.minimize[0]
    assert again.value == pytest.approx(totals.limits[measure], rel=1e-6, abs=1e-6)
    assert signed(measure, again.value) >= best[0] - 1e-5 * max(1.0, abs(best[0]))


@pytest.mark.parametrize("measure", ["latency", "cost", "energy", "quality"])
def test_with_every_feature_at_once_too(measure: str) -> None:
    for seed in range(12):
        problem = rich_problem(seed, measure=measure)
        assert (rechoose(prepare(problem), Now()).status is Status.INFEASIBLE) == (best_of(problem) is None)


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_the_complete_search_finds_what_is_there(first: int) -> None:
    for seed in range(first, first + 20):
        problem = rich_problem(seed)
        form = form_of(problem)
        local = Local(form, "cost", dual_of(form, "cost"))
        found = first_feasible(local, local.reduced, 10_000)
        assert (found is None) == (best_of(problem) is None)
        if found is not None:
            options = form.options_of(found.tolist())
            assert is_feasible(problem, options, totals_of(problem, options))


@pytest.mark.parametrize("seed", range(10))
def test_the_complete_search_finds_what_just_fits(seed: int) -> None:
    problem = only_limits(rich_problem(seed, measure="latency"), [])
    best = best_of(problem)
    assert best is not None
    form = form_of(with_limits(problem, {"latency": best[0]}))
    local = Local(form, "cost", dual_of(form, "cost"))
    assert first_feasible(local, local.reduced, 10_000) is not None


def test_the_complete_search_gives_up_when_told() -> None:
    form = form_of(rich_problem(1))
    with pytest.raises(OutOfNodes):
        first_feasible(Local(form, "cost", dual_of(form, "cost")), form.line.whole, 0)


def _as_it_stands(problem: Problem, now: Now) -> Problem:
    """Return the rest of the job as a problem of its own: what is settled has one option, which took what it took."""
    tasks = []
    for task in problem.tasks:
        settled = now.settled.get(task.name)
        if settled is None:
            left = tuple(option for option in task.options if (task.name, option.label) not in now.barred)
            tasks.append(replace(task, ready=max(task.ready, now.seconds), options=left))
            continue
        option = next(option for option in task.options if option.label == settled.label)
        seconds = settled.end - settled.start
        first = None if settled.first is None else settled.first - settled.start
        joules = option.joules if settled.joules is None else settled.joules
        usd = option.usd if settled.usd is None else settled.usd
        done = replace(option, seconds=seconds, tail=seconds, first=first, last=None, joules=joules, usd=usd)
        tasks.append(Task(task.name, (done,), ready=settled.start, weight=task.weight))
    return replace(problem, tasks=tuple(tasks))


@settings(max_examples=60, deadline=None)
@given(problems(), st.data())
def test_half_way_it_finds_what_is_still_feasible(problem: Problem, data: st.DataObject) -> None:
    # The work of pools is counted from now on where it is not settled; the reference counts all of it, so leave it out.
    problem = replace(problem, pools=tuple(replace(pool, devices=None) for pool in problem.pools))
    rated = [any(option.quality is not None for option in task.options) for task in problem.tasks]
    if any(one and any(option.quality is None for option in task.options) for one, task in zip(rated, problem.tasks, strict=True)):
        return
    count = data.draw(st.integers(0, len(problem.tasks)))
    settled, clock = {}, 0.0
    for task in problem.tasks[:count]:
        option = data.draw(st.sampled_from(task.options))
        end = clock + option.seconds * data.draw(st.sampled_from((0.5, 1.0, 1.5)))
        settled[task.name] = Settled(option.label, clock, end, joules=option.joules * data.draw(st.sampled_from((0.5, 1.0, 2.0))))
        clock = end
    open_ = [(task.name, option.label) for task in problem.tasks[count:] for option in task.options[1:]]
    barred = frozenset(data.draw(st.lists(st.sampled_from(open_), max_size=2)) if open_ else [])
    now = Now(settled, clock, barred=barred)
    reference = _as_it_stands(problem, now)
    found = list(selections(reference))
    again = rechoose(prepare(problem), now)
    assert (again.status is Status.INFEASIBLE) == (not found)
    if found:
        assert set(again.picks) == {task.name for task in problem.tasks[count:]}
        options = picked(reference, {**{name: one.label for name, one in settled.items()}, **again.picks})
        totals = totals_of(reference, options)
        assert is_feasible(reference, options, totals)
        assert again.value == pytest.approx(totals.limits[problem.minimize[0]], rel=1e-6, abs=1e-6)


def _job(**bounds: float) -> Problem:
    options = (Option("fast", 1, joules=9), Option("slow", 5, joules=1))
    return Problem(
        (Task("a", options), Task("b", options, ("a",)), Task("c", options, ("b",))), bounds=Bounds(**bounds), minimize=("energy",)
    )


def test_late_means_faster_and_early_means_cheaper() -> None:
    prepared = prepare(_job(latency=11.0))
    assert rechoose(prepared, Now({"a": Settled("slow", 0, 5)}, 5)).picks in ({"b": "slow", "c": "fast"}, {"b": "fast", "c": "slow"})
    assert rechoose(prepared, Now({"a": Settled("slow", 0, 9)}, 9)).picks == {"b": "fast", "c": "fast"}
    assert rechoose(prepared, Now({"a": Settled("slow", 0, 1)}, 1)).picks == {"b": "slow", "c": "slow"}
    late = rechoose(prepared, Now({"a": Settled("slow", 0, 10)}, 10))
    assert late.status is Status.INFEASIBLE
    assert late.picks == {"b": "fast", "c": "fast"}
    assert late.excess == pytest.approx(1 / 11, rel=1e-4)


def test_larger_outputs_take_more_and_what_cannot_be_had_is_left() -> None:
    prepared = prepare(_job(latency=11.0))
    now = Now({"a": Settled("fast", 0, 1)}, 1, stretch={"b": 3.0})
    assert rechoose(prepared, now).picks == {"b": "fast", "c": "slow"}
    assert rechoose(prepared, replace(now, barred={("c", "slow")})).picks == {"b": "fast", "c": "fast"}
    assert rechoose(prepared, replace(now, barred={("c", "slow"), ("c", "fast")})).status is Status.INFEASIBLE


def test_what_has_been_spent_counts() -> None:
    prepared = prepare(_job(energy=20.0))
    job = replace(_job(energy=20.0), minimize=("latency",))
    assert rechoose(prepare(job), Now({"a": Settled("slow", 0, 5, joules=1)}, 5)).picks == {"b": "fast", "c": "fast"}
    assert rechoose(prepare(job), Now({"a": Settled("slow", 0, 5, joules=17)}, 5)).picks == {"b": "slow", "c": "slow"}
    assert rechoose(prepared, Now({"a": Settled("slow", 0, 5, joules=19)}, 5)).status is Status.INFEASIBLE


def test_the_work_left_in_a_pool_counts_from_now() -> None:
    options = (Option("gpu", 1, joules=1, use={"gpu": 8.0}), Option("cpu", 1, joules=5))
    problem = Problem((Task("a", options), Task("b", options)), (PoolBound("gpu", 1),), bounds=Bounds(latency=10), minimize=("energy",))
    assert rechoose(prepare(problem), Now(seconds=0)).picks in ({"a": "gpu", "b": "cpu"}, {"a": "cpu", "b": "gpu"})
    assert rechoose(prepare(problem), Now({"a": Settled("gpu", 0, 1)}, 2.0)).picks == {"b": "gpu"}
    assert rechoose(prepare(problem), Now({"a": Settled("gpu", 0, 1)}, 2.5)).picks == {"b": "cpu"}


def test_what_was_chosen_before_is_measured_where_it_can_still_be_had() -> None:
    """A task with one option has nothing to pick."""
    job = _job(latency=20.0)
    with_wait = replace(job, tasks=(*job.tasks, Task("wait", (Option("wait", 2.0),), ("c",))))
    now = Now(picks={"a": "slow", "b": "slow", "c": "slow"})
    assert rechoose(prepare(with_wait), now).kept == (0.0, 3.0)
    assert rechoose(prepare(with_wait), replace(now, barred={("b", "slow")})).kept[0] == np.inf
    assert (
        rechoose(prepare(with_wait), Now({"b": Settled("slow", 0, 5)}, picks={"a": "slow", "c": "slow"}, barred={("b", "slow")})).kept[0]
        == 0.0
    )


def test_what_is_too_late_anyway_saves_where_that_makes_it_no_later() -> None:
    options = (Option("fast", 1, joules=9), Option("slow", 5, joules=1))
    tasks = (Task("a", options), Task("b", (Option("long", 20, joules=0),), ("a",)), Task("side", options, ("a",)))
    job = Problem(tasks, bounds=Bounds(latency=10.0), minimize=("energy",))
    again = rechoose(prepare(job), Now(picks={"a": "slow", "b": "long", "side": "slow"}))
    assert again.status is Status.INFEASIBLE
    assert again.picks == {"a": "fast", "b": "long", "side": "slow"}
    assert again.excess == pytest.approx(1.1, rel=1e-4)


def test_a_budget_limits_like_a_goal_and_what_is_left_is_told() -> None:
    prepared = prepare(replace(_job(latency=20.0), minimize=("latency",)))
    again = rechoose(prepared, Now(limits={"energy": 11.0}))
    assert sorted(again.picks.values()) == ["fast", "slow", "slow"]
    assert again.slack == pytest.approx({"latency": 9.0, "energy": 0.0})
    assert rechoose(prepared, Now(spent={"energy": 9.0}, limits={"energy": 11.0})).status is Status.INFEASIBLE


@pytest.mark.parametrize("seed", range(6))
def test_choosing_again_is_no_worse_than_what_was_chosen(seed: int) -> None:
    problem = instance(12, seed)
    first = solve(problem, time_limit=0)
    again = rechoose(prepare(problem), Now(picks=first.picks))
    assert first.objective is not None
    assert again.value <= first.objective * (1 + 1e-9)
    assert again.status is Status.HEURISTIC
    assert problem.bounds.percentile is Percentile.P50
    assert np.isfinite(again.value)
