"""policy: what Python says about a function, in the words of the catalog: `type_of` an annotation, `describe` a function.

Nothing is imported and no function is called to find out; an annotation that cannot be resolved is `any`.
"""

import collections.abc
import dataclasses
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from murakkab.catalog import Capability, Parameter
from murakkab.types import ANY, BOOL, FILE, FLOAT, INT, NULL, STR, Field, Type, list_of, optional, parse_type
from murakkab.values import File

_LISTS: Final = frozenset({list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection})
_MAPS: Final = frozenset({dict, collections.abc.Mapping, collections.abc.MutableMapping})
_AWAITABLES: Final = frozenset({collections.abc.Awaitable, collections.abc.Coroutine})
_ITERATORS: Final = frozenset(
    {collections.abc.Iterator, collections.abc.Generator, collections.abc.AsyncIterator, collections.abc.AsyncGenerator}
    | {collections.abc.Iterable, collections.abc.AsyncIterable}
)
#: Order matters: bool is an int.
_SCALARS: Final[tuple[tuple[Any, Type], ...]] = ((bool, BOOL), (int, INT), (float, FLOAT), (str, STR))


@dataclasses.dataclass(frozen=True, slots=True)
class TypeText:
    """A type as files write it, for what Python has no annotation for: `Annotated[Any, TypeText("{id: str, tags?: list[str]}")]`."""

    text: str


def typed(wanted: Any) -> Type:
    """Return the type that *wanted* says: an annotation, a `Type`, or the text of one. Raises `TypeSyntaxError`."""
    if isinstance(wanted, Type):
        return wanted
    return parse_type(wanted) if isinstance(wanted, str) else type_of(wanted)


def type_of(annotation: Any, *, partial: bool = False) -> Type:
    """Return the type that *annotation* stands for, `any` where the type language has no word for it.

    A field with a default is always there in what a function returns, but need not be in what it is given: *partial* marks
    such fields as optional, which is right for parameters.
    """
    return _type_of(annotation, _Reading(partial))


@dataclasses.dataclass(frozen=True, slots=True)
class _Reading:
    """How to read, and which classes are being read already: a class that contains itself is `any` inside."""

    partial: bool
    open: frozenset[type] = frozenset()


def _type_of(annotation: Any, reading: _Reading) -> Type:
    if annotation is None or annotation is type(None):
        return NULL
    if isinstance(annotation, TypeText):
        return parse_type(annotation.text)
    if isinstance(annotation, typing.NewType):
        return _type_of(annotation.__supertype__, reading)
    if isinstance(annotation, typing.TypeVar):
        return _type_of(annotation.__bound__, reading) if annotation.__bound__ else ANY
    origin = get_origin(annotation)
    if origin is None:
        return _of_class(annotation, reading) if isinstance(annotation, type) else ANY
    if origin in (Union, types.UnionType):
        return _of_union(get_args(annotation), reading)
    if origin is Literal:
        return _of_values(get_args(annotation))
    if origin in (Annotated, typing.Required, typing.NotRequired, typing.Final):
        meant, *notes = get_args(annotation)
        return _type_of(next((n for n in notes if isinstance(n, TypeText)), meant), reading)
    return _of_generic(origin, get_args(annotation), reading)


def _of_generic(origin: Any, args: tuple[Any, ...], reading: _Reading) -> Type:
    if origin in _MAPS:
        return Type("map", _type_of(args[1], reading)) if len(args) == 2 else Type("map", ANY)
    if origin in _LISTS:
        elements = {_type_of(a, reading) for a in args if a is not Ellipsis}
        return list_of(elements.pop() if len(elements) == 1 else ANY)
    if origin in _AWAITABLES:
        return _type_of(args[-1], reading)
    return _of_class(origin, reading) if isinstance(origin, type) else ANY


def _of_union(options: tuple[Any, ...], reading: _Reading) -> Type:
    found = {_type_of(o, reading) for o in options}
    may_be_null = NULL in found
    found.discard(NULL)
    if found == {INT, FLOAT}:
        found = {FLOAT}
    one = found.pop() if len(found) == 1 else ANY if found else NULL
    return optional(one) if may_be_null else one


def _of_values(values: tuple[Any, ...]) -> Type:
    """Return the one type of all *values* (of a Literal or an Enum), else `any`."""
    kinds = {type(v.value if isinstance(v, Enum) else v) for v in values}
    return _type_of(kinds.pop(), _Reading(partial=False)) if len(kinds) == 1 else ANY


def _of_class(cls: type, reading: _Reading) -> Type:
    if cls is File:
        return FILE
    if issubclass(cls, Enum):
        return _of_values(tuple(cls))
    if cls in _LISTS:
        return list_of(ANY)
    if cls in _MAPS:
        return Type("map", ANY)
    scalar = next((t for python, t in _SCALARS if issubclass(cls, python)), None)
    if scalar is not None or hasattr(cls, "__fspath__"):
        return scalar or STR
    if cls in reading.open:
        return ANY
    fields = _fields_of(cls)
    if fields is None:
        return ANY
    inner = _Reading(reading.partial, reading.open | {cls})
    hints = _hints(cls)
    record = (
        Field(name, _type_of(hints.get(name, annotation), inner), may_miss or (reading.partial and has_default))
        for name, annotation, has_default, may_miss in fields
    )
    return Type("record", fields=tuple(record), name=cls.__name__)


#: name, annotation, has a default, may be missing in any case
_FieldFacts = tuple[str, Any, bool, bool]


def _fields_of(cls: type) -> Iterator[_FieldFacts] | None:
    """Return what is known of the fields of a record class, or None when *cls* is no record."""
    if dataclasses.is_dataclass(cls):
        return ((f.name, f.type, _may_be_left_out(f), False) for f in dataclasses.fields(cls))
    if typing.is_typeddict(cls):
        optional_keys = _optional_keys(cls)
        return ((name, annotation, False, name in optional_keys) for name, annotation in cls.__annotations__.items())
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    if issubclass(cls, tuple) and names is not None:
        defaults: Mapping[str, Any] = getattr(cls, "_field_defaults", {})
        return ((name, cls.__annotations__.get(name, Any), name in defaults, False) for name in names)
    pydantic_fields = getattr(cls, "model_fields", None)
    if isinstance(pydantic_fields, Mapping) and hasattr(cls, "model_validate"):
        return ((name, f.annotation, not f.is_required(), False) for name, f in pydantic_fields.items())
    return None


def _may_be_left_out(field: "dataclasses.Field[Any]") -> bool:
    return not field.init or field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _optional_keys(cls: type) -> frozenset[str]:
    """Return the keys of a TypedDict that may be missing, also where its annotations are strings."""
    marked = {name: get_origin(hint) for name, hint in _hints(cls).items()}
    keys = set(getattr(cls, "__optional_keys__", ()))
    keys |= {name for name, origin in marked.items() if origin is typing.NotRequired}
    return frozenset(name for name in keys if marked.get(name) is not typing.Required)


def _hints(thing: Any) -> dict[str, Any]:
    """Return the resolved annotations of a class or function; one that cannot be resolved does not spoil the others."""
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:  # an annotation is an arbitrary expression of the user
        return _hints_one_by_one(thing)


def _hints_one_by_one(thing: Any) -> dict[str, Any]:
    module = sys.modules.get(getattr(thing, "__module__", ""))
    names = {**vars(module)} if module else {}
    names.update(getattr(thing, "__globals__", {}))
    found: dict[str, Any] = {}
    for name, annotation in getattr(thing, "__annotations__", {}).items():
        carrier = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found |= typing.get_type_hints(carrier, globalns=names, include_extras=True)
        except Exception:
            found[name] = Any
    return found


def describe(fn: Callable[..., Any], *, name: str = "") -> Capability:
    """Return what *fn* asks for and gives, as a capability called *name* (default: the function's own name).

    `**kwargs`, and a signature that Python does not know, make it `open_inputs`. `*args` cannot be given by name and are left out.
    A text in `Annotated[T, "..."]` describes the parameter; the first paragraph of the docstring describes the function. A parameter
    annotated `Call` is no input: the runtime fills it. A generator function gives a list, element by element.
    """
    own_name = name or getattr(fn, "__name__", type(fn).__name__)
    description = " ".join((inspect.getdoc(fn) or "").split("\n\n")[0].split())
    hints = annotations_of(fn)
    streams = is_generator(fn)
    result = list_of(_yielded(hints.get("return", Any))) if streams else type_of(hints.get("return", Any))
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return Capability(own_name, description, result=result, open_inputs=True, streams=streams)
    named = (p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and not takes_call(hints.get(p.name)))
    inputs = tuple(_parameter(p, hints.get(p.name, Any)) for p in named)
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return Capability(own_name, description, inputs, result, is_open, streams)


def nameless(fn: Callable[..., Any]) -> str:
    """Return a parameter of *fn* that must be given and cannot be given by name, "" where there is none."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return ""
    return next((p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty), "")


def is_generator(fn: Callable[..., Any]) -> bool:
    """Return whether calling *fn* gives its results one by one: a generator function, async or not, also behind wrappers."""
    behind = inspect.unwrap(fn)
    if not isinstance(behind, functools.partial) and not inspect.isroutine(behind) and not isinstance(behind, type):
        behind = type(behind).__call__
    return inspect.isgeneratorfunction(behind) or inspect.isasyncgenfunction(behind)


def _yielded(annotation: Any) -> Type:
    """Return the type of the elements that a generator function with this annotation gives."""
    elements = get_args(annotation) if get_origin(annotation) in _ITERATORS else ()
    return type_of(elements[0]) if elements else ANY


def annotations_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return the resolved annotations of *fn*, looking behind wrappers; one that cannot be resolved is `Any`."""
    return _hints(_annotated_part(fn))


def takes_call(annotation: Any) -> bool:
    """Return whether *annotation* is `murakkab.ports.Call`, which lies above this file and so is known by name only."""
    return getattr(annotation, "__module__", "") == "murakkab.ports" and getattr(annotation, "__name__", "") == "Call"


def _annotated_part(fn: Any) -> Any:
    """Return the object that carries the annotations of *fn*: behind wrappers, partials and `__call__`."""
    fn = inspect.unwrap(fn)
    while isinstance(fn, functools.partial):
        fn = fn.func
    if isinstance(fn, type):
        return cast("Any", fn).__init__
    return fn if hasattr(fn, "__annotations__") else type(fn).__call__


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    required = parameter.default is parameter.empty
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return Parameter(
        parameter.name,
        type_of(hint, partial=True),
        default=None if required else parameter.default,
        required=required,
        description=next((n for n in notes if isinstance(n, str)), ""),
    )
