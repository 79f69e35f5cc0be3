"""policy: reads one step of a document."""

from collections.abc import Mapping
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.document.fields import (
    Problems,
    Reader,
    WrongField,
    choice,
    mapping,
    names,
    number,
    read_fields,
    seconds,
    shown,
    text,
    whole,
)
from murakkab.errors import Diagnostic, Path
from murakkab.references import parse_expr
from murakkab.spec import CachePolicy, Effect, Expr, Loop, OnError, Rescue, Retry, Step


def read_step(name: str, data: Any, path: Path, problems: Problems) -> Step:
    """Return the step that *data* declares, without what cannot be read. Raises `WrongField` when it is no mapping."""
    return Step(name=name, **read_fields(data, path, problems, fields=STEP))


def expr(data: Any, path: Path, problems: Problems) -> Expr:
    """Return an expression."""
    return parse_expr(data, path=path, problems=problems)


def exprs(data: Any, path: Path, problems: Problems) -> dict[str, Expr]:
    """Return a mapping of names to expressions."""
    return {key: expr(value, (*path, key), problems) for key, value in mapping(data, path, problems).items()}


def loops(data: Any, path: Path, problems: Problems) -> tuple[Loop, ...]:
    """Return the levels of a `for_each`: one expression (of `item`), or a mapping of names, or `$levels` with one such mapping each."""
    if isinstance(data, str) and "${" not in data:
        raise WrongField("wrong-form", f"{data[:60]!r} is text, not a list", "write for_each: ${step} or for_each: {name: ${step}}")
    if not isinstance(data, Mapping) or _is_operator(data):
        return (Loop("item", expr(data, path, problems)),)
    if "$levels" not in data:
        return _levels(data, path, problems)
    levels = data["$levels"]
    if len(data) > 1 or not isinstance(levels, list | tuple):
        raise WrongField("wrong-form", "'$levels' stands alone, with a list of mappings of one name each")
    at = (*path, "$levels")
    return tuple(loop for i, level in enumerate(levels) for loop in _levels(level, (*at, i), problems))


def _is_operator(data: Mapping[Any, Any]) -> bool:
    return any(isinstance(k, str) and k.startswith("$") and k != "$levels" for k in data)


def _levels(data: Any, path: Path, problems: Problems) -> tuple[Loop, ...]:
    if not data:
        raise WrongField("wrong-form", "there is nothing to go over", "write for_each: ${step} or for_each: {name: ${step}}")
    return tuple(Loop(name, expr(value, (*path, name), problems)) for name, value in mapping(data, path, problems).items())


def retry(data: Any, path: Path, problems: Problems) -> Retry:
    """Return how often to try: a number of attempts, or a mapping."""
    if isinstance(data, int) and not isinstance(data, bool):
        return Retry(attempts=data)
    if not isinstance(data, Mapping):
        raise WrongField("wrong-form", f"a number of attempts or a mapping is wanted here, not {shown(data)}", "write retry: 3")
    return Retry(**read_fields(data, path, problems, fields=RETRY))


def on_error(data: Any, path: Path, problems: Problems) -> OnError:
    """Return what to do about a failure: `fail`, `skip`, `{default: ...}` or `{fallback: executor}`."""
    if isinstance(data, str) and data in (Rescue.FAIL, Rescue.SKIP):
        return OnError(Rescue(data))
    if isinstance(data, Mapping) and len(data) == 1:
        found = read_fields(data, path, problems, fields=ON_ERROR)
        return OnError(Rescue(next(iter(found))), **found) if found else OnError()
    hint = did_you_mean(data, ("fail", "skip")) if isinstance(data, str) else ""
    raise WrongField("bad-choice", f"{shown(data)} cannot stand here", hint or "write fail, skip, {default: ...} or {fallback: executor}")


def cache(data: Any, path: Path, problems: Problems) -> CachePolicy | None:
    """Return how long to keep results: `true` is for good, `false` not at all, else a duration."""
    if isinstance(data, bool):
        return CachePolicy() if data else None
    if isinstance(data, Mapping):
        return CachePolicy(**read_fields(data, path, problems, fields=CACHE))
    return CachePolicy(seconds(data, path, problems))


def condition(data: Any, path: Path, problems: Problems) -> str:
    """Return the text of a condition."""
    if isinstance(data, str) and not data.strip():
        raise WrongField("bad-condition", "the condition is empty", "leave `when` out to run the step always")
    return text(data, path, problems)


def after(data: Any, path: Path, problems: Problems) -> tuple[str, ...]:
    """Return the names of the steps to wait for; a reference is taken for a mistake."""
    found = names(data, path, problems)
    for name in found:
        if "${" in name:
            problems.append(Diagnostic("wrong-form", f"{name[:60]!r} is a reference", "write the bare name of the step", path))
    return tuple(n for n in found if "${" not in n)


STEP: Final[dict[str, tuple[str, Reader]]] = {
    "uses": ("uses", text),
    "call": ("call", text),
    "with": ("with_", exprs),
    "for_each": ("for_each", loops),
    "max_parallel": ("max_parallel", whole),
    "when": ("when", condition),
    "after": ("after", after),
    "retry": ("retry", retry),
    "timeout": ("timeout", seconds),
    "on_error": ("on_error", on_error),
    "cache": ("cache", cache),
    "effect": ("effect", choice(Effect)),
    "executor": ("executor", text),
    "knobs": ("knobs", exprs),
    "description": ("description", text),
}
RETRY: Final[dict[str, tuple[str, Reader]]] = {
    "attempts": ("attempts", whole),
    "delay": ("delay", seconds),
    "backoff": ("backoff", number),
    "max_delay": ("max_delay", seconds),
    "jitter": ("jitter", number),
}
ON_ERROR: Final[dict[str, tuple[str, Reader]]] = {"default": ("default", expr), "fallback": ("fallback", text)}
CACHE: Final[dict[str, tuple[str, Reader]]] = {"ttl": ("ttl", seconds)}
