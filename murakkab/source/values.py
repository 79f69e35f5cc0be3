"""policy: expressions as Python source - variables and their parts where there are some, else the words for references."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from murakkab.source.layout import Brackets, Code, Text, called, given, joined, mapping, quoted, several
from murakkab.source.names import Imports, Level, Variable, is_name
from murakkab.source.references import is_text, taken
from murakkab.spec import WILD, Expr, First, Ref, Template
from murakkab.types import ANY, STR, Type

#: Values that mean the same everywhere.
_ANYWHERE: Final = ("item", "loop", "result", "error", "job")


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a piece of source stands: the module's imports, the variables of inputs and secrets, the level of steps."""

    imports: Imports
    level: Level = field(default_factory=Level)
    inputs: Mapping[str, Variable] = field(default_factory=dict)
    secrets: Mapping[str, Variable] = field(default_factory=dict)


def value(expr: Expr, scene: Scene) -> Code:
    """Return the source of *expr*."""
    return typed_value(expr, scene)[0]


def typed_value(expr: Expr, scene: Scene) -> tuple[Code, Type]:
    """Return the source of *expr*, and the type that its value is known to have when the source is run."""
    if isinstance(expr, Ref):
        return _reference(expr, scene)
    if isinstance(expr, Template):
        made = _is_made_by_template(expr)
        return (called(scene.imports["template"], *filled_in(expr, scene)), STR) if made else (raw(expr, scene.imports), ANY)
    if isinstance(expr, First):
        return _first(expr, scene)
    if isinstance(expr, list):
        return Brackets("[", tuple(value(inner, scene) for inner in expr), "]"), ANY
    if isinstance(expr, dict):
        return mapping({name: value(inner, scene) for name, inner in expr.items()}), ANY
    return Text(expr) if isinstance(expr, str) else repr(expr), ANY


def raw(expr: Expr, imports: Imports) -> Code:
    """Return the source of *expr* that needs no variables and means the same wherever it stands."""
    if isinstance(expr, Ref):
        path = tuple(imports["WILD"] if p is WILD else quoted(p) if isinstance(p, str) else repr(p) for p in expr.path)
        return called(imports["Ref"], quoted(expr.source), *((several(path),) if path else ()))
    if isinstance(expr, Template | First):
        parts = expr.parts if isinstance(expr, Template) else expr.options
        return called(imports[type(expr).__name__], several(tuple(raw(part, imports) for part in parts)))
    if isinstance(expr, list):
        return Brackets("[", tuple(raw(inner, imports) for inner in expr), "]")
    if isinstance(expr, dict):
        return mapping({name: raw(inner, imports) for name, inner in expr.items()})
    return Text(expr) if isinstance(expr, str) else repr(expr)


def arguments(values: Mapping[str, Expr], scene: Scene) -> tuple[Code, ...]:
    """Return the source of named arguments."""
    return named({name: value(one, scene) for name, one in values.items()})


def named(values: Mapping[str, Code]) -> tuple[Code, ...]:
    """Return named arguments; where Python does not allow one of the names they stand in a dict."""
    if all(map(is_name, values)):
        return tuple(given(name, code) for name, code in values.items())
    return (joined("**", mapping(dict(values))),)


def filled_in(of: Template | str, scene: Scene) -> tuple[Code, ...]:
    """Return the arguments of `template(...)`: the text with holes, and what goes there."""
    parts = of.parts if isinstance(of, Template) else (of,)
    text = "".join(part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else "{}" for part in parts)
    return Text(text), *(value(part, scene) for part in parts if not isinstance(part, str))


def text_with_holes(expr: Expr) -> Template | str | None:
    """Return *expr* where `template(...)` with some arguments gives it, else None."""
    if isinstance(expr, Template):
        return expr if _is_made_by_template(expr) else None
    return expr if isinstance(expr, str) else None


def _is_made_by_template(of: Template) -> bool:
    """Return whether `template(...)` makes *of*: there is a hole, and texts are neither empty nor side by side."""
    texts = [isinstance(part, str) for part in of.parts]
    return not all(texts) and "" not in of.parts and not any(a and b for a, b in pairwise(texts))


def _first(of: First, scene: Scene) -> tuple[Code, Type]:
    if not any(_is_placeholder(option, scene) for option in of.options):
        return raw(of, scene.imports), ANY
    made = [typed_value(option, scene) for option in of.options]
    types = {kind for _, kind in made}
    return called(scene.imports["first"], *(code for code, _ in made)), types.pop() if len(types) == 1 else ANY


def _is_placeholder(expr: Expr, scene: Scene) -> bool:
    """Return whether the source of *expr* gives a value-to-be, not data."""
    if isinstance(expr, Template):
        return _is_made_by_template(expr)
    return isinstance(expr, Ref) and (is_text(expr) or _variable_of(expr, scene) is not None)


def _reference(ref: Ref, scene: Scene) -> tuple[Code, Type]:
    if variable := _variable_of(ref, scene):
        variable.is_used = True
    elif ref.source in _ANYWHERE:
        variable = Variable(scene.imports[ref.source])
    elif scene.level.is_loop(ref.source):
        variable = Variable(f"{scene.imports['var']}({quoted(ref.source)})")
    found = None if variable is None else taken(variable, ref.path)
    if found is not None:
        return found.code(scene.imports), found.type
    return called(scene.imports["ref"], quoted(str(ref))) if is_text(ref) else raw(ref, scene.imports), ANY


def _variable_of(ref: Ref, scene: Scene) -> Variable | None:
    """Return the variable out of which what *ref* leads to can be taken, None where there is none."""
    if ref.source in ("inputs", "secrets"):
        known = scene.inputs if ref.source == "inputs" else scene.secrets
        found = known.get(str(ref.path[0])) if ref.path else None
    else:
        found = scene.level.find(ref.source)
    return found if found is not None and taken(found, ref.path) is not None else None
