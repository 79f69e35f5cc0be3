"""When what ran: spans of tasks from the events of a job, the path that decided the time, rows and cells for a picture."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from murakkab.cli.gantt import gantt, legend
from murakkab.document import from_document
from murakkab.drawing.timeline import Timeline, timeline_of
from murakkab.drawing.timeline_rows import cells_of, named, ticks_of, timeline_rows
from murakkab.drawing.timeline_svg import timeline_svg
from murakkab.plan import TaskGraph
from murakkab.planner.compile import compile_workflow
from murakkab.runtime.messages import Answered, Event, JobResumed, JobSubmitted, RetryDue, TaskCancelled, TaskFailed, TaskSucceeded
from tests.fakes import CATALOG

WORK = {"uses": "work"}


def graph(steps: Mapping[str, Any], **parts: Any) -> TaskGraph:
    read = from_document({"workflow": "w", "inputs": {"xs": "list[int]"}, "steps": steps, **parts})
    assert read.workflow is not None, read.diagnostics
    return compile_workflow(read.workflow, CATALOG)


def done(task: str, begin: float, end: float, value: Any = None) -> TaskSucceeded:
    return TaskSucceeded(end, task, value, begin)


def spans(timeline: Timeline, task: str) -> list[tuple[str, float, float]]:
    (track,) = (one for one in timeline.tracks if one.task == task)
    return [tuple(span) for span in track.spans]


def critical(timeline: Timeline) -> list[str]:
    return [track.task for track in timeline.tracks if track.is_critical]


BEGIN = JobSubmitted(0.0, {"xs": [1, 2]})
DIAMOND = graph({"a": WORK, "b": {**WORK, "after": ["a"]}, "c": {**WORK, "after": ["a"]}, "d": {**WORK, "after": ["b", "c"]}})


def test_a_task_waits_for_its_place_and_then_runs() -> None:
    timeline = timeline_of(graph({"a": WORK}), [BEGIN, done("a", 1.0, 3.0)])
    assert spans(timeline, "a") == [("queued", 0.0, 1.0), ("run", 1.0, 3.0)]
    assert (timeline.begin, timeline.end) == (0.0, 3.0)


def test_a_failed_attempt_its_wait_and_the_next_one_are_told_apart() -> None:
    failed = TaskFailed(1.0, "a", "failed", "no", True, 0.0)
    timeline = timeline_of(graph({"a": {**WORK, "retry": 2}}), [BEGIN, failed, RetryDue(2.0, "a"), done("a", 2.0, 3.0)])
    assert spans(timeline, "a") == [("failed", 0.0, 1.0), ("backoff", 1.0, 2.0), ("run", 2.0, 3.0)]


@pytest.mark.parametrize("rescue", ["skip", {"default": 0}])
def test_a_failed_attempt_is_marked_where_others_make_up_for_it(rescue: Any) -> None:
    steps = {"a": {**WORK, "for_each": "${inputs.xs}", "with": {"x": "${item}"}, "on_error": rescue}}
    timeline = timeline_of(graph(steps), [BEGIN, TaskFailed(1.0, "a[0]", "failed", "no", False, 0.0), done("a[1]", 0.0, 2.0)])
    assert spans(timeline, "a[0]") == [("failed", 0.0, 1.0)]
    assert spans(timeline, "a[1]") == [("run", 0.0, 2.0)]


def test_the_path_leads_to_the_task_with_which_there_were_enough_not_to_those_cancelled_then() -> None:
    steps = {
        "a": {**WORK, "for_each": "${inputs.xs}", "with": {"x": "${item}"}, "need": "2 of 3", "effect": "read"},
        "b": {**WORK, "after": ["a"]},
    }
    events = [
        JobSubmitted(0.0, {"xs": [1, 2, 3]}),
        done("a[1]", 0.0, 1.0),
        done("a[0]", 0.0, 2.0),
        TaskCancelled(2.5, "a[2]", 0.0),
        done("b", 2.0, 3.0),
    ]
    assert critical(timeline_of(graph(steps), events)) == ["a[0]", "b"]
    assert critical(timeline_of(graph({"a": steps["a"]}), events[:-1])) == ["a[0]"]


def test_who_waits_for_a_person_is_seen_waiting_while_no_process_has_the_job() -> None:
    steps = {"a": WORK, "ok": {"approve": "Fine?", "after": ["a"]}, "b": {**WORK, "after": ["ok"]}}
    events = [BEGIN, done("a", 0.0, 1.0), JobResumed(9.0), Answered(9.0, "ok", True, {}), done("b", 9.0, 10.0)]
    timeline = timeline_of(graph(steps), events)
    assert spans(timeline, "ok") == [("awaiting", 1.0, 9.0)]
    assert timeline.gaps == ((1.0, 9.0),)
    assert critical(timeline) == ["a", "ok", "b"]


def test_what_was_running_when_its_process_died_ran_until_the_last_sign_of_life() -> None:
    steps = {"a": WORK, "b": WORK}
    timeline = timeline_of(graph(steps), [BEGIN, done("a", 0.0, 1.0), JobResumed(5.0), done("b", 5.0, 7.0)])
    assert spans(timeline, "b") == [("run", 0.0, 1.0), ("run", 5.0, 7.0)]


def test_what_has_not_ended_lasts_until_now() -> None:
    timeline = timeline_of(graph({"a": WORK}), [BEGIN], now=4.0)
    assert spans(timeline, "a") == [("run", 0.0, 4.0)]


def test_the_path_that_decided_the_time_goes_through_the_later_branch() -> None:
    events = [BEGIN, done("a", 0.0, 1.0), done("b", 1.0, 2.0), done("c", 1.0, 4.0), done("d", 4.0, 5.0)]
    assert critical(timeline_of(DIAMOND, events)) == ["a", "c", "d"]


def test_a_limited_map_is_decided_by_the_task_that_left_its_place() -> None:
    steps = {"a": {**WORK, "for_each": "${inputs.xs}", "max_parallel": 1, "with": {"x": "${item}"}}}
    timeline = timeline_of(graph(steps), [BEGIN, done("a[0]", 0.0, 1.0), done("a[1]", 1.0, 2.0)])
    assert critical(timeline) == ["a[0]", "a[1]"]


NESTED = graph(
    {
        "first": WORK,
        "loop": {
            "steps": {"draft": {**WORK, "with": {"x": "${first}"}}, "mark": {**WORK, "with": {"x": "${draft}"}}},
            "repeat": 2,
        },
    },
    **{"finally": {"tidy": WORK}},
)
ROUNDS: Sequence[Event] = [
    BEGIN,
    done("first", 0.0, 1.0),
    done("loop#0/draft", 1.0, 2.0),
    done("loop#0/mark", 2.0, 3.0),
    done("loop#1/draft", 3.0, 5.0),
    done("loop#1/mark", 5.0, 6.0),
    done("finally/tidy", 6.0, 7.0),
]


def test_a_step_that_holds_others_lasts_as_long_as_they_and_is_no_part_of_the_path() -> None:
    timeline = timeline_of(NESTED, ROUNDS)
    assert spans(timeline, "loop") == [("inside", 1.0, 6.0)]
    assert critical(timeline) == ["first", "loop#0/draft", "loop#0/mark", "loop#1/draft", "loop#1/mark", "finally/tidy"]


def test_rows_stand_below_the_step_that_they_lie_in() -> None:
    rows = timeline_rows(timeline_of(NESTED, ROUNDS), most=30)
    assert [(row.label, row.depth, row.tasks) for row in rows] == [
        ("first", 0, 1),
        ("loop", 0, 1),
        ("draft", 1, 2),
        ("loop#0/draft", 2, 1),
        ("loop#1/draft", 2, 1),
        ("mark", 1, 2),
        ("loop#0/mark", 2, 1),
        ("loop#1/mark", 2, 1),
        ("finally/tidy", 0, 1),
    ]
    assert [row.peak for row in rows if row.label == "draft"] == [1]


def test_where_there_is_little_room_steps_go_before_tasks() -> None:
    steps = {"a": {**WORK, "for_each": "${inputs.xs}", "with": {"x": "${item}"}}}
    many = [JobSubmitted(0.0, {"xs": list(range(50))}), *(done(f"a[{i}]", 0.0, 1.0 + i) for i in range(50))]
    rows = timeline_rows(timeline_of(graph(steps), many), most=5)
    assert [row.label for row in rows] == ["a", "a[47]", "a[48]", "a[49]", "47 more tasks"]
    assert rows[0].tasks == 50
    assert rows[0].peak == 50
    few = timeline_rows(timeline_of(DIAMOND, [BEGIN, done("a", 0, 1), done("b", 1, 2), done("c", 1, 3), done("d", 3, 4)]), most=3)
    assert [row.label for row in few] == ["a", "b", "2 more steps"]


def test_whatever_happened_is_seen_in_one_place_at_least() -> None:
    events = [BEGIN, TaskFailed(1.0, "a", "failed", "no", True, 0.999), RetryDue(2.0, "a"), done("a", 2.0, 1000.0)]
    timeline = timeline_of(graph({"a": {**WORK, "retry": 2}}), events)
    (row,) = timeline_rows(timeline, most=9)
    kinds = [cell.kind for cell in cells_of(row, timeline, 20)]
    assert kinds[0] == "failed"
    assert set(kinds[1:]) == {"run"}


def test_a_long_gap_takes_little_room() -> None:
    timeline = Timeline(0.0, 1_000_010.0, (), ((5.0, 1_000_005.0),))
    assert timeline.place(0.0) == 0.0
    assert timeline.place(timeline.end) == pytest.approx(1.0)
    assert timeline.place(5.0) == pytest.approx(5.0 / 10.6)
    assert timeline.place(1_000_005.0) == pytest.approx(5.6 / 10.6)
    assert all(tick <= 5.0 or tick > 1_000_000 for tick in ticks_of(timeline, 8))


def test_a_timeline_of_nothing_is_empty() -> None:
    empty = timeline_of(DIAMOND, [])
    assert (empty.tracks, empty.place(1.0), timeline_rows(empty, most=5)) == ((), 0.0, [])
    ElementTree.fromstring(timeline_svg(empty, "empty"))


@pytest.mark.parametrize(("path", "name"), [("a/b", ("b", 1)), ("finally/tidy", ("finally/tidy", 0)), ("finally/tidy/x", ("x", 1))])
def test_the_last_steps_lie_in_nothing(path: str, name: tuple[str, int]) -> None:
    assert named(path) == name


def test_the_svg_is_well_formed_whatever_the_title() -> None:
    tree = ElementTree.fromstring(timeline_svg(timeline_of(NESTED, ROUNDS), '<"&\x1b\u202e'))
    assert {one.tag.rpartition("}")[2] for one in tree.iter()} <= {"svg", "style", "rect", "text", "title", "path"}


@pytest.mark.parametrize("width", [50, 80, 140])
def test_bars_fit_the_terminal(width: int) -> None:
    console = Console(width=width, color_system=None, force_terminal=False)
    timeline = timeline_of(NESTED, ROUNDS)
    with console.capture() as capture:
        console.print(gantt(timeline, width=width, most=30))
        console.print(legend(timeline))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("▸") and "first" in line and "█" in line and "1.00 s" in line for line in lines)
    assert "critical path" in lines[-1] or "critical path" in lines[-2]
