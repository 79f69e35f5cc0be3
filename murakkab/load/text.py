"""policy: the text of a file before YAML sees it - how long it may be, its encoding, and the two places where YAML is stricter than people.

YAML takes the `[` of `{type: list[file]}` for a list. Types are therefore written in stand-in characters of the same length, which keeps
every position, and put back in every scalar. JSON may write a character beyond the first 65,536 as a pair of escapes; YAML may not.
"""

import re
from typing import Final, NamedTuple

from murakkab.errors import Diagnostic, Place

#: A workflow of a thousand steps has about 200,000 characters.
MAX_CHARACTERS: Final = 1_000_000

_PLAIN: Final = "[]{},:?"
_STAND_IN: Final = "".join(chr(0xE000 + i) for i in range(len(_PLAIN)))
_HIDE: Final = str.maketrans(_PLAIN, _STAND_IN)
_SHOW: Final = str.maketrans(_STAND_IN, _PLAIN)
#: The beginning of a type, a bracket, or a character that no type has.
_MARKS: Final = re.compile(r"(?<![\w.$-])(?:list|map)\[|[^\w :,?-]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED: Final = re.compile(r"\\u[eE]00[0-6]")
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Source(NamedTuple):
    """Text for YAML. `has_stand_ins`: types in it are hidden, and `written` gives them back."""

    text: str
    has_stand_ins: bool

    def written(self, scalar: str) -> str:
        """Return *scalar*, a part of the text, as its author wrote it."""
        return scalar.translate(_SHOW) if self.has_stand_ins and not scalar.isascii() else scalar


def decode(text: str | bytes, file: str) -> Source | Diagnostic:
    """Return the text to parse, or why it is refused."""
    if len(text) > MAX_CHARACTERS:
        message = f"the text has more than {MAX_CHARACTERS:,} {'bytes' if isinstance(text, bytes) else 'characters'}"
        return Diagnostic("too-large", message, "put large values into a file and pass that as an input", place=Place(file))
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            place = Place(file, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
            return Diagnostic("not-text", "this byte is not UTF-8 text", "save the file as UTF-8", place=place)
    lone = _SURROGATE.search(text)
    if lone is not None:
        place = Place(file, text.count("\n", 0, lone.start()) + 1, lone.start() - text.rfind("\n", 0, lone.start()))
        return Diagnostic("not-text", "this is half a character", "save the file as UTF-8", place=place)
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        text = _PAIR.sub(_joined, text)
    return _hide_types(text)


def _joined(pair: re.Match[str]) -> str:
    code = 0x10000 + ((int(pair[2], 16) - 0xD800) << 10) + (int(pair[3], 16) - 0xDC00)
    return f"{pair[1]}\\U{code:08X}"


def _hide_types(text: str) -> Source:
    """Return *text* with `list[...]` and `map[...]` in stand-ins. Text that uses the stand-ins itself stays as it is."""
    spans = _types(text) if "list[" in text or "map[" in text else []
    if not spans or _ESCAPED.search(text) or (not text.isascii() and any(c in text for c in _STAND_IN)):
        return Source(text, has_stand_ins=False)
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        pieces += [text[end:start], text[start:stop].translate(_HIDE)]
        end = stop
    return Source("".join([*pieces, text[end:]]), has_stand_ins=True)


def _types(text: str) -> list[tuple[int, int]]:
    """Return where types begin and end: the outermost ones, each within its line, in order."""
    found: list[tuple[int, int]] = []
    open_: list[int | None] = []
    foreign = -1
    for mark in _MARKS.finditer(text):
        token = mark[0]
        if token == "\n":
            open_.clear()
        elif token in "[{":
            open_.append(None)
        elif len(token) > 1:
            open_.append(mark.start())
        elif token not in "]}":
            foreign = mark.start()
        elif open_ and (start := open_.pop()) is not None and token == "]" and start > foreign:
            while found and found[-1][0] >= start:
                found.pop()
            found.append((start, mark.end()))
    return found
