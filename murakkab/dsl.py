"""policy: workflows written in Python - `step`, `capability`, `when` - and `declare`, which turns a typed function into a `Workflow`.

The function is called once, with placeholders for its parameters. Each step it calls is written down; nothing runs.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Concatenate, Final, Generic, NamedTuple, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, overload

from murakkab.catalog import Capability
from murakkab.composition import as_expr, fields_of
from murakkab.errors import Diagnostic, Place, SpecError
from murakkab.placeholders import Formula, Placeholder, condition_text, mistake
from murakkab.recording import Recording, StepFields, StepOptions, Target, active, recording_into, step_fields
from murakkab.references import NAME
from murakkab.signature import annotations_of, describe, takes_call, type_of
from murakkab.spec import Goal, Input, OnError, Output, Ref, Rescue, Workflow
from murakkab.types import ANY, Type, field_type
from murakkab.values import File

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")


class StepFunction(Generic[P, R]):
    """A function that is a step wherever a workflow calls it, and an ordinary function everywhere else.

    To type checkers a call gives what a workflow sees, the awaited result; `function` is the function itself.
    """

    def __init__(self, target: Target, fields: StepFields) -> None:
        self._target = target
        self._fields = fields
        if target.function is not None:
            functools.update_wrapper(self, target.function)

    @property
    def function(self) -> Callable[P, Any]:
        """The function without its decorator."""
        if self._target.function is None:
            raise mistake("outside-workflow", f"{self._target.name} has no function", "an executor provides it")
        return self._target.function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Add a step to the workflow that is being written down; elsewhere, call the function."""
        recording = active()
        if recording is None:
            return cast("R", self._function_outside()(*args, **kwargs))
        return cast("R", recording.record(self._target, self._fields, (args, kwargs)))

    # `self` by its call signature: that is what lets type checkers take the first parameter off.
    def map(
        self: Callable[Concatenate[T, Q], R],  # pyright: ignore[reportGeneralTypeIssues]
        items: Iterable[T],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[R]:
        """Add a step that runs for every element of *items*, in parallel; its value is the list of the results, in order."""
        return cast("list[R]", cast("StepFunction[..., Any]", self)._mapped(items, args, kwargs))  # noqa: SLF001 - it is this class

    def with_options(self, **options: Unpack[StepOptions]) -> Self:
        """Return the same step with other options, for one call or for many."""
        return type(self)(self._target, self._fields | step_fields(options))

    def __repr__(self) -> str:
        return f"<step {self._target.name}>"

    def _mapped(self, items: Iterable[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        recording = active()
        if recording is not None:
            return recording.record_map(self._target, self._fields, items, (args, kwargs))
        function = self._function_outside()
        if inspect.iscoroutinefunction(function):
            raise mistake("outside-workflow", f"{self._target.name}.map is for workflows", "await the function for every element")
        return [function(item, *args, **kwargs) for item in items]

    def _function_outside(self) -> Callable[..., Any]:
        if self._target.function is None:
            name = self._target.capability.name
            raise mistake("outside-workflow", f"the capability {name!r} has no code to call", "call it in a function with @workflow")
        return self._target.function


class CapabilityHandle(StepFunction[P, R]):
    """A typed name for something that executors provide. A workflow that calls it gets a step; it cannot be called elsewhere."""

    @property
    def capability(self) -> Capability:
        """The interface that is asked for."""
        return self._target.capability


class StepDecorator(Protocol):
    """What `step(...)` with options returns."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> StepFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(function: Callable[P, Coroutine[Any, Any, R]], /) -> StepFunction[P, R]: ...
@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...
@overload
def step(**options: Unpack[StepOptions]) -> StepDecorator: ...
def step(function: Any = None, /, **options: Any) -> Any:
    """Make an async or plain function a step: `@step` or `@step(retry=3, timeout=5)`."""
    fields = step_fields(options)

    def decorate(function: Callable[..., Any]) -> StepFunction[..., Any]:
        if isinstance(function, StepFunction):
            raise mistake("bad-function", f"{function!r} is a step already", "use with_options(...) for other options")
        name = getattr(function, "__name__", type(function).__name__)
        return StepFunction(Target(name, describe(function), _signature(function), function), fields)

    return decorate if function is None else decorate(function)


def capability(name: str) -> Callable[[Callable[P, R]], CapabilityHandle[P, R]]:
    """Make a function without a body the typed handle of the capability *name*. Its docstring says what is asked for.

    Its defaults are given to whatever provides the capability; `= ...` leaves a value to the provider.
    """

    def decorate(stub: Callable[P, R]) -> CapabilityHandle[P, R]:
        found = describe(stub, name=name)
        inputs = tuple(dataclasses.replace(p, default=None) if p.default is ... else p for p in found.inputs)
        handle = CapabilityHandle[P, R](Target(stub.__name__, dataclasses.replace(found, inputs=inputs), _signature(stub)), {})
        functools.update_wrapper(handle, stub)
        return handle

    return decorate


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature as a workflow sees it. Raises `SpecError` for parameters that cannot be given by name."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise mistake("bad-function", f"Python does not know the parameters of {function!r}", "wrap it in a function of your own") from None
    nameless = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
    if nameless:
        raise mistake("bad-function", f"the parameter {nameless[0]} cannot be given by name", "leave out / and *: inputs have names")
    annotations = annotations_of(function)
    seen = [p for p in signature.parameters.values() if not takes_call(annotations.get(p.name))]
    return signature.replace(parameters=seen)


@contextmanager
def when(condition: str | int | Formula, /) -> Iterator[None]:
    """Run the steps of a block if the condition holds, else skip them.

    It is written `with when(page.size > 3):`. Steps that need a value from the block are skipped with it;
    `first(a, b)` takes the branch that ran.
    """
    recording = active()
    if recording is None:
        raise mistake("outside-workflow", "when(...) stands outside of a workflow", "outside, use a plain if")
    with recording.under(condition_text(condition)):
        yield


def default_to(value: object) -> OnError:
    """Return the `on_error` that takes *value* as the result of a step that failed for good."""
    return OnError(Rescue.DEFAULT, default=as_expr(value))


def fallback_to(executor: str) -> OnError:
    """Return the `on_error` that tries once more with another executor."""
    return OnError(Rescue.FALLBACK, fallback=executor)


class Returns(NamedTuple):
    """How the outputs of a job become what the function returns: `nothing`, one `value`, or the `fields` of `record` (None: a dict)."""

    form: str
    annotation: Any
    record: type | None = None


_AS_DICT: Final = Returns("fields", dict[str, Any])


@dataclass(frozen=True, slots=True)
class Declared:
    """A workflow and what Python knows beside it: the functions behind `call`, their interfaces, and where each step was written."""

    workflow: Workflow
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    returns: Returns = _AS_DICT

    def placed(self, error: SpecError) -> SpecError:
        """Return *error* with the place in the user's file for each diagnostic that has none."""
        return SpecError([d if d.place else dataclasses.replace(d, place=self._place(d)) for d in error.diagnostics])

    def _place(self, diagnostic: Diagnostic) -> Place | None:
        step_name = str(diagnostic.path[1]) if len(diagnostic.path) > 1 and diagnostic.path[0] == "steps" else ""
        return self.places.get(step_name) or self.places.get("")


_ONE_VALUE: Final = "result"


def declare(
    function: Callable[..., Any], *, name: str = "", description: str = "", goal: Goal | None = None, timeout: float | None = None
) -> Declared:
    """Return the workflow that *function* writes down. Raises `SpecError` with every mistake found, at its line."""
    place = _place_of(function)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        hint = "write `def`, and call async steps without await"
        raise SpecError([Diagnostic("bad-function", "the body of a workflow is a plain function", hint, place=place)])
    interface, annotations = describe(function), annotations_of(function)
    recording = Recording()
    try:
        inputs = _inputs(function, interface, annotations)
        with recording_into(recording):
            returned = function(**{n: Placeholder(Ref("inputs", (n,)), one.type) for n, one in inputs.items()})
            outputs, returns = _outputs(returned, annotations.get("return", Any))
    except SpecError as error:
        found = [d if d.place else dataclasses.replace(d, place=place) for d in error.diagnostics]
        raise SpecError([*recording.diagnostics, *found]) from None
    if recording.diagnostics:
        raise SpecError(recording.diagnostics)
    workflow = Workflow(
        name or interface.name.replace("_", "-"),
        description or interface.description,
        inputs=inputs,
        steps=recording.steps,
        outputs=outputs,
        goal=goal or Goal(),
        timeout=timeout,
    )
    return Declared(workflow, recording.functions, recording.capabilities, {**recording.places, "": place}, returns)


def _place_of(function: Callable[..., Any]) -> Place:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Place(code.co_filename, code.co_firstlineno, 1) if code else Place(repr(function))


def _inputs(function: Callable[..., Any], interface: Capability, annotations: Mapping[str, Any]) -> dict[str, Input]:
    problems = [
        Diagnostic("bad-function", f"the parameter {p} cannot be given by name", "leave out /, * and **: inputs have names")
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    found: dict[str, Input] = {}
    for one in interface.inputs:
        try:
            default = as_expr(one.default)
        except SpecError as error:
            problems += [dataclasses.replace(d, message=f"the default of {one.name!r}: {d.message}", place=None) for d in error.diagnostics]
            continue
        found[one.name] = Input(type_of(annotations.get(one.name, Any)), default, one.required, one.description)
    if problems:
        raise SpecError(problems)
    return found


def _outputs(returned: object, annotation: Any) -> tuple[dict[str, Output], Returns]:
    """Return the outputs that a returned value stands for, and how to make such a value of them again."""
    if returned is None:
        return {}, Returns("nothing", annotation)
    declared = type_of(annotation)
    parts = fields_of(returned) if not isinstance(returned, File) else None
    if parts is None and isinstance(returned, dict):
        parts = returned
    if parts is None:
        return {_ONE_VALUE: _output(returned, declared)}, Returns("value", annotation)
    if bad := next((n for n in parts if not NAME.fullmatch(str(n))), ""):
        raise SpecError([Diagnostic("bad-name", f"{bad!r} is no name for an output", "letters, digits, _ and -, the first a letter or _")])
    record = None if isinstance(returned, dict) else type(returned)
    outputs = {n: _output(value, field_type(declared, n) or ANY) for n, value in parts.items()}
    return outputs, Returns("fields", annotation, record)


def _output(value: object, declared: Type) -> Output:
    known = value.type__ if declared == ANY and isinstance(value, Placeholder) else declared
    return Output(as_expr(value), known, optional=declared.kind in ("optional", "null"))
