"""How long a job will take: its graph on virtual time, before anybody has seen the lists that it goes over."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.document import from_document
from murakkab.optimizer.condensed import LEAST_TASKS, MOST_IN_ALL, MOST_TASKS, condensed
from murakkab.optimizer.expected import ASSUMED_LENGTH, Count, Seen, expected_counts, observed_fan_out, total_tasks
from murakkab.optimizer.predict import Timeline, Work, simulate
from murakkab.plan import TaskGraph
from murakkab.planner.compile import compile_workflow
from tests.fakes import CATALOG

CORE = {"cores": 1.0}


def graph_of(**steps: Any) -> TaskGraph:
    document = {"workflow": "w", "inputs": {"xs": "list[int]"}, "steps": steps}
    workflow, found = from_document(document)
    assert workflow is not None, found
    return compile_workflow(workflow, CATALOG)


def timeline(graph: TaskGraph, seconds: dict[str, float] | float = 1.0, *, cores: float = 100.0, inputs: Any = None) -> Timeline:
    counts = expected_counts(graph, inputs)
    by = {n.path: Work(seconds if isinstance(seconds, float) else seconds[n.path], CORE) for n in graph.every_node() if n.is_plain}
    return simulate(graph, by, counts, {"cores": cores})


def work(*after: str, **parts: Any) -> dict[str, Any]:
    return {"uses": "work", "after": list(after), **parts}


def test_what_needs_nothing_of_each_other_runs_at_once() -> None:
    graph = graph_of(a=work(), b=work(), c=work("a", "b"))

    assert timeline(graph).makespan == 2.0
    assert timeline(graph, cores=1.0).makespan == 3.0
    assert timeline(graph, {"a": 3.0, "b": 1.0, "c": 2.0}).critical == ("a", "c")
    assert timeline(graph, {"a": 3.0, "b": 1.0, "c": 2.0}).busy == {"cores": 6.0}
    assert timeline(graph).spans == {"a": (0.0, 1.0), "b": (0.0, 1.0), "c": (1.0, 2.0)}


def test_elements_stream_from_one_map_to_the_next() -> None:
    graph = graph_of(a=work(for_each="${inputs.xs}"), b=work(for_each="${a}", **{"with": {"x": "${item}"}}))

    assert graph.nodes["b"].stream is not None
    assert timeline(graph, inputs={"xs": [1] * 4}).makespan == 2.0
    assert timeline(graph, inputs={"xs": [1] * 4}, cores=2.0).makespan == 4.0
    assert timeline(graph, {"a": 1.0, "b": 5.0}, inputs={"xs": [1] * 4}, cores=1.0).makespan == 24.0


def test_max_parallel_is_kept() -> None:
    graph = graph_of(a=work(for_each="${inputs.xs}", max_parallel=2))

    assert timeline(graph, inputs={"xs": [1] * 5}).makespan == 3.0


def test_blocks_loops_and_last_steps_take_their_time() -> None:
    block = {"steps": {"x": work(), "y": work("x")}, "for_each": "${inputs.xs}"}
    graph = graph_of(a=block, b=work("a", repeat={"at_most": 3}))

    assert timeline(graph, inputs={"xs": [1, 2]}).makespan == 5.0
    assert timeline(graph, inputs={"xs": []}).makespan == 3.0
    assert timeline(graph, inputs={"xs": [1, 2]}, cores=1.0).makespan == 7.0
    graph = graph_of(a=work(for_each="${inputs.xs}", repeat={"at_most": 3}))
    assert timeline(graph, inputs={"xs": [1, 2]}, cores=1.0).makespan == 6.0
    workflow, _ = from_document({"workflow": "w", "steps": {"a": work()}, "finally": {"z": {"uses": "work"}}})
    assert workflow is not None
    assert timeline(compile_workflow(workflow, CATALOG)).makespan == 2.0


def test_a_block_is_no_barrier() -> None:
    inner = {"x": work(), "y": {**work(), "with": {"v": "${a}"}}}
    graph = graph_of(a=work(), g={"steps": {"h": {"steps": inner}}}, b=work("g"))

    assert timeline(graph, {"a": 5.0, "g/h/x": 6.0, "g/h/y": 1.0, "b": 1.0}).makespan == 7.0


def test_a_wait_takes_its_time_and_a_person_none() -> None:
    graph = graph_of(a=work(), w={"wait": 7, "after": ["a"]}, ok={"approve": "Well?", "after": ["w"]}, b=work("ok"))

    assert timeline(graph).makespan == 9.0


def test_empty_lists_settle_what_comes_after() -> None:
    graph = graph_of(a=work(for_each="${inputs.xs}"), b=work(for_each="${a}"), c=work("b"))

    assert timeline(graph, inputs={"xs": []}).makespan == 1.0


def test_a_long_list_is_taken_by_several_at_a_time() -> None:
    graph = graph_of(a=work(for_each="${inputs.xs}"))

    assert timeline(graph, inputs={"xs": [0] * (MOST_TASKS * 4)}, cores=1.0).makespan == pytest.approx(MOST_TASKS * 4)


def test_a_block_over_a_long_list_takes_all_of_its_elements_into_account() -> None:
    graph = graph_of(a={"steps": {"x": work()}, "for_each": "${inputs.xs}"})

    for cores in (1.0, 4.0):
        found = timeline(graph, inputs={"xs": [0] * (MOST_TASKS * 4)}, cores=cores)
        assert found.makespan == pytest.approx(MOST_TASKS * 4 / cores)
        assert found.busy == {"cores": pytest.approx(MOST_TASKS * 4)}


def test_lists_in_lists_in_loops_are_counted_and_not_walked_through() -> None:
    inner = {"steps": {"y": work()}, "for_each": "${inputs.xs}"}
    loop = {"steps": {"i": inner, "z": work("i")}, "repeat": {"at_most": 1000}}
    graph = graph_of(a={"steps": {"loop": loop}, "for_each": "${inputs.xs}"})
    counts = expected_counts(graph, {"xs": [0] * 10_000})

    fewer = condensed(graph, counts)

    assert all(fewer.tasks[path] >= min(one.tasks, LEAST_TASKS) for path, one in counts.items())
    assert fewer.tasks["a"] * fewer.rounds["a/loop"] * fewer.tasks["a/loop/i"] <= MOST_IN_ALL * LEAST_TASKS
    assert timeline(graph, inputs={"xs": [0] * 10_000}, cores=2.0).makespan == pytest.approx(1e4 * 1e3 * (1e4 + 1) / 2, rel=0.01)


def test_what_needs_no_places_takes_no_longer_however_long_its_list_is() -> None:
    graph = graph_of(a=work(for_each="${inputs.xs}"), b=work(for_each="${inputs.xs}", max_parallel=10))
    counts = expected_counts(graph, {"xs": [0] * 10_000})

    found = simulate(graph, {"a": Work(1.0), "b": Work(1.0)}, counts, {})

    assert found.spans["a"] == (0.0, 1.0)
    assert found.spans["b"][1] == pytest.approx(1000.0)


@settings(max_examples=20)
@given(st.integers(1, 3000), st.integers(1, 50), st.integers(1, 40))
def test_shortened_or_not_a_job_does_the_same_work(outer: int, inner: int, rounds: int) -> None:
    loop = {"steps": {"y": work(for_each=list(range(inner)))}, "repeat": {"at_most": rounds}}
    graph = graph_of(a={"steps": {"loop": loop}, "for_each": "${inputs.xs}"})

    busy = timeline(graph, inputs={"xs": [0] * outer}, cores=1.0)

    assert busy.busy["cores"] == pytest.approx(outer * inner * rounds)
    assert busy.makespan == pytest.approx(outer * inner * rounds)


# ------------------------------------------------------------------------------------------------------------------ counts


def test_lists_are_counted_where_they_are_known_and_assumed_where_not() -> None:
    graph = graph_of(
        a=work(for_each="${inputs.xs}"),
        b=work(for_each="${a}"),
        c=work(for_each="${a[*][*]}"),
        d=work(for_each="${c}"),
        e=work(for_each=[1, 2, 3]),
        f=work(for_each={"x": "${inputs.xs}", "y": "${x.more}"}),
        g={"steps": {"h": work(for_each=[1, 2])}, "for_each": "${inputs.xs}"},
    )
    counts = expected_counts(graph, {"xs": [1, 2]})

    assert counts["a"] == counts["b"] == Count(2.0)
    assert counts["c"] == counts["d"] == Count(2 * ASSUMED_LENGTH, 1.0, is_assumed=True)
    assert counts["e"] == Count(3.0)
    assert counts["f"] == Count(2 * ASSUMED_LENGTH, 1.0, is_assumed=True)
    assert total_tasks(graph, counts)["g/h"] == 4.0
    assert expected_counts(graph)["a"] == Count(ASSUMED_LENGTH, 1.0, is_assumed=True)


def test_what_was_seen_before_counts_more_than_what_is_assumed() -> None:
    graph = graph_of(a=work(for_each="${inputs.xs}"), c=work(for_each="${a[*][*]}"), r=work(repeat={"at_most": 9, "until": "result > 1"}))
    seen = Seen(observed_fan_out(graph, {"a": 3, "c": 21, "r": 1}), {"r": 2.0})
    counts = expected_counts(graph, {"xs": [1, 2]}, seen)

    assert counts["c"] == Count(14.0)
    assert counts["r"].rounds == 2.0


# -------------------------------------------------------------------------------------------------------------- properties


@given(st.data())
def test_a_job_takes_as_long_as_its_longest_path_at_least_and_its_work_at_most(data: st.DataObject) -> None:
    names = [f"s{i}" for i in range(data.draw(st.integers(1, 7)))]
    steps: dict[str, Any] = {}
    for i, name in enumerate(names):
        before = data.draw(st.lists(st.sampled_from(names[:i]), max_size=3, unique=True)) if i else []
        more = data.draw(st.sampled_from([{}, {"for_each": [1, 2, 3]}, {"for_each": [1, 2, 3], "max_parallel": 1}]))
        steps[name] = work(*before, **more)
    graph = graph_of(**steps)
    seconds = {name: float(data.draw(st.integers(0, 5))) for name in names}
    cores = float(data.draw(st.integers(1, 4)))
    found = timeline(graph, seconds, cores=cores)

    total = sum(seconds[name] * len(steps[name].get("for_each", [0])) for name in names)
    longest: dict[str, float] = {}
    for name in names:
        times = 3 if "max_parallel" in steps[name] else 1
        longest[name] = seconds[name] * times + max((longest[b] for b in steps[name]["after"]), default=0.0)
    assert max(longest.values()) <= found.makespan <= total + 1e-9
    assert found.makespan >= total / cores - 1e-9
    assert found.busy.get("cores", 0.0) == total
    assert set(found.spans) == set(names)
