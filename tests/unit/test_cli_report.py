"""Errors as people and as programs read them."""

import json

from murakkab.cli.report import JobAsks, error_json, error_lines
from murakkab.errors import Diagnostic, Failure, InputError, InvalidTransition, JobFailed, Place, SpecError

SPEC = SpecError(
    [
        Diagnostic("unknown-field", "no such field 'wiht'", "did you mean 'with'?", ("steps", "a"), Place("w.yaml", 3, 5)),
        Diagnostic("cycle", "a waits for b waits for a", place=Place("w.yaml")),
    ]
)


def test_each_mistake_of_a_workflow_is_one_line_with_its_place() -> None:
    assert error_lines(SPEC) == [
        "w.yaml:3:5: unknown-field: no such field 'wiht'; did you mean 'with'?",
        "w.yaml: cycle: a waits for b waits for a",
        "error[invalid-workflow]: 2 mistakes in the workflow",
    ]


def test_the_json_of_a_workflow_error_has_every_diagnostic() -> None:
    document = json.loads(json.dumps(error_json(SPEC)))
    assert document["code"] == "invalid-workflow"
    assert document["diagnostics"][0] == {
        "code": "unknown-field",
        "message": "no such field 'wiht'",
        "hint": "did you mean 'with'?",
        "path": ["steps", "a"],
        "warning": False,
        "file": "w.yaml",
        "line": 3,
        "column": 5,
    }
    assert document["diagnostics"][1]["line"] is None


def test_warnings_are_counted_apart() -> None:
    warning = Diagnostic("unused-input", "nothing uses it", place=Place("w.yaml"), is_warning=True)
    lines = error_lines(SpecError([*SPEC.diagnostics, warning]))
    assert lines[-2:] == [
        "w.yaml: warning: unused-input: nothing uses it",
        "error[invalid-workflow]: 2 mistakes in the workflow, 1 warning",
    ]


def test_a_job_that_asks_tells_its_questions_and_how_to_answer() -> None:
    error = JobAsks("it waits", job="j1")
    error.questions, error.replies = [{"task": "ok", "message": "Send?", "form": {}}], {"ok": "approve j1"}
    document = json.loads(json.dumps(error_json(error)))
    assert document["questions"][0]["message"] == "Send?"
    assert document["replies"] == {"ok": "murakkab approve j1"}


def test_an_error_says_what_to_do() -> None:
    assert error_lines(InputError("one\ntwo", hint="give three")) == ["error[invalid-input]: one", "  two", "hint: give three"]


def test_an_error_without_a_hint_is_one_line() -> None:
    assert error_lines(InputError("one")) == ["error[invalid-input]: one"]


def test_a_failed_job_names_itself_and_its_causes() -> None:
    document = error_json(JobFailed("it failed", job="j1", causes=[Failure("a[0]", "timeout", "too slow", 2)]))
    assert document["job"] == "j1"
    assert document["causes"] == [{"task": "a[0]", "reason": "timeout", "message": "too slow", "attempt": 2}]


def test_a_defect_tells_its_story() -> None:
    assert "  0.1 a running" in error_lines(InvalidTransition("impossible", story=["0.1 a running"]))
