"""policy: pieces of Python source, put on one line where they fit and on several where they do not."""

import re
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 120
_STEP: Final = 4
#: What is not torn apart where a long text is: a word with the spaces behind it, up to the end of a line.
_WORD: Final = re.compile(r"(?:[!-~]{1,24}|[^ \n]) {0,9}\n?| {1,9}\n?|\n")
_LONGEST, _SHORTEST = 80, 24


@dataclass(frozen=True, slots=True)
class Text:
    """A text literal; a long one becomes several, one below the other."""

    value: str


@dataclass(frozen=True, slots=True)
class Brackets:
    """Items between brackets, with commas; a tuple has one behind its only item too."""

    opening: str
    items: "tuple[Code, ...]"
    closing: str
    is_tuple: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts, one behind the other."""

    parts: "tuple[Code, ...]"


Code = str | Text | Brackets | Joined


@dataclass(frozen=True, slots=True)
class _Newline:
    level: int


#: What is left to write: at which level, and whether it is known to fit on the line.
_Entry = tuple[int, bool, Code | _Newline]


def joined(*parts: Code) -> Code:
    """Return *parts*, one behind the other."""
    return Joined(parts)


def called(function: Code, *arguments: Code) -> Code:
    """Return the call of *function*."""
    return Joined((function, Brackets("(", arguments, ")")))


def given(name: str, value: Code) -> Code:
    """Return the argument `name=value`."""
    return Joined((f"{name}=", value))


def several(items: tuple[Code, ...]) -> Code:
    """Return the source of a tuple."""
    return Brackets("(", items, ")", is_tuple=True)


def mapping(items: dict[str, Code]) -> Code:
    """Return the source of a dict."""
    return Brackets("{", tuple(Joined((Text(name), ": ", value)) for name, value in items.items()), "}")


def quoted(text: str) -> str:
    """Return the literal of *text*, in double quotes unless it holds some."""
    plain = repr(text)
    return plain if "'" in text or '"' in text else f'"{plain[1:-1]}"'


def laid_out(code: Code, level: int = 0) -> str:
    """Return the text of *code*, which begins in the column *level*."""
    out: list[str] = []
    column = level
    stack: list[_Entry] = [(level, False, code)]
    while stack:
        at, is_flat, one = stack.pop()
        if isinstance(one, str | _Newline):
            out.append(one if isinstance(one, str) else "\n" + " " * one.level)
            column = column + len(one) if isinstance(one, str) else one.level
            continue
        is_flat = is_flat or _fits(one, WIDTH - column, stack)
        stack += reversed([(inner, is_flat, part) for inner, part in _parts(one, at, is_flat=is_flat)])
    return "".join(out)


def _parts(code: Code, level: int, *, is_flat: bool) -> list[tuple[int, Code | _Newline]]:
    """Return what *code* consists of, each part at its level."""
    if isinstance(code, Joined):
        return [(level, part) for part in code.parts]
    if isinstance(code, Text):
        if is_flat:
            return [(level, quoted(code.value))]
        return _broken("(", _pieces(code.value, WIDTH - level - _STEP), ")", level, mark="")
    if isinstance(code, str) or not code.items:
        return [(level, code if isinstance(code, str) else code.opening + code.closing)]
    if not is_flat:
        return _broken(code.opening, code.items, code.closing, level, mark=",")
    parts: list[Code] = [code.opening, *(part for item in code.items for part in (item, ", "))]
    parts[-1] = ",)" if code.is_tuple and len(code.items) == 1 else code.closing
    return [(level, part) for part in parts]


def _pieces(text: str, room: int) -> list[str]:
    """Return the literals of *text*, a line or what fits of it in each."""
    most = max(_SHORTEST, min(_LONGEST, room))
    pieces = [""]
    for word in _WORD.findall(text):
        if pieces[-1].endswith("\n") or (pieces[-1] and len(repr(pieces[-1] + word)) > most):
            pieces.append("")
        pieces[-1] += word
    return [quoted(piece) for piece in pieces]


def _broken(opening: str, items: tuple[Code, ...] | list[str], closing: str, level: int, *, mark: str) -> list[tuple[int, Code | _Newline]]:
    inner = level + _STEP
    found: list[tuple[int, Code | _Newline]] = [(level, opening)]
    for item in items:
        found += [(inner, _Newline(inner)), (inner, item), (inner, mark)]
    return [*found, (level, _Newline(level)), (level, closing)]


def _fits(code: Code, room: int, behind: list[_Entry]) -> bool:
    """Return whether *code* fits into *room* on one line, with what stands *behind* it up to where that can be broken."""
    if isinstance(code, Joined):
        return False  # its parts are asked one by one
    ahead: list[tuple[bool, Code | _Newline]] = [(True, code)]
    waiting = len(behind)
    while room >= 0:
        if not ahead:
            if not waiting:
                return True
            waiting -= 1
            ahead.append(behind[waiting][1:])
        is_flat, one = ahead.pop()
        if isinstance(one, _Newline):
            return True
        if isinstance(one, str):
            room -= len(one)
        elif not is_flat and (isinstance(one, Text) or (isinstance(one, Brackets) and one.items)):
            return room > 0
        else:
            ahead += reversed([(is_flat, part) for _, part in _parts(one, 0, is_flat=True)])
    return False
