"""policy: the words of a condition, each with its column."""

import math
import re
from typing import Final, NamedTuple

#: Longer conditions belong into a step.
MAX_CHARACTERS: Final = 2_000


class ConditionSyntaxError(ValueError):
    """The text is not a condition. `at` is the zero-based place in it, `hint` what to write."""

    def __init__(self, message: str, at: int, hint: str = "") -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


class Token(NamedTuple):
    """A word: its kind (name, number, string, mark or end), its text and where it begins."""

    kind: str
    text: str
    at: int


_TOKEN: Final = re.compile(
    r"""(?P<space>(?:\s+|//[^\n]*)+)
      | (?P<string>[rR]?(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
      | (?P<number>0x[0-9a-fA-F]+u?|(?:\d+\.\d+|\.\d+|\d+(?=[eE][-+]?\d))(?:[eE][-+]?\d+)?|\d+[uU]?)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<mark>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()\[\]{}])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
#: An escape of a text literal; without a group it is one that CEL does not know.
_ESCAPE: Final = re.compile(r"""\\(?:([abfnrtv"'`?\\]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})|.)""", re.DOTALL)
_MISTAKES: Final = (
    ("=", "equality is written =="),
    ("&", "'and' is written &&"),
    ("|", "'or' is written ||"),
    ("$", "names stand bare here: inputs.n > 3, not ${inputs.n} > 3"),
    ("`", "a field that is not a name is written step['the-field']"),
    ("'", "the text is not closed"),
    ('"', "the text is not closed"),
)


def tokens(text: str) -> list[Token]:
    """Return the words of *text*, then one of kind `end`. Raises `ConditionSyntaxError`."""
    if len(text) > MAX_CHARACTERS:
        raise ConditionSyntaxError(
            f"the condition has {len(text):,} characters; {MAX_CHARACTERS:,} are allowed", 0, "let a step decide, and test its result"
        )
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            hint = next((hint for start, hint in _MISTAKES if text.startswith(start, at)), "")
            raise ConditionSyntaxError(f"{text[at]!r} cannot stand here", at, hint)
        if match.lastgroup != "space":
            found.append(_sound(Token(match.lastgroup, match[0], at)))
        at = match.end()
    return [*found, Token("end", "", len(text))]


def _sound(token: Token) -> Token:
    """Return *token*. Raises `ConditionSyntaxError` for a number that is too large and for an escape that means nothing."""
    text, kind = token.text, token.kind
    if kind == "number":
        is_real = not text.startswith("0x") and any(c in text for c in ".eE")
        size = float(text) if is_real else int(text.rstrip("uU"), 0 if text.startswith("0x") else 10)
        if size == math.inf or (not is_real and size >= 2 ** (64 if text[-1] in "uU" else 63)):
            raise ConditionSyntaxError(f"{text[:40]} is too large a number", token.at, "whole numbers have 64 bits")
    elif kind == "string" and "\\" in text and text[0] not in "rR":
        for escape in _ESCAPE.finditer(text):
            code = escape[1]
            if code is None or (code[0] in "uU" and not _is_character(int(code[1:], 16))):
                raise ConditionSyntaxError(
                    f"the escape {escape[0][:10]!r} means nothing", token.at + escape.start(), "write \\\\ for a backslash"
                )
    return token


def _is_character(code: int) -> bool:
    return code < 0xD800 or 0xE000 <= code < 0x110000
