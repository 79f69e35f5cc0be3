"""state: which calls of step functions were made - to prove that each ran exactly once, and that a resumed job repeats none."""

import asyncio
import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from murakkab import app

Key = tuple[str, str]


class Ledger:
    """Counts calls. No two steps of one run are given the same arguments, so function and arguments tell which step it was."""

    def __init__(self, *, hang_after: int | None = None) -> None:
        self.begun: Counter[Key] = Counter()
        self.ended: Counter[Key] = Counter()
        #: When so many calls have ended, the others hang before they end, and `reached` is set.
        self.hang_after = hang_after
        self.reached = asyncio.Event()

    def counted(self, work: app.Work) -> app.Work:
        """Return the same work, with functions that are counted here."""
        return replace(work, functions={name: self._counted(function) for name, function in work.functions.items()})

    def is_each_once(self, steps: int) -> bool:
        """Return whether exactly so many different calls were made, none of them twice."""
        return len(self.begun) == steps == self.begun.total()

    def is_each_ended_once(self, steps: int) -> bool:
        """Return whether exactly so many different calls have ended, none of them twice."""
        return len(self.ended) == steps == self.ended.total()

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def call(**given: Any) -> Any:
            key = (function.__name__, repr(given))
            self.begun[key] += 1
            value = await function(**given)
            if self.hang_after is not None and self.ended.total() >= self.hang_after:
                self.reached.set()
                await asyncio.Event().wait()
            self.ended[key] += 1
            return value

        return call
