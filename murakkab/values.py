"""data: values that travel between steps - what is more than text and numbers, and how deep any of it may be nested."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: How deep a value that travels between steps may be nested. Deeper ones could be written at one depth of the stack and not be read back
#: at another.
MAX_NESTED: Final = 200


@dataclass(frozen=True, slots=True)
class File:
    """A file by reference: where it is, and what is known of it."""

    uri: str
    media_type: str = ""
    size: int = 0
    sha256: str = ""


#: What most values are, and has no parts: to ask whether something is a mapping is slow.
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class TooDeep(ValueError):
    """A value is nested deeper than one may be."""


#: Gives the parts of a value; None where it has none.
Open = Callable[[Any], Iterable[Any] | None]


def parts_of(value: Any) -> Iterable[Any] | None:
    """Return the values in a list or mapping, None for anything else."""
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else None


def is_deeper(value: Any, most: int, *, opened: Open = parts_of) -> bool:
    """Return whether lists and mappings in *value* lie more than *most* deep inside of each other; one by itself is one deep.

    Counted level by level, each thing once a level: neither how deep the stack is nor how often a part is shared makes a difference.
    """
    level = _next_level([value], opened)
    for _ in range(most):
        if not level:
            return False
        level = _next_level((part for parts in level for part in parts), opened)
    return bool(level)


def _next_level(values: Iterable[Any], opened: Open) -> list[Iterable[Any]]:
    found: dict[int, Iterable[Any]] = {}
    for value in values:
        if type(value) not in _PLAIN and id(value) not in found and (parts := opened(value)) is not None:
            found[id(value)] = parts
    return list(found.values())


def from_json(text: str) -> Any:
    """Return the value that JSON text writes. Raises `ValueError`: `TooDeep` for one that is nested too deep."""
    try:
        value = json.loads(text)
    except RecursionError:
        value = None
        is_too_deep = True
    else:
        is_too_deep = is_deeper(value, MAX_NESTED)
    if is_too_deep:
        raise TooDeep(f"it is nested more than {MAX_NESTED} deep")
    return value
