"""driver: an event loop of our own for one coroutine - it is over when that is, also where other work on it will not be cancelled.

`asyncio.run` waits without limit for every task, asynchronous generator and thread of its loop. A coroutine that swallows its cancellation
would keep a job that has ended from returning, and a process from ending.
"""

import asyncio
import ctypes
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, Final, TypeVar

R = TypeVar("R")

_log = logging.getLogger("murakkab.loop")
#: Seconds that work has to end which is cancelled only now that the loop ends.
_GRACE: Final = 5.0
#: Seconds for work that was cancelled before, and did not end then.
_MOMENT: Final = 0.2


def run(main: Coroutine[Any, Any, R], *, grace: float = _GRACE) -> R:
    """Return what *main* returns, run on a new loop; Ctrl-C cancels it.

    Whatever else is on the loop is cancelled then. What does not end within *grace* seconds is left behind, unfinished, with a warning.
    """
    runner = asyncio.Runner()
    try:
        return runner.run(main)
    finally:
        # Not its `close`, which waits for everything.
        _close(runner.get_loop(), grace)


def _close(loop: asyncio.AbstractEventLoop, grace: float) -> None:
    try:
        if left := loop.run_until_complete(_let_go(grace)):
            what = "1 coroutine" if left == 1 else f"{left} coroutines"
            _log.warning("%s would not be cancelled, and %s left behind", what, "is" if left == 1 else "are")
    finally:
        for task in asyncio.all_tasks(loop):
            # Never to be destroyed: Python would complain of that, and throw into it once more when it ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))
        asyncio.set_event_loop(None)
        loop.close()


async def _let_go(grace: float) -> int:
    """Cancel whatever is on the loop but this; return how many tasks did not end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    asked = {task for task in others if task.cancelling()}
    for task in others:
        task.cancel()
    await _settled(others - asked, grace)
    await _settled(asked, _MOMENT)
    left = len(asyncio.all_tasks()) - 1
    loop = asyncio.get_running_loop()
    # A generator that still runs in a task that is left cannot be closed.
    last = [loop.shutdown_default_executor()] if left else [loop.shutdown_asyncgens(), loop.shutdown_default_executor()]
    if await _settled({loop.create_task(one) for one in last}, grace):
        _log.warning("a thread or a generator did not end within %g s, and is left behind", grace)
    return left


async def _settled(tasks: "set[asyncio.Task[Any]]", limit: float) -> "set[asyncio.Task[Any]]":
    """Return the tasks that did not end within *limit* seconds."""
    return (await asyncio.wait(tasks, timeout=limit))[1] if tasks else set()


@contextmanager
def beside(main: Callable[[], Coroutine[Any, Any, R]]) -> "Iterator[Future[R]]":
    """Run *main* on a loop in a thread of its own. It is cancelled when the block is left, which waits for it."""
    future: Future[R] = Future()
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None] | None] = Future()

    async def noted() -> R:
        begun.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await main()

    def work() -> None:
        try:
            result = run(noted())
        except BaseException as exc:
            future.set_exception(exc)
        else:
            future.set_result(result)
        finally:
            if not begun.done():
                begun.set_result(None)

    thread = threading.Thread(target=copy_context().run, args=(work,), name="murakkab-job")
    thread.start()
    try:
        yield future
    finally:
        loop, task = begun.result() or (None, None)
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(task.cancel)
        thread.join()
