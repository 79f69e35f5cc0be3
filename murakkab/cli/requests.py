"""driver: what somebody asks of a job - an answer, an event, to be passed over or cancelled, to be branched off.

A job that another process runs hears of it there. One that nobody runs is taken up here, and goes on.
"""

from collections.abc import Sequence
from pathlib import Path

from murakkab import app, journalled
from murakkab.cli.asking import ask_fields, can_ask, confirm, user_name
from murakkab.cli.history import full_id, opened
from murakkab.cli.inputs import read_form
from murakkab.cli.options import budget_of, journal_option, value_of
from murakkab.cli.printing import answer, tell
from murakkab.cli.replies import Question, events_of, questions_of
from murakkab.cli.running_jobs import Place, Request, advised, go_on, resumed
from murakkab.errors import ConflictError, InputError, MurakkabError
from murakkab.ports import Journal
from murakkab.runtime.messages import Answered, CancelRequested, Event, SignalReceived, SkipRequested
from murakkab.runtime.requests import completed_answer
from murakkab.runtime.state import JobState


def approve(job: str, task: str | None, said: tuple[bool, Sequence[str], str | None], *, home: Path, no_resume: bool, style: str) -> None:
    """Answer a question of a job; *said* is yes or no, the fields of the form as words, and who says so."""
    approved, words, by = said
    with opened(home) as journal:
        job = full_id(journal, job)
        _, state, _ = journalled.state_of(journal, job)
        asked = _asked(job, state, task)
        values = read_form(words, asked.form) if approved or words else {}
        missing = {name: one for name, one in asked.form.items() if one.required and name not in values}
        if approved:
            # What may be null need not be said.
            values |= {name: None for name, one in missing.items() if one.type.kind == "optional"}
            missing = {name: one for name, one in missing.items() if name not in values}
        if approved and missing and can_ask():
            tell(f"{asked.task} asks: {asked.message}")
            values |= ask_fields(missing) or {}
        event = Answered(_now(), asked.task, approved, values, user_name() if by is None else by)
        _deliver(job, event, state, Place(home, style, journal), no_resume=no_resume)


def _asked(job: str, state: JobState, task: str | None) -> Question:
    """Return the question of *task*, or the only one. Raises `ConflictError` where there is none, or too many."""
    questions = questions_of(state)
    if task is None and len(questions) != 1:
        names = ", ".join(one.task for one in questions[:5])
        if questions:
            raise InputError(f"{len(questions)} tasks of job {job} ask something", hint=f"name one of them: {names}")
        raise ConflictError(f"no task of job {job} asks anything now", hint=f"murakkab show {job} tells where it is")
    found = next((one for one in questions if task is None or one.task == task), None)
    # What asks nothing is told why by the request itself.
    return found or Question(task or "", "", {})


def send(job: str, event: str, value: str | None, *, home: Path, no_resume: bool, style: str) -> None:
    """Send a job an event."""
    given = value_of(value)
    with opened(home) as journal:
        job = full_id(journal, job)
        _, state, _ = journalled.state_of(journal, job)
        if style == "full":
            tell(*_unawaited(event, state))
        _deliver(job, SignalReceived(_now(), event, given), state, Place(home, style, journal), no_resume=no_resume)


def _unawaited(event: str, state: JobState) -> list[str]:
    """Return a remark about an event that nothing waits for at present, where others are waited for: its name may be mistyped."""
    awaited = sorted({name for name, _ in events_of(state).values()})
    if not awaited or event in awaited:
        return []
    names = ", ".join(map(repr, awaited[:5]))
    return [f"nothing waits for the event {event!r} now: it is kept until something does; waited for: {names}"]


def cancel(job: str, task: str | None, *, branch: bool, reason: str, home: Path, as_json: bool) -> None:
    """Cancel a job, or pass over a task of it."""
    if branch and task is None:
        raise InputError("--branch needs the step that the branch begins with", hint=f"murakkab cancel {job} STEP --branch")
    style = "json" if as_json else "full"
    with opened(home) as journal:
        job = full_id(journal, job)
        _, state, _ = journalled.state_of(journal, job)
        place = Place(home, style, journal)
        if task is not None:
            _deliver(job, SkipRequested(_now(), task, branch, reason), state, place, no_resume=False)
        elif journalled.tell(journal, job, event := CancelRequested(_now(), reason)):
            _heard(job, place, f"job {job} is being cancelled by the process that runs it")
        else:
            result, _ = resumed(job, Request([event]), place)
            if as_json:
                answer({"job": job, "status": result.status}, plain=True)
            else:
                tell(f"job {job} is {result.status}")


def fork(job: str, what: tuple[str, str | None], *, home: Path, no_resume: bool, sure: bool, style: str) -> None:
    """Make a new job that does a step, and what depends on it, again, and run it; *what* are the step and a budget.

    Not where irreversible tasks would be done once more, unless that is *sure*.
    """
    step, limits = what
    budget = budget_of(limits)
    with opened(home) as journal:
        made = journalled.fork(journal, full_id(journal, job), step)
        place = Place(home, style, journal)
        if style == "full":
            kept = len(made.kept)
            tell(f"job {made.job}: goes on from {full_id(journal, job)}, of which it keeps {kept} task{'' if kept == 1 else 's'}")
        if no_resume:
            _left(made.job, place, {"kept": list(made.kept), "repeated": list(made.repeated)})
            return
        if made.repeated and not sure:
            names = ", ".join(made.repeated[:5])
            if not (can_ask() and confirm(f"irreversible, and done before: {names}. Do it once more?")):
                hint = f"when that is meant: murakkab resume {made.job}{journal_option(home)}"
                raise ConflictError(f"job {made.job} would do irreversible tasks once more: {names}", hint=hint)
        go_on(made.job, Request(budget=budget), place)


# ----------------------------------------------------------------------------------------------------------------- delivery


def _deliver(job: str, event: Event, state: JobState, place: Place, *, no_resume: bool) -> None:
    """Tell the job: in the process that runs it, else by going on with it here; with *no_resume* it is only written down."""
    journal = place.journal
    if journal is None:
        raise MurakkabError(f"job {job!r} has no journal")
    with advised(place):
        heard = journalled.tell(journal, job, event)
    if heard:
        _heard(job, place, f"job {job} heard it in the process that runs it")
    elif no_resume:
        _note(journal, job, completed_answer(state, event) if isinstance(event, Answered) else event)
        _left(job, place, {})
    else:
        go_on(job, Request([event]), place)


def _note(journal: Journal, job: str, event: Event) -> None:
    """Write a request into the journal of a job that nobody runs: whoever resumes it finds it there."""
    journal.claim(job)
    try:
        journal.append(job, event)
    finally:
        journal.finish(job, "interrupted", _now())


def _heard(job: str, place: Place, text: str) -> None:
    if place.style == "json":
        answer({"job": job, "status": "running", "heard": True}, plain=True)
    else:
        tell(text)


def _left(job: str, place: Place, more: dict[str, list[str]]) -> None:
    resume = f"murakkab resume {job}{journal_option(place.home)}"
    if place.style == "json":
        answer({"job": job, "status": "interrupted", "heard": False, **more, "resume": resume}, plain=True)
    else:
        tell(f"job {job} is ready; go on with: {resume}")


def _now() -> float:
    return app.system_clock()()
