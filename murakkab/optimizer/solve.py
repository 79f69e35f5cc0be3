"""policy: solve(problem) -> Solution. Prices and local search first; the exact solver for what they leave open; one stage per measure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from murakkab.optimizer.form import ORDER, Form, form_of, limited, value_of
from murakkab.optimizer.lagrange import Answer, answer
from murakkab.optimizer.limits import FLOORS, limits_of
from murakkab.optimizer.milp import Effort, Found, least
from murakkab.optimizer.problem import Problem, Rule, Solution, Stage, Status, Totals
from murakkab.optimizer.reach import within_reach
from murakkab.optimizer.totals import is_feasible, totals_of

#: An answer within this part of its bound is called optimal: the solver's own precision.
EXACT: Final = 1e-4
#: By how much a later stage may give way in an earlier measure.
_SLACK: Final = 1e-6
_BINDING: Final = 0.98


@dataclass(frozen=True, slots=True)
class _Result:
    """What one stage found: columns, value and bound in the measure's row. `columns` None: nothing; proven so if `is_infeasible`."""

    columns: tuple[int, ...] | None
    value: float = math.inf
    bound: float = -math.inf
    is_infeasible: bool = False
    prices: dict[str, float] | None = None


def solve(problem: Problem, *, time_limit: float = 1.0, gap: float = 0.01) -> Solution:
    """Return the best answer known to be within a part *gap* of the best there is, or the best found in time. Never raises for a goal.

    *time_limit* is for the exact solver, in seconds, all stages together; 0 leaves it out. What comes before it takes milliseconds. In each
    stage earlier measures may give way by a millionth.
    """
    if not problem.tasks:
        return _solution(form_of(problem), (), [], {})
    form = form_of(problem)
    measures = problem.minimize or (ORDER,)
    stages: list[Stage] = []
    prices: dict[str, float] = {}
    columns: tuple[int, ...] | None = None
    for measure in dict.fromkeys(measures):
        result = _stage(form, measure, Effort(time_limit / len(measures), gap), columns)
        if result.columns is None:
            if columns is None:
                return Solution(Status.INFEASIBLE if result.is_infeasible else Status.HEURISTIC)
            result = replace(result, columns=columns, value=_value(form, measure, columns), bound=-math.inf)
        columns = result.columns
        assert columns is not None
        stages.append(_stage_of(form, measure, result, gap))
        prices = prices or result.prices or {}
        form = _held(form, measure, stages[-1].value)
    assert columns is not None
    return _solution(replace(form, problem=problem), columns, stages, prices)


def _stage(form: Form, measure: str, effort: Effort, start: Sequence[int] | None) -> _Result:
    """Return the best columns for one measure under the limits of the form."""
    form = within_reach(form)
    if not _is_open(form):
        return _Result(None, is_infeasible=True)
    if measure not in form.rows and measure != "latency":
        return _by_solver(form, measure, effort)
    first = answer(form, measure, start=start, enough=min(effort.gap, EXACT))
    prices = _prices(form, measure, first)
    if first.columns is None:
        if effort.seconds <= 0:
            return _Result(None, prices=prices)
        return replace(_by_solver(form, measure, effort, first), prices=prices)
    columns = tuple(first.columns.tolist())
    known = _Result(columns, first.value, min(first.dual.bound, first.value), prices=prices)
    below = first.value - _allowance(form, measure, first.value, effort.gap)
    if known.bound >= below or effort.seconds <= 0:
        return known
    left = form.allowed & (first.dual.bound + first.dual.reduced <= below)
    if not left.any(axis=1).all():
        return replace(known, bound=below)
    return _closed(replace(form, allowed=left), measure, effort, known, first=first, below=below)


def _closed(form: Form, measure: str, effort: Effort, known: _Result, *, first: Answer, below: float) -> _Result:
    """Return the better of what is known and what the exact solver finds below *below* among the options that are left."""
    found = least(form, measure, effort, below=below)
    if found.is_infeasible:
        return replace(known, bound=max(known.bound, below))
    bound = max(known.bound, min(found.bound, below))
    better = _checked(form, measure, found, first)
    if better is None or better.value >= known.value:
        return replace(known, bound=bound)
    return replace(known, columns=better.columns, value=better.value, bound=min(max(known.bound, found.bound), better.value))


def _by_solver(form: Form, measure: str, effort: Effort, first: Answer | None = None) -> _Result:
    """Return what the exact solver finds where nothing is known."""
    found = least(form, measure, effort)
    if found.is_infeasible:
        return _Result(None, is_infeasible=True)
    checked = _checked(form, measure, found, first)
    return _Result(None, bound=found.bound) if checked is None else replace(checked, bound=min(found.bound, checked.value))


def _checked(form: Form, measure: str, found: Found, first: Answer | None) -> _Result | None:
    """Return the solver's columns as they measure up; mended where its tolerances let it pass a limit by more than ours."""
    if found.columns is None:
        return None
    options = form.options_of(found.columns)
    if is_feasible(form.problem, options, totals_of(form.problem, options)):
        return _Result(found.columns, _value(form, measure, found.columns))
    mended = None if first is None else first.local.improved(np.array(found.columns))
    return None if mended is None else _Result(tuple(mended[1].tolist()), mended[0])


def _is_open(form: Form) -> bool:
    """Return whether no task is without options and no floor without anything that is rated."""
    has_quality = form.problem.bounds.quality is None or "quality" in form.rows
    return bool(form.allowed.any(axis=1).all()) and has_quality


def _value(form: Form, measure: str, columns: Sequence[int]) -> float:
    """Return the value of columns in the row of a measure."""
    totals = totals_of(form.problem, form.options_of(columns))
    row = form.rows.get(measure)
    if row is None or measure == "energy":
        return totals.limits[measure]
    return float(row.coefficients[np.arange(len(columns)), list(columns)].sum())


def _allowance(form: Form, measure: str, value: float, gap: float) -> float:
    """Return how far from the best a value may be in the row of a measure; a product of qualities stands there as its logarithm."""
    if measure == "quality" and form.problem.bounds.rule is Rule.PRODUCT:
        return math.log1p(gap)
    return gap * abs(value)


def _prices(form: Form, measure: str, first: Answer) -> dict[str, float]:
    """Return the multipliers that matter, per unit of their limits; that of a product of qualities per unit of quality."""
    limits = limits_of(form.problem)
    value = abs(first.value) if first.columns is not None else abs(first.dual.bound)
    found = {}
    for name, price in first.dual.prices.items():
        if name not in limits or name == measure:
            continue
        if name == "quality" and form.problem.bounds.rule is Rule.PRODUCT:
            price /= max(limits[name], 1e-9)
        if price * abs(limits[name]) > 1e-3 * value:
            found[name] = price
    return found


# ---------------------------------------------------------------------------------------------------------------- answers


def _stage_of(form: Form, measure: str, result: _Result, gap: float) -> Stage:
    rule = form.problem.bounds.rule
    value, bound = value_of(measure, result.value, rule), value_of(measure, result.bound, rule) if result.bound > -math.inf else math.nan
    distance = abs(value - bound) / max(abs(value), 1e-12) if math.isfinite(bound) and value != bound else 0.0
    if not math.isfinite(bound):
        return Stage(measure, value, math.inf if measure in FLOORS else -math.inf, math.inf, Status.HEURISTIC)
    if distance <= EXACT * (1 + 1e-6):
        return Stage(measure, value, bound, distance, Status.OPTIMAL)
    return Stage(measure, value, bound, distance, Status.FEASIBLE if distance <= gap * (1 + 1e-6) else Status.HEURISTIC)


def _held(form: Form, measure: str, value: float) -> Form:
    """Return the form in which later stages keep what this one has reached."""
    if measure == ORDER:
        return form
    given = limits_of(form.problem).get(measure)
    slack = _SLACK * max(abs(value), 1e-9)
    held = value - slack if measure in FLOORS else value + slack
    if given is not None and (given >= held if measure in FLOORS else given <= held):
        return form
    return limited(form, measure, held)


def _solution(form: Form, columns: Sequence[int], stages: list[Stage], prices: dict[str, float]) -> Solution:
    options = form.options_of(columns)
    totals = totals_of(form.problem, options)
    picks = {task.name: option.label for task, option in zip(form.problem.tasks, options, strict=True)}
    order = (Status.HEURISTIC, Status.FEASIBLE, Status.OPTIMAL)
    status = min((stage.status for stage in stages), key=order.index, default=Status.OPTIMAL)
    return Solution(status, picks, totals, tuple(stages), _binding(form.problem, totals), prices)


def _binding(problem: Problem, totals: Totals) -> tuple[str, ...]:
    found = []
    for name, limit in limits_of(problem).items():
        value = totals.limits.get(name)
        if value is not None and value > 0 and (limit >= _BINDING * value if name in FLOORS else value >= _BINDING * limit):
            found.append(name)
    return tuple(found)
