"""What the words behind --goal and --verdict mean, and what an error advises to type."""

import pytest

from murakkab.cli.options import advise, measures_of, verdicts_of
from murakkab.errors import Failure, InputError, JobCancelled, JobError, JobFailed, JobHeld, JobInterrupted
from murakkab.runtime.driver import Verdict


def test_measures_keep_their_order() -> None:
    assert measures_of("energy, latency") == ("energy", "latency")


def test_an_unknown_measure_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError) as caught:
        measures_of("latency,enrgy")
    assert caught.value.hint == "did you mean 'energy'?"


def test_no_words_are_no_verdict() -> None:
    assert verdicts_of((None, None, None)) == []


def test_done_takes_a_value_as_json() -> None:
    assert verdicts_of(("send", "done", '{"id": 7}')) == [Verdict("send", "done", {"id": 7})]
    assert verdicts_of(("send", "done", None)) == [Verdict("send", "done", None)]


@pytest.mark.parametrize(
    ("doubt", "says"),
    [
        (("send", None, None), "a verdict needs"),
        ((None, "done", None), "a verdict needs"),
        (("send", "maybe", None), "a verdict needs"),
        (("send", "retry", "1"), "no value yet"),
        (("send", "done", "plain text"), "is not JSON"),
    ],
)
def test_half_a_verdict_is_refused(doubt: tuple[str | None, str | None, str | None], says: str) -> None:
    with pytest.raises(InputError, match=says):
        verdicts_of(doubt)


CAUSES = [Failure("frames[0]", "failed", "no")]


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (JobInterrupted("m", job="j1"), "go on with: murakkab resume j1"),
        (JobHeld("m", job="j1", causes=CAUSES), "find out what happened, then: murakkab resume j1 --task 'frames[0]' --verdict done|retry"),
        (
            JobFailed("m", job="j1", causes=CAUSES),
            "mend the cause, then: murakkab resume j1; its story: murakkab show j1 --task 'frames[0]'",
        ),
        (
            JobFailed("m", job="j1", causes=[Failure("", "deadline", "late")]),
            "mend the cause, then: murakkab resume j1",
        ),
    ],
)
def test_an_error_of_a_job_advises_the_very_command_to_type(error: JobError, advice: str) -> None:
    advise(error, "")
    assert error.hint == advice


def test_the_advice_names_a_journal_that_lies_elsewhere() -> None:
    error = JobInterrupted("m", job="j1")
    advise(error, " --journal elsewhere")
    assert error.hint == "go on with: murakkab resume j1 --journal elsewhere"


def test_without_a_journal_nothing_is_promised() -> None:
    failed, cancelled = JobFailed("m", job="j1"), JobCancelled("m", hint="as it was", job="j1")
    advise(failed, None)
    advise(cancelled, None)
    assert "murakkab resume" not in failed.hint
    assert "--no-journal" in failed.hint
    assert cancelled.hint == "as it was"
