"""policy: reads the values of a document - expressions, what is given and what is returned."""

from collections.abc import Mapping
from typing import Any, Final

from murakkab.diagnostics import MAX_TOLD
from murakkab.document.fields import Problems, WrongField, flag, mapping, text, type_
from murakkab.document.forms import Form, read_fields
from murakkab.errors import Diagnostic, Path
from murakkab.references import parse_expr
from murakkab.spec import Expr, Input, Output


def expr(data: Any, path: Path, problems: Problems) -> Expr:
    """Return an expression."""
    return parse_expr(data, path=path, problems=problems)


def exprs(data: Any, path: Path, problems: Problems) -> dict[str, Expr]:
    """Return a mapping of names to expressions."""
    return {key: expr(value, (*path, key), problems) for key, value in mapping(data, path, problems).items()}


def is_operator(data: Any) -> bool:
    """Return whether *data* is a mapping with a `$` key: one value, not the fields of something."""
    return isinstance(data, Mapping) and any(isinstance(k, str) and k.startswith("$") for k in data)


def inputs(data: Any, path: Path, problems: Problems) -> dict[str, Input]:
    """Return the inputs by name; text alone is a type."""
    found: dict[str, Input] = {}
    for name, value in mapping(data, path, problems).items():
        at = (*path, name)
        if len(problems) > MAX_TOLD:
            break
        try:
            form = value if isinstance(value, Mapping) else {}
            found[name] = Input(**read_fields(form, at, problems, form=INPUT), required="default" not in form)
            if not isinstance(value, Mapping):
                found[name] = Input(type_(value, at, problems))
        except WrongField as wrong:
            problems.append(wrong.at(at))
            found[name] = Input()
    return found


def outputs(data: Any, path: Path, problems: Problems) -> dict[str, Output]:
    """Return the outputs by name. A mapping is the long form, `{value, type, optional, description}`, or an operator."""
    found: dict[str, Output] = {}
    for name, value in mapping(data, path, problems).items():
        at = (*path, name)
        if not isinstance(value, Mapping) or is_operator(value):
            found[name] = Output(expr(value, at, problems))
            continue
        try:
            fields = read_fields(value, at, problems, form=OUTPUT)
        except WrongField as wrong:
            problems.append(wrong.at(at))
            continue
        if "value" not in value:
            problems.append(Diagnostic("missing-field", f"the output {name!r} has no value", "write value: ${step.field}", at))
        found[name] = Output(**{"value": None, **fields})
    return found


INPUT: Final = Form("an input", {"type": ("type", type_), "default": ("default", expr), "description": ("description", text)})
OUTPUT: Final = Form(
    "an output",
    {
        "value": ("value", expr),
        "type": ("type", type_),
        "optional": ("optional", flag),
        "description": ("description", text),
    },
)
