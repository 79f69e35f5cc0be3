"""driver: the slots of a process, between the jobs that ask for them - hands a granted slot to the job whose task waits for it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from murakkab.ports import Clock
from murakkab.runtime.slots import SlotTable


class Waiter(Protocol):
    """A job, as far as slots go. Compared by identity."""

    def admit(self, task: str) -> None:
        """Hear that the slots of a waiting *task* are granted."""
        ...


class Gate:
    """Asks the slot table on behalf of jobs, and watches the clock for start rates."""

    def __init__(self, slots: SlotTable, clock: Clock) -> None:
        self.slots = slots
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, job: Waiter, task: str, needs: Mapping[str, float], rank: float) -> bool:
        """Return True when *task* may run at once; else its job is told later, by `admit`."""
        granted = self.slots.ask((job, task), needs, rank, self._clock())
        if not granted:
            self._watch_rates()
        return granted

    def give_back(self, job: Waiter, task: str) -> None:
        """Free what *task* held, and admit those whom that lets go."""
        self._admit(self.slots.give_back((job, task), self._clock()))

    def withdraw(self, job: Waiter, task: str) -> bool:
        """Forget a task that waits; False when it does not."""
        return self.slots.withdraw((job, task))

    def _admit(self, tickets: Iterable[Any]) -> None:
        for job, task in tickets:
            job.admit(task)
        self._watch_rates()

    def _watch_rates(self) -> None:
        """Wake up when the next start is due, sooner than planned if somebody may start sooner."""
        due = self.slots.due()
        if due is None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, due - self._clock())
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._rate_due)

    def _rate_due(self) -> None:
        self._timer = None
        self._admit(self.slots.grant_waiting(self._clock()))
