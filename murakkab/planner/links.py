"""policy: how nodes hang together - their order, who waits for them, and how long the way from each to the end of the job is."""

from collections.abc import Mapping
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import Final

from murakkab.catalog import Catalog
from murakkab.plan import Node
from murakkab.planner.providers import candidates

#: Assumed seconds of a step about which no executor says anything.
ASSUMED_SECONDS: Final = 1.0


def linked(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Return the nodes in topological order, each knowing its consumers and the maps it feeds."""
    consumers: dict[str, list[str]] = {name: [] for name in nodes}
    opens: dict[str, list[str]] = {name: [] for name in nodes}
    feeds: dict[str, list[str]] = {name: [] for name in nodes}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, node in nodes.items():
        for need in node.needs:
            consumers[need].append(name)
            if need not in node.late:
                opens[need].append(name)
        if node.stream:
            feeds[node.stream.source].append(name)
        sorter.add(name, *node.needs, *([node.stream.source] if node.stream else ()))
    return {
        name: replace(nodes[name], consumers=tuple(consumers[name]), opens=tuple(opens[name]), feeds=tuple(feeds[name]))
        for name in sorter.static_order()
    }


def ranked(nodes: Mapping[str, Node], catalog: Catalog, tail: float = 0.0) -> dict[str, Node]:
    """Return the nodes with their rank: expected seconds from their start to the end of the job, along the longest path.

    *tail* is how long it takes from the end of these nodes to that of the job.
    """
    own = {name: _seconds(node, catalog) for name, node in nodes.items()}
    ranks = _ways(nodes, own)
    found: dict[str, Node] = {}
    for name, node in nodes.items():
        rank, body = ranks[name] + tail, node.body
        if body is not None:
            body = replace(body, nodes=ranked(body.nodes, catalog, rank - own[name]))
        found[name] = replace(node, rank=rank, body=body)
    return found


def _ways(nodes: Mapping[str, Node], own: Mapping[str, float]) -> dict[str, float]:
    """Return how long it takes from the start of each of the *nodes*, in topological order, to the end of them all."""
    ways: dict[str, float] = {}
    for name, node in reversed(list(nodes.items())):
        ways[name] = own[name] + max((ways[after] for after in (*node.consumers, *node.feeds)), default=0.0)
    return ways


def _seconds(node: Node, catalog: Catalog) -> float:
    """Return how long *node* is expected to take. A loop with an end is expected to stop half-way."""
    if node.body is not None:
        inside = _ways(node.body.nodes, {name: _seconds(inner, catalog) for name, inner in node.body.nodes.items()})
        rounds = 1 if node.again is None else (node.again.at_most + 1) // 2
        return max(inside.values(), default=0.0) * rounds
    if node.wait is not None and isinstance(node.wait.seconds, int | float):
        return float(node.wait.seconds)
    quotes = [card.quote.seconds for card in candidates(node.uses, node.executor, catalog)] if node.is_plain else ()
    return min(quotes, default=ASSUMED_SECONDS)
