"""policy: makes a selection feasible, then better, by moves of one task and of two. Deterministic; every answer is measured."""

import math
from typing import Final

import numpy as np

from murakkab.optimizer.dual import Dual
from murakkab.optimizer.form import Array, Columns, Form, Line, Tie
from murakkab.optimizer.packing import memory_used
from murakkab.optimizer.paths import length_of, times_of
from murakkab.optimizer.problem import TOLERANCE
from murakkab.optimizer.totals import base_watts

#: Moves that pairs are made of, and candidates that are measured before a neighbourhood is given up.
_PAIRED: Final = 160
_MEASURED: Final = 24
_ROOM: Final = 0.5 * TOLERANCE


class Local:
    """Local search in a form. `value` of a selection is infinite as long as it passes a limit."""

    def __init__(self, form: Form, measure: str, dual: Dual) -> None:
        self.form, self.measure = form, measure
        problem = form.problem
        self.limit, self.energy = problem.bounds.latency, problem.bounds.energy
        self.has_time = self.limit is not None or measure == "latency"
        rows = [row for row in form.rows.values() if row.limit < math.inf]
        scales = [abs(row.limit) or float(np.abs(row.coefficients).max(initial=0.0)) or 1.0 for row in rows]
        shape = (len(rows), *form.allowed.shape)
        self.table = np.array([row.coefficients / scale for row, scale in zip(rows, scales, strict=True)]).reshape(shape)
        self.limits = np.array([row.limit / scale for row, scale in zip(rows, scales, strict=True)])
        self.cost = form.rows[measure].coefficients if measure in form.rows else dual.time_cost
        self.reduced = np.where(form.allowed, dual.reduced, np.inf)
        self.span = float(np.where(form.allowed, self.reduced, 0.0).max(initial=0.0)) or 1.0
        #: Whether there is what the rows do not see.
        self.is_rich = bool(form.ties or form.wakes) or any(pool.memory is not None for pool in problem.pools)
        self.places = np.arange(form.allowed.shape[0])
        #: The task and the option of every move that there can be.
        self.task_of, self.option_of = np.nonzero(form.allowed)
        self.ties: dict[int, list[Tie]] = {}
        for tie in form.ties:
            for member in tie.members:
                self.ties.setdefault(member, []).append(tie)

    # ------------------------------------------------------------------------------------------------------------ measuring

    def sums(self, columns: Columns) -> Array:
        """Return what is used of the limited rows."""
        return np.asarray(self.table[:, self.places, columns].sum(axis=1))

    def length(self, columns: Columns, line: Line | None = None) -> float:
        """Return the makespan; *line*: by other durations than those that latency is made of."""
        works = [float(work.coefficients[self.places, columns].sum()) - work.limit for work in self.form.works]
        return max([length_of(self.form, line or self.form.line, columns), *works])

    def measured(self, columns: Columns) -> tuple[float, float]:
        """Return by how much limits are passed, as parts of them, in all; and the value of the measure."""
        over = float(np.maximum(self.sums(columns) - self.limits - _ROOM, 0.0).sum())
        length = self.length(columns) if self.has_time else 0.0
        if self.limit is not None:
            over += _over(length, self.limit)
        value = length if self.measure == "latency" else float(self.cost[self.places, columns].sum())
        return self._with_the_rest(columns, over, value) if self.is_rich else (over, value)

    def _with_the_rest(self, columns: Columns, over: float, value: float) -> tuple[float, float]:
        """Return the same with links, memory and base power."""
        form = self.form
        for tie in form.ties:
            over += len(set(tie.keys[list(tie.members), columns[list(tie.members)]].tolist())) - 1
        for pool in form.problem.pools:
            if pool.memory is not None:
                tables = form.bytes_of.get(pool.name, {})
                sizes = {model: float(table[self.places, columns].max()) for model, table in tables.items()}
                over += _over(memory_used(sizes, pool.split, pool.devices), pool.memory)
        woken = [name for name, (marks, _) in form.wakes.items() if marks[self.places, columns].any()]
        watts = base_watts(form.problem.pools, woken) if woken else 0.0
        if watts and (self.measure == "energy" or self.energy is not None):
            base = watts * self.length(columns, form.expected)
            marginal = float(form.rows["energy"].coefficients[self.places, columns].sum())
            value += base if self.measure == "energy" else 0.0
            if self.energy is not None:
                over += _over(marginal + base, self.energy) - _over(marginal, self.energy)
        return over, value

    # --------------------------------------------------------------------------------------------------------------- moving

    def improved(self, columns: Columns) -> tuple[float, Columns] | None:
        """Return the value and columns of a feasible selection near this one, as good as its moves make it; None where none is found."""
        found = self._repaired(columns)
        if found is None:
            return None
        for _ in range(4 * len(columns)):
            better = self._better(found[1], found[0])
            if better is None:
                break
            found = better
        return found

    def _repaired(self, columns: Columns) -> tuple[float, Columns] | None:
        """Return a feasible selection: by the moves that take away most of what is too much for what they cost at the prices."""
        over, value = self.measured(columns)
        for _ in range(3 * len(columns)):
            if over <= 0:
                return value, columns
            best: tuple[float, float, Columns] | None = None
            for move in self._repairs(columns, over):
                tried = self._after(columns, move)
                left_over, reached = self.measured(tried)
                if left_over < over * (1 - 1e-9) and (best is None or left_over < best[0]):
                    best = left_over, reached, tried
                    if not self.is_rich:
                        break
            if best is None:
                return None
            over, value, columns = best
        return (value, columns) if over <= 0 else None

    def _repairs(self, columns: Columns, over: float) -> Columns:
        """Return the moves, a line each, that take away most for what they cost."""
        moves = self._moves(columns)
        drops = over - self._left_over(columns, moves)
        costs = self._change(columns, moves, self.reduced)
        worth = np.where(drops > 1e-12, drops / (np.maximum(costs, 0.0) / self.span + 1e-3), drops - 1.0)
        return moves[np.argsort(-worth, kind="stable")[: 12 if self.is_rich else 4], None]

    def _better(self, columns: Columns, value: float) -> tuple[float, Columns] | None:
        """Return the value and columns of a better selection by the move that gains most, else by two that do; None where none does."""
        moves = self._moves(columns)
        gains, deltas = -self._change(columns, moves, self.cost), self._change(columns, moves, self.table)
        room = self.limits - self.sums(columns) + _ROOM
        late, saved = self._lateness(columns, moves)
        good = np.flatnonzero((gains > 1e-12 * max(abs(value), 1e-12)) & (deltas <= room[:, None]).all(axis=0) & (late <= 0.0))
        found = self._first_better(columns, value, moves[good[np.argsort(-gains[good], kind="stable")[:_MEASURED]], None])
        if found is not None:
            return found
        near = np.argsort(self._change(columns, moves, self.reduced), kind="stable")[:_PAIRED]
        of_task = self.task_of[moves[near]]
        return self._first_better(
            columns, value, moves[near[_pairs(of_task, gains[near], (deltas[:, near], room), (late[near], saved[near]))]]
        )

    def _first_better(self, columns: Columns, value: float, several: Columns) -> tuple[float, Columns] | None:
        """Return the value and columns after the first that makes it better of *several* lines of moves."""
        for moves in several:
            tried = self._after(columns, moves)
            over, reached = self.measured(tried)
            if over <= 0 and reached < value - 1e-12 * max(abs(value), 1e-12):
                return reached, tried
        return None

    def _lateness(self, columns: Columns, moves: Columns) -> tuple[Array, Array]:
        """Return by how many seconds the longest path through a moved task passes the limit, and how many the move itself saves."""
        nothing = np.zeros(len(moves))
        if self.limit is None or self.form.graph.has_streams or not len(moves):
            return nothing, nothing
        times, change = times_of(self.form, self.form.line, columns), self._change(columns, moves, self.form.line.whole)
        through = (np.array(times.end) + np.array(times.after_end))[self.task_of[moves]] + change
        return through - self.limit * (1 + _ROOM), np.maximum(-change, 0.0)

    def _moves(self, columns: Columns) -> Columns:
        """Return every move but those that change nothing: places in `task_of` and `option_of`."""
        return np.flatnonzero(self.option_of != columns[self.task_of])

    def _after(self, columns: Columns, moves: Columns) -> Columns:
        """Return the columns after moves; the tasks linked to one that changes its key follow it, each by its cheapest option."""
        changed = columns.copy()
        for task, column in zip(self.task_of[moves].tolist(), self.option_of[moves].tolist(), strict=True):
            changed[task] = column
            for tie in self.ties.get(task, ()):
                key = tie.keys[task, column]
                for member in tie.members:
                    same = self.form.allowed[member] & (tie.keys[member] == key)
                    if tie.keys[member, changed[member]] != key and same.any():
                        changed[member] = np.where(same, self.reduced[member], np.inf).argmin()
        return changed

    def _change(self, columns: Columns, moves: Columns, table: Array) -> Array:
        """Return by how much each move changes the sum over the picks of a table, or of each of several."""
        tasks = self.task_of[moves]
        return np.asarray(table[..., tasks, self.option_of[moves]] - table[..., self.places, columns][..., tasks])

    def _left_over(self, columns: Columns, moves: Columns) -> Array:
        """Return by how much limits are still passed after each move, as far as rows and the paths through the moved task tell."""
        sums = self.sums(columns)[:, None] + self._change(columns, moves, self.table)
        over = np.maximum(sums - self.limits[:, None] - _ROOM, 0.0).sum(axis=0)
        if self.limit is None:
            return np.asarray(over)
        times, tasks = times_of(self.form, self.form.line, columns), self.task_of[moves]
        around = np.array(times.start) + np.array(times.after_end)
        through = around[tasks] + self.form.line.whole[tasks, self.option_of[moves]]
        was = (around + self.form.line.whole[self.places, columns])[tasks]
        length = np.where(was >= times.length * (1 - 1e-12), through, np.maximum(times.length, through))
        return np.asarray(over + np.maximum(length / max(self.limit, 1e-12) - 1.0 - _ROOM, 0.0))


def _pairs(of_task: Columns, gains: Array, sums: tuple[Array, Array], time: tuple[Array, Array]) -> Columns:
    """Return pairs of places, a line each, of moves of different tasks that gain something together and fit the rows, the best first.

    *sums*: what each changes in the rows, and the room there. *time*: by how much each is too late, and what it saves: one that is too late
    needs another that saves as much.
    """
    (deltas, room), (late, saved) = sums, time
    together = gains[:, None] + gains[None, :]
    fits = (together > 1e-12) & (of_task[:, None] < of_task[None, :])
    fits &= (late[:, None] <= saved[None, :]) & (late[None, :] <= saved[:, None])
    ones, others = np.nonzero(fits)
    for row in range(len(room)):
        kept = deltas[row, ones] + deltas[row, others] <= room[row]
        ones, others = ones[kept], others[kept]
    order = np.argsort(-together[ones, others], kind="stable")[:_MEASURED]
    return np.column_stack((ones[order], others[order]))


def _over(value: float, limit: float) -> float:
    """Return by which part of itself a limit is passed."""
    return max(0.0, (value - limit) / max(abs(limit), 1e-9) - _ROOM)
