"""What becomes of what stands around a task in doubt: blocks, rounds, and the steps that need its result."""

import pytest

from murakkab.runtime.messages import (
    CancelRequested,
    DoubtResolved,
    FinishJob,
    JobResumed,
    StartTask,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    WaitRetry,
)
from murakkab.runtime.records import Status
from tests.fakes import Talk, started
from tests.runtime.test_whole_language import talk

BLOCK = "steps: {g: {steps: {a: {uses: work, effect: irreversible}, b: {uses: work, with: {x: '${a}'}}}}}"
ROUNDS = "steps: {g: {uses: work, effect: irreversible, repeat: {at_most: 2, delay: 5s}}}"


def in_doubt(text: str, task: str) -> Talk:
    """Return a job that is held because nobody knows whether *task* happened."""
    t = talk(text)
    t.tell(TaskStarted, task, 1)
    t.tell(TaskFailed, task, "failed", "it broke", retryable=False, started=t.now)
    t.tell(JobResumed)
    assert t.state.in_doubt() == [task]
    return t


@pytest.mark.parametrize(("text", "task"), [(BLOCK, "g/a"), (ROUNDS, "g#0")])
def test_what_is_around_a_doubt_ends_with_the_job_and_goes_on_with_it(text: str, task: str) -> None:
    t = in_doubt(text, task)
    t.tell(CancelRequested)
    assert [command.status for command in t.last if isinstance(command, FinishJob)] == ["cancelled"]
    assert (t.state.statuses()["g"], t.state.statuses()[task]) == (Status.CANCELLED, Status.DOUBT)
    t.tell(JobResumed)
    assert t.state.finished == "held"
    assert t.replayed() == t.commands


def test_a_verdict_begins_nothing_inside_of_a_block_before_the_job_is_resumed() -> None:
    t = in_doubt(BLOCK, "g/a")
    assert started(t.tell(DoubtResolved, "g/a", "done", 7)) == []
    assert started(t.tell(JobResumed)) == ["g/b"]
    assert next(c.inputs for c in t.last if isinstance(c, StartTask)) == {"x": 7}
    t.tell(TaskSucceeded, "g/b", 8, t.now)
    assert t.state.finished == "succeeded"
    assert t.replayed() == t.commands


def test_a_verdict_ends_no_round_before_the_job_is_resumed() -> None:
    """What it would wait for then came too late: the next round had begun."""
    t = in_doubt(ROUNDS, "g#0")
    assert t.tell(DoubtResolved, "g#0", "done", 7) == []
    assert WaitRetry("g", 5.0) in t.tell(JobResumed)
    assert t.replayed() == t.commands
