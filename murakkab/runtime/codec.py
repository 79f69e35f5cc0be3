"""policy: events as JSON text and back. Strict: what cannot be read back the same is refused when it is written."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

from murakkab.errors import ExecutorError
from murakkab.ports import JobHeader
from murakkab.runtime import messages
from murakkab.runtime.messages import Event

_KINDS: Final[Mapping[str, type]] = {
    kind.__name__: kind
    for kind in (
        messages.JobSubmitted,
        messages.TaskStarted,
        messages.TaskSucceeded,
        messages.TaskFailed,
        messages.TaskCancelled,
        messages.RetryDue,
        messages.DeadlinePassed,
        messages.CancelRequested,
        messages.JobResumed,
        messages.DoubtResolved,
    )
}
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


#: Values that the fast encoder and the strict one write alike.
_SCALARS: Final = (str, int, bool, type(None))


def encoded(event: Event) -> str:
    """Return the fields of *event* as a JSON list. Raises `ExecutorError` when its value is not JSON data."""
    try:
        if type(event) is messages.TaskSucceeded and type(event.value) in _SCALARS:
            return to_json(event).decode()
        return _encode(event)
    except (TypeError, ValueError, RecursionError) as exc:
        hint = "return JSON data, or annotate the result with a dataclass or pydantic model so that it can be converted"
        raise ExecutorError(f"the result cannot be journalled: {exc}", hint=hint, reason="bad-result", retryable=False) from None


def decoded(kind: str, text: str) -> Event:
    """Return the event that *text* holds."""
    event: Event = _KINDS[kind](*json.loads(text))
    return event


def encoded_header(header: JobHeader, workflow: str) -> str:
    """Return the header as JSON, with the digest *workflow* in place of the workflow's text."""
    return _encode({**header._asdict(), "workflow": workflow, "name": header.workflow.get("workflow", "")})


def decoded_header(text: str, workflow: Mapping[str, Any]) -> JobHeader:
    """Return the header that *text* holds, with the workflow itself."""
    fields = json.loads(text)
    return JobHeader(fields["job"], workflow, fields["choices"], fields["inputs"], fields["created"])


def encoded_workflow(workflow: Mapping[str, Any]) -> tuple[str, str]:
    """Return the workflow as JSON, and the digest of that."""
    text = _encode(workflow)
    return text, hashlib.sha256(text.encode()).hexdigest()
