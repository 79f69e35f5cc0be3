"""policy: the options of a step as Python writes them -> the fields of a `Step`."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypedDict

from murakkab.composition import as_expr
from murakkab.errors import Diagnostic, SpecError
from murakkab.placeholders import Formula, Placeholder, condition_text, mistake
from murakkab.references import NAME
from murakkab.spec import (
    BestOf,
    CachePolicy,
    Debate,
    Effect,
    Expr,
    Loop,
    Need,
    OnError,
    Optional,
    Otherwise,
    Prefer,
    Ref,
    Repeat,
    Rescue,
    Retry,
)

#: What means something else wherever a step could be named.
RESERVED_NAMES: Final = frozenset({"inputs", "item", "secrets", "loop", "result", "error", "job"})
_SHARE: Final = re.compile(r"\s*(\d{1,3}(?:\.\d{1,6})?)\s*%\s*", re.ASCII)
_COUNT: Final = re.compile(r"\s*(\d{1,9})\s*(?:of\s+(\d{1,9})\s*)?", re.ASCII)


class RepeatOptions(TypedDict, total=False):
    """A loop as a mapping: `repeat={"at_most": 5, "until": size(result) > 3}`."""

    at_most: int
    until: str | int | Formula
    otherwise: Literal["fail", "last"]
    delay: float


class PreferOptions(TypedDict, total=False):
    """What may be chosen for a step: this kind of device, this model, this executor."""

    device: str
    model: str
    executor: str


class CommonOptions(TypedDict, total=False):
    """What every kind of step has. `when`: a comparison of values of steps and inputs, or text of the condition language.

    `after`: steps (their values or names) that must be over first. `name`: the name of the step; where it is taken, a number is added.
    `timeout`: in seconds. `need`: of all elements, so many must succeed: `3`, `"60%"`, `"3 of 5"`; the rest is cancelled then.
    `optional`: it may be left out where a limit on quality allows it; `instead(value)` says what its value is then.
    """

    name: str
    description: str
    when: str | int | Formula
    after: object
    max_parallel: int
    need: int | str | Need
    timeout: float
    on_error: Literal["fail", "skip"] | OnError
    optional: bool | Optional


class StepOptions(CommonOptions, total=False):
    """How a step is run. `retry`: how often to try; `cache`: for good, or for so many seconds; `repeat`: again until something holds.

    `best_of` and `debate`: several times at once, to keep one of the results; see the functions of these names.
    `prefer`: constraints on what may be chosen. `does`: a remark in plain language.
    """

    does: str
    repeat: int | Repeat | RepeatOptions
    best_of: int | Sequence[int] | BestOf
    debate: Debate
    retry: int | Retry
    cache: bool | float | CachePolicy
    effect: Literal["pure", "read", "write", "irreversible"] | Effect
    executor: str
    prefer: Prefer | PreferOptions
    knobs: Mapping[str, Any]


class DefaultOptions(TypedDict, total=False):
    """What can be laid under every step that an executor does, and (`max_parallel`) under every map."""

    retry: int | Retry
    timeout: float
    on_error: Literal["fail", "skip"] | OnError
    cache: bool | float | CachePolicy
    effect: Literal["pure", "read", "write", "irreversible"] | Effect
    executor: str
    prefer: Prefer | PreferOptions
    max_parallel: int


class GateOptions(CommonOptions, total=False):
    """How a gate is run. `for_each`: once for every element of a list, at once; see `LoopOptions`."""

    for_each: object


class BlockOptions(GateOptions, total=False):
    """How a block is run: over and over, several times at once, or once for every element of a list."""

    repeat: int | Repeat | RepeatOptions
    best_of: int | Sequence[int] | BestOf
    debate: Debate


class LoopOptions(StepOptions, total=False):
    """How a step that is used by its name is run.

    `for_each`: a list, whose elements are `item`; `{"row": rows, "cell": var("row").cells}`, one level in another; `zipped(a=..., b=...)`.
    """

    for_each: object


#: Options as the fields of a `Step`, and the wished name.
StepFields = dict[str, Any]


def step_fields(options: Mapping[str, Any]) -> StepFields:
    """Return *options* as the fields of a `Step`. Raises `SpecError` with every option that is unknown or cannot be read."""
    fields: StepFields = {}
    problems: list[Diagnostic] = []
    for name, value in options.items():
        try:
            if name not in _READERS:
                raise mistake("unknown-option", f"there is no option {name!r}", f"there are {', '.join(_READERS)}")
            fields[name] = _READERS[name](name, value)
            if name == "prefer" and isinstance(value, Mapping) and "executor" in value:
                fields.setdefault("executor", value["executor"])
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(problems)
    return fields


def default_fields(options: Mapping[str, Any]) -> StepFields:
    """Return *options*, to be laid under those of every step, as fields. Raises `SpecError`."""
    if unknown := [name for name in options if name not in DefaultOptions.__annotations__]:
        known = ", ".join(DefaultOptions.__annotations__)
        raise mistake("unknown-option", f"{unknown[0]!r} cannot stand under every step", f"there are {known}; else give it to the step")
    return step_fields(options)


def _of_type(*kinds: type) -> Callable[[str, Any], Any]:
    def read(name: str, value: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise mistake("wrong-form", f"{name}={value!r} is not {' or '.join(k.__name__ for k in kinds)}")
        return value

    return read


def _read_name(name: str, value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise mistake("bad-name", f"{value!r} is no name for a step", "letters a-z or A-Z, digits, _ and -, the first a letter or _")
    return value


def _read_after(name: str, value: Any) -> tuple[str, ...]:
    return tuple(_step_of(v) for v in (value if isinstance(value, Sequence) and not isinstance(value, str) else [value]))


def _step_of(value: object) -> str:
    if isinstance(value, Placeholder) and isinstance(value.expr__, Ref) and value.expr__.source not in RESERVED_NAMES:
        return value.expr__.source
    if isinstance(value, str):
        return value
    raise mistake("unknown-step", f"after={value!r} is not a step", "give the value that a step returned, or the step's name")


def _read_retry(name: str, value: Any) -> Retry:
    return value if isinstance(value, Retry) else Retry(attempts=_of_type(int, Retry)(name, value))


def _read_repeat(name: str, value: Any) -> Repeat:
    if isinstance(value, Mapping):
        if unknown := [key for key in value if key not in RepeatOptions.__annotations__]:
            raise mistake("unknown-option", f"a loop has no {unknown[0]!r}", f"there are {', '.join(RepeatOptions.__annotations__)}")
        value = Repeat(**value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Repeat(value)
    elif not isinstance(value, Repeat):
        raise mistake("wrong-form", f"repeat={value!r} is not a Repeat", "write repeat=Repeat(5, until=result.score > 0.8)")
    if value.otherwise not in list(Otherwise):
        raise mistake("bad-choice", f"otherwise={value.otherwise!r} is not understood", f"write one of {', '.join(Otherwise)}")
    at_most, delay = _of_type(int)("at_most", value.at_most), _of_type(int, float)("delay", value.delay)
    return Repeat(at_most, condition_text(value.until), Otherwise(value.otherwise), delay)


def numbers_of(name: str, value: object) -> tuple[int, ...]:
    """Return the whole numbers that may be chosen, from one or several. Raises `SpecError`."""
    given: Sequence[Any] = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    several = tuple(one for one in given if isinstance(one, int) and not isinstance(one, bool))
    if not several or len(several) < len(given):
        raise mistake("wrong-form", f"{name}={value!r} is no whole number", "write 3, or [1, 3, 5] for those that may be chosen")
    return several


def _read_best_of(name: str, value: Any) -> BestOf:
    return value if isinstance(value, BestOf) else BestOf(numbers_of(name, value))


def _read_optional(name: str, value: Any) -> Optional | None:
    if isinstance(value, Optional):
        return value
    return Optional() if _of_type(bool, Optional)(name, value) else None


def instead(value: object) -> Optional:
    """Return the `optional` of a step that may be left out: whoever uses its value has *value*, plain data, then."""
    return Optional(as_expr(value))


def _read_need(name: str, value: Any) -> Need:
    if isinstance(value, Need):
        return value
    return need_of(value) if isinstance(value, str) else Need(_of_type(int, str, Need)(name, value))


def need_of(text: str) -> Need:
    """Return how many must succeed, from text: `"3"`, `"60%"`, `"3 of 5"`. Raises `SpecError`."""
    if share := _SHARE.fullmatch(text):
        return Need(share=float(share[1]) / 100)
    if counted := _COUNT.fullmatch(text):
        return Need(int(counted[1]), of=int(counted[2] or 0))
    raise mistake("bad-quantity", f"need={text!r} cannot be read", 'write 3, "60%" or "3 of 5"')


def _read_prefer(name: str, value: Any) -> Prefer:
    if isinstance(value, Prefer):
        return value
    wanted: Mapping[str, Any] = _of_type(Mapping, Prefer)(name, value)
    if unknown := [key for key in wanted if key not in PreferOptions.__annotations__]:
        raise mistake("unknown-option", f"prefer has no {unknown[0]!r}", f"there are {', '.join(PreferOptions.__annotations__)}")
    texts = {key: _of_type(str)(key, one) for key, one in wanted.items()}
    return Prefer(texts.get("device", ""), texts.get("model", ""))


def _read_on_error(name: str, value: Any) -> OnError:
    if value in (Rescue.FAIL, Rescue.SKIP):
        return OnError(Rescue(value))
    if isinstance(value, OnError):
        return value
    hint = 'write "fail", "skip", default_to(value) or fallback_to("executor")'
    raise mistake("bad-choice", f"on_error={value!r} is not understood", hint)


def _read_cache(name: str, value: Any) -> CachePolicy | None:
    if isinstance(value, bool):
        return CachePolicy() if value else None
    return value if isinstance(value, CachePolicy) else CachePolicy(float(_of_type(int, float)(name, value)))


def _read_effect(name: str, value: Any) -> Effect:
    if value not in list(Effect):
        raise mistake("bad-choice", f"effect={value!r} is not understood", f"write one of {', '.join(Effect)}")
    return Effect(value)


def _read_knobs(name: str, value: Any) -> dict[str, Expr]:
    return {key: as_expr(knob) for key, knob in _of_type(Mapping)(name, value).items()}


def _read_loops(name: str, value: Any) -> tuple[Loop, ...]:
    if isinstance(value, Loop):
        return (value,)
    if isinstance(value, tuple) and value and all(isinstance(level, Loop) for level in value):
        return value
    if isinstance(value, Mapping):
        return tuple(Loop(_read_name(name, one), as_expr(over)) for one, over in value.items())
    return (Loop("item", as_expr(value)),)


def zipped(**lists: object) -> Loop:
    """Return one level of a `for_each` that goes through several lists of equal length at once: `zipped(question=a, answer=b)`."""
    if not lists:
        raise mistake("wrong-form", "zipped() has nothing to go through", "zipped(question=questions, answer=answers)")
    (first, over), *beside = ((_read_name("zipped", name), as_expr(one)) for name, one in lists.items())
    return Loop(first, over, dict(beside))


def default_to(value: object) -> OnError:
    """Return the `on_error` that takes *value*, in which `error` says what happened, as the result of a step that failed for good."""
    return OnError(Rescue.DEFAULT, default=as_expr(value))


def fallback_to(executor: str) -> OnError:
    """Return the `on_error` that tries once more with another executor."""
    return OnError(Rescue.FALLBACK, fallback=executor)


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "name": _read_name,
    "description": _of_type(str),
    "does": _of_type(str),
    "when": lambda _, value: condition_text(value),
    "after": _read_after,
    "for_each": _read_loops,
    "max_parallel": _of_type(int),
    "repeat": _read_repeat,
    "best_of": _read_best_of,
    "debate": _of_type(Debate),
    "optional": _read_optional,
    "need": _read_need,
    "retry": _read_retry,
    "timeout": _of_type(int, float),
    "on_error": _read_on_error,
    "cache": _read_cache,
    "effect": _read_effect,
    "executor": _of_type(str),
    "prefer": _read_prefer,
    "knobs": _read_knobs,
}
