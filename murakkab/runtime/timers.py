"""driver: the timers of a running job - what it asks to hear later, as events."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final

from murakkab.ports import Clock
from murakkab.runtime.messages import (
    BudgetSpent,
    DeadlinePassed,
    DropTimer,
    Event,
    RetryDue,
    TimerFired,
    WaitBudget,
    WaitDeadline,
    WaitRetry,
    WaitTimer,
)

#: Seconds that a timer of the loop is set for at most: a day. Longer ones are wound up again.
_LONGEST: Final = 86_400.0

Timed = WaitRetry | WaitTimer | DropTimer | WaitDeadline | WaitBudget


class Timers:
    """Delivers events when their time has come, unless the job has ended by then."""

    def __init__(self, deliver: Callable[[Event], None], clock: Clock, context: Context) -> None:
        self._deliver = deliver
        self._clock = clock
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._set: set[asyncio.TimerHandle] = set()
        #: The timers of tasks: those can be dropped.
        self._of_tasks: dict[str, asyncio.TimerHandle] = {}

    def perform(self, command: Timed) -> None:
        """Set or drop a timer."""
        match command:
            case WaitRetry():
                self._later(command.delay, lambda: RetryDue(self._clock(), command.task))
            case WaitTimer():
                self._set_for(command.task, command.delay)
            case DropTimer():
                self._drop(command.task)
            case WaitDeadline():
                self._later(command.delay, lambda: DeadlinePassed(self._clock()))
            case WaitBudget():
                self._later(command.delay, lambda: BudgetSpent(self._clock()))

    def close(self) -> None:
        """Drop every timer."""
        for timer in (*self._set, *self._of_tasks.values()):
            timer.cancel()

    def _later(self, delay: float, event: Callable[[], Event]) -> None:
        def fire() -> None:
            self._set.discard(handle)
            if delay > _LONGEST:
                self._later(delay - _LONGEST, event)
            else:
                self._deliver(event())

        handle = self._loop.call_later(min(delay, _LONGEST), fire, context=self._context)
        self._set.add(handle)

    def _set_for(self, task: str, delay: float) -> None:
        def fire() -> None:
            del self._of_tasks[task]
            if delay > _LONGEST:
                self._set_for(task, delay - _LONGEST)
            else:
                self._deliver(TimerFired(self._clock(), task))

        self._drop(task)
        self._of_tasks[task] = self._loop.call_later(min(delay, _LONGEST), fire, context=self._context)

    def _drop(self, task: str) -> None:
        timer = self._of_tasks.pop(task, None)
        if timer is not None:
            timer.cancel()
