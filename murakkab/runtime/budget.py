"""state: what a job may spend, has spent, and has promised to tasks that run. A spent budget holds tasks back; it never fails them."""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from murakkab.runtime.records import Status, TaskRecord, path_of

if TYPE_CHECKING:
    from murakkab.runtime.state import JobState

_HAIR: Final = 1e-9
_UNITS: Final = {"cost": "USD", "energy": "J", "tokens": "tokens", "time": "s"}
#: How the paths of the last steps begin.
_LAST: Final = "finally/"
_NOTHING: Final[Mapping[str, float]] = {}


class Bill(Protocol):
    """What an ended attempt took."""

    @property
    def usd(self) -> float:
        """Dollars."""
        ...

    @property
    def joules(self) -> float | None:
        """Joules, None where nothing was measured."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens."""
        ...


class Purse:
    """The budget of a job. `expected`: what one task of each step is expected to take, by path."""

    def __init__(self, limits: Mapping[str, float], expected: Mapping[str, Mapping[str, float]]) -> None:
        self.limits = dict(limits)
        self.spent = {"cost": 0.0, "energy": 0.0, "tokens": 0.0, "time": 0.0}
        self.is_out_of_time = False
        #: Tasks that are not affordable now.
        self.waiting: deque[TaskRecord] = deque()
        self._expected = expected
        self._reserved = {"cost": 0.0, "energy": 0.0, "tokens": 0.0}
        self._promised: dict[str, Mapping[str, float]] = {}

    def afford(self, record: TaskRecord) -> bool:
        """Set aside what *record* is expected to take; else let it wait, and return False. The last steps clean up, whatever that costs."""
        path = record.step.node.path
        wanted = self._expected.get(path, _NOTHING)
        if not path.startswith(_LAST) and self._lacking(wanted):
            self.waiting.append(record)
            return False
        self._promised[record.id] = wanted
        for measure, amount in wanted.items():
            self._reserved[measure] += amount
        return True

    def expect(self, expected: Mapping[str, Mapping[str, float]]) -> None:
        """Expect something else of steps from now on, by path, also of those of their tasks that were about to begin."""
        self._expected = {**self._expected, **expected}
        for task in [task for task in self._promised if path_of(task) in expected]:
            self.release(task)
            wanted = self._promised[task] = self._expected[path_of(task)]
            for measure, amount in wanted.items():
                self._reserved[measure] += amount

    def release(self, task: str) -> None:
        """Give back what was set aside for *task*."""
        for measure, amount in self._promised.pop(task, _NOTHING).items():
            self._reserved[measure] -= amount

    def pay(self, job: "JobState", task: str, bill: Bill) -> None:
        """Book what an attempt took; tasks that wait for money are looked at again."""
        self.release(task)
        self.spent["cost"] += bill.usd
        self.spent["energy"] += bill.joules or 0.0
        self.spent["tokens"] += bill.tokens
        job.ready.extend(self.waiting)
        self.waiting.clear()

    def look_again(self, job: "JobState") -> bool:
        """Return whether some of those that wait can go on, now that nothing runs; they are on the agenda then."""
        left = [record for record in self.waiting if record.status is Status.WAITING and not job.is_closed(record)]
        self.waiting = deque(left)
        if all(self._lacking(self._expected.get(record.step.node.path, _NOTHING)) for record in left):
            return False
        job.ready.extend(left)
        self.waiting.clear()
        return True

    def forget(self, job: "JobState") -> None:
        """Nothing runs any more: nothing is set aside, and whoever waits is looked at again."""
        self._promised.clear()
        self._reserved = dict.fromkeys(self._reserved, 0.0)
        job.ready.extend(record for record in self.waiting if not job.is_closed(record))
        self.waiting.clear()

    def why_paused(self) -> str:
        """Return which measure holds the first waiting task back, with the amounts."""
        record = self.waiting[0]
        wanted = self._expected.get(record.step.node.path, _NOTHING)
        measure = self._lacking(wanted)
        used, limit, unit = self.spent[measure], self.limits[measure], _UNITS[measure]
        more = f", and {record.id} is expected to take {wanted[measure]:.6g}" if wanted.get(measure) else ""
        return f"{measure}: {used:.6g} of {limit:.6g} {unit} is spent{more}"

    def _lacking(self, wanted: Mapping[str, float]) -> str:
        """Return the measure of which too little is left, or ""."""
        if self.is_out_of_time:
            return "time"
        for measure, limit in self.limits.items():
            if measure == "time":
                continue
            taken = self.spent[measure] + self._reserved[measure]
            if self.spent[measure] >= limit - _HAIR or taken + wanted.get(measure, 0.0) > limit + _HAIR:
                return measure
        return ""
