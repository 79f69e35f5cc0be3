"""policy: Workflow -> canonical JSON data, and its digest. Defaults are left out; what is written reads back as the same workflow."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from murakkab.errors import Diagnostic, Path, SpecError
from murakkab.references import write_expr
from murakkab.spec import CachePolicy, Expr, Goal, Input, Loop, OnError, Output, Rescue, Retry, Step, Workflow
from murakkab.types import ANY, type_text


def to_document(workflow: Workflow) -> dict[str, Any]:
    """Return the canonical JSON data of *workflow*. Raises `SpecError` naming the first value that has no JSON form."""
    document: dict[str, Any] = {"workflow": workflow.name}
    _put(document, "description", workflow.description)
    _put(document, "inputs", {name: _input(value, ("inputs", name)) for name, value in workflow.inputs.items()})
    _put(document, "steps", {name: _step(value, ("steps", name)) for name, value in workflow.steps.items()})
    _put(document, "outputs", {name: _output(value, ("outputs", name)) for name, value in workflow.outputs.items()})
    _put(document, "goal", _goal(workflow.goal))
    _put(document, "timeout", None if workflow.timeout is None else float(workflow.timeout))
    return document


def digest(workflow: Workflow) -> str:
    """Return the SHA-256 of the canonical JSON, in hex: equal for workflows that mean the same, in whatever order their names stand."""
    text = json.dumps(to_document(workflow), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    """Write what is not empty: empty is the default everywhere."""
    if value not in (None, "", {}, []):
        document[key] = value


def _expr(value: Expr, path: Path) -> Any:
    try:
        return write_expr(value)
    except (ValueError, RecursionError) as error:
        raise SpecError([Diagnostic("not-json", str(error), "use text, numbers, lists and mappings", path)]) from None


def _exprs(values: Mapping[str, Expr], path: Path) -> dict[str, Any]:
    return {name: _expr(value, (*path, name)) for name, value in values.items()}


def _input(value: Input, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {"type": type_text(value.type)}
    if not value.required:
        document["default"] = _expr(value.default, (*path, "default"))
    _put(document, "description", value.description)
    return document


def _output(value: Output, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {"value": _expr(value.value, (*path, "value"))}
    if value.type != ANY:
        document["type"] = type_text(value.type)
    if value.optional:
        document["optional"] = True
    _put(document, "description", value.description)
    return document


def _goal(goal: Goal) -> dict[str, Any]:
    document: dict[str, Any] = {}
    _put(document, "minimize", list(goal.minimize))
    _put(document, "limits", {name: float(value) for name, value in goal.limits.items()})
    return document


def _step(step: Step, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {}
    _put(document, "uses", step.uses)
    _put(document, "call", step.call)
    _put(document, "with", _exprs(step.with_, (*path, "with")))
    _put(document, "for_each", _loops(step.for_each, (*path, "for_each")))
    _put(document, "max_parallel", step.max_parallel)
    _put(document, "when", step.when)
    _put(document, "after", list(step.after))
    _put(document, "retry", _retry(step.retry))
    _put(document, "timeout", None if step.timeout is None else float(step.timeout))
    _put(document, "on_error", _on_error(step.on_error, (*path, "on_error")))
    _put(document, "cache", _cache(step.cache))
    _put(document, "effect", step.effect and step.effect.value)
    _put(document, "executor", step.executor)
    _put(document, "knobs", _exprs(step.knobs, (*path, "knobs")))
    _put(document, "description", step.description)
    return document


def _loops(loops: tuple[Loop, ...], path: Path) -> dict[str, Any] | None:
    """One level is a mapping; several keep their order in a list, for the keys of a mapping have none in JSON."""
    levels = [{loop.name: _expr(loop.over, (*path, loop.name))} for loop in loops]
    return None if not levels else levels[0] if len(levels) == 1 else {"$levels": levels}


def _retry(retry: Retry) -> dict[str, Any]:
    default, document = Retry(), dict[str, Any]()
    fields: dict[str, Callable[[Any], Any]] = {"attempts": int, "delay": float, "backoff": float, "max_delay": float, "jitter": float}
    for field, kind in fields.items():
        value = getattr(retry, field)
        if value != getattr(default, field):
            document[field] = kind(value)
    return document


def _on_error(on_error: OnError, path: Path) -> str | dict[str, Any] | None:
    if on_error.action is Rescue.DEFAULT:
        return {"default": _expr(on_error.default, (*path, "default"))}
    if on_error.action is Rescue.FALLBACK:
        return {"fallback": on_error.fallback}
    return None if on_error.action is Rescue.FAIL else str(on_error.action)


def _cache(cache: CachePolicy | None) -> bool | dict[str, float] | None:
    if cache is None:
        return None
    return True if cache.ttl is None else {"ttl": float(cache.ttl)}
