"""policy: what ways to do a step use of an installation - devices and their memory, base power, and what may be asked of an endpoint."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from murakkab.catalog import Device
from murakkab.devices import Allowance, ClusterView, ModelCard, Pool, Price
from murakkab.figures import Figure, Provenance, Source
from murakkab.optimizer.limits import is_met
from murakkab.optimizer.packing import memory_used
from murakkab.optimizer.problem import PoolBound, Rate
from murakkab.optimizer.roofline import USABLE

#: What an allowance is counted by, in seconds.
MINUTE: Final = 60.0
#: How limits on requests are called, before what they are limits of.
REQUESTS: Final = "requests per minute of"
#: Tokens of context that an engine has room for beside the weights of a model: eight sequences of 2,000.
RESERVE: Final = 16_000.0
#: An engine that is started takes so long, and loads so many bytes per second, where nobody says how long it takes.
_STARTING: Final = 40.0
_LOADING: Final = 2e9
_DOUBT: Final = 3.0
#: The slot by which executors say how much memory of a device they need, and its unit in bytes.
MEMORY_SLOT: Final = "gpu-memory-mb"
_MEGA: Final = 1e6


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a way to do a step takes of an installation.

    `devices` of its pool work together on one task. `engine`: the engine that must be started for it, "" where none must. `resident`: bytes
    that it keeps in the memory of its pool for the whole job, under the name `resides`, in equal parts on `across` of its devices. `busy`:
    device-seconds that one task takes of its pool where many are done together; None: all of its seconds on all of its devices. `calls`:
    what one task takes of each allowance.
    """

    devices: int = 1
    engine: str = ""
    resides: str = ""
    resident: float = 0.0
    across: int = 1
    busy: float | None = None
    calls: Mapping[str, float] = field(default_factory=dict)


PLAIN: Final = Footprint()
#: By pool, and by what is resident there: on how many devices it lies.
Split = Mapping[str, Mapping[str, int]]
_NOTHING: Final[Split] = {}


# ----------------------------------------------------------------------------------------------------------------- amounts


def memory_of(pool: Pool) -> float | None:
    """Return the bytes for weights and contexts in all devices of a pool; None where nobody knows."""
    return None if pool.kind.memory is None or pool.kind.device is not Device.GPU else pool.count * pool.kind.memory * USABLE


def bytes_of(model: ModelCard) -> float:
    """Return the bytes that a model takes with room for a few sequences; zero where its size is not known."""
    return model.parameters * model.weight_bytes + RESERVE * model.kv_bytes if model.parameters else 0.0


def base_watts(pool: Pool, devices: float | None = None) -> Figure | None:
    """Return what so many devices of a pool (None: all) draw when nothing runs: as it says, else what the kind draws when idle."""
    share = 1.0 if devices is None else min(1.0, devices / pool.count)
    if pool.base_watts is not None:
        return _times(pool.base_watts, share)
    return None if pool.kind.idle_watts is None else _times(pool.kind.idle_watts, pool.count * share)


def starting(pool: Pool, resident: float) -> Figure:
    """Return the seconds until an engine that is not on answers: as its pool says, else assumed by the bytes that it loads."""
    if pool.startup is not None:
        return pool.startup
    seconds = _STARTING + resident / _LOADING
    where = f"an engine that is started: {_STARTING:g} s, and {resident / 1e9:.3g} GB at {_LOADING / 1e9:g} GB/s"
    return Figure(seconds, seconds / _DOUBT, seconds * _DOUBT, Provenance(Source.ASSUMED, where))


def _times(figure: Figure, factor: float) -> Figure:
    return Figure(figure.value * factor, figure.low * factor, figure.high * factor, figure.of)


# -------------------------------------------------------------------------------------------------------------- allowances


def allowance_of(price: Price) -> Allowance:
    """Return how much a hosted model may be used, by its provider's limits for it."""
    return Allowance(f"{price.model} at {price.provider}", price.requests_per_minute, price.tokens_per_minute)


def calls_of(allowances: Iterable[Allowance | None], tokens: float) -> dict[str, float]:
    """Return what one request of so many tokens takes of each limit, by its name."""
    found: dict[str, float] = {}
    for one in allowances:
        if one is not None and one.requests is not None:
            found[_requests(one)] = 1.0
        if one is not None and one.tokens is not None and tokens:
            found[_tokens(one)] = tokens
    return found


def allowances_of(view: ClusterView) -> list[Allowance]:
    """Return how much of endpoints and of hosted models may be used; several pools may share an endpoint."""
    return [*(pool.allowance for pool in view.pools.values() if pool.allowance is not None), *map(allowance_of, view.prices)]


def rates_of(view: ClusterView) -> tuple[Rate, ...]:
    """Return every limit on requests and tokens per minute, each once, however many pools share an endpoint."""
    found: dict[str, Rate] = {}
    for one in allowances_of(view):
        for name, amount in ((_requests(one), one.requests), (_tokens(one), one.tokens)):
            if amount is not None:
                found.setdefault(name, Rate(name, amount, MINUTE))
    return tuple(found.values())


def _requests(one: Allowance) -> str:
    return f"{REQUESTS} {one.of}"


def _tokens(one: Allowance) -> str:
    return f"tokens per minute of {one.of}"


# ------------------------------------------------------------------------------------------------------------------- pools


def split_of(used: Iterable[tuple[str, Footprint]]) -> Split:
    """Return on how many devices what is resident in each pool lies: footprints with the names of their pools."""
    found: dict[str, dict[str, int]] = {}
    for name, one in used:
        if one.resident:
            found.setdefault(name, {})[one.resides] = one.across
    return found


def bounds_of(view: ClusterView, engines: Mapping[str, tuple[str, int]], split: Split = _NOTHING) -> tuple[PoolBound, ...]:
    """Return what the pools allow, and each of the *engines* that may be started: by name, their pool and on how many devices they run.

    An engine that is started draws the base power of its devices alone: the others of its pool may stay off. Engines that need more devices
    than their pool has share some: together they draw no more than all of its devices do. *split*: by pool, on how many devices what is
    resident there lies.
    """
    found = []
    for pool in view.pools.values():
        # Of what is elsewhere nobody knows how many devices it has.
        devices = None if pool.kind.device is Device.REMOTE else pool.count
        starts = pool.name in {name for name, _ in engines.values()}
        lies = split.get(pool.name, {})
        found.append(PoolBound(pool.name, devices, pool.capacity, _watts(pool), pool.is_on or starts, memory_of(pool), split=lies))
    for name, (of, devices) in engines.items():
        found.append(PoolBound(name, float(devices), None, _watts(view.pools[of], devices), is_on=False, part_of=of))
    return tuple(found)


def _watts(pool: Pool, devices: float | None = None) -> float:
    figure = base_watts(pool, devices)
    return 0.0 if figure is None else figure.value


def woken(view: ClusterView, used: Iterable[tuple[str, Footprint]]) -> list[Figure]:
    """Return the base watts of everything that is off and must be on for what is *used*: footprints with the names of their pools.

    Engines that share devices draw their base power once: of no pool more devices are on than it has.
    """
    devices: dict[str, dict[str, float]] = {}
    for name, one in used:
        pool = view.pools.get(name)
        if pool is not None and not pool.is_on:
            devices.setdefault(name, {})[one.engine] = float(one.devices) if one.engine else pool.count
    found = (base_watts(view.pools[name], sum(each.values())) for name, each in devices.items())
    return [figure for figure in found if figure is not None]


def use_of(pool: Pool, one: Footprint, tasks: float, seconds: float, cores: float) -> dict[str, float]:
    """Return the device-seconds of so many tasks by pool; what is named must be on."""
    width = cores if pool.kind.device is Device.CPU else float(one.devices)
    if pool.kind.device is Device.REMOTE:
        width = 0.0
    each = one.busy if one.busy is not None else seconds * min(width, pool.count)
    return {name: tasks * each for name in (pool.name, one.engine) if name}


def passed(view: ClusterView, used: Sequence[tuple[str, Footprint]], spent: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return the limits of pools that a job passes, by name, each with what it takes and what there is: memory, and device-seconds.

    *used*: footprints with the names of their pools; *spent*: device-seconds by pool.
    """
    found: dict[str, tuple[float, float]] = {}
    for name, split in split_of(used).items():
        pool = view.pools[name]
        sizes = {one.resides: one.resident for of, one in used if of == name and one.resident}
        taken, memory = memory_used(sizes, split, pool.count), memory_of(pool)
        if memory is not None and not is_met("memory", taken, memory):
            found[f"memory:{name}"] = taken, memory
    for name, pool in view.pools.items():
        if pool.capacity is not None and not is_met("capacity", spent.get(name, 0.0), pool.capacity):
            found[f"capacity:{name}"] = spent[name], pool.capacity
    return found


def least_seconds(view: ClusterView, used: Sequence[tuple[str, Footprint, float]]) -> tuple[float, str]:
    """Return how long a job takes at least by its engines and allowances, and which of them says so.

    *used*: pools, footprints, and how many tasks. What is done by executors here is not counted: a run on virtual time shows that.
    """
    work: dict[str, float] = {}
    calls: dict[str, float] = {}
    for name, one, tasks in used:
        pool = view.pools.get(name)
        if pool is not None and one.busy is not None:
            places = {name: pool.count, **({one.engine: float(one.devices)} if one.engine else {})}
            for each, devices in places.items():
                work[each] = work.get(each, 0.0) + tasks * one.busy / devices
        for each, amount in one.calls.items():
            calls[each] = calls.get(each, 0.0) + tasks * amount
    waits = {rate.name: MINUTE * (calls.get(rate.name, 0.0) / rate.calls - 1.0) for rate in rates_of(view)}
    every = [*((seconds, f"devices of {name}") for name, seconds in work.items()), *((seconds, name) for name, seconds in waits.items())]
    return max(every, default=(0.0, ""))
