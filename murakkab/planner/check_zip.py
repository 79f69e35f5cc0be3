"""policy: whether lists that are gone through side by side belong together - one that leaves elements out gives the wrong partner."""

from collections.abc import Iterator
from dataclasses import dataclass

from murakkab.errors import Diagnostic
from murakkab.planner.standing import Standing
from murakkab.spec import WILD, Expr, Maybe, PathItem, Ref, Rescue, Step


@dataclass(frozen=True, slots=True)
class _Elements:
    """What the elements of a list stand for: `of` is equal for lists whose elements belong together; `gaps`: why some may be left out."""

    of: tuple[object, ...]
    gaps: str = ""


def zip_problems(step: Step, at: Standing) -> Iterator[Diagnostic]:
    """Yield the lists that may lose elements which the others beside them keep."""
    for loop in step.for_each:
        if not loop.beside:
            continue
        lists = {name: _elements(over, at) for name, over in loop.lists()}
        gap = next((name for name, one in lists.items() if one.gaps), None)
        other = next((name for name, one in lists.items() if gap is not None and one.of != lists[gap].of), None)
        if gap is not None and other is not None:
            message = f"{gap!r} may have fewer elements than {other!r}, and then goes with the wrong ones: {lists[gap].gaps}"
            hint = "keep the places (on_error: {default: null}), or do both in one block that goes over the list once"
            yield Diagnostic("may-misalign", message, hint, (*at.path(step), "for_each", gap))


def _elements(over: Expr, at: Standing) -> _Elements:
    """Return what the elements of *over* stand for: those of the list that a map goes over, unless the map leaves some out."""
    seen: set[str] = set()
    while isinstance(over, Ref):
        found = _step_of(over.source, at)
        if found is None or not found.for_each or over.source in seen:
            break
        seen.add(over.source)
        if gaps := _gaps(found):
            return _Elements(("step", found.name), gaps)
        loop, *deeper = found.for_each
        if deeper or not _is_one_to_one(over.path):
            break
        over = loop.over
    return _Elements((over.source, over.path)) if isinstance(over, Ref) else _Elements((repr(over),))


def _step_of(name: str, at: Standing) -> Step | None:
    return next((step for standing in at.outwards() if (step := standing.frame.steps.get(name)) is not None), None)


def _gaps(step: Step) -> str:
    """Return why a map may have fewer results than elements, "" when it has one for each."""
    if step.on_error.action is Rescue.SKIP:
        return f"elements of the step {step.name!r} that fail are left out (on_error: skip)"
    if step.when:
        return f"elements of the step {step.name!r} for which `when` is false are left out"
    return f"the step {step.name!r} gives only those that it needs (need)" if step.need is not None else ""


def _is_one_to_one(path: tuple[PathItem, ...]) -> bool:
    """True for a path that leads to one thing per result of a map."""
    if path and path[0] is not WILD:
        return False
    return not any(item is WILD or (isinstance(item, Maybe) and item.item is WILD) for item in path[1:])
