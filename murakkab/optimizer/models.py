"""policy: the models of the engines that answer, as ways to do a step - what one request takes of each on the devices it runs on.

An executor can be pointed at a model where it has the knobs `model` and `url`. How many tokens a request has is what its card says, until
somebody has measured it; time and energy are those of the model's operating point under the load of one request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from murakkab.catalog import ExecutorCard
from murakkab.devices import ClusterView, ModelCard, Pool, Price
from murakkab.figures import Figure, Provenance, Source
from murakkab.known import Known
from murakkab.optimizer.configurations import Configuration, Taken, profiled, quoted
from murakkab.optimizer.points import hosted_usd, operating_point, rented_usd
from murakkab.optimizer.roofline import profile_of
from murakkab.profiles import Profile, Spread

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
    """Yield a way for every model of every engine that answers; where the step asks for a model, of those that serve it."""
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
            measured = next((one for one in reversed(profiles) if _is_of(one, card, knobs)), None)
            taken = profiled(measured, card, None) if measured is not None else _taken(card, model, pool, (known, view.prices))
            yield Configuration(card, knobs, name, pool.name, taken)


def _is_of(profile: Profile, card: ExecutorCard, knobs: Mapping[str, Any]) -> bool:
    setting = profile.setting
    mine = dict(setting.knobs)
    return setting.version == card.version and all(mine.get(name) == value for name, value in knobs.items())


def _is_same(one: str, other: str, known: Known) -> bool:
    cards = known.model(one), known.model(other)
    return one == other or (cards[0] is not None and cards[0] is cards[1])


def _taken(card: ExecutorCard, model: ModelCard | None, pool: Pool, facts: tuple[Known, tuple[Price, ...]]) -> Taken:
    (known, prices), quote = facts, card.quote
    taken = quoted(quote, card, None)
    if model is None:
        return taken
    taken = replace(taken, quality=_quality(taken.quality, model))
    output = float(quote.tokens_out or quote.tokens)
    prompt = max(0.0, quote.tokens - output)
    price = next((one for one in prices if one.model == model.name), None)
    if price is not None:
        taken = replace(taken, usd=hosted_usd(price, prompt, output))
    profile = profile_of(known, model, pool.kind, max(1, int(pool.count)))
    if profile is None:
        return taken
    point = operating_point(profile, _spread(prompt), _spread(output), waiting=pool.queue_seconds)
    # The tokens are a guess, however well the model is known.
    of = Provenance(Source.ASSUMED, f"{quote.tokens} tokens assumed, on figures that are {point.mean.of.source}: {point.mean.of.where}")
    mean, joules = (replace(figure, of=of) for figure in (point.mean, point.joules))
    usd = rented_usd(pool.kind, profile.devices, point) or taken.usd
    return Taken(
        replace(mean, value=point.seconds.p50, low=min(mean.low, point.seconds.p50)), point.seconds.p90, usd, joules, taken.quality
    )


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
