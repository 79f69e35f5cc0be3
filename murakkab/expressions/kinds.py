"""policy: the type of every part of a condition, and what is wrong: unknown names and functions, missing fields, clashing types."""

import re
from collections import ChainMap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from murakkab.diagnostics import Vocabulary, did_you_mean
from murakkab.errors import Diagnostic
from murakkab.expressions.syntax import Node
from murakkab.types import ANY, BOOL, FLOAT, INT, NULL, STR, Type, field_type, list_of

_UINT: Final = Type("uint")
_TIMESTAMP: Final = Type("timestamp")
_DURATION: Final = Type("duration")
_TEXT: Final = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_NUMBERS: Final = ("int", "float", "uint")
_ORDERED: Final = ("str", "bool", "timestamp", "duration")
_SIZED: Final = ("str", "list", "map", "record", "file")
_PARTS: Final = (
    *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
)


@dataclass(frozen=True, slots=True)
class _Function:
    """A function of CEL: its result, the kinds of its first argument, how many arguments, and whether it may stand behind a dot."""

    result: Type
    first: tuple[str, ...] = ()
    arguments: int = 1
    is_method: bool = False
    is_global: bool = True
    example: str = ""


def _method(example: str) -> _Function:
    return _Function(BOOL, ("str",), 2, is_method=True, is_global=False, example=example)


_FUNCTIONS: Final[dict[str, _Function]] = {
    "size": _Function(INT, _SIZED, is_method=True, example="size(list)"),
    "int": _Function(INT, ("int", "float", "uint", "str", "timestamp"), example="int(x)"),
    "uint": _Function(_UINT, ("int", "float", "uint", "str"), example="uint(x)"),
    "double": _Function(FLOAT, ("int", "float", "uint", "str"), example="double(x)"),
    "string": _Function(STR, ("int", "float", "uint", "str", "bool", "timestamp", "duration"), example="string(x)"),
    "timestamp": _Function(_TIMESTAMP, ("str", "int", "timestamp"), example="timestamp('2030-01-01T00:00:00Z')"),
    "duration": _Function(_DURATION, ("str", "duration"), example="duration('1h')"),
    "type": _Function(ANY, example="type(x)"),
    "dyn": _Function(ANY, example="dyn(x)"),
    "contains": _method("text.contains('x')"),
    "startsWith": _method("text.startsWith('x')"),
    "endsWith": _method("text.endsWith('x')"),
    "matches": _method("text.matches('^x+$')"),
    **{name: _Function(INT, ("timestamp", "duration"), is_method=True, is_global=False, example=f"time.{name}()") for name in _PARTS},
}
_FOREIGN: Final = {
    "len": "size",
    "not": "!",
    "str": "string",
    "float": "double",
    "any": "exists",
    "length": "size",
    "startswith": "startsWith",
}


#: Among how many fields one that is close to a misspelt one is looked for.
_COMPARED: Final = 200


@dataclass(slots=True)
class _Check:
    source: str
    #: The names that hints choose from.
    known: Collection[str] | Vocabulary
    problems: list[Diagnostic] = field(default_factory=list)

    def add(self, code: str, message: str, at: int, hint: str = "") -> Type:
        self.problems.append(Diagnostic(code, f"column {at + 1}: {message}", hint))
        return ANY


Scope = Mapping[str, Type]


def problems_of(source: str, tree: Node, scope: Scope, known: Collection[str] | Vocabulary) -> list[Diagnostic]:
    """Return what is wrong with the condition *source* where the names of *scope* are known; hints choose from those *known*."""
    check = _Check(source, known)
    found = _bare(_type(tree, scope, check))
    if found.kind not in ("bool", "any"):
        check.add("condition-type", f"the condition gives {found}, not true or false", tree.at, "compare it with something")
    return check.problems


def _bare(of: Type) -> Type:
    """Return *of* without null: a null that meets an operator is an error at run time only."""
    return of.item if of.kind == "optional" and of.item is not None else of


def _type(node: Node, scope: Scope, check: _Check) -> Type:
    handle = _HANDLERS.get(node.op)
    return handle(node, scope, check) if handle else _arithmetic(node, scope, check)


def _literal(node: Node, _scope: Scope, _check: _Check) -> Type:
    return Type(node.text)


def _name(node: Node, scope: Scope, check: _Check) -> Type:
    found = scope.get(node.text)
    if found is not None:
        return found
    hint = did_you_mean(node.text, check.known, others="there are")
    return check.add("unknown-name", f"there is no {node.text!r} here", node.at, hint)


def _field(node: Node, scope: Scope, check: _Check) -> Type:
    of = _bare(_type(node.kids[0], scope, check))
    return _field_of(of, node, node.text, check)


def _field_of(of: Type, node: Node, name: str, check: _Check) -> Type:
    found = field_type(of, name)
    if found is not None:
        return found
    if of.kind == "list":
        hint = f"write .exists(x, x.{name} ...), .all(...) or [0].{name}"
    else:
        hint = did_you_mean(name, [f.name for f in of.fields[:_COMPARED]], others="there are")
    return check.add("no-such-field", f"{of} has no field {name!r}", node.at, hint)


def _index(node: Node, scope: Scope, check: _Check) -> Type:
    of, key = (_bare(_type(kid, scope, check)) for kid in node.kids)
    if of.kind == "any" or key.kind == "any":
        return ANY
    if of.kind == "list" and key.kind in ("int", "uint"):
        return of.item or ANY
    if of.kind in ("map", "record", "file") and key.kind == "str":
        literal = node.kids[1].word
        return _field_of(of, node, literal, check) if literal else ANY
    return check.add("condition-type", f"{of} has no element [{key}]", node.at)


def _call(node: Node, scope: Scope, check: _Check) -> Type:
    types = [_bare(_type(kid, scope, check)) for kid in node.kids]
    known = _FUNCTIONS.get(node.text)
    if known is None:
        close = _FOREIGN.get(node.text)
        hint = f"it is called {close!r} here" if close else did_you_mean(node.text, _FUNCTIONS, others="there are")
        return check.add("unknown-condition-function", f"there is no function {node.text!r}", node.at, hint)
    as_method = bool(node.kids) and node.kids[0].at < node.at
    if len(types) != known.arguments or not (known.is_method if as_method else known.is_global):
        return check.add("condition-type", f"{node.text!r} is not called so", node.at, f"write {known.example}")
    if known.first and types[0].kind not in (*known.first, "any"):
        return check.add("condition-type", f"{node.text!r} does not take {types[0]}", node.at, f"write {known.example}")
    return known.result


def _has(node: Node, scope: Scope, check: _Check) -> Type:
    _type(node.kids[0], scope, check)
    return BOOL


def _loop(node: Node, scope: Scope, check: _Check) -> Type:
    over = _bare(_type(node.kids[0], scope, check))
    if over.kind not in ("list", "map", "record", "any"):
        check.add("condition-type", f"{node.text!r} goes over a list, not over {over}", node.at)
    item = (over.item or ANY) if over.kind == "list" else STR if over.kind in ("map", "record") else ANY
    # Not a copy: there may be many names, and many conditions.
    inner = ChainMap({node.word: item}, scope)  # type: ignore[arg-type]
    bodies = [_bare(_type(kid, inner, check)) for kid in node.kids[1:]]
    tests = bodies if node.text != "map" else bodies[:-1]
    for body in tests:
        if body.kind not in ("bool", "any"):
            check.add("condition-type", f"{node.text!r} asks for true or false, not for {body}", node.at)
    if node.text == "map":
        return list_of(bodies[-1])
    return list_of(item) if node.text == "filter" else BOOL


def _list(node: Node, scope: Scope, check: _Check) -> Type:
    return list_of(_common([_type(kid, scope, check) for kid in node.kids]))


def _map(node: Node, scope: Scope, check: _Check) -> Type:
    types = [_type(kid, scope, check) for kid in node.kids]
    return Type("map", _common(types[1::2]))


def _common(types: list[Type]) -> Type:
    return types[0] if types and all(t == types[0] for t in types) else ANY


def _logic(node: Node, scope: Scope, check: _Check) -> Type:
    for kid in node.kids:
        found = _bare(_type(kid, scope, check))
        if found.kind not in ("bool", "any"):
            check.add("condition-type", f"{node.op!r} joins true and false, not {found}", kid.at, "compare it with something")
    return BOOL


def _choice(node: Node, scope: Scope, check: _Check) -> Type:
    test, yes, no = (_type(kid, scope, check) for kid in node.kids)
    if _bare(test).kind not in ("bool", "any"):
        check.add("condition-type", f"'?' asks for true or false, not for {test}", node.at)
    return _common([yes, no])


def _equal(node: Node, scope: Scope, check: _Check) -> Type:
    left, right = (_type(kid, scope, check) for kid in node.kids)
    a, b = _bare(left), _bare(right)
    null_is_fine = "optional" in (left.kind, right.kind) and NULL in (a, b)
    records = {"record", "map", "file"}
    alike = a.kind == b.kind or {a.kind, b.kind} <= set(_NUMBERS) or {a.kind, b.kind} <= records
    if not alike and not null_is_fine and "any" not in (a.kind, b.kind):
        always = "false" if node.op == "==" else "true"
        check.add("condition-type", f"{left} {node.op} {right} is always {always}", node.at, "compare values of one type")
    return BOOL


def _order(node: Node, scope: Scope, check: _Check) -> Type:
    a, b = (_bare(_type(kid, scope, check)) for kid in node.kids)
    alike = (a.kind in _NUMBERS and b.kind in _NUMBERS) or (a.kind == b.kind and a.kind in _ORDERED)
    sortable = all(t.kind in (*_NUMBERS, *_ORDERED, "any") for t in (a, b))
    if not alike and not (sortable and "any" in (a.kind, b.kind)):
        sized = next((t for t in (a, b) if t.kind in ("list", "map")), None)
        hint = "compare its size(...)" if sized else "compare numbers with numbers and text with text"
        check.add("condition-type", f"{a} {node.op} {b} cannot be compared", node.at, hint)
    return BOOL


def _in(node: Node, scope: Scope, check: _Check) -> Type:
    of = _bare([_type(kid, scope, check) for kid in node.kids][1])
    if of.kind not in ("list", "map", "record", "file", "any"):
        hint = "write text.contains('x')" if of.kind == "str" else ""
        check.add("condition-type", f"'in' asks for a list or a mapping, not for {of}", node.at, hint)
    return BOOL


def _negate(node: Node, scope: Scope, check: _Check) -> Type:
    found = _bare(_type(node.kids[0], scope, check))
    if found.kind in ("int", "float", "any"):
        return found
    return check.add("condition-type", f"'-' cannot be applied to {found}", node.at)


def _arithmetic(node: Node, scope: Scope, check: _Check) -> Type:
    if node.op == "-" and (dashed := _dashed(node, scope, check)):
        hint = f"CEL reads '-' as minus; call the step or variable {dashed.replace('-', '_')!r}"
        return check.add("unknown-name", f"the name {dashed!r} has a dash and cannot stand in a condition", _leftmost(node).at, hint)
    a, b = (_bare(_type(kid, scope, check)) for kid in node.kids)
    if "any" in (a.kind, b.kind) or {"timestamp", "duration"} & {a.kind, b.kind}:
        return ANY
    if a.kind == b.kind and (a.kind in _NUMBERS or (node.op == "+" and a.kind in ("str", "list"))):
        return a if a == b else list_of(ANY)
    both = a.kind in _NUMBERS and b.kind in _NUMBERS
    hint = (
        "write double(x) around the whole number, or 1.0 for 1" if both else "write string(x) to join it to text" if STR in (a, b) else ""
    )
    return check.add("condition-type", f"{a} {node.op} {b} does not go together", node.at, hint)


def _leftmost(node: Node) -> Node:
    while node.kids and node.kids[0].at < node.at:
        node = node.kids[0]
    return node


def _dashed(node: Node, scope: Scope, check: _Check) -> str:
    """Return the known name with dashes that was meant by a subtraction, or ""."""
    left = _leftmost(node)
    found = _TEXT.match(check.source, left.at)
    return found[0] if found and found[0] in scope and left.op == "name" and left.text not in scope and "-" in found[0] else ""


_HANDLERS: Final[dict[str, Callable[[Node, Scope, _Check], Type]]] = {
    "literal": _literal,
    "name": _name,
    "field": _field,
    "index": _index,
    "call": _call,
    "has": _has,
    "loop": _loop,
    "list": _list,
    "map": _map,
    "&&": _logic,
    "||": _logic,
    "!": _logic,
    "?:": _choice,
    "==": _equal,
    "!=": _equal,
    "<": _order,
    "<=": _order,
    ">": _order,
    ">=": _order,
    "in": _in,
    "negate": _negate,
}
