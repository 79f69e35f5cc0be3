"""policy: the Lagrangian of a selection - limits become prices, and every task picks for itself. Gives bounds, prices and candidates.

The dual function is concave and piecewise linear. It is smoothed - every task mixes its options as at a temperature (Nesterov 2005) - and
climbed by Newton's method behind a logarithmic barrier that keeps prices positive, while temperature and barrier fall together. At every
step the true function gives a bound that holds whatever the smoothing does. A critical path is a limit like the others: each that was met
on the way is a row (Kelley 1960), and the makespan mixes its least and its most. What the prices leave out - links, memory, base power -
only makes the true optimum worse, so that the bound still holds.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from murakkab.optimizer.form import Array, Columns, Form
from murakkab.optimizer.model import spans_total
from murakkab.optimizer.paths import critical, times_of

#: At most so many paths are rows.
PATHS: Final = 40
_STEPS: Final = 2
_COOLING: Final = 0.5
_COLDEST: Final = 2e-6
_FORBIDDEN: Final = 1e30


@dataclass(slots=True)
class Dual:
    """The best bound found, what each option then costs more than its task's best, the prices of the limits per unit, and candidates.

    `seen`: selections that the prices made on the way, the latest first. `mix`: how the tasks mix their options in the relaxed optimum.
    `time_cost`: what the options' durations cost at the prices of the paths.
    """

    bound: float
    reduced: Array
    prices: dict[str, float]
    mix: Array
    time_cost: Array
    seen: list[Columns] = field(default_factory=list)


@dataclass(slots=True)
class _Rows:
    """The limited sums, each divided by its scale: `table` rows x (units * options). Works and paths come last."""

    names: list[str]
    scales: list[float]
    table: Array
    limits: Array

    def add(self, name: str, scale: float, coefficients: Array, limit: float) -> None:
        """Add a row."""
        self.table = np.vstack([self.table, (coefficients / scale).reshape(1, -1)])
        self.limits = np.append(self.limits, limit / scale)
        self.names.append(name)
        self.scales.append(scale)


def dual_of(form: Form, measure: str) -> Dual:
    """Return the best bound on *measure* (that of the quality's row is negative) that its prices give, and what else they tell."""
    return _Ascent(form, measure).climb()


class _Ascent:
    """One climb. The last unit is no task: its two options are the least and the most that the makespan can be."""

    def __init__(self, form: Form, measure: str) -> None:
        self.form = form
        tasks, width = form.allowed.shape
        self.tasks = tasks
        self.line = form.line
        limit = form.problem.bounds.latency
        self.timed = measure == "latency"
        self.has_time = self.timed or limit is not None
        self.shape = (tasks + self.has_time, max(width, 2))
        self.allowed = np.zeros(self.shape, dtype=np.bool_)
        self.allowed[:tasks, :width] = form.allowed
        row = form.rows.get(measure)
        cost = np.zeros(self.shape)
        if row is not None:
            cost[:tasks, :width] = row.coefficients
        self.least = spans_total(form, self.line) if self.has_time else 0.0
        worst = float(np.where(form.allowed, self.line.whole, 0.0).max(axis=1).sum()) + max(form.graph.ready, default=0.0)
        self.most = max(worst, self.least) if limit is None else max(limit, self.least)
        if self.has_time:
            self.allowed[tasks, :2] = True
            cost[tasks, :2] = (self.least, self.most) if self.timed else (0.0, 0.0)
        spread = np.where(self.allowed, cost, -np.inf).max(axis=1) - np.where(self.allowed, cost, np.inf).min(axis=1)
        self.unit = float(spread.sum()) / max(tasks, 1) or 1.0
        self.cost = np.where(self.allowed, cost / self.unit, _FORBIDDEN)
        self.rows = _Rows([], [], np.zeros((0, self.allowed.size)), np.zeros(0))
        for one in form.rows.values():
            if one.limit < math.inf:
                self.rows.add(one.name, float(np.abs(one.coefficients).max(initial=0.0)) or 1.0, self._fit(one.coefficients), one.limit)
        if self.has_time:
            for work in form.works:
                self._add_time(work.coefficients, work.limit)

    def _fit(self, coefficients: Array) -> Array:
        table = np.zeros(self.shape)
        table[: self.tasks, : coefficients.shape[1]] = coefficients
        return table

    def _add_time(self, coefficients: Array, limit: float) -> None:
        """Add a row that says: this sum is no more than the makespan."""
        table = self._fit(coefficients)
        table[self.tasks, :2] = (-self.least, -self.most)
        self.rows.add("latency", self.most or 1.0, table, limit)

    def climb(self) -> Dual:
        """Return what the climb finds."""
        nothing = np.zeros(self.form.allowed.shape)
        best = Dual(-math.inf, nothing, {}, nothing, nothing)
        prices = np.full(len(self.rows.limits), 0.1)
        known: set[bytes] = set()
        heat = 0.3
        while heat > _COLDEST:
            for _ in range(_STEPS):
                columns = self._look(prices, best)
                if (seal := columns.tobytes()) not in known:
                    known.add(seal)
                    best.seen.append(columns)
                    if self._add_path(columns):
                        prices = np.append(prices, max(heat, 1e-4))
                prices = self._newton(prices, heat)
            heat *= _COOLING
        best.mix = self._mixed(prices, heat / _COOLING)[1][: self.tasks, : self.form.allowed.shape[1]]
        if self.timed:
            timed = np.array([price if name == "latency" else 0.0 for name, price in zip(self.rows.names, prices, strict=True)])
            best.time_cost = (timed @ self.rows.table).reshape(self.shape)[: self.tasks, : self.form.allowed.shape[1]] * self.unit
        best.seen.reverse()
        return best

    def _weights(self, prices: Array) -> Array:
        return np.asarray(self.cost + (prices @ self.rows.table).reshape(self.shape))

    def _look(self, prices: Array, best: Dual) -> Columns:
        """Return what every task picks at these prices, having noted the bound that they give."""
        weights = self._weights(prices)
        columns = weights.argmin(axis=1)
        least = weights[np.arange(len(columns)), columns]
        bound = float(least.sum() - prices @ self.rows.limits) * self.unit
        if bound > best.bound:
            width = self.form.allowed.shape[1]
            best.bound = bound
            best.reduced = (weights - least[:, None])[: self.tasks, :width] * self.unit
            best.prices = {}
            for name, scale, price in zip(self.rows.names, self.rows.scales, prices.tolist(), strict=True):
                best.prices[name] = best.prices.get(name, 0.0) + price * self.unit / scale
        return np.asarray(columns[: self.tasks])

    def _mixed(self, prices: Array, heat: float) -> tuple[float, Array]:
        """Return the smoothed dual function and the mix of every unit's options."""
        weights = self._weights(prices)
        least = weights.min(axis=1, keepdims=True)
        shares = np.exp((least - weights) / heat)
        sums = shares.sum(axis=1, keepdims=True)
        value = float(least.sum() - heat * np.log(sums).sum() - prices @ self.rows.limits)
        return value, shares / sums

    def _newton(self, prices: Array, heat: float) -> Array:
        """Return the prices after one step of Newton's method on the smoothed function and the barrier."""
        if not len(prices):
            return prices
        value, mix = self._mixed(prices, heat)
        value += heat * float(np.log(prices).sum())
        weighted = self.rows.table * mix.ravel()
        means = weighted.reshape(-1, *self.shape).sum(axis=2)
        slope = means.sum(axis=1) - self.rows.limits + heat / prices
        bend = (weighted @ self.rows.table.T - means @ means.T) / heat + np.diag(heat / prices**2 + 1e-9)
        step = np.linalg.solve(bend, slope)
        falling = step < 0
        length = min(1.0, 0.9 * float((prices[falling] / -step[falling]).min())) if falling.any() else 1.0
        gain = float(slope @ step)
        for _ in range(12):
            tried = prices + length * step
            reached = self._mixed(tried, heat)[0] + heat * float(np.log(tried).sum())
            if reached >= value + 1e-4 * length * gain:
                return np.asarray(tried)
            length *= 0.4
        return prices

    def _add_path(self, columns: Columns) -> bool:
        """Add the critical path of a selection as a row, if it is too long and new."""
        if not self.has_time or self.rows.names.count("latency") >= PATHS:
            return False
        times = times_of(self.form, self.line, columns)
        if times.length <= self.most * (1 + 1e-9) and not self.timed:
            return False
        begin, table = critical(self.form, self.line, columns, times)
        size = len(self.rows.names)
        self._add_time(table, -begin)
        if (np.abs(self.rows.table[:size] - self.rows.table[size]).max(axis=1, initial=0.0) < 1e-12).any():
            self.rows.table, self.rows.limits = self.rows.table[:size], self.rows.limits[:size]
            self.rows.names.pop()
            self.rows.scales.pop()
            return False
        return True
