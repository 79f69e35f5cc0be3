"""driver: runs one job in the foreground - its display, and what Ctrl-C does: once stops gracefully, twice at once.

SIGTERM does what Ctrl-C does, and SIGHUP, of a terminal that was closed, too; a program that `nohup` has begun is to hear of no hangup.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

from murakkab import app, own_loop
from murakkab.cli.live import Display
from murakkab.errors import JobInterrupted
from murakkab.ports import Journal, Observer
from murakkab.runtime.result import JobResult

#: Seconds that a cancelled job gets to let go before the process ends anyway: more than programs get to end. The journal survives that.
_GRACE = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Begin = Callable[[app.Runtime, list[Observer]], Awaitable[JobResult]]


def run_in_foreground(
    job: str, begin: Begin, settings: app.Settings, *, journal: Journal | None = None, display: Display | None = None
) -> JobResult:
    """Return how the job that *begin* starts ended. Raises `JobInterrupted` when it was stopped at once."""

    async def main() -> JobResult:
        async with app.open_runtime(settings, journal=journal) as runtime:
            with _stoppable(runtime, display), display.shown() if display else nullcontext():
                return await begin(runtime, [display.observe] if display else [])

    try:
        return own_loop.run(main())
    except asyncio.CancelledError:
        raise JobInterrupted(f"job {job} was stopped at once", job=job) from None


@contextmanager
def _stoppable(runtime: app.Runtime, display: Display | None) -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            # First what matters: the terminal may be gone.
            runtime.stop()
            _say("stopping: running tasks get to finish; Ctrl-C again stops at once", display)
        elif asked == 2 and task is not None:
            leave = threading.Timer(_GRACE, _leave)
            leave.daemon = True
            leave.start()
            task.cancel()

    signals = [number for number in _SIGNALS if number is signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN]
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _say(text: str, display: Display | None) -> None:
    if display is not None and display.is_live:
        display.note = text
    else:
        with suppress(OSError):
            sys.stderr.write(f"{text}\n")


def _leave() -> None:
    with suppress(OSError):
        sys.stderr.write("stopped; some work did not let go in time\n")
        sys.stderr.flush()
    os._exit(JobInterrupted.exit_status)
