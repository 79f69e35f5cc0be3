"""policy: chooses again between the steps of a running job, within a millisecond or two - what is settled stays, the rest may change.

Prices of the first choice guide a local search. Where that finds nothing that keeps the limits, a complete search looks, then for half a
second the exact solver: but for that, a limit is passed only where every choice passes it.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from murakkab.optimizer.dual import Dual, dual_of
from murakkab.optimizer.form import ORDER, Array, Columns, Form, Line, Row, form_of, value_of
from murakkab.optimizer.milp import Effort, least
from murakkab.optimizer.model import spans_total
from murakkab.optimizer.polish import Local
from murakkab.optimizer.problem import TOLERANCE, Problem, Status
from murakkab.optimizer.search import OutOfNodes, first_feasible

#: Nodes of the complete search before the exact solver takes over.
NODES: Final = 3000
#: Selections of the first choice's prices that are tried before that.
_MET: Final = 6
#: Seconds that the exact solver may take: a job waits for it.
_PATIENCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Settled:
    """A task that has begun: its option stays. `start` and `end` (expected, while it runs) are seconds since the job began.

    `first`: when its first element was or will be there (None: at its end). None elsewhere: as the option says.
    """

    label: str
    start: float
    end: float
    first: float | None = None
    joules: float | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """Where a job stands: what is `settled` by task, seconds since it began, and what the rest is expected to do.

    `stretch`: by task, the part by which its options take more (seconds, joules, USD, use) than the problem says, for outputs larger than
    expected; `lag`: by (task, label), the part by which they take longer, and more joules. `spent`: joules and USD that no task accounts
    for. `barred`: (task, label) that cannot be had now. `picks`: what was chosen before, tried first. `limits`: on joules and USD of the
    whole job, beside those of the problem.
    """

    settled: Mapping[str, Settled] = field(default_factory=dict)
    seconds: float = 0.0
    stretch: Mapping[str, float] = field(default_factory=dict)
    lag: Mapping[tuple[str, str], float] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    barred: Collection[tuple[str, str]] = ()
    picks: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rechoice:
    """An option for every task that is not settled. INFEASIBLE: no selection keeps all limits; `picks` then pass them by little.

    `value`: of the first measure, for the whole job. `excess`: by how much limits are passed, as parts of them, in all. `kept`: excess and
    value of the picks from before, where they can still be had. `slack`: how much more of latency, cost and energy keeps the limit on it.
    """

    status: Status
    picks: Mapping[str, str]
    value: float = math.nan
    excess: float = 0.0
    kept: tuple[float, float] = (math.inf, math.nan)
    slack: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A problem made ready to be chosen again many times. Every option counts, dominated ones too: others may be barred."""

    form: Form
    measure: str
    dual: Dual
    labels: Mapping[str, Mapping[str, int]]


def prepare(problem: Problem) -> Prepared:
    """Return what `rechoose` needs; takes about as long as a first choice by prices. Only the first measure to minimise is kept."""
    form = form_of(problem)
    measure = next(iter(problem.minimize), ORDER)
    dual = dual_of(form, measure if measure in form.rows else "latency")
    there = np.arange(form.allowed.shape[1])[None, :] < np.array([len(task.options) for task in problem.tasks])[:, None]
    labels = {task.name: {option.label: place for place, option in enumerate(task.options)} for task in problem.tasks}
    return Prepared(replace(form, allowed=there), measure, dual, labels)


def rechoose(prepared: Prepared, now: Now) -> Rechoice:
    """Return options for the tasks that are not settled, so that every limit holds for the whole job if any selection makes it so.

    What is best among these is sought by local search, not proven: the status is heuristic. Raises `KeyError` for an unknown label.
    """
    form = _form_now(prepared, now)
    if not form.allowed.any(axis=1).all():
        return Rechoice(Status.INFEASIBLE, {}, excess=math.inf)
    measure = prepared.measure if prepared.measure in form.rows else "latency"
    local = Local(form, measure, replace(prepared.dual, reduced=_reduced(prepared, form, measure)))
    starts = _starts(prepared, form, now, local)
    over, value = local.measured(starts[0])
    kept = (over, _value(form, value)) if _can_be_kept(prepared, form, now) else (math.inf, math.nan)
    found = None if _is_hopeless(local) else _feasible(local, measure, starts)
    if found is not None:
        return replace(_rechoice(form, now, found[1], found[0], Status.HEURISTIC), kept=kept, slack=_slack(local, found[1]))
    nearest, value, over = _nearest(local, measure, replace(prepared.dual, reduced=local.reduced), starts)
    return replace(_rechoice(form, now, nearest, value, Status.INFEASIBLE), excess=over, kept=kept)


def _slack(local: Local, columns: Columns) -> dict[str, float]:
    rows = ((name, local.form.rows[name]) for name in ("cost", "energy"))
    slack = {name: row.limit - float(row.coefficients[local.places, columns].sum()) for name, row in rows if row.limit < math.inf}
    return slack if local.limit is None else {**slack, "latency": local.limit - local.length(columns)}


def _can_be_kept(prepared: Prepared, form: Form, now: Now) -> bool:
    """Return whether every task that is not settled can be done as it was chosen before."""
    for place, task in enumerate(form.problem.tasks):
        column = prepared.labels[task.name].get(now.picks.get(task.name, task.options[0].label if len(task.options) == 1 else ""))
        if task.name not in now.settled and (column is None or not form.allowed[place, column]):
            return False
    return True


def _is_hopeless(local: Local) -> bool:
    """Return whether some limit is passed already by what uses the least of it. Most jobs that are too late are known by that."""
    form = local.form
    least = np.where(form.allowed[None], local.table, np.inf).min(axis=2).sum(axis=1)
    if (least > local.limits + TOLERANCE).any():
        return True
    if local.limit is None:
        return False
    works = (float(np.where(form.allowed, work.coefficients, np.inf).min(axis=1).sum()) - work.limit for work in form.works)
    return max([spans_total(form, form.line), *works]) > local.limit * (1 + TOLERANCE)


def _feasible(local: Local, measure: str, starts: "list[Columns]") -> tuple[float, Columns] | None:
    """Return the value and the columns of a selection within all limits; None where there is none, or none was found in time."""
    for start in starts:
        found = local.improved(start)
        if found is not None:
            return found
    complete = _complete(local, measure)
    return None if complete is None else local.improved(complete) or (local.measured(complete)[1], complete)


def _nearest(local: Local, measure: str, dual: Dual, starts: "list[Columns]") -> tuple[Columns, float, float]:
    """Return the start that passes the limits by least, made as good as it can be without passing them by more; its value; by how much."""
    nearest = min(starts, key=local.measured)
    loose = Local(local.form, measure, dual)
    loose.limits = np.maximum(local.limits, local.sums(nearest))
    loose.limit = None if local.limit is None else max(local.limit, local.length(nearest))
    found = loose.improved(nearest)
    if found is not None and local.measured(found[1])[0] <= local.measured(nearest)[0]:
        nearest = found[1]
    over, value = local.measured(nearest)
    return nearest, value, over


def _complete(local: Local, measure: str) -> Columns | None:
    try:
        return first_feasible(local, local.reduced, NODES)
    except OutOfNodes:
        found = least(local.form, measure, Effort(_PATIENCE, 1e6))
        return None if found.columns is None else np.array(found.columns)


def _starts(prepared: Prepared, form: Form, now: Now, local: Local) -> list[Columns]:
    """Return selections to start from: the one before, the prices' own, the quickest, and those that the first choice met on its way."""
    cheapest = local.reduced.argmin(axis=1)
    before = cheapest.copy()
    for place, task in enumerate(form.problem.tasks):
        column = prepared.labels[task.name].get(now.picks.get(task.name, ""))
        if column is not None and form.allowed[place, column]:
            before[place] = column
    quickest = np.where(form.allowed, form.line.whole, np.inf).argmin(axis=1)
    rows = np.arange(len(before))
    met: list[Columns] = [prepared.dual.mix.argmax(axis=1), *prepared.dual.seen[:_MET]]
    met = [np.where(form.allowed[rows, columns], columns, cheapest) for columns in met]
    return [before, cheapest, quickest, *met]


def _reduced(prepared: Prepared, form: Form, measure: str) -> Array:
    """Return what options cost more than their task's best at the first choice's prices, as things now stand."""
    cost = prepared.dual.time_cost if measure == "latency" else form.rows[measure].coefficients
    weights = cost.copy()
    for name, price in prepared.dual.prices.items():
        if name in form.rows:
            weights += price * form.rows[name].coefficients
    weights = np.where(form.allowed, weights, np.inf)
    return np.asarray(weights - weights.min(axis=1, keepdims=True))


def _rechoice(form: Form, now: Now, columns: Columns, value: float, status: Status) -> Rechoice:
    options = form.options_of(columns.tolist())
    picks = {task.name: option.label for task, option in zip(form.problem.tasks, options, strict=True) if task.name not in now.settled}
    return Rechoice(status, picks, _value(form, value))


def _value(form: Form, value: float) -> float:
    first = form.problem.minimize[0] if form.problem.minimize else ORDER
    return value_of(first, value, form.problem.bounds.rule)


# -------------------------------------------------------------------------------------------------------------------- now


def _form_now(prepared: Prepared, now: Now) -> Form:
    """Return the form of the whole job as it stands: the settled tasks with what they really took, the rest not before now."""
    form, tasks = prepared.form, prepared.form.problem.tasks
    places = {task.name: place for place, task in enumerate(tasks)}
    stretch = np.array([now.stretch.get(task.name, 1.0) for task in tasks]).reshape(-1, 1)
    slow = np.ones(form.allowed.shape)
    for (name, label), lag in now.lag.items():
        slow[places[name], prepared.labels[name][label]] = lag
    slow *= stretch
    allowed = form.allowed.copy()
    ready = [max(start, now.seconds) for start in form.graph.ready]
    limited = (replace(row, limit=min(row.limit, now.limits.get(name, math.inf))) for name, row in form.rows.items())
    rows = {row.name: _stretched(row, slow if row.name == "energy" else stretch, now.spent.get(row.name, 0.0)) for row in limited}
    works = tuple(replace(row, coefficients=row.coefficients * (slow if row.name.startswith("work:") else stretch)) for row in form.works)
    lines = [Line(line.whole * slow, line.first * slow, line.last * slow) for line in (form.expected, form.tail)]
    for name, label in now.barred:
        if name in places and label in prepared.labels[name]:
            allowed[places[name], prepared.labels[name][label]] = False
    for place, task in enumerate(tasks):
        settled = now.settled.get(task.name)
        if settled is not None:
            column = prepared.labels[task.name][settled.label]
            allowed[place] = False
            allowed[place, column] = True
            ready[place] = settled.start
            _settle(lines, rows, place, settled)
            for row in works:
                row.coefficients[place] = 0.0 if row.name.startswith("work:") else row.coefficients[place]
    works = tuple(replace(row, limit=row.limit - now.seconds) if row.name.startswith("work:") else row for row in works)
    graph = replace(form.graph, ready=tuple(ready))
    return replace(form, allowed=allowed, expected=lines[0], tail=lines[1], rows=rows, works=works, graph=graph)


def _stretched(row: Row, stretch: Array, spent: float) -> Row:
    """Return a row whose sums grow with the output, less what is spent already; quality and counts of calls do not grow."""
    is_size = row.name in ("cost", "energy") or row.name.startswith("capacity:")
    return replace(row, coefficients=row.coefficients * stretch if is_size else row.coefficients.copy(), limit=row.limit - spent)


def _settle(lines: list[Line], rows: Mapping[str, Row], place: int, settled: Settled) -> None:
    """Write what a settled task took into its line of every table."""
    for line in lines:
        line.whole[place] = settled.end - settled.start
        line.first[place] = (settled.end if settled.first is None else settled.first) - settled.start
        # Its end is known, whatever its sources do.
        line.last[place] = -math.inf
    for name, value in (("energy", settled.joules), ("cost", settled.usd)):
        if value is not None:
            rows[name].coefficients[place] = value
