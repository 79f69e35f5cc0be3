"""policy: Workflow -> TaskGraph. Expects a workflow that `planner.check` found no fault with."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import Any

from murakkab.catalog import Catalog, ExecutorCard
from murakkab.document import digest
from murakkab.expressions import compile_condition
from murakkab.plan import Node, Stream, TaskGraph
from murakkab.planner.forgive import forgiven, forgiven_expr
from murakkab.planner.rewrite import simplify
from murakkab.planner.survey import capability_of, survey
from murakkab.references import refs_in
from murakkab.spec import WILD, Effect, Expr, First, Ref, Rescue, Step, Workflow
from murakkab.types import ANY, Type

#: Assumed seconds of a step about which no executor says anything.
ASSUMED_SECONDS = 1.0


def compile_workflow(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Any] | None = None) -> TaskGraph:
    """Return the task graph of a checked workflow: needs, streams, conditions, critical-path ranks; rewritten where effects allow."""
    scope = survey(workflow, catalog, functions or {}).scope
    order = {name: i for i, name in enumerate(workflow.steps)}
    nodes = {
        name: _node(forgiven(step, scope), workflow, catalog, result=scope.get(name, ANY), order=order)
        for name, step in workflow.steps.items()
    }
    outputs = {name: forgiven_expr(output.value, scope) for name, output in workflow.outputs.items()}
    if not outputs:
        outputs = {name: Ref(name) for name in _sinks(nodes)}
    optional = frozenset(name for name, output in workflow.outputs.items() if output.optional) if workflow.outputs else frozenset(outputs)
    nodes, outputs, rewrites = simplify(nodes, outputs, droppable=bool(workflow.outputs))
    return TaskGraph(
        workflow=workflow,
        nodes=_ranked(_linked(nodes), catalog),
        outputs=outputs,
        optional_outputs=optional,
        rewrites=tuple(rewrites),
        digest=digest(workflow),
    )


def _sinks(nodes: Mapping[str, Node]) -> list[str]:
    consumed = {need for node in nodes.values() for need in (*node.needs, *([node.stream.source] if node.stream else ()))}
    return [name for name in nodes if name not in consumed]


def _node(step: Step, workflow: Workflow, catalog: Catalog, *, result: Type, order: Mapping[str, int]) -> Node:
    stream = _stream(step, workflow)
    condition, names = _condition(step)
    hard, soft = _sources(step, workflow, skip_first_loop=stream is not None)
    hard |= {name for name in names if name in workflow.steps}
    needs = tuple(sorted(hard | soft | set(step.after), key=order.__getitem__))
    return Node(
        name=step.name,
        uses=capability_of(step),
        call=step.call,
        with_=dict(step.with_),
        loops=step.for_each,
        stream=stream,
        max_parallel=step.max_parallel,
        condition=condition,
        condition_source=step.when,
        needs=needs,
        tolerant=frozenset(needs) - hard,
        retry=step.retry,
        timeout=step.timeout,
        on_error=step.on_error,
        cache=step.cache,
        effect=effect_of(step, catalog),
        executor=step.executor,
        knobs=dict(step.knobs),
        result=element_type(result, len(step.for_each)),
    )


def element_type(result: Type, levels: int) -> Type:
    """Return the type of one task's result, given that of its step and the levels of its loop."""
    for _ in range(levels):
        result = result.item if result.kind == "list" and result.item is not None else ANY
    return result


def _condition(step: Step) -> tuple[Callable[[Mapping[str, Any]], bool] | None, set[str]]:
    if not step.when:
        return None, set()
    condition = compile_condition(step.when)
    return condition.evaluate, set(condition.names)


def _stream(step: Step, workflow: Workflow) -> Stream | None:
    """A loop over the results of another single-level loop can take them one by one instead of waiting for all."""
    over = step.for_each[0].over if step.for_each else None
    if not isinstance(over, Ref) or (over.path and over.path[0] is not WILD):
        return None
    source = workflow.steps.get(over.source)
    return Stream(over.source, over.path[1:]) if source is not None and len(source.for_each) == 1 else None


def _sources(step: Step, workflow: Workflow, *, skip_first_loop: bool) -> tuple[set[str], set[str]]:
    """Return the steps whose being skipped skips this one, and those that stand inside `$first` alone."""
    loops = step.for_each[1:] if skip_first_loop else step.for_each
    exprs: list[Expr] = [*step.with_.values(), *step.knobs.values(), *(loop.over for loop in loops)]
    soft = {ref.source for expr in _firsts(exprs) for ref in refs_in(expr)}
    hard = {ref.source for expr in exprs for ref in _refs_outside_first(expr)}
    if step.on_error.action is Rescue.DEFAULT:
        soft |= {ref.source for ref in refs_in(step.on_error.default)}
    variables = {loop.name for loop in step.for_each}
    hard = {name for name in hard - variables if name in workflow.steps}
    return hard, {name for name in soft - hard - variables if name in workflow.steps}


def _refs_outside_first(expr: Expr) -> Iterator[Ref]:
    if isinstance(expr, First):
        return
    if isinstance(expr, Mapping):
        for inner in expr.values():
            yield from _refs_outside_first(inner)
    elif isinstance(expr, list):
        for inner in expr:
            yield from _refs_outside_first(inner)
    else:
        yield from refs_in(expr)


def _firsts(exprs: list[Expr]) -> Iterator[First]:
    agenda = list(exprs)
    while agenda:
        expr = agenda.pop()
        if isinstance(expr, First):
            yield expr
        elif isinstance(expr, Mapping):
            agenda.extend(expr.values())
        elif isinstance(expr, list):
            agenda.extend(expr)


def effect_of(step: Step, catalog: Catalog) -> Effect:
    """Return the declared effect, else the worst among the executors that may be chosen or fallen back to; unknown code may write."""
    if step.effect is not None:
        return step.effect
    cards = list(candidates(capability_of(step), step.executor, catalog))
    if step.on_error.fallback in catalog.executors:
        cards.append(catalog.executors[step.on_error.fallback])
    order = list(Effect)
    return max((card.effect for card in cards), key=order.index, default=Effect.WRITE)


def candidates(capability: str, pinned: str, catalog: Catalog) -> tuple[ExecutorCard, ...]:
    """Return the executors that may do a step: the pinned one, else every provider of its capability."""
    if pinned:
        card = catalog.executors.get(pinned)
        return (card,) if card is not None else ()
    return catalog.providers(capability)


def _linked(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Return the nodes in topological order, each knowing its consumers and the maps it feeds."""
    consumers: dict[str, list[str]] = {name: [] for name in nodes}
    feeds: dict[str, list[str]] = {name: [] for name in nodes}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, node in nodes.items():
        for need in node.needs:
            consumers[need].append(name)
        if node.stream:
            feeds[node.stream.source].append(name)
        sorter.add(name, *node.needs, *([node.stream.source] if node.stream else ()))
    return {name: replace(nodes[name], consumers=tuple(consumers[name]), feeds=tuple(feeds[name])) for name in sorter.static_order()}


def _ranked(nodes: Mapping[str, Node], catalog: Catalog) -> dict[str, Node]:
    """Return the nodes with their rank: expected seconds from their start to the end of the job, along the longest path."""
    ranks: dict[str, float] = {}
    for name, node in reversed(list(nodes.items())):
        quotes = [card.quote.seconds for card in candidates(node.uses, node.executor, catalog)]
        own = min(quotes, default=ASSUMED_SECONDS)
        ranks[name] = own + max((ranks[after] for after in (*node.consumers, *node.feeds)), default=0.0)
    return {name: replace(node, rank=ranks[name]) for name, node in nodes.items()}
