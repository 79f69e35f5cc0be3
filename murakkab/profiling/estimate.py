"""policy: observations -> Profile. Robust where one figure may be wild, with intervals that say how little a few observations tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from murakkab.figures import Figure, Provenance, Source, weakest
from murakkab.profiles import Profile, Spread
from murakkab.profiling.numbers import (
    Interval,
    clipped,
    deviation,
    effective,
    mean_interval,
    median,
    quantile,
    share_interval,
    slope,
    weighted_mean,
)
from murakkab.profiling.observation import Observation

#: Values further than so many robust deviations (of the logarithm, at least `_LEAST`) from the median are cut back to there.
_CLIP: Final = 5.0
_LEAST: Final = 0.1
#: A line is fitted where the units of work differ by more than this part of their mean, and there are so many observations.
_VARIED: Final = 0.05
_FEWEST: Final = 4
#: What a prior counts for: so many observations.
PRIOR_COUNT: Final = 4.0


@dataclass(frozen=True, slots=True)
class Line:
    """seconds = base + per_unit x units, both at least zero; `units` is where the observations lie on average."""

    base: float
    per_unit: float = 0.0
    units: float = 0.0

    def at(self, units: float | None) -> float:
        """Return the seconds of so much work, of the average where nobody said how much it is."""
        return self.base + self.per_unit * (self.units if units is None else units)


@dataclass(frozen=True, slots=True)
class Estimated:
    """A profile, and how many of the observations behind it were cut back as outliers."""

    profile: Profile
    clipped: int = 0


def estimate(
    observations: Sequence[Observation], weights: Sequence[float] | None = None, *, prior: Profile | None = None, revision: int = 1
) -> Estimated:
    """Return the profile that *observations* of one setting tell of, with intervals of 80 %.

    *weights*: how much each counts, 1 without. Failed ones count for quality alone. A *prior* counts like four observations, and
    provenance names it. Raises `ValueError` when there is no observation, or all have failed and there is no prior.
    """
    weights = list(weights) if weights is not None else [1.0] * len(observations)
    setting = observations[0].setting
    startup = _startup(observations, weights)
    # Those of cold starts are for that alone, where there are others: they were made on one input, in processes of their own.
    if kept := [(one, weight) for one, weight in zip(observations, weights, strict=True) if one.startup is None]:
        observations, weights = [one for one, _ in kept], [weight for _, weight in kept]
    of = _provenance(observations)
    done = [(one, weight) for one, weight in zip(observations, weights, strict=True) if not one.error]
    quality = _quality(observations, weights, of)
    if not done:
        if prior is None:
            raise ValueError("no task of it has succeeded")
        return Estimated(replace(prior, setting=setting, quality={**prior.quality, **quality}, revision=revision))
    ones, heavy = [one for one, _ in done], [weight for _, weight in done]
    line, seconds, cut = _seconds(ones, heavy)
    made = Profile(
        setting=setting,
        seconds=seconds,
        units=line.units,
        per_unit=line.per_unit,
        joules=_joules(ones, heavy, of),
        usd=_figure([(one.usd, w) for one, w in done if one.usd is not None], of),
        startup=startup,
        tokens=_tokens(ones, heavy),
        quality=quality,
        of=of,
        revision=revision,
    )
    return Estimated(made if prior is None else blended(made, prior, effective(heavy)), cut)


def line_of(observations: Sequence[Observation], weights: Sequence[float] | None = None) -> Line:
    """Return seconds by units of work: a Theil-Sen line where units vary, else the median alone."""
    heavy = list(weights) if weights is not None else [1.0] * len(observations)
    seconds = [one.seconds for one in observations]
    known = [(one.units, one.seconds, w) for one, w in zip(observations, heavy, strict=True) if one.units is not None]
    flat = Line(median(seconds, heavy))
    if len(known) < len(observations):
        return flat
    units, ys, ws = [u for u, _, _ in known], [s for _, s, _ in known], [w for _, _, w in known]
    mean = weighted_mean(units, ws)
    flat = Line(flat.base, 0.0, mean)
    if len(known) < _FEWEST or max(units) - min(units) <= _VARIED * mean:
        return flat
    steep = max(0.0, slope(units, ys, ws))
    base = median([y - steep * u for u, y in zip(units, ys, strict=True)], ws)
    if base < 0:
        # Work is never done before it begins: all of the time comes with the units.
        steep, base = median([y / u for u, y in zip(units, ys, strict=True) if u], [w for u, w in zip(units, ws, strict=True) if u]), 0.0
    return Line(base, steep, mean)


def _seconds(observations: Sequence[Observation], weights: Sequence[float]) -> tuple[Line, Spread, int]:
    """Return the line, the spread of the seconds at its average units, and how many values were cut back."""
    line = line_of(observations, weights)
    centre = line.at(None)
    ratios = [one.seconds / (line.at(one.units) or one.seconds or 1.0) for one in observations]
    cut, count = clipped(ratios, _CLIP, _LEAST, weights)
    spread = spread_of([ratio * centre for ratio in cut], weights)
    # The mean is above the median, and the line goes with it.
    share = min(1.0, spread.mean / centre) if centre else 1.0
    return replace(line, per_unit=line.per_unit * share), spread, count


def spread_of(values: Sequence[float], weights: Sequence[float] | None = None) -> Spread:
    """Return mean and quantiles; those that so few values cannot tell are the greatest of them."""
    p50, p90, p99 = (quantile(values, share, weights) for share in (0.5, 0.9, 0.99))
    # By no more than the last digit: sums are rounded.
    return Spread(weighted_mean(values, weights), p50, max(p50, p90), max(p50, p90, p99))


def figure_of(values: Sequence[float], weights: Sequence[float] | None, of: Provenance) -> Figure:
    """Return the mean of amounts, wild ones cut back, with its t interval, which does not go below zero."""
    cut, _ = clipped(values, _CLIP, _LEAST, weights)
    found = mean_interval(cut, weights)
    return Figure(found.value, max(0.0, found.low), found.high, of)


def quality_of(values: Sequence[float], weights: Sequence[float] | None, of: Provenance) -> Figure:
    """Return the mean of scores between 0 and 1: with the Wilson interval where each is 0 or 1, else with the wider of it and t.

    A few scores that happen to be alike say nothing of how they spread; the t interval alone would be without width.
    """
    heavy = list(weights) if weights is not None else [1.0] * len(values)
    count = effective(heavy)
    found = mean_interval(values, heavy)
    share = share_interval(found.value, count)
    if any(value not in (0.0, 1.0) for value in values) and deviation(values, heavy) > 0 and count >= _FEWEST:
        share = Interval(found.value, max(0.0, found.low), min(1.0, found.high))
    return Figure(share.value, share.low, share.high, of)


def _quality(observations: Sequence[Observation], weights: Sequence[float], of: Provenance) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for metric in dict.fromkeys(name for one in observations for name in one.quality):
        scored = [(one.quality[metric], w) for one, w in zip(observations, weights, strict=True) if metric in one.quality]
        found[metric] = quality_of([v for v, _ in scored], [w for _, w in scored], replace(of, count=len(scored)))
    return found


def _startup(observations: Sequence[Observation], weights: Sequence[float]) -> Figure | None:
    told = [(one, weight) for one, weight in zip(observations, weights, strict=True) if one.startup is not None and not one.error]
    return _figure([(one.startup, weight) for one, weight in told], _provenance([one for one, _ in told])) if told else None


def _joules(observations: Sequence[Observation], weights: Sequence[float], of: Provenance) -> Figure | None:
    known = [(one, w) for one, w in zip(observations, weights, strict=True) if one.joules is not None]
    # What was measured counts alone where any was: a model has errors of its own.
    if any(one.energy is Source.MEASURED for one, _ in known):
        known = [(one, w) for one, w in known if one.energy is Source.MEASURED]
    source = weakest(one.energy for one, _ in known)
    # Tasks shorter than a tick of the CPU clock read as none at all, which is not known to be nothing.
    if source is Source.MODELLED and not any(one.joules for one, _ in known):
        return None
    return _figure([(one.joules, w) for one, w in known], replace(of, source=source))


def _figure(known: Sequence[tuple[float | None, float]], of: Provenance) -> Figure | None:
    values = [(value, weight) for value, weight in known if value is not None]
    return figure_of([v for v, _ in values], [w for _, w in values], replace(of, count=len(values))) if values else None


def _tokens(observations: Sequence[Observation], weights: Sequence[float]) -> Spread | None:
    known = [(one.tokens, w) for one, w in zip(observations, weights, strict=True) if one.tokens is not None]
    return spread_of([v for v, _ in known], [w for _, w in known]) if any(v for v, _ in known) else None


def _provenance(observations: Sequence[Observation]) -> Provenance:
    last = max(observations, key=lambda one: one.time)
    day = datetime.fromtimestamp(last.time, UTC).date().isoformat()
    return Provenance(Source.MEASURED, last.where, day, sum(not one.error for one in observations))


# ------------------------------------------------------------------------------------------------------------------- priors


def blended(made: Profile, prior: Profile, count: float) -> Profile:
    """Return *made*, from *count* observations, drawn towards *prior*, which counts like `PRIOR_COUNT`; provenance names it."""
    share = PRIOR_COUNT / (PRIOR_COUNT + count)
    name = f"version {prior.setting.version}" if prior.setting.version != made.setting.version else prior.of.where or str(prior.of.source)
    of = replace(made.of, where=f"{made.of.where}; prior: {name}")
    return replace(
        made,
        seconds=Spread(*(_between(getattr(made.seconds, q), getattr(prior.seconds, q), share) for q in ("mean", "p50", "p90", "p99"))),
        units=made.units or prior.units,
        per_unit=_between(made.per_unit, prior.per_unit, share),
        joules=_mixed(made.joules, prior.joules, share),
        usd=made.usd or prior.usd,
        startup=made.startup or prior.startup,
        tokens=made.tokens or prior.tokens,
        tokens_in=prior.tokens_in,
        tokens_out=prior.tokens_out,
        quality=_all_mixed(made.quality, prior.quality, share),
        of=of,
    )


def _all_mixed(made: Mapping[str, Figure], prior: Mapping[str, Figure], share: float) -> dict[str, Figure]:
    both = {name: _mixed(made.get(name), prior.get(name), share) for name in (*made, *prior)}
    return {name: figure for name, figure in both.items() if figure is not None}


def _mixed(made: Figure | None, prior: Figure | None, share: float) -> Figure | None:
    """Return the figures mixed; what is measured keeps its width at least, for a prior makes nobody surer than he was."""
    if made is None or prior is None:
        return made or prior
    value = _between(made.value, prior.value, share)
    of = replace(made.of, source=weakest((made.of.source, prior.of.source)))
    return Figure(value, min(_between(made.low, prior.low, share), value), max(_between(made.high, prior.high, share), value), of)


def _between(one: float, other: float, share: float) -> float:
    return one + (other - one) * share
