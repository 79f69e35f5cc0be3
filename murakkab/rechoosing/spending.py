"""state: what one job has taken so far - its steps, attempts that came to nothing, and how long it stood still."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from murakkab.runtime.messages import TaskCancelled, TaskFailed, TaskSucceeded

#: Of so many tasks of a step it is known when they ended.
_RECENT: Final = 32


@dataclass(slots=True)
class Begun:
    """What the tasks of a step have taken so far; times are seconds since the job began. `joules` None: somebody did not say.

    `anew`: when something of it failed last; what was left then has begun again. `running`: so many attempts are in flight or wait for
    slots, of which the `latest` began then. `recent`: when the last tasks ended.
    """

    at: float
    last: float
    tasks: int = 0
    usd: float = 0.0
    joules: float | None = 0.0
    anew: float | None = None
    running: int = 0
    latest: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))


class Spending:
    """The account of one job. `steps` are those that have begun, by path; `lost` is what failed attempts took."""

    def __init__(self) -> None:
        self.steps: dict[str, Begun] = {}
        self.lost = {"cost": 0.0, "energy": 0.0}
        self._began = self._last = self._idle = 0.0

    def at(self, time: float) -> float:
        """Return the seconds since the job began, but for those in which it stood still."""
        return time - self._began - self._idle

    def pass_to(self, time: float) -> None:
        """Take note of the time."""
        if time > self._last:
            self._last = time

    def open(self, time: float) -> None:
        """Take note that the job was submitted."""
        self._began = self._last = time

    def stand_still(self, time: float) -> None:
        """Take note that nothing went on since it was last heard of."""
        self._idle += max(0.0, time - self._last)
        for step in self.steps.values():
            step.running = 0

    def begin(self, path: str, time: float) -> None:
        """Take note that an attempt of a step begins, or waits for slots."""
        at = self.at(time)
        step = self.steps.get(path)
        if step is None:
            step = self.steps[path] = Begun(at, at)
        step.running += 1
        step.latest = at

    def put_off(self, path: str, time: float) -> None:
        """Take note that what is left of a step does not begin again before that time."""
        step = self.steps.get(path)
        if step is not None:
            step.anew = self.at(time)

    def add(self, path: str, event: TaskSucceeded) -> None:
        """Count what a task of a step took."""
        at = self.at(event.time)
        step = self.steps.get(path)
        if step is None:
            step = self.steps[path] = Begun(self.at(event.started), at)
        step.last = max(step.last, at)
        step.recent.append(at)
        step.running = max(0, step.running - 1)
        step.tasks += 1
        step.usd += event.usd
        step.joules = None if step.joules is None or event.joules is None else step.joules + event.joules

    def waited(self, path: str, event: TaskSucceeded) -> float:
        """Return the seconds that a step waited for slots before any of its tasks began; known from its first task that has ended."""
        step = self.steps[path]
        return max(0.0, self.at(event.started) - step.at) if step.tasks == 1 and step.anew is None else 0.0

    def lose(self, path: str, event: TaskFailed | TaskCancelled) -> None:
        """Count what an attempt took that came to nothing. What is left of its step begins again."""
        self.lost["cost"] += event.usd
        self.lost["energy"] += event.joules or 0.0
        step = self.steps.get(path)
        if step is not None:
            step.anew = self.at(event.time)
            step.running = max(0, step.running - 1)

    def spent(self, failed: str = "") -> dict[str, float]:
        """Return what was taken that no step accounts for: what attempts lost, and what the step took that has *failed*."""
        step = self.steps.get(failed)
        if step is None:
            return dict(self.lost)
        return {"cost": self.lost["cost"] + step.usd, "energy": self.lost["energy"] + (step.joules or 0.0)}
