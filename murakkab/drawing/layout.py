"""policy: where the boxes of a frame stand and which way its edges go, in pixels, from the sizes of the boxes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from murakkab.drawing.layers import Layers, Link, layered

Point = tuple[float, float]
Size = tuple[float, float]

GAP_X, GAP_Y = 28.0, 44.0
#: The room between an edge that passes through a row and its neighbours there.
_LANE = 16.0
#: The most that the ends of two edges at one box are apart.
_PORTS = 26.0
#: An edge that leans less than this is drawn upright.
_STRAIGHT = 9.0
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of the whole, the left upper corner of each item, and each edge as points: by turns where it runs down to and over to."""

    size: Size
    corners: tuple[Point, ...] = ()
    routes: tuple[tuple[Point, ...], ...] = ()


def laid_out(sizes: Sequence[Size], edges: Sequence[Link]) -> Layout:
    """Return where items of these sizes stand."""
    if not sizes:
        return Layout((0.0, 0.0))
    layers = layered(len(sizes), edges)
    widths = [*(width for width, _ in sizes), *([0.0] * (len(layers.above) - len(sizes)))]
    centres = _centres(layers, widths, len(sizes))
    left = min(centre - width / 2 for centre, width in zip(centres, widths, strict=True))
    centres = [centre - left for centre in centres]
    tops, bottoms = _rows(layers, sizes)
    row_of = {one: number for number, row in enumerate(layers.rows) for one in row}
    corners = tuple((centres[i] - width / 2, tops[row_of[i]]) for i, (width, _) in enumerate(sizes))
    ports = _ports(layers, centres, sizes)
    routes = tuple(_route(number, chain, (ports, centres), (tops, bottoms, row_of, sizes)) for number, chain in enumerate(layers.chains))
    right = max(centre + width / 2 for centre, width in zip(centres, widths, strict=True))
    return Layout((right, bottoms[-1]), corners, routes)


def _rows(layers: Layers, sizes: Sequence[Size]) -> tuple[list[float], list[float]]:
    """Return where each row begins and ends."""
    tops: list[float] = []
    bottoms: list[float] = []
    top = 0.0
    for row in layers.rows:
        tops.append(top)
        bottoms.append(top + max((sizes[one][1] for one in row if one < len(sizes)), default=0.0))
        top = bottoms[-1] + GAP_Y + min(len(row), 12) * 1.5
    return tops, bottoms


# ------------------------------------------------------------------------------------------------------------ left and right


def _centres(layers: Layers, widths: Sequence[float], items: int) -> list[float]:
    """Return the centre of each place: near the mean of its neighbours, as far as the others of its row leave room."""
    centres = [0.0] * len(widths)
    gaps = [_gaps(row, widths, items) for row in layers.rows]
    for row, apart in zip(layers.rows, gaps, strict=True):
        offset = -sum(apart) / 2
        for one, more in zip(row, [0.0, *apart], strict=True):
            offset += more
            centres[one] = offset
    for turn in range(_ROUNDS):
        sides = [layers.above, layers.below] if turn >= _ROUNDS - 2 else [layers.below if turn % 2 else layers.above]
        numbers = range(len(layers.rows)) if turn % 2 == 0 else reversed(range(len(layers.rows)))
        for number in numbers:
            row = layers.rows[number]
            wanted = [_wanted(one, centres, sides, items) for one in row]
            for one, centre in zip(row, _spread(wanted, gaps[number]), strict=True):
                centres[one] = centre
    return centres


def _gaps(row: Sequence[int], widths: Sequence[float], items: int) -> list[float]:
    return [(widths[one] + widths[other]) / 2 + (GAP_X if one < items and other < items else _LANE) for one, other in pairwise(row)]


def _wanted(one: int, centres: Sequence[float], sides: Sequence[Sequence[Sequence[int]]], items: int) -> float:
    """Return where a place would stand best: an edge that passes through many rows is straightened first."""
    total = weight = 0.0
    for side in sides:
        for other in side[one]:
            pull = 1.0 + 3.0 * (one >= items) + 3.0 * (one >= items and other >= items)
            total += pull * centres[other]
            weight += pull
    return total / weight if weight else centres[one]


def _spread(wanted: Sequence[float], gaps: Sequence[float]) -> Iterator[float]:
    """Yield the places nearest to the wanted ones that are at least *gaps* apart (least squares, by pooling neighbours)."""
    pools: list[tuple[float, int]] = []
    offset = 0.0
    offsets = []
    for place, gap in zip(wanted, [0.0, *gaps], strict=True):
        offset += gap
        offsets.append(offset)
        mean, count = place - offset, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    means = (mean for mean, count in pools for _ in range(count))
    for mean, shift in zip(means, offsets, strict=True):
        yield mean + shift


# --------------------------------------------------------------------------------------------------------------------- edges


def _ports(layers: Layers, centres: Sequence[float], sizes: Sequence[Size]) -> dict[tuple[int, bool], float]:
    """Return where each edge leaves its upper box (False) and meets its lower one (True), by number: side by side, in order."""
    ends: dict[tuple[int, bool], list[tuple[float, int]]] = {}
    for number, chain in enumerate(layers.chains):
        ends.setdefault((chain[0], False), []).append((centres[chain[1]], number))
        ends.setdefault((chain[-1], True), []).append((centres[chain[-2]], number))
    ports: dict[tuple[int, bool], float] = {}
    for (item, is_end), found in ends.items():
        apart = min(_PORTS, sizes[item][0] * 0.6 / max(len(found) - 1, 1))
        for i, (_, number) in enumerate(sorted(found)):
            ports[number, is_end] = centres[item] + (i - (len(found) - 1) / 2) * apart
    return ports


def _route(
    number: int,
    chain: Sequence[int],
    across: tuple[Mapping[tuple[int, bool], float], Sequence[float]],
    down: tuple[Sequence[float], Sequence[float], Mapping[int, int], Sequence[Size]],
) -> tuple[Point, ...]:
    """Return an edge as points: from its box to the end of its row, then from the beginning to the end of each row, to its other box."""
    ports, centres = across
    tops, bottoms, row_of, sizes = down
    first, last = row_of[chain[0]], row_of[chain[-1]]
    begin, end = ports[number, False], ports[number, True]
    if len(chain) == 2 and abs(begin - end) < _STRAIGHT:
        begin = end = (begin + end) / 2
    points = [(begin, tops[first] + sizes[chain[0]][1]), (begin, bottoms[first])]
    for one in chain[1:-1]:
        points += [(centres[one], tops[row_of[one]]), (centres[one], bottoms[row_of[one]])]
    return (*points, (end, tops[last]))
