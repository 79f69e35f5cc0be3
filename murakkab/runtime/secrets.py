"""policy: secrets on their way to an executor - marks in the place of values, put in just before it runs, and taken out of what it says.

Nobody but the attempt looks behind a mark. What comes back is text like any other: the secret itself, and the usual ways of writing it
(JSON, Python, HTML, URL, base64, hex), become `[secret NAME]`, in keys as well as in values. One of fewer than `SHORTEST` characters
does not: it is in every text by chance, and taking it out would spoil what is none.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_from_bytes

#: Characters that a secret needs to be taken out again.
SHORTEST: Final = 4
#: Parts of one (a line, the middle of a base64 text, what is left of it where a message was cut) are looked for from this length on.
_SHORTEST_PART: Final = 8
_ESCAPED: Final = re.compile("%[0-9A-F]{2}")


@dataclass(frozen=True, slots=True)
class Secret:
    """Stands for the secret *name*, which is kept at `source`: `env:NAME` or `file:PATH`."""

    name: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class SealedText:
    """Text in which secrets stand: the parts, joined once they are known."""

    parts: tuple[str | Secret, ...]


Sealed = Secret | SealedText
#: The texts that an attempt was given, by the names of their secrets.
Used = Mapping[str, str]


def unsealed(inputs: Mapping[str, Any], lookup: Callable[[str], str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the inputs with text in the place of marks, and the texts by name. *lookup* gives what is kept at a source."""
    used: dict[str, str] = {}

    def opened(secret: Secret) -> str:
        if secret.name not in used:
            used[secret.name] = lookup(secret.source)
        return used[secret.name]

    return {name: _unsealed(value, opened) for name, value in inputs.items()}, used


def _unsealed(value: Any, opened: Callable[[Secret], str]) -> Any:
    if isinstance(value, Secret):
        return opened(value)
    if isinstance(value, SealedText):
        return "".join(part if isinstance(part, str) else opened(part) for part in value.parts)
    if isinstance(value, dict):
        return {key: _unsealed(inner, opened) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unsealed(inner, opened) for inner in value]
    return value


def redacted(value: Any, used: Used) -> Any:
    """Return *value* with every secret in its texts and keys replaced by `[secret NAME]`."""
    return Redaction(used).data(value)


class Redaction:
    """Takes the secrets that an attempt was given out of what it says; made once for all that it says."""

    __slots__ = ("_forms", "_marks", "_pattern")

    def __init__(self, used: Used) -> None:
        #: What is looked for, and what stands in its place.
        self._marks = {form: f"[secret {name}]" for name, text in used.items() for form in _forms(text)}
        #: The longest first: one may be a part of another.
        self._forms = sorted(self._marks, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms)))

    def data(self, value: Any) -> Any:
        """Return JSON data without the secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.data(key): self.data(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(inner) for inner in value]
        return value

    def text(self, text: str) -> str:
        """Return *text* without the secrets."""
        # Looking is many times quicker than replacing, and mostly there is nothing to replace.
        return self._pattern.sub(self._mark, text) if any(form in text for form in self._forms) else text

    def message(self, text: str) -> str:
        """Return *text* without the secrets, nor half or more of one: whoever wrote a message may have cut it short anywhere."""
        text = self.text(text)
        for form in self._forms:
            text = _without_parts(text, form, self._marks[form])
        return text

    def content(self, content: bytes) -> bytes:
        """Return the bytes of a file without the secrets."""
        for form in self._forms:
            content = content.replace(_bytes(form), self._marks[form].encode())
        return content

    def _mark(self, found: re.Match[str]) -> str:
        return self._marks[found[0]]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # bytes of the environment that are no UTF-8 are half surrogates in Python


def _forms(text: str) -> Iterator[str]:
    """Yield the ways in which a secret may stand in a text."""
    lines = {line for line in map(str.strip, text.splitlines()) if len(line) >= _SHORTEST_PART and not line.startswith("-----")}
    for whole in {text, text.strip(), *lines}:
        if len(whole) >= SHORTEST:
            yield from _escaped(whole)
            yield from _encoded(_bytes(whole))


def _escaped(text: str) -> Iterator[str]:
    yield text
    yield repr(text)[1:-1]
    yield html.escape(text)
    for in_ascii in (True, False):
        in_json = json.dumps(text, ensure_ascii=in_ascii)[1:-1]
        yield in_json
        yield json.dumps(in_json)[1:-1]
    for safe in ("/", ""):
        in_url = quote_from_bytes(_bytes(text), safe)
        yield in_url
        yield in_url.replace("%20", "+")
        yield _ESCAPED.sub(lambda found: found[0].lower(), in_url)


def _encoded(content: bytes) -> Iterator[str]:
    yield content.hex()
    yield content.hex().upper()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(content).decode()
        yield whole
        yield whole.rstrip("=")
        # Inside of a longer text (`user:password`): the characters that depend on nothing before or behind it.
        for before in range(3):
            sure = encode(bytes(before) + content).decode()[(0, 2, 3)[before] : (before + len(content)) * 8 // 6]
            if len(sure) >= _SHORTEST_PART:
                yield sure


def _without_parts(text: str, form: str, mark: str) -> str:
    """Return *text* with *mark* in the place of whatever is the first or the last half of *form*, or more."""
    size = max(_SHORTEST_PART, len(form) // 2)
    if len(form) <= size:
        return text
    at = -1
    while (at := text.find(form[:size], at + 1)) >= 0:
        text = text[:at] + mark + text[at + _alike(text[at:], form) :]
        at += len(mark)
    at = -1
    while (at := text.find(form[-size:], at + 1)) >= 0:
        end = at + size
        start = end - _alike(text[:end][::-1], form[::-1])
        text = text[:start] + mark + text[end:]
        at = start + len(mark)
    return text


def _alike(one: str, other: str) -> int:
    """Return the number of characters that begin both."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
