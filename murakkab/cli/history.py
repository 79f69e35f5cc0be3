"""driver: looking back at journalled jobs - the list of them, what one did, the story of a task."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from murakkab import app, journalled
from murakkab.cli.documents import job_json, summary_json, tasks_json, track_json
from murakkab.cli.gantt import gantt, legend
from murakkab.cli.options import journal_option, moment_of
from murakkab.cli.places import ended, statuses_of
from murakkab.cli.prediction_tables import predictions
from murakkab.cli.printing import answer, console_of, write_to
from murakkab.cli.replies import question_json, questions_of, replies_of
from murakkab.cli.rows import bill_of
from murakkab.cli.tables import job_title, jobs_table, seconds_text, steps_table, tasks_table
from murakkab.diagnostics import did_you_mean
from murakkab.drawing.timeline import timeline_of
from murakkab.drawing.timeline_svg import timeline_svg
from murakkab.errors import InputError, NotFoundError
from murakkab.ports import JobSummary, Journal, Records
from murakkab.runtime.messages import TaskSucceeded
from murakkab.runtime.result import JobResult
from murakkab.runtime.state import JobState

_STATUSES: Final = ("running", "succeeded", "failed", "cancelled", "held", "waiting", "paused", "interrupted")
#: Lines of a timeline, and attempts, that `show` lists; --json has them all.
_LISTED: Final = 40


@contextmanager
def looked_at(home: Path) -> Iterator[Records]:
    """The journal of *home*, which must exist, to be read and not written. Raises `NotFoundError`."""
    _refuse_missing(home)
    with app.open_records(app.Settings(home=home)) as records:
        yield records


@contextmanager
def opened(home: Path) -> Iterator[Journal]:
    """The journal of *home*, which must exist. Raises `NotFoundError`."""
    _refuse_missing(home)
    journal = app.open_journal(app.Settings(home=home))
    try:
        yield journal
    finally:
        journal.close()


def _refuse_missing(home: Path) -> None:
    if not has_journal(home):
        raise NotFoundError(f"there is no journal in {str(home)!r}", hint="name its folder with --journal, or run a job first")


def has_journal(home: Path) -> bool:
    """True when jobs were journalled in the folder *home*."""
    return (home / "journal.db").exists()


def known_jobs(home: Path, begin: str) -> list[tuple[str, str]]:
    """Return the ids that begin so, with what each is."""
    if not has_journal(home):
        return []
    with looked_at(home) as records:
        return [(one.job, f"{one.workflow}, {one.status}") for one in records.jobs() if one.job.startswith(begin)]


def jobs(home: Path, wanted: tuple[str | None, int | None], *, as_json: bool) -> None:
    """Print a line per job: those of a status where one is *wanted*, and at most so many."""
    status, limit = wanted
    if status is not None and status not in _STATUSES:
        raise InputError(f"no job is ever {status!r}", hint=did_you_mean(status, _STATUSES, others="there are"))
    found: list[JobSummary] = []
    if has_journal(home):
        with looked_at(home) as records:
            found = [one for one in records.jobs() if status in (None, one.status)][:limit]
    if as_json:
        answer([summary_json(one) for one in found], plain=True)
    elif found:
        console = console_of()
        console.print(jobs_table(found, width=console.width))
    else:
        sys.stderr.write(f"no jobs in {home}\n" if status is None else f"no job in {home} is {status}\n")


def show(job: str, what: tuple[str | None, str | None], *, home: Path, tasks: bool, svg: Path | None, as_json: bool) -> None:
    """Print what a job, or one task of it, did; *what* is the task and the moment to look at."""
    task, moment = what
    at = None if moment is None else moment_of(moment)
    with looked_at(home) as records:
        job = full_id(records, job)
        _, state, result = journalled.state_of(records, job, at=at)
    now = time.time() if result.status == "running" and at is None else None
    if task is not None:
        _show_task(task, state, result, as_json=as_json)
    elif svg is not None:
        title = f"{state.graph.workflow.name}  job {job}  {result.status}"
        write_to(svg, timeline_svg(timeline_of(state.graph, result.history, now=now), title))
    elif as_json:
        answer(_job_json(state, result), plain=True)
    else:
        _show_job(state, result, journal_option(home), now=now, tasks=tasks)


def _job_json(state: JobState, result: JobResult) -> dict[str, Any]:
    rows, total = bill_of(result)
    timeline = timeline_of(state.graph, result.history)
    return {
        **job_json(result, rows, total, _now(statuses_of(state), result)),
        "tasks": tasks_json(result, _now(_statuses(state), result)),
        "critical_path": [track.task for track in timeline.tracks if track.is_critical],
        "timeline": [track_json(track, timeline.begin) for track in timeline.tracks],
        "questions": [question_json(one) for one in questions_of(state)],
        "events": len(result.history),
    }


def _show_job(state: JobState, result: JobResult, option: str, *, now: float | None, tasks: bool) -> None:
    rows, total = bill_of(result)
    console = console_of()
    console.print(job_title(result, total))
    console.print(steps_table(rows, total, _now(statuses_of(state), result), width=console.width))
    for part in predictions(result, width=console.width):
        console.print(part)
    timeline = timeline_of(state.graph, result.history, now=now)
    if timeline.tracks:
        console.print(gantt(timeline, width=console.width, most=_LISTED))
        console.print(legend(timeline))
    if tasks:
        console.print(tasks_table(result.tasks, _now(_statuses(state), result), limit=_LISTED))
    for failure in result.failures if result.status != "waiting" else ():
        console.print(str(failure), style="red", markup=False, highlight=False)
    for words in replies_of(result.job, state).values() if result.status != "running" else ():
        console.print(f"answer with: murakkab {words}{option}", style="yellow", markup=False, highlight=False)
    if result.outputs:
        answer(dict(result.outputs), plain=False)


def _show_task(task: str, state: JobState, result: JobResult, *, as_json: bool) -> None:
    statuses = {**_now(statuses_of(state), result), **_now(_statuses(state), result)}
    if task not in statuses:
        near = get_close_matches(task, list(statuses), n=1)
        raise NotFoundError(f"job {result.job} has no task {task!r}", hint=f"did you mean {near[0]!r}?" if near else "")
    value = _value(task, state, result)
    story = _timed(state.story(task), since=result.history[0].time if result.history else 0.0)
    if as_json:
        (facts,) = tasks_json(result, {task: statuses[task]}, only=task)
        answer({**facts, "story": story, "value": value}, plain=True)
        return
    console = console_of()
    for line in story:
        console.print(line, markup=False, highlight=False)
    if value is not None:
        answer(value, plain=False)


def _value(task: str, state: JobState, result: JobResult) -> Any:
    events = (event.value for event in reversed(result.history) if isinstance(event, TaskSucceeded) and event.task == task)
    return state.results().get(task, next(events, None))


def _timed(story: Sequence[str], *, since: float) -> list[str]:
    """Return the lines with the time since the job began in the place of the time since the epoch."""
    lines = []
    for line in story:
        moment, _, rest = line.partition(" ")
        try:
            lines.append(f"+{seconds_text(float(moment) - since)}  {rest}")
        except ValueError:
            lines.append(line)
    return lines


def _statuses(state: JobState) -> dict[str, str]:
    return {name: str(status) for name, status in state.statuses().items()}


def _now(statuses: Mapping[str, str], result: JobResult) -> Mapping[str, str]:
    return statuses if result.status == "running" else ended(statuses, result.status)


def full_id(records: Records, job: str) -> str:
    """Return the id that *job* is, or the only one that it begins."""
    known = [one.job for one in records.jobs()]
    found = [job] if job in known else [one for one in known if one.startswith(job)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFoundError(f"{len(found)} jobs begin with {job!r}", hint=f"for example {', '.join(found[:3])}")
    raise NotFoundError(f"there is no job {job!r}", hint="`murakkab jobs` lists them")
