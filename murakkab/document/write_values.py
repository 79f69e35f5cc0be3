"""policy: writes the values of a document - expressions, what is given and what is returned."""

from collections.abc import Mapping
from typing import Any

from murakkab.errors import Diagnostic, Path, SpecError
from murakkab.references import MAX_DEPTH, is_too_deep, write_expr
from murakkab.spec import Expr, Input, Output
from murakkab.types import ANY, type_text


def put(document: dict[str, Any], key: str, value: Any) -> None:
    """Write what is not empty: empty is the default everywhere."""
    if value not in (None, "", {}, []):
        document[key] = value


def expr(value: Expr, path: Path) -> Any:
    """Return the data of an expression. Raises `SpecError` with *path* when it has none."""
    if is_too_deep(value, path):
        raise SpecError([Diagnostic("too-deep", f"nested more than {MAX_DEPTH} deep", "put the data into a file and pass that", path)])
    try:
        return write_expr(value)
    except ValueError as error:
        raise SpecError([Diagnostic("not-json", str(error), "use text, numbers, lists and mappings", path)]) from None


def exprs(values: Mapping[str, Expr], path: Path) -> dict[str, Any]:
    """Return the data of a mapping of names to expressions."""
    return {name: expr(value, (*path, name)) for name, value in values.items()}


def inputs(values: Mapping[str, Input], path: Path) -> dict[str, Any]:
    """Return the data of inputs, or of a form."""
    return {name: _input(value, (*path, name)) for name, value in values.items()}


def outputs(values: Mapping[str, Output], path: Path) -> dict[str, Any]:
    """Return the data of outputs."""
    return {name: _output(value, (*path, name)) for name, value in values.items()}


def _input(value: Input, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {"type": type_text(value.type)}
    if not value.required:
        document["default"] = expr(value.default, (*path, "default"))
    put(document, "description", value.description)
    return document


def _output(value: Output, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {"value": expr(value.value, (*path, "value"))}
    if value.type != ANY:
        document["type"] = type_text(value.type)
    if value.optional:
        document["optional"] = True
    put(document, "description", value.description)
    return document
