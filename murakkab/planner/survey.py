"""policy: what is known of a workflow before any of it is judged - its frames and their types, and the sub-workflows that it uses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from murakkab.catalog import Capability, Catalog
from murakkab.planner.frames import MAX_NESTING, Frame, Known, block_type, fill, or_null, outline
from murakkab.planner.providers import effect_of, is_plain, worst
from murakkab.spec import Effect, Step, Workflow
from murakkab.types import STR, Field, Type, list_of

_FAILURE = Type("record", fields=tuple(Field(name, STR) for name in ("task", "reason", "message")), name="failure")
#: What steps of `finally` know of the job that has ended.
JOB = Type("record", fields=(Field("status", STR), Field("failures", list_of(_FAILURE))), name="job")


class Measures(NamedTuple):
    """How large something is when it is compiled, how deep it is nested, and the worst that it may do to the world.

    `harm` leaves aside approvals and waits, which do nothing and yet must not be left out.
    """

    nodes: int = 1
    height: int = 0
    effect: Effect = Effect.PURE
    harm: Effect = Effect.PURE


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A workflow with what it is checked against. `parts`: its sub-workflows by key, but for `cyclic` ones, which contain themselves."""

    workflow: Workflow
    catalog: Catalog
    functions: Mapping[str, Capability]
    root: Frame
    finally_: Frame | None
    parts: "Mapping[str, Survey]"
    cyclic: tuple[str, ...]
    result: Type
    measures: Measures


@dataclass(slots=True)
class _Surveyor:
    """Looks at each definition once, however often it is used."""

    catalog: Catalog
    functions: Mapping[str, Capability]
    #: By the identity of the definition; None while it is looked at.
    done: dict[int, Survey | None] = field(default_factory=dict)

    def survey(self, workflow: Workflow, depth: int) -> Survey:
        """Return what is known of *workflow*; what it uses beyond the allowed nesting is left out."""
        self.done[id(workflow)] = None
        parts: dict[str, Survey] = {}
        cyclic: list[str] = []
        for key, definition in workflow.workflows.items():
            if depth >= MAX_NESTING:
                continue
            found = self.done[id(definition)] if id(definition) in self.done else self.survey(definition, depth + 1)
            if found is None:
                cyclic.append(key)
            else:
                parts[key] = found
        made = self.done[id(workflow)] = self._put_together(workflow, parts, tuple(cyclic))
        return made

    def _put_together(self, workflow: Workflow, parts: Mapping[str, Survey], cyclic: tuple[str, ...]) -> Survey:
        known = Known(self.catalog, self.functions, {key: part.result for key, part in parts.items()})
        root = outline(workflow.steps, workflow.outputs, ("steps",))
        around = surroundings_of(workflow)
        fill(root, around, known)
        last = None
        if workflow.finally_:
            last = outline(workflow.finally_, {}, ("finally",))
            settled = {name: or_null(root.scope[name]) for name in root.steps}
            fill(last, {**settled, **around, "job": JOB}, known)
        measures = joined(measures_of(frame, parts, self.catalog) for frame in (root, last) if frame is not None)
        if len(parts) + len(cyclic) < len(workflow.workflows):
            measures = measures._replace(height=MAX_NESTING + 1)
        return Survey(workflow, self.catalog, self.functions, root, last, parts, cyclic, block_type(root), measures)


def survey(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> Survey:
    """Return what is known of *workflow*. Each sub-workflow is looked at once."""
    return _Surveyor(catalog, functions).survey(workflow, 0)


def surroundings_of(workflow: Workflow) -> dict[str, Type]:
    """Return the types of `inputs` and `secrets`."""
    inputs = Type("record", fields=tuple(Field(name, one.type) for name, one in workflow.inputs.items()), name="inputs")
    secrets = Type("record", fields=tuple(Field(name, STR) for name in workflow.secrets), name="secrets")
    return {"inputs": inputs, "secrets": secrets}


def measures_of(frame: Frame, parts: Mapping[str, Survey], catalog: Catalog) -> Measures:
    """Return the measures of everything in *frame*."""
    return joined(measures_of_step(step, frame, parts, catalog) for step in frame.steps.values())


def measures_of_step(step: Step, frame: Frame, parts: Mapping[str, Survey], catalog: Catalog) -> Measures:
    """Return the measures of *step* with everything inside of it."""
    if is_plain(step):
        effect = effect_of(step, catalog)
        return Measures(1 if step.repeat is None else 2, 0, effect, effect)
    if step.block is not None:
        inner = frame.inner.get(step.name)
        found = measures_of(inner, parts, catalog) if inner else Measures(height=MAX_NESTING + 1)
    elif step.workflow:
        part = parts.get(step.workflow)
        found = part.measures if part else Measures()
    else:
        return Measures(effect=Effect.WRITE)
    return found._replace(nodes=found.nodes + 1, height=found.height + 1)


def joined(found: Iterable[Measures]) -> Measures:
    """Return the measures of what has all these parts."""
    parts = list(found)
    height = max((one.height for one in parts), default=0)
    effect, harm = worst(*(one.effect for one in parts)), worst(*(one.harm for one in parts))
    return Measures(sum(one.nodes for one in parts), height, effect, harm)
