"""policy: writes the steps of a document, those inside of steps included."""

from collections.abc import Callable, Mapping
from typing import Any

from murakkab.document.write_values import expr, exprs, inputs, outputs, put
from murakkab.errors import Path
from murakkab.spec import (
    Approve,
    BestOf,
    CachePolicy,
    Debate,
    Loop,
    Need,
    OnError,
    Optional,
    Otherwise,
    Pick,
    Repeat,
    Rescue,
    Retry,
    Step,
    Wait,
)
from murakkab.types import ANY, type_text


def steps(values: Mapping[str, Step], path: Path) -> dict[str, Any]:
    """Return the data of steps by name."""
    return {name: _step(step, (*path, name)) for name, step in values.items()}


def _step(step: Step, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {}
    _put_work(document, step, path)
    put(document, "with", exprs(step.with_, (*path, "with")))
    put(document, "for_each", _loops(step.for_each, (*path, "for_each")))
    put(document, "max_parallel", step.max_parallel)
    _put_given(document, "repeat", step.repeat and _repeat(step.repeat))
    _put_given(document, "best_of", step.best_of and _best_of(step.best_of, (*path, "best_of")))
    _put_given(document, "debate", step.debate and _debate(step.debate, (*path, "debate")))
    _put_given(document, "optional", step.optional and _optional(step.optional))
    _put_given(document, "need", step.need and _need(step.need))
    put(document, "when", step.when)
    put(document, "after", list(step.after))
    put(document, "retry", _retry(step.retry))
    put(document, "timeout", None if step.timeout is None else float(step.timeout))
    put(document, "on_error", _on_error(step.on_error, (*path, "on_error")))
    put(document, "cache", _cache(step.cache))
    put(document, "effect", step.effect and step.effect.value)
    put(document, "executor", step.executor)
    put(document, "prefer", {k: v for k, v in (("device", step.prefer.device), ("model", step.prefer.model)) if v})
    put(document, "knobs", exprs(step.knobs, (*path, "knobs")))
    put(document, "description", step.description)
    return document


def _put_given(document: dict[str, Any], key: str, value: Any) -> None:
    """Write what is there, empty or not."""
    if value is not None:
        document[key] = value


def _put_work(document: dict[str, Any], step: Step, path: Path) -> None:
    put(document, "uses", step.uses)
    put(document, "call", step.call)
    put(document, "does", step.does)
    put(document, "workflow", step.workflow)
    if step.block is not None:
        document["steps"] = steps(step.block.steps, (*path, "steps"))
        put(document, "outputs", outputs(step.block.outputs, (*path, "outputs")))
    if step.approve is not None:
        document["approve"] = _approve(step.approve, (*path, "approve"))
    if step.wait is not None:
        document["wait"] = _wait(step.wait, (*path, "wait"))


def _approve(approve: Approve, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if approve.message != "":
        document["message"] = expr(approve.message, (*path, "message"))
    put(document, "form", inputs(approve.form, (*path, "form")))
    return document


def _wait(wait: Wait, path: Path) -> dict[str, Any]:
    fields = (("for", wait.seconds), ("until", wait.until), ("event", wait.event))
    document = {key: expr(value, (*path, key)) for key, value in fields if value is not None}
    if wait.type != ANY:
        document["type"] = type_text(wait.type)
    return document


def _loops(loops: tuple[Loop, ...], path: Path) -> dict[str, Any] | None:
    """One level is a mapping; several keep their order in a list, for the keys of a mapping have none in JSON."""
    levels = [_level(loop, path) for loop in loops]
    return None if not levels else levels[0] if len(levels) == 1 else {"$levels": levels}


def _level(loop: Loop, path: Path) -> dict[str, Any]:
    lists = {name: expr(over, (*path, name)) for name, over in loop.lists()}
    return {"$zip": lists} if loop.beside else lists


def _repeat(repeat: Repeat) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if repeat.at_most:
        document["at_most"] = int(repeat.at_most)
    put(document, "until", repeat.until)
    if repeat.otherwise is not Otherwise.FAIL:
        document["otherwise"] = str(repeat.otherwise)
    if repeat.delay:
        document["delay"] = float(repeat.delay)
    return document


def _best_of(best: BestOf, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {}
    put(document, "n", _numbers(best.n))
    return {**document, **_pick(best.pick, path)}


def _debate(debate: Debate, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {}
    put(document, "participants", _numbers(debate.participants))
    put(document, "rounds", _numbers(debate.rounds))
    return {**document, **_pick(debate.pick, path)}


def _optional(optional: Optional) -> bool | dict[str, Any]:
    document: dict[str, Any] = {}
    _put_given(document, "default", optional.default)
    _put_given(document, "done", bool(optional.done[0]) if len(optional.done) == 1 else None)
    return document or True


def _numbers(numbers: tuple[int, ...]) -> int | list[int] | None:
    """Return one number as itself, and several that may be chosen as a list."""
    return None if not numbers else int(numbers[0]) if len(numbers) == 1 else [*map(int, numbers)]


def _pick(pick: Pick, path: Path) -> dict[str, Any]:
    judging = {"judge": pick.judge, "score": pick.score}
    document: dict[str, Any] = {name: _step(one, (*path, name)) for name, one in judging.items() if one is not None}
    _put_given(document, "accuracy", None if pick.accuracy is None else float(pick.accuracy))
    return document


def _need(need: Need) -> int | dict[str, Any]:
    if not need.share and not need.of:
        return int(need.count)
    fields: dict[str, int | float] = {"count": int(need.count), "share": float(need.share), "of": int(need.of)}
    return {key: value for key, value in fields.items() if value}


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
        return {"default": expr(on_error.default, (*path, "default"))}
    if on_error.action is Rescue.FALLBACK:
        return {"fallback": on_error.fallback}
    return None if on_error.action is Rescue.FAIL else str(on_error.action)


def _cache(cache: CachePolicy | None) -> bool | dict[str, float] | None:
    if cache is None:
        return None
    return True if cache.ttl is None else {"ttl": float(cache.ttl)}
