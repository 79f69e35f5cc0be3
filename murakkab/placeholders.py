"""policy: values that are not there yet, and what may be done with them while a workflow is written down.

A `Placeholder` stands for a step's result or an input. It can be handed to other steps and looked into (`page.title`, `pages[0]`,
`row["name"]`); comparing it gives a `Formula`, text of the condition language. Whatever else Python can do with a value cannot be
written down, and says so with the place in the user's file.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Final, NoReturn

from murakkab.errors import Diagnostic, Place, SpecError
from murakkab.scopes import ANYWHERE, WRITING, Scope
from murakkab.spec import WILD, Expr, First, Ref, Template
from murakkab.types import ANY, BOOL, Type, field_type, optional

if TYPE_CHECKING:
    from types import CodeType, FrameType

_OWN: Final = (
    "api",
    "blocks",
    "by_name",
    "composition",
    "declaring",
    "dsl",
    "gates",
    "options",
    "outputs",
    "placeholders",
    "recording",
    "signature",
)
_OWN_MODULES: Final = frozenset({"contextlib", "functools", *(f"murakkab.{name}" for name in _OWN)})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Words that a condition cannot use as a bare name.
RESERVED: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let"),
        *("namespace", "null", "package", "return", "true", "var", "void", "while"),
    )
)


#: The code that a place was last looked up in, and its positions.
_LAST: "list[tuple[CodeType, list[tuple[int | None, int | None, int | None, int | None]]]]" = []


def caller() -> Place:
    """Return the line of the user's program that led here: the innermost one outside this package's front end."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in _OWN_MODULES:
        frame = frame.f_back
    if frame is None:
        return Place("<unknown>")
    line, _, column, _ = _positions(frame.f_code)[frame.f_lasti // 2]
    return Place(frame.f_code.co_filename, line or frame.f_lineno, (column or 0) + 1)


def _positions(code: "CodeType") -> "list[tuple[int | None, int | None, int | None, int | None]]":
    """Return the position of each instruction; those of the last code asked for are kept, for it may have thousands of calls."""
    last = _LAST[0] if _LAST else None
    if last is None or last[0] is not code:
        last = (code, list(code.co_positions()))
        _LAST[:] = [last]
    return last[1]


def mistake(code: str, message: str, hint: str = "") -> SpecError:
    """Return the error for a mistake at the line of the user's program that is being run."""
    return SpecError([Diagnostic(code, message, hint, place=caller())])


class Operators:
    """What can be written down of the operators of Python: comparisons, and `&`, `|`, `~` between conditions."""

    __slots__ = ()

    def __eq__(self, other: object) -> "Formula":  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return _compared(self, "==", other)

    def __ne__(self, other: object) -> "Formula":  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return _compared(self, "!=", other)

    def __lt__(self, other: object) -> "Formula":
        return _compared(self, "<", other)

    def __le__(self, other: object) -> "Formula":
        return _compared(self, "<=", other)

    def __gt__(self, other: object) -> "Formula":
        return _compared(self, ">", other)

    def __ge__(self, other: object) -> "Formula":
        return _compared(self, ">=", other)

    def __and__(self, other: object) -> "Formula":
        return Formula(f"({condition_text(self)}) && ({condition_text(other)})", BOOL)

    def __or__(self, other: object) -> "Formula":
        return Formula(f"({condition_text(self)}) || ({condition_text(other)})", BOOL)

    def __invert__(self) -> "Formula":
        return Formula(f"!({condition_text(self)})", BOOL)


class Formula(Operators):
    """Text of the condition language and the type of its value; a `bool` one is a condition."""

    __slots__ = ("text__", "type__")

    def __init__(self, text: str, type_: Type) -> None:
        self.text__ = text
        self.type__ = type_

    def __repr__(self) -> str:
        return f"<condition {self.text__}>"


_HERE: Final = Scope()


class Placeholder(Operators):
    """A value that is not there yet. Its own names end in two underscores, so that every other name is a field of the value.

    `spread__`: it stands for all the matches of a path with `[*]`, so nothing can be taken out of it by name.
    `home__`: the level of the workflow that was being written down when it was made; it means nothing in another workflow, nor outside
    of its block.
    """

    __slots__ = ("expr__", "home__", "spread__", "type__")

    def __init__(self, expr: Expr, type_: Type, *, spread: bool = False, home: Scope | None = _HERE) -> None:
        self.home__ = WRITING.get() if home is _HERE else home
        self.expr__ = expr
        self.type__ = type_
        self.spread__ = spread

    def __getattr__(self, name: str) -> "Placeholder":
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _part(self, name)

    def __getitem__(self, key: object) -> "Placeholder":
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise mistake("no-such-field", "only a name or a number can be looked up in a value that is not there yet", "do it in a step")
        if isinstance(key, int) and key < 0:
            raise mistake("no-such-field", f"[{key}] counts from the end", "count from the front, or do it in a step")
        if isinstance(key, str) and (key.isdigit() or key == "*"):
            raise mistake("no-such-field", f"the name {key!r} would be read as an index", "do it in a step")
        return _part(self, key)

    def __repr__(self) -> str:
        return f"<placeholder {self.expr__}: {self.type__}>"


_STEP_HINT: Final = "do it inside a step: a function with @step receives the value itself"
_REFUSED: Final = {
    "bool": ("decide an if, and, or, not, assert or a chained comparison", "use `with when(...)`, and & | ~ between conditions"),
    "iter": ("be looped over or unpacked", "use step.map(items) for a list; take parts with value[0] or value.field"),
    "len": ("be counted with len()", "use size(items) in a condition, or count inside a step"),
    "contains": ("be searched with `in`", "use contains(items, value)"),
    "str": ("become text", 'use template("Hello {}", value)'),
    "format": ("become part of an f-string", 'use template("Hello {}", value)'),
    "hash": ("be a key of a dict or a member of a set", _STEP_HINT),
    "await": ("be awaited", "leave the await out: steps are async, the workflow that connects them is not"),
    "call": ("be called: methods are not known yet", _STEP_HINT),
    "setitem": ("be changed", "return a new value from a step"),
} | dict.fromkeys(("int", "float", "complex", "index", "round", "bytes"), ("become a number or bytes", _STEP_HINT))
_BINARY: Final = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift", "xor")
_ARITHMETIC: Final = (*_BINARY, *(f"r{name}" for name in _BINARY), "rand", "ror", "neg", "pos", "abs")


def _refusal(done: str, hint: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *_: object, **__: object) -> NoReturn:
        what = "a condition" if isinstance(self, Formula) else "the value of a step or input"
        raise mistake("not-there-yet", f"{what} is not there while the workflow is written down and cannot {done}", hint)

    return refuse


for _name, (_done, _hint) in (_REFUSED | dict.fromkeys(_ARITHMETIC, ("be calculated with", _STEP_HINT))).items():
    setattr(Operators, f"__{_name}__", _refusal(_done, _hint))


def _part(whole: Placeholder, key: str | int) -> Placeholder:
    what = f"[{key}]" if isinstance(key, int) else f"{key!r}"
    if whole.spread__:
        raise mistake("part-of-many", f"{what} is asked of a list of parts", "each(items, lambda item: ...) takes it from every element")
    if not isinstance(whole.expr__, Ref):
        raise mistake("part-of-many", f"{what} is asked of a value put together at run time", "hand the value to a step and take it there")
    found = type_of_part(whole.type__, key)
    if found is None:
        names = ", ".join(f.name for f in whole.type__.fields)
        raise mistake("no-such-field", f"{whole.type__} has no {what}", f"it has {names}" if names else _STEP_HINT)
    return Placeholder(Ref(whole.expr__.source, (*whole.expr__.path, key)), found, home=whole.home__)


def type_of_part(of: Type, key: str | int) -> Type | None:
    """Return the type of `of.key` or `of[key]`, None where there is no such part; a part of what may be null may be null."""
    if of.kind == "optional" and of.item is not None:
        inner = type_of_part(of.item, key)
        return None if inner is None else optional(inner)
    if isinstance(key, str):
        return field_type(of, key)
    return of.item if of.kind == "list" else ANY if of.kind == "any" else None


def every(items: Placeholder) -> Placeholder:
    """Return the placeholder of one element of *items*, whose path says "each of them"."""
    if not isinstance(items.expr__, Ref):
        raise mistake("part-of-many", "the elements are asked of a value put together at run time", "hand the value to a step")
    inner = items.type__.item if items.type__.kind == "list" else ANY if items.type__.kind == "any" else None
    if inner is None:
        raise mistake("not-a-list", f"{items.type__} is not a list", "elements can be taken from lists")
    path = items.expr__.path if items.spread__ else (*items.expr__.path, WILD)
    return Placeholder(Ref(items.expr__.source, path), inner, home=items.home__)


def used(value: Placeholder) -> Expr:
    """Return what *value* stands for, to be written down where it is used. Raises `SpecError` where it means nothing."""
    home, here = value.home__, WRITING.get()
    if home is ANYWHERE or home is here:
        return value.expr__
    if home is None or here is None or not here.is_inside(home):
        raise _out_of_sight(home)
    if hidden := here.hiding(home, _sources(value.expr__)):
        raise mistake(
            "shadowed-name", f"a step of this block is called {hidden!r} too, and hides this value", "give the inner step another name"
        )
    return value.expr__


def _out_of_sight(home: Scope | None) -> SpecError:
    here = WRITING.get()
    if home is not None and here is not None and _outermost(home) is _outermost(here):
        hint = "give it out: group.outputs(name=value) inside, group.name outside"
        return mistake("outside-workflow", "a value from inside of a block is used outside of it", hint)
    return mistake("outside-workflow", "a value of another workflow is used here", "call the step that makes it in this workflow too")


def _outermost(scope: Scope) -> Scope:
    return scope if scope.around is None else _outermost(scope.around)


def _sources(expr: Expr) -> Iterator[str]:
    if isinstance(expr, Ref):
        yield expr.source
    elif isinstance(expr, Template | First):
        for part in expr.parts if isinstance(expr, Template) else expr.options:
            yield from _sources(part)
    elif isinstance(expr, list | dict):
        for inner in expr.values() if isinstance(expr, dict) else expr:
            yield from _sources(inner)


def condition_text(value: object) -> str:
    """Return the condition that *value* stands for: text as it is, a formula or a `bool` placeholder in the condition language."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise mistake(
            "condition-decided",
            f"this condition is {value} before anything has run",
            "`is`, isinstance() and plain values are decided at once: compare the value of a step or input (value == None)",
        )
    if not isinstance(value, Placeholder | Formula):
        raise mistake("condition-type", f"{type(value).__name__} is not a condition", "compare a value of a step: when(page.size > 3)")
    if value.type__.kind not in ("bool", "any"):
        raise mistake("condition-type", f"{value.type__} is not a condition", "compare it with something: when(page.size > 3)")
    return value.text__ if isinstance(value, Formula) else path_of(value)


def _compared(left: object, operator: str, right: object) -> Formula:
    return Formula(f"{_operand(left)} {operator} {_operand(right)}", BOOL)


def _operand(value: object) -> str:
    if isinstance(value, Formula):
        return f"({value.text__})" if value.type__ == BOOL else value.text__
    return path_of(value) if isinstance(value, Placeholder) else literal(value)


def path_of(value: Placeholder) -> str:
    """Return a placeholder as the condition language writes it. Raises `SpecError` where it has no word for it."""
    ref = value.expr__
    if not isinstance(ref, Ref) or WILD in ref.path:
        raise mistake("condition-type", "a list of parts cannot be used in a condition", "compute what you need in a step and compare that")
    if not _NAME.fullmatch(ref.source):
        raise mistake("condition-type", f"the name {ref.source!r} cannot be written in a condition", "name the step without a dash")
    used(value)
    parts = (f".{p}" if isinstance(p, str) and _is_plain(p) else f"[{json.dumps(p, ensure_ascii=False)}]" for p in ref.path)
    return ref.source + "".join(parts)


def _is_plain(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in RESERVED


def literal(value: object) -> str:
    """Return a constant as the condition language writes it. Raises `SpecError` for what it cannot write."""
    plain: object = value.value if isinstance(value, Enum) else value
    if plain is not None and not isinstance(plain, bool | int | float | str):
        raise mistake("condition-type", f"{type(value).__name__} cannot be in a condition", "compare with text, a number, a bool or None")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise mistake("condition-type", f"{plain} cannot be in a condition", "compare with a finite number")
    if isinstance(plain, int) and not -(2**63) < plain < 2**63:
        raise mistake("condition-type", f"{plain} is too large for a condition", "whole numbers have 64 bits there; compare inside a step")
    return json.dumps(plain, ensure_ascii=False)
