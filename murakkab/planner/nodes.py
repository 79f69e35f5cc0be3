"""policy: the steps of a frame -> nodes, those inside of blocks, sub-workflows and loops included."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from murakkab.expressions import compile_condition, names_in
from murakkab.plan import Again, Body, Node, Stream
from murakkab.planner.forgive import forgiven, forgiven_expr
from murakkab.planner.frames import Frame
from murakkab.planner.links import linked
from murakkab.planner.mentions import mentions_of, work_of
from murakkab.planner.providers import capability_of, effect_of, interface_of, is_plain, worst
from murakkab.planner.survey import Survey
from murakkab.references import refs_in
from murakkab.spec import WILD, Composed, Effect, Expr, OnError, Ref, Repeat, Rescue, Step


def nodes_of(
    frame: Frame, facts: Survey, prefix: str = "", late: Iterable[str] = (), composed: tuple[Composed, ...] = ()
) -> dict[str, Node]:
    """Return a node for each step of *frame*, in the order of the declaration, their paths behind *prefix*.

    *late*: steps around the frame that those inside wait for by themselves. *composed*: the compositions that the frame is a part of.
    """
    order = {name: i for i, name in enumerate((*late, *frame.steps))}
    found: dict[str, Node] = {}
    for name, step in frame.steps.items():
        own = () if step.composed is None else (_placed(step, step.composed, frame, facts, prefix),)
        found[name] = _node(forgiven(step, frame), _At(frame, facts, prefix + name, order, (*own, *composed)))
    return found


def _placed(step: Step, one: Composed, frame: Frame, facts: Survey, prefix: str) -> Composed:
    """Return *one* with the judge as it is called in the whole graph; results of several steps are alike where none of these can vary."""
    work = step
    if one.rounds and step.block is not None:
        work, frame = step.block.steps[step.block.gives], frame.inner[step.name]
    alike = one.alike and (is_plain(work) or _is_fixed(work, frame, facts))
    return replace(one, judge=one.judge and f"{prefix}{one.judge}", alike=alike)


def _is_fixed(step: Step, frame: Frame, facts: Survey) -> bool:
    """Return whether *step* gives the same for the same inputs, whoever does it: it does nothing to the world, or its result is kept."""
    inner = frame.inner.get(step.name)
    if inner is not None:
        return all(_is_fixed(one, inner, facts) for one in inner.steps.values())
    if step.workflow:
        part = facts.parts[step.workflow]
        return all(_is_fixed(one, part.root, part) for one in part.root.steps.values())
    return is_plain(step) and (step.cache is not None or effect_of(step, facts.catalog) is Effect.PURE)


def outputs_of(frame: Frame) -> tuple[dict[str, Expr], frozenset[str]]:
    """Return the outputs of *frame* and which of them may be missing: those declared, else its sinks, none of which must be there."""
    if not frame.outputs:
        return {name: Ref(name) for name in frame.sinks}, frozenset(frame.sinks)
    outputs = {name: forgiven_expr(output.value, frame.scope) for name, output in frame.outputs.items()}
    return outputs, frozenset(name for name, output in frame.outputs.items() if output.optional)


@dataclass(frozen=True, slots=True)
class _At:
    """Where a step stands: its frame, the workflow of that, its path in the whole graph, and the order of what it may wait for."""

    frame: Frame
    facts: Survey
    path: str
    order: Mapping[str, int]
    composed: tuple[Composed, ...] = ()


def _node(step: Step, at: _At) -> Node:
    shell = _shell(step, at)
    if not is_plain(step):
        return Node(step.name, "", **_composite(step, at, _inside(step, shell["needs"])), **shell)
    if step.repeat is None:
        return Node(step.name, capability_of(step), on_error=step.on_error, **_plain(step, at), **shell)
    fallback = step.on_error.action is Rescue.FALLBACK
    inner = Node(
        step.name,
        capability_of(step),
        path=at.path,
        result=at.frame.results[step.name],
        composed=at.composed,
        on_error=step.on_error if fallback else OnError(),
        **_plain(step, at),
    )
    body = Body({step.name: inner}, only=step.name, captures=_captured(step, step.repeat))
    shell["on_error"] = OnError() if fallback else step.on_error
    return Node(step.name, "", body=body, again=_again(step.repeat), effect=inner.effect, **shell)


def _shell(step: Step, at: _At) -> dict[str, Any]:
    """Return what does not depend on the kind of work: when, for what and after whom it is done."""
    stream = _stream(step, at)
    mentioned = at.frame.mentions[step.name] if stream is None else _awaited(step, at)
    order = at.order
    hard = {name for name in mentioned.hard if name in order}
    needs = tuple(sorted(hard.union(step.after, (name for name in mentioned.soft if name in order)), key=order.__getitem__))
    inside, late = _inside(step, needs), frozenset[str]()
    if step.timeout is None:
        # The time of a block that has a limit runs from its beginning: it begins when all is there.
        late = inside - mentions_of(step).soft - set(step.after)
    condition = compile_condition(step.when).evaluate if step.when else None
    return {
        "path": at.path,
        "loops": step.for_each,
        "stream": stream,
        "max_parallel": step.max_parallel,
        "need": step.need if step.for_each else None,
        "condition": condition,
        "condition_source": step.when,
        "needs": needs,
        "late": late,
        # Where one was skipped that only steps inside use, these are, and not all of the block.
        "tolerant": (frozenset(needs) - hard) | inside,
        "result": at.frame.results[step.name],
        "composed": at.composed,
    }


def _inside(step: Step, needs: Iterable[str]) -> frozenset[str]:
    """Return those of its *needs* that a block can do without: the steps inside of it use them, or it only comes after them."""
    return frozenset(needs) - mentions_of(step).hard if step.block is not None else frozenset()


def _awaited(step: Step, at: _At) -> Any:
    inner = at.frame.inner.get(step.name)
    return mentions_of(step, inner.free if inner else None, skip_first_list=True)


def _plain(step: Step, at: _At) -> dict[str, Any]:
    interface = interface_of(step, at.facts.catalog, at.facts.functions)
    return {
        "call": step.call,
        "with_": dict(step.with_),
        "knobs": dict(step.knobs),
        "executor": step.executor,
        "prefer": step.prefer,
        "retry": step.retry,
        "timeout": step.timeout,
        "cache": step.cache,
        "effect": effect_of(step, at.facts.catalog),
        # Others go over the list that a loop gives: the elements of one of its results are none of that.
        "streams": interface is not None and interface.streams and not step.for_each,
        "has_secrets": any(ref.source == "secrets" for expr in step.with_.values() for ref in refs_in(expr)),
    }


def _composite(step: Step, at: _At, inside: frozenset[str]) -> dict[str, Any]:
    """Return the work of a step that no executor does; *inside*: the steps around it that only those inside of it may use."""
    found: dict[str, Any] = {"on_error": step.on_error, "timeout": step.timeout, "effect": Effect.WRITE}
    if step.approve is not None:
        return found | {"approve": step.approve}
    if step.wait is not None:
        return found | {"wait": step.wait}
    if step.block is not None:
        used = inside & at.frame.inner[step.name].free.names
        body = _block(step, at, sorted(used, key=at.order.__getitem__))
    else:
        body = _sub_workflow(at.facts.parts[step.workflow], at)
        found |= {"with_": dict(step.with_), "timeout": _shorter(step.timeout, at.facts.parts[step.workflow].workflow.timeout)}
    again = None if step.repeat is None else _again(step.repeat)
    return found | {"body": body, "again": again, "effect": worst(*(node.effect for node in body.nodes.values()))}


def _block(step: Step, at: _At, late: Sequence[str]) -> Body:
    inner = at.frame.inner[step.name]
    stand_ins = {name: Node(name, "", path=f"{at.path}/{name}", is_late=True) for name in late}
    nodes = linked({**stand_ins, **nodes_of(inner, at.facts, f"{at.path}/", late, at.composed)})
    stand_ins = {name: nodes.pop(name) for name in late}
    need = None if step.for_each else step.need
    gives = "" if step.block is None else step.block.gives
    outputs, optional = ({}, frozenset[str]()) if need or gives else outputs_of(inner)
    own = {"loop"} if step.repeat else set[str]()
    captures = inner.free.names | (names_in(step.repeat.until) - {"result"} if step.repeat else set())
    return Body(nodes, stand_ins, outputs, optional, captures=frozenset(captures - own), gives=gives, need=need, sinks=inner.sinks)


def _sub_workflow(part: Survey, at: _At) -> Body:
    outputs, optional = outputs_of(part.root)
    declared = part.workflow
    return Body(
        linked(nodes_of(part.root, part, f"{at.path}/", composed=at.composed)),
        outputs=outputs,
        optional_outputs=optional,
        inputs=dict(declared.inputs),
        secrets=dict(declared.secrets),
        sinks=part.root.sinks,
    )


def _shorter(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _captured(step: Step, repeat: Repeat) -> frozenset[str]:
    """Return what the one step of a loop and the condition of the loop see of their surroundings."""
    names = {ref.source for expr in work_of(step) for ref in refs_in(expr)}
    return frozenset((names | names_in(repeat.until)) - {"loop", "result"})


def _again(repeat: Repeat) -> Again:
    until = compile_condition(repeat.until).evaluate if repeat.until else None
    return Again(repeat.at_most, until, repeat.until, repeat.otherwise, repeat.delay)


def _stream(step: Step, at: _At) -> Stream | None:
    """A loop over elements that come one by one can take each when it comes, instead of waiting for all."""
    first = step.for_each[0] if step.for_each else None
    if first is None or first.beside or step.need is not None or not isinstance(first.over, Ref):
        return None
    over = first.over
    if over.path and over.path[0] is not WILD:
        return None
    source = at.frame.steps.get(over.source)
    return Stream(over.source, over.path[1:]) if source is not None and _gives_one_by_one(source, at.facts) else None


def _gives_one_by_one(source: Step, facts: Survey) -> bool:
    if source.need is not None or len(source.for_each) > 1:
        return False
    if source.for_each:
        return True
    # What takes the place of a failure is another list than the one whose first elements have been given.
    if not is_plain(source) or source.repeat is not None or source.on_error.action not in (Rescue.FAIL, Rescue.SKIP):
        return False
    interface = interface_of(source, facts.catalog, facts.functions)
    return interface is not None and interface.streams
