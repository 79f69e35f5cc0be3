"""policy: the text of a file before YAML sees it - how long it may be, its encoding, and the two places where YAML is stricter than people.

YAML takes the `[` of `{type: list[file]}` for a list. Types are therefore written in stand-in characters of the same length, which keeps
every position, and put back in every scalar. JSON may write a character beyond the first 65,536 as a pair of escapes; YAML may not.
"""

import re
from typing import Final

from murakkab.errors import Diagnostic, Place

#: A workflow of a thousand steps has about 200,000 characters.
MAX_CHARACTERS: Final = 1_000_000

_PLAIN: Final = "[]{},:?"
_STAND_IN: Final = "".join(chr(0xE000 + i) for i in range(len(_PLAIN)))
_HIDE: Final = str.maketrans(_PLAIN, _STAND_IN)
_SHOW: Final = str.maketrans(_STAND_IN, _PLAIN)
_BRACKETS: Final = re.compile(r"(?<![\w.$-])(?:list|map)\[|[\[\]{}\n]")
_TYPE: Final = re.compile(r"[\w \[\]{}:,?-]*")
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def decode(text: str | bytes, file: str) -> str | Diagnostic:
    """Return the text to parse, or why it is refused."""
    if len(text) > MAX_CHARACTERS:
        size = f"the text has {len(text):,} {'bytes' if isinstance(text, bytes) else 'characters'}; {MAX_CHARACTERS:,} are allowed"
        return Diagnostic("too-large", size, "put large values into a file and pass that as an input", place=Place(file))
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            place = Place(file, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
            return Diagnostic("not-text", "this byte is not UTF-8 text", "save the file as UTF-8", place=place)
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        text = _PAIR.sub(_joined, text)
    return _hide_types(text)


def restore(text: str) -> str:
    """Return *text* with its types as they were written."""
    return text if text.isascii() else text.translate(_SHOW)


def _joined(pair: re.Match[str]) -> str:
    code = 0x10000 + ((int(pair[2], 16) - 0xD800) << 10) + (int(pair[3], 16) - 0xDC00)
    return f"{pair[1]}\\U{code:08X}"


def _hide_types(text: str) -> str:
    """Return *text* with `list[...]` and `map[...]` in stand-ins. Text that uses the stand-ins itself stays as it is."""
    if ("list[" not in text and "map[" not in text) or (not text.isascii() and any(c in text for c in _STAND_IN)):
        return text
    pieces: list[str] = []
    end = 0
    for start, stop in _types(text):
        pieces += [text[end:start], text[start:stop].translate(_HIDE)]
        end = stop
    return "".join([*pieces, text[end:]])


def _types(text: str) -> list[tuple[int, int]]:
    """Return where types begin and end: the outermost ones, each within its line, in order."""
    found: list[tuple[int, int]] = []
    open_: list[int | None] = []
    for bracket in _BRACKETS.finditer(text):
        token = bracket[0]
        if token == "\n":
            open_.clear()
        elif token in "[{":
            open_.append(None)
        elif len(token) > 1:
            open_.append(bracket.start())
        elif open_ and (start := open_.pop()) is not None and token == "]" and _TYPE.fullmatch(text, start, bracket.end()):
            while found and found[-1][0] >= start:
                found.pop()
            found.append((start, bracket.end()))
    return found
