"""policy: what the types promise and the data must keep - references below optional fields give null where these are missing."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace

from murakkab.planner.check_types import Surroundings, type_of
from murakkab.references import forgiving, map_refs
from murakkab.spec import Expr, Loop, Ref, Step
from murakkab.types import ANY, Type


def forgiven(step: Step, scope: dict[str, Type]) -> Step:
    """Return *step* with `Maybe` in its paths, wherever the types of *scope* say that something may be missing."""
    variables: dict[str, Type] = {}
    seen: Mapping[str, Type] = ChainMap(variables, scope) if step.for_each else scope
    loops: list[Loop] = []
    for loop in step.for_each:
        found = type_of(loop.over, (), Surroundings(seen, []))
        loops.append(Loop(loop.name, forgiven_expr(loop.over, seen)))
        variables[loop.name] = (found.item or ANY) if found.kind == "list" else ANY
    return replace(
        step,
        with_={name: forgiven_expr(expr, seen) for name, expr in step.with_.items()},
        knobs={name: forgiven_expr(expr, seen) for name, expr in step.knobs.items()},
        for_each=tuple(loops),
        on_error=replace(step.on_error, default=forgiven_expr(step.on_error.default, seen)),
    )


def forgiven_expr(expr: Expr, scope: Mapping[str, Type]) -> Expr:
    """Return *expr* with `Maybe` in its paths."""

    def change(ref: Ref) -> Ref:
        return Ref(ref.source, forgiving(scope.get(ref.source, ANY), ref.path)) if ref.path else ref

    return map_refs(expr, change)
