"""policy: chooses again between the steps of a running job, within a millisecond or two - what is settled stays, the rest may change.

Prices of the first choice guide a local search. Where that finds nothing that keeps the limits, a complete search looks, then for half a
second the exact solver: but for that, a limit is passed only where every choice passes it.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

import numpy as np

from murakkab.optimizer.dual import Dual, dual_of
from murakkab.optimizer.form import ORDER, Array, Columns, Form, Line, Row, form_of, value_of
from murakkab.optimizer.limits import with_limits
from murakkab.optimizer.milp import Effort, least
from murakkab.optimizer.model import spans_total
from murakkab.optimizer.polish import Local
from murakkab.optimizer.problem import TOLERANCE, Problem, Status
from murakkab.optimizer.screen import Marks
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

    `first`: when its first element was or will be there (None: at its end). `last`: seconds it still needs once the last element of what
    it streams from is there (None: nothing more comes from there, its end is known). None elsewhere: as the option says.
    """

    label: str
    start: float
    end: float
    first: float | None = None
    joules: float | None = None
    usd: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """Where a job stands: what is `settled` by task, seconds since it began, and what the rest is expected to do.

    `stretch`: by task, the part by which its options take more (seconds, joules, USD, use) than the problem says, for outputs larger than
    expected; `longer`: by (task, label), the part by which they take longer for that, where it is another one: what runs side by side takes
    no longer. `lag`: by (task, label), the part by which they take longer, and more joules, whatever their size. `spent`: joules and USD
    that no task accounts for. `barred`: (task, label) that cannot be had now. `picks`: what was chosen before, tried first. `limits`: on
    joules and USD of the whole job, beside those of the problem. `latency`: a limit on it in the place of that of the problem.
    """

    settled: Mapping[str, Settled] = field(default_factory=dict)
    seconds: float = 0.0
    stretch: Mapping[str, float] = field(default_factory=dict)
    longer: Mapping[tuple[str, str], float] = field(default_factory=dict)
    lag: Mapping[tuple[str, str], float] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    barred: Collection[tuple[str, str]] = ()
    picks: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    latency: float | None = None


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
    """A problem made ready to be chosen again many times. Every option counts, dominated ones too: others may be barred.

    `places` of tasks by name, and `columns` of options by the names of their task and their own.
    """

    form: Form
    measure: str
    dual: Dual
    places: Mapping[str, int]
    columns: Mapping[tuple[str, str], int]


def prepare(problem: Problem) -> Prepared:
    """Return what `rechoose` needs; takes about as long as a first choice by prices. Only the first measure to minimise is kept."""
    form = form_of(problem)
    measure = next(iter(problem.minimize), ORDER)
    dual = dual_of(form, measure if measure in form.rows else "latency")
    there = np.arange(form.allowed.shape[1])[None, :] < np.array([len(task.options) for task in problem.tasks])[:, None]
    places = {task.name: place for place, task in enumerate(problem.tasks)}
    columns = {(task.name, option.label): column for task in problem.tasks for column, option in enumerate(task.options)}
    return Prepared(replace(form, allowed=there), measure, dual, places, columns)


def rechoose(prepared: Prepared, now: Now) -> Rechoice:
    """Return options for the tasks that are not settled, so that every limit holds for the whole job if any selection makes it so.

    What is best among these is sought by local search, not proven: the status is heuristic. Raises `KeyError` for an unknown label.
    """
    form = _form_now(prepared, now)
    if not form.allowed.any(axis=1).all():
        return Rechoice(Status.INFEASIBLE, {}, excess=math.inf)
    measure = prepared.measure if prepared.measure in form.rows else "latency"
    local = Local(form, measure, replace(prepared.dual, reduced=_reduced(prepared, form, measure)))
    before, is_left = _before(prepared, form, now, local)
    over, value = local.measured(before)
    kept = (over, _value(form, value)) if is_left else (math.inf, math.nan)
    found = None if over > 0 and _is_hopeless(local) else _feasible(prepared, local, measure, before)
    if found is not None:
        return replace(_rechoice(form, now, found[1], found[0], Status.HEURISTIC), kept=kept, slack=_slack(local, found[1]))
    starts = [before, *_others(prepared, local)]
    nearest, value, over = _nearest(local, measure, replace(prepared.dual, reduced=local.reduced), starts)
    return replace(_rechoice(form, now, nearest, value, Status.INFEASIBLE), excess=over, kept=kept)


def _slack(local: Local, columns: Columns) -> dict[str, float]:
    rows = ((name, local.form.rows[name]) for name in ("cost", "energy"))
    slack = {name: row.limit - float(row.coefficients[local.places, columns].sum()) for name, row in rows if row.limit < math.inf}
    return slack if local.limit is None else {**slack, "latency": local.limit - local.length(columns)}


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


def _feasible(prepared: Prepared, local: Local, measure: str, before: Columns) -> tuple[float, Columns] | None:
    """Return the value and the columns of a selection within all limits; None where there is none, or none was found in time."""
    for start in chain([before], _others(prepared, local)):
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


def _before(prepared: Prepared, form: Form, now: Now, local: Local) -> tuple[Columns, bool]:
    """Return the selection as it was before, with the cheapest option where that one cannot be had; and whether all of it can be."""
    columns = local.reduced.argmin(axis=1)
    is_left = True
    allowed = form.allowed.tolist()
    for place, task in enumerate(form.problem.tasks):
        column = prepared.columns.get((task.name, now.picks.get(task.name, "")))
        if column is not None and allowed[place][column]:
            columns[place] = column
        elif task.name not in now.settled and len(task.options) > 1:
            is_left = False
    return columns, is_left


def _others(prepared: Prepared, local: Local) -> Iterator[Columns]:
    """Yield selections to start from beside that: the prices' own, the quickest, and those that the first choice met on its way."""
    form = local.form
    cheapest = local.reduced.argmin(axis=1)
    yield cheapest
    yield np.where(form.allowed, form.line.whole, np.inf).argmin(axis=1)
    for columns in (prepared.dual.mix.argmax(axis=1), *prepared.dual.seen[:_MET]):
        yield np.where(form.allowed[local.places, columns], columns, cheapest)


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
    form = prepared.form
    stretch, lag, longer = _factors(prepared, now)
    slow = lag * stretch
    limited = (replace(row, limit=min(row.limit, now.limits.get(name, math.inf))) for name, row in form.rows.items())
    rows = {row.name: _stretched(row, slow if row.name == "energy" else stretch, now.spent.get(row.name, 0.0)) for row in limited}
    # One element takes as long as ever, however many there are.
    one = lag * (longer > 0)
    lines = [Line(line.whole * lag * longer, line.first * one, line.last * one) for line in (form.expected, form.tail)]
    allowed = _allowed(prepared, now)
    ready = [max(start, now.seconds) for start in form.graph.ready]
    places = [place for name, place in prepared.places.items() if name in now.settled]
    settled = [there for name in prepared.places if (there := now.settled.get(name)) is not None]
    for place, there in zip(places, settled, strict=True):
        ready[place] = there.start
    _settle(lines, rows, places, settled)
    graph = replace(form.graph, ready=tuple(ready))
    works = tuple(_work_now(row, slow if row.name.startswith("work:") else stretch, places, now.seconds) for row in form.works)
    problem = form.problem if now.latency is None else with_limits(form.problem, {"latency": now.latency})
    return replace(form, problem=problem, allowed=allowed, expected=lines[0], tail=lines[1], rows=rows, works=works, graph=graph)


def _factors(prepared: Prepared, now: Now) -> tuple[Array, Array, Array]:
    """Return how many times more tasks take, tasks x 1; and how many times longer options do, by themselves and for that."""
    places, columns = prepared.places, prepared.columns
    stretch = np.ones((len(places), 1))
    for name, part in now.stretch.items():
        stretch[places[name]] = part
    lag = np.ones(prepared.form.allowed.shape)
    longer = stretch * lag
    tables: tuple[tuple[Array, Mapping[tuple[str, str], float]], ...] = ((lag, now.lag), (longer, now.longer))
    for table, factors in tables:
        if factors:
            table[[places[name] for name, _ in factors], [columns[pair] for pair in factors]] = [*factors.values()]
    return stretch, lag, longer


def _allowed(prepared: Prepared, now: Now) -> Marks:
    """Return the options that can still be had; of what is settled, the one that is."""
    allowed, places, columns = prepared.form.allowed.copy(), prepared.places, prepared.columns
    for pair in now.barred:
        if pair in columns:
            allowed[places[pair[0]], columns[pair]] = False
    settled = [name for name in now.settled if name in places]
    if settled:
        rows = [places[name] for name in settled]
        allowed[rows] = False
        allowed[rows, [columns[name, now.settled[name].label] for name in settled]] = True
    return allowed


def _work_now(row: Row, factors: Array, settled: Sequence[int], seconds: float) -> Row:
    """Return a sum that the makespan cannot be shorter than: of a pool's work that which is left, from now on."""
    if not row.name.startswith("work:"):
        return replace(row, coefficients=row.coefficients * factors)
    coefficients = row.coefficients * factors
    coefficients[settled] = 0.0
    return replace(row, coefficients=coefficients, limit=row.limit - seconds)


def _stretched(row: Row, stretch: Array, spent: float) -> Row:
    """Return a row whose sums grow with the output, less what is spent already; quality and counts of calls do not grow."""
    is_size = row.name in ("cost", "energy") or row.name.startswith("capacity:")
    return replace(row, coefficients=row.coefficients * stretch if is_size else row.coefficients.copy(), limit=row.limit - spent)


def _settle(lines: Sequence[Line], rows: Mapping[str, Row], places: Sequence[int], settled: Sequence[Settled]) -> None:
    """Write what settled tasks took into their lines of every table."""
    if not settled:
        return
    whole = np.array([[one.end - one.start] for one in settled])
    first = np.array([[(one.end if one.first is None else one.first) - one.start] for one in settled])
    # The end of those that nothing more comes for is known, whatever their sources do.
    last = np.array([[-math.inf if one.last is None else one.last] for one in settled])
    for line in lines:
        line.whole[places] = whole
        line.first[places] = first
        line.last[places] = last
    for name, values in (("energy", [one.joules for one in settled]), ("cost", [one.usd for one in settled])):
        told = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
        rows[name].coefficients[[place for place, _ in told]] = [[value] for _, value in told] or 0.0
