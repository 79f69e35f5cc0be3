"""What the words behind options mean, and what an error advises to type."""

import pytest

from murakkab.cli.options import advise, budget_of, measures_of, moment_of, seconds_of, value_of, verdicts_of
from murakkab.errors import Failure, InputError, JobCancelled, JobError, JobFailed, JobHeld, JobInterrupted, JobPaused, JobWaiting
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


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("cost=5", {"cost": 5.0}),
        ("cost=$0.5,time=10m", {"cost": 0.5, "time": 600.0}),
        ("energy=10kJ", {"energy": 10_000.0}),
        ("energy=10 kJ, tokens=100k", {"energy": 10_000.0, "tokens": 100_000.0}),
        ("time=90", {"time": 90.0}),
    ],
)
def test_a_budget_is_read_with_its_units(text: str, limits: dict[str, float]) -> None:
    assert budget_of(text) == limits
    assert budget_of(None) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cost", "is no limit"),
        ("cost=", "is no limit"),
        ("costs=3", "did you mean 'cost'"),
        ("time=soon", "--budget"),
        ("cost=-1", "--budget"),
    ],
)
def test_half_a_budget_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        budget_of(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(("text", "seconds"), [("30d", 2_592_000.0), ("12h", 43_200.0), ("5", 5.0), ("1.5s", 1.5)])
def test_an_age_is_a_duration(text: str, seconds: float) -> None:
    assert seconds_of(text, "--older-than") == seconds


def test_an_age_that_cannot_be_read_is_told_with_its_option() -> None:
    with pytest.raises(InputError, match="--older-than: 'long'"):
        seconds_of("long", "--older-than")


def test_a_moment_is_a_number_of_events_or_a_time_since_the_begin() -> None:
    events, seconds = moment_of("40"), moment_of("+12.5s")
    assert (events, seconds) == (40, 12.5)
    assert (type(events), type(seconds), type(moment_of("+2"))) == (int, float, float)
    for text in ("now", "-3", "12.5", "+soon", ""):
        with pytest.raises(InputError):
            moment_of(text)


def test_a_value_is_json() -> None:
    assert value_of('{"a": [1]}') == {"a": [1]}
    assert value_of(None) is None
    with pytest.raises(InputError, match="is not JSON"):
        value_of("plain text")


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
        (JobFailed("m", job="j1", causes=[Failure("ok", "rejected", "no")]), "a person said no; to ask once more: murakkab resume j1"),
        (
            JobPaused("m", job="j1", causes=[Failure("a", "budget", "energy: 5 J of 4 J")]),
            "go on with a larger budget: murakkab resume j1 --budget energy=AMOUNT",
        ),
        (JobWaiting("m", job="j1"), "when what it waits for has come: murakkab resume j1"),
    ],
)
def test_an_error_of_a_job_advises_the_very_command_to_type(error: JobError, advice: str) -> None:
    advise(error, "")
    assert error.hint == advice


def test_who_waits_is_told_how_to_answer() -> None:
    error = JobWaiting("m", job="j1")
    advise(error, " --journal elsewhere", {"a": "approve j1 a", "b": "send j1 paid"})
    assert error.hint == "murakkab approve j1 a --journal elsewhere; or: murakkab send j1 paid --journal elsewhere"


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
