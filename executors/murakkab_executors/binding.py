"""driver: how the inputs of a call become the arguments of a Python function, and what it returns a JSON result; made once per function."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.signature import annotations_of, takes_call
from murakkab_executors.conversion import Convert, brief, json_data, owned, reader, writer


@dataclass(frozen=True, slots=True)
class Binding:
    """A function, and the conversions on the way in and out. `is_direct`: a coroutine function that takes JSON data as it is."""

    function: Callable[..., Any]
    signature: inspect.Signature | None
    readers: Mapping[str, Convert]
    writer: Convert | None
    call_name: str
    is_async: bool
    is_direct: bool

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
        """Return what the function returned as JSON data. Raises `ExecutorError` with what to do where it is none."""
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
    result = annotations.pop("return", Any)
    call_name = next((name for name, annotation in annotations.items() if takes_call(annotation)), "")
    annotations.pop(call_name, None)
    try:
        readers = {name: read for name, annotation in annotations.items() if (read := _reader(name, annotation)) is not None}
        write = writer(result)
    except TypeError as error:
        raise ExecutorError(f"{name_of(function)}: {error}", reason="bad-signature", retryable=False) from error
    is_async = is_coroutine_function(function)
    is_direct = is_async and not readers and write is None and not call_name
    return Binding(function, _signature(function), readers, write, call_name, is_async, is_direct)


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
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def name_of(function: Any) -> str:
    """Return the name to show for *function*."""
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def misfit(function: Any, complaint: str) -> ExecutorError:
    """Return the error for inputs that are not the parameters of *function*."""
    hint = "the names under 'with' are its parameters"
    return ExecutorError(f"{name_of(function)}: {complaint}", hint=hint, reason="bad-input", retryable=False)
