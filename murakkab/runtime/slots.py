"""state: who may run now - cores, device memory, per-executor concurrency and start rates, shared by every job of a process.

Most critical first; among equals first come, first served. A ticket waits behind those that need the same things, never behind others.
"""

import heapq
from collections.abc import Hashable, Iterator, Mapping
from itertools import count
from typing import Any, Final

#: Amounts are sums of fractions of cores.
_HAIR: Final = 1e-9
Ticket = Hashable
_Wanted = tuple[tuple[str, float], ...]


class SlotTable:
    """What is free of each resource, and who waits. Every amount granted is given back exactly once."""

    def __init__(self, capacity: Mapping[str, float], rates: Mapping[str, float] | None = None) -> None:
        self.capacity = dict(capacity)
        self.free = dict(capacity)
        #: Starts per second, by resource name; `_due` holds when the next start is allowed.
        self._rates = dict(rates or {})
        self._due: dict[str, float] = {}
        self._held: dict[Ticket, _Wanted] = {}
        self._queues: dict[_Wanted, list[tuple[float, int, Ticket]]] = {}
        #: Who waits, by number of arrival: what a queue holds of a ticket that withdrew is not there for it when it asks again.
        self._waiting: dict[Ticket, int] = {}
        self._arrival = count()

    def fitting(self, needs: Mapping[str, float]) -> dict[str, float]:
        """Return *needs* cut to what exists at all: a task that wants more cores than there are gets all of them. Raises `KeyError`."""
        return {name: min(amount, self.capacity[name]) for name, amount in needs.items() if amount > 0}

    def ask(self, ticket: Ticket, needs: Mapping[str, float], rank: float, now: float) -> bool:
        """Grant *needs* at once, or queue the ticket and return False."""
        wanted = tuple(sorted(needs.items()))
        queue = self._queue(wanted)
        if queue is None and self._fits(wanted, now):
            self._grant(ticket, wanted, now)
            return True
        if queue is None:
            queue = self._queues[wanted] = []
        arrival = self._waiting[ticket] = next(self._arrival)
        heapq.heappush(queue, (-rank, arrival, ticket))
        return False

    def give_back(self, ticket: Ticket, now: float) -> list[Ticket]:
        """Free what *ticket* held and return the tickets that are granted by that, most critical first."""
        for name, amount in self._held.pop(ticket):
            self.free[name] = min(self.capacity[name], self.free[name] + amount)
        return self.grant_waiting(now)

    def withdraw(self, ticket: Ticket) -> bool:
        """Forget a ticket that waits; False when it does not wait."""
        return self._waiting.pop(ticket, None) is not None

    def grant_waiting(self, now: float) -> list[Ticket]:
        """Return the waiting tickets that fit now, granted."""
        granted: list[Ticket] = []
        while (head := self._best_that_fits(now)) is not None:
            wanted, ticket = head
            heapq.heappop(self._queues[wanted])
            del self._waiting[ticket]
            self._grant(ticket, wanted, now)
            granted.append(ticket)
        return granted

    def due(self) -> float | None:
        """Return the earliest moment at which a start rate lets a waiting ticket go, or None when nothing waits for one."""
        if not self._rates:
            return None
        moments = [max(self._due.get(name, 0.0) for name, _ in wanted if name in self._rates) for wanted in self._rated()]
        return min(moments, default=None)

    def is_idle(self) -> bool:
        """True when nothing is held and nobody waits."""
        return not self._held and not self._waiting

    def _rated(self) -> Iterator[_Wanted]:
        """Yield what tickets wait for that nothing but a rate holds up: the rest goes on when something is given back."""
        for wanted in list(self._queues):
            if not any(name in self._rates for name, _ in wanted) or self._queue(wanted) is None:
                continue
            if all(self.free[name] + _HAIR >= amount for name, amount in wanted):
                yield wanted

    def _best_that_fits(self, now: float) -> tuple[_Wanted, Any] | None:
        best: tuple[tuple[float, int, Any], _Wanted] | None = None
        for wanted in list(self._queues):
            queue = self._queue(wanted)
            if queue is not None and (best is None or queue[0][:2] < best[0][:2]) and self._fits(wanted, now):
                best = (queue[0], wanted)
        return None if best is None else (best[1], best[0][2])

    def _queue(self, wanted: _Wanted) -> list[tuple[float, int, Ticket]] | None:
        """Return the queue of those that want the same, a ticket that still waits at its head; None when nobody does."""
        queue = self._queues.get(wanted)
        while queue and self._waiting.get(queue[0][2]) != queue[0][1]:
            heapq.heappop(queue)
        if not queue:
            self._queues.pop(wanted, None)
        return queue or None

    def _fits(self, wanted: _Wanted, now: float) -> bool:
        return all(self.free[name] + _HAIR >= amount and self._due.get(name, 0.0) <= now for name, amount in wanted)

    def _grant(self, ticket: Ticket, wanted: _Wanted, now: float) -> None:
        self._held[ticket] = wanted
        for name, amount in wanted:
            self.free[name] -= amount
            if name in self._rates:
                self._due[name] = max(now, self._due.get(name, 0.0)) + 1.0 / self._rates[name]
