"""policy: a graph in layers - what waits for something stands below it, and neighbours are put in an order in which few edges cross.

The method is Sugiyama's: longest paths give the layers, edges over several layers get a place in each, and each layer in turn is sorted
by where its neighbours stand.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Final

from murakkab.errors import InputError

Link = tuple[int, int]
_SWEEPS: Final = 12
#: Of items, and of edges in the rows that they pass through: beyond that a picture is a grey area.
MAX_PLACES: Final = 40_000


@dataclass(slots=True)
class Layers:
    """Places by number: first those of the items, then those that edges pass through. `chains` has the places of each edge, in order."""

    rows: list[list[int]]
    chains: list[list[int]] = field(default_factory=list)
    above: list[list[int]] = field(default_factory=list)
    below: list[list[int]] = field(default_factory=list)


def layered(count: int, edges: Sequence[Link]) -> Layers:
    """Return *count* items in layers. The edges must form no ring. Raises `InputError` when they are too many to be told apart."""
    ranks = _ranks(count, edges)
    layers = Layers([[] for _ in range(max(ranks, default=-1) + 1)])
    for edge in edges:
        layers.chains.append(_chain(edge, ranks))
        if len(ranks) > MAX_PLACES:
            raise InputError("too many edges cross each other to be drawn", hint="show it as text, or write it as dot or mermaid")
    layers.above, layers.below = [[] for _ in ranks], [[] for _ in ranks]
    for chain in layers.chains:
        for upper, lower in pairwise(chain):
            layers.below[upper].append(lower)
            layers.above[lower].append(upper)
    _first_order(layers, ranks)
    _sort(layers)
    return layers


def _ranks(count: int, edges: Sequence[Link]) -> list[int]:
    """Return the layer of each item: below all that it waits for; those that wait for nothing stand right above who waits for them."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in edges:
        above[lower].append(upper)
        below[upper].append(lower)
    ranks = [0] * count
    for item in TopologicalSorter(dict(enumerate(above))).static_order():
        ranks[item] = max((ranks[one] + 1 for one in above[item]), default=0)
    for item in range(count):
        if not above[item] and below[item]:
            ranks[item] = min(ranks[one] for one in below[item]) - 1
    return ranks


def _chain(edge: Link, ranks: list[int]) -> list[int]:
    upper, lower = edge
    chain = [upper]
    for rank in range(ranks[upper] + 1, ranks[lower]):
        chain.append(len(ranks))
        ranks.append(rank)
    return [*chain, lower]


def _first_order(layers: Layers, ranks: Sequence[int]) -> None:
    """Put the places into their rows in the order of a walk from the top: what belongs together comes together."""
    seen = [False] * len(ranks)
    for start in sorted(range(len(ranks)), key=lambda one: (bool(layers.above[one]), one)):
        agenda = [start]
        while agenda:
            one = agenda.pop()
            if not seen[one]:
                seen[one] = True
                layers.rows[ranks[one]].append(one)
                agenda.extend(reversed(layers.below[one]))


def _sort(layers: Layers) -> None:
    """Sort the rows until fewer crossings are not found."""
    best, fewest = [list(row) for row in layers.rows], _crossings(layers)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        rows = layers.rows if down else layers.rows[::-1]
        for fixed, free in pairwise(rows):
            _sort_row(fixed, free, layers.above if down else layers.below)
        found = _crossings(layers)
        if found < fewest:
            best, fewest = [list(row) for row in layers.rows], found
    layers.rows[:] = best


def _sort_row(fixed: Sequence[int], free: list[int], neighbours: Sequence[Sequence[int]]) -> None:
    """Sort *free* by the mean place of the neighbours in *fixed*; what has none keeps its place."""
    place = {one: float(i) for i, one in enumerate(fixed)}
    keys = {}
    for i, one in enumerate(free):
        near = neighbours[one]
        keys[one] = sum(place[other] for other in near) / len(near) if near else i * len(fixed) / max(len(free), 1)
    free.sort(key=keys.__getitem__)


def _crossings(layers: Layers) -> int:
    total = 0
    for upper, lower in pairwise(layers.rows):
        place = {one: i for i, one in enumerate(lower)}
        seen: list[int] = []
        for one in upper:
            ends = sorted(place[other] for other in layers.below[one])
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
