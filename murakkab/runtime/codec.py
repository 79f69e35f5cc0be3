"""policy: events as JSON text and back. Strict: what cannot be read back the same is refused when it is written."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from murakkab.errors import ExecutorError, InputError
from murakkab.ports import JobHeader
from murakkab.runtime import messages
from murakkab.runtime.messages import Event
from murakkab.values import MAX_NESTED

_KINDS: Final[Mapping[str, type]] = {
    kind.__name__: kind
    for kind in (
        messages.JobSubmitted,
        messages.TaskStarted,
        messages.TaskSucceeded,
        messages.TaskYielded,
        messages.TaskFailed,
        messages.TaskCancelled,
        messages.RetryDue,
        messages.TimerFired,
        messages.Answered,
        messages.SignalReceived,
        messages.SkipRequested,
        messages.BudgetSpent,
        messages.DeadlinePassed,
        messages.CancelRequested,
        messages.JobResumed,
        messages.JobForked,
        messages.DoubtResolved,
        messages.ChoicesChanged,
    )
}
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


#: Values that the fast encoder and the strict one write alike.
_SCALARS: Final = (str, int, bool, type(None))
_LEAVES: Final = frozenset((*_SCALARS, float))
#: Python reads no number of more digits than 4300; the strict encoder writes none.
_LONG: Final = 4000
_MAX_ID: Final = 200
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def encoded(event: Event) -> str:
    """Return the fields of *event* as a JSON list. Raises `ExecutorError` when its value is not JSON data."""
    try:
        if type(event) is messages.TaskSucceeded and type(event.value) in _SCALARS:
            try:
                text = to_json(event)
            except PydanticSerializationError:
                # Half a surrogate pair.
                return _strict(event)
            if len(text) < _LONG or type(event.value) is not int:
                return text.decode()
        return _strict(event)
    except (TypeError, ValueError, RecursionError) as exc:
        hint = "return JSON data, or annotate the result with a dataclass or pydantic model so that it can be converted"
        raise ExecutorError(f"the result cannot be journalled: {exc}", hint=hint, reason="bad-result", retryable=False) from None


def _strict(data: Any) -> str:
    """Return *data* as JSON that reads back the same. Raises `TypeError` or `ValueError`."""
    if reason := _flaw(data, 0):
        raise ValueError(reason)
    text = _encode(data)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            if _PAIR.search(text):
                raise ValueError("its text holds a surrogate pair in two halves, which JSON would join") from None
            # Half a surrogate pair, as in the name of a file that is not UTF-8: JSON can escape it, UTF-8 cannot hold it.
            return _encode_ascii(data)
    return text


def _flaw(value: Any, depth: int) -> str:
    """Return what JSON would silently write as something else, or ""."""
    if depth > MAX_NESTED:
        return f"it is nested more than {MAX_NESTED} deep"
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str and not isinstance(key, str):
                return f"the key {key!r} is not text"
        value = value.values()
    elif not isinstance(value, list | tuple):
        return ""
    for inner in value:
        if type(inner) not in _LEAVES and (reason := _flaw(inner, depth + 1)):
            return reason
    return ""


def decoded(kind: str, text: str) -> Event:
    """Return the event that *text* holds."""
    event: Event = _KINDS[kind](*json.loads(text))
    return event


def encoded_header(header: JobHeader, workflow: str) -> str:
    """Return the header as JSON, with the digest *workflow* in place of the workflow's text. Raises `InputError`."""
    if not header.job.isprintable() or not 0 < len(header.job) <= _MAX_ID:
        raise InputError(f"{header.job[:_MAX_ID]!r} cannot be the id of a job", hint="give one line of up to 200 characters")
    try:
        fields = {**header._asdict(), "workflow": workflow, "name": header.workflow.get("workflow", ""), "forecast": dict(header.forecast)}
        return _strict(fields if header.forecast else {name: value for name, value in fields.items() if name != "forecast"})
    except (TypeError, ValueError, RecursionError) as exc:
        raise InputError(f"the inputs cannot be journalled: {exc}", hint="give JSON data") from None


def decoded_header(text: str, workflow: Mapping[str, Any]) -> JobHeader:
    """Return the header that *text* holds, with the workflow itself."""
    fields = json.loads(text)
    return JobHeader(fields["job"], workflow, fields["choices"], fields["inputs"], fields["created"], fields.get("forecast", {}))


def encoded_workflow(workflow: Mapping[str, Any]) -> tuple[str, str]:
    """Return the workflow as JSON, and the digest of that. Raises `InputError`."""
    try:
        text = _strict(workflow)
    except (TypeError, ValueError, RecursionError) as exc:
        raise InputError(f"the workflow cannot be journalled: {exc}", hint="its constants must be JSON data") from None
    return text, hashlib.sha256(text.encode()).hexdigest()
