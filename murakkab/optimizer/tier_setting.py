"""policy: which choices the tiers of a workflow stand for, by all that is known when they are set. What tiers are: `tiers`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from murakkab.catalog import Catalog, Needs
from murakkab.devices import Pool
from murakkab.errors import PlanError
from murakkab.optimizer.candidates import candidates_of, scene_of
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.estimate import Forecast
from murakkab.optimizer.limits import FLOORS
from murakkab.optimizer.pareto import STEP, Search
from murakkab.optimizer.problem import MEASURES
from murakkab.optimizer.reasons import measure_of
from murakkab.optimizer.resources import allowances_of, base_watts, calls_of
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.tiers import Choices, Held, HeldPool, Tiers, steps_of
from murakkab.optimizer.trades import forecasts_of, unknown_of
from murakkab.plan import TaskGraph
from murakkab.spec import TIERS, Goal

#: Of the choices from worst to best, the part that a tier leaves behind.
PERCENTILES: Final[Mapping[str, float]] = {"best": 1.0, "good": 0.95, "fair": 0.80, "basic": 0.50}
#: How many choices of each pair of measures are looked at.
_POINTS: Final = 12


def tiers_of(graph: TaskGraph, catalog: Catalog, at: Situation) -> Tiers:
    """Return what the tiers stand for by all that is known now: of the measures that are known, two at least."""
    scene = scene_of(graph, at, graph.workflow.goal)
    known = [measure for measure in MEASURES if _is_known(graph, catalog, at, measure)]
    found: dict[str, list[Forecast]] = {measure: [] for measure in known}
    for pair in combinations(known, 2):
        goal = replace(graph.workflow.goal, minimize=pair, limits={}, tiers={})
        open_ = candidates_of(graph, catalog, goal, at)
        _, made = forecasts_of(scene, open_, goal, Search(points=_POINTS, time_limit=at.time_limit))
        for measure in pair:
            found[measure] += made
    ranked = {measure: _ranked(made, measure) for measure, made in found.items()}
    ranked = {measure: made for measure, made in ranked.items() if made}
    chosen = {measure: [made[place_of(tier, len(made))] for tier in TIERS] for measure, made in ranked.items()}
    used = [way for each in chosen.values() for one in each for way in one.chosen.values()]
    names = {way.pool for way in used}
    calls = {name for way in used for name in way.footprint.calls}
    ways = candidates_of(graph, catalog, Goal(), at).ways
    return Tiers(
        steps_of(graph),
        {measure: [_held(one.chosen) for one in each] for measure, each in chosen.items()},
        scene.capacity,
        {pool.name: _held_pool(pool) for pool in at.view.pools.values() if pool.name in names},
        [one for one in allowances_of(at.view) if not calls.isdisjoint(calls_of([one], 1.0))],
        {path: len(each) for path, each in ways.items()},
        {measure: len(made) for measure, made in ranked.items()},
    )


def place_of(tier: str, count: int) -> int:
    """Return which of *count* choices a tier stands for, the worst being 0."""
    return math.floor(PERCENTILES[tier] * (count - 1) + 1e-9)


def _is_known(graph: TaskGraph, catalog: Catalog, at: Situation, measure: str) -> bool:
    open_ = candidates_of(graph, catalog, Goal((measure,)), at)
    try:
        unknown_of(open_, (measure,))
    except PlanError:
        return False
    return True


def _ranked(made: Sequence[Forecast], measure: str) -> list[Forecast]:
    """Return the choices from worst to best, one of each value."""
    valued = [(value, one) for one in made if (value := measure_of(one.estimate, measure)) is not None]
    valued.sort(key=lambda each: each[0], reverse=measure not in FLOORS)
    found: list[Forecast] = []
    last: float | None = None
    for value, one in valued:
        if last is None or abs(value - last) > STEP * abs(last):
            found.append(one)
            last = value
    return found


def _held(chosen: Mapping[str, Configuration]) -> Choices:
    return {
        path: Held(
            way.card.name,
            way.label,
            way.taken,
            way.pool,
            Needs(way.card.needs.cores, way.card.needs.slots),
            way.card.limits.concurrency,
            way.footprint,
            way.loads,
        )
        for path, way in chosen.items()
    }


def _held_pool(pool: Pool) -> HeldPool:
    return HeldPool(pool.kind.device, pool.count, pool.is_on, bool(pool.endpoint), base_watts(pool))
