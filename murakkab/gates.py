"""policy: steps that wait for the world outside: for a person (`approve`), for a time (`wait`), for an event (`wait_for`)."""

from collections.abc import Mapping
from typing import Annotated, Any, Unpack, cast, get_args, get_origin

from murakkab.composition import as_expr, template
from murakkab.options import GateOptions, step_fields
from murakkab.outputs import type_or_mistake
from murakkab.placeholders import mistake
from murakkab.recording import Recording, writing
from murakkab.references import NAME
from murakkab.spec import Approve, Input, Wait
from murakkab.types import ANY, BOOL, NULL, STR, Field, Type


def approve(message: object, /, *values: object, form: Mapping[str, Any] | None = None, **options: Unpack[GateOptions]) -> Any:
    """Ask a person, and go on when the answer is yes: `approve("Send {} to {}?", letter, name, form={"amount": float})`.

    The text has holes like that of `template`. The value is the record `approved`, `by` and what the form asks for; a form has a type
    (an annotation, or text as in files) or an `Input` for each name. A "no" fails the step; `timeout` is how long to wait.
    """
    recording = writing("approve(...)", instead="outside, ask with input()")
    asked = template(message, *values) if isinstance(message, str) else message
    wanted = {name: _asked_for(name, one) for name, one in (form or {}).items()}
    result = (Field("approved", BOOL), Field("by", STR), *(Field(name, one.type) for name, one in wanted.items()))
    return _gate(recording, "approve", {"approve": Approve(as_expr(asked), wanted)}, options, Type("record", fields=result))


def wait(seconds: object = None, /, *, until: object = None, **options: Unpack[GateOptions]) -> Any:
    """Wait so many seconds (or a duration as text, "2h"), or until a time: ISO 8601, or seconds since the epoch."""
    recording = writing("wait(...)", instead="outside, use time.sleep()")
    if (seconds is None) == (until is None):
        raise mistake("wrong-form", "wait() takes one of the seconds and a time", 'write wait(30) or wait(until="2030-01-01T08:00:00Z")')
    return _gate(recording, "wait", {"wait": Wait(as_expr(seconds), as_expr(until))}, options, NULL)


def wait_for(event: object, /, *, type: Any = ANY, **options: Unpack[GateOptions]) -> Any:
    """Wait for an event from outside, whose name is a text or a value. What comes with it, a value of *type*, is the value of the step."""
    recording = writing("wait_for(...)", instead="outside, there are no events")
    wanted = type_or_mistake(type)
    return _gate(recording, "wait_for", {"wait": Wait(event=as_expr(event), type=wanted)}, options, wanted)


def _gate(recording: Recording, usual: str, work: Mapping[str, Any], options: GateOptions, result: Type) -> Any:
    fields = step_fields(cast("Mapping[str, Any]", options))
    name = recording.free_name(fields, usual)
    recording.write(name, {**work, **fields})
    return recording.value_of(name, result)


def _asked_for(name: str, wanted: Any) -> Input:
    if not NAME.fullmatch(name):
        raise mistake(
            "bad-name", f"{name!r} is no name for a field of a form", "letters a-z or A-Z, digits, _ and -, the first a letter or _"
        )
    if isinstance(wanted, Input):
        return wanted
    notes = get_args(wanted)[1:] if get_origin(wanted) is Annotated else ()
    return Input(type_or_mistake(wanted), description=next((n for n in notes if isinstance(n, str)), ""))
