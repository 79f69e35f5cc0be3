"""state: a workflow while it is written down - calls of steps in, `Step`s out. One `Recording` per traced workflow; nothing runs."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict

from murakkab.catalog import Capability
from murakkab.composition import as_expr
from murakkab.errors import Diagnostic, Place, SpecError
from murakkab.placeholders import RESERVED, WRITING, Formula, Placeholder, caller, condition_text, mistake
from murakkab.spec import CachePolicy, Effect, Expr, Loop, OnError, Ref, Rescue, Retry, Step
from murakkab.types import ANY, list_of

_ITEM: Final = "item"
_TAKEN: Final = RESERVED | {"inputs", _ITEM}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class StepOptions(TypedDict, total=False):
    """How a step is run. `retry`: how often to try; `timeout`: in seconds; `cache`: for good, or for so many seconds.

    `when`: a comparison of values of steps and inputs, or text of the condition language. `after`: steps (their values or names)
    that must be over first. `name`: the name of the step; where it is taken, a number is added.
    """

    name: str
    description: str
    when: str | int | Formula
    after: Sequence[object]
    max_parallel: int
    retry: int | Retry
    timeout: float
    on_error: Literal["fail", "skip"] | OnError
    cache: bool | float | CachePolicy
    effect: Literal["pure", "read", "write", "irreversible"] | Effect
    executor: str
    knobs: Mapping[str, Any]


#: Options as the fields of a `Step`, and the wished name.
StepFields = dict[str, Any]
#: Positional and named arguments of a call.
Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


def step_fields(options: Mapping[str, Any]) -> StepFields:
    """Return *options* as the fields of a `Step`. Raises `SpecError` with every option that is unknown or cannot be read."""
    fields: StepFields = {}
    problems: list[Diagnostic] = []
    for name, value in options.items():
        try:
            if name not in _READERS:
                raise mistake("unknown-option", f"there is no option {name!r}", f"there are {', '.join(_READERS)}")
            fields[name] = _READERS[name](name, value)
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(problems)
    return fields


def _of_type(*kinds: type) -> Callable[[str, Any], Any]:
    def read(name: str, value: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise mistake("wrong-form", f"{name}={value!r} is not {' or '.join(k.__name__ for k in kinds)}")
        return value

    return read


def _read_name(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise mistake("bad-name", f"{value!r} is no name for a step", "letters, digits and _, the first not a digit")
    return value


def _read_after(name: str, value: Any) -> tuple[str, ...]:
    return tuple(_step_of(v) for v in ([value] if isinstance(value, str | Placeholder) else value))


def _step_of(value: object) -> str:
    if isinstance(value, Placeholder) and isinstance(value.expr__, Ref) and value.expr__.source not in _TAKEN:
        return value.expr__.source
    if isinstance(value, str):
        return value
    raise mistake("unknown-step", f"after={value!r} is not a step", "give the value that a step returned, or the step's name")


def _read_retry(name: str, value: Any) -> Retry:
    return value if isinstance(value, Retry) else Retry(attempts=_of_type(int, Retry)(name, value))


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


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "name": _read_name,
    "description": _of_type(str),
    "when": lambda _, value: condition_text(value),
    "after": _read_after,
    "max_parallel": _of_type(int),
    "retry": _read_retry,
    "timeout": _of_type(int, float),
    "on_error": _read_on_error,
    "cache": _read_cache,
    "effect": _read_effect,
    "executor": _of_type(str),
    "knobs": _read_knobs,
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a step runs: a `capability`, or the `function` that the interface in `capability` was read from."""

    name: str
    capability: Capability
    signature: inspect.Signature
    function: Callable[..., Any] | None = None


@dataclass(slots=True)
class Recording:
    """What has been written down so far. Mistakes after which the writing can go on are collected in `diagnostics`."""

    steps: dict[str, Step] = field(default_factory=dict)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    capabilities: dict[str, Capability] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _conditions: list[str] = field(default_factory=list)
    #: The last number given to a name.
    _numbers: dict[str, int] = field(default_factory=dict)

    def record(self, target: Target, fields: StepFields, given: Arguments) -> Placeholder:
        """Return the value-to-be of a new step."""
        return Placeholder(Ref(self._add(target, fields, (), given)), target.capability.result)

    def record_map(self, target: Target, fields: StepFields, items: object, given: Arguments) -> Placeholder:
        """Return the list-to-be of a new step that runs for every element of *items*, given before the other arguments."""
        args, kwargs = given
        try:
            loops = (Loop(_ITEM, as_expr(items)),)
        except SpecError as error:
            self.diagnostics += error.diagnostics
            loops = (Loop(_ITEM, []),)
        element = Placeholder(Ref(_ITEM), ANY)
        return Placeholder(Ref(self._add(target, fields, loops, ((element, *args), kwargs))), list_of(target.capability.result))

    @contextmanager
    def under(self, condition: str) -> Iterator[None]:
        """Give *condition* to every step that is recorded inside the block."""
        self._conditions.append(condition)
        try:
            yield
        finally:
            self._conditions.pop()

    def _add(self, target: Target, fields: StepFields, loops: tuple[Loop, ...], given: Arguments) -> str:
        rest = dict(fields)
        name = self._free_name(rest.pop("name", target.name))
        try:
            with_ = _arguments(target, *given)
        except SpecError as error:
            self.diagnostics += error.diagnostics
            with_ = {}
        conditions = [*self._conditions, *([rest.pop("when")] if "when" in rest else [])]
        when = conditions[0] if len(conditions) == 1 else " && ".join(f"({c})" for c in conditions)
        uses = target.capability.name if target.function is None else ""
        call = "" if target.function is None else self._call_of(target.function)
        self.capabilities[uses or call] = target.capability
        self.places[name] = caller()
        self.steps[name] = Step(name, with_=with_, for_each=loops, when=when, uses=uses, call=call, **rest)
        return name

    def _free_name(self, wish: str) -> str:
        base = re.sub(r"\W+", "_", wish, flags=re.ASCII).strip("_") if not _NAME.fullmatch(wish) else wish
        base = base if _NAME.fullmatch(base) else f"step_{base}"
        base = f"{base}_" if base in _TAKEN else base
        name = base
        while name in self.steps:
            # Counted on from the last time: a workflow may call one step thousands of times.
            self._numbers[base] = number = self._numbers.get(base, 1) + 1
            name = f"{base}_{number}"
        return name

    def _call_of(self, function: Callable[..., Any]) -> str:
        """Return `module:qualname`, with a number where two functions share it, as those made by one factory do."""
        base = f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"
        number = 2
        name = base
        while self.functions.setdefault(name, function) is not function:
            name, number = f"{base}~{number}", number + 1
        return name


def _arguments(target: Target, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Expr]:
    """Return the arguments of a call by name, as expressions. Raises `SpecError` where they do not fit the signature."""
    try:
        bound = target.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise mistake("wrong-arguments", f"{target.name}: {error}", f"it is called {target.name}{target.signature}") from None
    if target.function is None:
        _fill_in_defaults(bound)
    given: dict[str, Expr] = {}
    for name, value in bound.arguments.items():
        is_rest = target.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        given |= {k: as_expr(v) for k, v in (value if is_rest else {name: value}).items()}
    return given


def _fill_in_defaults(bound: inspect.BoundArguments) -> None:
    """Add the defaults that a capability's stub declares: whoever provides it may have others. None and `...` mean "not given"."""
    for name, parameter in bound.signature.parameters.items():
        if name not in bound.arguments and not any(parameter.default is absent for absent in (parameter.empty, None, ...)):
            bound.arguments[name] = parameter.default


_ACTIVE: Final[ContextVar[Recording | None]] = ContextVar("murakkab_recording", default=None)


def active() -> Recording | None:
    """Return the recording of the workflow that is being written down, None outside of one."""
    return _ACTIVE.get()


@contextmanager
def recording_into(recording: Recording) -> Iterator[None]:
    """Make *recording* the active one inside the block."""
    token, writing = _ACTIVE.set(recording), WRITING.set(recording)
    try:
        yield
    finally:
        WRITING.reset(writing)
        _ACTIVE.reset(token)
