"""policy: types as annotations, and inputs as data."""

from typing import Final

from murakkab.source.layout import Brackets, Code, Text, called, given, joined
from murakkab.source.names import Imports
from murakkab.source.values import raw
from murakkab.spec import Input
from murakkab.types import Type, type_text

#: The types that are annotations of the same name.
_SAME: Final = ("bool", "int", "float", "str")


def annotation(of: Type, imports: Imports, *, description: str = "") -> Code:
    """Return the annotation for a value of type *of*, with what it is."""
    has_words = not _has_record(of)
    meant = _plain(of, imports) if has_words else imports["Any"]
    notes: list[Code] = [] if has_words else [called(imports["TypeText"], Text(type_text(of)))]
    notes += [Text(description)] if description else []
    return joined(imports["Annotated"], Brackets("[", (meant, *notes), "]")) if notes else meant


def input_data(one: Input, imports: Imports) -> Code:
    """Return the source of an input as data."""
    parts: list[Code] = [called(imports["parse_type"], Text(type_text(one.type)))]
    if one.default is not None:
        parts.append(given("default", raw(one.default, imports)))
    if not one.required:
        parts.append("required=False")
    if one.description:
        parts.append(given("description", Text(one.description)))
    return called(imports["Input"], *parts)


def _has_record(of: Type) -> bool:
    return of.kind == "record" or (of.item is not None and _has_record(of.item))


def _plain(of: Type, imports: Imports) -> str:
    item = imports["Any"] if of.item is None and of.kind in ("list", "map") else "" if of.item is None else _plain(of.item, imports)
    if of.kind in _SAME:
        return of.kind
    words = {"optional": f"{item} | None", "list": f"list[{item}]", "map": f"dict[str, {item}]", "null": "None"}
    return words.get(of.kind) or imports["File" if of.kind == "file" else "Any"]
