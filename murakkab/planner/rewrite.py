"""policy: changes to the graph that provably keep its effects and its outputs. Each is told in words, for `murakkab plan` and `show`."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter

from murakkab.expressions import names_in
from murakkab.plan import Node, Stream
from murakkab.references import map_refs, refs_in
from murakkab.spec import Approve, Expr, Loop, OnError, Ref, Wait


def simplify(
    nodes: Mapping[str, Node], outputs: Mapping[str, Expr], *, droppable: bool, kept: frozenset[str] = frozenset()
) -> tuple[dict[str, Node], dict[str, Expr], list[str]]:
    """Return nodes and outputs with identical free steps merged and (if *droppable*) unused free steps dropped, and what was done.

    Only steps of the workflow itself are changed, not those inside of them. Those *kept* are used from elsewhere under their names.
    """
    merged, new_outputs, said = _merge(dict(nodes), dict(outputs), kept)
    if droppable:
        left = used_of(merged, new_outputs, kept)
        said += [f"{name} is dropped: nothing uses its result and it has no effect" for name in merged if name not in left]
        merged = left
    return merged, new_outputs, said


def _merge(nodes: dict[str, Node], outputs: dict[str, Expr], keep: frozenset[str]) -> tuple[dict[str, Node], dict[str, Expr], list[str]]:
    """Let one step stand for every identical one. Merging two can make their consumers identical: those come later."""
    seen: dict[str, str] = {}
    twins: dict[str, str] = {}
    merged: dict[str, Node] = {}
    mentioned = keep.union(*map(_named_for_good, nodes.values()))
    sorter = TopologicalSorter({name: tuple(_wanted_by(node)) for name, node in nodes.items()})
    for name in sorter.static_order():
        node = merged[name] = _renamed(nodes[name], twins) if twins else nodes[name]
        kept = seen.setdefault(_likeness(node), name) if node.effect.is_free and node.is_plain else name
        if kept != name and name not in mentioned:
            twins[name] = kept
    outputs = {name: renamed(expr, twins) for name, expr in outputs.items()}
    said = [f"{name} is the same call as {kept}: runs once" for name, kept in twins.items()]
    return {name: merged[name] for name in nodes if name not in twins}, outputs, said


def _named_for_good(node: Node) -> Iterable[str]:
    """Yield the names that a compiled condition mentions or that the inside of *node* captures: they cannot be replaced."""
    for condition in (node.condition_source, node.again.until_source if node.again else ""):
        if condition:
            yield from names_in(condition)
    if node.body is not None:
        yield from node.body.captures


def _likeness(node: Node) -> str:
    """Everything that decides what the step does; two steps of the same likeness do the same."""
    parts = replace(node, name="", path="", rank=0.0, needs=tuple(sorted(node.needs)), consumers=(), opens=(), feeds=(), condition=None)
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
        with_={name: renamed(expr, twins) for name, expr in node.with_.items()},
        knobs={name: renamed(expr, twins) for name, expr in node.knobs.items()},
        loops=tuple(_renamed_loop(loop, twins) for loop in node.loops),
        approve=node.approve and Approve(renamed(node.approve.message, twins), node.approve.form),
        wait=node.wait and _renamed_wait(node.wait, twins),
        stream=Stream(twins.get(stream.source, stream.source), stream.rest) if stream else None,
        needs=kept(node.needs),
        tolerant=frozenset(twins.get(name, name) for name in node.tolerant) - strict,
        on_error=OnError(node.on_error.action, renamed(node.on_error.default, twins), node.on_error.fallback),
    )


def _renamed_loop(loop: Loop, twins: Mapping[str, str]) -> Loop:
    return Loop(loop.name, renamed(loop.over, twins), {name: renamed(over, twins) for name, over in loop.beside.items()})


def _renamed_wait(wait: Wait, twins: Mapping[str, str]) -> Wait:
    return Wait(renamed(wait.seconds, twins), renamed(wait.until, twins), renamed(wait.event, twins), wait.type)


def renamed(expr: Expr, twins: Mapping[str, str]) -> Expr:
    """Return *expr* with references to what is called otherwise now: *twins* are the new names by the old ones."""
    return map_refs(expr, lambda ref: Ref(twins.get(ref.source, ref.source), ref.path))


def used_of(nodes: Mapping[str, Node], outputs: Mapping[str, Expr], kept: frozenset[str] = frozenset()) -> dict[str, Node]:
    """Return those of *nodes* that are used - by *outputs*, under the names *kept* - or have an effect, and all that these depend on."""
    used = kept.union(ref.source for expr in outputs.values() for ref in refs_in(expr))
    wanted = [name for name in nodes if name in used]
    wanted += [name for name, node in nodes.items() if not node.effect.is_free]
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted.extend(_wanted_by(nodes[name]))
    return {name: node for name, node in nodes.items() if name in found}


def _wanted_by(node: Node) -> Iterator[str]:
    yield from node.needs
    if node.stream:
        yield node.stream.source
