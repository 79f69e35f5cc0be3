"""What every journal promises."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from murakkab.errors import ConflictError, ExecutorError, InputError, NotFoundError
from murakkab.ports import Journal, Letter
from murakkab.runtime import codec
from murakkab.runtime.messages import (
    Answered,
    BudgetSpent,
    CancelRequested,
    ChoicesChanged,
    DeadlinePassed,
    DoubtResolved,
    Event,
    JobForked,
    JobResumed,
    JobSubmitted,
    RetryDue,
    SignalReceived,
    SkipRequested,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TaskYielded,
    TimerFired,
)
from tests.journals import Place, header, succeeded

EACH_KIND: Sequence[Event] = (
    JobSubmitted(1.0, {"xs": [1, {"a": None}]}),
    TaskStarted(1.25, "a", 2),
    TaskSucceeded(2.0, "a", [1, 2.5, "x"], 1.5, True, 0.25, 3.5, "fake", 9, 12.5),
    TaskFailed(2.0, "b[0.1][2]", "timeout", "no result\nwithin\t1 s", False, 1.5, "fake"),
    TaskCancelled(3.0, "a", 2.5),
    RetryDue(3.0, "a"),
    DeadlinePassed(3.5),
    CancelRequested(4.0, "enough"),
    JobResumed(1_700_000_000.123456),
    DoubtResolved(6.0, "a", "done", {"b": [True]}),
    TaskYielded(6.5, "a", 3, {"text": "Bär"}),
    TimerFired(7.0, "wait[0]"),
    Answered(7.5, "ok", True, {"amount": 2.5}, "Ada"),
    SignalReceived(8.0, "paid", {"id": "x"}),
    SkipRequested(8.5, "b", True, "enough"),
    BudgetSpent(9.0),
    JobForked(9.5, "other", "a"),
    ChoicesChanged(10.0, {"a": {"executor": "other", "knobs": {"speed": 2}}}, "late"),
)


@pytest.fixture(params=["memory", "sqlite", "sqlite-sync"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with closing(Place(request.param, tmp_path)) as made:
        yield made


@pytest.fixture
def journal(place: Place) -> Journal:
    return place.open()


# ---------------------------------------------------------------------------------------------------------- jobs and events


def test_what_was_appended_is_read_back_in_order(journal: Journal) -> None:
    journal.create(header())
    for event in EACH_KIND:
        journal.append("job", event)

    read, events = journal.read("job")

    assert read == header()
    assert list(events) == list(EACH_KIND)
    assert [type(event) for event in events] == [type(event) for event in EACH_KIND]
    assert {type(event).__name__ for event in EACH_KIND} == set(codec._KINDS)


def test_a_job_without_events_can_be_read(journal: Journal) -> None:
    journal.create(header())

    assert journal.read("job") == (header(), [])


def test_many_jobs_keep_their_own_events(journal: Journal) -> None:
    jobs = [f"job-{number}" for number in range(50)]
    for job in jobs:
        journal.create(header(job), is_fresh=True)
    for number in range(20):
        for job in jobs:
            journal.append(job, succeeded(f"{job}-{number}", number))
        journal.flush()

    for job in jobs:
        assert [event.task for event in journal.read(job)[1]] == [f"{job}-{number}" for number in range(20)]
    assert {one.job: one.events for one in journal.jobs()} == dict.fromkeys(jobs, 20)


def test_an_id_that_is_taken_is_refused_and_the_job_left_alone(journal: Journal) -> None:
    journal.create(header())
    journal.append("job", EACH_KIND[0])

    with pytest.raises(ConflictError, match="'job' exists already"):
        journal.create(header(inputs={}))
    journal.append("job", EACH_KIND[1])

    assert journal.read("job") == (header(), list(EACH_KIND[:2]))


def test_an_id_that_was_used_is_taken_for_good(place: Place) -> None:
    first = place.open()
    first.create(header())
    first.finish("job", "succeeded", 2.0)
    first.close()

    with pytest.raises(ConflictError):
        place.open().create(header())


@pytest.mark.parametrize("job", ["", "two\nlines", "a\ttab", "\ud800", "x" * 201])
def test_an_id_that_is_no_line_of_text_is_refused(journal: Journal, job: str) -> None:
    with pytest.raises(InputError, match="id of a job"):
        journal.create(header(job))
    assert not journal.jobs()


@pytest.mark.parametrize("job", ["x" * 200, "my job/1", "Übung ☃", "'; DROP TABLE jobs"])
def test_an_id_may_be_any_line_of_text(journal: Journal, job: str) -> None:
    journal.create(header(job))
    journal.append(job, EACH_KIND[0])
    journal.finish(job, "failed", 2.0)
    journal.claim(job)

    assert journal.read(job)[0].job == job


VALUES = [
    None,
    True,
    0,
    -0.0,
    1e308,
    2**70,
    -(2**63) - 1,
    "",
    "a\ttab, a\nline, a\r\nline and a \0 nul",
    "Bär ☃ 😀 \u2028 \u2029 \x85",
    "half a pair: \ud800",
    ["half a pair: \udcff", "\t\n"],
    "@file:///etc/passwd",
    '"quoted" \\ back',
    [],
    {},
    {"": {"a\tb\n": [[], {}, [None]]}},
]


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_every_json_value_comes_back(place: Place, value: Any) -> None:
    journal = place.open()
    journal.create(header(inputs={"value": value}))
    journal.append("job", succeeded("a", value))
    journal.append("job", succeeded("b", {"inside": [value]}))
    journal.close()

    read, events = place.open().read("job")

    assert repr((read.inputs, [event.value for event in events])) == repr(({"value": value}, [value, {"inside": [value]}]))


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


NOT_JSON = {
    "nan": float("nan"),
    "inf": [float("-inf")],
    "key": {1: "a"},
    "inner key": {"a": [{None: 1}]},
    "bytes": b"bytes",
    "set": {1, 2},
    "object": object(),
    "long number": 10**5000,
    "inner long number": [10**5000],
    "deep": nested(300),
    "very deep": nested(5000),
}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON)
def test_a_value_that_is_not_json_is_refused_and_leaves_no_trace(journal: Journal, value: Any) -> None:
    journal.create(header())
    journal.append("job", succeeded("a", 1))
    with pytest.raises(ExecutorError, match="cannot be journalled") as caught:
        journal.append("job", succeeded("b", value))
    journal.append("job", succeeded("c", 3))

    assert caught.value.reason == "bad-result"
    assert not caught.value.retryable
    assert caught.value.hint
    assert [event.task for event in journal.read("job")[1]] == ["a", "c"]


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, object(), 10**5000], ids=["nan", "key", "object", "long"])
def test_inputs_and_workflows_that_are_not_json_are_refused(journal: Journal, value: Any) -> None:
    with pytest.raises(InputError, match="inputs cannot be journalled"):
        journal.create(header(inputs={"x": value}))
    journal.create(header())

    assert journal.read("job") == (header(), [])


def test_large_values_come_back(place: Place) -> None:
    large = ["Bär\t\n" * 50_000, {"pixels": list(range(30_000))}]
    workflow = {"workflow": "large", "description": "ü" * 100_000}
    journal = place.open()
    journal.create(header(inputs={"text": "ß" * 200_000}, workflow=workflow))
    journal.append("job", succeeded("a", large))
    journal.append("job", succeeded("b", large[0]))
    journal.finish("job", "failed", 2.0)
    journal.close()

    read, events = place.open().read("job")

    assert (read.inputs, read.workflow) == ({"text": "ß" * 200_000}, workflow)
    assert [event.value for event in events] == [large, large[0]]


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "held", "waiting", "paused", "interrupted"])
def test_a_job_that_ended_says_how_and_when(place: Place, status: str) -> None:
    journal = place.open()
    journal.create(header())
    journal.append("job", EACH_KIND[0])
    (running,) = journal.jobs()
    journal.finish("job", status, 1234.5)
    (ended,) = journal.jobs()
    journal.close()

    assert running == ("job", "test", "running", 1000.0, None, 1)
    assert ended == ("job", "test", status, 1000.0, 1234.5, 1)
    assert list(place.open().jobs()) == [ended]


def test_jobs_are_listed_newest_first(journal: Journal) -> None:
    for job, created in {"old": 1.0, "new": 3.0, "middle": 2.0}.items():
        journal.create(header(job, created=created))

    assert [one.job for one in journal.jobs()] == ["new", "middle", "old"]


def test_a_job_that_is_not_there_is_not_found(journal: Journal) -> None:
    assert list(journal.jobs()) == []
    with pytest.raises(NotFoundError, match="no job 'x'"):
        journal.read("x")
    with pytest.raises(NotFoundError, match="no job 'x'"):
        journal.claim("x")


def test_a_running_job_cannot_be_claimed(journal: Journal) -> None:
    journal.create(header())

    with pytest.raises(ConflictError, match="is running"):
        journal.claim("job")


def test_a_job_that_succeeded_cannot_be_claimed(place: Place) -> None:
    journal = place.open()
    journal.create(header())
    journal.finish("job", "succeeded", 2.0)

    for _ in range(2):
        with pytest.raises(ConflictError, match="has succeeded"):
            journal.claim("job")
    journal.close()
    with pytest.raises(ConflictError, match="has succeeded"):
        place.open().claim("job")


@pytest.mark.parametrize("status", ["failed", "cancelled", "held", "waiting", "paused", "interrupted"])
def test_a_job_that_did_not_succeed_goes_on_where_it_stopped(journal: Journal, status: str) -> None:
    journal.create(header())
    journal.append("job", succeeded("a"))
    journal.finish("job", status, 2.0)
    journal.claim("job")
    (claimed,) = journal.jobs()
    journal.append("job", JobResumed(3.0))
    journal.append("job", succeeded("b"))
    journal.finish("job", "succeeded", 4.0)

    assert (claimed.status, claimed.finished) == ("running", None)
    assert list(journal.read("job")[1]) == [succeeded("a"), JobResumed(3.0), succeeded("b")]
    assert [(one.status, one.finished) for one in journal.jobs()] == [("succeeded", 4.0)]


def test_events_keep_their_order_over_many_resumptions(place: Place) -> None:
    for number in range(5):
        journal = place.open()
        if number:
            journal.claim("job")
        else:
            journal.create(header())
        journal.append("job", succeeded(f"{number}-a"))
        journal.append("job", succeeded(f"{number}-b"))
        if number % 2:
            journal.finish("job", "failed", 2.0)
        journal.close()

    assert [event.task for event in place.open().read("job")[1]] == [f"{number}-{task}" for number in range(5) for task in "ab"]


@pytest.mark.parametrize("status", ["failed", "held", "cancelled", "waiting", "paused"])
def test_a_claim_that_came_to_nothing_leaves_the_job_as_it_was(journal: Journal, status: str) -> None:
    journal.create(header())
    journal.finish("job", status, 2.0)
    journal.claim("job")
    journal.finish("job", "", 9.0)

    assert [(one.status, one.finished) for one in journal.jobs()] == [(status, 2.0)]
    journal.claim("job")


def test_a_job_left_open_is_interrupted_and_can_be_claimed(place: Place) -> None:
    first = place.open()
    first.create(header())
    first.append("job", succeeded("a"))
    first.close()
    second = place.open()

    assert [(one.status, one.finished) for one in second.jobs()] == [("interrupted", None)]
    second.claim("job")
    second.append("job", succeeded("b"))
    assert [event.task for event in second.read("job")[1]] == ["a", "b"]


def test_what_is_read_is_nobody_elses(journal: Journal) -> None:
    value = {"list": [1]}
    journal.create(header())
    journal.append("job", succeeded("a", value))
    value["list"].append(2)
    journal.read("job")[1][0].value["list"].append(3)  # type: ignore[union-attr]

    assert journal.read("job")[1] == [succeeded("a", {"list": [1]})]


def test_closing_twice_is_closing_once(journal: Journal) -> None:
    journal.create(header())
    journal.close()
    journal.close()


# ----------------------------------------------------------------------------------------------------------------- the mail

YES = Answered(5.0, "ok", True, {"amount": 2.5}, "Ada")
PAID = SignalReceived(6.0, "paid", {"id": "x"})


def test_what_is_posted_reaches_the_owner_once_and_in_order(journal: Journal) -> None:
    journal.create(header())
    first, second = journal.post("job", YES), journal.post("job", PAID)

    assert list(journal.mail()) == [Letter(first, "job", YES), Letter(second, "job", PAID)]
    assert list(journal.mail()) == []
    assert first < second


def test_a_letter_is_heard_once_it_is_appended_or_dropped(journal: Journal) -> None:
    journal.create(header())
    first, second, third = (journal.post("job", event) for event in (YES, PAID, YES))
    journal.mail()
    assert [journal.is_heard(one) for one in (first, second, third)] == [None, None, None]
    journal.append("job", YES, letter=first)
    journal.drop(third)

    assert [journal.is_heard(one) for one in (first, second, third)] == [True, None, True]
    assert list(journal.read("job")[1]) == [YES]


def test_mail_is_for_the_jobs_that_a_journal_owns(journal: Journal) -> None:
    for job in ("one", "two"):
        journal.create(header(job))
    letter = journal.post("two", PAID)

    assert list(journal.mail()) == [Letter(letter, "two", PAID)]


@pytest.mark.parametrize("status", ["succeeded", "failed", "waiting", "interrupted", ""])
def test_nothing_is_posted_to_a_job_that_nobody_runs(journal: Journal, status: str) -> None:
    journal.create(header())
    journal.finish("job", "failed", 2.0)
    if status != "failed":
        journal.claim("job")
        journal.finish("job", status, 3.0)

    assert journal.post("job", YES) == 0
    assert list(journal.mail()) == []


def test_nothing_is_posted_to_a_job_that_is_not_there(journal: Journal) -> None:
    with pytest.raises(NotFoundError, match="no job 'x'"):
        journal.post("x", YES)


def test_what_cannot_be_written_cannot_be_posted(journal: Journal) -> None:
    journal.create(header())

    with pytest.raises(ExecutorError, match="cannot be journalled"):
        journal.post("job", SignalReceived(1.0, "paid", float("nan")))
    assert list(journal.mail()) == []


def test_what_an_owner_has_left_goes_to_whoever_claims_the_job_next(journal: Journal) -> None:
    journal.create(header())
    heard, left = journal.post("job", YES), journal.post("job", PAID)
    journal.mail()
    journal.append("job", YES, letter=heard)
    journal.finish("job", "waiting", 2.0)
    assert list(journal.mail()) == []
    journal.claim("job")

    assert list(journal.mail()) == [Letter(left, "job", PAID)]


def test_a_letter_that_nobody_will_take_can_be_told_in_another_way(journal: Journal) -> None:
    journal.create(header())
    letter = journal.post("job", PAID)
    journal.finish("job", "waiting", 2.0)

    assert journal.is_heard(letter) is False
    journal.claim("job")
    assert list(journal.mail()) == []


def test_a_large_letter_arrives_whole(journal: Journal) -> None:
    event = SignalReceived(1.0, "text", "Bär\t\n" * 100_000)
    journal.create(header())
    letter = journal.post("job", event)

    assert list(journal.mail()) == [Letter(letter, "job", event)]


# ------------------------------------------------------------------------------------------------------------------ the end


def test_a_deleted_job_is_gone(place: Place) -> None:
    journal = place.open()
    for job in ("old", "new"):
        journal.create(header(job))
        journal.append(job, succeeded(job))
        journal.post(job, PAID)
        journal.finish(job, "succeeded", 2.0)
    journal.delete("old")
    journal.compact()
    journal.close()

    after = place.open()
    assert [one.job for one in after.jobs()] == ["new"]
    assert [event.task for event in after.read("new")[1]] == ["new"]
    for ask in (after.read, after.claim, after.delete):
        with pytest.raises(NotFoundError, match="no job 'old'"):
            ask("old")
    with pytest.raises(NotFoundError):
        after.post("old", PAID)


def test_a_job_that_runs_cannot_be_deleted(journal: Journal) -> None:
    journal.create(header())
    journal.append("job", succeeded("a"))

    with pytest.raises(ConflictError, match="'job' is running"):
        journal.delete("job")
    assert list(journal.read("job")[1]) == [succeeded("a")]


def test_the_id_of_a_job_just_deleted_is_not_free(journal: Journal) -> None:
    journal.create(header())
    journal.finish("job", "failed", 2.0)
    journal.delete("job")

    with pytest.raises(ConflictError, match="deleted"):
        journal.create(header())
    assert list(journal.jobs()) == []


def test_everything_that_is_written_about_jobs_can_be_looked_through(journal: Journal) -> None:
    workflow = {"workflow": "of one", "description": "needle-0"}
    journal.create(header("one", inputs={"file": "needle-1"}, workflow=workflow))
    journal.append("one", succeeded("a", {"uri": "needle-2"}))
    journal.post("one", SignalReceived(1.0, "paid", "needle-3"))
    journal.create(header("two", inputs={"file": "needle-4"}))
    journal.append("two", succeeded("a", "needle-5"))

    def needles(*without: str) -> set[str]:
        return set(re.findall(r"needle-\d", " ".join(journal.texts(without=without))))

    assert needles() == {f"needle-{number}" for number in range(6)}
    assert needles("one") == {"needle-4", "needle-5"}
    assert needles("two") == {f"needle-{number}" for number in range(4)}


def test_the_jobs_of_a_compacted_journal_go_on(journal: Journal) -> None:
    for number in range(20):
        journal.create(header(f"job-{number}", workflow={"workflow": f"w{number}"}))
        journal.append(f"job-{number}", succeeded("a", "x" * 10_000))
        journal.finish(f"job-{number}", "failed", 2.0)
    for number in range(19):
        journal.delete(f"job-{number}")
    journal.compact()
    journal.claim("job-19")
    journal.append("job-19", succeeded("b"))
    journal.create(header("job-20", workflow={"workflow": "w1"}))

    assert [event.task for event in journal.read("job-19")[1]] == ["a", "b"]
    assert journal.read("job-20")[0].workflow == {"workflow": "w1"}
