"""policy: the words on a picture - safe to show anywhere, as short as there is room for, and how wide they are."""

import unicodedata
from typing import Final

#: Invisible characters that some scripts and emoji need; the others could only deceive.
_JOINERS: Final = frozenset("\u200c\u200d")
_NARROW: Final = frozenset("ijlItf.,:;'|!()[] ")
#: Titles are set in bold type.
_BOLD: Final = 13.0
_WIDE: Final = frozenset("mwMW@%")


def shown(text: str, limit: int = 200) -> str:
    """Return *text* as one line of at most *limit* characters, without what would move the cursor or turn the direction of writing."""
    kept = "".join(" " if char.isspace() else char for char in text[: 4 * limit] if char.isspace() or _is_shown(char))
    return short(" ".join(kept.split()), limit)


def _is_shown(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn") or char in _JOINERS


def short(text: str, limit: int) -> str:
    """Return *text*, cut to *limit* characters with an ellipsis for the rest."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def fitted(text: str, room: float, size: float) -> str:
    """Return as much of *text* as fits into *room* pixels at a font of *size* pixels."""
    if pixels(text, size) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if pixels(text[:middle] + "…", size) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


def pixels(text: str, size: float) -> float:
    """Return about how wide *text* is in a sans-serif font of *size* pixels, bold where it is large; on the safe side."""
    return size * sum(map(_width, text)) * (1.14 if size >= _BOLD else 1.0)


def _width(char: str) -> float:
    if char in _NARROW:
        return 0.38
    if char in _WIDE:
        return 1.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    return 0.7 if char.isupper() else 0.58


def cells(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.combining(char) else 1 for char in text)


def span_text(seconds: float) -> str:
    """Return a time as people say it: `500 ms`, `30 s`, `1.5 h`, `2 d`."""
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 or not seconds else f"{seconds * 1000:.3g} ms"
