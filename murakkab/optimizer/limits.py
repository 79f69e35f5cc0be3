"""policy: the limits of a problem by name - read, set, taken away - and whether totals keep them."""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from murakkab.optimizer.problem import TOLERANCE, Problem

#: Of these more is better: the limit is a floor.
FLOORS: Final = frozenset({"quality"})
_GLOBAL: Final = ("latency", "cost", "energy", "quality")


def limits_of(problem: Problem) -> dict[str, float]:
    """Return every limit by its name. A rate with a window is none: it makes the job longer."""
    bounds = problem.bounds
    found = {name: getattr(bounds, name) for name in _GLOBAL}
    for pool in problem.pools:
        found[f"capacity:{pool.name}"] = pool.capacity
        found[f"memory:{pool.name}"] = pool.memory
    for rate in problem.rates:
        found[f"rate:{rate.name}"] = rate.calls if rate.window is None else None
    return {name: limit for name, limit in found.items() if limit is not None}


def with_limits(problem: Problem, limits: Mapping[str, float | None]) -> Problem:
    """Return the problem with these limits instead of its own of the same name; None takes one away."""
    old = problem.bounds
    bounds = replace(
        old,
        latency=limits.get("latency", old.latency),
        cost=limits.get("cost", old.cost),
        energy=limits.get("energy", old.energy),
        quality=limits.get("quality", old.quality),
    )
    pools = tuple(
        replace(
            pool,
            capacity=limits.get(f"capacity:{pool.name}", pool.capacity),
            memory=limits.get(f"memory:{pool.name}", pool.memory),
        )
        for pool in problem.pools
    )
    rates = tuple(
        replace(rate, calls=math.inf if (calls := limits.get(f"rate:{rate.name}", rate.calls)) is None else calls)
        if rate.window is None
        else rate
        for rate in problem.rates
    )
    return replace(problem, bounds=bounds, pools=pools, rates=rates)


def only_limits(problem: Problem, names: Collection[str]) -> Problem:
    """Return the problem with these of its limits alone."""
    return with_limits(problem, {name: None for name in limits_of(problem) if name not in names})


def is_met(name: str, value: float | None, limit: float) -> bool:
    """Return whether a limit is kept, give or take the tolerance. What nobody knows keeps none."""
    if value is None:
        return False
    if name in FLOORS:
        return value >= limit - TOLERANCE * max(abs(limit), 1e-12)
    return value <= limit + TOLERANCE * max(abs(limit), 1e-12)


def excess(name: str, value: float | None, limit: float) -> float:
    """Return by which part of itself a limit is passed; negative is room that is left."""
    if value is None:
        return 1.0
    return (limit - value if name in FLOORS else value - limit) / max(abs(limit), 1e-9)
