"""policy: the models of the engines that answer, as ways to do a step - what one request takes of each on the devices it runs on.

An executor can be pointed at a model where it has the knobs `model` and `url`. How many tokens a request has is what its card says, until
somebody has measured it; time and energy are those of the model's operating point under the load of one request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from murakkab.catalog import ExecutorCard
from murakkab.devices import ClusterView, ModelCard, Pool, Price
from murakkab.figures import Figure, Provenance, Source
from murakkab.known import Known
from murakkab.optimizer.configurations import Configuration, Taken, profiled, quoted
from murakkab.optimizer.packing import memory_used
from murakkab.optimizer.points import hosted_usd, operating_point, rented_usd
from murakkab.optimizer.resources import Footprint, allowance_of, bytes_of, calls_of, memory_of, starting
from murakkab.optimizer.roofline import TOGETHER, profile_of
from murakkab.profiles import ModelProfile, Profile, Spread

#: Tokens at the ninth decile over the mean, where only the mean is known.
_TAIL: Final = 1.5
#: The prior that models are told apart by, and its value for a model of middling quality.
_PRIOR: Final = "lmarena"
_MIDDLING: Final = 0.5


def can_choose_models(card: ExecutorCard) -> bool:
    """Return whether an executor can be pointed at the models of an installation."""
    return card.knob("model") is not None and card.knob("url") is not None


def model_ways(
    card: ExecutorCard, asked: Mapping[str, Any], view: ClusterView, known: Known, profiles: Sequence[Profile] = ()
) -> Iterator[Configuration]:
    """Yield a way for every model of every engine that answers; where the step asks for a model, of those that serve it.

    Where an engine is still to be started, on each number of its devices that the model can run on.
    """
    if "url" in asked or not can_choose_models(card):
        return
    for pool in view.pools.values():
        if not pool.endpoint or pool.trouble:
            continue
        for name in pool.models:
            if "model" in asked and not _is_same(str(asked["model"]), name, known):
                continue
            model = known.model(name)
            knobs = {**asked, "model": pool.served.get(name, name), "url": pool.endpoint}
            if pool.key:
                knobs["key"] = pool.key
            for devices in _degrees(pool, model, known):
                where = _Where(view, known, pool, model, name, devices)
                yield _way(card, knobs, where, [one for one in profiles if _is_of(one, card, knobs, where)])


@dataclass(frozen=True, slots=True)
class _Where:
    """A model in a pool on so many of its devices; `model` None: nothing is known of it but its `name`."""

    view: ClusterView
    known: Known
    pool: Pool
    model: ModelCard | None
    name: str
    devices: int

    @property
    def is_to_be_started(self) -> bool:
        """True where no engine runs it yet."""
        return not self.pool.is_on

    def profile(self) -> ModelProfile | None:
        """Return how the model runs there, None where that is not known or it does not fit."""
        return None if self.model is None else profile_of(self.known, self.model, self.pool.kind, self.devices)


def _degrees(pool: Pool, model: ModelCard | None, known: Known) -> tuple[int, ...]:
    """Return on how many devices together a model may run in a pool: one number where its engine is on, or its pool says so."""
    whole = max(1, int(pool.count))
    if pool.tensor_parallel is not None:
        return (pool.tensor_parallel,)
    if pool.is_on or model is None:
        return (whole,)
    fitting = tuple(g for g in TOGETHER if g <= whole and profile_of(known, model, pool.kind, g) is not None)
    return fitting or (whole,)


def _way(card: ExecutorCard, knobs: Mapping[str, Any], where: _Where, measured: Sequence[Profile]) -> Configuration:
    pool = where.pool
    taken = _taken(card, where)
    if measured:
        usd = taken.usd if measured[-1].usd is None else measured[-1].usd
        taken = replace(profiled(measured[-1], card, None), usd=usd, startup=taken.startup)
    tokens = measured[-1].tokens.mean if measured and measured[-1].tokens is not None else float(card.quote.tokens)
    prices = [allowance_of(price) for price in _prices(where)]
    engine = f"{where.name} on {where.devices} x {pool.name}" if where.is_to_be_started else ""
    is_there_anyway = not engine and _fit_together(pool, where.known)
    footprint = Footprint(
        where.devices,
        engine,
        resides=engine or where.name,
        resident=0.0 if is_there_anyway else _resident(where),
        across=where.devices,
        busy=_busy(card, where),
        calls=calls_of([pool.allowance, *prices], tokens),
    )
    return Configuration(card, knobs, where.name, pool.name, taken, footprint=footprint)


def _resident(where: _Where) -> float:
    """Return the bytes that a model keeps; where it runs on its devices with room for fewer contexts, all that these have."""
    memory = memory_of(where.pool)
    if where.model is None or memory is None:
        return 0.0
    size = bytes_of(where.model)
    return size if where.profile() is None else min(size, memory * where.devices / max(where.pool.count, where.devices))


def _fit_together(pool: Pool, known: Known) -> bool:
    """Return whether all models of a pool are in its memory at once; else its engine loads them when they are asked for."""
    memory = memory_of(pool)
    sizes = {name: bytes_of(model) for name in pool.models if (model := known.model(name)) is not None}
    devices = pool.tensor_parallel or max(1, int(pool.count))
    return memory is None or memory_used(sizes, dict.fromkeys(sizes, devices), pool.count) <= memory


def _busy(card: ExecutorCard, where: _Where) -> float:
    """Return the device-seconds that one request takes of many: those of the fullest batch. Zero where nobody knows."""
    profile = where.profile()
    if profile is None:
        return 0.0
    prompt, output = _tokens(card)
    return where.devices / operating_point(profile, _spread(prompt), _spread(output), profile.most).rate


def _is_of(profile: Profile, card: ExecutorCard, knobs: Mapping[str, Any], where: _Where) -> bool:
    """True for what was measured of this engine; of one that is still to be started, on as many devices."""
    setting = profile.setting
    mine = dict(setting.knobs)
    if where.is_to_be_started and setting.devices != where.devices:
        return False
    return setting.version == card.version and all(mine.get(name) == value for name, value in knobs.items())


def _is_same(one: str, other: str, known: Known) -> bool:
    cards = known.model(one), known.model(other)
    return one == other or (cards[0] is not None and cards[0] is cards[1])


def _tokens(card: ExecutorCard) -> tuple[float, float]:
    """Return the tokens of a prompt and of an answer, by the card."""
    output = float(card.quote.tokens_out or card.quote.tokens)
    return max(0.0, card.quote.tokens - output), output


def _prices(where: _Where) -> list[Price]:
    """Return the price of a model where it is hosted: that of the provider of its pool, where that is known."""
    found = [one for one in where.view.prices if where.model is not None and one.model == where.model.name]
    return [one for one in found if where.pool.provider in ("", one.provider)][:1]


def _taken(card: ExecutorCard, where: _Where) -> Taken:
    model, pool, quote = where.model, where.pool, card.quote
    taken = quoted(quote, card, None)
    if model is None:
        return taken
    prompt, output = _tokens(card)
    startup = starting(pool, bytes_of(model)) if where.is_to_be_started else None
    taken = replace(taken, quality=_quality(taken.quality, model), startup=startup)
    for price in _prices(where):
        taken = replace(taken, usd=hosted_usd(price, prompt, output))
    profile = where.profile()
    if profile is None:
        return taken
    point = operating_point(profile, _spread(prompt), _spread(output), waiting=pool.queue_seconds)
    # The tokens are a guess, however well the model is known.
    of = Provenance(Source.ASSUMED, f"{quote.tokens} tokens assumed, on figures that are {point.mean.of.source}: {point.mean.of.where}")
    mean, joules = (replace(figure, of=of) for figure in (point.mean, point.joules))
    usd = rented_usd(pool.kind, profile.devices, point) or taken.usd
    seconds = replace(mean, value=point.seconds.p50, low=min(mean.low, point.seconds.p50))
    return Taken(seconds, point.seconds.p90, usd, joules, taken.quality, startup)


def _spread(tokens: float) -> Spread:
    return Spread(tokens, tokens, tokens * _TAIL, tokens * _TAIL)


def _quality(usual: Figure | None, model: ModelCard) -> Figure | None:
    """Return what a step is expected to reach with a model: it leaves undone as much more or less as the model's prior falls short."""
    prior = model.quality.get(_PRIOR)
    if usual is None or prior is None:
        return usual
    of = Provenance(Source.ASSUMED, f"the executor's usual quality, and the prior of the model: {prior.of.where}")
    value, low, high = (
        min(1.0, max(0.0, 1.0 - (1.0 - one) * (1.0 - prior.value) / (1.0 - _MIDDLING))) for one in (usual.value, usual.low, usual.high)
    )
    return Figure(value, low, high, of)
