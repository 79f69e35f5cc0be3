"""How profiles become what a task of a job takes: how much work it is, how many run beside it, and on which machine that was measured."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Quote
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.document import from_document
from murakkab.figures import Figure, Provenance, Source
from murakkab.optimizer.choose import choose
from murakkab.optimizer.configurations import Configuration, Task, configurations, work_share
from murakkab.optimizer.expected import Seen, seen_in
from murakkab.optimizer.situation import Situation
from murakkab.plan import Node, TaskGraph
from murakkab.planner.compile import compile_workflow
from murakkab.profiles import Profile, Setting, Spread
from murakkab.profiling.observation import Shape
from tests.fakes import WORK, graph, step

CARD = ExecutorCard("one", "work", "", needs=Needs(cores=1.0), quote=Quote(seconds=9.0, quality=0.4))
KNOWN = Catalog({"work": WORK}, {"one": CARD})
HERE = Provenance(Source.MEASURED, "here")
ELSEWHERE = Provenance(Source.PUBLISHED, "elsewhere")


def cores(count: int) -> ClusterView:
    return ClusterView({"cpu": Pool("cpu", DeviceKind("cpu", Device.CPU), count)})


def profile(seconds: float = 1.0, *, load: int = 1, of: Provenance = HERE, **more: Any) -> Profile:
    joules = Figure(5 * seconds, 4 * seconds, 6 * seconds, of)
    return Profile(Setting("one", load=load), Spread(seconds, seconds, seconds, seconds), joules=joules, of=of, **more)


def way(*profiles: Profile, task: Task = Task(), count: int = 2) -> Configuration:  # noqa: B008
    (found,) = configurations(node(), [CARD], cores(count), {"one": profiles}, task=task)
    return found


def node() -> Node:
    return graph(step("s"), catalog=KNOWN).nodes["s"]


# -------------------------------------------------------------------------------------------------------------------- work


@given(st.floats(0.1, 100), st.floats(0, 10), st.floats(0.1, 1000), st.floats(0, 1000))
def test_a_task_takes_what_comes_with_it_and_with_each_unit(base: float, per_unit: float, usual: float, units: float) -> None:
    one = profile(base + per_unit * usual, units=usual, per_unit=per_unit)
    assert work_share(one, units) * one.seconds.mean == pytest.approx(base + per_unit * units, rel=1e-6)
    assert work_share(one, usual) == pytest.approx(1.0)
    assert work_share(one, None) == 1.0


def test_where_nobody_knows_what_comes_with_a_unit_every_task_takes_the_same() -> None:
    assert work_share(profile(2.0, units=10.0), 100.0) == 1.0
    assert work_share(profile(2.0, per_unit=1.0), 100.0) == 1.0


def test_time_and_energy_grow_with_the_work_and_quality_and_money_do_not() -> None:
    quality = {"f1": Figure(0.8, 0.7, 0.9, HERE)}
    one = profile(2.0, units=10.0, per_unit=0.2, quality=quality, usd=Figure(0.1, 0.1, 0.1, HERE))
    taken = way(one, task=Task(units=30.0)).taken

    assert taken.seconds.value == pytest.approx(6.0)
    assert taken.joules is not None
    assert taken.joules.value == pytest.approx(30.0)
    assert taken.quality == quality["f1"]
    assert taken.usd.value == 0.1


# -------------------------------------------------------------------------------------------------------------------- load


@pytest.mark.parametrize(("load", "seconds"), [(0.5, 1.0), (1.0, 1.0), (1.5, 1.5), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0), (9.0, 4.0)])
def test_between_loads_that_were_measured_lies_a_straight_line(load: float, seconds: float) -> None:
    assert way(profile(1.0), profile(4.0, load=4), profile(2.0, load=2)).under(load).seconds.value == pytest.approx(seconds)


def test_as_many_tasks_run_at_once_as_there_are_and_as_fit() -> None:
    several = profile(1.0), profile(2.0, load=2)
    assert way(*several).taken.seconds.value == 1.0
    assert way(*several, task=Task(load=6.0)).taken.seconds.value == 2.0
    assert way(*several, task=Task(load=6.0), count=1).taken.seconds.value == 1.0


def test_a_job_takes_what_its_tasks_take_beside_each_other() -> None:
    at = Situation(cores(2), {"one": [profile(1.0), profile(1.6, load=2)]}, {"xs": [1, 2]}, capacity={"cores": 2.0})
    side_by_side = chosen(over_a_list(), at)
    in_turns = chosen(over_a_list(), replace(at, view=cores(1), capacity={"cores": 1.0}))

    assert side_by_side == pytest.approx(1.6)
    assert in_turns == pytest.approx(2.0)


def over_a_list(**more: Any) -> TaskGraph:
    steps = {"a": {"uses": "work", "for_each": "${inputs.xs}"}, **more}
    workflow, found = from_document({"workflow": "w", "inputs": {"xs": "list[int]"}, "steps": steps})
    assert workflow is not None, found
    return compile_workflow(workflow, KNOWN)


def chosen(graph: TaskGraph, at: Situation) -> float:
    estimate = choose(graph, KNOWN, situation=at).estimate
    assert estimate is not None
    return estimate.seconds.value


# ----------------------------------------------------------------------------------------------------------------- machines


def test_what_was_measured_here_replaces_what_was_measured_elsewhere() -> None:
    found = way(profile(1.0, of=ELSEWHERE), profile(3.0))
    assert found.taken.seconds.value == 3.0
    assert found.taken.seconds.of == HERE


def test_how_good_results_are_is_taken_from_elsewhere_where_nobody_has_scored_them_here() -> None:
    quality = {"f1": Figure(0.8, 0.7, 0.9, ELSEWHERE)}
    assert way(profile(1.0, of=ELSEWHERE, quality=quality), profile(3.0)).taken.quality == quality["f1"]
    assert way(profile(3.0)).taken.quality is not None  # of the card


def test_where_only_time_was_measured_energy_is_that_of_the_work_and_not_of_the_time() -> None:
    metered = profile(2.0, of=ELSEWHERE, units=10.0, per_unit=0.2)
    slow = replace(profile(8.0, units=20.0, load=2), joules=None)

    found = way(metered, slow).taken
    assert found.seconds.value == 8.0
    assert found.joules is not None
    assert found.joules.value == pytest.approx(20.0)


def test_another_machine_makes_less_sure_of_time_and_energy() -> None:
    mine, theirs = way(profile(2.0)).taken, way(profile(2.0, of=ELSEWHERE)).taken
    assert theirs.seconds.low < mine.seconds.low
    assert theirs.seconds.high > mine.seconds.high
    assert theirs.joules is not None
    assert (theirs.joules.low, theirs.joules.high) == (5.0, 20.0)
    assert theirs.seconds.of.source is Source.PUBLISHED


def test_what_varies_from_task_to_task_makes_less_sure() -> None:
    wild = replace(profile(2.0), seconds=Spread(2.0, 1.8, 3.0, 4.0))
    assert way(wild).taken.seconds.high == pytest.approx(3.0)
    assert way(wild).taken.seconds.low == pytest.approx(4.0 / 3.0)


# ------------------------------------------------------------------------------------------------------------ earlier jobs


def shape(by: str, tasks: float, units: float) -> Shape:
    return Shape("w", 0.0, {"a": by, "b": "x"}, {"a": 2.0, "b": tasks}, {"b": units})


def test_a_job_is_expected_to_become_what_those_became_that_were_done_alike() -> None:
    made = over_a_list(b={"uses": "work", "for_each": "${a[*][*]}"})
    shapes = [shape("coarse", 4.0, 30.0), shape("fine", 20.0, 6.0)]

    assert seen_in(made, shapes) == Seen({"a": 2.0, "b": 6.0}, units={"b": 18.0})
    assert seen_in(made, shapes, {"a": "fine"}) == Seen({"a": 2.0, "b": 10.0}, units={"b": 6.0})
    assert seen_in(made, shapes, {"a": "never"}) == seen_in(made, shapes)
    assert seen_in(made, []) == Seen()
