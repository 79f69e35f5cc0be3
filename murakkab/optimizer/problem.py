"""data: a selection in numbers - tasks with options, pools, limits, what to minimise - and its answer. Knows no graph, card or profile.

Seconds, joules, USD and bytes throughout; quality lies between 0 and 1, and more is better. A limit has a name: `latency`, `cost`,
`energy`, `quality`, `capacity:POOL`, `memory:POOL`, `rate:RATE`. It is met when it is not passed by more than a millionth part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: A limit counts as met up to this part of it: what the solver's arithmetic can promise.
TOLERANCE: Final = 2e-6
MEASURES: Final = ("latency", "cost", "energy", "quality")


@dataclass(frozen=True, slots=True)
class Option:
    """One way to do a task. `tail`: its seconds at the 90th percentile (None: as `seconds`); `quality` None: it has none.

    `first`: seconds from its start to the first element that it gives (None: when it ends). `last`: seconds it still needs once the last
    element of what it streams from is there (None: all of its `seconds`).
    `use`: device-seconds by pool; a pool named here must be on. `calls`: by rate. `resident`: bytes by pool and model, for the whole job.
    `keys`: by link; tasks of one link pick options with one key.
    """

    label: str
    seconds: float
    tail: float | None = None
    joules: float = 0.0
    usd: float = 0.0
    quality: float | None = None
    first: float | None = None
    last: float | None = None
    use: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, float] = field(default_factory=dict)
    resident: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """What picks one of its options. `parents` end before it starts; of `streams` it needs only the first element to start.

    It ends no sooner than each of its `streams` and its own `last` seconds after. `ready`: seconds before which it cannot start.
    `weight`: how much its quality counts. When only some of its options have a quality, the others count as 0: nothing is promised of them.
    """

    name: str
    options: tuple[Option, ...]
    parents: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    ready: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PoolBound:
    """What a pool allows. `devices`: how many work side by side (None: no bound); `capacity`: device-seconds that the job may take of it.

    `base_watts` are counted only where the pool `is_on` not and a pick wakes it: from then on it draws them until the job ends, and the
    whole job is charged. The base power of a pool that is on anyway is the pool's own, not this job's. `part_of`: it is some of the devices
    of the pool of that name, of which a job is charged no more than `base_watts` for all that it wakes of them.

    `memory`: bytes for models, as much on each device. `split`: on how many devices a model lies, in equal parts; others lie on all alike.
    Of one that is split every option that keeps it keeps the same.
    """

    name: str
    devices: float | None = None
    capacity: float | None = None
    base_watts: float = 0.0
    is_on: bool = True
    memory: float | None = None
    part_of: str = ""
    split: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` per `window` seconds, the first window's worth at once. `window` None: at most so many in the whole job.

    With a window it bounds the time: the job takes at least `window * (calls of the job / calls - 1)` seconds.
    """

    name: str
    calls: float
    window: float | None = None


class Percentile(StrEnum):
    """Of which durations latency is made: the expected ones, or those at the 90th percentile, which bounds the job's own from above."""

    P50 = "p50"
    P90 = "p90"


class Rule(StrEnum):
    """How the quality of tasks makes that of the job: the mean by weight, or the product (weights are exponents)."""

    MEAN = "mean"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits on the whole job, None where there is none. `percentile` and `rule` also hold for what is minimised."""

    latency: float | None = None
    cost: float | None = None
    energy: float | None = None
    quality: float | None = None
    percentile: Percentile = Percentile.P50
    rule: Rule = Rule.MEAN


@dataclass(frozen=True, slots=True)
class Link:
    """Tasks that must pick options with the same key: `Option.keys[name]`, "" where an option has none."""

    name: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One option per task, within all limits, so that the first of `minimize` is best, then the next (quality is maximised).

    `tasks` are in topological order. `minimize` empty: of what is feasible, options that stand first. Besides the four measures any limit
    may be minimised by its name. Raises `ValueError` when a task has no option, comes twice or before its parents, a pool is unknown, or
    what is split has several sizes.
    """

    tasks: tuple[Task, ...]
    pools: tuple[PoolBound, ...] = ()
    rates: tuple[Rate, ...] = ()
    bounds: Bounds = Bounds()
    minimize: tuple[str, ...] = ("latency",)
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no solver could read."""
        known: set[str] = set()
        self._check_split()
        names = {*(f"capacity:{pool.name}" for pool in self.pools), *(f"memory:{pool.name}" for pool in self.pools)}
        names |= {f"rate:{rate.name}" for rate in self.rates}
        for task in self.tasks:
            if not task.options:
                raise ValueError(f"task {task.name!r} has no option")
            if task.name in known:
                raise ValueError(f"task {task.name!r} is there twice")
            if missing := sorted({*task.parents, *task.streams} - known):
                raise ValueError(f"task {task.name!r} stands before {missing[0]!r}, which it needs")
            known.add(task.name)
            _check_options(task, names)
        pools = {pool.name for pool in self.pools}
        if missing := sorted({pool.part_of for pool in self.pools if pool.part_of} - pools):
            raise ValueError(f"a pool is a part of {missing[0]!r}, which is none")
        for measure in self.minimize:
            if measure not in MEASURES and measure not in names:
                raise ValueError(f"{measure!r} is nothing to minimise")
        for link in self.links:
            if missing := sorted(set(link.tasks) - known):
                raise ValueError(f"link {link.name!r} names {missing[0]!r}, which is no task")

    def _check_split(self) -> None:
        split = {(pool.name, model) for pool in self.pools for model in pool.split}
        found: dict[tuple[str, str], float] = {}
        for option in (option for task in self.tasks for option in task.options) if split else ():
            for pool, sizes in option.resident.items():
                for model, size in sizes.items():
                    if (pool, model) in split and found.setdefault((pool, model), size) != size:
                        raise ValueError(f"options differ in how much of {model!r} they keep in {pool!r}, which is split")


def _check_options(task: Task, names: set[str]) -> None:
    labels: set[str] = set()
    for option in task.options:
        pools = {*option.use, *option.resident}
        for name in (*(f"capacity:{pool}" for pool in pools), *(f"rate:{rate}" for rate in option.calls)):
            if name not in names:
                raise ValueError(f"option {option.label!r} of task {task.name!r} names an unknown {name.partition(':')[2]!r}")
        if option.label in labels:
            raise ValueError(f"task {task.name!r} has option {option.label!r} twice")
        labels.add(option.label)


class Status(StrEnum):
    """How good an answer is: proven best, proven within its `gap`, unproven, or none at all."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    HEURISTIC = "heuristic"
    INFEASIBLE = "infeasible"


@dataclass(frozen=True, slots=True)
class Totals:
    """What picks amount to. `latency` is at the percentile of the problem, `seconds` and `tail` at the 50th and the 90th.

    `energy` has in it `base_joules`, those of the pools `woken`. `quality` None: no task has one. `limits`: the use of every limit by name.
    """

    seconds: float
    tail: float
    latency: float
    cost: float
    energy: float
    quality: float | None
    base_joules: float = 0.0
    woken: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the measures minimised in turn: its `value`, what it cannot be better than (`bound`), and their relative distance (`gap`)."""

    measure: str
    value: float
    bound: float
    gap: float
    status: Status


@dataclass(frozen=True, slots=True)
class Solution:
    """An answer: `picks` are labels by task; empty when `status` is infeasible. `stages` follow `minimize`; the first gives the rest.

    HEURISTIC: all limits are met, and `bound` is what is known; with no picks it means that nothing was found in time, nor ruled out.
    `binding`: limits used to 98 % or more. `prices`: how much the first measure improves per unit by which a limit is loosened, by the
    Lagrangian's multipliers; a local figure, empty when they were not needed.
    """

    status: Status
    picks: Mapping[str, str] = field(default_factory=dict)
    totals: Totals | None = None
    stages: tuple[Stage, ...] = ()
    binding: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)

    @property
    def objective(self) -> float | None:
        """Return the value of the first measure, None where there is no answer."""
        return self.stages[0].value if self.stages else None

    @property
    def bound(self) -> float | None:
        """Return what the first measure cannot be better than, None where nothing is known."""
        return self.stages[0].bound if self.stages else None

    @property
    def gap(self) -> float:
        """Return the relative distance of the two; 0 where there is no answer."""
        return self.stages[0].gap if self.stages else 0.0
