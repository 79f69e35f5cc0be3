"""driver: jobs in the foreground - run, resumed, asked about. Results go to standard output; progress and remarks to standard error."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from murakkab import app, journalled
from murakkab.choosing import chosen, going_on, is_open
from murakkab.cli.asking import AnsweredElsewhere, ask, can_ask
from murakkab.cli.documents import job_json
from murakkab.cli.history import full_id, opened
from murakkab.cli.inputs import read_inputs
from murakkab.cli.live import Display
from murakkab.cli.options import advise, budget_of, journal_option, verdicts_of
from murakkab.cli.places import ended, statuses_of
from murakkab.cli.plans import limit_lines, tier_text
from murakkab.cli.prediction_tables import predictions
from murakkab.cli.printing import answer, console_of, tell
from murakkab.cli.replies import events_of, question_json, questions_of, replies_of
from murakkab.cli.report import JobAsks
from murakkab.cli.rows import bill_of
from murakkab.cli.running import run_in_foreground
from murakkab.cli.tables import job_title, steps_table
from murakkab.cli.wishes import Wishes
from murakkab.errors import JobError
from murakkab.ports import JobSummary, Journal
from murakkab.runtime.driver import Work, replay
from murakkab.runtime.messages import Answered, Event, SignalReceived, SkipRequested
from murakkab.runtime.result import JobResult
from murakkab.runtime.state import JobState
from murakkab.spec import Goal

#: Seconds between looks at a job that another process runs.
_LOOK_EVERY: Final = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    """What a job is resumed with: answers and events, verdicts as (task, verdict, value), new limits."""

    events: Sequence[Event] = ()
    doubt: tuple[str | None, str | None, str | None] = (None, None, None)
    budget: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job is kept and how it is shown. Without a `journal` it is that of `home`; `durable` false: nothing stays."""

    home: Path
    style: str
    journal: Journal | None = None
    durable: bool = True

    @property
    def option(self) -> str | None:
        """What names the journal on a command line; None where nothing stays."""
        return journal_option(self.home) if self.durable else None

    @property
    def settings(self) -> app.Settings:
        """What its runtime is opened with."""
        return app.Settings(home=self.home, durable=self.durable)


def run(file: Path, words: Sequence[str], wishes: Wishes, *, home: Path, durable: bool, style: str) -> None:
    """Run a workflow file and print its outputs. Raises `MurakkabError` for whatever went wrong."""
    work = app.with_graph(app.load_file(file, profile=wishes.profile), wishes.settings())
    workflow = work.graph.workflow
    budget = budget_of(wishes.budget)
    if style == "full":
        tell(*map(str, work.warnings))
    inputs = app.check_inputs(workflow, read_inputs(words, workflow.inputs))
    goal = wishes.goal(workflow.goal)
    if goal != Goal() or is_open(work):
        work = chosen(work, app.Settings(home=home), inputs=inputs, goal=goal, with_others=False)
    if style == "full":
        tell(*map(tier_text, work.deployment.tiers), *limit_lines(work.deployment))
    job = secrets.token_hex(6)
    # What is asked of a person in the middle of a job can be answered as long as somebody remembers the job.
    place = Place(home, style, None if durable or not can_ask() else app.memory_journal(), durable)

    async def begin(runtime: app.Runtime, observers: Any) -> JobResult:
        return await runtime.run(work, inputs, job=job, budget=budget, observers=observers)

    shown = _display(job, workflow.name, JobState(work.graph), style)
    with advised(place):
        result = run_in_foreground(job, begin, place.settings, journal=place.journal, display=shown)
        finish(_asked(result, work, place), style)


def resume(job: str, doubt: tuple[str | None, str | None, str | None], limits: str | None, *, home: Path, style: str) -> None:
    """Go on with a job and print its outputs; *doubt* is a task, a verdict and a value."""
    request = Request(doubt=doubt, budget=budget_of(limits))
    with opened(home) as journal:
        go_on(full_id(journal, job), request, Place(home, style, journal))


def go_on(job: str, request: Request, place: Place) -> None:
    """Resume a job, ask what it asks, and print its outputs."""
    with advised(place):
        result, work = resumed(job, request, place)
        # Who answers one question of many need not see the whole bill each time.
        finish(_asked(result, work, place), place.style, is_brief=bool(request.events))


def resumed(job: str, request: Request, place: Place, work: Work | None = None) -> tuple[JobResult, Work]:
    """Return how a resumed job ended, and its workflow."""
    verdicts = verdicts_of(request.doubt)
    with _journal(place) as journal:
        known = work or going_on(journalled.work_of(journal, job), place.settings, inputs=journal.read(job)[0].inputs)

        async def begin(runtime: app.Runtime, observers: Any) -> JobResult:
            return await runtime.resume(job, known, verdicts=verdicts, events=request.events, budget=request.budget, observers=observers)

        shown = _display(job, known.graph.workflow.name, replay(known.graph, journal.read(job)[1]), place.style)
        return run_in_foreground(job, begin, place.settings, journal=journal, display=shown), known


@contextmanager
def _journal(place: Place) -> Iterator[Journal]:
    if place.journal is not None:
        yield place.journal
        return
    with opened(place.home) as journal:
        yield journal


def _asked(result: JobResult, work: Work, place: Place) -> JobResult:
    """Put what the job asks to the person at the terminal, and go on, until nothing is asked or nobody answers.

    What is answered elsewhere meanwhile is asked no more: the result is then that of whoever went on with the job.
    """
    said: dict[str, Answered] = {}
    while result.status == "waiting" and place.style != "json" and can_ask():
        questions = questions_of(replay(work.graph, result.history))
        said = {one.task: said[one.task] for one in questions if one.task in said}
        with _journal(place) as journal:
            settled = partial(_is_settled, journal, result)
            try:
                for one in questions:
                    if one.task not in said and (found := ask(one, app.system_clock()(), settled)) is not None:
                        said[one.task] = found
            except AnsweredElsewhere:
                result = _from_elsewhere(journal, result, work, place)
                continue
        if not said:
            return result
        answers, said = list(said.values()), {}
        result, _ = resumed(result.job, Request(answers), place, work)
    return result


def _is_settled(journal: Journal, result: JobResult) -> bool:
    """True when a job that waited has heard something since, or is run by somebody."""
    found = _summary(journal, result.job)
    return found is not None and (found.status != "waiting" or found.events > len(result.history))


def _summary(journal: Journal, job: str) -> JobSummary | None:
    return next((one for one in journal.jobs() if one.job == job), None)


def _from_elsewhere(journal: Journal, result: JobResult, work: Work, place: Place) -> JobResult:
    """Return how a job ended that another process goes on with; one that was only told something goes on here."""
    while (found := _summary(journal, result.job)) is not None and found.status == "running":
        time.sleep(_LOOK_EVERY)
    _, _, now = journalled.state_of(journal, result.job)
    news = now.history[len(result.history) :]
    if now.status == "interrupted" and news and all(isinstance(event, Answered | SignalReceived | SkipRequested) for event in news):
        now, _ = resumed(result.job, Request(), place, work)
    return now


def finish(result: JobResult, style: str, *, is_brief: bool = False) -> None:
    """Print the bill, with *is_brief* not that of a job that still waits, and the outputs; raise when the job did not succeed."""
    state = None if result.graph is None else replay(result.graph, result.history)
    statuses = {} if state is None else ended(statuses_of(state), result.status)
    rows, total = bill_of(result)
    if style == "full" and not (is_brief and result.status == "waiting"):
        console = console_of(stderr=True)
        if console.is_terminal:
            # The live display, which had it in its title, is gone.
            console.print(job_title(result, total))
        console.print(steps_table(rows, total, statuses, width=console.width))
        for part in predictions(result, width=console.width):
            console.print(part)
    if result.status == "waiting" and state is not None:
        raise _waiting(result, state)
    result.raise_for_status()
    answer(job_json(result, rows, total, statuses) if style == "json" else dict(result.outputs), plain=style == "json")


def _waiting(result: JobResult, state: JobState) -> JobAsks:
    """Return the error that says what a job waits for."""
    questions, events = questions_of(state), events_of(state)
    asks = [f"{one.task} asks: {one.message}" for one in questions]
    waits = [f"{task} waits for the event {event!r}" for task, (event, _) in events.items()]
    error = JobAsks(f"job {result.job} waits: {'; '.join([*asks, *waits])}", job=result.job, causes=result.failures)
    error.replies = replies_of(result.job, state)
    error.questions = [question_json(one) for one in questions]
    return error


@contextmanager
def advised(place: Place) -> Iterator[None]:
    """Give an error of a job the very command to type as its hint."""
    try:
        yield
    except JobError as error:
        advise(error, place.option, error.replies if isinstance(error, JobAsks) else None)
        raise


def _display(job: str, name: str, state: JobState, style: str) -> Display | None:
    if style != "full":
        return None
    console = console_of(stderr=True)
    if not console.is_terminal:
        tell(f"job {job}: {name}")
    return Display(console, f"{name}  job {job}", state)
