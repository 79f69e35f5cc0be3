"""The display of a running job: lines where there is no terminal, a table that follows the job where there is one."""

import io

from rich.console import Console

from murakkab.cli.live import Display
from murakkab.plan import Node, TaskGraph
from murakkab.runtime.messages import CancelRequested, Event, JobSubmitted, TaskCancelled, TaskFailed, TaskStarted, TaskSucceeded
from murakkab.runtime.state import JobState
from murakkab.spec import Loop, OnError, Ref, Rescue, Workflow

MAP = Node("a", "echo", loops=(Loop("item", Ref("inputs", ("items",))),), consumers=("b",), opens=("b",))
AFTER = Node("b", "echo", needs=("a",))
EVENTS: tuple[Event, ...] = (
    TaskStarted(1.0, "a[0]", 1),
    TaskStarted(1.0, "a[1]", 1),
    TaskSucceeded(2.0, "a[1]", 1, 1.0),
    TaskSucceeded(3.5, "a[0]", 1, 1.0),
    TaskStarted(3.5, "b", 1),
    TaskSucceeded(4.0, "b", 1, 3.5),
)


def state_of(*nodes: Node) -> JobState:
    return JobState(TaskGraph(Workflow("w"), {node.name: node for node in nodes}, {}))


def display(*, terminal: bool, state: JobState | None = None, height: int = 30) -> tuple[Display, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100, height=height, color_system=None)
    return Display(console, "w  job 1", state or state_of(MAP, AFTER)), text


def test_without_a_terminal_a_step_is_told_once_when_it_settles() -> None:
    shown, text = display(terminal=False)
    with shown.shown():
        for event in (JobSubmitted(0.0, {"items": [1, 2]}), *EVENTS):
            shown.observe("1", event)
    assert text.getvalue().splitlines() == ["a: succeeded  2/2  2.50 s", "b: succeeded  500 ms"]


def test_a_failed_step_and_those_that_depend_on_it_are_told() -> None:
    shown, text = display(terminal=False)
    with shown.shown():
        for event in (JobSubmitted(0.0, {"items": [1]}), TaskStarted(1.0, "a[0]", 1), TaskFailed(2.0, "a[0]", "failed", "no", False, 1.0)):
            shown.observe("1", event)
    assert [line.split()[:2] for line in text.getvalue().splitlines()] == [["a:", "failed"], ["b:", "cancelled"]]


def test_what_an_earlier_run_settled_is_not_told_again() -> None:
    state = state_of(MAP, AFTER)
    for event in (JobSubmitted(0.0, {"items": [1, 2]}), *EVENTS[:4]):
        if not isinstance(event, TaskStarted):
            state.handle(event)
    shown, text = display(terminal=False, state=state)
    with shown.shown():
        for event in EVENTS[4:]:
            shown.observe("1", event)
    assert text.getvalue().splitlines() == ["b: succeeded  500 ms"]


def test_the_table_on_a_terminal_shows_each_step_and_is_gone_at_the_end() -> None:
    shown, text = display(terminal=True)
    shown.observe("1", JobSubmitted(0.0, {"items": [1, 2]}))
    with shown.shown():
        for event in EVENTS[:3]:
            shown.observe("1", event)
        shown.note = "stopping"
    drawn = text.getvalue()
    assert "w  job 1" in drawn
    assert "1/2" in drawn
    assert "1 running" in drawn
    assert "stopping" in drawn


def test_with_more_steps_than_lines_the_interesting_ones_are_shown() -> None:
    nodes = [Node(f"s{i}", "echo") for i in range(50)]
    shown, text = display(terminal=True, state=state_of(*nodes), height=10)
    shown.observe("1", JobSubmitted(0.0, {}))
    shown.observe("1", TaskStarted(1.0, "s49", 1))
    shown.observe("1", TaskSucceeded(1.5, "s0", 1, 1.0))
    with shown.shown():
        pass
    drawn = text.getvalue()
    assert "1 of 50 steps settled" in drawn
    assert "s49" in drawn


def test_a_cancelled_job_tells_every_step_that_never_ran() -> None:
    shown, text = display(terminal=False)
    with shown.shown():
        for event in (JobSubmitted(0.0, {"items": [1]}), CancelRequested(1.0), TaskCancelled(1.5, "a[0]", 0.5)):
            shown.observe("1", event)
    assert [line.split()[:2] for line in text.getvalue().splitlines()] == [["a:", "cancelled"], ["b:", "cancelled"]]


def test_tasks_that_were_passed_over_are_not_counted_as_done() -> None:
    tolerant = Node("a", "echo", loops=MAP.loops, on_error=OnError(Rescue.SKIP))
    shown, text = display(terminal=False, state=state_of(tolerant))
    failed = TaskFailed(2.0, "a[0]", "failed", "no", False, 1.0)
    with shown.shown():
        for event in (JobSubmitted(0.0, {"items": [1, 2, 3]}), *EVENTS[:2], failed, EVENTS[2], TaskSucceeded(3.0, "a[2]", 1, 1.0)):
            shown.observe("1", event)
    assert text.getvalue().splitlines() == ["a: succeeded  2/3 (1 skipped)  2.00 s"]
