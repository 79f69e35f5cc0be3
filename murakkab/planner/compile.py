"""policy: Workflow -> TaskGraph. Expects a workflow that `planner.check` found no fault with."""

from collections.abc import Mapping
from typing import Any

from murakkab.catalog import Catalog
from murakkab.document import digest
from murakkab.plan import Body, TaskGraph
from murakkab.planner.compositions import expanded, has_compositions
from murakkab.planner.graph_knobs import left_out
from murakkab.planner.links import linked, ranked
from murakkab.planner.nodes import nodes_of, outputs_of
from murakkab.planner.providers import candidates, capability_of
from murakkab.planner.rewrite import simplify
from murakkab.planner.survey import Survey, survey
from murakkab.spec import Step, Workflow


def compile_workflow(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Any] | None = None) -> TaskGraph:
    """Return the task graph of a checked workflow: needs, streams, conditions, critical-path ranks; rewritten where effects allow.

    Each composition is as it usually is: the first of the numbers that may be chosen holds.
    """
    facts = survey(expanded(workflow), catalog, functions or {})
    outputs, optional = outputs_of(facts.root)
    last = _last(facts)
    gone = left_out(workflow) if has_compositions(workflow) else ()
    kept = frozenset(last.captures) if last else frozenset[str]()
    nodes, outputs, rewrites = simplify(nodes_of(facts.root, facts), outputs, droppable=bool(workflow.outputs), kept=kept)
    return TaskGraph(
        workflow=workflow,
        nodes=ranked(linked(nodes), catalog),
        outputs=outputs,
        optional_outputs=optional,
        finally_=last,
        rewrites=(*(f"{name} is left out" for name, _ in gone), *rewrites),
        left_out=tuple(name for name, step in gone if _is_rated(step, catalog)),
        digest=digest(workflow),
    )


def _is_rated(step: Step, catalog: Catalog) -> bool:
    """Return whether anything is known of the quality that a step, or one inside of it, would have had."""
    inner = step.block.steps.values() if step.block is not None else ()
    cards = candidates(capability_of(step), step.executor, catalog)
    return any(card.quote.quality is not None for card in cards) or any(_is_rated(one, catalog) for one in inner)


def _last(facts: Survey) -> Body | None:
    """Return what runs when everything else has ended."""
    frame = facts.finally_
    if frame is None:
        return None
    nodes = ranked(linked(nodes_of(frame, facts, "finally/")), facts.catalog)
    return Body(nodes, captures=frozenset(frame.free.names))
