"""policy: expressions - JSON data in which references, templates and choices may stand - read from data, and written back.

How a reference is written:

    "${scenes[0].audio}"   "${scenes[*].audio}"   "${inputs.name}"   in YAML
    {"$ref": "scenes", "path": "/0/audio"}                             the canonical form: a JSON pointer, `*` for every element
    {"$template": "Hello ${inputs.name}"}                              text with holes
    {"$first": ["${a}", "${b}"]}                                       the first that was not skipped

A literal `${` is written `$${`; each further dollar before the brace is doubled too. A key of a mapping that begins with `$` is
written with one dollar more.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.errors import Diagnostic, Path
from murakkab.spec import WILD, Expr, First, Maybe, PathItem, Ref, Template, Wild
from murakkab.types import ANY, Type, field_type, list_of, optional
from murakkab.values import is_deeper, parts_of

#: What a step, an input, a loop variable and a field may be called.
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
#: How deep data may be nested.
MAX_DEPTH: Final = 60

#: How long a reference and a template may be.
_MAX_PATH: Final = 100
_MAX_PARTS: Final = 2_000
_REF: Final = re.compile(r"\$\{\s*([A-Za-z_][\w-]*)((?:\.[A-Za-z_][\w-]*|\[(?:\d{1,9}|\*)\])*)\s*\}", re.ASCII)
_PATH_ITEM: Final = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+|\*)\]", re.ASCII)
_DOLLARS: Final = re.compile(r"(?<!\$)(\$+)\{")
_HOLE: Final = re.compile(r"(?<!\$)(\$+)\{([^{}]*)\}?")
_OPERATORS: Final = ("$ref", "$template", "$first")
_LISTED: Final = ", ".join(_OPERATORS)
_OF_LOOPS: Final = ("$zip", "$levels")
_REF_HINT: Final = "a reference is written ${step.field}, ${step[0].field} or, for every element, ${step[*].field}"
_PLAIN: Final = (str, bool, int, type(None))
#: Among how many fields one that is close to a misspelt one is looked for.
_COMPARED: Final = 200


class RefSyntaxError(ValueError):
    """The text is not a reference; the message says why, `hint` what to write."""

    def __init__(self, message: str, hint: str = _REF_HINT) -> None:
        super().__init__(message)
        self.hint = hint


# ------------------------------------------------------------------------------------------------------------------ reading


def parse_ref(text: str) -> Ref:
    """Return the reference that *text* (`${scenes[*].audio}`) writes. Raises `RefSyntaxError`."""
    found = _REF.fullmatch(text)
    if found is None:
        if "}" not in text:
            raise RefSyntaxError(f"the reference {text[:80]!r} is not closed", "write a } behind it")
        if text.startswith("${{"):
            raise RefSyntaxError(f"{text[:80]!r} has two braces", "a reference is written with single braces: ${inputs.name}")
        raise RefSyntaxError(f"{text[:80]!r} is not a reference")
    path: list[PathItem] = []
    for item in _PATH_ITEM.finditer(found[2]):
        name, index = item.groups()
        path.append(name if name else WILD if index == "*" else int(index))
        if len(path) > _MAX_PATH:
            raise RefSyntaxError(f"the reference {text[:80]!r} leads through more than {_MAX_PATH} fields", "take the value out in a step")
    return Ref(found[1], tuple(path))


def parse_pointer(pointer: str) -> tuple[PathItem, ...]:
    """Return the path that a JSON pointer writes: digits are an index, `*` is every element. Raises `RefSyntaxError`."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise RefSyntaxError(f"the path {pointer[:80]!r} does not begin with '/'", "a path is a JSON pointer: /0/audio")
    return tuple(map(_pointer_item, pointer[1:].split("/")))


def _pointer_item(text: str) -> PathItem:
    if text == "*":
        return WILD
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return text.replace("~1", "/").replace("~0", "~")


def parse_template(text: str) -> Template:
    """Return the template that *text* writes, its literal parts unescaped. Raises `RefSyntaxError` at the first bad hole."""
    parts: list[str | Ref] = []
    literal, end = "", 0
    # An escaped `${` ends behind its brace: what follows may be a hole of its own.
    while hole := _HOLE.search(text, end):
        dollars = len(hole[1])
        literal += text[end : hole.start()] + "$" * (dollars // 2)
        if dollars % 2 == 0:
            literal, end = literal + "{", hole.end(1) + 1
            continue
        if len(parts) > _MAX_PARTS:
            raise RefSyntaxError(f"the template has more than {_MAX_PARTS:,} parts", "build the text in a step")
        ref = parse_ref(hole[0][dollars - 1 :])
        parts += [literal, ref] if literal else [ref]
        literal, end = "", hole.end()
    literal += text[end:]
    return Template((*parts, literal) if literal else tuple(parts))


def parse_expr(data: Any, *, path: Path = (), problems: list[Diagnostic]) -> Expr:
    """Return the expression that JSON *data* writes. What is wrong is added to *problems* by its path, and null stands in its place."""
    if isinstance(data, str):
        return _parse_text(data, path, problems)
    if isinstance(data, _PLAIN):
        return data
    if isinstance(data, float):
        if math.isfinite(data):
            return data
        problems.append(Diagnostic("not-json", f"{data} is not a JSON number", "leave it out, or write null", path))
        return None
    if len(path) > MAX_DEPTH:
        problems.append(Diagnostic("too-deep", f"nested more than {MAX_DEPTH} deep", "put the data into a file and pass that", path[:3]))
        return None
    if isinstance(data, list | tuple):
        return [parse_expr(v, path=(*path, i), problems=problems) for i, v in enumerate(data)]
    if isinstance(data, Mapping):
        return _parse_mapping(data, path, problems)
    problems.append(Diagnostic("not-json", f"{type(data).__name__} is not JSON data", "use text, numbers, lists and mappings", path))
    return None


def _parse_text(text: str, path: Path, problems: list[Diagnostic]) -> Expr:
    if "${" not in text:
        return text
    holes = [d for d in _DOLLARS.finditer(text) if len(d[1]) % 2]
    if not holes:
        return _DOLLARS.sub(lambda d: "$" * (len(d[1]) // 2) + "{", text)
    if text.startswith("${") and (text.endswith("}") or "}" not in text) and len(holes) == 1:
        return _or_problem(parse_ref, text, path, problems)
    hint = f"write {{$template: {text[:60]!r}}} to build text, or $${{ for a literal ${{"
    problems.append(Diagnostic("bad-reference", "a reference must be the whole value; here it stands inside text", hint, path))
    return None


def _or_problem(parse: Callable[[str], Expr], text: str, path: Path, problems: list[Diagnostic]) -> Expr:
    try:
        return parse(text)
    except RefSyntaxError as error:
        problems.append(Diagnostic("bad-reference", str(error), error.hint, path))
        return None


def _parse_mapping(data: Mapping[Any, Any], path: Path, problems: list[Diagnostic]) -> Expr:
    operator = next((k for k in data if isinstance(k, str) and k.startswith("$") and not k.startswith("$$")), None)
    if operator is not None:
        return _parse_operator(operator, data, path, problems)
    found: dict[str, Expr] = {}
    for key, value in data.items():
        if not isinstance(key, str):
            problems.append(Diagnostic("not-json", f"the key {key!r} is not text", "quote it", path))
            continue
        found[key[1:] if key.startswith("$$") else key] = parse_expr(value, path=(*path, key), problems=problems)
    return found


def _parse_operator(operator: str, data: Mapping[Any, Any], path: Path, problems: list[Diagnostic]) -> Expr:
    if operator not in _OPERATORS:
        close = did_you_mean(operator, _OPERATORS)
        hint = f"{close or f'there are {_LISTED};'} a key that begins with '$' is written ${operator[:60]}"
        hint = f"{operator} stands at the top of for_each" if operator in _OF_LOOPS else hint
        problems.append(Diagnostic("unknown-operator", f"{operator!r} is not an operator", hint, (*path, operator)))
        return None
    allowed = ("$ref", "path") if operator == "$ref" else (operator,)
    if extra := [k for k in data if k not in allowed]:
        problems.append(Diagnostic("unknown-operator", f"{extra[0]!r} cannot stand beside {operator!r}", "", (*path, extra[0])))
        return None
    value, at = data[operator], (*path, operator)
    if operator == "$first":
        return _parse_first(value, at, problems)
    if not isinstance(value, str):
        hint = "write {$ref: step, path: /field}" if operator == "$ref" else "write {$template: 'text with ${step.field}'}"
        problems.append(Diagnostic("bad-reference", f"{operator!r} takes text", hint, at))
        return None
    if operator == "$template":
        return _or_problem(parse_template, value, at, problems)
    return _parse_ref_object(value, data.get("path", ""), path, problems)


def _parse_first(value: Any, at: Path, problems: list[Diagnostic]) -> Expr:
    if not isinstance(value, list | tuple) or not value:
        problems.append(Diagnostic("bad-reference", "'$first' takes a list of at least one expression", "", at))
        return None
    return First(tuple(parse_expr(v, path=(*at, i), problems=problems) for i, v in enumerate(value)))


def _parse_ref_object(source: str, pointer: Any, path: Path, problems: list[Diagnostic]) -> Expr:
    if not NAME.fullmatch(source):
        hint = "write {$ref: step, path: /field}"
        problems.append(Diagnostic("bad-reference", f"{source[:80]!r} is not a name", hint, (*path, "$ref")))
        return None
    if not isinstance(pointer, str):
        problems.append(Diagnostic("bad-reference", "'path' takes text", "a path is a JSON pointer: /0/audio", (*path, "path")))
        return None
    return _or_problem(lambda text: Ref(source, parse_pointer(text)), pointer, (*path, "path"), problems)


# ------------------------------------------------------------------------------------------------------------------ writing


def write_expr(expr: Expr) -> Any:
    """Return the canonical JSON data of *expr*: `parse_expr` reads it back. Raises `ValueError` for what JSON cannot carry."""
    if isinstance(expr, Ref):
        pointer = write_pointer(expr.path)
        return {"$ref": expr.source, "path": pointer} if pointer else {"$ref": expr.source}
    if isinstance(expr, Template):
        return {"$template": _write_template(expr)}
    if isinstance(expr, First):
        return {"$first": [write_expr(o) for o in expr.options]}
    if isinstance(expr, Mapping):
        return {f"${k}" if k.startswith("$") else k: write_expr(v) for k, v in expr.items()}
    if isinstance(expr, list | tuple):
        return [write_expr(v) for v in expr]
    if isinstance(expr, str):
        return _escaped(expr)
    if isinstance(expr, float) and not math.isfinite(expr):
        raise ValueError(f"{expr} is not a JSON number")
    if not isinstance(expr, (*_PLAIN, float)):
        raise ValueError(f"{type(expr).__name__} is not JSON data")
    return expr


def write_pointer(path: tuple[PathItem, ...]) -> str:
    """Return *path* as a JSON pointer. Raises `ValueError` for a field called `*` or all digits: a pointer cannot tell it apart."""
    return "".join(f"/{_write_item(item)}" for item in path)


def _write_item(item: PathItem) -> str:
    if isinstance(item, Maybe):
        item = item.item
    if isinstance(item, Wild):
        return "*"
    if isinstance(item, int):
        return str(item)
    if not isinstance(_pointer_item(item), str):
        raise ValueError(f"a path cannot lead through a field called {item!r}")
    return item.replace("~", "~0").replace("/", "~1")


def _escaped(text: str) -> str:
    return _DOLLARS.sub(lambda d: d[1] * 2 + "{", text) if "${" in text else text


def _write_template(template: Template) -> str:
    joined = [""]
    for part in template.parts:
        if isinstance(part, str):
            joined[-1] += part
        else:
            joined += [_write_hole(part), ""]
    for i in range(0, len(joined), 2):
        text = _escaped(joined[i])
        before_hole = i + 1 < len(joined)
        dollars = len(text) - len(text.rstrip("$"))
        joined[i] = text + "$" * dollars if before_hole else text
    return "".join(joined)


def _write_hole(ref: Ref) -> str:
    """Return `${...}`; a hole has no pointer form, so its fields must be names."""
    if bad := next((p for p in ref.path if isinstance(p, str) and not NAME.fullmatch(p)), None):
        raise ValueError(f"a template cannot reach a field called {bad!r}")
    return str(ref)


# ------------------------------------------------------------------------------------------------------------------ asking


def is_too_deep(expr: Expr, at: Path) -> bool:
    """Return whether the data of *expr*, which stands at *at*, is nested deeper than that of a document may be. Nothing recurses."""
    return is_deeper(expr, max(0, MAX_DEPTH - len(at)), opened=_opened)


def _opened(expr: Expr) -> Iterable[Any] | None:
    if isinstance(expr, First):
        return (expr.options,)
    return () if isinstance(expr, Template) else parts_of(expr)


def refs_in(expr: Expr) -> Iterator[Ref]:
    """Yield every reference in *expr*, in the order it is written."""
    if isinstance(expr, Ref):
        yield expr
    elif isinstance(expr, Template):
        yield from (part for part in expr.parts if isinstance(part, Ref))
    elif isinstance(expr, First):
        for option in expr.options:
            yield from refs_in(option)
    elif isinstance(expr, Mapping):
        for value in expr.values():
            yield from refs_in(value)
    elif isinstance(expr, list | tuple):
        for value in expr:
            yield from refs_in(value)


def map_refs(expr: Expr, change: Callable[[Ref], Ref]) -> Expr:
    """Return *expr* with every reference replaced by what *change* makes of it."""
    if isinstance(expr, Ref):
        return change(expr)
    if isinstance(expr, Template):
        return Template(tuple(part if isinstance(part, str) else change(part) for part in expr.parts))
    if isinstance(expr, First):
        return First(tuple(map_refs(option, change) for option in expr.options))
    if isinstance(expr, dict):
        return {name: map_refs(inner, change) for name, inner in expr.items()}
    if isinstance(expr, list):
        return [map_refs(inner, change) for inner in expr]
    return expr


def forgiving(of: Type, path: tuple[PathItem, ...]) -> tuple[PathItem, ...]:
    """Return *path* with a `Maybe` for every element that leads to nothing when an optional part of a value of type *of* is missing."""
    found: list[PathItem] = []
    may_miss = False
    for item in path:
        at = of.item if of.kind == "optional" and of.item is not None else of
        inner = _step_into(of, item)
        if isinstance(inner, str) or isinstance(item, Maybe):
            return (*found, *path[len(found) :])
        # Below something that may be null everything may be, also where the types say no more.
        may_miss = may_miss or of.kind == "optional" or (isinstance(item, str) and _may_be_missing(at, item))
        found.append(Maybe(item) if may_miss else item)
        of = inner
    return tuple(found)


def _may_be_missing(of: Type, name: str) -> bool:
    if of.kind == "file":
        return name != "uri"
    found = of.field(name)
    return found is not None and found.optional


def type_at(of: Type, path: tuple[PathItem, ...]) -> Type | str:
    """Return the type of the value that *path* reaches in a value of type *of*, or in words why it reaches none.

    From the first `[*]` on the result is the list of all matches, however many `[*]` follow.
    """
    many = False
    for item in path:
        inner = _step_into(of, item)
        if isinstance(inner, str):
            return inner
        of, many = inner, many or isinstance(item, Wild)
    return list_of(of) if many else of


def _step_into(of: Type, item: PathItem) -> Type | str:
    if of.kind == "optional" and of.item is not None:
        inner = _step_into(of.item, item)
        return inner if isinstance(inner, str) or isinstance(item, Wild) else optional(inner)
    if of.kind == "any":
        return ANY
    if not isinstance(item, str):
        shown = "[*]" if isinstance(item, Wild) else f"[{item}]"
        return (of.item or ANY) if of.kind == "list" else f"{of} is not a list, so {shown} finds nothing"
    found = field_type(of, item)
    if found is not None:
        return found
    if of.kind == "list":
        return f"{of} is a list and has no field {item!r}; [*].{item} takes it from every element, [0].{item} from the first"
    fields = [f.name for f in of.fields[:_COMPARED]]
    hint = did_you_mean(item, fields, others="there are") or ("there are none" if of.kind == "record" else "")
    return f"{of} has no field {item!r}{'; ' + hint if hint else ''}"
