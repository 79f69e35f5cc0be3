"""policy: a step with data in the place of names that its work mentions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from murakkab.planner.mentions import CANDIDATE, CANDIDATES, told_in
from murakkab.runtime.resolution import ReferenceFailed, select, value_of
from murakkab.spec import Block, Expr, First, Loop, Maybe, Pick, Ref, Step, Template


def told(step: Step, values: Mapping[str, Any]) -> Step:
    """Return *step* with *values* in the place of references to their names, inside of it too, but where a name means something else."""

    def put(expr: Expr) -> Expr:
        return filled(expr, inside)

    # Each level of a loop sees the variables of those before it.
    inside, loops = values, []
    for one in step.for_each:
        loops.append(Loop(one.name, put(one.over), {name: put(over) for name, over in one.beside.items()}))
        inside = _without(inside, (name for name, _ in one.lists()))
    pick = _told_to(inside)
    # What takes the place of a whole list knows nothing of its elements.
    default = filled(step.on_error.default, values if step.need is not None and step.for_each else inside)
    inside = _without(inside, told_in(step))
    block = step.block and _block_told(step.block, _without(inside, step.block.steps))
    approve = step.approve and replace(step.approve, message=put(step.approve.message))
    wait = step.wait and replace(step.wait, seconds=put(step.wait.seconds), until=put(step.wait.until), event=put(step.wait.event))
    return replace(
        step,
        after=tuple(name for name in step.after if name not in values),
        with_={name: put(expr) for name, expr in step.with_.items()},
        knobs={name: put(expr) for name, expr in step.knobs.items()},
        on_error=replace(step.on_error, default=default),
        for_each=tuple(loops),
        block=block,
        approve=approve,
        wait=wait,
        best_of=step.best_of and replace(step.best_of, pick=pick(step.best_of.pick)),
        debate=step.debate and replace(step.debate, pick=pick(step.debate.pick)),
    )


def _without(values: Mapping[str, Any], names: Iterable[str]) -> Mapping[str, Any]:
    hidden = values.keys() & set(names)
    return {name: value for name, value in values.items() if name not in hidden} if hidden else values


def _block_told(block: Block, values: Mapping[str, Any]) -> Block:
    steps = {name: told(one, values) for name, one in block.steps.items()}
    outputs = {name: replace(output, value=filled(output.value, values)) for name, output in block.outputs.items()}
    return replace(block, steps=steps, outputs=outputs)


def _told_to(values: Mapping[str, Any]) -> Callable[[Pick], Pick]:
    """Return what tells *values* to whoever keeps one of the results: what these are called is theirs."""
    known = _without(values, (CANDIDATES, CANDIDATE))
    return lambda pick: replace(pick, judge=pick.judge and told(pick.judge, known), score=pick.score and told(pick.score, known))


def filled(expr: Expr, values: Mapping[str, Any]) -> Expr:
    """Return *expr* with data in the place of references to the names of *values*; a path that leads nowhere gives null."""
    if isinstance(expr, Ref):
        return _at(values, expr) if expr.source in values else expr
    if isinstance(expr, Template):
        return Template(tuple(_text(part, values) if isinstance(part, Ref) and part.source in values else part for part in expr.parts))
    if isinstance(expr, First):
        return First(tuple(filled(option, values) for option in expr.options))
    if isinstance(expr, dict):
        return {name: filled(inner, values) for name, inner in expr.items()}
    if isinstance(expr, list):
        return [filled(inner, values) for inner in expr]
    return expr


def _at(values: Mapping[str, Any], ref: Ref) -> Any:
    try:
        return select(values[ref.source], [item if isinstance(item, Maybe) else Maybe(item) for item in ref.path])
    except ReferenceFailed:
        return None


def _text(ref: Ref, values: Mapping[str, Any]) -> str:
    return str(value_of(Template((Ref("value"),)), {}, {"value": _at(values, ref)}))
