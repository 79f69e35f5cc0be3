"""policy: a step with data in the place of names that its work mentions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from murakkab.runtime.resolution import ReferenceFailed, select, value_of
from murakkab.spec import Expr, First, Loop, Maybe, Pick, Ref, Step, Template


def told(step: Step, values: Mapping[str, Any]) -> Step:
    """Return *step* with *values* in the place of references to their names, inside of it too."""

    def put(expr: Expr) -> Expr:
        return filled(expr, values)

    block = step.block
    if block is not None:
        steps = {name: told(one, values) for name, one in block.steps.items()}
        outputs = {name: replace(output, value=put(output.value)) for name, output in block.outputs.items()}
        block = replace(block, steps=steps, outputs=outputs)
    loops = tuple(Loop(one.name, put(one.over), {name: put(over) for name, over in one.beside.items()}) for one in step.for_each)
    approve = step.approve and replace(step.approve, message=put(step.approve.message))
    wait = step.wait and replace(step.wait, seconds=put(step.wait.seconds), until=put(step.wait.until), event=put(step.wait.event))
    return replace(
        step,
        after=tuple(name for name in step.after if name not in values),
        with_={name: put(expr) for name, expr in step.with_.items()},
        knobs={name: put(expr) for name, expr in step.knobs.items()},
        on_error=replace(step.on_error, default=put(step.on_error.default)),
        for_each=loops,
        block=block,
        approve=approve,
        wait=wait,
        best_of=step.best_of and replace(step.best_of, pick=_pick_told(step.best_of.pick, values)),
        debate=step.debate and replace(step.debate, pick=_pick_told(step.debate.pick, values)),
    )


def _pick_told(pick: Pick, values: Mapping[str, Any]) -> Pick:
    return replace(pick, judge=pick.judge and told(pick.judge, values), score=pick.score and told(pick.score, values))


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
