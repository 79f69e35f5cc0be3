"""state: how many times longer tasks take than expected, by executor, as far as what was observed is enough to go by."""

from dataclasses import dataclass
from typing import Final, NamedTuple

#: How much of the whole job an observation must be to count for as much as what was expected before.
PRIOR: Final = 0.25


class Lags(NamedTuple):
    """How many times longer tasks are expected to take: by executor, and those of `others`."""

    known: dict[str, float]
    others: float = 1.0

    def of(self, executor: str) -> float:
        """Return that of one executor."""
        return self.known.get(executor, self.others)


@dataclass(slots=True)
class _Pace:
    """Seconds that tasks took, and were expected to take."""

    taken: float = 0.0
    expected: float = 0.0

    def add(self, taken: float, expected: float) -> None:
        self.taken += taken
        self.expected += expected


class Paces:
    """What the tasks of one job took beside what was expected; *whole*: seconds that the whole job was expected to take."""

    def __init__(self, whole: float) -> None:
        self._whole = whole
        self._of: dict[str, _Pace] = {}
        self._all = _Pace()
        #: How many times slower an executor has become than its profile says, where somebody noticed.
        self.drifts: dict[str, float] = {}

    def took(self, executor: str, seconds: float, expected: float) -> None:
        """Take note of a task."""
        self._of.setdefault(executor, _Pace()).add(seconds, expected)
        self._all.add(seconds, expected)

    def ratio(self) -> float | None:
        """Return how many times what was expected all tasks took, None where nothing was."""
        return self._all.taken / self._all.expected if self._all.expected else None

    def lags(self) -> Lags:
        """Return how many times longer than expected tasks will take.

        Never less than once: what was quick has saved time, but to count on more of that would risk a limit. Of executors that have not
        been seen: what slows one down slows the others.
        """
        weight = PRIOR * self._whole
        known = {name: self._lag(name, weight) for name in self._of.keys() | self.drifts.keys()}
        return Lags(known, max(1.0, self._pooled(weight)))

    def _lag(self, executor: str, weight: float) -> float:
        pace, prior = self._of.get(executor), self.drifts.get(executor, 1.0)
        if pace is not None and pace.expected + weight > 0:
            return max(1.0, (pace.taken + prior * weight) / (pace.expected + weight))
        return max(1.0, prior, prior * self._pooled(weight)) if self._all.expected + weight > 0 else prior

    def _pooled(self, weight: float) -> float:
        expected = self._all.expected + weight
        return (self._all.taken + weight) / expected if expected > 0 else 1.0
