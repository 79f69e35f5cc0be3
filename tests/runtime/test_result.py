"""How a job is told: a row per attempt, shares of the energy, and an error for whoever asks for one."""

from collections.abc import Sequence
from typing import Any

import pytest

from murakkab.catalog import Device, ExecutorCard
from murakkab.errors import Failure, JobCancelled, JobError, JobFailed, JobHeld, JobInterrupted
from murakkab.plan import Choice, Deployment
from murakkab.runtime.messages import Event, JobResumed, JobSubmitted, RetryDue, TaskCancelled, TaskFailed, TaskSucceeded
from murakkab.runtime.result import JobResult, TaskRow, rows_of

GPU = ExecutorCard("whisper", "speech", "", device=Device.GPU)
DEPLOYMENT = Deployment({"a": Choice("a", GPU)})


def result(status: str = "succeeded", history: Sequence[Event] = (), **parts: Any) -> JobResult:
    """Return a result of the job `j1`."""
    return JobResult("j1", status, {}, deployment=DEPLOYMENT, history=history, **parts)


def worked(task: str, started: float, finished: float, **parts: Any) -> TaskSucceeded:
    """Return the event of an attempt that ended well."""
    return TaskSucceeded(finished, task, None, started, **parts)


def test_a_row_per_attempt_in_the_order_in_which_they_ended() -> None:
    history: list[Event] = [
        JobSubmitted(0.0, {}),
        TaskFailed(2.0, "a[0.1][2]", "broken", "as told", True, 1.0, "whisper"),
        TaskCancelled(2.5, "b", 2.0),
        RetryDue(3.0, "a[0.1][2]"),
        worked("a[0.1][2]", 3.0, 5.0, usd=0.25, executor="other"),
        worked("a[1][0]", 5.0, 5.0, cached=True),
    ]

    assert rows_of(history, DEPLOYMENT) == [
        TaskRow("a[0.1][2]", "a", "failed", "whisper", "gpu", 1.0, 2.0, 1, cached=False, usd=0.0, joules=None),
        TaskRow("b", "b", "cancelled", "", "", 2.0, 2.5, 1, cached=False, usd=0.0, joules=None),
        TaskRow("a[0.1][2]", "a", "succeeded", "other", "", 3.0, 5.0, 2, cached=False, usd=0.25, joules=None),
        TaskRow("a[1][0]", "a", "succeeded", "whisper", "gpu", 5.0, 5.0, 1, cached=True, usd=0.0, joules=None),
    ]
    assert result(history=history).usd == 0.25


def test_measured_energy_is_shared_out_by_busy_seconds() -> None:
    history = [worked("a", 0.0, 1.0), worked("b", 0.0, 3.0)]

    assert [row.joules for row in result(history=history, joules=8.0).tasks] == [2.0, 6.0]
    assert [row.joules for row in result(history=history).tasks] == [None, None]


def test_what_ran_before_a_resume_has_no_part_in_what_was_measured_after_it() -> None:
    history: list[Event] = [
        worked("a", 0.0, 1.0, joules=5.0),
        JobResumed(2.0),
        worked("b", 2.0, 3.0),
        JobResumed(4.0),
        worked("c", 4.0, 5.0),
    ]

    assert [row.joules for row in result(history=history, joules=8.0).tasks] == [5.0, None, 8.0]


def test_energy_of_tasks_that_took_no_time_is_not_made_up() -> None:
    assert [row.joules for row in result(history=[worked("a", 1.0, 1.0)], joules=8.0).tasks] == [0.0]
    assert result(joules=8.0).tasks == []


def test_a_job_that_succeeded_has_nothing_to_raise() -> None:
    one = result()

    assert one.raise_for_status() is one


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        ("failed", JobFailed, "job j1 failed: "),
        ("cancelled", JobCancelled, "job j1 was cancelled"),
        ("held", JobHeld, "job j1 is held: "),
        ("interrupted", JobInterrupted, "job j1 was interrupted; resume it"),
    ],
)
def test_any_other_end_is_an_error_that_names_the_job_and_its_causes(status: str, kind: type[JobError], message: str) -> None:
    failures = (Failure("a", "broken", "as told"), Failure("", "deadline", "too late"))
    with pytest.raises(kind) as caught:
        result(status, failures=failures).raise_for_status()

    assert str(caught.value).startswith(message)
    assert caught.value.job == "j1"
    if status in ("failed", "held"):
        assert "as told" in str(caught.value)
        assert "too late" in str(caught.value)
        assert caught.value.causes == failures
