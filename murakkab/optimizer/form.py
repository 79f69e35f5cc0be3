"""policy: a problem as arrays - tasks x options, filled up with forbidden ones - that the solvers share."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from murakkab.optimizer.limits import with_limits
from murakkab.optimizer.problem import Option, Percentile, Problem, Rule, Task
from murakkab.optimizer.screen import Marks, undominated
from murakkab.optimizer.totals import first_of, last_of, tail_of

Array = npt.NDArray[np.float64]
#: The place of an option, for every task.
Columns = npt.NDArray[np.int64]
#: The quality that stands for none where its logarithm is wanted.
LEAST_QUALITY: Final = 1e-9
#: What is minimised where nothing else is: the places of the picks among their task's options.
ORDER: Final = "order"


@dataclass(frozen=True, slots=True)
class Line:
    """Durations at one percentile, tasks x options: of the whole, to the first element, after the last of the source."""

    whole: Array
    first: Array
    last: Array


@dataclass(frozen=True, slots=True)
class Graph:
    """Who waits for whom, by places of tasks; the reverse; and whether there is any stream."""

    parents: tuple[tuple[int, ...], ...]
    streams: tuple[tuple[int, ...], ...]
    children: tuple[tuple[int, ...], ...]
    streamed: tuple[tuple[int, ...], ...]
    ready: tuple[float, ...]
    has_streams: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A sum over the picks, `coefficients` tasks x options, and what it may be at most (infinite: it is only measured)."""

    name: str
    coefficients: Array
    limit: float = math.inf


@dataclass(frozen=True, slots=True)
class Tie:
    """A link: the places of its tasks, and of every option of every task a number for its key."""

    members: tuple[int, ...]
    keys: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Form:
    """A problem in arrays. `allowed` marks the options that are there and still in question.

    `rows` are the sums that are limited or minimised; that of quality is negated, so that less is better. `works` are sums that, less their
    `limit`, the makespan cannot be shorter than.
    """

    problem: Problem
    allowed: Marks
    expected: Line
    tail: Line
    graph: Graph
    rows: Mapping[str, Row]
    works: tuple[Row, ...]
    #: By pool, a table per model of the bytes that options keep there.
    bytes_of: Mapping[str, Mapping[str, Array]]
    #: By pool asleep, which options wake it, and its base watts.
    wakes: Mapping[str, tuple[Marks, float]]
    ties: tuple[Tie, ...]

    @property
    def line(self) -> Line:
        """Return the durations that latency is made of."""
        return self.tail if self.problem.bounds.percentile is Percentile.P90 else self.expected

    def options_of(self, columns: Sequence[int]) -> list[Option]:
        """Return the options that stand in these columns, one per task."""
        return [task.options[column] for task, column in zip(self.problem.tasks, columns, strict=True)]


def form_of(problem: Problem) -> Form:
    """Return the arrays of a problem, its dominated options no longer allowed."""
    fill = _Fill(problem.tasks)
    expected = Line(
        fill(lambda option: option.seconds),
        fill(lambda option: first_of(option, option.seconds)),
        fill(lambda option: last_of(option, option.seconds)),
    )
    tail = Line(
        fill(tail_of), fill(lambda option: first_of(option, tail_of(option))), fill(lambda option: last_of(option, tail_of(option)))
    )
    use = fill.named([pool.name for pool in problem.pools], lambda option: option.use)
    calls = fill.named([rate.name for rate in problem.rates], lambda option: option.calls)
    form = Form(
        problem,
        fill.there,
        expected,
        tail,
        _graph(problem.tasks),
        _rows(problem, fill, use, calls),
        _works(problem, use, calls),
        _bytes(problem, fill),
        _wakes(problem, fill),
        _ties(problem, fill),
    )
    return replace(form, allowed=undominated(_respects(form), _groups(form), fill.there))


def limited(form: Form, measure: str, value: float) -> Form:
    """Return the form with this limit on a measure instead of the one it had."""
    problem = with_limits(form.problem, {measure: value})
    row = form.rows.get(measure)
    if row is None:
        return replace(form, problem=problem)
    limit = value
    if measure == "quality":
        limit = -value if problem.bounds.rule is Rule.MEAN else -math.log(max(value, LEAST_QUALITY))
    return replace(form, problem=problem, rows={**form.rows, measure: replace(row, limit=limit)})


class _Fill:
    """Makes tables of options: called with what to read of an option, gives tasks x options with zeros where there is none."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        lengths = [len(task.options) for task in tasks]
        self.there: Marks = np.arange(max(lengths, default=0))[None, :] < np.array(lengths, dtype=np.int64)[:, None]
        self.options = [option for task in tasks for option in task.options]

    def __call__(self, value: Callable[[Option], float]) -> Array:
        table = np.zeros(self.there.shape)
        table[self.there] = [value(option) for option in self.options]
        return table

    def named(self, names: Sequence[str], amounts: Callable[[Option], Mapping[str, float]]) -> dict[str, Array]:
        """Return a table per name of the amounts that options have by that name."""
        place = {name: number for number, name in enumerate(names)}
        flat = np.zeros((len(names), len(self.options)))
        for number, option in enumerate(self.options):
            for name, amount in amounts(option).items():
                if name in place:
                    flat[place[name], number] = amount
        tables = np.zeros((len(names), *self.there.shape))
        tables[:, self.there] = flat
        return {name: tables[number] for number, name in enumerate(names)}


def _graph(tasks: Sequence[Task]) -> Graph:
    places = {task.name: place for place, task in enumerate(tasks)}
    parents = tuple(tuple(places[name] for name in task.parents) for task in tasks)
    streams = tuple(tuple(places[name] for name in task.streams) for task in tasks)
    ready = tuple(task.ready for task in tasks)
    return Graph(parents, streams, _reversed(parents), _reversed(streams), ready, any(map(bool, streams)))


def _reversed(edges: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    found: list[list[int]] = [[] for _ in edges]
    for place, sources in enumerate(edges):
        for source in sources:
            found[source].append(place)
    return tuple(map(tuple, found))


# ------------------------------------------------------------------------------------------------------------------- rows


def _rows(problem: Problem, fill: _Fill, use: Mapping[str, Array], calls: Mapping[str, Array]) -> dict[str, Row]:
    bounds = problem.bounds
    rows = [
        Row("cost", fill(lambda option: option.usd), _limit(bounds.cost)),
        Row("energy", fill(lambda option: option.joules), _limit(bounds.energy)),
        *_quality(problem, fill),
        *(Row(f"capacity:{pool.name}", use[pool.name], _limit(pool.capacity)) for pool in problem.pools),
        *(Row(f"rate:{rate.name}", calls[rate.name], math.inf if rate.window else rate.calls) for rate in problem.rates),
    ]
    if not problem.minimize:
        places = np.broadcast_to(np.arange(fill.there.shape[1], dtype=np.float64), fill.there.shape)
        rows.append(Row(ORDER, np.where(fill.there, places, 0.0)))
    return {row.name: row for row in rows}


def _quality(problem: Problem, fill: _Fill) -> list[Row]:
    """Return the row of quality, negated; of nothing when no task has one."""
    weights = [task.weight if any(option.quality is not None for option in task.options) else 0.0 for task in problem.tasks]
    if not math.fsum(weights):
        return []
    floor = problem.bounds.quality
    of_task = np.array(weights).reshape(-1, 1)
    if problem.bounds.rule is Rule.PRODUCT:
        logarithms = fill(lambda option: math.log(max(option.quality or 0.0, LEAST_QUALITY)))
        return [Row("quality", -of_task * logarithms, math.inf if floor is None or floor <= 0 else -math.log(floor))]
    table = -of_task / math.fsum(weights) * fill(lambda option: option.quality or 0.0)
    return [Row("quality", table, math.inf if floor is None else -floor)]


def _works(problem: Problem, use: Mapping[str, Array], calls: Mapping[str, Array]) -> tuple[Row, ...]:
    pools = [Row(f"work:{pool.name}", use[pool.name] / pool.devices, 0.0) for pool in problem.pools if pool.devices]
    rates = [
        Row(f"window:{rate.name}", calls[rate.name] * (rate.window / rate.calls), rate.window)
        for rate in problem.rates
        if rate.window and rate.calls
    ]
    return tuple(row for row in (*pools, *rates) if row.coefficients.any())


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def value_of(measure: str, quantity: float, rule: Rule) -> float:
    """Return the value of a measure from the sum in its row: quality is turned round again."""
    if measure != "quality":
        return quantity
    return math.exp(-quantity) if rule is Rule.PRODUCT else -quantity


# ---------------------------------------------------------------------------------------- what is more than a sum of picks


def _bytes(problem: Problem, fill: _Fill) -> dict[str, dict[str, Array]]:
    models: dict[str, set[str]] = {}
    for option in fill.options:
        for pool, sizes in option.resident.items():
            models.setdefault(pool, set()).update(sizes)
    return {
        pool.name: {
            model: fill(lambda option, of=pool.name, model=model: option.resident.get(of, {}).get(model, 0.0))  # type: ignore[misc]
            for model in sorted(models[pool.name])
        }
        for pool in problem.pools
        if pool.name in models
    }


def _wakes(problem: Problem, fill: _Fill) -> dict[str, tuple[Marks, float]]:
    found: dict[str, tuple[Marks, float]] = {}
    for pool in problem.pools:
        marks = fill(lambda option, name=pool.name: float(name in option.use)) > 0  # type: ignore[misc]
        if not pool.is_on and marks.any():
            found[pool.name] = marks, pool.base_watts
    return found


def _ties(problem: Problem, fill: _Fill) -> tuple[Tie, ...]:
    places = {task.name: place for place, task in enumerate(problem.tasks)}
    found = []
    for link in problem.links:
        names = sorted({option.keys.get(link.name, "") for option in fill.options})
        numbers = {key: float(number) for number, key in enumerate(names)}
        keys = fill(lambda option, of=link.name, numbers=numbers: numbers[option.keys.get(of, "")])  # type: ignore[misc]
        found.append(Tie(tuple(places[name] for name in link.tasks), keys.astype(np.int64)))
    return tuple(found)


# -------------------------------------------------------------------------------------------------------------- respects


def _respects(form: Form) -> Array:
    """Return all that can make one option better than another; less is better."""
    tables = [row.coefficients for row in form.rows.values()]
    tables += [form.expected.whole, form.tail.whole]
    if form.graph.has_streams:
        tables += [form.expected.first, form.expected.last, form.tail.first, form.tail.last]
    tables += [marks.astype(np.float64) for marks, _ in form.wakes.values()]
    tables += [table for models in form.bytes_of.values() for table in models.values()]
    return np.stack(tables, axis=2)


def _groups(form: Form) -> npt.NDArray[np.int64]:
    """Return a number per option that is the same for those of one task that have the same keys in its links."""
    groups = np.zeros(form.allowed.shape, dtype=np.int64)
    for tie in form.ties:
        members = list(tie.members)
        groups[members] = groups[members] * (int(tie.keys.max()) + 1) + tie.keys[members]
    return groups
