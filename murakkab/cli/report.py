"""policy: an error as lines for people and as one JSON object for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab.cli.visible import visible
from murakkab.errors import Diagnostic, InvalidTransition, JobError, JobWaiting, MurakkabError, SpecError


class JobAsks(JobWaiting):
    """A job that waits for people or events. `replies` are the words of the command that answers each task, `questions` plain data."""

    replies: Mapping[str, str]
    questions: Sequence[Mapping[str, Any]]


def error_lines(error: MurakkabError) -> list[str]:
    """Return what to print: a line per diagnostic of a declaration, else the message and what to do about it. No control characters."""
    if isinstance(error, SpecError):
        lines = [*map(str, error.diagnostics), f"error[{error.code}]: {_counted(error.diagnostics, error.what)}"]
    else:
        first, *rest = error.message.split("\n")
        lines = [f"error[{error.code}]: {first}", *(f"  {line}" for line in rest)]
        if isinstance(error, InvalidTransition):
            lines.extend(f"  {line}" for line in error.story)
        if error.hint:
            lines.append(f"hint: {error.hint}")
    return [visible(line) for line in lines]


def error_json(error: MurakkabError) -> dict[str, Any]:
    """Return code, message, hint and diagnostics; for a job also its id and the failures that ended it."""
    diagnostics, what = (error.diagnostics, error.what) if isinstance(error, SpecError) else ((), "")
    document: dict[str, Any] = {
        "code": error.code,
        "message": _counted(diagnostics, what) if diagnostics else error.message,
        "hint": error.hint,
        "diagnostics": [diagnostic_json(one) for one in diagnostics],
    }
    if isinstance(error, JobAsks):
        document["questions"] = list(error.questions)
        document["replies"] = {task: f"murakkab {words}" for task, words in error.replies.items()}
    if isinstance(error, JobError):
        document["job"] = error.job
        document["causes"] = [{"task": c.task, "reason": c.reason, "message": c.message, "attempt": c.attempt} for c in error.causes]
    return document


def diagnostic_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return one mistake with its place; line and column are None where they are not known."""
    place = diagnostic.place
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "path": list(diagnostic.path),
        "warning": diagnostic.is_warning,
        "file": place.file if place else None,
        "line": (place.line or None) if place else None,
        "column": (place.column or None) if place else None,
    }


def _counted(found: Sequence[Diagnostic], what: str) -> str:
    warnings = sum(one.is_warning for one in found)
    mistakes = len(found) - warnings
    beside = f", {warnings} warning{'' if warnings == 1 else 's'}" if warnings else ""
    return f"{mistakes} mistake{'' if mistakes == 1 else 's'} in the {what}{beside}"
