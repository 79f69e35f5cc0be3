"""data: the cases that every system is timed on, and what they ideally take. Standard library only: peers' environments import this.

chain        n quick steps in a row
fanout       n quick steps side by side, then one that takes all results
dag          a layered random graph of 1,000 quick steps and 3,000 edges
diamond      n jobs at once of five steps each: a, then b, c and d, then e
fanout_sleep as `fanout`, each step waits 10 ms
dag_sleep    as `dag`, the steps wait 1 to 20 ms each: an engine with a barrier between layers cannot reach the critical path
"""

import random
from functools import cache
from typing import Final

STEPS: Final = 1000
EDGES: Final = 3000
LAYERS: Final = 20
NAP: Final = 0.010

CASES: Final = ("chain", "fanout", "dag", "diamond", "fanout_sleep", "dag_sleep")


@cache
def random_dag() -> tuple[tuple[int, ...], ...]:
    """Return the predecessors of each of the 1,000 steps; the same graph in every process.

    Every step outside the first layer follows one of the layer just above. Of the other edges four in five do so too; the rest come
    from any layer above.
    """
    rng = random.Random(7)
    width = STEPS // LAYERS
    layers = [range(first, first + width) for first in range(0, STEPS, width)]
    edges = {(rng.choice(layers[step // width - 1]), step) for step in range(width, STEPS)}
    while len(edges) < EDGES:
        step = rng.randrange(width, STEPS)
        layer = step // width
        source = layer - 1 if rng.random() < 0.8 else rng.randrange(0, layer)
        edges.add((rng.choice(layers[source]), step))
    before: list[list[int]] = [[] for _ in range(STEPS)]
    for source_step, step in sorted(edges):
        before[step].append(source_step)
    return tuple(map(tuple, before))


@cache
def naps() -> tuple[float, ...]:
    """Return how many seconds each step of `dag_sleep` waits."""
    rng = random.Random(11)
    return tuple(rng.uniform(0.001, 0.020) for _ in range(STEPS))


def successors() -> list[list[int]]:
    """Return who follows each step of the random graph."""
    after: list[list[int]] = [[] for _ in range(STEPS)]
    for step, before in enumerate(random_dag()):
        for source in before:
            after[source].append(step)
    return after


def base_of(case: str) -> str:
    """Return the graph of a case: a `_sleep` case has that of its quick twin."""
    return case.removesuffix("_sleep")


def steps_in(case: str, n: int = STEPS) -> int:
    """Return how many steps one run of a case has."""
    return {"chain": n, "fanout": n + 1, "dag": STEPS, "diamond": 5 * n}[base_of(case)]


def ideal_seconds(case: str) -> float | None:
    """Return the shortest time a case can take where its steps wait, None where they do not."""
    if case == "fanout_sleep":
        return NAP
    if case != "dag_sleep":
        return None
    ends: list[float] = []
    for nap, before in zip(naps(), random_dag(), strict=True):
        ends.append(nap + max((ends[step] for step in before), default=0.0))
    return max(ends)
