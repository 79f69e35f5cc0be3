"""policy: Picture -> DOT (Graphviz). Steps with steps inside are clusters; every name is a quoted string, its backslashes doubled."""

from collections.abc import Iterator, Mapping
from typing import Final

from murakkab.drawing.colours import colour_of
from murakkab.drawing.picture import Box, Edge, Frame, Picture

_SHAPES: Final[Mapping[str, str]] = {"approve": "hexagon", "wait": "oval", "inputs": "oval", "outputs": "oval"}
_LINES: Final[Mapping[str, str]] = {
    "stream": "penwidth=2",
    "either": 'style=dashed, label="either"',
    "condition": 'style=dashed, label="if"',
    "order": "style=dashed",
}
_HEAD: Final = (
    "  compound=true; rankdir=TB; nodesep=0.35; ranksep=0.5; labelloc=t; fontname=Helvetica;",
    '  node [shape=box, style="rounded,filled", fontname=Helvetica, fontsize=11, margin="0.15,0.08"];',
    '  edge [color="#7a8595", fontname=Helvetica, fontsize=9, arrowsize=0.7];',
)


def dot_text(picture: Picture) -> str:
    """Return the picture as a directed graph in DOT, with a line end at its end."""
    ids = {box.key: f"n{number}" for number, box in enumerate(picture.frame.every_box())}
    doors = {box.key: (_door(box, 0), _door(box, -1)) for box in picture.frame.every_box()}
    lines = [f"digraph {_quoted(picture.title)} {{", *_HEAD, f"  label={_quoted(picture.title)};"]
    lines += _frame(picture.frame, (ids, doors), "  ")
    lines += [f"  // {remark}" for remark in picture.remarks]
    return "\n".join([*lines, "}"]) + "\n"


#: The name of each box, and the boxes at which the edges to it and from it end.
_Names = tuple[Mapping[str, str], Mapping[str, tuple[str, str]]]


def _door(box: Box, place: int) -> str:
    """Return the first or the last box inside of *box*: a cluster is no end of an edge."""
    while box.inside is not None and box.inside.boxes:
        box = box.inside.boxes[place]
    return box.key


def _frame(frame: Frame, names: _Names, indent: str) -> Iterator[str]:
    clusters = {box.key for box in frame.boxes if box.inside is not None}
    for box in frame.boxes:
        yield from _box(box, names, indent)
    for edge in frame.edges:
        yield _edge(edge, names, clusters, indent)


def _box(box: Box, names: _Names, indent: str) -> Iterator[str]:
    name, colour = names[0][box.key], colour_of(box.kind, box.status)
    colours = f'color="{colour.line}", fillcolor="{colour.ground}"'
    if box.inside is None:
        shape = _SHAPES.get(box.kind, "box")
        more = ', margin="0,0.04"' if shape == "hexagon" else ""
        more += ", peripheries=2" if box.is_map else ""
        yield f"{indent}{name} [label={_label(box)}, shape={shape}, {colours}{more}];"
        return
    style = "rounded,dashed" if box.kind == "finally" else "rounded"
    yield f"{indent}subgraph cluster_{name} {{"
    yield f'{indent}  label={_label(box)}; labeljust=l; style="{style}"; fontsize=11; color="{colour.line}";'
    if not box.inside.boxes:
        yield f"{indent}  {name} [style=invis];"
    yield from _frame(box.inside, names, indent + "  ")
    yield f"{indent}}}"


def _edge(edge: Edge, names: _Names, clusters: set[str], indent: str) -> str:
    ids, doors = names
    parts = [_LINES[edge.kind]] if edge.kind in _LINES else []
    if edge.source in clusters:
        parts.append(f"ltail=cluster_{ids[edge.source]}")
    if edge.target in clusters:
        parts.append(f"lhead=cluster_{ids[edge.target]}")
    ends = f"{ids[doors[edge.source][1]]} -> {ids[doors[edge.target][0]]}"
    return f"{indent}{ends} [{', '.join(parts)}];" if parts else f"{indent}{ends};"


def _label(box: Box) -> str:
    folded = f"{box.folded} steps inside" if box.folded else ""
    lines = [box.name, box.work, box.way, *(badge.text for badge in box.badges), folded, box.status]
    # The line breaks are DOT's; a backslash of the text is doubled before.
    return '"' + "\\n".join(_escaped(line) for line in lines if line) + '"'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
