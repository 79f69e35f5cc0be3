"""policy: the value of an expression, given what is known so far. Substituted data is never scanned again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from murakkab.runtime.secrets import SealedText, Secret
from murakkab.spec import WILD, Expr, First, Maybe, PathItem, Ref, Template, Wild


class Skipped:
    """The value of a step that did not run: an input made of it skips its consumer."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return how messages name it."""
        return "<skipped>"


SKIPPED: Final = Skipped()


class InputSkipped(Exception):
    """An input refers to something skipped; the message names the reference."""


class ReferenceFailed(Exception):
    """A path leads nowhere in the data that is there; the message says at which element."""


Known = Mapping[str, Any]
#: What stands for itself; most literals are of these types.
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def value_of(expr: Expr, scope: Known, known: Known) -> Any:
    """Return the value of *expr*; names are looked up in *scope* (loop variables), then in *known* (inputs and steps).

    Raises `InputSkipped` or `ReferenceFailed`.
    """
    kind = type(expr)
    if kind in _PLAIN:
        return expr
    if kind is Ref:
        source: str = expr.source  # type: ignore[union-attr]
        value = scope[source] if source in scope else known[source]
        if value is SKIPPED:
            raise InputSkipped(str(expr))
        return select(value, expr.path) if expr.path else value  # type: ignore[union-attr]
    if kind is dict:
        return {key: value_of(inner, scope, known) for key, inner in expr.items()}  # type: ignore[union-attr]
    if kind is list:
        return [value_of(inner, scope, known) for inner in expr]  # type: ignore[union-attr]
    if kind is Template:
        return _joined([part if isinstance(part, str) else value_of(part, scope, known) for part in expr.parts])  # type: ignore[union-attr]
    if kind is First:
        return _first(expr.options, scope, known)  # type: ignore[union-attr]
    return expr


def _first(options: Sequence[Expr], scope: Known, known: Known) -> Any:
    for option in options:
        try:
            return value_of(option, scope, known)
        except InputSkipped:
            continue
    raise InputSkipped("every option of $first")


def _joined(parts: Sequence[Any]) -> str | SealedText:
    """Return the text of the parts; sealed where one of them is a secret."""
    if not any(isinstance(part, Secret | SealedText) for part in parts):
        return "".join(map(_as_text, parts))
    sealed: list[str | Secret] = []
    for part in parts:
        sealed += part.parts if isinstance(part, SealedText) else [part if isinstance(part, Secret) else _as_text(part)]
    return SealedText(tuple(sealed))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as exc:
        raise ReferenceFailed(f"a template takes text and JSON data: {exc}") from None


def select(value: Any, path: Sequence[PathItem]) -> Any:
    """Return what *path* leads to; with a wildcard, the flat list of all matches. Raises `ReferenceFailed`."""
    for depth, element in enumerate(path):
        if element is WILD or (type(element) is Maybe and element.item is WILD):
            return [found for _, found in matches(value, path[depth:])]
        value = _into(value, element)
    return value


def matches(value: Any, path: Sequence[PathItem]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield each match of *path* with the positions its wildcards took, in order."""
    for depth, element in enumerate(path):
        item = element.item if isinstance(element, Maybe) else element
        if item is WILD:
            if value is None and item is not element:
                return
            if not isinstance(value, list | tuple):
                raise ReferenceFailed(f"[*] needs a list, not {shown(value)}")
            for i, inner in enumerate(value):
                for key, found in matches(inner, path[depth + 1 :]):
                    yield (i, *key), found
            return
        value = _into(value, element)
    yield (), value


def _into(value: Any, element: PathItem) -> Any:
    if isinstance(element, Maybe):
        return _into_maybe(value, element.item)
    try:
        if isinstance(element, str):
            if isinstance(value, Mapping):
                return value[element]
            raise ReferenceFailed(f".{element} needs a record, not {shown(value)}")
        if isinstance(value, list | tuple):
            return value[element]  # type: ignore[index]
        raise ReferenceFailed(f"[{element}] needs a list, not {shown(value)}")
    except KeyError:
        there = ", ".join(map(str, list(value)[:8])) or "nothing"
        raise ReferenceFailed(f"there is no field {element!r}; there is {there}") from None
    except IndexError:
        raise ReferenceFailed(f"there is no element {element}; the list has {len(value)}") from None


def _into_maybe(value: Any, item: str | int | Wild) -> Any:
    if value is None or (isinstance(value, Mapping) and item not in value):
        return None
    return _into(value, item)


def shown(value: Any) -> str:
    """Return what *value* is, as messages name it."""
    return {type(None): "null", dict: "a record", list: "a list"}.get(type(value), type(value).__name__)
