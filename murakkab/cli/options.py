"""driver: what the words behind options mean - measures, verdicts, budgets, times - and the command that an error advises to type."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.document import from_document, limit_from
from murakkab.document.fields import WrongField, seconds
from murakkab.errors import InputError, JobError
from murakkab.planner.check_workflow import limit_flaws
from murakkab.runtime.driver import Verdict
from murakkab.spec import LIMITS, MEASURES, Goal, limited
from murakkab.values import TooDeep, from_json

_LIMITS: Final = ("cost", "energy", "tokens", "time")
_HERE: Final = Path(".murakkab")


def measures_of(text: str) -> tuple[str, ...]:
    """Return what to minimize, most important first: at least one measure, and each once. Raises `InputError`."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError("nothing is named that could be minimized", hint=f"name one of {', '.join(MEASURES)}, or several: energy,latency")
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{name} is named more than once", hint="what is minimized is named once, most important first: energy,latency"
            )
        if name not in MEASURES:
            near = get_close_matches(name, MEASURES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(MEASURES)}"
            raise InputError(f"{name!r} cannot be minimized", hint=hint)
    return names


def budget_of(text: str | None) -> dict[str, float] | None:
    """Return the limits that `cost=5,time=10m` sets, in dollars, joules, tokens and seconds. Raises `InputError`."""
    if text is None:
        return None
    given: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, amount = (word.strip() for word in part.partition("="))
        if not equals or not amount:
            raise InputError(f"{part.strip()!r} is no limit", hint="--budget cost=5,energy=10kJ,tokens=100k,time=10m")
        if name not in _LIMITS:
            raise InputError(f"{name!r} cannot be limited", hint=did_you_mean(name, _LIMITS, others="there are"))
        given[name] = _number(amount)
    read = from_document({"workflow": "budget", "steps": {}, "budget": given})
    for diagnostic in read.diagnostics:
        if diagnostic.path[:1] == ("budget",):
            raise InputError(f"--budget: {diagnostic.message}", hint=diagnostic.hint)
    limits = dict(read.workflow.budget) if read.workflow is not None else {}
    for name, limit in limits.items():
        if limit <= 0:
            raise InputError(f"--budget: nothing can be done with a limit of {limit:g} on {name}", hint="leave it out for no limit")
    return limits


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        # `10kJ`: the unit stands apart in documents.
        return re.sub(r"(?<=[\d.])(?=[A-Za-z]+$)", " ", text) if "J" in text or "Wh" in text else text
    if not math.isfinite(number):
        raise InputError(f"{text!r} is no finite number", hint="leave it out for no limit")
    return number


def limits_from(texts: Sequence[str]) -> dict[str, float]:
    """Return the limits of a task that `latency=2s,quality=0.7` sets: seconds, USD, joules, and quality. Raises `InputError`."""
    found = goal_limits_from(texts, MEASURES)
    for name, tier in found.tiers.items():
        raise InputError(f"{name}={tier}: only whole workflows have tiers", hint="write a number")
    return dict(found.limits)


def goal_limits_from(texts: Sequence[str], known: Sequence[str] = LIMITS) -> Goal:
    """Return a goal with the limits of a job that `latency=2s,quality=good` sets: amounts, and names of tiers. Raises `InputError`."""
    found = Goal()
    for part in (part for text in texts for part in text.split(",") if part.strip()):
        name, equals, amount = (word.strip() for word in part.partition("="))
        if not equals or not amount or name not in known:
            hint = did_you_mean(name, known) if equals and amount else ""
            raise InputError(f"{part.strip()!r} is no limit", hint=hint or "--limit latency=2s,energy=5J,cost=0.01,quality=0.7")
        asked, flaws = limit_from(name, _number(amount))
        for flaw in (*flaws, *(flaw for one, limit in asked.limits.items() for flaw in limit_flaws(one, limit))):
            raise InputError(f"--limit: {flaw.message}", hint=flaw.hint)
        found = limited(found, {**asked.limits, **asked.tiers})
    return found


def seconds_of(text: str, option: str) -> float:
    """Return a duration in seconds. Raises `InputError`."""
    try:
        return seconds(float(text) if text.replace(".", "", 1).isdigit() else text, (), [])
    except WrongField as wrong:
        raise InputError(f"{option}: {wrong.at(()).message}", hint="write 30s, 5m, 12h or 30d") from None


def moment_of(text: str) -> float:
    """Return a moment of a job: after so many events (an `int`), or so many seconds after it began (a `float`). Raises `InputError`."""
    if text.startswith("+"):
        return float(seconds_of(text[1:], "--at"))
    if not text.isascii() or not text.isdigit():
        hint = "write --at 40 for its 40th event, or --at +12.5s for the time since it began"
        raise InputError(f"{text!r} is no moment of a job", hint=hint)
    return int(text)


def value_of(text: str | None) -> Any:
    """Return the value that *text* writes in JSON, null without it. Raises `InputError`."""
    try:
        return None if text is None else from_json(text)
    except TooDeep as wrong:
        raise InputError(f"--value: {wrong}", hint="put the data into a file, and send where it is") from None
    except ValueError:
        raise InputError(f"--value is not JSON: {text}", hint="text is written with quotes: '\"like this\"'") from None


def verdicts_of(doubt: tuple[str | None, str | None, str | None]) -> list[Verdict]:
    """Return what (task, verdict, value) say about a task in doubt; nothing when all are None. Raises `InputError`."""
    task, verdict, value = doubt
    if task is None and verdict is None and value is None:
        return []
    if task is None or verdict not in ("done", "retry"):
        raise InputError("a verdict needs a task and what became of it", hint="--task ID --verdict done|retry")
    if verdict == "retry" and value is not None:
        raise InputError("a task that is tried again has no value yet", hint="leave out --value")
    return [Verdict(task, verdict, value_of(value))]


def journal_option(home: Path) -> str:
    """Return the option that names the journal *home* on a command line; "" for the usual place."""
    return "" if home == _HERE else f" --journal {shlex.quote(str(home))}"


def advise(error: JobError, journal: str | None, replies: Mapping[str, str] | None = None) -> None:
    """Give *error* the very command to type as its hint.

    *journal*: the option that names the journal, None where nothing is kept. *replies*: by task, the words of the command that answers it.
    """
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
    elif error.code == "job-paused":
        error.hint = f"go on with a larger budget: {resume} --budget {_larger(error)}"
    elif error.code == "job-waiting":
        waits = [f"murakkab {reply}{journal}" for reply in (replies or {}).values()]
        error.hint = "; or: ".join(waits[:2]) or f"when what it waits for has come: {resume}"
    elif error.code == "job-failed" and all(cause.reason == "rejected" for cause in error.causes) and error.causes:
        error.hint = f"a person said no; to ask once more: {resume}"
    elif error.code == "job-failed":
        story = f"; its story: murakkab show {error.job}{journal} --task {task}" if task else ""
        error.hint = f"mend the cause, then: {resume}{story}"


def _larger(error: JobError) -> str:
    words = " ".join(cause.message for cause in error.causes)
    return f"{next((name for name in _LIMITS if name in words), 'cost')}=AMOUNT"
