"""policy: what the types promise and the data must keep - references below optional fields give null where these are missing."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace

from murakkab.planner.frames import Frame, maps_of
from murakkab.references import forgiving, map_refs
from murakkab.spec import Approve, Expr, Loop, Ref, Step, Wait
from murakkab.types import ANY, Type


def forgiven(step: Step, frame: Frame) -> Step:
    """Return *step* of *frame* with `Maybe` in its paths, wherever the types say that something may be missing."""
    seen = frame.inside[step.name]
    return replace(
        step,
        with_={name: forgiven_expr(expr, seen) for name, expr in step.with_.items()},
        knobs={name: forgiven_expr(expr, seen) for name, expr in step.knobs.items()},
        for_each=_loops(step, frame) if step.for_each else (),
        on_error=replace(step.on_error, default=forgiven_expr(step.on_error.default, seen)),
        approve=step.approve and Approve(forgiven_expr(step.approve.message, seen), step.approve.form),
        wait=step.wait and _wait(step.wait, seen),
    )


def _wait(wait: Wait, seen: Mapping[str, Type]) -> Wait:
    return Wait(forgiven_expr(wait.seconds, seen), forgiven_expr(wait.until, seen), forgiven_expr(wait.event, seen), wait.type)


def _loops(step: Step, frame: Frame) -> tuple[Loop, ...]:
    """Each level sees the variables of those before it."""
    found: list[Loop] = []
    known: dict[str, Type] = {}
    inside = frame.inside[step.name]
    for loop in step.for_each:
        seen = ChainMap(known, *maps_of(frame.scope)) if known else frame.scope
        beside = {name: forgiven_expr(over, seen) for name, over in loop.beside.items()}
        found.append(Loop(loop.name, forgiven_expr(loop.over, seen), beside))
        known.update((name, inside[name]) for name, _ in loop.lists())
    return tuple(found)


def forgiven_expr(expr: Expr, scope: Mapping[str, Type]) -> Expr:
    """Return *expr* with `Maybe` in its paths."""

    def change(ref: Ref) -> Ref:
        return Ref(ref.source, forgiving(scope.get(ref.source, ANY), ref.path)) if ref.path else ref

    return map_refs(expr, change)
