"""policy: what can be had for what - the selections of which none is better in every measure, by epsilon constraints on the exact solver.

Of two measures the frontier is made from its ends inwards, the widest gap first, so that few points are spread well and enough are all
(Haimes 1971; the order is that of adaptive bisection). Of three, the frontier of the first two is made again and again under a limit on
the third that falls below the worst found (Laumanns et al. 2006).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from murakkab.optimizer.limits import FLOORS, limits_of, with_limits
from murakkab.optimizer.problem import Problem, Solution
from murakkab.optimizer.solve import solve

#: Points nearer to one another than this part of a value are one.
STEP: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Frontier:
    """Points that none of the others beats in every one of `measures`, the best in the first measure first.

    `is_complete`: there are no others (nearer than a hundred-thousandth apart, and as far as the solver proved each of its answers).
    """

    measures: tuple[str, ...]
    points: tuple[Solution, ...]
    is_complete: bool

    def values(self) -> tuple[tuple[float, ...], ...]:
        """Return the values of every point, in the order of the measures."""
        return tuple(_values(point, self.measures) for point in self.points)


@dataclass(frozen=True, slots=True)
class Search:
    """How many points at most, how long for each in seconds, and how near to the frontier each must be."""

    points: int = 16
    time_limit: float = 1.0
    gap: float = 1e-4


def frontier_of(problem: Problem, measures: Sequence[str], search: Search = Search()) -> Frontier:
    """Return the frontier of two or three measures under the limits of the problem; no points where nothing is feasible."""
    if len(set(measures)) != len(measures) or len(measures) not in (2, 3):
        raise ValueError("a frontier has two or three different measures")
    if len(measures) == 2:
        points, is_complete = _of_two(replace(problem, minimize=tuple(measures)), search)
    else:
        points, is_complete = _of_three(problem, measures, search)
    kept = _undominated(points, measures)
    return Frontier(tuple(measures), tuple(sorted(kept, key=lambda point: _signed(point, measures))), is_complete)


def _of_two(problem: Problem, search: Search) -> tuple[list[Solution], bool]:
    """Return points of the first two measures to minimise; a third breaks ties."""
    one, other, *rest = problem.minimize
    first = _solved(problem, search)
    last = _solved(replace(problem, minimize=(other, one, *rest)), search)
    if first is None or last is None:
        return [], first is None and last is None
    points = [first, last]
    open_ = [_Interval(first, last, _value(last, other))]
    while open_ and len(points) < search.points:
        open_.sort(key=lambda interval: interval.width(problem.minimize, first, last))
        widest = open_.pop()
        if widest.width(problem.minimize, first, last) <= 0:
            continue
        bound = widest.middle(other)
        found = _solved(_under(problem, other, bound), search)
        if found is None or _is_at_least(found, widest.last, problem.minimize):
            # Nothing between the middle and the last: the rest of the interval is next, and at its end what is next to its first.
            if not widest.is_at_its_end(other):
                open_.append(replace(widest, least=bound))
            continue
        points.append(found)
        if not widest.is_at_its_end(other):
            open_.append(_Interval(widest.first, found, bound))
        open_.append(_Interval(found, widest.last, widest.least))
    return points, not [interval for interval in open_ if interval.width(problem.minimize, first, last) > 0]


@dataclass(frozen=True, slots=True)
class _Interval:
    """Two neighbouring points. What is between them has a value of the second measure worse than `least` (there it is `last`'s domain)."""

    first: Solution
    last: Solution
    least: float

    def width(self, measures: Sequence[str], first: Solution, last: Solution) -> float:
        """Return how much of the whole range is open, 0 where there can be nothing."""
        one, other = measures[:2]
        whole = abs(_sign(other) * _value(first, other) - _sign(other) * _value(last, other)) or 1.0
        apart = _sign(one) * (_value(self.last, one) - _value(self.first, one))
        if apart <= STEP * abs(_value(self.first, one)):
            return 0.0
        room = _sign(other) * (_better(other, _value(self.first, other)) - self.least)
        return max(room / whole, 0.0)

    def middle(self, other: str) -> float:
        """Return the bound to ask for: half-way, or next to the first point when little is left."""
        nearest = _better(other, _value(self.first, other))
        return nearest if self.is_at_its_end(other) else (nearest + self.least) / 2

    def is_at_its_end(self, other: str) -> bool:
        """Return whether so little is open that one question settles it."""
        whole = abs(_value(self.first, other) - _value(self.last, other))
        return abs(_value(self.first, other) - self.least) <= whole / 4


def _of_three(problem: Problem, measures: Sequence[str], search: Search) -> tuple[list[Solution], bool]:
    third = measures[2]
    points: list[Solution] = []
    limited = replace(problem, minimize=tuple(measures))
    for _ in range(search.points):
        left = search.points - len(points)
        if left <= 0:
            return points, False
        share = replace(search, points=max(2, left if left <= 3 else math.ceil(left / 3)))
        found, is_complete = _of_two(limited, search if search.points >= _PLENTY else share)
        if not found:
            return points, is_complete
        points += found
        worst = max(found, key=lambda point: _sign(third) * _value(point, third))
        limited = _under(limited, third, _better(third, _value(worst, third)))
    return points, False


#: With so many points allowed, all of three measures' frontier are sought; with fewer they are spread.
_PLENTY: Final = 64


def _solved(problem: Problem, search: Search) -> Solution | None:
    found = solve(problem, time_limit=search.time_limit, gap=search.gap)
    return found if found.picks else None


def _under(problem: Problem, measure: str, bound: float) -> Problem:
    given = limits_of(problem).get(measure)
    if given is not None:
        bound = max(bound, given) if measure in FLOORS else min(bound, given)
    return with_limits(problem, {measure: bound})


def _undominated(points: Sequence[Solution], measures: Sequence[str]) -> list[Solution]:
    kept: list[Solution] = []
    for point in sorted(points, key=lambda point: _signed(point, measures)):
        if not any(_is_at_least(other, point, measures) for other in kept):
            kept.append(point)
    return kept


def _is_at_least(one: Solution, other: Solution, measures: Sequence[str]) -> bool:
    """Return whether a point is in no measure worse than another, but for less than the step."""
    return all(
        _sign(measure) * (_value(one, measure) - _value(other, measure)) <= STEP * abs(_value(other, measure)) / 2 for measure in measures
    )


def _signed(point: Solution, measures: Sequence[str]) -> tuple[float, ...]:
    return tuple(_sign(measure) * _value(point, measure) for measure in measures)


def _values(point: Solution, measures: Sequence[str]) -> tuple[float, ...]:
    return tuple(_value(point, measure) for measure in measures)


def _value(point: Solution, measure: str) -> float:
    totals = point.totals
    assert totals is not None
    limits: Mapping[str, float] = totals.limits
    return limits[measure]


def _sign(measure: str) -> float:
    return -1.0 if measure in FLOORS else 1.0


def _better(measure: str, value: float) -> float:
    """Return the value that is better by a step."""
    return value - _sign(measure) * STEP * abs(value)
