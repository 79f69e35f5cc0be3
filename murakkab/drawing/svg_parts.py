"""policy: what every SVG here is made of - its head, its text, and rules for a dark ground. On a light one the attributes hold."""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from murakkab.drawing.words import shown

_FONT: Final = "ui-sans-serif,system-ui,-apple-system,'Segoe UI',Inter,Roboto,Helvetica,Arial,sans-serif"
_INKS: Final = {"ink": "#1c2430", "dim": "#5b6675"}
_DARK: Final = ".ground{fill:#10151c}.ink{fill:#e7ecf3}.dim{fill:#9fabba}"


def head_of(title: str, width: float, height: float) -> str:
    """Return the first tag and the ground."""
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    names = f'role="img" aria-label={quoteattr(shown(title))} font-family={quoteattr(_FONT)}'
    ground = '<rect class="ground" width="100%" height="100%" rx="10" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {names}>\n{ground}'


def style_of(rules: str) -> str:
    """Return the colours on a dark ground: *rules*, and those of text."""
    return f"<style>@media (prefers-color-scheme:dark){{{_DARK}{rules}}}</style>"


def text_of(text: str, at: tuple[float, float], *, size: float, kind: str = "ink", look: str = "") -> str:
    """Return *text* at a place; *kind* is `ink`, `dim` or a class that *look* gives a colour to. *look*: further attributes."""
    if not text:
        return ""
    fill = "" if "fill=" in look else f' fill="{_INKS[kind]}"'
    more = f" {look}" if look else ""
    return f'<text class="{kind}" x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size}"{fill}{more}>{escape(text)}</text>'
