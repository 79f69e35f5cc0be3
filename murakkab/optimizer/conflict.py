"""policy: why nothing fits - the smallest set of limits that cannot hold together, and the nearest values at which they could.

Sets are found by deletion (Chinneck, Feasibility and Infeasibility in Optimization, 2008), then smaller ones are sought by size; a
selection that meets some limits settles every subset of those at once.
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from murakkab.optimizer.form import form_of, limited
from murakkab.optimizer.limits import FLOORS, is_met, limits_of, only_limits, with_limits
from murakkab.optimizer.milp import Effort, columns_of, solved
from murakkab.optimizer.model import program_of, scale_of, scaled, spans_total, total
from murakkab.optimizer.problem import Problem, Rule, Status, Totals
from murakkab.optimizer.solve import solve
from murakkab.optimizer.totals import totals_of

#: Questions to the solver before a smaller set is no longer sought.
_QUESTIONS: Final = 150
_ANY: Final = 1e6
_EXACT: Final = 1e-5
#: More calls than any job makes.
_ENDLESS: Final = 1e15


@dataclass(frozen=True, slots=True)
class Conflict:
    """Limits that cannot all hold, while any of them fewer can. Empty: links alone leave nothing.

    `is_smallest`: no smaller set is in conflict; else that was not settled. `together`: values at which all of them, each loosened by the
    same part `part` of itself at most, and every other limit hold; where others are in conflict too these are loosened as well.
    """

    limits: tuple[str, ...]
    is_smallest: bool = True
    together: Mapping[str, float] = field(default_factory=dict)
    part: float = math.inf


def conflict_of(problem: Problem, *, time_limit: float = 1.0) -> Conflict | None:
    """Return the limits in conflict; None when the problem is feasible, or not proven infeasible by *time_limit* seconds per question."""
    asked = _Questions(problem, time_limit)
    # Those of the installation are dropped first, so that the conflict is told in the user's own terms where it can be.
    names = sorted(limits_of(problem), key=lambda name: (":" not in name, name))
    if not asked.are_in_conflict(names):
        return None
    kept = list(names)
    for name in names:
        fewer = [other for other in kept if other != name]
        if asked.are_in_conflict(fewer):
            kept = fewer
    smaller, is_settled = _smaller(asked, names, len(kept))
    found = tuple(sorted(smaller or kept, key=names.index))
    part, together = _together(problem, found, time_limit)
    return Conflict(found, is_settled, together, part)


def holding(problem: Problem, *, time_limit: float = 1.0) -> dict[str, float]:
    """Return the rates with a window without which the limits could be kept, each with the calls per window that would suffice.

    Of those that hold a job up together, all; nothing where rates are not to blame. The limit on latency must be one of those that are in
    conflict: a rate with a window is no limit itself, it makes the job longer.
    """
    latency = problem.bounds.latency
    windowed = [rate.name for rate in problem.rates if rate.window is not None]
    aim = replace(problem, minimize=("cost",))
    if latency is None or not windowed or solve(_without(aim, windowed), time_limit=time_limit, gap=_ANY).totals is None:
        return {}
    blamed = windowed
    for name in windowed:
        fewer = [other for other in blamed if other != name]
        if solve(_without(aim, fewer), time_limit=time_limit, gap=_ANY).totals is not None:
            blamed = fewer
    found: dict[str, float] = {}
    for rate in problem.rates:
        if rate.name in blamed and rate.window is not None:
            free = replace(_without(problem, blamed), minimize=(f"rate:{rate.name}",))
            totals = solve(free, time_limit=time_limit, gap=_EXACT).totals
            if totals is not None:
                # The first window's worth comes at once: calls / rate - 1 windows fit into the limit.
                found[rate.name] = totals.limits[f"rate:{rate.name}"] * rate.window / (latency + rate.window)
    return found


def _without(problem: Problem, names: Collection[str]) -> Problem:
    """Return the problem in which these rates are no longer limited."""
    rates = (replace(rate, calls=_ENDLESS, window=None) if rate.name in names else rate for rate in problem.rates)
    return replace(problem, rates=tuple(rates))


class _Questions:
    """Asks whether limits can hold together, and remembers which limits each selection found has met."""

    def __init__(self, problem: Problem, time_limit: float) -> None:
        self.problem = replace(problem, minimize=("cost",))
        self.limits = limits_of(problem)
        self.time_limit = time_limit
        self.met: list[frozenset[str]] = []
        self.count = 0

    def are_in_conflict(self, names: Collection[str]) -> bool:
        """Return whether these limits are proven not to hold together."""
        wanted = frozenset(names)
        if any(wanted <= met for met in self.met):
            return False
        self.count += 1
        answer = solve(only_limits(self.problem, wanted), time_limit=self.time_limit, gap=_ANY)
        if answer.totals is not None:
            values = answer.totals.limits
            self.met.append(frozenset(name for name, limit in self.limits.items() if is_met(name, values.get(name), limit)) | wanted)
        return answer.status is Status.INFEASIBLE


def _smaller(asked: _Questions, names: Sequence[str], size: int) -> tuple[tuple[str, ...], bool]:
    """Return a set in conflict of fewer than *size* limits, () where there is none, and whether that is settled."""
    for count in range(size):
        for some in itertools.combinations(reversed(names), count):
            if asked.count >= _QUESTIONS:
                return (), False
            if asked.are_in_conflict(some):
                return some, True
    return (), True


def reachable(problem: Problem, name: str, *, time_limit: float = 1.0) -> float | None:
    """Return the best value that the measure of limit *name* can have under all other limits; None: there is none."""
    totals = solve(replace(with_limits(problem, {name: None}), minimize=(name,)), time_limit=time_limit, gap=_EXACT).totals
    return None if totals is None else totals.limits[name]


def _together(problem: Problem, names: Sequence[str], time_limit: float) -> tuple[float, dict[str, float]]:
    """Return the least part by which the limits must be loosened alike, and the values that they then have."""
    found = _loosened(problem, names, time_limit)
    if found is None:
        names = list(limits_of(problem))
        found = _loosened(problem, names, time_limit)
    if found is None:
        return math.inf, {}
    part, totals = found
    limits = limits_of(problem)
    values = {name: totals.limits.get(name) for name in names}
    return part, {name: limits[name] if value is None or is_met(name, value, limits[name]) else value for name, value in values.items()}


def _loosened(problem: Problem, names: Sequence[str], time_limit: float) -> tuple[float, Totals] | None:
    """Return the least part and what the selection that needs it amounts to; None where none is found.

    A column says how much is given: every limit L becomes L (1 + given), a floor L (1 - given), that of a product L exp(-given).
    """
    limits = limits_of(problem)
    form = form_of(with_limits(problem, dict.fromkeys(names)))
    if not names or not form.allowed.any(axis=1).all() or ("quality" in names and "quality" not in form.rows):
        return None
    program = program_of(form, list(names))
    given = program.model.column()
    is_product = problem.bounds.rule is Rule.PRODUCT
    for name in names:
        row = limited(form, name, limits[name]).rows.get(name)
        limit = limits[name] if row is None else row.limit
        usual = max(1.0, spans_total(form, form.line)) if name == "latency" else 1.0
        scale = 1.0 if name in FLOORS and is_product else scale_of(program.sums[name], limit, usual)
        program.model.row(total(scaled(program.sums[name], 1.0 / scale), (given, -1.0)), upper=limit / scale)
    result = solved(program.model, total((given, 1.0)), Effort(time_limit, _EXACT))
    columns = columns_of(program, result)
    if columns is None:
        return None
    totals = totals_of(problem, form.options_of(columns))
    return max(0.0, float(result.x[given])), totals
