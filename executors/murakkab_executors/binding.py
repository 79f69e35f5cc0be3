"""driver: how the inputs of a call become the arguments of a Python function, and what it gives JSON data; made once per function."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.signature import annotations_of, is_generator, takes_call
from murakkab_executors.conversion import Convert, brief, element_of, json_data, owned, reader, writer


@dataclass(frozen=True, slots=True)
class Binding:
    """A function, and the conversions on the way in and out.

    `is_generator`: it gives a list element by element, and what is said of its result holds for each of them. `is_async`: it is called on
    the loop. `is_direct`: a coroutine function that takes JSON data as it is.
    """

    function: Callable[..., Any]
    signature: inspect.Signature | None
    readers: Mapping[str, Convert]
    writer: Convert | None
    call_name: str
    is_async: bool
    is_generator: bool
    is_direct: bool

    @property
    def is_silent(self) -> bool:
        """True when nothing but `murakkab.spend` can make use of the report of a call."""
        return self.is_async and not self.is_generator and not self.call_name

    def arguments(self, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Return the keyword arguments. Raises `ExecutorError` where a value or a name does not fit the function."""
        arguments = dict(owned(given))
        if self.call_name:
            arguments[self.call_name] = call
        for name, read in self.readers.items():
            if name in arguments:
                arguments[name] = self._read(name, read, arguments[name])
        if self.signature is not None:
            try:
                self.signature.bind(**arguments)
            except TypeError as error:
                raise misfit(self.function, str(error)) from None
        return arguments

    def _read(self, name: str, read: Convert, value: Any) -> Any:
        try:
            return read(value)
        except ValueError as error:
            message = f"{name_of(self.function)}: the input {name!r} does not fit: {brief(error)}"
            raise ExecutorError(message, reason="bad-input", retryable=False) from error

    def result(self, value: Any) -> Any:
        """Return what the function returned, or an element of it, as JSON data. Raises `ExecutorError` with a cure where it is none."""
        if self.writer is None:
            return json_data(value)
        try:
            plain = self.writer(value)
        except ValueError as error:
            message = f"{name_of(self.function)} returned something else than it declares: {brief(error)}"
            raise ExecutorError(message, hint="mend the return annotation or the result", reason="bad-result", retryable=False) from error
        return json_data(plain)


def bind(function: Callable[..., Any]) -> Binding:
    """Return the binding of *function*. Raises `ExecutorError` where its annotations cannot be served from JSON data."""
    annotations = annotations_of(function)
    streams = is_generator(function)
    result = annotations.pop("return", Any)
    if streams:
        result = element_of(result)
    call_name = next((name for name, annotation in annotations.items() if takes_call(annotation)), "")
    annotations.pop(call_name, None)
    try:
        readers = {name: read for name, annotation in annotations.items() if (read := _reader(name, annotation)) is not None}
        write = writer(result)
    except TypeError as error:
        raise ExecutorError(f"{name_of(function)}: {error}", reason="bad-signature", retryable=False) from error
    is_coroutine = is_coroutine_function(function)
    return Binding(
        function,
        _signature(function),
        readers,
        write,
        call_name,
        is_async=is_called_on_loop(function),
        is_generator=streams,
        is_direct=is_coroutine and not (streams or readers or write or call_name),
    )


def _reader(name: str, annotation: Any) -> Convert | None:
    try:
        return reader(annotation)
    except TypeError as error:
        raise TypeError(f"the parameter {name!r}: {error}") from error


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def is_coroutine_function(function: Any) -> bool:
    """Return whether calling *function* makes a coroutine; also of an object with `async def __call__`."""
    return _is(inspect.iscoroutinefunction, function)


def is_called_on_loop(function: Any) -> bool:
    """Return whether calling *function* makes a coroutine or an async generator, so that it must not be called in a thread."""
    return is_coroutine_function(function) or _is(inspect.isasyncgenfunction, function)


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004


def name_of(function: Any) -> str:
    """Return the name to show for *function*."""
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def misfit(function: Any, complaint: str) -> ExecutorError:
    """Return the error for inputs that are not the parameters of *function*."""
    hint = "the names under 'with' are its parameters"
    return ExecutorError(f"{name_of(function)}: {complaint}", hint=hint, reason="bad-input", retryable=False)
