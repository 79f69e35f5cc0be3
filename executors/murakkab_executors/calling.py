"""driver: how a Python function is called, and what it gives made JSON data - on the loop or in a thread, at once or element by element.

Nothing can stop a thread. One whose attempt is cancelled or out of time is asked to end (`murakkab.check_cancelled`), waited for as long as
the attempt has grace (a moment, if it has never asked), and then left behind. It keeps no place from others: a new thread takes its place.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, closing, nullcontext, suppress
from typing import Any, Final, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from murakkab.errors import ExecutorError
from murakkab.ports import Report
from murakkab.steps import CURRENT, CurrentAttempt, check_cancelled
from murakkab_executors.binding import Binding, name_of

R = TypeVar("R")
#: Calls the function with its arguments.
Make = Callable[[], Any]
Emit = Callable[[Any], None]

#: Elements that a thread may be ahead of the loop.
_AHEAD: Final = 64
_LEFT: Final = "its thread runs on"
#: Seconds that a thread has to end by itself which will hardly ask whether it should.
_MOMENT: Final = 0.2


async def on_loop(binding: Binding, make: Make, report: Report) -> Any:
    """Return the result of a coroutine function, or the list of what an async generator function gives."""
    made = make()
    if isinstance(made, Awaitable):
        made = await made
    return await _gathered(binding, made, report.emit) if binding.is_generator else binding.result(made)


async def in_thread(binding: Binding, make: Make, report: Report) -> Any:
    """Return the result of a plain function, or the list of what a generator function gives, called in a worker thread."""
    if binding.is_generator and report.emit is not None:
        belt = _Belt(report.emit)
        found = await beside_loop(drawn, binding, make, belt.put, report=report, stopped=belt.stop)
        belt.check()
        return found
    value = await beside_loop(drawn, binding, make, None, report=report)
    # A plain function that makes an awaitable: the loop must await it.
    return binding.result(await value) if isinstance(value, Awaitable) else value


def drawn(binding: Binding, make: Make, emit: Emit | None) -> Any:
    """Return the result of a plain function, or the list of what a generator function gives, called here; an awaitable as it is."""
    try:
        made = make()
        if binding.is_generator:
            return _collected(binding, made, emit)
    except (KeyboardInterrupt, GeneratorExit) as error:
        # Ctrl-C reaches the main thread only: here it is the function's own, and ends the step, not the process. A `GeneratorExit` that
        # came to a coroutine out of a thread would close it.
        said = f": {error}" if str(error) else ""
        raise ExecutorError(f"{type(error).__name__}{said}, raised by the function itself", reason="exception") from error
    return made if isinstance(made, Awaitable) else binding.result(made)


def _collected(binding: Binding, made: Any, emit: Emit | None) -> list[Any]:
    found: list[Any] = []
    with closing(made) if hasattr(made, "close") else nullcontext():
        for element in _elements(binding, made):
            check_cancelled()
            found.append(binding.result(element))
            if emit is not None:
                emit(found[-1])
    return found


async def _gathered(binding: Binding, made: Any, emit: Emit | None) -> list[Any]:
    if not isinstance(made, AsyncIterator):
        return _collected(binding, made, emit)
    found: list[Any] = []
    async with aclosing(made) if hasattr(made, "aclose") else nullcontext():  # type: ignore[type-var]  # it has what `aclosing` calls
        async for element in made:
            found.append(binding.result(element))
            if emit is not None:
                emit(found[-1])
            # One that never waits for anything would let nobody else run, nor be stopped.
            await anyio.lowlevel.checkpoint()
    return found


def _elements(binding: Binding, made: Any) -> Iterable[Any]:
    """Return *made*. A decorator may have put something else in the place of the generator: a list will do."""
    if isinstance(made, Iterable) and not isinstance(made, str | bytes | dict):
        return made
    message = f"{name_of(binding.function)} gives {type(made).__name__} where elements are expected"
    raise ExecutorError(message, hint="yield them, or return a list", reason="bad-result", retryable=False)


# ----------------------------------------------------------------------------------------------------------------- threads


class _Thread(CurrentAttempt):
    """An attempt in a thread of its own: two flags each way, so that nobody waits for what has not begun or has ended."""

    __slots__ = ("_ended", "_loop", "has_begun", "has_ended")

    def __init__(self, report: Report) -> None:
        outer = CURRENT.get()
        super().__init__(report, outer.grace if outer is not None else 0.0)
        self._loop = asyncio.get_running_loop()
        self._ended = anyio.Event()
        self.has_begun = False
        self.has_ended = False

    def do(self, function: Callable[..., R], args: tuple[Any, ...]) -> R:
        CURRENT.set(self)  # in a context that AnyIO has made for this call
        self.has_begun = True
        try:
            if self.is_stopped:
                raise asyncio.CancelledError
            return function(*args)
        finally:
            self.has_ended = True
            if self.is_stopped:
                with suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._ended.set)

    async def stop(self, report: Report) -> None:
        self.is_stopped = True
        if not self.has_begun or self.has_ended:
            return
        report.left = _LEFT  # said at once: whoever waits for this may wait less long
        with anyio.move_on_after(self.grace if self.has_asked else min(self.grace, _MOMENT), shield=True) as waiting:
            await self._ended.wait()
        if not waiting.cancelled_caught:
            report.left = ""


async def beside_loop(function: Callable[..., R], *args: Any, report: Report, stopped: Callable[[], None] | None = None) -> R:
    """Return what *function* returns in a worker thread. `report.left` says so where that could not be stopped; *stopped* is told first."""
    thread = _Thread(report)
    try:
        return await anyio.to_thread.run_sync(thread.do, function, args, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        if stopped is not None:
            stopped()
        await thread.stop(report)
        raise


class _Belt:
    """Hands elements from a thread to the loop, in order; the thread waits while it is too far ahead."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(_AHEAD)
        self._failure: BaseException | None = None

    def put(self, element: Any) -> None:
        """Send an element on its way, in the thread. Raises what `check` does."""
        self._room.acquire()
        self.check()
        self._loop.call_soon_threadsafe(self._arrive, element)

    def check(self) -> None:
        """Raise what an element met that has arrived, or that nothing is to arrive any more."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Let nothing arrive any more, and nobody wait."""
        self._failure = self._failure or asyncio.CancelledError()
        self._room.release()

    def _arrive(self, element: Any) -> None:
        try:
            if self._failure is None:
                self._emit(element)
        except Exception as error:
            self._failure = error
        self._room.release()
