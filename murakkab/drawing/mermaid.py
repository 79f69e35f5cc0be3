"""policy: Picture -> Mermaid. Steps with steps inside are subgraphs; names stand in quotes, with what could end them as entities."""

from collections.abc import Iterator, Mapping
from typing import Final

from murakkab.drawing.colours import STATUSES
from murakkab.drawing.picture import Box, Frame, Picture

_SHAPES: Final[Mapping[str, tuple[str, str]]] = {
    "approve": ("{{", "}}"),
    "wait": ("([", "])"),
    "inputs": ("([", "])"),
    "outputs": ("([", "])"),
}
_ARROWS: Final[Mapping[str, str]] = {
    "data": "-->",
    "stream": "==>",
    "either": '-->|"either"|',
    "condition": '-.->|"if"|',
    "order": "-.->",
}
#: Letters and marks that mean nothing to Mermaid, Markdown or HTML.
_SAFE: Final = frozenset(" .,:+-_/()[]?!=≤·…")


def mermaid_text(picture: Picture) -> str:
    """Return the picture as a Mermaid flowchart, with a line end at its end."""
    ids = {box.key: f"n{number}" for number, box in enumerate(picture.frame.every_box())}
    lines = ["---", f'title: "{_title(picture.title)}"', "---", "flowchart TB", *_frame(picture.frame, ids, "  "), *_styles(picture, ids)]
    lines += [f"  %% {''.join(map(_plain, remark))}" for remark in picture.remarks]
    return "\n".join(lines) + "\n"


def _frame(frame: Frame, ids: Mapping[str, str], indent: str) -> Iterator[str]:
    for box in frame.boxes:
        yield from _box(box, ids, indent)
    for edge in frame.edges:
        yield f"{indent}{ids[edge.source]} {_ARROWS[edge.kind]} {ids[edge.target]}"


def _box(box: Box, ids: Mapping[str, str], indent: str) -> Iterator[str]:
    name = ids[box.key]
    if box.inside is None:
        begin, end = _SHAPES.get(box.kind, ("[[", "]]") if box.is_map else ("[", "]"))
        yield f'{indent}{name}{begin}"{_label(box)}"{end}'
        return
    yield f'{indent}subgraph {name}["{_label(box)}"]'
    yield f"{indent}  direction TB"
    yield from _frame(box.inside, ids, indent + "  ")
    yield f"{indent}end"


def _label(box: Box) -> str:
    folded = f"{box.folded} steps inside" if box.folded else ""
    status = box.status if box.status not in ("", "succeeded") else ""
    lines = [box.name, box.work, box.way, *(badge.text for badge in box.badges), folded, status]
    if box.inside is not None:
        return " · ".join(_escaped(line) for line in lines if line)
    return "<br/>".join(_escaped(line) for line in lines if line)


def _styles(picture: Picture, ids: Mapping[str, str]) -> Iterator[str]:
    members: dict[str, list[str]] = {}
    for box in picture.frame.every_box():
        if box.status in STATUSES:
            members.setdefault(box.status, []).append(ids[box.key])
    for status, names in members.items():
        colour = STATUSES[status]
        yield f"  classDef {status} stroke:{colour.line},fill:{colour.ground},color:#1c2430"
        yield f"  class {','.join(names)} {status}"


def _escaped(text: str) -> str:
    """Return *text* with every mark that might mean something as an entity, by its number; a backslash could begin a line even so."""
    text = text.replace("\\", "\u2216")
    return "".join(char if char.isalnum() or char in _SAFE else f"#{ord(char)};" for char in text)


def _title(text: str) -> str:
    return "".join(map(_plain, text))


def _plain(char: str) -> str:
    """Return a character as it may stand in a comment or a title, where there are no entities."""
    return char if char.isalnum() or char in _SAFE else "'" if char in "'\"`" else " "
