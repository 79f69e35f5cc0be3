"""policy: what picks amount to. The one place that says what the measures mean; every solver's answer is measured here."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from murakkab.optimizer.limits import is_met, limits_of
from murakkab.optimizer.packing import memory_used
from murakkab.optimizer.problem import Option, Percentile, PoolBound, Problem, Rule, Task, Totals


def picked(problem: Problem, picks: Mapping[str, str]) -> list[Option]:
    """Return the picked option of every task, in the order of the tasks. Raises `KeyError` for a label that is not there."""
    return [{option.label: option for option in task.options}[picks[task.name]] for task in problem.tasks]


def totals_of(problem: Problem, options: Sequence[Option]) -> Totals:
    """Return what one option per task amounts to.

    Latency is the longest path, or, where that is more, the work of a pool over its devices (Graham 1969, the lower bound), or the time
    that a rate's windows take. Energy is the marginal joules and the base watts of the pools woken times the expected seconds. Memory is
    that of a pool's fullest device times its devices.
    """
    use = _sums(option.use for option in options)
    calls = _sums(option.calls for option in options)
    least = _least_seconds(problem, use, calls)
    seconds = max(least, _longest_path(problem.tasks, options, lambda option: option.seconds))
    tail = max(least, _longest_path(problem.tasks, options, tail_of))
    named = {pool for option in options for pool in option.use}
    woken = tuple(pool.name for pool in problem.pools if not pool.is_on and pool.name in named)
    base = base_watts(problem.pools, woken) * seconds
    latency = tail if problem.bounds.percentile is Percentile.P90 else seconds
    cost = math.fsum(option.usd for option in options)
    energy = math.fsum(option.joules for option in options) + base
    quality = quality_of(problem, options)
    limits = {"latency": latency, "cost": cost, "energy": energy} | ({} if quality is None else {"quality": quality})
    limits |= {f"capacity:{pool.name}": use.get(pool.name, 0.0) for pool in problem.pools}
    limits |= {f"memory:{pool.name}": _memory(pool, options) for pool in problem.pools}
    limits |= {f"rate:{rate.name}": calls.get(rate.name, 0.0) for rate in problem.rates}
    return Totals(seconds, tail, latency, cost, energy, quality, base, woken, limits)


def base_watts(pools: Sequence[PoolBound], woken: Collection[str]) -> float:
    """Return the watts that those *woken* draw: of parts of one pool no more than all of its devices do."""
    whole = {pool.name: pool.base_watts for pool in pools}
    parts: dict[str, float] = {}
    for pool in pools:
        if pool.name in woken:
            of = pool.part_of or pool.name
            parts[of] = parts.get(of, 0.0) + pool.base_watts
    return math.fsum(min(watts, whole[of]) for of, watts in parts.items())


def tail_of(option: Option) -> float:
    """Return the seconds of an option at the 90th percentile."""
    return option.seconds if option.tail is None else option.tail


def first_of(option: Option, duration: float) -> float:
    """Return the seconds to its first element when the whole takes *duration*: it stretches alike."""
    return duration if option.first is None else option.first * _stretch(option, duration)


def last_of(option: Option, duration: float) -> float:
    """Return the seconds after the last element of its source when the whole takes *duration*."""
    return duration if option.last is None else option.last * _stretch(option, duration)


def _stretch(option: Option, duration: float) -> float:
    return duration / option.seconds if option.seconds > 0 else 1.0


def quality_of(problem: Problem, options: Sequence[Option]) -> float | None:
    """Return the quality of the job by the problem's rule; None when no task has one."""
    rated = [
        (task.weight, option.quality or 0.0)
        for task, option in zip(problem.tasks, options, strict=True)
        if any(other.quality is not None for other in task.options)
    ]
    if not rated or not (weights := math.fsum(weight for weight, _ in rated)):
        return None
    if problem.bounds.rule is Rule.PRODUCT:
        return math.prod(math.pow(quality, weight) for weight, quality in rated)
    return math.fsum(weight * quality for weight, quality in rated) / weights


def is_feasible(problem: Problem, options: Sequence[Option], totals: Totals) -> bool:
    """Return whether every limit and every link is kept."""
    if not all(is_met(name, totals.limits.get(name), limit) for name, limit in limits_of(problem).items()):
        return False
    places = {task.name: place for place, task in enumerate(problem.tasks)}
    return all(len({options[places[name]].keys.get(link.name, "") for name in link.tasks}) <= 1 for link in problem.links)


def _longest_path(tasks: Sequence[Task], options: Sequence[Option], duration: Callable[[Option], float]) -> float:
    start: dict[str, float] = {}
    end: dict[str, float] = {}
    firsts: dict[str, float] = {}
    for task, option in zip(tasks, options, strict=True):
        seconds = duration(option)
        begun = max((end[parent] for parent in task.parents), default=0.0)
        begun = max([begun, task.ready, *(start[parent] + firsts[parent] for parent in task.streams)])
        start[task.name] = begun
        firsts[task.name] = first_of(option, seconds)
        end[task.name] = max([begun + seconds, *(end[parent] + last_of(option, seconds) for parent in task.streams)])
    return max(end.values(), default=0.0)


def _least_seconds(problem: Problem, use: Mapping[str, float], calls: Mapping[str, float]) -> float:
    works = [use.get(pool.name, 0.0) / pool.devices for pool in problem.pools if pool.devices]
    waits = [rate.window * (calls.get(rate.name, 0.0) / rate.calls - 1.0) for rate in problem.rates if rate.window and rate.calls]
    return max([0.0, *works, *waits])


def _sums(amounts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in amounts:
        for name, amount in each.items():
            found[name] = found.get(name, 0.0) + amount
    return found


def _memory(pool: PoolBound, options: Sequence[Option]) -> float:
    models: dict[str, float] = {}
    for option in options:
        for model, size in option.resident.get(pool.name, {}).items():
            models[model] = max(models.get(model, 0.0), size)
    return memory_used(models, pool.split, pool.devices)
