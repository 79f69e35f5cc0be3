"""driver: between JSON data and the Python types in a signature. Plain JSON types need no conversion, and then pydantic is not imported.

`reader` and `writer` return None where nothing has to be done, so that the hot path can skip it.
"""

import collections.abc
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, NewType, TypeVar, Union, get_args, get_origin

from murakkab.errors import ExecutorError
from murakkab.signature import TypeText

Convert = Callable[[Any], Any]

_NULL: Final = type(None)
_PLAIN: Final = (Any, object, None, _NULL, str, int, float, bool, dict, list, inspect.Parameter.empty)
_MAPS: Final = (dict, collections.abc.Mapping)
_CONTAINERS: Final = (*_MAPS, list, collections.abc.Sequence)
_ITERATORS: Final = frozenset(
    {collections.abc.Iterator, collections.abc.Generator, collections.abc.AsyncIterator, collections.abc.AsyncGenerator}
    | {collections.abc.Iterable, collections.abc.AsyncIterable}
)
_KEYS: Final = (str, Any, object)
#: Types whose values are JSON data whatever the value; a float may still be NaN.
SAFE: Final = frozenset({str, int, bool, _NULL})
_NUMBERS: Final = SAFE | {float}
_SHARED: Final = frozenset({list, dict})
_DEEPEST: Final = 200


def is_plain(annotation: Any) -> bool:
    """Return whether JSON data already is what *annotation* asks for."""
    if isinstance(annotation, str) or any(annotation is plain for plain in _PLAIN):
        return True
    if isinstance(annotation, NewType):
        return is_plain(annotation.__supertype__)
    if isinstance(annotation, TypeVar):
        return is_plain(annotation.__bound__)
    if typing.is_typeddict(annotation):
        return all(map(is_plain, typing.get_type_hints(annotation).values()))
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return is_plain(args[0]) and all(getattr(note, "is_only_a_note", isinstance(note, str | TypeText)) for note in args[1:])
    if origin in _MAPS and not any(args[0] is key for key in _KEYS):
        return False
    if origin in (Union, types.UnionType, typing.Required, typing.NotRequired, *_CONTAINERS):
        return all(map(is_plain, args))
    return annotation in _CONTAINERS


def element_of(annotation: Any) -> Any:
    """Return the annotation of the elements that a generator function with this result gives."""
    elements = get_args(annotation) if get_origin(annotation) in _ITERATORS else ()
    return elements[0] if elements else Any


def reader(annotation: Any) -> Convert | None:
    """Return what makes JSON data a value of *annotation*, or None. It raises `ValueError`; building it, `TypeError`."""
    return None if is_plain(annotation) else typing.cast("Convert", _adapter(annotation).validate_python)


def writer(annotation: Any) -> Convert | None:
    """Return what makes a value of *annotation* JSON data, or None. It raises `ValueError`; building it, `TypeError`."""
    if is_plain(annotation):
        return None
    if annotation in (bytes, bytearray):
        raise TypeError(f"bytes are not JSON data: {_CURES[bytes]}")
    adapter = _adapter(annotation)
    validate, dump = adapter.validate_python, adapter.dump_python
    return lambda value: dump(validate(value), mode="json")


def _adapter(annotation: Any) -> Any:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    if get_origin(annotation) in (collections.abc.Awaitable, collections.abc.Coroutine):
        annotation = get_args(annotation)[-1]
    try:
        return TypeAdapter(annotation)
    except (PydanticUserError, TypeError) as error:
        name = getattr(annotation, "__name__", annotation)
        raise TypeError(f"{name} cannot be made from JSON data: {str(error).splitlines()[0]}") from error


def brief(error: ValueError) -> str:
    """Return the complaint in one line: `words.0.start: Input should be a valid number`."""
    details: Iterable[Mapping[str, Any]] | None = getattr(error, "errors", lambda: None)()
    if details is None:
        return str(error)
    return "; ".join(f"{'.'.join(map(str, d['loc'])) or 'value'}: {d['msg']}" for d in details)


def is_json(value: Any, depth: int = 0) -> bool:
    """Return whether *value* is JSON data as it stands: exact types, text as keys, no NaN, not endlessly deep."""
    kind = type(value)
    if kind in SAFE:
        return True
    if kind is float:
        return math.isfinite(value)
    if depth > _DEEPEST:
        return False
    if kind is dict:
        if not set(map(type, value)) <= {str}:
            return False
        value = value.values()
    elif kind is not list:
        return False
    kinds = set(map(type, value))
    if kinds <= SAFE:
        return True
    if kinds <= _NUMBERS:
        return all(math.isfinite(v) for v in value if type(v) is float)
    return all(is_json(v, depth + 1) for v in value)


def json_data(value: Any) -> Any:
    """Return *value* as JSON data: itself, or a copy where it holds tuples or subclasses of JSON types.

    Raises `ExecutorError` that says where there is something else, and what to do about it.
    """
    return value if is_json(value) else _rebuilt(value, "result", 0)


_SUBCLASSES: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (bool, bool),
    (int, int),
    (str, lambda text: str.__str__(text)),
    (float, float),
)
_BYTES: Final = "return text (.decode(...)), or write them to a file and return its path"
_CURES: Final[Mapping[type, str]] = {
    bytes: _BYTES,
    bytearray: _BYTES,
    set: "return sorted(...), which has an order",
    frozenset: "return sorted(...), which has an order",
}


def _rebuilt(value: Any, where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise _bad(where[:80] + "...", f"is nested more than {_DEEPEST} deep", "does it contain itself?")
    if value is None:
        return None
    for kind, plain in _SUBCLASSES:
        if isinstance(value, kind):
            made = plain(value)
            if isinstance(made, float) and not math.isfinite(made):
                raise _bad(where, f"is {made}, which JSON does not have", "return None in its place")
            return made
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_rebuilt(v, f"{where}[{i}]", depth + 1) for i, v in enumerate(value)]
    if isinstance(value, dict):
        return {_key(k, where): _rebuilt(v, f"{where}.{k}", depth + 1) for k, v in value.items()}
    if hasattr(value, "tolist"):
        raise _bad(where, f"is {type(value).__name__}, which is not JSON data", "return its .tolist()")
    cure = _CURES.get(type(value), "annotate the function with the dataclass or model that it returns, or return dicts and lists")
    raise _bad(where, f"is {type(value).__name__}, which is not JSON data", cure)


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise _bad(where, f"has the key {key!r}, and in JSON keys are text", f"use {str(key)!r}")


def _bad(where: str, what: str, cure: str) -> ExecutorError:
    return ExecutorError(f"{where} {what}", hint=cure, reason="bad-result", retryable=False)


def owned(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the inputs with every list and mapping copied: what a function does to them nobody else sees, now or in a later attempt."""
    for value in inputs.values():
        if type(value) in _SHARED:
            return {name: _copied(value, 0) for name, value in inputs.items()}
    return inputs


def _copied(value: Any, depth: int) -> Any:
    kind = type(value)
    if depth > _DEEPEST:
        return value
    if kind is list:
        return [inner if type(inner) in _NUMBERS else _copied(inner, depth + 1) for inner in value]
    if kind is dict:
        return {name: inner if type(inner) in _NUMBERS else _copied(inner, depth + 1) for name, inner in value.items()}
    return value
