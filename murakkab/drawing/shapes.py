"""policy: a picture with a size and a place for everything on it, in pixels; frames inside of boxes are laid out first."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from murakkab.drawing.layout import Point, Size, laid_out
from murakkab.drawing.picture import Badge, Box, Edge, Frame
from murakkab.drawing.words import fitted, pixels

TITLE, WORDS, PILL = 13.5, 11.5, 10.5
PILL_HEIGHT: Final = 17.0
#: Widths of a box without others inside.
_LEAST, _MOST = 118.0, 270.0
_PAD: Final = 12.0
_INSIDE: Final = 18.0
_LINE: Final = 16.0
_SIGN: Final = 20.0


@dataclass(frozen=True, slots=True)
class Pill:
    """A badge at its place within its box."""

    badge: Badge
    text: str
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A box at its place. `lines` are its words below the title; what is inside stands relative to its left upper corner."""

    box: Box
    size: Size
    title: str
    lines: tuple[str, ...] = ()
    pills: tuple[Pill, ...] = ()
    corner: Point = (0.0, 0.0)
    inside: "Scene | None" = None


@dataclass(frozen=True, slots=True)
class Scene:
    """A frame with a place for everything; `offset` is that of its corner within the box around it."""

    size: Size
    shapes: tuple[Shape, ...] = ()
    routes: tuple[tuple[Edge, tuple[Point, ...]], ...] = ()
    offset: Point = (0.0, 0.0)


def scene_of(frame: Frame) -> Scene:
    """Return a frame laid out, what follows on everything else below it."""
    last = [box for box in frame.boxes if box.kind == "finally"]
    shapes = [_shape(box) for box in frame.boxes if box.kind != "finally"]
    places = {shape.box.key: i for i, shape in enumerate(shapes)}
    layout = laid_out([shape.size for shape in shapes], [(places[edge.source], places[edge.target]) for edge in frame.edges])
    placed = [replace(shape, corner=corner) for shape, corner in zip(shapes, layout.corners, strict=True)]
    width, height = layout.size
    for shape in map(_shape, last):
        height += 30.0 * bool(placed)
        widest = max(width, shape.size[0])
        shift = (widest - width) / 2
        placed = [replace(one, corner=(one.corner[0] + shift, one.corner[1])) for one in placed]
        placed.append(replace(shape, corner=((widest - shape.size[0]) / 2, height)))
        layout = replace(layout, routes=tuple(tuple((x + shift, y) for x, y in route) for route in layout.routes))
        width, height = widest, height + shape.size[1]
    return Scene((width, height), tuple(placed), tuple(zip(frame.edges, layout.routes, strict=True)))


def _shape(box: Box) -> Shape:
    return _leaf(box) if box.inside is None else _container(box, scene_of(box.inside))


def _leaf(box: Box) -> Shape:
    folded = f"{box.folded} steps inside" if box.folded else ""
    words = [line for line in (box.work, box.way, folded) if line]
    head = _sign_room(box)
    widest = max([head + pixels(box.name, TITLE), *(pixels(line, WORDS) for line in words), *map(_pill_width, box.badges)])
    width = min(max(widest + 2 * _PAD, _LEAST), _MOST)
    room = width - 2 * _PAD
    lines = tuple(fitted(line, room, WORDS) for line in words)
    top = _PAD + TITLE + len(lines) * _LINE + 4.0
    pills, bottom = _pills(box.badges, room, top + 3.0)
    height = bottom + _PAD - 4.0 if pills else top + _PAD - 4.0
    return Shape(box, (width, height), fitted(box.name, room - head, TITLE), lines, pills)


def _container(box: Box, scene: Scene) -> Shape:
    head = _sign_room(box)
    width = max(scene.size[0] + 2 * _INSIDE, head + pixels(f"{box.name}   {box.work}", TITLE) + 2 * _PAD, _MOST * bool(box.badges))
    room = width - 2 * _PAD
    pills, bottom = _pills(box.badges, room, _PAD + TITLE + 8.0)
    top = (bottom if pills else _PAD + TITLE) + 14.0
    offset = ((width - scene.size[0]) / 2, top)
    title = fitted(box.name, room - head, TITLE)
    words = fitted(box.work, room - head - pixels(title, TITLE) - 10.0, WORDS) if box.work else ""
    return Shape(box, (width, top + scene.size[1] + _INSIDE), title, (words,) if words else (), pills, inside=replace(scene, offset=offset))


def _sign_room(box: Box) -> float:
    return _SIGN * (box.kind in ("approve", "wait", "workflow")) + _SIGN * bool(box.status)


def _pill_width(badge: Badge) -> float:
    return pixels(badge.text, PILL) + 14.0


def _pills(badges: Iterable[Badge], room: float, top: float) -> tuple[tuple[Pill, ...], float]:
    """Return the badges in lines, and where the last line ends."""
    pills: list[Pill] = []
    x, y = 0.0, top
    for badge in badges:
        width = min(_pill_width(badge), room)
        if x and x + width > room:
            x, y = 0.0, y + PILL_HEIGHT + 4.0
        pills.append(Pill(badge, fitted(badge.text, width - 12.0, PILL), _PAD + x, y, width))
        x += width + 5.0
    return tuple(pills), y + PILL_HEIGHT
