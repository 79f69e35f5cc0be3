"""policy: where a job stands, as the solver has to know it - what is settled, what is left of what has begun, how much more there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from murakkab.optimizer.problem import Option, Problem
from murakkab.rechoosing.paces import Lags
from murakkab.rechoosing.spending import Begun, Spending
from murakkab.rechoosing.ways import Ways
from murakkab.runtime.ending import SETTLED
from murakkab.runtime.state import JobState

if TYPE_CHECKING:
    from murakkab.optimizer.quick import Now, Settled


@dataclass(frozen=True, slots=True)
class Course:
    """What has become of a job so far. By path: `tasks` that a step was expected to have, and how many times more it has (`sizes`)."""

    ways: Ways
    spending: Spending
    lags: Lags
    tasks: Mapping[str, float]
    sizes: Mapping[str, float]

    def left(self, path: str) -> float:
        """Return which part of a step is left."""
        step = self.spending.steps.get(path)
        if step is None:
            return 1.0
        return max(0.0, 1.0 - step.tasks / max(1.0, self.tasks.get(path, 1.0) * self.sizes.get(path, 1.0)))

    def scale(self, path: str, label: str) -> tuple[float, float, float]:
        """Return how much more of a step there is than expected, how much longer it takes in a way, and which part of it is left."""
        way = self.ways.of.get(path, {}).get(label)
        return self.sizes.get(path, 1.0), 1.0 if way is None else self.lags.of(way.card.name), self.left(path)

    def lagging(self) -> dict[tuple[str, str], float]:
        """Return how many times longer than expected options take, by (path, label); nothing of those that take as long."""
        lags, done_by = self.lags, self.ways.done_by()
        found = {} if lags.others == 1.0 else dict.fromkeys((pair for pairs in done_by.values() for pair in pairs), lags.others)
        for executor, lag in lags.known.items():
            if lag != lags.others:
                found.update(dict.fromkeys(done_by.get(executor, ()), lag))
        return found


def standing(problem: Problem, course: Course, state: JobState, *, limits: Mapping[str, float], failed: str = "") -> "Now":
    """Return where the job stands; of the step that *failed* the rest begins again. *limits* are those of its budget."""
    from murakkab.optimizer.quick import Now, Settled

    ways, spending = course.ways, course.spending
    at = spending.at(state.now)
    settled: dict[str, Settled] = {}
    stretch: dict[str, float] = {}
    for task in problem.tasks:
        path = task.name
        size = course.sizes.get(path, 1.0) * (course.left(path) if path == failed else 1.0)
        if size != 1.0:
            stretch[path] = size
        step = spending.steps.get(path) if path != failed else None
        is_over = path != failed and (_is_over(path, state) or (step is not None and not course.left(path) and "/" in path))
        label = ways.picks.get(path, task.options[0].label)
        if step is not None:
            option = next(option for option in task.options if option.label == label)
            settled[path] = _settled(option, step, course.scale(path, label), None if is_over else at)
        elif is_over:
            settled[path] = Settled(label, at, at, joules=0.0, usd=0.0)
    barred = [pair for pair in ways.barred if pair[0] not in settled]
    return Now(settled, at, stretch, course.lagging(), spending.spent(failed), barred, dict(ways.picks), limits)


def _settled(option: Option, step: Begun, scale: tuple[float, float, float], now: float | None) -> "Settled":
    """Return what a step that has begun takes; *now* None: took.

    *scale*: how much more of it there is than expected, how much longer it takes, and which part of it is left.
    """
    from murakkab.optimizer.quick import Settled

    size, lag, left = scale
    if now is None:
        joules = option.joules * size * lag if step.joules is None else step.joules
        return Settled(option.label, step.at, step.last, joules=joules, usd=step.usd)
    seconds = option.seconds * size * lag
    end = max(now, step.at + seconds if step.anew is None else step.anew + seconds * left)
    first = None if option.first is None else min(end, max(now, (step.at if step.anew is None else step.anew) + option.first * lag))
    joules = option.joules * size * lag
    joules = joules if step.joules is None else step.joules + joules * left
    return Settled(option.label, step.at, end, first, joules, step.usd + option.usd * size * left)


def _is_over(path: str, state: JobState) -> bool:
    """Return whether the step at the top of the graph that *path* lies in has settled."""
    step = state.steps.get(path.partition("/")[0])
    return step is not None and step.status in SETTLED
