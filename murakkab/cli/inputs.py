"""driver: the inputs of a job from `name=value` words, read by the types that the workflow declares. Looks at files, runs nothing."""

import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from murakkab.cli.replies import example_of
from murakkab.errors import InputError, NotFoundError
from murakkab.local_files import file_value
from murakkab.spec import Input
from murakkab.types import ANY, Type, mismatch
from murakkab.values import TooDeep, from_json

_WORDS = {"true": True, "false": False}


class _Unreadable(ValueError):
    """A word does not read as the wanted type; the message says why."""


def read_inputs(words: Sequence[str], declared: Mapping[str, Input]) -> dict[str, Any]:
    """Return the inputs that `name=value` words give, as JSON data. Raises one `InputError` that names every mistake."""
    given, mistakes = _read_all(words, declared, noun="input")
    mistakes.extend(
        f"input {name!r} ({one.type}) is missing: -i {name}={example_of(one.type)}"
        for name, one in declared.items()
        if one.required and name not in given and not any(word.startswith(f"{name}=") for word in words)
    )
    if mistakes:
        raise InputError("\n".join(mistakes), hint=_declared(declared, noun="input", owner="workflow"))
    return given


def read_form(words: Sequence[str], form: Mapping[str, Input]) -> dict[str, Any]:
    """Return the fields of a form that `name=value` words give; some may be missing. Raises `InputError`."""
    given, mistakes = _read_all(words, form, noun="field")
    if mistakes:
        raise InputError("\n".join(mistakes), hint=_declared(form, noun="field", owner="question"))
    return given


def _read_all(words: Sequence[str], declared: Mapping[str, Input], *, noun: str) -> tuple[dict[str, Any], list[str]]:
    given: dict[str, Any] = {}
    mistakes: list[str] = []
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            mistakes.append(f"{word!r} is not of the form name=value")
        elif name not in declared:
            mistakes.append(_unknown(name, declared, noun=noun))
        else:
            try:
                _add(given, name, _read(text, declared[name].type), declared[name].type)
            except _Unreadable as mistake:
                mistakes.append(f"{noun} {name!r} ({declared[name].type}): {mistake}")
    return given, mistakes


def _add(given: dict[str, Any], name: str, value: Any, want: Type) -> None:
    if name in given and not (isinstance(value, list) and isinstance(given[name], list)):
        raise _Unreadable("it is given twice")
    wrong = mismatch(want, value)
    if wrong:
        raise _Unreadable(wrong)
    given[name] = [*given[name], *value] if name in given else value


def _read(text: str, want: Type) -> Any:
    """Return the value of *text* as the type *want*. `@path` stands for the content of a file, `@@` for a plain `@`."""
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        return _from_file(text[1:], want)
    return _from_text(text, want)


def _from_file(name: str, want: Type) -> Any:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _Unreadable(f"cannot read {name!r}: {error.strerror if isinstance(error, OSError) else 'it is not text'}") from None
    return text if _plain(want).kind == "str" else _with_files(_json(text, want), want)


def _from_text(text: str, want: Type) -> Any:
    kind = _plain(want).kind
    if want.kind == "optional" and text == "null":
        return None
    if kind == "str":
        return text
    if kind == "any":
        return _json_or_text(text)
    if kind == "list" and not text.lstrip().startswith("["):
        item = _plain(want).item or ANY
        return [_from_text(part.strip(), item) for part in text.split(",") if part.strip()]
    if kind == "file" and not text.lstrip().startswith("{"):
        return _file(text)
    if kind == "bool" and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return _with_files(_json(text, want), want)


def _plain(want: Type) -> Type:
    return want.item or ANY if want.kind == "optional" else want


def _json(text: str, want: Type) -> Any:
    try:
        return from_json(text)
    except TooDeep as wrong:
        raise _Unreadable(str(wrong)) from None
    except ValueError:
        raise _Unreadable(f"{_short(text)} is not {_form(want)}") from None


def _json_or_text(text: str) -> Any:
    try:
        return from_json(text)
    except TooDeep as wrong:
        raise _Unreadable(str(wrong)) from None
    except ValueError:
        return text


def _with_files(value: Any, want: Type) -> Any:
    """Return *value* with a path (text) where a file is wanted turned into a `file` value."""
    want = _plain(want)
    if want.kind == "file" and isinstance(value, str):
        return _file(value)
    if want.kind == "list" and isinstance(value, list):
        return [_with_files(element, want.item or ANY) for element in value]
    if want.kind == "map" and isinstance(value, dict):
        return {key: _with_files(element, want.item or ANY) for key, element in value.items()}
    if want.kind == "record" and isinstance(value, dict):
        return {key: _with_files(element, field.type if (field := want.field(key)) else ANY) for key, element in value.items()}
    return value


def _file(text: str) -> dict[str, Any]:
    try:
        return file_value(text)
    except NotFoundError as error:
        raise _Unreadable(error.message) from None


def _unknown(name: str, declared: Mapping[str, Input], *, noun: str) -> str:
    near = get_close_matches(name, declared, n=1)
    return f"there is no {noun} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _declared(declared: Mapping[str, Input], *, noun: str, owner: str) -> str:
    if not declared:
        return f"this {owner} takes no {noun}s"
    listed = ", ".join(f"{name}: {one.type}{'' if one.required else ' (optional)'}" for name, one in declared.items())
    return f"the {noun}s are {listed}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _form(want: Type) -> str:
    """Return what the text of a value looks like, for a message."""
    kind = _plain(want).kind
    forms = {"int": "a whole number", "float": "a number", "bool": "true or false", "null": "null"}
    return forms.get(kind, f"JSON for {want}")
