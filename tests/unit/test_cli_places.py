"""Steps by path, where each is, what a job waits for, how a plan and an event read."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from murakkab.catalog import ExecutorCard, Quote
from murakkab.cli.event_lines import event_json, event_text
from murakkab.cli.logs import is_about
from murakkab.cli.places import ended, kind_of, nodes_of, statuses_of
from murakkab.cli.plans import aim_text, forecast_lines, plan_json, reasons_of, tasks_text
from murakkab.cli.progress import Progress
from murakkab.cli.replies import events_of, question_json, questions_of, replies_of
from murakkab.document import from_document
from murakkab.figures import Figure, Provenance, Source, exactly
from murakkab.plan import Choice, Deployment, Estimate, Other, TaskGraph
from murakkab.planner.compile import compile_workflow
from murakkab.runtime import messages as m
from murakkab.runtime.state import JobState
from murakkab.spec import Goal
from tests.fakes import CATALOG

WORK = {"uses": "work"}


def graph(steps: Mapping[str, Any], **parts: Any) -> TaskGraph:
    read = from_document({"workflow": "w", "inputs": {"xs": "list[int]"}, "steps": steps, **parts})
    assert read.workflow is not None, read.diagnostics
    return compile_workflow(read.workflow, CATALOG)


def state(of: TaskGraph, *events: m.Event) -> JobState:
    found = JobState(of)
    for event in (m.JobSubmitted(0.0, {"xs": [1, 2]}), *events):
        found.handle(event)
    return found


NESTED = graph(
    {
        "first": WORK,
        "loop": {
            "steps": {"draft": {**WORK, "with": {"x": "${first}"}}, "mark": {**WORK, "with": {"x": "${draft}"}}},
            "for_each": "${inputs.xs}",
        },
        "again": {**WORK, "repeat": 3, "after": ["loop"]},
        "ok": {"approve": "Fine?", "after": ["again"]},
        "nap": {"wait": 5, "after": ["ok"]},
    },
    **{"finally": {"tidy": WORK}},
)


def test_steps_inside_stand_behind_the_one_that_holds_them() -> None:
    kinds = {path: kind_of(node) for path, node in nodes_of(NESTED).items()}
    assert kinds == {
        "first": "task",
        "loop": "steps",
        "loop/draft": "task",
        "loop/mark": "task",
        "again": "task",
        "ok": "approve",
        "nap": "wait",
        "finally/tidy": "task",
    }


def test_a_step_has_the_worst_status_of_the_places_where_it_is_done() -> None:
    found = state(NESTED, m.TaskSucceeded(1.0, "first", 1, 0.0), m.TaskSucceeded(2.0, "loop[0]/draft", 1, 1.0))
    statuses = statuses_of(found)
    assert [statuses[path] for path in ("first", "loop", "loop/draft", "loop/mark")] == ["succeeded", "running", "running", "running"]
    assert statuses["finally/tidy"] == "waiting"
    assert ended(statuses, "interrupted")["loop/draft"] == "interrupted"


ROUND = graph(
    {
        "ok": {"approve": "Fine?", "for_each": "${inputs.xs}", "need": "1 of 2"},
        "each": {
            "steps": {"say": {**WORK, "with": {"x": "${item}"}}, "sign": {"approve": "Sign?", "after": ["say"]}},
            "for_each": "${inputs.xs}",
            "need": "1 of 2",
        },
        "poll": {"wait": {"event": "ready", "type": "int"}, "repeat": {"at_most": 3, "until": "result > 1"}},
    },
)


def test_a_step_that_holds_something_that_waits_waits_itself() -> None:
    found = state(ROUND, m.TaskSucceeded(1.0, "each[0]/say", 1, 0.0), m.TaskSucceeded(1.0, "each[1]/say", 1, 0.0))
    assert found.finished == "waiting"
    statuses = ended(statuses_of(found), "waiting")
    assert statuses == {"ok": "awaiting", "each": "awaiting", "each/say": "succeeded", "each/sign": "awaiting", "poll": "awaiting"}


def test_what_can_still_succeed_has_not_failed() -> None:
    found = state(
        ROUND,
        m.Answered(1.0, "ok[0]", False, {}),
        m.TaskFailed(1.0, "each[0]/say", "failed", "no", False, 0.0),
        m.TaskSucceeded(1.0, "each[1]/say", 1, 0.0),
    )
    statuses = ended(statuses_of(found), found.finished)
    assert (found.finished, statuses["ok"], statuses["each"], statuses["each/sign"]) == ("waiting", "awaiting", "awaiting", "awaiting")
    found.handle(m.Answered(2.0, "ok[1]", False, {}))
    assert ended(statuses_of(found), found.finished)["ok"] == "failed"


def test_what_has_no_money_to_go_on_is_paused() -> None:
    found = state(NESTED, m.TaskSucceeded(1.0, "first", 1, 0.0))
    statuses = ended(statuses_of(found), "paused")
    assert (statuses["loop"], statuses["loop/draft"], statuses["again"]) == ("paused", "paused", "waiting")


def test_progress_tells_of_steps_inside_once_they_have_begun() -> None:
    found = JobState(NESTED)
    progress = Progress()
    news = found.log = []
    for event in (m.JobSubmitted(0.0, {"xs": [1, 2]}), m.TaskSucceeded(1.0, "first", 1, 0.0), m.TaskStarted(1.0, "loop[0]/draft", 1)):
        progress.hear(event)
        if not isinstance(event, m.TaskStarted):
            found.handle(event)
        progress.see(news)
        news.clear()
    lines = {line.step: line for line in progress.lines(found, 3.0)}
    assert list(lines)[:4] == ["first", "loop", "loop/draft", "again"]
    assert (lines["loop/draft"].total, lines["loop/draft"].running, lines["loop/draft"].seconds) == (2, 1, 2.0)
    assert (lines["loop"].status, lines["loop"].seconds) == ("running", 3.0)


# -------------------------------------------------------------------------------------------------------------------- replies


ASKING = graph(
    {
        "ok": {"approve": {"message": "Fine?", "form": {"limit": {"type": "float", "default": 5}, "who": "str", "note": "str?"}}},
        "paid": {"wait": {"event": "paid up", "type": {"amount": "float"}}},
        "ping": {"wait": {"event": "ping", "type": "null"}},
    }
)


def test_who_waits_tells_the_words_that_answer() -> None:
    assert replies_of("j1", state(ASKING)) == {
        "ok": "approve j1 --set who=TEXT",
        "paid": "send j1 'paid up' --value '{...}'",
        "ping": "send j1 ping",
    }
    assert {task: event for task, (event, _) in events_of(state(ASKING)).items()} == {"paid": "paid up", "ping": "ping"}


def test_with_several_questions_the_task_is_named() -> None:
    several = graph({"ok": {"approve": "Go on?", "for_each": "${inputs.xs}"}})
    assert replies_of("j1", state(several)) == {"ok[0]": "approve j1 'ok[0]'", "ok[1]": "approve j1 'ok[1]'"}


def test_a_question_is_plain_data() -> None:
    (asked,) = questions_of(state(ASKING))
    document = json.loads(json.dumps(question_json(asked)))
    assert (document["task"], document["message"]) == ("ok", "Fine?")
    assert document["form"]["limit"] == {"type": "float", "required": False, "default": 5, "description": ""}


# ---------------------------------------------------------------------------------------------------------------------- plans


def deployment(of: TaskGraph, **goal: Any) -> Deployment:
    card = ExecutorCard("fake", "work", "", quote=Quote(2.0, 0.5, 3.0, source="measured"))
    tasks = [path for path, node in nodes_of(of).items() if kind_of(node) == "task"]
    found = Provenance(Source.MEASURED, "here", "2026-11-25", 9)
    figure = Figure(2.0, 1.5, 2.5, found)
    estimate = Estimate(figure, 3.0, exactly(0.5, found), Figure(3.0, 2.0, 4.0, found))
    other = Other("quick(size=1)", "1 J more energy", estimate)
    choice = {
        path: Choice(path, card, {"size": 3}, "the only one", pool="cpu", tasks=4.0, estimate=estimate, runner_up=other) for path in tasks
    }
    return Deployment(choice, Goal(**goal), estimate, ("first", "again"), "feasible", 0.005, 2.9, ("latency would be 2 s",))


def test_a_plan_tells_what_each_step_is_expected_to_take_and_where_that_is_from() -> None:
    plan = json.loads(json.dumps(plan_json(NESTED, deployment(NESTED))))
    steps = {step["step"]: step for step in plan["steps"]}
    expected = steps["loop/draft"]["expected"]
    assert expected["seconds"] == {"value": 2.0, "low": 1.5, "high": 2.5, "source": "measured", "where": "here", "date": "2026-11-25"}
    assert (expected["seconds_p90"], expected["usd"]["value"], expected["quality"]) == (3.0, 0.5, None)
    assert (steps["loop/draft"]["knobs"], steps["loop/draft"]["why"], steps["loop/draft"]["tasks"]) == ({"size": 3}, "the only one", "4")
    assert steps["loop/draft"]["runner_up"]["lost"] == "1 J more energy"
    assert "expected" not in steps["ok"]
    assert plan["chosen"] == {"status": "feasible", "gap": 0.005, "bound": 2.9, "beyond": ["latency would be 2 s"]}
    assert (plan["critical_path"], plan["expected"]["joules"]["high"]) == (["first", "again"], 4.0)


def test_a_plan_tells_how_many_tasks_a_step_becomes() -> None:
    assert {path: tasks_text(node) for path, node in nodes_of(NESTED).items() if "/" not in path} == {
        "first": "1",
        "loop": "n",
        "again": "≤3",
        "ok": "1",
        "nap": "1",
    }


def test_a_forecast_is_told_in_sentences() -> None:
    lines = list(forecast_lines(deployment(NESTED)))
    assert lines[0] == (
        "expected: 2.00 s (1.50 s - 2.50 s, nine times out of ten below 3.00 s; measured); $0.50; energy 3 J (2 - 4; measured); "
        "quality not known"
    )
    assert lines[1:3] == ["critical path: first → again", "chosen: all steps together, within 0.5% of the best"]
    assert lines[3] == "next best for first: quick(size=1) - 1 J more energy"
    assert list(forecast_lines(Deployment({}))) == []
    assert aim_text(Goal(("energy", "cost"), {"latency": 60.0})) == "minimizes energy, then cost, within latency 60 s"


def test_a_reason_is_given_once() -> None:
    assert reasons_of(deployment(NESTED)) == ["fake, 5 steps: the only one"]


# --------------------------------------------------------------------------------------------------------------------- events


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (m.JobSubmitted(1.0, {"a": 1}), 'job  submitted with {"a": 1}'),
        (m.TaskStarted(1.0, "a", 2), "a  attempt 2 begins"),
        (m.TaskSucceeded(3.0, "a", "x", 1.0, usd=0.5, tokens=1200), 'a  succeeded in 2.00 s for $0.50, 1,200 tokens: "x"'),
        (m.TaskSucceeded(3.0, "a", "x", 1.0, cached=True), 'a  succeeded from the cache: "x"'),
        (m.TaskYielded(1.0, "a", 3, [1]), "a  gave element 3: [1]"),
        (m.TaskFailed(3.0, "a", "timeout", "too\nslow", False, 1.0), "a  failed after 2.00 s, for good: timeout: too slow"),
        (m.TaskCancelled(3.0, "a", 1.0, left="a thread"), "a  cancelled after 2.00 s; left behind: a thread"),
        (m.RetryDue(1.0, "a"), "a  tries again"),
        (m.TimerFired(1.0, "a"), "a  its time came"),
        (m.Answered(1.0, "a", True, {"x": 1}, "Ann"), 'a  answered yes by Ann with {"x": 1}'),
        (m.Answered(1.0, "a", False, {}), "a  answered no"),
        (m.SignalReceived(1.0, "paid", 5), "job  the event 'paid' came: 5"),
        (m.SkipRequested(1.0, "a", True, "late"), "a  to be passed over and all after it: late"),
        (m.BudgetSpent(1.0), "job  its time budget is spent"),
        (m.DeadlinePassed(1.0), "job  its deadline passed"),
        (m.CancelRequested(1.0, "why"), "job  to be cancelled: why"),
        (m.JobResumed(1.0, {"cost": 5.0}), 'job  taken up again, with the budget {"cost": 5.0}'),
        (m.JobResumed(1.0, None, "cancelled", "why"), "job  taken up again, to end as cancelled: why"),
        (m.JobForked(1.0, "j1", "b"), "job  branched off from job j1 before b"),
        (m.DoubtResolved(1.0, "a", "done", 1), "a  a person says: done"),
    ],
)
def test_every_event_is_a_line_and_an_object(event: m.Event, says: str) -> None:
    line = event_text(event, 1.0)
    assert line.strip().partition("  ")[2] == says
    document = json.loads(json.dumps(event_json(event, 7, 1.0)))
    assert (document["seq"], document["at"], document["event"]) == (7, event.time - 1.0, type(event).__name__)


def test_a_value_cannot_move_the_cursor() -> None:
    assert "\x1b" not in event_text(m.TaskSucceeded(1.0, "a", "\x1b[2Jgone", 0.0), 0.0)


def test_the_events_of_a_step_are_those_of_its_tasks_and_of_what_lies_inside() -> None:
    names = ["a", "a[0]", "a#1", "a[0]/b", "a/b#2", "ab", "b"]
    assert [name for name in names if is_about(m.RetryDue(0.0, name), "a")] == ["a", "a[0]", "a#1", "a[0]/b", "a/b#2"]
    assert not is_about(m.BudgetSpent(0.0), "a")
