"""The crash test in short: jobs are killed at random moments and resumed; `python -m benchmarks.crash` does the same a hundred times."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from murakkab.runtime.messages import JobSubmitted, TaskSucceeded

# Four to ten processes, one after the other; the time is for a machine that is busy with other things.
pytestmark = [pytest.mark.checkout, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def crash() -> ModuleType:
    """The benchmark, which is not there beside a built wheel."""
    return import_module("benchmarks.crash")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_job_is_resumed_and_no_step_is_lost_or_completed_twice(crash: ModuleType, tmp_path: Path, seed: int) -> None:
    report = crash.crash_test(3, seed, 100, tmp_path, say=lambda text: None)

    assert report.wrong == []
    assert report.kills == 3
    assert report.executions == report.jobs * 100 + report.executed_again
    assert report.executed_again <= report.in_flight


@pytest.mark.parametrize("verdict", ["done", "retry"])
def test_an_irreversible_step_killed_on_the_way_is_held_until_somebody_says_what_happened(
    crash: ModuleType, tmp_path: Path, verdict: str
) -> None:
    assert crash.doubt_test(verdict, tmp_path) == []


# ------------------------------------------------------------------------------------- the test sees what it is there to see

A = TaskSucceeded(2.0, "a", 1, 1.0)
B = TaskSucceeded(3.0, "b", 2, 2.0)
BEGIN = JobSubmitted(1.0, {})


def plan_of(crash: ModuleType) -> Any:
    return crash.Plan({}, {"a": 1, "b": 2}, {"a": [], "b": ["a"]})


def looks_of(crash: ModuleType) -> tuple[Any, Any]:
    """Return how a job stood when it was killed, and at its end."""
    before = crash.Look("interrupted", (BEGIN, A), ("a",), {"a": 1})
    return before, crash.Look("succeeded", (BEGIN, A, B), ("a", "b"), {"a": 1, "b": 2})


def test_a_job_that_went_well_has_nothing_wrong(crash: ModuleType) -> None:
    plan, (before, after) = plan_of(crash), looks_of(crash)

    assert crash.wrongs(crash.Look(), before, plan) == []
    assert crash.wrongs(before, after, plan) == []
    assert crash.wrongs_at_the_end(after, plan) == []
    in_flight = replace(before, record=("a", "b"))
    assert crash.wrongs(in_flight, replace(after, record=("a", "b", "b")), plan) == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"record": ("a", "a", "b")}, "a is completed and ran again"),
        ({"record": ("a", "b", "b")}, "b ran 2 times in one run"),
        ({"record": ("b", "a")}, "the record of executions has lost lines"),
        ({"record": ("a",)}, "b has succeeded, it says, and never ran"),
        ({"status": ""}, "the job is lost"),
        ({"events": (BEGIN, B)}, "the journal has lost or changed events"),
        ({"events": (BEGIN,)}, "b began, and the success of a before it is not in the journal"),
        ({"events": (BEGIN, A, B._replace(value=3))}, "b has returned 3, not 2"),
        ({"results": {"a": 1}}, "the file of b holds None, not 2"),
        ({"results": {"a": 1, "b": 3}}, "the file of b holds 3, not 2"),
        ({"others": {"job-0": "interrupted"}}, "job-0, which succeeded, is interrupted now"),
    ],
)
def test_what_went_wrong_is_seen(crash: ModuleType, change: dict[str, Any], wrong: str) -> None:
    before, after = looks_of(crash)

    assert any(found.startswith(wrong) for found in crash.wrongs(before, replace(after, **change), plan_of(crash)))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"status": "failed"}, "the job is failed"),
        ({"status": ""}, "the job is lost"),
        ({"results": {"a": 1}}, "1 result files"),
        ({"results": {"a": 1, "b": 2, "c": 3}}, "3 result files"),
        ({"record": ("a",)}, "1 steps were executed"),
        ({"events": (BEGIN, A)}, "the journal holds 1 successes"),
    ],
)
def test_what_is_missing_at_the_end_is_seen(crash: ModuleType, change: dict[str, Any], wrong: str) -> None:
    _, after = looks_of(crash)

    assert any(found.startswith(wrong) for found in crash.wrongs_at_the_end(replace(after, **change), plan_of(crash)))


@pytest.mark.parametrize("steps", [1, 30, 31, 60, 300])
def test_the_workflow_has_as_many_tasks_as_were_asked_for(crash: ModuleType, steps: int) -> None:
    plan = crash.mixed(steps)

    assert len(plan.values) == steps
    assert plan.values.keys() == plan.needs.keys()
