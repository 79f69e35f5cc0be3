"""data: the types of values that travel between steps, as YAML writes them: `list[file]`, `{name: str, score: float?}`.

Values are JSON data. A `file` is `{uri, media_type?, size?, sha256?}`: bytes travel by reference. A `?` type may be null.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: So many fields are gone through as quickly as they are looked up.
_FEW: Final = 16
SCALARS: Final = ("any", "null", "bool", "int", "float", "str", "file")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record; `optional` ones may be missing."""

    name: str
    type: "Type"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    """A type: a scalar, `list` and `map` (of `item`), `record` (of `fields`) or `optional` (an `item` or null).

    `name` is what a record is called in messages (`scene`); it plays no part in whether types fit.
    """

    kind: str
    item: "Type | None" = None
    fields: tuple[Field, ...] = ()
    name: str = field(default="", compare=False)
    #: The fields of a large record by name, made when the first is asked for.
    _index: dict[str, Field] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __str__(self) -> str:
        """Return it as messages show it: records by their name, else by their first fields. What `parse_type` reads is `type_text`."""
        return _text(self, named=True)

    def field(self, name: str) -> "Field | None":
        """Return the field of that name, or None."""
        if len(self.fields) <= _FEW:
            return next((f for f in self.fields if f.name == name), None)
        if not self._index:
            self._index.update((f.name, f) for f in self.fields)
        return self._index.get(name)


def type_text(of: Type) -> str:
    """Return the text of *of* that `parse_type` reads back, whatever its records are called."""
    return _text(of, named=False)


def _text(of: Type, *, named: bool) -> str:
    if of.kind in ("list", "map"):
        return f"{of.kind}[{_text(of.item or ANY, named=named)}]"
    if of.kind == "optional":
        return f"{_text(of.item or ANY, named=named)}?"
    if of.kind != "record" or (named and of.name):
        return of.name or of.kind
    shown = of.fields[:_SHOWN] if named else of.fields
    fields = [f"{f.name}{'?' if f.optional else ''}: {_text(f.type, named=named)}" for f in shown]
    return f"{{{', '.join([*fields, *(['...'] if len(shown) < len(of.fields) else [])])}}}"


ANY: Final = Type("any")
NULL: Final = Type("null")
BOOL: Final = Type("bool")
INT: Final = Type("int")
FLOAT: Final = Type("float")
STR: Final = Type("str")
FILE: Final = Type("file")
#: So many fields of a record are shown.
_SHOWN: Final = 30
_FIELD_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
#: A type as text is longer than this only by mistake or by malice.
_MAX_TEXT: Final = 4000


def list_of(item: Type) -> Type:
    """Return `list[item]`."""
    return Type("list", item)


def optional(item: Type) -> Type:
    """Return `item?`; optional twice is optional once."""
    return item if item.kind in ("optional", "any", "null") else Type("optional", item)


_FILE_FIELDS: Final = {"uri": STR, "media_type": optional(STR), "size": optional(INT), "sha256": optional(STR)}


def field_type(of: Type, name: str) -> Type | None:
    """Return the type of `of.name`: ANY where nothing is known, None where there is no such field."""
    if of.kind == "any":
        return ANY
    if of.kind == "map":
        return of.item
    if of.kind == "file":
        return _FILE_FIELDS.get(name)
    found = of.field(name) if of.kind == "record" else None
    return None if found is None else optional(found.type) if found.optional else found.type


def why_not(want: Type, got: Type) -> str:
    """Return why a value of type *got* cannot stand where *want* is asked, or "" when it can. `any` fits both ways."""
    if "any" in (want.kind, got.kind) or (got.kind == "optional" and got.item == ANY):
        return ""
    if want.kind == "optional" and want.item is not None:
        inner = got.item if got.kind == "optional" and got.item is not None else got
        return "" if inner.kind == "null" else why_not(want.item, inner)
    if want.kind in ("list", "map") and want.kind == got.kind and want.item and got.item:
        reason = why_not(want.item, got.item)
        return f"its elements: {reason}" if reason else ""
    if want.kind == "record" and got.kind == "record":
        return _why_not_record(want, got)
    if want.kind == "map" and got.kind == "record" and want.item:
        return next((f"field {f.name}: {r}" for f in got.fields if (r := why_not(want.item, f.type))), "")
    if want.kind == got.kind or (want.kind, got.kind) == ("float", "int"):
        return ""
    return f"{want} is wanted, {got} is given"


def _why_not_record(want: Type, got: Type) -> str:
    for wanted in want.fields:
        given = got.field(wanted.name)
        if given is None or (given.optional and not wanted.optional):
            if wanted.optional:
                continue
            return f"field {wanted.name!r} of {want} may be missing in {got}"
        if reason := why_not(wanted.type, given.type):
            return f"field {wanted.name!r}: {reason}"
    return ""


_PYTHON: Final[Mapping[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "str": (str,),
}


def mismatch(want: Type, value: Any) -> str:
    """Return where and why *value* is not of type *want* (`[3].score: float is wanted, str is given`), or "" when it is."""
    kind = want.kind
    if kind == "any":
        return ""
    if kind == "optional":
        return "" if value is None or want.item is None else mismatch(want.item, value)
    python = _PYTHON.get(kind)
    if python is not None:
        fits = isinstance(value, python) and (kind == "bool" or not isinstance(value, bool))
        return "" if fits else f"{want} is wanted, {_shown(value)} is given"
    if kind == "list":
        return _list_mismatch(want, value)
    if not isinstance(value, dict):
        return f"{want} is wanted, {_shown(value)} is given"
    if kind == "file":
        return "" if isinstance(value.get("uri"), str) else "a file is wanted: it has a text field 'uri'"
    return _fields_mismatch(want, value)


def _list_mismatch(want: Type, value: Any) -> str:
    if not isinstance(value, list | tuple):
        return f"{want} is wanted, {_shown(value)} is given"
    item = want.item
    if item is None or item.kind == "any":
        return ""
    for i, element in enumerate(value):
        if reason := mismatch(item, element):
            return _at(f"[{i}]", reason)
    return ""


def _fields_mismatch(want: Type, value: Mapping[str, Any]) -> str:
    if want.kind == "map":
        pairs: Sequence[tuple[str, Type, bool]] = [(k, want.item or ANY, True) for k in value]
    else:
        pairs = [(f.name, f.type, f.optional) for f in want.fields]
    for name, inner, may_miss in pairs:
        if name not in value:
            if may_miss:
                continue
            return f"field {name!r} of {want} is missing"
        if reason := mismatch(inner, value[name]):
            return _at(f".{name}", reason)
    return ""


def _at(where: str, reason: str) -> str:
    return where + reason if reason.startswith(("[", ".")) else f"{where}: {reason}"


def _shown(value: Any) -> str:
    names = {type(None): "null", dict: "a record", list: "a list"}
    return names.get(type(value), type(value).__name__)


def checker(want: Type) -> Callable[[Any], str] | None:
    """Return `mismatch` bound to *want*, fast for scalars; None when every value fits."""
    if want.kind == "any":
        return None
    exact = {"str": str, "int": int, "bool": bool, "float": float}.get(want.kind)
    if exact is None:
        return lambda value: mismatch(want, value)
    return lambda value: "" if type(value) is exact else mismatch(want, value)


#: What types are called elsewhere.
_FOREIGN: Final = {
    **dict.fromkeys(("string", "text", "String"), "str"),
    **dict.fromkeys(("integer", "Int", "long"), "int"),
    **dict.fromkeys(("number", "double", "decimal"), "float"),
    **dict.fromkeys(("boolean", "Bool"), "bool"),
    **dict.fromkeys(("array", "List", "sequence"), "list[T]"),
    **dict.fromkeys(("dict", "object", "mapping", "Dict"), "map[T], or {name: T} where the fields are known"),
    **dict.fromkeys(("none", "None", "void"), "null"),
}


class TypeSyntaxError(ValueError):
    """The text is not a type; the message says which part."""


def parse_type(text: str) -> Type:
    """Return the type that *text* writes. Raises `TypeSyntaxError` with the part that is wrong."""
    if len(text) > _MAX_TEXT:
        raise TypeSyntaxError(f"a type of {len(text)} characters is too long; {_MAX_TEXT} are allowed")
    found, rest = _parse(text.strip(), depth=0)
    if rest.strip():
        raise TypeSyntaxError(f"{rest.strip()!r} is left over behind {found}")
    return found


def _parse(text: str, *, depth: int) -> tuple[Type, str]:
    if depth > 20:
        raise TypeSyntaxError("types are nested more than 20 deep")
    if text.startswith("{"):
        found, rest = _parse_record(text[1:], depth=depth)
    else:
        end = next((i for i, c in enumerate(text) if not (c.isalnum() or c in "_-")), len(text))
        word, rest = text[:end], text[end:].lstrip()
        if word in ("list", "map"):
            item = ANY
            if rest.startswith("["):
                item, rest = _parse(rest[1:].lstrip(), depth=depth + 1)
                if not rest.startswith("]"):
                    raise TypeSyntaxError(f"']' is missing behind {word}[{item}")
                rest = rest[1:]
            found = Type(word, item)
        elif word in SCALARS:
            found = Type(word)
        else:
            shown = (word or text)[:60]
            if not shown:
                raise TypeSyntaxError("a type is missing at the end")
            if shown in _FOREIGN:
                raise TypeSyntaxError(f"{shown!r} is not a type; it is written {_FOREIGN[shown]}")
            raise TypeSyntaxError(f"{shown!r} is not a type; there are {', '.join(SCALARS)}, list[T], map[T], {{name: T}} and T?")
    rest = rest.lstrip()
    return (optional(found), rest[1:]) if rest.startswith("?") else (found, rest)


def _parse_record(text: str, *, depth: int) -> tuple[Type, str]:
    fields: list[Field] = []
    rest = text.lstrip()
    while not rest.startswith("}"):
        name, colon, after = rest.partition(":")
        name = name.strip()
        may_miss = name.endswith("?")
        name = name.removesuffix("?")
        if not colon or not _FIELD_NAME.fullmatch(name):
            raise TypeSyntaxError(f"a field is written 'name: type', not {rest[:30]!r}")
        if any(f.name == name for f in fields):
            raise TypeSyntaxError(f"the field {name!r} is written twice")
        inner, rest = _parse(after.lstrip(), depth=depth + 1)
        fields.append(Field(name, inner, may_miss))
        rest = rest.lstrip()
        if rest.startswith(","):
            rest = rest[1:].lstrip()
        elif not rest.startswith("}"):
            raise TypeSyntaxError(f"',' or '}}' is missing before {rest[:30]!r}")
    return Type("record", fields=tuple(fields)), rest[1:]
