"""driver: the key under which a result is kept - all that the result depends on, as far as it can be seen. Looks at files' dates only.

A result may name the files it was made from, so a file counts by its URI *and* its content: by `sha256` where that is known, else by
the size and time of change of a local file. A remote file without `sha256` counts by what its value says (uri, size): give a `ttl` to
steps that read remote files which change.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from types import CellType, CodeType
from typing import Any

from murakkab.catalog import ExecutorCard
from murakkab.local_files import file_stamps


def cache_key(card: ExecutorCard, knobs: Mapping[str, Any], inputs: Mapping[str, Any], *, target: Callable[..., Any] | None = None) -> str:
    """Return the key: the same for the same executor and version, knobs, inputs, content of input files, and code of *target*.

    Of *target* its own code and what it closes over count, not the functions it calls: change its name or clear the cache for those.
    """
    parts = [card.capability, card.name, card.version, knobs, inputs, file_stamps(unhashed_files(inputs)), code_of(target)]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def unhashed_files(value: Any) -> Iterator[str]:
    """Yield the URIs of the `file` values anywhere in *value* that do not carry the hash of their content."""
    if isinstance(value, Mapping):
        uri = value.get("uri")
        if isinstance(uri, str) and not value.get("sha256"):
            yield uri
        for inner in value.values():
            yield from unhashed_files(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from unhashed_files(inner)


def code_of(target: Any) -> list[Any]:
    """Return what identifies the code of a function: its name, byte code, constants, defaults, and the values it closes over."""
    if target is None:
        return []
    function = getattr(target, "__func__", target)
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__qualname__)}"
    code = getattr(function, "__code__", None)
    if code is None:
        return [name]
    cells = [_content(cell) for cell in getattr(function, "__closure__", None) or ()]
    return [name, _code_facts(code), repr(function.__defaults__), repr(function.__kwdefaults__), cells]


def _content(cell: CellType) -> str:
    try:
        return repr(cell.cell_contents)
    except ValueError:  # it is filled later
        return ""


def _code_facts(code: CodeType) -> list[Any]:
    return [code.co_code.hex(), [_constant(c) for c in code.co_consts], code.co_names, code.co_varnames]


def _constant(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        return _code_facts(constant)
    # The order of a set differs from process to process.
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
