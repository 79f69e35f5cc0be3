"""policy: one field of a document at a time - what kind of data it holds, durations and amounts, and what is wanted when it is wrong."""

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from murakkab.diagnostics import did_you_mean
from murakkab.errors import Diagnostic, Path
from murakkab.references import MAX_DEPTH
from murakkab.types import Field, Type, TypeSyntaxError, parse_type

Problems = list[Diagnostic]
#: Reads one field: its data, its path, and where mistakes go. Raises `WrongField` when nothing of it can be kept.
Reader = Callable[[Any, Path, Problems], Any]
_Choice = TypeVar("_Choice", bound=StrEnum)

#: An amount has at most so many characters.
_LONGEST: Final = 100
_AMOUNT: Final = re.compile(r"\s*([$]?)\s*(\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-z]*)\s*", re.ASCII)
SECONDS: Final[Mapping[str, float]] = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
USD: Final[Mapping[str, float]] = {"": 1.0, "usd": 1.0}
JOULES: Final[Mapping[str, float]] = {"": 1.0, "j": 1.0, "kj": 1e3, "wh": 3600.0, "kwh": 3.6e6}
TOKENS: Final[Mapping[str, float]] = {"": 1.0, "tokens": 1.0, "k": 1e3, "m": 1e6}


class WrongField(Exception):
    """The data of a field cannot be used."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def at(self, path: Path) -> Diagnostic:
        """Return this as a diagnostic."""
        return Diagnostic(self.code, self.message, self.hint, path)


def mapping(data: Any, path: Path, problems: Problems, *, hint: str = "write name: value") -> dict[str, Any]:
    """Return *data* as a mapping; keys that are not text go to *problems*. Raises `WrongField`, with the *hint*, when it is no mapping."""
    if not isinstance(data, Mapping):
        raise WrongField("wrong-form", f"a mapping is wanted here, not {shown(data)}", hint)
    if len(path) > MAX_DEPTH:
        raise WrongField("too-deep", f"nested more than {MAX_DEPTH} deep", "put parts into workflows of their own")
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(key, str):
            found[key] = value
        else:
            problems.append(Diagnostic("wrong-form", f"the key {key!r} is not text", "quote it", path))
    return found


def shown(data: Any) -> str:
    """Return *data*, shortened, as a message names it."""
    if isinstance(data, Mapping):
        return "a mapping"
    if isinstance(data, list | tuple):
        return "a list"
    if data is None:
        return "nothing"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, int | float | str):
        return repr(data)[:60]
    return type(data).__name__


def text(data: Any, _path: Path, _problems: Problems) -> str:
    """Return text."""
    if not isinstance(data, str):
        hint = "quote it" if isinstance(data, bool | int | float) else ""
        raise WrongField("wrong-form", f"text is wanted here, not {shown(data)}", hint)
    return data


def flag(data: Any, _path: Path, _problems: Problems) -> bool:
    """Return true or false."""
    if not isinstance(data, bool):
        raise WrongField("wrong-form", f"true or false is wanted here, not {shown(data)}")
    return data


def whole(data: Any, _path: Path, _problems: Problems) -> int:
    """Return a whole number."""
    if isinstance(data, bool) or not isinstance(data, int):
        raise WrongField("wrong-form", f"a whole number is wanted here, not {shown(data)}")
    return data


def wholes(data: Any, path: Path, problems: Problems) -> tuple[int, ...]:
    """Return whole numbers that may be chosen: one, or a list of them."""
    if not isinstance(data, list | tuple):
        return (whole(data, path, problems),)
    return tuple(whole(one, (*path, at), problems) for at, one in enumerate(data))


def number(data: Any, _path: Path, _problems: Problems) -> float:
    """Return a finite number."""
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise WrongField("wrong-form", f"a number is wanted here, not {shown(data)}")
    try:
        value = float(data)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise WrongField("bad-quantity", f"{shown(data)} is not a finite number")
    return value


def seconds(data: Any, path: Path, problems: Problems) -> float:
    """Return a duration in seconds: `30`, `"30s"`, `"5m"`, `"1h"`, `"200ms"`."""
    return _amount(data, SECONDS, example="30s, 5m, 1h or 200ms", at=(path, problems))


def usd(data: Any, path: Path, problems: Problems) -> float:
    """Return an amount of money in dollars: `0.5`, `"0.5 USD"`, `"$0.5"`."""
    return _amount(data, USD, example="0.5 or 0.5 USD", at=(path, problems))


def joules(data: Any, path: Path, problems: Problems) -> float:
    """Return an amount of energy in joules: `500`, `"500 J"`, `"2 kJ"`, `"0.1 kWh"`."""
    return _amount(data, JOULES, example="500 J or 0.1 kWh", at=(path, problems))


def _amount(data: Any, units: Mapping[str, float], *, example: str, at: tuple[Path, Problems]) -> float:
    if isinstance(data, int | float) and not isinstance(data, bool):
        return number(data, *at)
    if not isinstance(data, str):
        raise WrongField("wrong-form", f"an amount is wanted here, not {shown(data)}", f"write {example}")
    # What is long is no amount, and takes long to compare.
    found = _AMOUNT.fullmatch(data) if len(data) <= _LONGEST else None
    size = units.get(found[3] if units is SECONDS else found[3].lower()) if found else None
    if found is None or size is None or (found[1] and units is not USD):
        raise WrongField("bad-quantity", f"{data[:60]!r} cannot be read", f"write {example}")
    return float(found[2]) * size


def tokens(data: Any, path: Path, problems: Problems) -> float:
    """Return a number of tokens: `100000`, `"100k"`, `"2M"`."""
    return _amount(data, TOKENS, example="100000, 100k or 2M", at=(path, problems))


def choice(kind: type[_Choice]) -> Callable[[Any, Path, Problems], _Choice]:
    """Return the reader of a field that takes one of the words of *kind*."""

    def read(data: Any, _path: Path, _problems: Problems) -> _Choice:
        words = [str(member) for member in kind]
        if not isinstance(data, str) or data not in words:
            hint = did_you_mean(data, words, others="there are") if isinstance(data, str) else f"there are {', '.join(words)}"
            raise WrongField("bad-choice", f"{shown(data)} is not one of the words that may stand here", hint)
        return kind(data)

    return read


def names(data: Any, path: Path, problems: Problems) -> tuple[str, ...]:
    """Return a list of names; a single one may stand for itself."""
    if isinstance(data, str):
        return (data,)
    if not isinstance(data, list | tuple):
        raise WrongField("wrong-form", f"a list of names is wanted here, not {shown(data)}")
    found: list[str] = []
    for i, name in enumerate(data):
        if isinstance(name, str):
            found.append(name)
        else:
            problems.append(Diagnostic("wrong-form", f"a name is wanted here, not {shown(name)}", path=(*path, i)))
    return tuple(found)


def json_data(data: Any, path: Path, problems: Problems) -> Any:
    """Return a copy of plain JSON data, in which nothing is read as a reference."""
    if isinstance(data, Mapping):
        return {key: json_data(value, (*path, key), problems) for key, value in mapping(data, path, problems).items()}
    if isinstance(data, list | tuple):
        if len(path) > MAX_DEPTH:
            raise WrongField("too-deep", f"nested more than {MAX_DEPTH} deep", "put the data into a file and pass that")
        return [json_data(value, (*path, i), problems) for i, value in enumerate(data)]
    if isinstance(data, float) and not math.isfinite(data):
        problems.append(Diagnostic("not-json", f"{data} is not a JSON number", "leave it out, or write null", path))
        return None
    if data is not None and not isinstance(data, str | bool | int | float):
        problems.append(Diagnostic("not-json", f"{type(data).__name__} is not JSON data", "use text, numbers, lists and mappings", path))
        return None
    return data


def type_(data: Any, path: Path, problems: Problems) -> Type:
    """Return a type, from its text or, for a record, a mapping of its fields."""
    if isinstance(data, Mapping):
        if len(path) > 40:
            raise WrongField("bad-type", "types are nested too deep")
        fields: list[Field] = []
        for key, value in mapping(data, path, problems).items():
            try:
                inner = type_(value, (*path, key), problems)
                fields.append(_record_field(key, inner))
            except WrongField as wrong:
                problems.append(wrong.at((*path, key)))
        return Type("record", fields=tuple(fields))
    if data is None:
        return parse_type("null")
    if isinstance(data, list | tuple):
        raise WrongField("wrong-form", "text is wanted here, not a list", "write list[T] for a list")
    try:
        return parse_type(text(data, path, problems))
    except TypeSyntaxError as error:
        raise WrongField("bad-type", str(error)) from None


def _record_field(key: str, inner: Type) -> Field:
    """Return the field that `key: inner` declares; the type parser decides what a name is."""
    try:
        record = parse_type(f"{{{key}: any}}")
    except TypeSyntaxError:
        record = Type("record")
    if len(record.fields) != 1:
        raise WrongField(
            "bad-type", f"{key[:40]!r} is not the name of a field", "letters a-z or A-Z, digits, _ and -, the first a letter or _"
        )
    return Field(record.fields[0].name, inner, record.fields[0].optional)
