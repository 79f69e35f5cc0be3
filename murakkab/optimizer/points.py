"""policy: operating points - what one request takes of a model on devices under a load, from how the model runs there.

Latency = waiting + prefill of the uncached prompt + output tokens x the time between them: the median time for the median, the step,
which has in it what prefills of others do to it, for the mean and the tail. Energy is marginal: of one sequence more in the batch, E(b +
1) - E(b) with E(b) = P(b) step(b), never joules per token on average, by which joining a warm batch would look as dear as waking an idle
device. What the devices draw anyway, P(b -> 0), is told apart and is paid once for all that run at a time.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Final, NamedTuple

from murakkab.devices import DeviceKind, Price
from murakkab.figures import Figure, Provenance, Source
from murakkab.profiles import ModelProfile, Spread

#: Half of an interval that holds four times out of five, in mean absolute errors of a normal distribution.
_INTERVAL: Final = 1.6
#: Batches outside of what was measured: the interval grows by that for each doubling.
_PER_DOUBLING: Final = 0.1
#: Prefill is modelled by what of the arithmetic engines reach, .30 to .56 of it in what is published.
_PREFILL_ERROR: Final = 0.35
#: From this share of a figure on, what of it is modelled makes it a modelled one.
_COUNTS: Final = 0.1
_MOST: Final = 1e9


class Pace(NamedTuple):
    """A batch: seconds between two tokens of a sequence (median), seconds of a step with what prefill of others does to it, and watts."""

    itl: float
    step: float
    watts: float

    @property
    def joules(self) -> float:
        """Return E(b), the joules of a step."""
        return self.step * self.watts


@dataclass(frozen=True, slots=True)
class Point:
    """What one request takes, `batch` of which run at a time.

    `seconds`: its distribution, of which `mean` gives the interval and `first_token` the seconds before the first token, on average.
    `joules` is marginal. `base_watts`: what the devices draw for as long as anything runs on them, whoever it is for. `rate`: requests
    per second at that load. `is_clamped`: the load lies outside of what was measured, or more wait than run.
    """

    seconds: Spread
    mean: Figure
    joules: Figure
    base_watts: Figure
    batch: float
    first_token: float
    rate: float
    is_clamped: bool = False


def operating_point(
    profile: ModelProfile, prompt: Spread, output: Spread, load: float = 1.0, *, most: float = _MOST, waiting: float = 0.0
) -> Point:
    """Return what a request of *prompt* uncached and *output* tokens takes where *load* of them are there at a time, this one included.

    At most *most* run at a time (`most_sequences`): the others wait, so that a request takes load / most as long. *waiting*: seconds of
    queueing before all that. Quantiles are those of prompt and output together, which is the safe side: they may not come together.
    """
    running = max(1.0, min(load, most))
    batch = min(max(running, profile.least), profile.most)
    pace = pace_at(profile, batch)
    tail = max(pace.itl, pace.step)
    crowd = max(1.0, load / running)

    def took(inside: float, outside: float, between: float) -> float:
        return waiting + crowd * (prefill_seconds(profile, inside) + outside * between)

    seconds = Spread(
        took(prompt.mean, output.mean, tail),
        took(prompt.p50, output.p50, pace.itl),
        took(prompt.p90, output.p90, tail),
        took(prompt.p99, output.p99, tail),
    )
    error = _INTERVAL * profile.error + _PER_DOUBLING * abs(log(running / batch, 2))
    before = prefill_seconds(profile, prompt.mean)
    inside = before / (before + output.mean * tail) if before else 0.0
    mean = _figure(seconds.mean, error * (1.0 - inside) + _PREFILL_ERROR * inside, _of(profile, inside))
    return Point(
        seconds,
        mean,
        _joules(profile, before, output.mean, batch=batch, error=error),
        _figure(profile.watts_base, error, profile.of),
        batch=running,
        first_token=waiting + crowd * before + (crowd - 1.0) * output.mean * tail + pace.itl,
        rate=running / max(seconds.mean - waiting, 1e-9) * crowd,
        is_clamped=not profile.least <= running <= profile.most or crowd > 1.0,
    )


def prefill_seconds(profile: ModelProfile, tokens: float) -> float:
    """Return the seconds that the prefill of so many uncached prompt tokens takes."""
    return tokens / profile.prefill + profile.prefill_square * tokens * tokens


def _joules(profile: ModelProfile, before: float, tokens: float, *, batch: float, error: float) -> Figure:
    """Return the marginal joules of a request: *before* seconds of prefill at full power, and *tokens* more in the batch."""
    prefill, decode = before * profile.watts_peak, tokens * marginal_joules(profile, batch)
    total = prefill + decode
    share = prefill / total if total else 0.0
    # Time and watts are both uncertain; a difference is more so than what it is made of.
    return _figure(total, 2.0 * error * (1.0 - share) + _PREFILL_ERROR * share, _of(profile, share))


def _of(profile: ModelProfile, modelled: float) -> Provenance:
    """Return where a figure is from of which the share *modelled* was modelled."""
    is_weaker = profile.of.source in (Source.MEASURED, Source.PUBLISHED) and modelled > _COUNTS
    return replace(profile.of, source=Source.MODELLED, where=f"{profile.of.where}; prefill modelled") if is_weaker else profile.of


def _figure(value: float, error: float, of: Provenance) -> Figure:
    # As many times more as less: no interval of a time or an energy begins below zero.
    factor = exp(error)
    return Figure(value, value / factor, value * factor, of)


# ------------------------------------------------------------------------------------------------------------ paces and watts


def pace_at(profile: ModelProfile, batch: float) -> Pace:
    """Return the times and watts of *batch* sequences: from the table where there is one, else from the fits. It is not clamped here."""
    if profile.table:
        return Pace(*_interpolated(profile.table, batch))
    watts = profile.watts_base + (profile.watts_peak - profile.watts_base) * batch / (batch + profile.batch_half)
    return Pace(profile.itl_base + profile.itl_slope * batch, profile.step_base + profile.step_slope * batch, watts)


def marginal_joules(profile: ModelProfile, batch: float) -> float:
    """Return the joules per token of one more sequence beside *batch* others: E(b + 1) - E(b), or the slope of the table there.

    Always more than zero: where a table is not monotonic in that place, the slope of the whole of it counts.
    """
    if not profile.table:
        at = min(max(batch, profile.least), profile.most)
        return pace_at(profile, at + 1.0).joules - pace_at(profile, at).joules
    rows = profile.table
    i = _segment(rows, batch)
    slope = _slope(rows[i], rows[i + 1])
    return slope if slope > 0.0 else max(_slope(rows[0], rows[-1]), 0.0)


_Row = tuple[float, float, float, float]


def _slope(one: _Row, other: _Row) -> float:
    return (other[2] * other[3] - one[2] * one[3]) / (other[0] - one[0])


def _segment(rows: Sequence[_Row], batch: float) -> int:
    """Return the index of the row at which the segment with *batch* begins."""
    return min(max(bisect_right(rows, batch, key=lambda row: row[0]) - 1, 0), len(rows) - 2)


def _interpolated(rows: Sequence[_Row], batch: float) -> tuple[float, float, float]:
    """Return inter-token latency, step and watts, straight between the rows; the first and last row hold outside of them."""
    i = _segment(rows, batch)
    low, high = rows[i], rows[i + 1]
    t = min(max((batch - low[0]) / (high[0] - low[0]), 0.0), 1.0)
    itl, step, watts = (a + (b - a) * t for a, b in zip(low[1:], high[1:], strict=True))
    return itl, step, watts


# --------------------------------------------------------------------------------------------------------------------- money


def rented_usd(kind: DeviceKind, devices: int, point: Point) -> Figure | None:
    """Return what a request costs of the rent of its devices, shared by all that run at a time; None where nobody knows the rent."""
    if kind.usd_per_hour is None:
        return None
    hours = devices / point.rate / 3600.0
    rent, at = kind.usd_per_hour, point.mean
    spread = (at.low / at.value, at.high / at.value) if at.value else (1.0, 1.0)
    return Figure(rent.value * hours, rent.low * hours * spread[0], rent.high * hours * spread[1], rent.of)


def hosted_usd(price: Price, prompt: float, output: float, *, cached: float = 0.0) -> Figure:
    """Return what a request costs at a provider: *prompt* tokens, of which *cached* are taken from its cache, and *output* tokens."""
    usd_cached = price.usd_in if price.usd_cached is None else price.usd_cached
    usd = (prompt - cached) * price.usd_in + cached * usd_cached + output * price.usd_out
    return Figure(usd, usd, usd, price.of)
