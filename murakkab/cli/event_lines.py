"""policy: an event of a job as one line for people, and as one JSON object for programs."""

import json
from collections.abc import Mapping
from typing import Any, Final

from murakkab.cli.tables import seconds_text, usd_text
from murakkab.drawing.words import shown
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

#: Characters of a value that a line shows.
_VALUE: Final = 100
_JOB: Final = "job"


def event_json(event: Event, number: int, begin: float) -> dict[str, Any]:
    """Return an event as plain data; `seq` counts from one, `at` are the seconds since the job began."""
    return {"seq": number, "at": event.time - begin, "event": type(event).__name__, **event._asdict()}


def event_text(event: Event, begin: float) -> str:
    """Return an event as a line."""
    what, words = _told(event)
    return f"{'+' + seconds_text(max(0.0, event.time - begin)):>10}  {what}  {shown(words, 400)}".rstrip()


def _told(event: Event) -> tuple[str, str]:
    """Return who an event is about, and what happened."""
    told = _of_attempt(event) or _of_request(event)
    if told is not None:
        return told
    match event:
        case JobSubmitted():
            return _JOB, f"submitted with {_value(event.inputs)}"
        case RetryDue():
            return event.task, "tries again"
        case TimerFired():
            return event.task, "its time came"
        case BudgetSpent():
            return _JOB, "its time budget is spent"
        case DeadlinePassed():
            return _JOB, "its deadline passed"
        case JobResumed():
            reason = f": {event.reason}" if event.reason else ""
            ending = f", to end as {event.ending}{reason}" if event.ending else ""
            budget = f", with the budget {_value(dict(event.budget))}" if event.budget else ""
            return _JOB, f"taken up again{ending}{budget}"
        case ChoicesChanged():
            return _JOB, change_text(event)
        case JobForked():
            return _JOB, f"branched off from job {event.job} before {event.step}"
        case _:
            return _JOB, type(event).__name__


def _of_attempt(event: Event) -> tuple[str, str] | None:
    match event:
        case TaskStarted():
            return event.task, f"attempt {event.attempt} begins"
        case TaskSucceeded():
            cached = "from the cache" if event.cached else f"in {seconds_text(event.time - event.started)}"
            return event.task, f"succeeded {cached}{_cost(event.usd, event.tokens)}: {_value(event.value)}"
        case TaskYielded():
            return event.task, f"gave element {event.number}: {_value(event.value)}"
        case TaskFailed():
            after = f"after {seconds_text(event.time - event.started)}"
            last = "" if event.retryable else ", for good"
            return event.task, f"failed {after}{last}{_cost(event.usd, event.tokens)}: {event.reason}: {event.message}"
        case TaskCancelled():
            left = f"; left behind: {event.left}" if event.left else ""
            return event.task, f"cancelled after {seconds_text(event.time - event.started)}{_cost(event.usd, event.tokens)}{left}"
        case _:
            return None


def _of_request(event: Event) -> tuple[str, str] | None:
    match event:
        case Answered():
            verdict = "yes" if event.approved else "no"
            values = f" with {_value(dict(event.values))}" if event.values else ""
            return event.task, f"answered {verdict}{f' by {event.by}' if event.by else ''}{values}"
        case SignalReceived():
            return _JOB, f"the event {event.name!r} came: {_value(event.value)}"
        case SkipRequested():
            branch = " and all after it" if event.branch else ""
            return event.task, f"to be passed over{branch}{f': {event.reason}' if event.reason else ''}"
        case CancelRequested():
            return _JOB, f"to be cancelled{f': {event.reason}' if event.reason else ''}"
        case DoubtResolved():
            return event.task, f"a person says: {event.verdict}"
        case _:
            return None


def change_text(event: ChoicesChanged) -> str:
    """Return what is done otherwise from now on, and why."""
    ways = "; ".join(f"{path} by {_way(written)}" for path, written in event.choices.items())
    return f"chosen again: {ways} ({event.why})"


def _way(written: Mapping[str, Any]) -> str:
    knobs = ", ".join(f"{name}={value}" for name, value in written["knobs"].items())
    return f"{written['executor']}({knobs})" if knobs else str(written["executor"])


def _cost(usd: float, tokens: int) -> str:
    parts = [usd_text(usd)] if usd else []
    parts += [f"{tokens:,} tokens"] if tokens else []
    return f" for {', '.join(parts)}" if parts else ""


def _value(value: Any) -> str:
    return shown(json.dumps(value, ensure_ascii=False, default=str), _VALUE)
