"""policy: the frames of a workflow - steps that see one another - with who waits for whom and the type of everything in them."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from murakkab.catalog import Capability, Catalog
from murakkab.errors import Path
from murakkab.planner.check_types import Surroundings, type_of
from murakkab.planner.mentions import Mentions, mentions_of, mentions_of_frame
from murakkab.planner.providers import interface_of
from murakkab.planner.rings import groups
from murakkab.spec import Output, Step
from murakkab.types import ANY, BOOL, INT, NULL, STR, Field, Type, list_of

#: How deep blocks and sub-workflows may lie inside of each other.
MAX_NESTING: Final = 20
_SHOWN: Final = 12
#: What keeps its meaning where a step is called so by mistake.
_NO_STEPS: Final = ("inputs", "secrets")


@dataclass(slots=True, eq=False)
class Frame:
    """The steps of a workflow, of a block in it, or of its `finally`; `path` leads to them. Made by `outline` and `fill`, then only read.

    `free`: what is mentioned here and is none of the steps. `sinks`: the steps that no other uses.
    """

    steps: Mapping[str, Step]
    outputs: Mapping[str, Output]
    path: Path
    #: The blocks among the steps.
    inner: "dict[str, Frame]"
    mentions: dict[str, Mentions]
    waits: dict[str, tuple[str, ...]]
    free: Mentions
    sinks: tuple[str, ...]
    #: The type of everything that a step may mention.
    scope: Mapping[str, Type] = field(default_factory=dict)
    #: The same inside of each step: with its loop variables, and `loop` where it is repeated.
    inside: dict[str, Mapping[str, Type]] = field(default_factory=dict)
    #: The type of the result of one task of each step.
    results: dict[str, Type] = field(default_factory=dict)


def outline(steps: Mapping[str, Step], outputs: Mapping[str, Output], path: Path, *, depth: int = 0) -> Frame:
    """Return the frame of *steps*, its types still unknown. What is nested too deep is left out."""
    inner = {
        name: outline(step.block.steps, step.block.outputs, (*path, name, "steps"), depth=depth + 1)
        for name, step in steps.items()
        if step.block is not None and depth < MAX_NESTING
    }
    mentions = {name: mentions_of(step, inner[name].free if name in inner else None) for name, step in steps.items()}
    waits = {name: _waits_for(step, mentions[name], steps) for name, step in steps.items()}
    used = {name for names in waits.values() for name in names}
    free = mentions_of_frame(mentions.values(), (output.value for output in outputs.values()), steps.keys())
    return Frame(steps, outputs, path, inner, mentions, waits, free, tuple(name for name in steps if name not in used))


def _waits_for(step: Step, mentioned: Mentions, steps: Mapping[str, Step]) -> tuple[str, ...]:
    """Return the steps that must be settled before *step* starts, itself left out."""
    named = {*mentioned.hard, *mentioned.soft, *step.after} - {step.name}
    return tuple(sorted(name for name in named if name in steps))


@dataclass(frozen=True, slots=True)
class Known:
    """What the types of results follow from; `parts` are those of the sub-workflows, by their keys."""

    catalog: Catalog
    functions: Mapping[str, Capability]
    parts: Mapping[str, Type] = field(default_factory=dict)


def fill(frame: Frame, around: Mapping[str, Type], known: Known) -> None:
    """Find out the type of everything in *frame*, where the names *around* are known from outside."""
    own: dict[str, Type] = {}
    frame.scope = ChainMap(own, *maps_of(around))
    # A step comes behind all that it waits for; in a ring nothing is known of what comes later.
    for group in groups(frame.waits):
        for name in sorted(group):
            step = frame.steps[name]
            result = frame.results[name] = _result(frame, step, known)
            for _ in step.for_each:
                result = list_of(result)
            if step.optional is not None and step.optional.default is None:
                result = or_null(result)
            if name not in _NO_STEPS:
                own[name] = result


def _result(frame: Frame, step: Step, known: Known) -> Type:
    """Return the type of the result of one task of *step*, and make known what is seen inside of it."""
    bound = _variables(step, frame.scope)
    if step.repeat is not None:
        bound["loop"] = loop_type(ANY)
    frame.inside[step.name] = ChainMap(bound, *maps_of(frame.scope)) if bound else frame.scope
    inner = frame.inner.get(step.name)
    if inner is not None:
        fill(inner, frame.inside[step.name], known)
        result = block_type(inner, step)
    else:
        result = _simple_result(step, known)
    if step.repeat is not None:
        bound["loop"] = loop_type(result)
    return result


def _simple_result(step: Step, known: Known) -> Type:
    if step.approve is not None:
        asked = (Field(name, one.type) for name, one in step.approve.form.items())
        return _record([Field("approved", BOOL), Field("by", STR), *asked])
    if step.wait is not None:
        return NULL if step.wait.event is None else step.wait.type
    if step.workflow:
        return known.parts.get(step.workflow, ANY)
    interface = interface_of(step, known.catalog, known.functions)
    return interface.result if interface else ANY


def _variables(step: Step, scope: Mapping[str, Type]) -> dict[str, Type]:
    """Return the types of the loop variables of *step*; those of one level do not see each other."""
    found: dict[str, Type] = {}
    for loop in step.for_each:
        seen = ChainMap(found, *maps_of(scope)) if found else scope
        level = {name: type_of(over, (), Surroundings(seen, [], is_quiet=True)) for name, over in loop.lists()}
        found |= {name: (of.item or ANY) if of.kind == "list" else ANY for name, of in level.items()}
    return found


def maps_of(scope: Mapping[str, Type]) -> "Iterable[dict[str, Type]]":
    """Return the layers of *scope*, innermost first, to lay another one upon."""
    return scope.maps if isinstance(scope, ChainMap) else (dict(scope),)  # type: ignore[return-value]


def loop_type(result: Type) -> Type:
    """Return the type of `loop` in a step whose rounds give *result*."""
    return Type("record", fields=(Field("index", INT), Field("last", or_null(result)), Field("history", list_of(result))), name="loop")


def block_type(frame: Frame, step: Step | None = None) -> Type:
    """Return the type of what the outputs of *frame* make; without any, of what its sinks give. *step*: the one whose block it is."""
    if step is not None and step.need is not None and not step.for_each:
        return _record([Field(name, frame.scope.get(name, ANY), optional=True) for name in frame.sinks])
    if step is not None and step.block is not None and step.block.gives:
        return _kept_type(frame, step.block.gives)
    if not frame.outputs:
        return _record([Field(name, or_null(frame.scope.get(name, ANY))) for name in frame.sinks])
    return _record([Field(name, output_type(output, frame.scope)) for name, output in frame.outputs.items()])


def _kept_type(frame: Frame, gives: str) -> Type:
    """Return the type of what a composition gives: what keeps one of the candidates need not say which type they have."""
    found = frame.scope.get(gives, ANY)
    candidates = next(
        (frame.scope[name] for name, step in frame.steps.items() if name in frame.scope and step.composed and step.composed.among), ANY
    )
    return candidates.item or ANY if found == ANY and candidates.kind == "list" else found


def _record(fields: list[Field]) -> Type:
    """Messages show what is in a record, unless that is too much."""
    return Type("record", fields=tuple(fields), name=f"record of {len(fields)} fields" if len(fields) > _SHOWN else "")


def output_type(output: Output, scope: Mapping[str, Type]) -> Type:
    """Return the type of *output*: as declared, else that of its value."""
    found = output.type if output.type != ANY else type_of(output.value, (), Surroundings(scope, [], is_quiet=True))
    return or_null(found) if output.optional else found


def or_null(of: Type) -> Type:
    """Return the type of a value that may be null. Even where nothing is known of it, a path into it may lead to nothing."""
    return of if of.kind in ("optional", "null") else Type("optional", of)
