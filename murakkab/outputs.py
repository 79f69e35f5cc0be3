"""policy: values that a workflow or a block gives out -> its outputs."""

from typing import Any, Final

from murakkab.composition import as_expr, fields_of
from murakkab.declared import Returns
from murakkab.errors import Diagnostic, SpecError
from murakkab.placeholders import Placeholder, mistake
from murakkab.references import NAME
from murakkab.signature import type_of, typed
from murakkab.spec import First, Output, Ref, Template
from murakkab.types import ANY, Type, TypeSyntaxError, field_type
from murakkab.values import File

#: What the only output of a function is called that returns one value.
ONE_VALUE: Final = "result"
_NAME_HINT: Final = "letters a-z or A-Z, digits, _ and -, the first a letter or _"


def output(value: object, type: Any = ANY, *, optional: bool = False, description: str = "") -> Any:
    """Return *value* as an output that says more of itself than an annotation does.

    `type`: an annotation, or text as in files; `optional`: it is null when its source was skipped.
    """
    return Output(as_expr(value), type_or_mistake(type), optional, description)


def type_or_mistake(wanted: Any) -> Type:
    """Return the type that *wanted* says, an annotation or text. Raises `SpecError`."""
    try:
        return typed(wanted)
    except TypeSyntaxError as error:
        raise mistake("bad-type", str(error)) from None


def outputs_of(returned: object, annotation: Any) -> tuple[dict[str, Output], Returns]:
    """Return the outputs that a returned value stands for, and how to make such a value of them again."""
    if returned is None:
        return {}, Returns("nothing", annotation)
    declared = type_of(annotation)
    parts = fields_of(returned) if not isinstance(returned, File | Output | Ref | Template | First) else None
    if parts is None and isinstance(returned, dict):
        parts = returned
    if parts is None:
        return {ONE_VALUE: output_of(returned, declared)}, Returns("value", annotation)
    if bad := next((n for n in parts if not NAME.fullmatch(str(n))), ""):
        raise SpecError([Diagnostic("bad-name", f"{bad!r} is no name for an output", _NAME_HINT)])
    record = None if isinstance(returned, dict) else type(returned)
    outputs = {n: output_of(value, field_type(declared, n) or ANY) for n, value in parts.items()}
    return outputs, Returns("fields", annotation, record)


def output_of(value: object, declared: Type = ANY) -> Output:
    """Return *value* as an output of the type *declared*, where that says nothing of the type that the value is known to have."""
    if isinstance(value, Output):
        return value
    known = value.type__ if declared == ANY and isinstance(value, Placeholder) else declared
    return Output(as_expr(value), known, optional=declared.kind in ("optional", "null"))
