"""policy: values put together while a workflow is written down - template, first, flatten, each - and written as expressions.

Each function does the real thing with real values, so code that uses them can be called outside a workflow too.
"""

import dataclasses
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from string import Formatter
from typing import Any, TypeVar, cast

from murakkab.placeholders import Formula, Operators, Placeholder, every, literal, mistake, path_of, used
from murakkab.references import MAX_DEPTH, RefSyntaxError, parse_ref
from murakkab.scopes import ANYWHERE, WRITING, Scope
from murakkab.spec import WILD, Expr, First, Ref, Template
from murakkab.types import ANY, BOOL, INT, STR, list_of
from murakkab.values import File

T = TypeVar("T")
U = TypeVar("U")


def as_expr(value: object, *, depth: int = 0) -> Expr:
    """Return *value*, with placeholders anywhere in it, as an expression. Raises `SpecError` for what is not JSON data."""
    if isinstance(value, Placeholder):
        return _referred(value)
    if isinstance(value, Ref | Template | First):
        return value
    if isinstance(value, Operators):
        raise mistake("not-json", "a condition cannot be handed to a step", "use it in when(...), or compute it inside a step")
    if isinstance(value, Enum):
        return as_expr(value.value, depth=depth)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise mistake("not-json", f"{value} is not a JSON number", "leave it out, or give None")
        return value
    if depth > MAX_DEPTH:
        raise mistake("too-deep", f"a value is nested more than {MAX_DEPTH} deep", "put the data into a file and pass that")
    return _container(value, depth + 1)


def _referred(value: Placeholder) -> Expr:
    if not value.spread__ and isinstance(value.expr__, Ref) and WILD in value.expr__.path:
        raise mistake("part-of-many", "an element is used outside of its each(...)", "return a part of it from the function given to each")
    return used(value)


def _container(value: object, depth: int) -> Expr:
    fields = fields_of(value)
    if fields is not None:
        if isinstance(value, File):
            fields = {name: v for name, v in fields.items() if v or name == "uri"}
        return {name: as_expr(v, depth=depth) for name, v in fields.items()}
    if isinstance(value, Mapping):
        if bad := next((k for k in value if not isinstance(k, str)), None):
            raise mistake("not-json", f"the key {bad!r} is not text", "keys are text in JSON")
        return {str(k): as_expr(v, depth=depth) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_expr(v, depth=depth) for v in value]
    if callable(value):
        raise mistake(
            "not-json", f"{getattr(value, '__name__', value)!r} is a function, not a value", "call it, and hand on what it returns"
        )
    hint = "put bytes into a file; sort a set into a list; make anything else text, numbers, lists and dicts"
    raise mistake("not-json", f"{type(value).__name__} is not JSON data", hint)


def fields_of(value: Any) -> dict[str, Any] | None:
    """Return the fields of a dataclass, NamedTuple or pydantic object by name; None for anything else."""
    if isinstance(value, Operators):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    names: tuple[str, ...] | None = getattr(value, "_fields", None)
    if isinstance(value, tuple) and names is not None:
        return dict(zip(names, value, strict=True))
    dump: Callable[..., dict[str, Any]] | None = getattr(value, "model_dump", None)
    return None if dump is None or isinstance(value, type) else dump(mode="json")


def first(*options: T) -> T:
    """Return the first option that was not skipped: how the branches of a condition meet again.

    Of real values, return the first that is not None.
    """
    if not options:
        raise mistake("bad-reference", "first() has nothing to choose from", "first(left, right)")
    if not any(isinstance(o, Placeholder) for o in options):
        return next((o for o in options if o is not None), options[-1])
    types = {o.type__ if isinstance(o, Placeholder) else ANY for o in options}
    expr = First(tuple(as_expr(o) for o in options))
    return cast("T", Placeholder(expr, types.pop() if len(types) == 1 else ANY, home=_home_of(options)))


def _home_of(values: Iterable[object]) -> Scope | None:
    """Return the level where something made of *values* means something: the innermost of theirs; here where some mean more elsewhere."""
    here = WRITING.get()
    homes = {v.home__ if isinstance(v, Placeholder) else here for v in values if isinstance(v, Placeholder | list | tuple | dict)}
    if len(homes) == 1:
        return homes.pop()
    if ANYWHERE in homes:
        return here
    inner = (one for one in homes if one is not None and all(other is None or one.is_inside(other) for other in homes))
    return next(inner, here)


def template(text: str, /, *values: object, **named: object) -> str:
    """Return *text* with its holes filled, as an f-string does: `template("Hello {}", x)`, `template("Hello {name}", name=x)`.

    `{{` is a brace. What is filled in is never scanned again.
    """
    parts: list[str | Ref] = []
    holes = iter(range(len(values)))
    used: set[str] = set()
    for before, hole, spec, conversion in _parsed(text):
        parts.append(before)
        if hole is None:
            continue
        if spec or conversion:
            raise mistake("bad-reference", f"the hole {{{hole}}} has a format", "format the value in a step, then fill it in")
        name = hole or str(next(holes, len(values)))
        used.add(name)
        parts += _filling(name, values, named)
    unused = [n for n in (*map(str, range(len(values))), *named) if n not in used]
    if unused:
        raise mistake("bad-reference", f"nothing in the text takes the value {unused[0]!r}", "a hole is written {} or {name}")
    return _joined(parts, _home_of((*values, *named.values())))


def _parsed(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(text))
    except ValueError as error:
        raise mistake("bad-reference", f"the text cannot be read: {error}", "a brace is written {{ or }}") from None


def _filling(name: str, values: tuple[object, ...], named: Mapping[str, object]) -> tuple[str | Ref, ...]:
    if name.isdigit() and int(name) < len(values):
        value = values[int(name)]
    elif name in named:
        value = named[name]
    else:
        hint = "a hole is a plain name or number: template('{title}', title=page.title)"
        raise mistake("bad-reference", f"there is no value for the hole {{{name}}}", hint)
    expr = as_expr(value)
    if isinstance(expr, Template):
        return expr.parts
    if isinstance(expr, First):
        raise mistake("bad-reference", "first(...) cannot be filled in", "hand it to a step that returns the text")
    return (expr if isinstance(expr, str | Ref) else json.dumps(expr, ensure_ascii=False),)


def _joined(parts: list[str | Ref], home: Scope | None) -> str:
    merged: list[str | Ref] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    if all(isinstance(p, str) for p in merged):
        return "".join(map(str, merged))
    return cast("str", Placeholder(Template(tuple(merged)), STR, home=home))


def flatten(lists: Iterable[Iterable[T]]) -> list[T]:
    """Return the elements of the lists as one list: what `scenes.map(videos)` found in all videos together."""
    if not isinstance(lists, Placeholder):
        return [element for inner in lists for element in inner]
    inner = every(lists)
    element = every(Placeholder(inner.expr__, inner.type__, spread=False, home=inner.home__))
    return cast("list[T]", Placeholder(element.expr__, list_of(element.type__), spread=True, home=element.home__))


def each(items: Iterable[T], pick: Callable[[T], U]) -> list[U]:
    """Return what *pick* takes out of every element: `each(pages, lambda page: page.title)`."""
    if not isinstance(items, Placeholder):
        return [pick(item) for item in items]
    element = every(items)
    picked: object = pick(cast("T", element))
    if not isinstance(picked, Placeholder) or picked.spread__ or not _leads_on(element.expr__, picked.expr__):
        hint = "each(pages, lambda page: page.title); else map a step"
        raise mistake("part-of-many", "the function given to each() may only take a part of its element", hint)
    return cast("list[U]", Placeholder(picked.expr__, list_of(picked.type__), spread=True, home=picked.home__))


def _leads_on(start: Expr, end: Expr) -> bool:
    return isinstance(start, Ref) and isinstance(end, Ref) and end.source == start.source and end.path[: len(start.path)] == start.path


def size(items: object) -> int:
    """Return how many elements a list or map, or letters a text has; in a workflow, for comparing: `when(size(pages) > 3)`."""
    if not isinstance(items, Placeholder):
        return len(cast("list[object]", items))
    return cast("int", Formula(f"size({path_of(items)})", INT))


def contains(whole: object, part: object) -> bool:
    """Return whether a list has the element, a map the key, or a text the text *part*; in a workflow, a condition."""
    if not isinstance(whole, Placeholder):
        return part in cast("list[object]", whole)
    inner = path_of(part) if isinstance(part, Placeholder) else literal(part)
    text = f"{path_of(whole)}.contains({inner})" if whole.type__ == STR else f"{inner} in {path_of(whole)}"
    return cast("bool", Formula(text, BOOL))


def var(name: str) -> Any:
    """Return the loop variable *name* of a `for_each`."""
    return Placeholder(Ref(name), ANY, home=ANYWHERE)


def ref(text: str) -> Any:
    """Return the value that *text* names as it is written in files, `ref("${pages[*].title}")`: for what has no name in Python."""
    try:
        found = parse_ref(text)
    except RefSyntaxError as wrong:
        raise mistake("bad-reference", str(wrong), wrong.hint) from None
    return Placeholder(found, ANY, spread=WILD in found.path, home=ANYWHERE)


#: The element of a `for_each` that gives it no other name.
item: Any = var("item")
#: Inside a repeated step: `loop.index`, `loop.last`, `loop.history`.
loop: Any = var("loop")
#: In `until`: what the round just done gave.
result: Any = var("result")
#: In `on_error=default_to(...)`: `error.reason`, `error.message`, `error.attempt`, `error.task`.
error: Any = var("error")
#: In `finally_()`: `job.status` and `job.failures`.
job: Any = var("job")
