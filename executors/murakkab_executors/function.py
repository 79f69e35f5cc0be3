"""driver: a typed Python function as an executor: `@executor(speech_to_text, name="pocketsphinx", effect="pure", extra="audio")`.

Parameters named like inputs of the capability are inputs. Further keyword-only ones are knobs. One annotated `Call` receives the call.
"""

import copy
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, get_args

from murakkab.catalog import Capability, Device, ExecutorCard, Limits, Needs, Parameter, Quote
from murakkab.errors import Diagnostic, ExecutorError, Place, SpecError
from murakkab.ports import Call, Report
from murakkab.signature import annotations_of, describe, takes_call, type_of
from murakkab.spec import Effect
from murakkab.steps import CURRENT, CurrentAttempt
from murakkab.types import why_not
from murakkab_executors.binding import Binding, bind, is_called_on_loop, name_of
from murakkab_executors.calling import drawn, in_thread, on_loop
from murakkab_executors.processes import WORKERS, portable

P = ParamSpec("P")
R = TypeVar("R")
RunIn = Literal["thread", "loop", "process"]


@dataclass(frozen=True, slots=True)
class Knob:
    """What may be tried for a knob: `Annotated[float, Knob("width of the beam", low=1e-80, high=1e-10)]`.

    `trades`: its `choices` are better or cheaper ways to the same result, so that the optimizer may pick one. Others are for people.
    """

    description: str = ""
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    trades: bool = False
    is_only_a_note = True  # not a field: conversion passes over it


class Handle(Protocol):
    """What `@capability` makes of a stub."""

    @property
    def capability(self) -> Capability:
        """What it stands for."""
        ...


class Details(TypedDict, total=False):
    """What a card says beyond its name; `cores` is 1 in a thread or process and 0 on the loop unless given."""

    effect: Literal["pure", "read", "write", "irreversible"]
    cores: float
    slots: Mapping[str, float]
    device: Literal["cpu", "gpu", "remote"]
    limits: Limits
    quote: Quote
    version: str
    extra: str
    settings: tuple[str, ...]
    leaves_undone: bool


class FunctionExecutor(Generic[P, R]):
    """An executor around a function. Calling it calls the function itself, which is how to test one."""

    def __init__(self, function: Callable[P, R], card: ExecutorCard, *, run_in: RunIn, defaults: Mapping[str, Any]) -> None:
        self.function = function
        self.card = card
        self.run_in = run_in
        self._defaults = defaults
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns, with no conversion."""
        return self.function(*args, **kwargs)

    @functools.cached_property
    def _binding(self) -> Binding:
        return bind(self.function)

    def is_silent(self, target: Any) -> bool:
        """Return whether nothing here has any use for the report of a call."""
        try:
            return self._binding.is_silent
        except ExecutorError:  # told when it runs
            return False

    async def run(self, call: Call) -> Any:
        """Return the result of one attempt. A function in a thread cannot be stopped: it is asked to end, and else left behind."""

        def make() -> Any:
            return self.function(**self._arguments(call))  # type: ignore[call-arg]  # checked by name, below the type checker

        try:
            if self._binding.is_async:
                return await on_loop(self._binding, make, call.report)
            if self.run_in == "loop":
                return drawn(self._binding, make, call.report.emit)
            if self.run_in == "process":
                return await self._in_process(call)
            return await in_thread(self._binding, make, call.report)
        except ModuleNotFoundError as error:
            if self.card.extra:
                raise missing(error.name or "", self.card.extra) from error
            raise

    async def _in_process(self, call: Call) -> Any:
        module, name = self.function.__module__, name_of(self.function)
        if "<locals>" in name or module == "__main__":
            inside = "a function" if "<locals>" in name else "the program that runs"
            message = f"{name} is defined inside {inside}, where another process cannot find it"
            raise ExecutorError(message, hint="move it to the top of a module of its own", reason="bad-executor", retryable=False)
        # What is emitted goes to functions of this process: there it is collected.
        value, error, spent = await WORKERS.run(_perform, module, name, call._replace(report=Report()))
        report = call.report
        report.usd, report.joules, report.tokens, report.units = spent
        if error is not None:
            raise error
        if self._binding.is_generator and report.emit is not None:
            for element in value:
                report.emit(element)
        return value

    def perform(self, call: Call) -> Any:
        """Return the result of one attempt of a plain function, made where it is called."""
        return drawn(self._binding, lambda: self.function(**self._arguments(call)), None)  # type: ignore[call-arg]

    def _arguments(self, call: Call) -> dict[str, Any]:
        # A list or dict is copied, so that a function that changes what it is given does not change the default.
        defaults = {name: copy.copy(default) for name, default in self._defaults.items() if name not in call.inputs}
        return self._binding.arguments({**defaults, **call.inputs, **call.knobs}, call)


#: A result, or what was raised in its place; and what was spent: dollars, joules, tokens; and how much work it was.
Performed = tuple[Any, BaseException | None, tuple[float | None, float | None, int, float | None]]


def _perform(module: str, name: str, call: Call) -> Performed:
    """Run in the worker process: find the executor by name, because the function itself cannot be pickled behind its decorator."""
    found = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    if not isinstance(found, FunctionExecutor):
        raise ExecutorError(f"{module}:{name} is no executor in a new process", reason="bad-executor", retryable=False)
    value: Any = None
    error: BaseException | None = None
    report = call.report
    CURRENT.set(CurrentAttempt(report))
    try:
        value = found.perform(call)
    except BaseException as raised:  # SystemExit, too, ends the task and not the worker
        error = portable(raised)
    return value, error, (report.usd, report.joules, report.tokens, report.units)


def executor(
    provides: Capability | Handle, *, name: str, run_in: RunIn = "thread", **details: Unpack[Details]
) -> Callable[[Callable[P, R]], FunctionExecutor[P, R]]:
    """Make a function an executor for a capability. Coroutine functions run on the loop, others as *run_in* says.

    Raises `SpecError` with everything that does not fit between the function and the capability.
    """
    wanted = provides if isinstance(provides, Capability) else provides.capability

    def decorate(function: Callable[P, R]) -> FunctionExecutor[P, R]:
        given = describe(function)
        knobs = tuple(_knob(p, annotations_of(function).get(p.name)) for p in given.inputs if wanted.input(p.name) is None)
        if mistakes := _mistakes(function, wanted, given):
            raise SpecError(mistakes)
        needs_core = not (is_called_on_loop(function) or run_in == "loop")
        card = ExecutorCard(
            name,
            wanted.name,
            given.description,
            knobs,
            effect=Effect(details.get("effect", "write")),
            device=Device(details.get("device", "cpu")),
            needs=Needs(details.get("cores", float(needs_core)), details.get("slots", {})),
            limits=details.get("limits", Limits()),
            quote=details.get("quote", Quote()),
            version=details.get("version", "1"),
            extra=details.get("extra", ""),
            settings=details.get("settings", ()),
            leaves_undone=details.get("leaves_undone", False),
        )
        defaults = {p.name: p.default for p in wanted.inputs if not p.required}
        return FunctionExecutor(function, card, run_in=run_in, defaults=defaults)

    return decorate


def _knob(parameter: Parameter, annotation: Any) -> Parameter:
    note = next((n for n in get_args(annotation) if isinstance(n, Knob)), Knob(parameter.description))
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    known = replace(parameter, default=default, required=False, description=note.description)
    return replace(known, choices=note.choices, low=note.low, high=note.high, trades=note.trades)


def _mistakes(function: Callable[..., Any], wanted: Capability, given: Capability) -> list[Diagnostic]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    place = Place(code.co_filename, code.co_firstlineno, 1) if code else None
    complaints = [*_input_complaints(wanted, given), *_knob_complaints(function, wanted)]
    declared = annotations_of(function).get("return", Any)
    if reason := why_not(wanted.result, type_of(declared)):
        complaints.append(f"its result does not fit {wanted.name}: {reason}")
    return [Diagnostic("bad-executor", f"{name_of(function)}: {complaint}", place=place) for complaint in complaints]


def _input_complaints(wanted: Capability, given: Capability) -> list[str]:
    complaints = []
    for asked in wanted.inputs:
        taken = given.input(asked.name)
        if taken is None and not given.open_inputs:
            complaints.append(f"the input {asked.name!r} of {wanted.name} is not among its parameters")
        elif taken is not None and (reason := why_not(taken.type, asked.type)):
            complaints.append(f"its parameter {asked.name!r} does not fit {wanted.name}: {reason}")
    return complaints


def _knob_complaints(function: Callable[..., Any], wanted: Capability) -> list[str]:
    annotations = annotations_of(function)
    complaints = []
    for p in inspect.signature(function).parameters.values():
        if wanted.input(p.name) or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or takes_call(annotations.get(p.name)):
            continue
        if p.kind is not p.KEYWORD_ONLY:
            complaints.append(f"its parameter {p.name!r} is no input of {wanted.name}; knobs are keyword-only: put it behind '*'")
        elif p.default is p.empty:
            complaints.append(f"its knob {p.name!r} has no default")
    return complaints


def require(module: str, extra: str) -> Any:
    """Return the imported *module* of an optional library. Raises `ExecutorError` naming the *extra* that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing(error.name or module, extra) from error


def missing(module: str, extra: str) -> ExecutorError:
    """Return the error for an optional library that is not installed."""
    message = f"the library {module!r} is not installed"
    return ExecutorError(message, hint=f"pip install 'murakkab[{extra}]'", reason="missing-extra", retryable=False)
