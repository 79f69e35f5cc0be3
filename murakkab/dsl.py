"""policy: the steps of workflows written in Python - `step`, `capability`, and whole workflows as steps.

Each step that is called while a workflow is written down is noted; nothing runs.
"""

import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, overload

from murakkab.catalog import Capability
from murakkab.declared import Declared
from murakkab.options import LoopOptions, StepFields, StepOptions, step_fields
from murakkab.outputs import ONE_VALUE
from murakkab.placeholders import mistake
from murakkab.recording import Target, active
from murakkab.signature import annotations_of, describe, takes_call
from murakkab.types import Field, Type, optional

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")


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

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
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
        return cast("list[R]", cast("StepFunction[..., Any]", self)._mapped([items], args, kwargs))  # noqa: SLF001 - it is this class

    def map_zip(
        self: Callable[Concatenate[T, U, Q], R],  # pyright: ignore[reportGeneralTypeIssues]
        first: Iterable[T],
        second: Iterable[U],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[R]:
        """Add a step that runs for every pair of elements of two lists of equal length, in parallel."""
        return cast("list[R]", cast("StepFunction[..., Any]", self)._mapped([first, second], args, kwargs))  # noqa: SLF001 - as above

    def with_options(self, **options: Unpack[StepOptions]) -> Self:
        """Return the same step with other options, for one call or for many."""
        return type(self)(self._target, self._fields | step_fields(options))

    def __repr__(self) -> str:
        return f"<step {self._target.name}>"

    def _mapped(self, lists: list[Iterable[Any]], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        recording = active()
        if recording is not None:
            return recording.record_map(self._target, self._fields, lists, (args, kwargs))
        function = self._function_outside()
        if inspect.iscoroutinefunction(function):
            raise mistake("outside-workflow", f"{self._target.name}.map is for workflows", "await the function for every element")
        return [function(*items, *args, **kwargs) for items in zip(*lists, strict=True)]

    def _function_outside(self) -> Callable[..., Any]:
        if self._target.function is None:
            name = self._target.capability.name
            raise mistake("outside-workflow", f"{self._what} {name!r} has no code to call", "call it in a function with @workflow")
        return self._target.function

    @property
    def _what(self) -> str:
        return "the step"


class CapabilityHandle(StepFunction[P, R]):
    """A typed name for something that executors provide. A workflow that calls it gets a step; it cannot be called elsewhere."""

    @property
    def capability(self) -> Capability:
        """The interface that is asked for."""
        return self._target.capability

    @property
    def _what(self) -> str:
        return "the capability"


class NamedStep(StepFunction[..., Any]):
    """Something that is used by its name, of which Python knows no more: inputs are given by name, and the value may be anything.

    `map` gives the element as `item`: `use("speech-to-text").map(files, audio=item)`.
    """

    def with_options(self, **options: Unpack[LoopOptions]) -> Self:
        """Return the same step with other options, for one call or for many."""
        return type(self)(self._target, self._fields | step_fields(options))


class WorkflowStep(StepFunction[P, R]):
    """A whole workflow as a step of another one; it is written down when it is first called."""

    def __init__(self, source: Callable[[], Declared], signature: inspect.Signature | None, fields: StepFields) -> None:
        self._source = source
        self._signature = signature
        self._fields = fields

    @functools.cached_property
    def _target(self) -> Target:  # type: ignore[override]
        return _target_of(self._source(), self._signature)

    @property
    def _what(self) -> str:
        return "the workflow"

    def with_options(self, **options: Unpack[StepOptions]) -> Self:
        """Return the same step with other options, for one call or for many."""
        return type(self)(self._source, self._signature, self._fields | step_fields(options))


def _target_of(part: Declared, signature: inspect.Signature | None) -> Target:
    workflow = part.workflow
    fields = (Field(name, optional(one.type) if one.optional else one.type) for name, one in workflow.outputs.items())
    interface = Capability(workflow.name, workflow.description, result=Type("record", fields=tuple(fields), name=workflow.name))
    pick = ONE_VALUE if part.returns.form == "value" else ""
    return Target(workflow.name, interface, signature or _OPEN, part=part, pick=pick)


class StepDecorator(Protocol):
    """What `step(...)` with options returns."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> StepFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, AsyncIterator[R] | Iterator[R]], /) -> StepFunction[P, list[R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(function: Callable[P, Coroutine[Any, Any, R]], /) -> StepFunction[P, R]: ...
@overload
def step(function: Callable[P, AsyncIterator[R] | Iterator[R]], /) -> StepFunction[P, list[R]]: ...
@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...
@overload
def step(**options: Unpack[StepOptions]) -> StepDecorator: ...
def step(function: Any = None, /, **options: Any) -> Any:
    """Make a function a step, async or not: `@step` or `@step(retry=3, timeout=5)`. A generator gives its list element by element."""
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


#: The parameters of what is used by its name: whatever is given.
_OPEN: Final = inspect.Signature([inspect.Parameter("inputs", inspect.Parameter.VAR_KEYWORD)])


def use(capability: str, /, **options: Unpack[LoopOptions]) -> NamedStep:
    """Return a step of which any executor of *capability* may be chosen: `use("speech-to-text", retry=3)(audio=file)`."""
    return _named(capability, {"uses": capability}, options)


def call(function: str, /, **options: Unpack[LoopOptions]) -> NamedStep:
    """Return a step that calls the Python function `module:function`: `call("statistics:fmean")(data=numbers)`."""
    return _named(name_of_call(function), {"call": function}, options)


def name_of_call(function: str) -> str:
    """Return what a step that calls `module:function` is usually called."""
    return function.rpartition(":")[2].rpartition(".")[2]


class _Declares(Protocol):
    @property
    def declared(self) -> Declared: ...


def subworkflow(part: str | _Declares, /, **options: Unpack[LoopOptions]) -> NamedStep:
    """Return a step that is a whole workflow, a handle or the name of one in `@workflow(workflows={...})`.

    Inputs are given by name, and the value is the record of the outputs.
    """
    if isinstance(part, str):
        return _named(part, {"workflow": part}, options)
    return NamedStep(dataclasses.replace(_target_of(part.declared, None), pick=""), step_fields(options))


def does(text: str, /, **options: Unpack[LoopOptions]) -> NamedStep:
    """Return a step of which only plain language says what it does: something has to be found for it before it can run."""
    return _named(name_of_text(text), {"does": text}, options)


def name_of_text(text: str) -> str:
    """Return what a step is usually called of which plain language says what it does."""
    return "_".join(text.lower().split()[:3])


def _named(name: str, work: Mapping[str, str], options: LoopOptions) -> NamedStep:
    return NamedStep(Target(name, Capability(name, ""), _OPEN, work=work), step_fields(options))
