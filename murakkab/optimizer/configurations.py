"""policy: the ways in which a step can be done here - executor x knobs x model x pool - and what one task of each is expected to take."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from operator import le
from typing import Any, Final

from murakkab.catalog import Device, ExecutorCard, Quote
from murakkab.devices import ClusterView, Pool
from murakkab.figures import RELIANCE, Figure, Provenance, Source, exactly, weakest
from murakkab.optimizer.resources import MEMORY_SLOT, PLAIN, Footprint
from murakkab.plan import Node
from murakkab.profiles import Profile, Spread

#: How far a figure may be off that nobody measured: so many times less or more.
_DOUBT: Final[Mapping[Source, float]] = {Source.MEASURED: 1.1, Source.PUBLISHED: 1.3, Source.MODELLED: 1.5, Source.ASSUMED: 3.0}
#: How far what one machine takes may be from what another one does: so many times less or more.
_ELSEWHERE: Final = 2.0
#: The ninth decile over the median, where only an expectation is known.
_TAIL: Final = 1.3
#: Knobs that say where an engine is: the pool has a name.
UNTOLD: Final = frozenset({"url", "key"})
#: Up to so many ways of doing one step are all looked at; of more, those that no other beats.
FEW: Final = 64
#: How many ways of doing one step are looked at at all.
MOST: Final = 256
_NOBODY: Final = float("inf")
#: Of what runs elsewhere, where nobody says what it costs.
UNPRICED: Final = Provenance(Source.ASSUMED, "no price is known: counted as nothing")


_Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one task takes: seconds (`p90`: nine times out of ten no more), joules beyond the base power, USD, and its quality.

    `startup`: the seconds that the first task of a process takes more, while what it needs is loaded or started; None: nobody knows of any.
    """

    seconds: Figure
    p90: float
    usd: Figure
    joules: Figure | None = None
    quality: Figure | None = None
    startup: Figure | None = None

    @property
    def source(self) -> Source:
        """Where the least reliable of the figures is from."""
        figures = (self.seconds, self.joules, self.quality)
        return max((one.of.source for one in figures if one is not None), key=RELIANCE.index)


@dataclass(frozen=True, slots=True)
class Configuration:
    """One way to do a step. `knobs`: those that are set; `pool`: where it runs, "" for executors that run elsewhere.

    `footprint`: what it takes of that pool, and how many of its devices work together.
    """

    card: ExecutorCard
    knobs: Mapping[str, Any]
    model: str
    pool: str
    taken: Taken
    #: What a task takes while so many run at a time, by how many; empty where nobody has measured more than one load.
    loads: tuple[tuple[int, Taken], ...] = ()
    footprint: Footprint = PLAIN

    @property
    def devices(self) -> int:
        """How many devices of its pool work together on one task."""
        return self.footprint.devices

    def under(self, load: float) -> Taken:
        """Return what a task takes while *load* tasks run on its machine, itself among them: straight between the loads measured."""
        if not self.loads:
            return self.taken
        at = min(max(load, self.loads[0][0]), self.loads[-1][0])
        for (few, one), (many, other) in pairwise(self.loads):
            if at <= many:
                return _mixed(one, other, (at - few) / (many - few))
        return self.loads[-1][1]

    @property
    def label(self) -> str:
        """Return how messages name it: `haar-cascades(scale=1.1)`, `llm-answer(model=qwen3-32b) on 2 devices`."""
        shown = ", ".join(f"{name}={value}" for name, value in self.knobs.items() if name not in UNTOLD)
        together = f" on {self.devices} devices" if self.devices > 1 else ""
        return f"{self.card.name}({shown}){together}" if shown else f"{self.card.name}{together}"


#: By path of a step, the ways to do it.
Ways = Mapping[str, Sequence[Configuration]]


@dataclass(frozen=True, slots=True)
class Task:
    """What is known of a task before it runs: how many of its step there are (`load`), and its work in `units` (None: as usual)."""

    load: float = 1.0
    units: float | None = None


_ANY: Final = Task()


def configurations(
    node: Node, cards: Sequence[ExecutorCard], view: ClusterView, profiles: Mapping[str, Sequence[Profile]], *, task: Task = _ANY
) -> list[Configuration]:
    """Return the ways in which *cards* can do *node*: as it stands, and with every setting of knobs that trade which has a profile.

    *profiles* by executor; of several for one setting the most reliable count, at the load of *task* or as many as fit into its pool. Of
    more than `FEW` those that another beats in everything are left out, and at most `MOST` are given: the first, and the best by each
    measure. The defaults first.
    """
    found: dict[tuple[Any, ...], Configuration] = {}
    for card in cards:
        for pool in _pools(card, view):
            for one in _of_card(node, card, pool, profiles.get(card.name, ()), task):
                knobs = tuple(sorted(one.knobs.items(), key=_by_name))
                found.setdefault((card.name, pool.name if pool else "", one.devices, knobs), one)
    return _worth(list(found.values()))


def _worth(ways: list[Configuration]) -> list[Configuration]:
    """Return, in their order, the ways that some best choice may need; the first always."""
    if len(ways) <= FEW:
        return ways
    groups: dict[tuple[Any, ...], list[tuple[_Values, int]]] = {}
    for at, way in enumerate(ways):
        groups.setdefault(_place(way), []).append((_values(way), at))
    kept = {0}
    for group in groups.values():
        front: list[_Values] = []
        # Whatever beats one of them stands before it.
        for values, at in sorted(group):
            if not any(one != values and all(map(le, one, values)) for one in front):
                front.append(values)
                kept.add(at)
    return [ways[at] for at in sorted(_best_by_each(ways, kept) if len(kept) > MOST else kept)]


def _place(way: Configuration) -> tuple[Any, ...]:
    """Return what must be equal for one way to stand in for another: what it occupies, and what is known of it."""
    card, taken = way.card, way.taken
    needs = (card.needs.cores, tuple(sorted(card.needs.slots.items())), card.limits.concurrency, card.limits.rate_per_second)
    mine = way.footprint
    takes = mine.devices, mine.engine, mine.resides, mine.resident, tuple(sorted(mine.calls.items()))
    return way.pool, *needs, *takes, taken.joules is None, taken.quality is None


def _values(way: Configuration) -> _Values:
    """Return the figures of a way of which less is better; what is unknown counts as nothing."""
    taken = way.taken
    joules = taken.joules.value if taken.joules is not None else 0.0
    quality = taken.quality.value if taken.quality is not None else 0.0
    return taken.seconds.value, taken.p90, taken.usd.value, joules, -quality


def _best_by_each(ways: Sequence[Configuration], among: Iterable[int]) -> set[int]:
    """Return `MOST` of the ways *among*: the first, then by turns the best by each measure that is not there yet."""
    figures = {at: _values(ways[at]) for at in among}
    columns = zip(*figures.values(), strict=True)
    ranks = [iter([at for _, at in sorted(zip(column, figures, strict=True))]) for column in columns]
    found = {0}
    for rank in cycle(ranks):
        if len(found) >= MOST:
            break
        found.add(next((at for at in rank if at not in found), 0))
    return found


def _pools(card: ExecutorCard, view: ClusterView) -> list[Pool | None]:
    """Return where it can run: in a pool of its kind of device; None: elsewhere, or where nobody has said what there is."""
    here = [pool for pool in view.pools.values() if pool.kind.device is card.device and not pool.endpoint]
    return [*here] or ([None] if card.device is not Device.GPU or not view.pools else [])


def _of_card(node: Node, card: ExecutorCard, pool: Pool | None, known: Sequence[Profile], task: Task) -> Iterator[Configuration]:
    asked = {**node.knobs, **({"model": node.prefer.model} if node.prefer.model else {})}
    defaults = {knob.name: knob.default for knob in card.knobs}
    # A task on two devices together is another operating point than one on a single device.
    settings: dict[tuple[int, tuple[Any, ...]], list[Profile]] = {}
    for profile in known:
        if profile.setting.version == card.version and _is_reachable(profile, card, asked, defaults) and _is_there(profile, pool):
            settings.setdefault((profile.setting.devices, profile.setting.knobs), []).append(profile)
    base = tuple(sorted({**defaults, **asked}.items(), key=_by_name))
    where = pool.name if pool else ""
    usual = replace(quoted(card.quote, card, pool), startup=_startup_of(card, known))
    made = Configuration(card, asked, str(asked.get("model", "")), where, usual, footprint=_footprint(card, pool))
    # Where several devices are always used together, nobody knows what one of them takes.
    if (mine := settings.pop((1, base), None)) is not None:
        yield _with_profiles(made, mine, pool, task)
    elif not any(knobs == base for _, knobs in settings):
        yield made
    for (devices, knobs), profiles in sorted(settings.items(), key=lambda one: one[0][1] != base):
        changed = {name: value for name, value in knobs if name in asked or value != defaults.get(name)}
        footprint = replace(made.footprint, devices=devices)
        one = Configuration(card, changed, str(changed.get("model", "")), where, made.taken, footprint=footprint)
        yield _with_profiles(one, profiles, pool, task)


def _startup_of(card: ExecutorCard, known: Sequence[Profile]) -> Figure | None:
    """Return how much longer the first task of an executor takes, by the surest of its profiles that tell: with whatever knobs."""
    told = [one for one in known if one.startup is not None and one.setting.version == card.version]
    best = min(told, key=lambda one: (RELIANCE.index(one.of.source), -one.revision), default=None)
    if best is None or best.startup is None:
        return None
    return _widened(best.startup, _ELSEWHERE if best.startup.of.source is Source.PUBLISHED else 1.0)


def _footprint(card: ExecutorCard, pool: Pool | None) -> Footprint:
    """Return what an executor keeps of the memory of a pool of GPUs, by what it says that it needs."""
    megabytes = card.needs.slots.get(MEMORY_SLOT, 0.0) if pool is not None and pool.kind.device is Device.GPU else 0.0
    return Footprint(resides=card.name, resident=megabytes * 1e6) if megabytes else PLAIN


def _by_name(item: tuple[str, Any]) -> str:
    return item[0]


def _is_reachable(profile: Profile, card: ExecutorCard, asked: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """True for a setting that differs from what the step asks for in knobs that trade alone."""
    knobs = dict(profile.setting.knobs)
    if set(knobs) - set(defaults):
        return False
    for name, default in defaults.items():
        value = knobs.get(name, default)
        if name in asked:
            if value != asked[name]:
                return False
        elif value != default:
            knob = card.knob(name)
            if knob is None or not knob.trades or not card.admits(name, value):
                return False
    return True


def _is_there(profile: Profile, pool: Pool | None) -> bool:
    """True for what was measured on the kind of device that a pool has, and on no more of them than it has."""
    if pool is None:
        return profile.setting.devices == 1
    is_of_kind = profile.setting.device in (pool.kind.name, pool.kind.device.value)
    return is_of_kind and (profile.setting.devices <= pool.count or profile.setting.devices == 1)


def _with_profiles(way: Configuration, profiles: Sequence[Profile], pool: Pool | None, task: Task) -> Configuration:
    """Return *way* with what the most reliable of its *profiles* say, one for each load: of several the newest.

    How good results are does not depend on the machine or the load: where these do not tell, others do. Nor does the energy depend on
    what else the machine did: where only time was measured, that of the nearest load of which energy is known counts, and not the time.
    """
    best = min(RELIANCE.index(one.of.source) for one in profiles)
    by_load: dict[int, Profile] = {}
    for one in sorted(profiles, key=lambda one: one.revision):
        if RELIANCE.index(one.of.source) == best:
            by_load[one.setting.load] = one
    surest = sorted(profiles, key=lambda one: (RELIANCE.index(one.of.source), one.setting.load, -one.revision))
    quality = next((one.quality for one in surest if one.quality), {})
    metered = [one for one in surest if one.joules is not None]
    filled = {load: _with_energy(replace(one, quality=one.quality or quality), metered) for load, one in sorted(by_load.items())}
    startup = way.taken.startup
    loads = tuple((load, replace(profiled(one, way.card, pool, task.units), startup=startup)) for load, one in filled.items())
    found = replace(way, taken=loads[0][1], loads=loads)
    places = task.load if pool is None else places_in(pool, way)
    return replace(found, taken=found.under(min(task.load, places)), loads=loads if len(loads) > 1 else ())


def places_in(pool: Pool, way: Configuration) -> float:
    """Return how many tasks of a way its pool has room for at a time; infinite where they need none of its devices."""
    if pool.kind.device is Device.CPU:
        width = min(way.card.needs.cores, pool.count)
    else:
        width = 0.0 if pool.endpoint or pool.kind.device is Device.REMOTE else float(way.devices)
    return max(1.0, pool.count // width) if width else _NOBODY


# ------------------------------------------------------------------------------------------------------------------ figures


def _with_energy(profile: Profile, metered: Sequence[Profile]) -> Profile:
    """Return *profile* with joules: its own, else those of the nearest load among *metered*, by the work that its tasks were."""
    if profile.joules is not None or not metered:
        return profile
    like = min(metered, key=lambda one: (RELIANCE.index(one.of.source), abs(one.setting.load - profile.setting.load)))
    assert like.joules is not None
    return replace(profile, joules=times(like.joules, work_share(like, profile.units or None)))


def profiled(profile: Profile, card: ExecutorCard, pool: Pool | None, units: float | None = None) -> Taken:
    """Return what a task of so many *units* takes by a profile; what that leaves out is taken from the card."""
    share = work_share(profile, units)
    seconds = Spread(*(share * getattr(profile.seconds, name) for name in ("mean", "p50", "p90", "p99")))
    spread = _ELSEWHERE if profile.of.source is Source.PUBLISHED else _DOUBT[profile.of.source]
    # One time in ten a task takes more than the ninth decile: what slows one down, such as other programs, slows down all.
    spread = max(spread, seconds.p90 / seconds.mean) if seconds.mean else spread
    # What comes on average, not what comes half of the time: the tasks of a step add up.
    middle = Figure(seconds.mean, seconds.mean / spread, seconds.mean * spread, profile.of)
    quality = next(iter(profile.quality.values()), None) or _quality(card.quote)
    usd = profile.usd if profile.usd is not None else quoted(card.quote, card, None).usd
    joules = _modelled_joules(seconds.mean, card, pool, profile.setting.devices)
    if profile.joules is not None:
        joules = times(profile.joules, share)
        if profile.of.source is Source.PUBLISHED:
            joules = _widened(joules, spread)
    return Taken(middle, max(seconds.p90, seconds.mean), usd, joules, quality)


def _widened(figure: Figure, spread: float) -> Figure:
    """Return a figure that may be so many times less or more, if not more than that."""
    return replace(figure, low=min(figure.low, figure.value / spread), high=max(figure.high, figure.value * spread))


def work_share(profile: Profile, units: float | None) -> float:
    """Return how many times the average task of *profile* one of so many *units* takes; 1 where nobody knows what comes with a unit."""
    whole = profile.seconds.mean
    if units is None or not profile.units or not profile.per_unit or not whole:
        return 1.0
    per_unit = min(profile.per_unit, whole / profile.units)
    return max(0.0, whole + per_unit * (units - profile.units)) / whole


def quoted(quote: Quote, card: ExecutorCard, pool: Pool | None) -> Taken:
    """Return what a task takes by the card of its executor."""
    of = _of(quote)
    doubt = _DOUBT[of.source]
    seconds = Figure(quote.seconds, quote.seconds / doubt, quote.seconds * doubt, of)
    joules = _modelled_joules(quote.seconds, card, pool)
    if quote.joules is not None:
        joules = Figure(quote.joules, quote.joules / doubt, quote.joules * doubt, of)
    usd = exactly(quote.usd, of if quote.usd or card.device is not Device.REMOTE else UNPRICED)
    return Taken(seconds, quote.seconds * _TAIL, usd, joules, _quality(quote))


def _quality(quote: Quote) -> Figure | None:
    if quote.quality is None:
        return None
    of = _of(quote)
    doubt = _DOUBT[of.source]
    return Figure(quote.quality, quote.quality / doubt, min(1.0, quote.quality * doubt), of)


def _of(quote: Quote) -> Provenance:
    source = next((source for source in Source if quote.source.startswith(source.value)), Source.ASSUMED)
    # What stands on a card was measured where it was written, not here.
    source = Source.PUBLISHED if source is Source.MEASURED else source
    return Provenance(source, "the card of the executor")


def _modelled_joules(seconds: float, card: ExecutorCard, pool: Pool | None, together: int = 1) -> Figure | None:
    """Return what the cores or devices that a task occupies draw beyond idling; None where nobody knows the watts of its device."""
    if pool is None or pool.kind.peak_watts is None or pool.kind.idle_watts is None:
        return None
    wanted = card.needs.cores if pool.kind.device is Device.CPU else float(together)
    devices = min(wanted, pool.count)
    if not devices:
        return None
    low, high = (seconds * devices * max(0.0, watts) for watts in _busy_watts(pool))
    middle = seconds * devices * max(0.0, pool.kind.peak_watts.value - pool.kind.idle_watts.value)
    return Figure(
        middle,
        low,
        high,
        Provenance(Source.MODELLED, f"seconds x {'cores' if pool.kind.device is Device.CPU else 'devices'} x watts above idle"),
    )


def _busy_watts(pool: Pool) -> tuple[float, float]:
    peak, idle = pool.kind.peak_watts, pool.kind.idle_watts
    if peak is None or idle is None:
        return 0.0, 0.0
    return peak.low - idle.high, peak.high - idle.low


def _mixed(one: Taken, other: Taken, share: float) -> Taken:
    """Return what lies between two, at *share* of the way to the *other*. Quality does not depend on the load."""
    joules = one.joules if one.joules is None or other.joules is None else _between(one.joules, other.joules, share)
    p90 = one.p90 + (other.p90 - one.p90) * share
    return replace(one, seconds=_between(one.seconds, other.seconds, share), p90=p90, joules=joules)


def _between(one: Figure, other: Figure, share: float) -> Figure:
    value, low, high = (getattr(one, at) + (getattr(other, at) - getattr(one, at)) * share for at in ("value", "low", "high"))
    return Figure(value, low, high, replace(one.of, source=weakest((one.of.source, other.of.source))))


def times(figure: Figure, factor: float) -> Figure:
    """Return a figure of *factor* such things."""
    return replace(figure, value=figure.value * factor, low=figure.low * factor, high=figure.high * factor)
