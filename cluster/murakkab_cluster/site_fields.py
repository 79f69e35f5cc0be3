"""policy: one field of `murakkab.yaml` at a time - amounts with their interval and source, addresses, and the names of keys."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from murakkab.diagnostics import MAX_TOLD, did_you_mean
from murakkab.document.fields import Problems, Reader, WrongField, mapping, number, shown, text, whole
from murakkab.errors import Diagnostic, Path
from murakkab.figures import Figure, Provenance, Source

_VARIABLE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_FIGURE: Final = ("value", "low", "high", "source", "where", "date")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

#: key -> the attribute that it becomes, and how it is read
Fields = Mapping[str, tuple[str, Reader]]


def fields_of(data: Any, path: Path, problems: Problems, form: Fields) -> dict[str, Any]:
    """Return attribute -> value for each field that *data* holds and that can be read; the rest goes to *problems*."""
    found: dict[str, Any] = {}
    for key, value in mapping(data, path, problems, hint=f"write one of {', '.join(form)}").items():
        if len(problems) > MAX_TOLD:
            break
        if key not in form:
            hint = did_you_mean(key, form, others="there are")
            problems.append(Diagnostic("unknown-field", f"there is no field {key[:60]!r} here", hint, (*path, key)))
            continue
        attribute, reader = form[key]
        try:
            found[attribute] = reader(value, (*path, key), problems)
        except WrongField as wrong:
            problems.append(wrong.at((*path, key)))
    return found


def text_of(data: Any, path: Path, problems: Problems) -> str:
    """Return text that is not empty."""
    found = text(data, path, problems)
    if not found:
        raise WrongField("wrong-form", "a name is wanted here, not nothing")
    return found


def whole_of(data: Any, path: Path, problems: Problems) -> int:
    """Return a whole number above zero."""
    found = whole(data, path, problems)
    if found < 1:
        raise WrongField("out-of-range", f"{found} is less than one")
    return found


def positive(scale: float, *, least: float | None = None) -> Callable[[Any, Path, Problems], float]:
    """Return the reader of a number above zero, or of at least *least*, which is multiplied by *scale*."""

    def read(data: Any, path: Path, problems: Problems) -> float:
        found = number(data, path, problems)
        if found <= 0.0 if least is None else found < least:
            raise WrongField("out-of-range", f"{found:g} is {'not above zero' if least is None else f'less than {least:g}'}")
        return found * scale

    return read


def share(data: Any, path: Path, problems: Problems) -> dict[str, Any]:
    """Return a figure between 0 and 1."""
    found = amount()(data, path, problems)
    if not 0.0 <= found["low"] <= found["high"] <= 1.0:
        raise WrongField("out-of-range", f"{shown(data)} is not between 0 and 1")
    return found


def amount() -> Callable[[Any, Path, Problems], dict[str, Any]]:
    """Return the reader of a figure that is not negative: a number, or `{value, low, high, source, where, date}`."""

    def read(data: Any, path: Path, problems: Problems) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            data = {"value": data}
        read_value = positive(1.0, least=0.0)
        found = fields_of(data, path, problems, {**dict.fromkeys(("value", "low", "high"), ("", read_value)), **_ORIGIN})
        # One attribute each: which of the numbers is wrong has been told above.
        numbers = {key: data[key] for key in ("value", "low", "high") if key in data}
        if "value" not in numbers:
            raise WrongField("missing-field", "this figure has no value", "write {value: 3, low: 2, high: 5}")
        value = read_value(numbers["value"], (*path, "value"), problems)
        low, high = (read_value(numbers.get(key, value), (*path, key), problems) for key in ("low", "high"))
        if not low <= value <= high:
            raise WrongField("contradiction", f"{value:g} is not between {low:g} and {high:g}", "low, value and high go upwards")
        return {"value": value, "low": low, "high": high, **{key: found[key] for key in _ORIGIN if key in found}}

    return read


def _source(data: Any, _path: Path, _problems: Problems) -> Source:
    words = [str(one) for one in Source]
    if data not in words:
        hint = did_you_mean(data, words, others="there are") if isinstance(data, str) else f"there are {', '.join(words)}"
        raise WrongField("bad-choice", f"{shown(data)} is no source of a figure", hint)
    return Source(data)


def _date(data: Any, _path: Path, _problems: Problems) -> str:
    if not isinstance(data, str) or not _DATE.fullmatch(data):
        raise WrongField("bad-quantity", f"{shown(data)} is no day", "write it as 2026-05-01")
    return data


_ORIGIN: Final[Fields] = {"source": ("source", _source), "where": ("where", text), "date": ("date", _date)}


def figure_from(entry: Mapping[str, Any], file: str) -> Figure:
    """Return what `amount` has read as a figure. Where it says no source it is assumed, by *file*."""
    of = Provenance(entry.get("source", Source.ASSUMED), entry.get("where", file), entry.get("date", ""))
    value = entry["value"]
    return Figure(value, entry.get("low", value), entry.get("high", value), of)


def address(data: Any, path: Path, problems: Problems) -> str:
    """Return the address of an engine, without a slash at its end. One that has a password in it is refused."""
    found = text(data, path, problems)
    try:
        parts = urlsplit(found)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        raise WrongField("wrong-form", "this is no address", "write http://host:8000/v1") from None
    if parts.username or parts.password:
        raise WrongField("bad-secret", "an address has no name and password in it", "write key: env:NAME, which names where the key is")
    if not is_whole:
        raise WrongField("wrong-form", f"{found[:60]!r} is no address of an engine", "write http://host:8000/v1")
    return found.rstrip("/")


def environment_name(data: Any, path: Path, problems: Problems) -> str:
    """Return the environment variable that holds a key. A key that stands there itself is refused, and not repeated."""
    found = _VARIABLE.fullmatch(text(data, path, problems))
    if found is None:
        raise WrongField("bad-secret", "a key is never written down", "name the environment variable that holds it: env:NAME")
    return found[1]
