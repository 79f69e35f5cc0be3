"""policy: a form as a mixed-integer program - columns, rows, and the sums that stand for the measures. Solves nothing.

Columns: x[task, option] in {0, 1}; start and finish per task and the makespan for every percentile that matters; y[pool] in {0, 1} and its
seconds for every pool asleep; bytes[pool, model], and z[model, device] in {0, 1} where models lie on single devices. Every row
is divided by its limit, so that tolerances are parts of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from murakkab.optimizer.form import Array, Form, Line
from murakkab.optimizer.packing import is_split, longest_first
from murakkab.optimizer.paths import longest
from murakkab.optimizer.problem import Percentile, PoolBound

#: A limit that is a smaller part than this of what it limits is no measure of it.
_TINY: Final = 1e-6
#: Places of models on devices, of one pool, that the solver looks at; with more it sees the sum alone.
_PLACES: Final = 400
Indices = npt.NDArray[np.int64]


@dataclass(slots=True)
class Sum:
    """A linear sum over columns."""

    columns: Indices
    factors: Array


@dataclass(slots=True)
class Model:
    """The program, as it grows: bounds of columns, which of them are whole numbers, and rows `lower <= factors * columns <= upper`."""

    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    rows: list[Sum] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)

    def column(self, lower: float = 0.0, upper: float = math.inf, *, whole: bool = False) -> int:
        """Add a column and return its place."""
        self.lower.append(lower)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.lower) - 1

    def row(self, of: Sum, lower: float = -math.inf, upper: float = math.inf) -> int:
        """Add a row and return its place."""
        self.rows.append(of)
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        return len(self.rows) - 1


def total(*parts: Sum | tuple[int, float]) -> Sum:
    """Return the sum of sums and single columns with their factors."""
    columns = [np.array([part[0]]) if isinstance(part, tuple) else part.columns for part in parts]
    factors = [np.array([part[1]]) if isinstance(part, tuple) else part.factors for part in parts]
    return Sum(np.concatenate(columns), np.concatenate(factors))


def scaled(of: Sum, factor: float) -> Sum:
    """Return the sum times a factor."""
    return Sum(of.columns, of.factors * factor)


@dataclass(frozen=True, slots=True)
class Program:
    """The finished model, the columns of the options (-1 where there is none), and the sum of every measure that can be minimised."""

    model: Model
    x: Indices
    sums: dict[str, Sum]
    #: The row and the scale of every limit, for those who loosen it.
    limits: dict[str, tuple[int, float]]


def program_of(form: Form, measures: Sequence[str]) -> Program:
    """Return the program of a form in which *measures* can be minimised."""
    model = Model()
    x = np.full(form.allowed.shape, -1, dtype=np.int64)
    x[form.allowed] = np.arange(int(form.allowed.sum()))
    for _ in range(int(form.allowed.sum())):
        model.column(0.0, 1.0, whole=True)
    for task, allowed in enumerate(form.allowed):
        model.row(Sum(x[task][allowed], np.ones(int(allowed.sum()))), 1.0, 1.0)
    made = Program(model, x, {}, {})
    _add_links(made, form)
    for row in form.rows.values():
        made.sums[row.name] = _sum(made, form, row.coefficients)
    _add_memory(made, form, measures)
    _add_times(made, form, measures)
    _add_limits(made, form)
    return made


def _sum(made: Program, form: Form, coefficients: Array) -> Sum:
    chosen = form.allowed & (coefficients != 0)
    return Sum(made.x[chosen], coefficients[chosen])


def _of_task(made: Program, form: Form, task: int, coefficients: Array) -> Sum:
    chosen = form.allowed[task] & (coefficients[task] != 0)
    return Sum(made.x[task][chosen], coefficients[task][chosen])


def _add_links(made: Program, form: Form) -> None:
    """Hold the tasks of a link to one key: of every key, as many picks in each as in the one before."""
    for tie in form.ties:
        for one, other in zip(tie.members, tie.members[1:], strict=False):
            for key in np.unique(tie.keys[[one, other]]).tolist():
                here = made.x[one][form.allowed[one] & (tie.keys[one] == key)]
                there = made.x[other][form.allowed[other] & (tie.keys[other] == key)]
                if len(here) or len(there):
                    made.model.row(total(Sum(here, np.ones(len(here))), Sum(there, -np.ones(len(there)))), 0.0, 0.0)


def _add_memory(made: Program, form: Form, measures: Sequence[str]) -> None:
    """Count the bytes of every model once per pool, at the most that any pick of it asks for, and what lies on its fullest device."""
    for pool in form.problem.pools:
        tables = form.bytes_of.get(pool.name, {})
        scale = pool.memory or max((float(table.max()) for table in tables.values()), default=1.0) or 1.0
        sizes = {model: _add_size(made, form, table, scale) for model, table in tables.items()}
        of = Sum(np.array(list(sizes.values()), dtype=np.int64), np.full(len(sizes), scale))
        name = f"memory:{pool.name}"
        made.sums[name] = _add_devices(made, form, pool, sizes, scale) if _must_place(form, pool, is_measured=name in measures) else of


def _add_size(made: Program, form: Form, table: Array, scale: float) -> int:
    """Return the column of the bytes, over *scale*, that a model takes."""
    size = made.model.column()
    for task in range(len(table)):
        of = _of_task(made, form, task, table)
        if len(of.columns):
            made.model.row(total((size, 1.0), scaled(of, -1.0 / scale)), 0.0)
    return size


def _must_place(form: Form, pool: PoolBound, *, is_measured: bool) -> bool:
    """Return whether the sum of all models does not say what a pool needs: some lie on a part of its devices, and may not fit there."""
    devices = int(pool.devices or 0)
    sizes = {model: float(np.where(form.allowed, table, 0.0).max()) for model, table in form.bytes_of.get(pool.name, {}).items()}
    split = [(size / pool.split[model], pool.split[model]) for model, size in sizes.items() if is_split(pool.split, model, devices)]
    if not split or len(split) * devices > _PLACES:
        return False
    even = sum(size for model, size in sizes.items() if not is_split(pool.split, model, devices))
    return is_measured or (pool.memory is not None and even + devices * longest_first(split, devices) > pool.memory)


def _add_devices(made: Program, form: Form, pool: PoolBound, sizes: Mapping[str, int], scale: float) -> Sum:
    """Return the sum of what a pool needs where each model that is picked is placed on single devices."""
    model, devices = made.model, int(pool.devices or 0)
    loads: list[list[Sum | tuple[int, float]]] = [[] for _ in range(devices)]
    even = [(size, 1.0) for name, size in sizes.items() if not is_split(pool.split, name, devices)]
    for name in sizes:
        if not is_split(pool.split, name, devices):
            continue
        table, width = form.bytes_of[pool.name][name], pool.split[name]
        part = devices * float(np.where(form.allowed, table, 0.0).max()) / width / scale
        places = [model.column(0.0, 1.0, whole=True) for _ in range(devices)]
        for task in range(len(table)):
            chosen = form.allowed[task] & (table[task] > 0)
            if chosen.any():
                users = made.x[task][chosen]
                model.row(total(*((place, 1.0) for place in places), Sum(users, np.full(len(users), -float(width)))), 0.0)
        for load, place in zip(loads, places, strict=True):
            load.append((place, -part))
    fullest = model.column()
    for load in loads:
        model.row(total((fullest, 1.0), *load), 0.0)
    # No placement takes less than the sum of all: so much the solver sees at once.
    model.row(total((fullest, 1.0), *((size, -1.0) for name, size in sizes.items() if is_split(pool.split, name, devices))), 0.0)
    return scaled(total((fullest, 1.0), *even), scale)


# ------------------------------------------------------------------------------------------------------------------- time


def _add_times(made: Program, form: Form, measures: Sequence[str]) -> None:
    """Add the makespans that matter, and what follows from them."""
    bounds = form.problem.bounds
    charged = any(watts > 0 for _, watts in form.wakes.values()) and ("energy" in measures or bounds.energy is not None)
    timed = bounds.latency is not None or "latency" in measures
    expected = None
    if timed:
        makespan = _add_line(made, form, form.line, bounds.latency)
        made.sums["latency"] = total((makespan, 1.0))
        expected = makespan if bounds.percentile is Percentile.P50 else None
    if charged:
        if expected is None:
            expected = _add_line(made, form, form.expected, None)
        made.sums["energy"] = total(made.sums["energy"], *_add_wakes(made, form, expected))


def _add_line(made: Program, form: Form, line: Line, limit: float | None) -> int:
    """Add start and finish of every task by these durations; return the column of the makespan."""
    model, graph = made.model, form.graph
    heads, rests = spans(form, line)
    most = _longest(form, line) if limit is None else limit
    # Without streams a task's start is no column of its own.
    involved = {task for task, sources in enumerate(graph.streams) if sources} | {source for sources in graph.streams for source in sources}
    shortest = [float(line.whole[task][form.allowed[task]].min()) for task in range(len(heads))]
    finish = [model.column(head + short, max(head + short, most - rest)) for head, short, rest in zip(heads, shortest, rests, strict=True)]
    start = {task: model.column(heads[task]) for task in sorted(involved)}
    for task, parents in enumerate(graph.parents):
        whole = scaled(_of_task(made, form, task, line.whole), -1.0)
        if task in start:
            model.row(total((finish[task], 1.0), (start[task], -1.0), whole), 0.0)
            for parent in parents:
                model.row(total((start[task], 1.0), (finish[parent], -1.0)), 0.0)
        else:
            for parent in parents:
                model.row(total((finish[task], 1.0), (finish[parent], -1.0), whole), 0.0)
            if not parents or graph.ready[task] > 0:
                model.row(total((finish[task], 1.0), whole), graph.ready[task])
        for source in graph.streams[task]:
            first = scaled(_of_task(made, form, source, line.first), -1.0)
            last = scaled(_of_task(made, form, task, line.last), -1.0)
            model.row(total((start[task], 1.0), (start[source], -1.0), first), 0.0)
            model.row(total((finish[task], 1.0), (finish[source], -1.0), last), 0.0)
    makespan = model.column(0.0, math.inf if limit is None else limit)
    for task, column in enumerate(finish):
        if not graph.children[task] and not graph.streamed[task]:
            model.row(total((makespan, 1.0), (column, -1.0)), 0.0)
    for work in form.works:
        model.row(total((makespan, 1.0), scaled(_sum(made, form, work.coefficients), -1.0)), -work.limit)
    return makespan


def _add_wakes(made: Program, form: Form, makespan: int) -> list[tuple[int, float]]:
    """Return the columns of the seconds that what is woken is on, with its watts.

    Parts of one pool are on either each by itself or, where that draws less, the pool as a whole: then it does not matter which of them.
    """
    found: list[tuple[int, float]] = []
    whole: dict[str, int] = {}
    pools = {pool.name: pool for pool in form.problem.pools}
    for name, (marks, watts) in form.wakes.items():
        of = pools[name].part_of or name
        drawn = math.fsum(watts for other, (_, watts) in form.wakes.items() if of in (pools[other].part_of, other))
        if watts <= 0:
            continue
        if of not in whole and drawn > pools[of].base_watts:
            whole[of], seconds = _add_wake(made, form, makespan)
            found.append((seconds, pools[of].base_watts))
        woken, seconds = _add_wake(made, form, makespan)
        found.append((seconds, watts))
        enough = [(woken, 1.0), *([(whole[of], 1.0)] if of in whole else [])]
        users_of = marks & form.allowed
        for task in np.flatnonzero(users_of.any(axis=1)).tolist():
            users = made.x[task][users_of[task]]
            made.model.row(total(*enough, Sum(users, -np.ones(len(users)))), 0.0)
    return found


def _add_wake(made: Program, form: Form, makespan: int) -> tuple[int, int]:
    """Return the columns of whether something asleep is woken and of the seconds that it is on: the makespan, or none (McCormick 1976)."""
    model, bounds = made.model, form.problem.bounds
    woken = model.column(0.0, 1.0, whole=True)
    least, most = spans_total(form, form.expected), _longest(form, form.expected)
    if bounds.latency is not None and bounds.percentile is Percentile.P50:
        most = min(most, bounds.latency)
    seconds = model.column()
    model.row(total((seconds, 1.0), (makespan, -1.0), (woken, -most)), -most)
    model.row(total((seconds, 1.0), (woken, -least)), 0.0)
    return woken, seconds


def spans(form: Form, line: Line) -> tuple[list[float], list[float]]:
    """Return for every task the least seconds before it starts, and after it ends."""
    least = _least(form, line.whole)
    first, last = _least(form, line.first), _least(form, line.last)
    graph = form.graph
    heads: list[float] = []
    ends: list[float] = []
    for task, parents in enumerate(graph.parents):
        begun = max([graph.ready[task], *(ends[parent] for parent in parents), *(heads[s] + first[s] for s in graph.streams[task])])
        heads.append(begun)
        ends.append(max([begun + least[task], *(ends[source] + last[task] for source in graph.streams[task])]))
    rests = [0.0] * len(least)
    for task in reversed(range(len(least))):
        after = [least[child] + rests[child] for child in graph.children[task]]
        rests[task] = max([0.0, *after, *(last[child] + rests[child] for child in graph.streamed[task])])
    return heads, rests


def spans_total(form: Form, line: Line) -> float:
    """Return the least seconds that the whole can take."""
    first, last = (_least(form, line.first), _least(form, line.last)) if form.graph.has_streams else ((), ())
    return longest(form.graph, _least(form, line.whole), first, last)


def _least(form: Form, table: Array) -> list[float]:
    return np.where(form.allowed, table, np.inf).min(axis=1).tolist()  # type: ignore[no-any-return]


def _longest(form: Form, line: Line) -> float:
    """Return seconds that the whole cannot exceed: everything one after the other, or the slowest work."""
    most = np.maximum(np.maximum(line.whole, line.first), line.last)
    path = float(np.where(form.allowed, most, 0.0).max(axis=1).sum()) + max(form.graph.ready, default=0.0)
    works = [float(np.where(form.allowed, work.coefficients, 0.0).max(axis=1).sum()) - work.limit for work in form.works]
    return max([path, *works])


# ----------------------------------------------------------------------------------------------------------------- limits


def _add_limits(made: Program, form: Form) -> None:
    limits: list[tuple[str, float]] = [(row.name, row.limit) for row in form.rows.values() if row.limit < math.inf]
    limits += [(f"memory:{pool.name}", pool.memory) for pool in form.problem.pools if pool.memory is not None]
    if form.problem.bounds.latency is not None:
        limits.append(("latency", form.problem.bounds.latency))
    for name, limit in limits:
        of = made.sums[name]
        scale = scale_of(of, limit)
        made.limits[name] = (made.model.row(scaled(of, 1.0 / scale), upper=limit / scale), scale)


def scale_of(of: Sum, limit: float, usual: float = 1.0) -> float:
    """Return what the row of a limit is divided by: the limit, unless it is tiny beside the factors times a column's *usual* size."""
    return max(abs(limit), _TINY * usual * float(np.abs(of.factors).max(initial=0.0))) or 1.0
