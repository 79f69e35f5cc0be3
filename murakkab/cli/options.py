"""driver: what the words behind --goal and --verdict mean, and the command that an error advises to type."""

import json
import shlex
from difflib import get_close_matches
from typing import Final

from murakkab.errors import InputError, JobError
from murakkab.runtime.driver import Verdict

_MEASURES: Final = ("latency", "energy", "cost", "quality")


def measures_of(text: str) -> tuple[str, ...]:
    """Return what to minimize, most important first. Raises `InputError`."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in _MEASURES:
            near = get_close_matches(name, _MEASURES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_MEASURES)}"
            raise InputError(f"{name!r} cannot be minimized", hint=hint)
    return names


def verdicts_of(doubt: tuple[str | None, str | None, str | None]) -> list[Verdict]:
    """Return what (task, verdict, value) say about a task in doubt; nothing when all are None. Raises `InputError`."""
    task, verdict, value = doubt
    if task is None and verdict is None and value is None:
        return []
    if task is None or verdict not in ("done", "retry"):
        raise InputError("a verdict needs a task and what became of it", hint="--task ID --verdict done|retry")
    if verdict == "retry":
        if value is not None:
            raise InputError("a task that is tried again has no value yet", hint="leave out --value")
        return [Verdict(task, verdict)]
    try:
        given = None if value is None else json.loads(value)
    except ValueError:
        raise InputError(f"--value is not JSON: {value}", hint="text is written with quotes: '\"like this\"'") from None
    return [Verdict(task, verdict, given)]


def advise(error: JobError, journal: str | None) -> None:
    """Give *error* the very command to type as its hint. *journal*: the option that names the journal, None where nothing is kept."""
    if journal is None:
        if error.code != "job-cancelled":
            error.hint = "nothing was journalled, so it can only begin anew; without --no-journal it could be resumed"
        return
    resume = f"murakkab resume {error.job}{journal}"
    task = shlex.quote(error.causes[0].task) if error.causes and error.causes[0].task else ""
    if error.code == "job-held":
        error.hint = f"find out what happened, then: {resume} --task {task} --verdict done|retry"
    elif error.code == "job-interrupted":
        error.hint = f"go on with: {resume}"
    elif error.code == "job-failed":
        story = f"; its story: murakkab show {error.job}{journal} --task {task}" if task else ""
        error.hint = f"mend the cause, then: {resume}{story}"
