"""policy: changes to the graph that provably keep its effects and its outputs. Each is told in words, for `murakkab plan` and `show`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter

from murakkab.expressions import names_in
from murakkab.plan import Node, Stream
from murakkab.references import map_refs, refs_in
from murakkab.spec import Expr, Loop, OnError, Ref


def simplify(
    nodes: Mapping[str, Node], outputs: Mapping[str, Expr], *, droppable: bool
) -> tuple[dict[str, Node], dict[str, Expr], list[str]]:
    """Return nodes and outputs with identical free steps merged and (if *droppable*) unused free steps dropped, and what was done."""
    merged, new_outputs, said = _merge(dict(nodes), dict(outputs))
    if droppable:
        merged, dropped = _drop_unused(merged, new_outputs)
        said += dropped
    return merged, new_outputs, said


def _merge(nodes: dict[str, Node], outputs: dict[str, Expr]) -> tuple[dict[str, Node], dict[str, Expr], list[str]]:
    """Let one step stand for every identical one. Merging two can make their consumers identical: those come later."""
    seen: dict[str, str] = {}
    twins: dict[str, str] = {}
    merged: dict[str, Node] = {}
    # A condition is compiled with its names in it: what it mentions keeps its name.
    mentioned = {name for node in nodes.values() if node.condition_source for name in names_in(node.condition_source)}
    sorter = TopologicalSorter({name: tuple(_wanted_by(node)) for name, node in nodes.items()})
    for name in sorter.static_order():
        node = merged[name] = _renamed(nodes[name], twins) if twins else nodes[name]
        kept = seen.setdefault(_likeness(node), name) if node.effect.is_free else name
        if kept != name and name not in mentioned:
            twins[name] = kept
    outputs = {name: _rename(expr, twins) for name, expr in outputs.items()}
    said = [f"{name} is the same call as {kept}: runs once" for name, kept in twins.items()]
    return {name: merged[name] for name in nodes if name not in twins}, outputs, said


def _likeness(node: Node) -> str:
    """Everything that decides what the step does; two steps of the same likeness do the same."""
    parts = replace(node, name="", rank=0.0, needs=tuple(sorted(node.needs)), consumers=(), feeds=(), condition=None)
    return json.dumps([_canonical(getattr(parts, field)) for field in parts.__slots__])


def _canonical(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _canonical(value[key]) for key in sorted(value)}
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return repr(value)


def _renamed(node: Node, twins: Mapping[str, str]) -> Node:
    def kept(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(twins.get(name, name) for name in names))

    stream = node.stream
    strict = {twins.get(name, name) for name in node.needs if name not in node.tolerant}
    return replace(
        node,
        with_={name: _rename(expr, twins) for name, expr in node.with_.items()},
        knobs={name: _rename(expr, twins) for name, expr in node.knobs.items()},
        loops=tuple(Loop(loop.name, _rename(loop.over, twins)) for loop in node.loops),
        stream=Stream(twins.get(stream.source, stream.source), stream.rest) if stream else None,
        needs=kept(node.needs),
        tolerant=frozenset(twins.get(name, name) for name in node.tolerant) - strict,
        on_error=OnError(node.on_error.action, _rename(node.on_error.default, twins), node.on_error.fallback),
    )


def _rename(expr: Expr, twins: Mapping[str, str]) -> Expr:
    return map_refs(expr, lambda ref: Ref(twins.get(ref.source, ref.source), ref.path))


def _drop_unused(nodes: dict[str, Node], outputs: Mapping[str, Expr]) -> tuple[dict[str, Node], list[str]]:
    """Keep what an output or a step with an effect depends on."""
    wanted = [ref.source for expr in outputs.values() for ref in refs_in(expr) if ref.source in nodes]
    wanted += [name for name, node in nodes.items() if not node.effect.is_free]
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept.add(name)
            wanted.extend(_wanted_by(nodes[name]))
    said = [f"{name} is dropped: nothing uses its result and it has no effect" for name in nodes if name not in kept]
    return {name: node for name, node in nodes.items() if name in kept}, said


def _wanted_by(node: Node) -> Iterator[str]:
    yield from node.needs
    if node.stream:
        yield node.stream.source
