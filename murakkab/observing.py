"""policy: what a job that has ended tells of the executors that did its steps."""

import json
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final

from murakkab.plan import Choice
from murakkab.profiles import Setting
from murakkab.profiling.observation import Observation, Shape, setting_of, way_text
from murakkab.runtime.choices import choice_at
from murakkab.runtime.messages import TaskSucceeded
from murakkab.runtime.records import path_of
from murakkab.runtime.result import JobResult
from murakkab.spec import First, Ref, Template

#: What these do depends on their inputs alone: a profile of all of it together would tell nothing.
_GENERAL: Final = frozenset({"shell", "http", "http-get"})
#: What of a task's seconds is its own at least, however long loading is said to take.
_LEFT: Final = 0.1
_USUAL: Final[Mapping[str, str]] = {}


def observations_of(result: JobResult, *, kinds: Mapping[str, str] = _USUAL, where: str = "", study: str = "") -> list[Observation]:
    """Return an observation per task that an executor has done, in the order in which they ended.

    Each is about the way in which the task was really done, whatever was chosen for its step later. What came from the cache, failed or was
    cancelled tells nothing, nor does a fallback. Joules are those that the executor itself has measured: what is shared out for the machine
    has its base power in it. The load is how many tasks ran at a time on average, as a power of two: of those that take cores, else of the
    same executor. *kinds*: the device kind of each pool. *where*: the machine. A `call` step is `python:module:function`.
    """
    done = [event for event in result.history if isinstance(event, TaskSucceeded) and not event.cached and event.time >= event.started]
    calls = {node.path: node.call for node in result.graph.every_node() if node.call} if result.graph is not None else {}
    settings: dict[tuple[str, int], Setting | None] = {}
    ours: list[tuple[TaskSucceeded, Setting, Choice]] = []
    for event in done:
        step = path_of(event.task)
        choice = result.deployment.choices.get(step)
        if step in result.earlier:
            choice = choice_at(choice, result.earlier[step], event.started, event.executor)
        if choice is None or event.executor not in ("", choice.executor.name):
            continue
        key = step, id(choice)
        if key not in settings:
            settings[key] = _setting(choice, calls.get(step, ""), kinds)
        setting = settings[key]
        if setting is not None:
            ours.append((event, setting, choice))
    loads = _loads(ours)
    return [
        replace(_observation(event, replace(setting, load=load), where, study), job="" if study else result.job)
        for (event, setting, _), load in zip(ours, loads, strict=True)
    ]


def without_startup(observations: Sequence[Observation], warm: Collection[str], startups: Mapping[str, float]) -> list[Observation]:
    """Return *observations* of one job less the seconds in which things were loaded: those are told apart, and come once in a process.

    These were in the tasks of executors that were not *warm* which began before the first of them had ended. *startups*: by executor the
    seconds that loading takes; where nobody knows, nothing is taken off. A tenth of a task is left at least: loading may be quicker here.
    """
    ends: dict[str, float] = {}
    for one in observations:
        if one.setting.executor not in warm:
            ends[one.setting.executor] = min(one.time, ends.get(one.setting.executor, math.inf))
    return [
        replace(one, seconds=max(one.seconds - startups[name], one.seconds * _LEFT))
        if (name := one.setting.executor) in startups and one.time - one.seconds < ends.get(name, -math.inf)
        else one
        for one in observations
    ]


def shape_of(result: JobResult) -> Shape | None:
    """Return what a job became, so that the next one of its workflow can be foreseen; None of one that did not succeed."""
    if result.status != "succeeded" or result.graph is None:
        return None
    done = [event for event in result.history if isinstance(event, TaskSucceeded)]
    tasks: dict[str, float] = defaultdict(float)
    units: dict[str, list[float]] = defaultdict(list)
    for event in done:
        step = path_of(event.task)
        tasks[step] += 1
        if event.units is not None:
            units[step].append(event.units)
    return Shape(
        result.graph.workflow.name,
        max((event.time for event in done), default=0.0),
        {path: way_text(one.executor.name, one.knobs) for path, one in result.deployment.choices.items()},
        # A step with an empty list to go over becomes none.
        {node.path: tasks.get(node.path, 0.0) for node in result.graph.nodes.values() if node.is_plain},
        {step: math.fsum(several) / len(several) for step, several in units.items()},
    )


def _observation(event: TaskSucceeded, setting: Setting, where: str, study: str) -> Observation:
    return Observation(
        setting,
        event.time,
        event.time - event.started,
        units=event.units,
        joules=event.joules,
        usd=event.usd,
        tokens=float(event.tokens) if event.tokens else None,
        where=where,
        study=study,
    )


def _setting(choice: Choice, call: str, kinds: Mapping[str, str]) -> Setting | None:
    """Return what was run; None where that is not known, because knobs were only chosen while the job ran, or says nothing."""
    if choice.executor.capability in _GENERAL or not _is_data(dict(choice.knobs)):
        return None
    setting = setting_of(choice.executor, choice.knobs, model=choice.model, device=kinds.get(choice.pool, ""), devices=choice.devices)
    return replace(setting, executor=f"{setting.executor}:{call}") if call else setting


def _is_data(value: Any) -> bool:
    if isinstance(value, Ref | Template | First):
        return False
    if isinstance(value, Mapping):
        return all(map(_is_data, value.values()))
    return all(map(_is_data, value)) if isinstance(value, list | tuple) else True


# ---------------------------------------------------------------------------------------------------------------------- load


def _loads(ours: Sequence[tuple[TaskSucceeded, Setting, Choice]]) -> list[int]:
    """Return for each task how many of its kind ran meanwhile on average, itself among them, as the nearest power of two.

    Tasks that take cores of this machine are of one kind: they slow each other down, whoever does them.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for number, (_, setting, choice) in enumerate(ours):
        takes_cores = choice.executor.needs.cores > 0
        groups["" if takes_cores else json.dumps([setting.executor, setting.version])].append(number)
    loads = [1] * len(ours)
    for numbers in groups.values():
        if len(numbers) > 1:
            busy = _Busy([(ours[n][0].started, ours[n][0].time) for n in numbers])
            for n in numbers:
                event = ours[n][0]
                loads[n] = 2 ** round(math.log2(max(1.0, busy.mean(event.started, event.time))))
    return loads


class _Busy:
    """How many of some stretches of time there are at each moment; asked in O(log n)."""

    def __init__(self, stretches: Sequence[tuple[float, float]]) -> None:
        steps = sorted([(begin, 1) for begin, _ in stretches] + [(end, -1) for _, end in stretches])
        self._times = [time for time, _ in steps]
        counts = list(accumulate(step for _, step in steps))
        areas = (count * (after - before) for count, before, after in zip(counts, self._times, self._times[1:], strict=False))
        self._counts = counts
        self._area = [0.0, *accumulate(areas)]

    def mean(self, begin: float, end: float) -> float:
        """Return how many there are on average between two moments."""
        return (self._until(end) - self._until(begin)) / (end - begin) if end > begin else 1.0

    def _until(self, time: float) -> float:
        at = bisect_right(self._times, time) - 1
        return 0.0 if at < 0 else self._area[at] + self._counts[at] * (time - self._times[at])
