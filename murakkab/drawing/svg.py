"""policy: Picture -> SVG. Needs no program and no font of its own; follows the light or dark scheme of whoever looks at it."""

from collections.abc import Iterator, Mapping
from typing import Final
from xml.sax.saxutils import escape

from murakkab.drawing.colours import KINDS, STATUSES, colour_of
from murakkab.drawing.layout import Point
from murakkab.drawing.picture import Box, Edge, Picture
from murakkab.drawing.shapes import PILL, PILL_HEIGHT, TITLE, WORDS, Pill, Scene, Shape, scene_of
from murakkab.drawing.svg_parts import head_of, style_of, text_of
from murakkab.drawing.words import pixels, shown
from murakkab.errors import InputError

#: More boxes than anybody can read; the time to place them grows faster than their number.
MAX_BOXES: Final = 2_000
_MARGIN: Final = 24.0
_WIRE: Final = "#8b96a5"
#: What a badge is filled with, by its kind; the rest is grey.
_PILLS: Final[Mapping[str, str]] = {
    "each": "#3b6fd4",
    "repeat": "#7d4fd0",
    "when": "#0f8a83",
    "need": "#0f8a83",
    "effect": "#cf3a3a",
}
_SIGNS: Final[Mapping[str, str]] = {
    "approve": "M0 -1.2a2.9 2.9 0 1 0 -.01 0M-5.2 6.2c.5-3.4 2.4-5.2 5.2-5.2s4.700 1.800 5.200 5.200",
    "wait": "M0 -6a6 6 0 1 0 .01 0M0 -3.200V0l2.600 1.700",
    "workflow": "M-5.500 -5.500h8v8h-8zM2.500 -2.500h3v8h-8v-3",
}
_MARKS: Final[Mapping[str, str]] = {
    "succeeded": "M-3 .2L-.9 2.400L3.200 -2.300",
    "failed": "M-2.400 -2.400L2.400 2.400M2.400 -2.400L-2.400 2.400",
    "cancelled": "M-2.400 -2.400L2.400 2.400M2.400 -2.400L-2.400 2.400",
    "interrupted": "M-2.400 -2.400H2.400V2.400H-2.400z",
    "running": "M-1.600 -2.800L2.800 0L-1.600 2.800z",
    "awaiting": "M-1.500 -2.600V2.600M1.500 -2.600V2.600",
    "backoff": "M-1.500 -2.600V2.600M1.500 -2.600V2.600",
    "doubt": "M-1.700 -1.200a1.700 1.700 0 1 1 1.700 1.700v1M0 3.200v.1",
}
_DASHES: Final[Mapping[str, str]] = {"order": "2 4", "condition": "6 4", "either": "10 3 2 3"}
_LEGEND: Final[Mapping[str, str]] = {
    "stream": "element by element",
    "condition": "asked by a condition",
    "either": "one of several ways",
    "order": "order only",
}


def svg_text(picture: Picture) -> str:
    """Return the picture as an SVG document. Raises `InputError` when it has too many boxes to be read."""
    boxes = sum(1 for _ in picture.frame.every_box())
    if boxes > MAX_BOXES:
        hint = "show fewer levels with --depth, or write it as dot or mermaid"
        raise InputError(f"the picture would have {boxes} boxes, of at most {MAX_BOXES}", hint=hint)
    scene = scene_of(picture.frame)
    legend = list(_legend(picture))
    foot = 22.0 * bool(legend) + 16.0 * len(picture.remarks)
    width = max(scene.size[0], pixels(picture.title, 18.0), 230.0, *(pixels(line, WORDS) for line in picture.remarks)) + 2 * _MARGIN
    height = scene.size[1] + 2 * _MARGIN + 40.0 + foot
    top = _MARGIN + 36.0
    return "\n".join(
        [
            head_of(picture.title, width, height),
            _style(picture),
            text_of(picture.title, (_MARGIN, _MARGIN + 14.0), size=18.0, look='font-weight="650"'),
            text_of(picture.status, (_MARGIN + pixels(picture.title, 18.0) + 12.0, _MARGIN + 14.0), size=WORDS, kind="dim"),
            f'<g transform="translate({(width - scene.size[0]) / 2:.1f} {top:.1f})">',
            *_scene(scene),
            "</g>",
            *_foot(legend, picture.remarks, top + scene.size[1] + 26.0),
            "</svg>\n",
        ]
    )


def _scene(scene: Scene) -> Iterator[str]:
    for edge, points in scene.routes:
        yield from _wire(edge, points)
    for shape in scene.shapes:
        yield from _shape(shape)


# --------------------------------------------------------------------------------------------------------------------- boxes


def _shape(shape: Shape) -> Iterator[str]:
    box, (width, height) = shape.box, shape.size
    yield f'<g transform="translate({shape.corner[0]:.1f} {shape.corner[1]:.1f})"><title>{escape(_story(box))}</title>'
    yield from _body(box, width, height)
    x, y = 12.0, 12.0 + TITLE - 2.0
    for sign in _signs(box, y - 4.5):
        yield sign
        x += 20.0
    yield text_of(shape.title, (x, y), size=TITLE, look='font-weight="620"')
    if shape.inside is not None:
        for line in shape.lines:
            yield text_of(line, (x + pixels(shape.title, TITLE) + 8.0, y), size=WORDS, kind="dim")
    else:
        for i, line in enumerate(shape.lines):
            yield text_of(line, (12.0, y + 16.0 * (i + 1)), size=WORDS, kind="dim")
    for pill in shape.pills:
        yield from _pill(pill)
    if shape.inside is not None:
        yield f'<g transform="translate({shape.inside.offset[0]:.1f} {shape.inside.offset[1]:.1f})">'
        yield from _scene(shape.inside)
        yield "</g>"
    yield "</g>"


def _body(box: Box, width: float, height: float) -> Iterator[str]:
    colour = colour_of(box.kind, box.status)
    look = f'class="{_class(box)}" fill="{colour.ground}" stroke="{colour.line}"'
    round_ = height / 2 if box.kind in ("inputs", "outputs") else 8.0
    if box.is_map:
        for back in (8.0, 4.0):
            yield f'<rect x="{back}" y="{back}" width="{width:.1f}" height="{height:.1f}" rx="8" {look} stroke-opacity=".55"/>'
    dashes = ' stroke-dasharray="5 4"' if box.kind in ("finally", "plain") or box.status == "skipped" else ""
    thin = ' fill-opacity=".45"' if box.inside is not None else ""
    yield f'<rect width="{width:.1f}" height="{height:.1f}" rx="{min(round_, 18.0):.1f}" {look} stroke-width="1.3"{dashes}{thin}/>'


def _signs(box: Box, y: float) -> Iterator[str]:
    colour = colour_of(box.kind, box.status)
    x = 18.0
    if box.status:
        line = f'<circle cx="{x}" cy="{y}" r="6.5" class="line-{_class(box)}" fill="{colour.line}"/>'
        mark = _MARKS.get(box.status, "M-2.800 0H2.800")
        yield f'{line}<path d="{mark}" transform="translate({x} {y})" fill="none" stroke="#fff" stroke-width="1.5" stroke-linecap="round"/>'
        x += 20.0
    if box.kind in _SIGNS:
        kind = KINDS[box.kind]
        yield (
            f'<path d="{_SIGNS[box.kind]}" transform="translate({x} {y})" class="wire-{box.kind}" fill="none" stroke="{kind.line}" '
            f'stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round"/>'
        )


def _pill(pill: Pill) -> Iterator[str]:
    colour = _PILLS.get(pill.badge.kind, "#6b7685")
    at = f'x="{pill.x:.1f}" y="{pill.y:.1f}" width="{pill.width:.1f}" height="{PILL_HEIGHT}" rx="8.5"'
    yield f'<rect {at} fill="{colour}" fill-opacity=".14"/>'
    yield text_of(pill.text, (pill.x + 7.0, pill.y + 12.2), size=PILL, kind=f"pill-{pill.badge.kind}", look=f'fill="{colour}"')


def _story(box: Box) -> str:
    return "\n".join(one for one in (shown(box.key.lstrip(">")), box.work, box.way, *(b.text for b in box.badges), box.status) if one)


# --------------------------------------------------------------------------------------------------------------------- edges


def _wire(edge: Edge, points: tuple[Point, ...]) -> Iterator[str]:
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for i in range(1, len(points) - 1, 2):
        (x, y), (to_x, to_y) = points[i], points[i + 1]
        middle = (y + to_y) / 2
        path += f"V{y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y - 3.0 * (i + 2 == len(points)):.1f}"
    yield _line(path, edge.kind)
    x, y = points[-1]
    yield f'<path class="head" d="M{x - 4.0:.1f} {y - 8.0:.1f}L{x:.1f} {y - 0.8:.1f}L{x + 4.0:.1f} {y - 8.0:.1f}z" fill="{_WIRE}"/>'


def _line(path: str, kind: str) -> str:
    dashes = f' stroke-dasharray="{_DASHES[kind]}"' if kind in _DASHES else ""
    width = 2.6 if kind == "stream" else 1.4
    return f'<path class="wire" d="{path}" fill="none" stroke="{_WIRE}" stroke-width="{width}"{dashes}/>'


def _legend(picture: Picture) -> Iterator[tuple[str, str]]:
    frames = [picture.frame, *(box.inside for box in picture.frame.every_box() if box.inside is not None)]
    used = {edge.kind for frame in frames for edge in frame.edges}
    yield from ((kind, words) for kind, words in _LEGEND.items() if kind in used)


def _foot(legend: list[tuple[str, str]], remarks: tuple[str, ...], y: float) -> Iterator[str]:
    x = _MARGIN
    for kind, words in legend:
        yield _line(f"M{x:.1f} {y - 4.0:.1f}h26", kind)
        yield text_of(words, (x + 32.0, y), size=PILL, kind="dim")
        x += 32.0 + pixels(words, PILL) + 18.0
    y += 20.0 * bool(legend)
    for i, remark in enumerate(remarks):
        yield text_of(remark, (_MARGIN, y + 16.0 * i), size=WORDS, kind="dim")


def _class(box: Box) -> str:
    return f"is-{box.status if box.status in STATUSES else box.kind}"


def _style(picture: Picture) -> str:
    """Return the rules for a dark ground; on a light one the attributes hold, which every program understands."""
    rules = [
        ".wire{stroke:#6f7b8b}.head{fill:#6f7b8b}",
        "".join(f".pill-{kind}{{fill:{light}}}" for kind, light in _DARK_PILLS.items()),
    ]
    used = {(_class(box), colour_of(box.kind, box.status)) for box in picture.frame.every_box()}
    for name, colour in sorted(used):
        rules.append(f".{name}{{fill:{colour.dark_ground};stroke:{colour.dark_line}}}.line-{name}{{fill:{colour.line}}}")
    rules += [f".wire-{kind}{{stroke:{KINDS[kind].dark_line}}}" for kind in _SIGNS]
    return style_of("".join(rules))


_DARK_PILLS: Final[Mapping[str, str]] = {
    "each": "#8fb2f7",
    "repeat": "#bda3f5",
    "when": "#5fd0c9",
    "need": "#5fd0c9",
    "effect": "#f28080",
    **dict.fromkeys(("retry", "limit", "rescue", "cache"), "#a7b2c0"),
}
