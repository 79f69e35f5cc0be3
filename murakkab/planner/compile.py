"""policy: Workflow -> TaskGraph. Expects a workflow that `planner.check` found no fault with."""

from collections.abc import Mapping
from typing import Any

from murakkab.catalog import Catalog
from murakkab.document import digest
from murakkab.plan import Body, TaskGraph
from murakkab.planner.compositions import expanded
from murakkab.planner.links import linked, ranked
from murakkab.planner.nodes import nodes_of, outputs_of
from murakkab.planner.rewrite import simplify
from murakkab.planner.survey import Survey, survey
from murakkab.spec import Workflow


def compile_workflow(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Any] | None = None) -> TaskGraph:
    """Return the task graph of a checked workflow: needs, streams, conditions, critical-path ranks; rewritten where effects allow.

    Each composition is as it usually is: the first of the numbers that may be chosen holds.
    """
    facts = survey(expanded(workflow), catalog, functions or {})
    outputs, optional = outputs_of(facts.root)
    last = _last(facts)
    kept = frozenset(last.captures) if last else frozenset[str]()
    nodes, outputs, rewrites = simplify(nodes_of(facts.root, facts), outputs, droppable=bool(workflow.outputs), kept=kept)
    return TaskGraph(
        workflow=workflow,
        nodes=ranked(linked(nodes), catalog),
        outputs=outputs,
        optional_outputs=optional,
        finally_=last,
        rewrites=tuple(rewrites),
        digest=digest(workflow),
    )


def _last(facts: Survey) -> Body | None:
    """Return what runs when everything else has ended."""
    frame = facts.finally_
    if frame is None:
        return None
    nodes = ranked(linked(nodes_of(frame, facts, "finally/")), facts.catalog)
    return Body(nodes, captures=frozenset(frame.free.names))
