"""policy: the few statistics that profiles need - weighted quantiles, robust spreads and lines, and intervals around means and shares."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

#: A figure's interval holds four times out of five.
CONFIDENCE: Final = 0.8
#: From the median of absolute deviations to the standard deviation of a normal distribution.
_MAD: Final = 1.4826
_NORMAL: Final = NormalDist()
#: At most so many points make a line: their pairs grow with the square.
_POINTS: Final = 96


class Interval(NamedTuple):
    """A number and where it lies with the confidence that was asked for."""

    value: float
    low: float
    high: float


def quantile(values: Sequence[float], share: float, weights: Sequence[float] | None = None) -> float:
    """Return the weighted quantile: interpolated between the midpoints of the weights, the Hazen rule. Raises `ValueError` for none."""
    if not values:
        raise ValueError("no values have no quantile")
    pairs = sorted(zip(values, weights or [1.0] * len(values), strict=True))
    target = share * math.fsum(weight for _, weight in pairs)
    before, reached, last = 0.0, 0.0, pairs[0][0]
    for value, weight in pairs:
        middle = before + weight / 2
        if middle >= target:
            return last + (value - last) * (target - reached) / (middle - reached) if middle > reached and target > reached else value
        before, reached, last = before + weight, middle, value
    return last


def median(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the weighted median."""
    return quantile(values, 0.5, weights)


def deviation(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the standard deviation as the median absolute deviation tells it: what is far out does not count more for it."""
    centre = median(values, weights)
    return _MAD * median([abs(value - centre) for value in values], weights)


def weighted_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the weighted mean."""
    if weights is None:
        return math.fsum(values) / len(values)
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / math.fsum(weights)


def effective(weights: Sequence[float]) -> float:
    """Return how many equally weighted observations say as much: (sum w)^2 / sum w^2 (Kish)."""
    squares = math.fsum(w * w for w in weights)
    return math.fsum(weights) ** 2 / squares if squares else 0.0


def student(share: float, freedom: float) -> float:
    """Return the quantile of Student's t: exact for 1 and 2 degrees of freedom, else expanded to four terms (Abramowitz, 26.7.5).

    Within 1 % between 3 degrees and the normal distribution, for shares up to 0.995.
    """
    if freedom < 1.5:
        return math.tan(math.pi * (share - 0.5))
    if freedom < 2.5:
        return (2 * share - 1) * math.sqrt(2 / (4 * share * (1 - share)))
    z = _NORMAL.inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def mean_interval(values: Sequence[float], weights: Sequence[float] | None = None, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean with its t interval, by the effective number of weighted observations; of one value only, from nothing to double."""
    weights = list(weights) if weights is not None else [1.0] * len(values)
    mean, count = weighted_mean(values, weights), effective(weights)
    if count < 1.5:
        return Interval(mean, min(0.0, 2 * mean), max(0.0, 2 * mean))
    squares = math.fsum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True)) / math.fsum(weights)
    half = student((1 + confidence) / 2, count - 1) * math.sqrt(squares / (count - 1))
    return Interval(mean, mean - half, mean + half)


def share_interval(share: float, count: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Return a share of *count* trials with its Wilson score interval (Wilson 1927), which is sound for 0 and 1 too."""
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def slope(xs: Sequence[float], ys: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the slope of the line through the points by Theil and Sen: the weighted median of the slopes of all pairs.

    A pair weighs the product of its weights and its distance. Nothing below 29 % of wild points moves it far. Of very many points the
    last count. Zero where all *xs* are the same.
    """
    weights = list(weights)[-_POINTS:] if weights is not None else [1.0] * min(len(xs), _POINTS)
    points = list(zip(xs[-_POINTS:], ys[-_POINTS:], weights, strict=True))
    slopes: list[float] = []
    heavy: list[float] = []
    for number, (x, y, w) in enumerate(points):
        for other, value, weight in points[:number]:
            if x != other:
                slopes.append((y - value) / (x - other))
                heavy.append(w * weight * abs(x - other))
    return median(slopes, heavy) if slopes else 0.0


def clipped(values: Sequence[float], sigmas: float, least: float, weights: Sequence[float] | None = None) -> tuple[list[float], int]:
    """Return positive *values*, those further than *sigmas* robust deviations of the logarithm from the median cut back, and how many.

    A deviation below *least* counts as *least*. Values of zero are left alone. With fewer than four values nothing is cut.
    """
    positive = [(value, 1.0 if weights is None else weights[n]) for n, value in enumerate(values) if value > 0]
    if len(positive) < 4:
        return list(values), 0
    logs, heavy = [math.log(value) for value, _ in positive], [weight for _, weight in positive]
    centre, reach = median(logs, heavy), sigmas * max(least, deviation(logs, heavy))
    low, high = math.exp(centre - reach), math.exp(centre + reach)
    cut = [min(max(value, low), high) if value > 0 else value for value in values]
    return cut, sum(a != b for a, b in zip(values, cut, strict=True))
