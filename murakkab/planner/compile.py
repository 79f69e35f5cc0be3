"""policy: Workflow -> TaskGraph. Expects a workflow that `planner.check` found no fault with."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from murakkab.catalog import Catalog, ExecutorCard
from murakkab.document import digest
from murakkab.plan import Body, Node, TaskGraph
from murakkab.planner.compositions import alone, expanded, has_compositions
from murakkab.planner.graph_knobs import all_done, left_out
from murakkab.planner.links import linked, ranked
from murakkab.planner.nodes import nodes_of, outputs_of
from murakkab.planner.providers import candidates
from murakkab.planner.rewrite import simplify, used_of
from murakkab.planner.survey import Survey, survey
from murakkab.spec import Workflow


def compile_workflow(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Any] | None = None) -> TaskGraph:
    """Return the task graph of a checked workflow: needs, streams, conditions, critical-path ranks; rewritten where effects allow.

    Each composition is as it usually is: the first of the numbers that may be chosen holds.
    """
    facts = survey(expanded(workflow), catalog, functions or {})
    found, outputs, optional = nodes_of(facts.root, facts), *outputs_of(facts.root)
    last = _last(facts)
    gone = left_out(workflow) if has_compositions(workflow) else ()
    kept = frozenset(last.captures) if last else frozenset[str]()
    missing = _missing(workflow, catalog, functions or {}) if gone else {}
    nodes, outputs, rewrites = simplify(found, outputs, droppable=bool(workflow.outputs), kept=kept)
    return TaskGraph(
        workflow=workflow,
        nodes=ranked(linked(nodes), catalog),
        outputs=outputs,
        optional_outputs=optional,
        finally_=last,
        rewrites=(*(f"{name} is left out" for name in gone), *rewrites),
        left_out=tuple(path for path, cards in missing.items() if _is_rated(cards)),
        unrated={path: tuple((card.name, card.version) for card in cards) for path, cards in missing.items() if not _is_rated(cards)},
        digest=digest(workflow),
    )


def _missing(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Any]) -> dict[str, tuple[ExecutorCard, ...]]:
    """Return who would do the steps that are missing, by path: those left out, inside of it, only for it.

    Each composition counts as the one step that it is.
    """
    there, complete = [dict(_done(survey(expanded(one, alone), catalog, functions))) for one in (workflow, all_done(workflow))]
    return {path: cards for path, cards in complete.items() if path not in there}


def _is_rated(cards: Iterable[ExecutorCard]) -> bool:
    return any(card.quote.quality is not None for card in cards)


def _done(facts: Survey) -> Iterator[tuple[str, tuple[ExecutorCard, ...]]]:
    """Yield the paths of the steps that may have a quality, and who may do them. Of identical ones each counts, though done once."""
    nodes, last = nodes_of(facts.root, facts), _last(facts)
    if facts.workflow.outputs:
        nodes = used_of(nodes, outputs_of(facts.root)[0], frozenset(last.captures if last else ()))
    agenda: list[Node] = [*nodes.values(), *(last.nodes.values() if last else ())][::-1]
    while agenda:
        node = agenda.pop()
        if node.body is not None:
            agenda.extend([*node.body.nodes.values()][::-1])
        elif node.is_plain and not node.only_helps:
            yield node.path, candidates(node.uses, node.executor, facts.catalog)


def _last(facts: Survey) -> Body | None:
    """Return what runs when everything else has ended."""
    frame = facts.finally_
    if frame is None:
        return None
    nodes = ranked(linked(nodes_of(frame, facts, "finally/")), facts.catalog)
    return Body(nodes, captures=frozenset(frame.free.names))
