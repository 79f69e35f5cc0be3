"""policy: reads the work that no executor does - a question to a person, a time or an event to wait for - and what may be chosen."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from murakkab.document.fields import Problems, WrongField, seconds, shown, text, type_
from murakkab.document.forms import Form, read_fields
from murakkab.document.read_values import expr, inputs, is_operator
from murakkab.errors import Diagnostic, Path
from murakkab.spec import Approve, Expr, Wait
from murakkab.types import ANY

_WAIT_HINT: Final = "write wait: 30s, {for: ...}, {until: ...} or {event: name}"


def approve(data: Any, path: Path, problems: Problems) -> Approve:
    """Return a question: its text, or a mapping with a form."""
    if data is None:
        raise WrongField("wrong-form", "the question is missing", 'write approve: "Send it?"')
    if isinstance(data, Mapping) and not is_operator(data):
        return Approve(**read_fields(data, path, problems, form=APPROVE))
    return Approve(expr(data, path, problems))


def wait(data: Any, path: Path, problems: Problems) -> Wait:
    """Return what to wait for: a duration, or a mapping with one of `for`, `until` and `event`."""
    if not isinstance(data, Mapping) or is_operator(data):
        return Wait(_duration(data, path, problems))
    found = read_fields(data, path, problems, form=WAIT)
    given = [key for key in ("for", "until", "event") if data.get(key) is not None]
    if len(given) > 1:
        message = f"{' and '.join(f'`{key}`' for key in given)} stand together"
        problems.append(Diagnostic("wrong-form", message, "a step waits for one thing", path))
    elif not given:
        problems.append(Diagnostic("missing-field", "there is nothing to wait for", _WAIT_HINT, path))
    elif found.get("type", ANY) != ANY and given != ["event"]:
        message = "only an event brings a value, so only it has a type"
        problems.append(Diagnostic("wrong-form", message, "leave `type` out", (*path, "type")))
    return Wait(**found)


def _duration(data: Any, path: Path, problems: Problems) -> Expr:
    if data is None:
        raise WrongField("wrong-form", "there is nothing to wait for", _WAIT_HINT)
    if isinstance(data, bool | list):
        raise WrongField("wrong-form", f"{shown(data)} is not a duration", _WAIT_HINT)
    found = expr(data, path, problems)
    return seconds(found, path, problems) if isinstance(found, str | int | float) else found


def _moment(data: Any, path: Path, problems: Problems) -> Expr:
    found = expr(data, path, problems)
    if isinstance(found, str):
        try:
            datetime.fromisoformat(found)
        except ValueError:
            message = f"{found[:60]!r} is not a time"
            raise WrongField("bad-quantity", message, "write it as 2030-01-31T09:00:00Z, or wait for a duration: for: 30s") from None
    return found


def prefer(data: Any, path: Path, problems: Problems) -> dict[str, str]:
    """Return what may be chosen; the executor among it belongs to the step."""
    return read_fields(data, path, problems, form=PREFER)


APPROVE: Final = Form("`approve`", {"message": ("message", expr), "form": ("form", inputs)})
WAIT: Final = Form(
    "`wait`",
    {
        "for": ("seconds", _duration),
        "until": ("until", _moment),
        "event": ("event", expr),
        "type": ("type", type_),
    },
)
PREFER: Final = Form("`prefer`", {"device": ("device", text), "model": ("model", text), "executor": ("executor", text)})
