"""policy: reads how the work of a step is done - how often, over what, when, and what happens when it fails."""

import re
from collections.abc import Mapping
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.document.fields import Problems, WrongField, choice, mapping, names, number, seconds, shown, text, whole
from murakkab.document.forms import Form, read_fields
from murakkab.document.read_values import expr, is_operator
from murakkab.errors import Diagnostic, Path
from murakkab.references import NAME
from murakkab.spec import CachePolicy, Loop, Need, OnError, Otherwise, Repeat, Rescue, Retry

_OPERATORS: Final = ("$zip", "$levels", "$ref", "$first", "$template")
#: A step may have so many loop variables.
_MAX_NAMES: Final = 100
_OVER_HINT: Final = "write for_each: ${step} or for_each: {name: ${step}}"
_NEED_HINT: Final = "write need: 3, need: 60% or need: 3 of 5"
_PERCENT: Final = re.compile(r"\s*(\d{1,3}(?:\.\d{1,9})?)\s*%\s*", re.ASCII)
_OF: Final = re.compile(r"\s*(\d{1,9})\s+of\s+(\d{1,9})\s*", re.ASCII)


def loops(data: Any, path: Path, problems: Problems) -> tuple[Loop, ...]:
    """Return the levels of a `for_each`; of one that cannot be read the names, so that what mentions them is no mistake.

    One expression (of `item`), a mapping of names, `$zip` with the names of one level, or `$levels` with a list of such mappings.
    """
    try:
        found = _loops(data, path, problems)
    except WrongField as wrong:
        problems.append(wrong.at(path))
        return tuple(Loop(name, None) for name in _names(data)) or (Loop("item", None),)
    if sum(1 + len(one.beside) for one in found) > _MAX_NAMES:
        raise WrongField("too-large", f"there are more than {_MAX_NAMES} loop variables", "put what belongs together into one list")
    return found


def _names(data: Any) -> list[str]:
    inner = data.get("$zip", data) if isinstance(data, Mapping) else None
    return [name for name in inner if isinstance(name, str) and NAME.fullmatch(name)][:_MAX_NAMES] if isinstance(inner, Mapping) else []


def _loops(data: Any, path: Path, problems: Problems) -> tuple[Loop, ...]:
    if isinstance(data, str) and "${" not in data:
        raise WrongField("wrong-form", f"{data[:60]!r} is text, not a list", _OVER_HINT)
    if is_operator(data):
        unknown = [key for key in data if key.startswith("$") and not key.startswith("$$") and key not in _OPERATORS]
        if unknown:
            hint = did_you_mean(unknown[0], _OPERATORS, others="there are")
            raise WrongField("unknown-operator", f"{unknown[0][:60]!r} is not an operator", hint)
    if not isinstance(data, Mapping) or (is_operator(data) and not {"$levels", "$zip"} & data.keys()):
        return (Loop("item", expr(data, path, problems)),)
    if "$levels" not in data:
        return _levels(data, path, problems)
    levels = data["$levels"]
    if len(data) > 1 or not isinstance(levels, list | tuple):
        raise WrongField("wrong-form", "'$levels' stands alone, with a list of mappings of one name each")
    at = (*path, "$levels")
    return tuple(loop for i, level in enumerate(levels) for loop in _levels(level, (*at, i), problems))


def _levels(data: Any, path: Path, problems: Problems) -> tuple[Loop, ...]:
    if not data:
        raise WrongField("wrong-form", "there is nothing to go over", _OVER_HINT)
    found = mapping(data, path, problems)
    if "$zip" not in found:
        return tuple(Loop(name, expr(value, (*path, name), problems)) for name, value in found.items())
    beside = mapping(found["$zip"], (*path, "$zip"), problems)
    if len(found) > 1 or not beside:
        raise WrongField("wrong-form", "'$zip' stands alone, with a mapping of names to lists", "write {$zip: {a: ${x}, b: ${y}}}")
    (name, over), *rest = ((name, expr(value, (*path, "$zip", name), problems)) for name, value in beside.items())
    return (Loop(name, over, dict(rest)),)


def repeat(data: Any, path: Path, problems: Problems) -> Repeat:
    """Return how often to do it again: a number of rounds, or a mapping."""
    if isinstance(data, int) and not isinstance(data, bool):
        return Repeat(at_most=data)
    if not isinstance(data, Mapping):
        message = f"a number of rounds or a mapping is wanted here, not {shown(data)}"
        raise WrongField("wrong-form", message, "write repeat: {at_most: 5, until: condition}")
    return Repeat(**read_fields(data, path, problems, form=REPEAT))


def need(data: Any, path: Path, problems: Problems) -> Need:
    """Return how many must succeed: `3`, `60%`, `3 of 5`, or a mapping."""
    if isinstance(data, Mapping):
        return Need(**read_fields(data, path, problems, form=NEED))
    if isinstance(data, int) and not isinstance(data, bool):
        return Need(count=data)
    if not isinstance(data, str):
        raise WrongField("wrong-form", f"{shown(data)} does not say how many", _NEED_HINT)
    if found := _PERCENT.fullmatch(data):
        return Need(share=float(found[1]) / 100)
    if found := _OF.fullmatch(data):
        return Need(count=int(found[1]), of=int(found[2]))
    raise WrongField("bad-quantity", f"{data[:60]!r} does not say how many", _NEED_HINT)


def retry(data: Any, path: Path, problems: Problems) -> Retry:
    """Return how often to try: a number of attempts, or a mapping."""
    if isinstance(data, int) and not isinstance(data, bool):
        return Retry(attempts=data)
    if not isinstance(data, Mapping):
        raise WrongField("wrong-form", f"a number of attempts or a mapping is wanted here, not {shown(data)}", "write retry: 3")
    return Retry(**read_fields(data, path, problems, form=RETRY))


def on_error(data: Any, path: Path, problems: Problems) -> OnError:
    """Return what to do about a failure: `fail`, `skip`, `{default: ...}` or `{fallback: executor}`."""
    if isinstance(data, str) and data in (Rescue.FAIL, Rescue.SKIP):
        return OnError(Rescue(data))
    if isinstance(data, Mapping) and len(data) == 1:
        found = read_fields(data, path, problems, form=ON_ERROR)
        return OnError(Rescue(next(iter(found))), **found) if found else OnError()
    hint = did_you_mean(data, ("fail", "skip")) if isinstance(data, str) else ""
    raise WrongField("bad-choice", f"{shown(data)} cannot stand here", hint or "write fail, skip, {default: ...} or {fallback: executor}")


def cache(data: Any, path: Path, problems: Problems) -> CachePolicy | None:
    """Return how long to keep results: `true` is for good, `false` not at all, else a duration."""
    if isinstance(data, bool):
        return CachePolicy() if data else None
    if isinstance(data, Mapping):
        return CachePolicy(**read_fields(data, path, problems, form=CACHE))
    return CachePolicy(seconds(data, path, problems))


def condition(data: Any, path: Path, problems: Problems) -> str:
    """Return the text of a condition."""
    if isinstance(data, str) and not data.strip():
        raise WrongField("bad-condition", "the condition is empty", f"leave `{path[-1]}` out where nothing is to be asked")
    return text(data, path, problems)


def after(data: Any, path: Path, problems: Problems) -> tuple[str, ...]:
    """Return the names of the steps to wait for; a reference is taken for a mistake."""
    found = names(data, path, problems)
    for name in found:
        if "${" in name:
            at = path if isinstance(data, str) else (*path, found.index(name))
            problems.append(Diagnostic("wrong-form", f"{name[:60]!r} is a reference", "write the bare name of the step", at))
    return tuple(n for n in found if "${" not in n)


REPEAT: Final = Form(
    "`repeat`",
    {
        "at_most": ("at_most", whole),
        "until": ("until", condition),
        "otherwise": ("otherwise", choice(Otherwise)),
        "delay": ("delay", seconds),
    },
)
NEED: Final = Form("`need`", {"count": ("count", whole), "share": ("share", number), "of": ("of", whole)})
RETRY: Final = Form(
    "`retry`",
    {
        "attempts": ("attempts", whole),
        "delay": ("delay", seconds),
        "backoff": ("backoff", number),
        "max_delay": ("max_delay", seconds),
        "jitter": ("jitter", number),
    },
)
ON_ERROR: Final = Form("`on_error`", {"default": ("default", expr), "fallback": ("fallback", text)})
CACHE: Final = Form("`cache`", {"ttl": ("ttl", seconds)})
