"""policy: what a job was expected to take beside what it took - per job, per step, and limit by limit. Knows nothing of terminals."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from murakkab.figures import Figure
from murakkab.forecasts import figure_json, goal_json
from murakkab.optimizer.reasons import figure_of, is_kept
from murakkab.plan import Choice, Estimate
from murakkab.runtime.messages import DoubtResolved, Event, JobResumed
from murakkab.runtime.result import JobResult, TaskRow


class Pair(NamedTuple):
    """One measure: `figure` is what was expected (None: nobody knew), `measured` what it came to (None: nobody measured it)."""

    figure: Figure | None
    measured: float | None

    @property
    def off(self) -> float | None:
        """Return by which part of what was expected it was off: 0.5 for half as much again; None where that means nothing."""
        if self.figure is None or self.measured is None or not self.figure.value:
            return None
        return self.measured / self.figure.value - 1.0


class Step(NamedTuple):
    """One step: its tasks, the seconds of one of them (in the middle of those measured), and what all of them took.

    What came from a cache, failed or was cancelled is not among those measured.
    """

    step: str
    executor: str
    expected: float
    done: int
    seconds: Pair
    usd: Pair
    joules: Pair
    quality: Pair

    @property
    def seconds_off(self) -> float:
        """Return how many seconds all of its tasks were off."""
        if self.seconds.figure is None or self.seconds.measured is None:
            return 0.0
        return abs(self.done * self.seconds.measured - self.expected * self.seconds.figure.value)


class Kept(NamedTuple):
    """A limit of the goal, and whether the job kept it; None where nobody measured that."""

    name: str
    limit: float
    pair: Pair
    is_kept: bool | None


class Compared(NamedTuple):
    """A job that was forecast, the steps that were furthest off first. `has_base`: the joules measured have base power in them."""

    job: Mapping[str, Pair]
    p90: float
    steps: Sequence[Step]
    limits: Sequence[Kept]
    has_base: bool = False


def compared(result: JobResult) -> Compared | None:
    """Return what was expected of a job beside what was measured; None where nothing was forecast.

    Of a job that has not succeeded, what all of it took says nothing, and is left out. No job measures its own quality.
    """
    made = result.deployment
    if made.estimate is None:
        return None
    rows: dict[str, list[TaskRow]] = defaultdict(list)
    for row in result.tasks:
        if row.status == "succeeded" and not row.cached:
            rows[row.step].append(row)
    steps = [_step(path, choice, choice.estimate, rows[path]) for path, choice in made.choices.items() if choice.estimate is not None]
    steps.sort(key=lambda one: -one.seconds_off)
    measured = _measured(result)
    names = ("latency", "energy", "cost", "quality")
    job = {name: Pair(figure_of(made.estimate, name), measured.get(name)) for name in names}
    limits = [_kept(name, limit, made.estimate, measured.get(name.removesuffix("_p90"))) for name, limit in made.goal.limits.items()]
    return Compared(job, made.estimate.p90, steps, limits, result.joules is not None)


def _step(path: str, choice: Choice, estimate: Estimate, rows: Sequence[TaskRow]) -> Step:
    joules = [row.joules for row in rows if row.joules is not None]
    return Step(
        path,
        choice.executor.name,
        choice.tasks,
        len(rows),
        Pair(estimate.seconds, median(row.finished - row.started for row in rows) if rows else None),
        Pair(estimate.usd, sum(row.usd for row in rows) if rows else None),
        Pair(estimate.joules, sum(joules) if rows and len(joules) == len(rows) else None),
        Pair(estimate.quality, None),
    )


def _measured(result: JobResult) -> dict[str, float]:
    if result.status != "succeeded" or not result.history:
        return {}
    joules = [row.joules for row in result.tasks]
    known = [one for one in joules if one is not None]
    found = {"latency": _seconds(result.history), "cost": result.usd}
    return found | ({"energy": sum(known)} if known and len(known) == len(joules) else {})


def _seconds(history: Sequence[Event]) -> float:
    """Return how long a job ran: without the time in which it stood still, waiting to be resumed."""
    still = sum(
        now.time - before.time
        for before, now in pairwise([event for event in history if not isinstance(event, DoubtResolved)])
        if isinstance(now, JobResumed)
    )
    return history[-1].time - history[0].time - still


def _kept(name: str, limit: float, estimate: Estimate, measured: float | None) -> Kept:
    return Kept(name, limit, Pair(figure_of(estimate, name), measured), None if measured is None else is_kept(name, measured, limit))


# ------------------------------------------------------------------------------------------------------------- plain data


def predicted_json(result: JobResult) -> dict[str, Any] | None:
    """Return what was expected of a job beside what was measured, as plain data; None where nothing was forecast."""
    found = compared(result)
    if found is None:
        return None
    names = {"latency": "seconds", "energy": "joules", "cost": "usd", "quality": "quality"}
    return {
        "goal": goal_json(result.deployment.goal),
        "job": {**{names[name]: _pair_json(pair) for name, pair in found.job.items()}, "seconds_p90": found.p90},
        "joules_have_base_power": found.has_base,
        "steps": [
            {
                "step": one.step,
                "executor": one.executor,
                "tasks": {"predicted": one.expected, "measured": one.done},
                **{name: _pair_json(getattr(one, name)) for name in ("seconds", "usd", "joules", "quality")},
            }
            for one in found.steps
        ],
        "limits": [{"limit": one.name, "value": one.limit, **_pair_json(one.pair), "kept": one.is_kept} for one in found.limits],
        "beyond": list(result.deployment.beyond),
    }


def _pair_json(pair: Pair) -> dict[str, Any]:
    return {"predicted": None if pair.figure is None else figure_json(pair.figure), "measured": pair.measured}
