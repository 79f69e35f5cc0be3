"""policy: what a job is expected to take when its steps are done in chosen ways - time, energy, money, quality, and how sure that is."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from murakkab.catalog import Device
from murakkab.devices import ClusterView
from murakkab.figures import Figure, Provenance, Source, exactly, weakest
from murakkab.optimizer.configurations import UNPRICED, Configuration, Taken, times
from murakkab.optimizer.expected import Count, total_tasks
from murakkab.optimizer.predict import Timeline, Work, simulate
from murakkab.optimizer.problem import Rule
from murakkab.optimizer.resources import REQUESTS, least_seconds, passed, use_of, woken
from murakkab.plan import Estimate, TaskGraph

#: How often the run is made again with the load that it shows: how many run together hardly depends on how long each takes.
_SETTLING: Final = 2
#: That what is not done is worth nothing is certain.
_LEFT_OUT: Final = Provenance(Source.MEASURED, "it is left out")
Which = Literal["value", "low", "high"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """A job before it runs, done in `chosen` ways: its estimate, that of each step (seconds of one task, the rest of all), its timeline.

    `held_by`: the limit of the installation that makes it longer than its tasks do; "" where none does. `startup`: the seconds in which
    what was not warm is loaded or started, by path of the step that waits for it first. `passed`: limits of pools that it does not keep,
    with what it takes and what there is.
    """

    chosen: Mapping[str, Configuration]
    estimate: Estimate
    steps: Mapping[str, Estimate]
    tasks: Mapping[str, float]
    timeline: Timeline
    held_by: str = ""
    startup: Mapping[str, Figure] = field(default_factory=dict)
    passed: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a job runs: the graph, how many tasks each step has, the pools, and the amounts that tasks share.

    `rule`: how the quality of steps makes that of the job. `warm`: executors whose libraries and models are loaded here. `missing`: steps
    that are left out and would have had a quality.
    """

    graph: TaskGraph
    counts: Mapping[str, Count]
    view: ClusterView
    capacity: Mapping[str, float]
    rule: Rule = Rule.MEAN
    warm: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()


def forecast(scene: Scene, chosen: Mapping[str, Configuration], *, with_interval: bool = True) -> Forecast:
    """Return what the job is expected to take with *chosen* ways, by path.

    The expected time is that of its run on virtual time; its interval that of runs in which every step takes as long as it does one time
    in ten at least and at most; its 90th percentile adds the tails of the steps on the critical path as independent ones. Tasks take as
    long as they do while so many others run at the same time as that run itself shows. The first task of what is not warm takes longer. No
    job is quicker than the engines and the allowances that it uses let it be.
    """
    totals = total_tasks(scene.graph, scene.counts)
    taken = {path: way.taken for path, way in chosen.items()}
    timeline = _run(scene, chosen, taken, "value")
    if any(way.loads for way in chosen.values()):
        for _ in range(_SETTLING):
            taken = {path: way.under(timeline.crowd.get(path, 1.0)) for path, way in chosen.items()}
            timeline = _run(scene, chosen, taken, "value")
    steps = {path: _of_step(one, totals[path]) for path, one in taken.items()}
    low = high = timeline.makespan
    if with_interval:
        low = min(low, _run(scene, chosen, taken, "low").makespan)
        high = max(high, _run(scene, chosen, taken, "high").makespan)
    least, held_by = least_seconds(scene.view, [(way.pool, way.footprint, totals[path]) for path, way in chosen.items()])
    held_by = held_by if least > timeline.makespan else ""
    timeline = replace(timeline, makespan=max(least, timeline.makespan))
    where = f"a run on virtual time{f', held up by {held_by}' if held_by else ''}"
    source = _source(scene, chosen, held_by)
    seconds = Figure(timeline.makespan, max(least, low), max(least, high), Provenance(source, where))
    started = {path: startup for path in timeline.started if (startup := chosen[path].taken.startup) is not None}
    job = _of_job(scene, chosen, steps, (seconds, timeline))
    return Forecast(chosen, job, steps, totals, timeline, held_by, started, _passed(scene, chosen, totals))


def _passed(scene: Scene, chosen: Mapping[str, Configuration], totals: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    spent: dict[str, float] = {}
    for path, way in chosen.items():
        pool = scene.view.pools.get(way.pool)
        if pool is not None and pool.capacity is not None:
            used = use_of(pool, way.footprint, totals[path], way.taken.seconds.value, way.card.needs.cores)
            spent[pool.name] = spent.get(pool.name, 0.0) + used[pool.name]
    return passed(scene.view, [(way.pool, way.footprint) for path, way in chosen.items() if totals[path]], spent)


def _source(scene: Scene, chosen: Mapping[str, Configuration], held_by: str) -> Source:
    sources = [way.taken.seconds.of.source for way in chosen.values()]
    if held_by.startswith(REQUESTS):
        # However long each takes: requests are counted, and their limit is declared.
        sources = [Source.MODELLED]
    return weakest([*sources, *([Source.ASSUMED] if any(count.is_assumed for count in scene.counts.values()) else [])])


def _run(scene: Scene, chosen: Mapping[str, Configuration], taken: Mapping[str, Taken], which: Which) -> Timeline:
    work: dict[str, Work] = {}
    for path, way in chosen.items():
        card, pool, startup = way.card, scene.view.pools.get(way.pool), taken[path].startup
        needs = {"cores": card.needs.cores, **card.needs.slots}
        if pool is not None and pool.kind.device is Device.GPU and not pool.endpoint:
            needs[device_slot(pool.name)] = min(float(way.devices), pool.count)
        if card.limits.concurrency is not None:
            needs[f"executor:{card.name}"] = 1.0
        work[path] = Work(
            getattr(taken[path].seconds, which),
            {name: amount for name, amount in needs.items() if name in scene.capacity and amount},
            0.0 if startup is None or warmth_of(way) in scene.warm else getattr(startup, which),
            warmth_of(way),
        )
    return simulate(scene.graph, work, scene.counts, scene.capacity)


def device_slot(pool: str) -> str:
    """Return the name of the devices of a pool among the amounts that tasks share."""
    return f"devices:{pool}"


def warmth_of(way: Configuration) -> str:
    """Return what is warm once a task has been done in this way: its engine where that must be started, else its executor."""
    return way.footprint.engine or way.card.name


def _of_step(taken: Taken, tasks: float) -> Estimate:
    joules = times(taken.joules, tasks) if taken.joules is not None else None
    return Estimate(taken.seconds, taken.p90, times(taken.usd, tasks), joules, taken.quality)


def _of_job(scene: Scene, chosen: Mapping[str, Configuration], steps: Mapping[str, Estimate], run: tuple[Figure, Timeline]) -> Estimate:
    seconds, timeline = run
    makespan = timeline.makespan
    tails = (steps[path].p90 - steps[path].seconds.value for path in timeline.critical if path in steps)
    p90 = makespan + math.hypot(*(max(0.0, tail) for tail in tails))
    # How sure the prices are that are known does not depend on those that are not.
    usd = sum_of([one.usd for one in steps.values() if one.usd.of != UNPRICED] or [one.usd for one in steps.values()])
    quality = quality_of(steps.values(), scene.rule, len(scene.missing))
    energy = _energy(scene, chosen, steps, makespan)
    if all(map(knows_energy, chosen.values())):
        return Estimate(seconds, p90, usd, energy, quality)
    return Estimate(seconds, p90, usd, None, quality, energy)


def knows_energy(way: Configuration) -> bool:
    """Return whether the energy of a way is known; what takes no time takes none."""
    return way.taken.joules is not None or not way.taken.seconds.value


def _energy(scene: Scene, chosen: Mapping[str, Configuration], steps: Mapping[str, Estimate], makespan: float) -> Figure | None:
    """Return the marginal joules of the steps of which they are known, and the base power of the pools woken; None where of none."""
    known = [one.joules for one in steps.values() if one.joules is not None]
    if not known:
        return None
    base = [times(watts, makespan) for watts in woken(scene.view, ((way.pool, way.footprint) for way in chosen.values()))]
    return sum_of([*known, *base])


def quality_of(steps: Iterable[Estimate], rule: Rule, left_out: int = 0) -> Figure | None:
    """Return the mean or the product over the steps that have one; so many that were *left_out* count as nothing."""
    known = [one.quality for one in steps if one.quality is not None]
    known += [exactly(0.0, _LEFT_OUT)] * left_out
    if not known or rule is Rule.MEAN:
        return times(sum_of(known), 1 / len(known)) if known else None
    value = math.prod(one.value for one in known)
    # To the first order: parts by which factors are off add like standard deviations.
    below = math.hypot(*(1.0 - one.low / one.value for one in known if one.value))
    above = math.hypot(*(one.high / one.value - 1.0 for one in known if one.value))
    source = weakest(one.of.source for one in known)
    return Figure(value, value * max(0.0, 1.0 - below), min(1.0, value * (1.0 + above)), Provenance(source, "the product over the steps"))


def sum_of(figures: Iterable[Figure]) -> Figure:
    """Return the sum of independent figures: their intervals add like standard deviations, and it is as sure as the least sure of them."""
    every = list(figures)
    value = math.fsum(one.value for one in every)
    below = math.hypot(*(one.value - one.low for one in every))
    above = math.hypot(*(one.high - one.value for one in every))
    source = weakest(one.of.source for one in every)
    return Figure(value, value - below, value + above, Provenance(source, "the sum over the steps"))
