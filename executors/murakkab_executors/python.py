"""driver: Python functions as steps (`call: module:function`), and how such a name becomes a function."""

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, cast

from murakkab.catalog import ExecutorCard, Quote
from murakkab.diagnostics import did_you_mean
from murakkab.errors import ExecutorError, InputError, MurakkabError, NotFoundError
from murakkab.ports import Call
from murakkab.spec import Effect
from murakkab_executors.binding import Binding, bind, misfit
from murakkab_executors.calling import in_thread, on_loop
from murakkab_executors.conversion import SAFE, json_data, owned

#: Functions remembered at a time. A service that makes new functions for every job must not grow for ever.
_REMEMBERED: Final = 4096


class PythonExecutor:
    """Calls the function of a step: coroutine and async generator functions on the loop, others in a worker thread."""

    card: Final = ExecutorCard(
        "python",
        "python",
        "Call a Python function in this process.",
        effect=Effect.WRITE,
        quote=Quote(seconds=0.1, usd=0.0),
    )

    def __init__(self) -> None:
        self._bindings: dict[int, Binding] = {}  # by id: a binding keeps its function alive, and not all are hashable

    async def run(self, call: Call) -> Any:
        """Return what the function returns, as JSON data. Its parameters are the inputs, converted to their annotations."""
        function = call.target
        binding = self._bindings.get(id(function))
        if binding is None:
            binding = self._bind(function)
        if not binding.is_direct:
            return await self._run_converted(binding, call)
        try:
            made = function(**owned(call.inputs))
        except TypeError as error:  # a coroutine function runs nothing before it is awaited: only the names can be wrong
            raise misfit(function, str(error)) from None
        value = await made
        return value if type(value) in SAFE else json_data(value)

    def _bind(self, function: Callable[..., Any]) -> Binding:
        if len(self._bindings) >= _REMEMBERED:
            self._bindings.clear()
        binding = self._bindings[id(function)] = bind(function)
        return binding

    async def _run_converted(self, binding: Binding, call: Call) -> Any:
        def make() -> Any:
            return binding.function(**binding.arguments(call.inputs, call))

        return await (on_loop if binding.is_async else in_thread)(binding, make, call.report)

    def is_silent(self, target: Any) -> bool:
        """Return whether the steps of a function have no use for the report of their calls."""
        try:
            return (self._bindings.get(id(target)) or self._bind(target)).is_silent
        except ExecutorError:  # told when it runs
            return False


def load_function(target: str) -> Callable[..., Any]:
    """Return the function that `module:function` names. Raises `NotFoundError` with the nearest name, or `InputError`."""
    module_name, colon, path = target.partition(":")
    if not colon or not path or not all(map(str.isidentifier, [*module_name.split("."), *path.split(".")])):
        raise InputError(f"{target!r} does not name a function", hint="write module:function, for example mypackage.steps:clean")
    module = _module(module_name)
    found: Any = module
    for name in path.split("."):
        owner, found = found, getattr(found, name, None)
        if found is None:
            names = (n for n in dir(owner) if not n.startswith("_") and callable(getattr(owner, n, None)))
            raise NotFoundError(f"there is no {path!r} in {module_name}{_origin(module)}", hint=_nearest(name, names))
    if not callable(found):
        raise InputError(f"{target} is {type(found).__name__}, not a function")
    return cast("Callable[..., Any]", found)


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except MurakkabError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise InputError(f"{name} needs the module {missing!r}, which is not installed", hint=f"pip install {missing}") from error
        near = _nearest(missing, _siblings(missing))
        where = "is it installed, or its folder on PYTHONPATH?"
        raise NotFoundError(f"there is no module {missing!r}", hint=f"{near} {where}" if near else where) from None
    except SystemExit as error:
        hint = 'what is to happen only when the file is run as a program belongs under `if __name__ == "__main__":`'
        raise InputError(f"{name} cannot be imported: SystemExit({'' if error.code is None else repr(error.code)})", hint=hint) from error
    except Exception as error:
        message = f"{name} cannot be imported: {type(error).__name__}: {_told(error)}"
        raise InputError(message, hint="mend the module; `python -c 'import ...'` shows the whole traceback") from error


def _told(error: BaseException) -> str:
    """Return what an error says, and where it comes from: the line that cannot be read, else the last that ran and is in a file."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    last = next((one for one in reversed(frames) if not one.filename.startswith("<")), frames[-1])
    return f"{error} ({last.filename}:{last.lineno})"


def _siblings(module: str) -> Iterable[str]:
    """Return the names of the modules beside *module*."""
    return _modules_in(module.rpartition(".")[0], tuple(sys.path))


@lru_cache(maxsize=8)
def _modules_in(parent: str, _path: tuple[str, ...]) -> tuple[str, ...]:
    """Looking through all folders of a path takes long."""
    path = getattr(importlib.import_module(parent), "__path__", []) if parent else None
    found = (one.name for one in pkgutil.iter_modules(path, f"{parent}." if parent else ""))
    # Nobody means a module of Python itself: it would have been found.
    return tuple(name for name in found if name not in sys.stdlib_module_names)


def _nearest(name: str, names: Iterable[str]) -> str:
    return did_you_mean(name, list(names))


def _origin(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return f" ({file})" if file else ""


EXECUTORS: Final = (PythonExecutor(),)
