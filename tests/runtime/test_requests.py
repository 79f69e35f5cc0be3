"""What is asked of a job from outside: what fits, and what is told where it does not."""

from typing import Any

import pytest

from murakkab.errors import ConflictError, InputError, MurakkabError, NotFoundError
from murakkab.runtime.messages import (
    Answered,
    CancelRequested,
    DoubtResolved,
    JobResumed,
    RetryDue,
    SignalReceived,
    SkipRequested,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
)
from murakkab.runtime.requests import completed_answer, refusal
from murakkab.spec import Approve, Effect, Input, Step, Wait
from murakkab.types import FLOAT, STR, parse_type
from tests.fakes import Talk, graph, step

FORM = {"amount": Input(FLOAT, 5.0, required=False), "note": Input(STR), "tags": Input(parse_type("list[str]"), [], required=False)}


def talk(*steps: Step, **parts: Any) -> Talk:
    return Talk(graph(*steps, **parts))


def asking(*xs: int) -> Talk:
    """A job that asks `ok`, with `a` running beside it and `b` waiting for both."""
    question = Step("ok", approve=Approve("Go on?", FORM))
    return Talk(graph(step("a"), question, step("b", x="${a}", y="${ok}"), step("each", each="${inputs.xs}")), xs=list(xs))


def answer(task: str = "ok", *, approved: bool = True, **values: Any) -> Answered:
    return Answered(9.0, task, approved, values, "Ada")


def refused(of: Talk, event: Any) -> MurakkabError:
    found = refusal(of.state, event)
    assert found is not None
    return found


# ------------------------------------------------------------------------------------------------------------------ answers


def test_an_answer_that_fits_is_not_refused_and_its_defaults_are_filled_in() -> None:
    job = asking()
    given = answer(note="fine")

    assert refusal(job.state, given) is None
    whole = completed_answer(job.state, given)
    assert whole.values == {"note": "fine", "amount": 5.0, "tags": []}
    assert whole.values["tags"] is not FORM["tags"].default, "the next answer has the same default"
    assert completed_answer(job.state, answer(note="x", amount=1.0)).values == {"note": "x", "amount": 1.0, "tags": []}
    job.tell(Answered, *whole[1:])
    assert job.state.results()["ok"] == {"approved": True, "by": "Ada", "note": "fine", "amount": 5.0, "tags": []}


def test_everything_wrong_about_an_answer_is_told_at_once() -> None:
    error = refused(asking(), answer(amount="much", nota="x"))

    assert isinstance(error, InputError)
    assert error.message == (
        "the answer to 'ok' does not fit: field 'amount': float is wanted, str is given; "
        "unknown field 'nota', did you mean 'note'?; field 'note' (str) is missing"
    )
    assert error.hint == "it asks for amount: float?, note: str, tags: list[str]?"


def test_who_says_no_need_not_fill_in_the_form_and_may_say_why() -> None:
    job = asking()

    assert refusal(job.state, answer(approved=False)) is None
    assert refusal(job.state, answer(approved=False, reason="too dear")) is None
    assert completed_answer(job.state, answer(approved=False, reason="too dear")).values == {"reason": "too dear"}
    assert "amount" in refused(job, answer(approved=False, amount="much")).message


@pytest.mark.parametrize(
    ("task", "kind", "message", "hint"),
    [
        ("okk", NotFoundError, "the job has no task 'okk'", "did you mean 'ok'?"),
        ("a", ConflictError, "task 'a' asks nothing: it is running", "asked by: ok"),
        ("b", ConflictError, "task 'b' asks nothing: it is waiting", "asked by: ok"),
        ("each", NotFoundError, "'each' is a step of 2 tasks", "name one of them: each[0], each[1]"),
    ],
)
def test_an_answer_that_nobody_waits_for_is_refused(task: str, kind: type[MurakkabError], message: str, hint: str) -> None:
    job = asking(1, 2)
    error = refused(job, answer(task))

    assert (type(error), error.message, error.hint) == (kind, message, hint)


def test_the_second_answer_is_refused() -> None:
    job = asking()
    job.tell(Answered, "ok", True, {"note": "x"})
    error = refused(job, answer(note="y"))

    assert str(error) == "task 'ok' asks nothing: it is succeeded; no task of the job asks anything now"


def test_each_task_of_a_map_and_each_round_of_a_loop_is_asked_by_itself() -> None:
    job = Talk(graph(Step("ok", approve=Approve("Go on?", {}), for_each=step("x", each="${inputs.xs}").for_each)), xs=["a", "b"])

    assert refusal(job.state, answer("ok[1]")) is None
    job.tell(Answered, "ok[1]", True, {})
    assert isinstance(refused(job, answer("ok[1]")), ConflictError)
    assert refusal(job.state, answer("ok[0]")) is None


# ------------------------------------------------------------------------------------------------------------------- events


def waiting(**wait: Any) -> Talk:
    return talk(step("a"), Step("paid", wait=Wait(**{"event": "paid", "type": parse_type("{id: str}"), **wait}), after=("a",)))


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_event_fits_whether_or_not_the_step_waits_already(has_begun: bool) -> None:
    job = waiting()
    if has_begun:
        job.tell(TaskSucceeded, "a", 1, 0.0)

    assert refusal(job.state, SignalReceived(9.0, "paid", {"id": "x"})) is None
    wrong = refused(job, SignalReceived(9.0, "paid", {"id": 3}))
    assert isinstance(wrong, InputError)
    assert str(wrong) == "what comes with the event 'paid' does not fit: .id: str is wanted, int is given; give {id: str}"
    unknown = refused(job, SignalReceived(9.0, "piad", {"id": "x"}))
    assert isinstance(unknown, NotFoundError)
    assert str(unknown) == "no step waits for the event 'piad'; did you mean 'paid'?"


def test_an_event_whose_name_is_not_known_before_may_have_any() -> None:
    job = talk(step("a"), step("x"), Step("w", wait=Wait(event=step("x", n="${a}").with_["n"])))

    assert refusal(job.state, SignalReceived(9.0, "whatever")) is None


def test_a_workflow_without_waits_takes_no_event() -> None:
    assert str(refused(talk(step("a")), SignalReceived(9.0, "paid"))) == "workflow 'test' waits for no event"


# -------------------------------------------------------------------------------------------------------------------- skips


@pytest.mark.parametrize("task", ["a", "ok", "b", "each", "each[1]"])
def test_what_has_not_settled_can_be_passed_over(task: str) -> None:
    job = asking(1, 2)

    assert refusal(job.state, SkipRequested(9.0, task)) is None
    job.tell(SkipRequested, task)


def test_what_has_settled_cannot_be_passed_over() -> None:
    job = asking()
    job.tell(TaskSucceeded, "a", 1, 0.0)

    assert str(refused(job, SkipRequested(9.0, "a"))) == "'a' cannot be passed over: it is succeeded"
    assert str(refused(job, SkipRequested(9.0, "each"))) == "'each' cannot be passed over: it is succeeded"
    assert str(refused(job, SkipRequested(9.0, "eech"))) == "the job has no task 'eech'; did you mean 'each'?"


# ----------------------------------------------------------------------------------------------------------------- verdicts


def in_doubt() -> Talk:
    job = talk(step("send", effect=Effect.IRREVERSIBLE), step("b", x="${send}"))
    job.tell(TaskStarted, "send", 1)
    job.tell(JobResumed)
    assert job.state.in_doubt() == ["send"]
    return job


def test_a_verdict_on_a_task_in_doubt_fits() -> None:
    for verdict in (DoubtResolved(9.0, "send", "retry"), DoubtResolved(9.0, "send", "done", {"id": 1})):
        assert refusal(in_doubt().state, verdict) is None


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (DoubtResolved(9.0, "b", "done"), "task 'b' is not in doubt; in doubt: send"),
        (DoubtResolved(9.0, "sent", "done"), "the job has no task 'sent'; did you mean 'send'?"),
        (DoubtResolved(9.0, "send", "maybe"), "'maybe' is no verdict on 'send'; say done or retry"),
    ],
)
def test_a_verdict_that_does_not_fit_is_refused(verdict: DoubtResolved, told: str) -> None:
    assert str(refused(in_doubt(), verdict)) == told


def test_a_task_in_doubt_cannot_be_passed_over() -> None:
    assert "nobody knows whether it happened" in str(refused(in_doubt(), SkipRequested(9.0, "send")))


# ----------------------------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize("event", [CancelRequested(9.0), SkipRequested(9.0, "a"), SignalReceived(9.0, "paid", {"id": "x"})])
@pytest.mark.parametrize("ended", ["succeeded", "failed", "cancelled"])
def test_nothing_can_be_asked_of_a_job_that_is_over(event: Any, ended: str) -> None:
    job = waiting()
    if ended == "failed":
        job.tell(TaskFailed, "a", "bad", "it broke", False, 0.0)
    elif ended == "cancelled":
        job.tell(CancelRequested)
        job.tell(TaskFailed, "a", "bad", "it broke", False, 0.0)
    else:
        job.tell(SignalReceived, "paid", {"id": "x"})
        job.tell(TaskSucceeded, "a", 1, 0.0)
    assert job.state.finished == ended

    error = refused(job, event)
    assert isinstance(error, ConflictError)
    assert error.message == f"the job has {'been ' if ended == 'cancelled' else ''}{ended} already"


def test_a_job_that_goes_on_can_be_cancelled() -> None:
    assert refusal(asking().state, CancelRequested(9.0)) is None


@pytest.mark.parametrize("event", [TaskSucceeded(9.0, "a", 1, 0.0), RetryDue(9.0, "a"), JobResumed(9.0)])
def test_what_only_the_runtime_may_say_cannot_be_asked_for(event: Any) -> None:
    assert "is nothing that can be asked of a job" in str(refused(asking(), event))
