"""policy: finds a selection within all limits by depth-first search, or proves that there is none; for few tasks, in plain Python.

A branch is left when the least that the open tasks can still use no longer fits a limit. Whatever HiGHS takes to start, this has begun.
"""

import math

import numpy as np

from murakkab.optimizer.form import Array, Columns
from murakkab.optimizer.model import spans
from murakkab.optimizer.polish import Local
from murakkab.optimizer.problem import TOLERANCE
from murakkab.optimizer.screen import Marks


class OutOfNodes(Exception):
    """The search has used up its nodes; nothing is proven."""


def first_feasible(local: Local, order: Array, nodes: int) -> Columns | None:
    """Return a selection that keeps all limits; None: there is none. *order*: options of a task are tried from its least on.

    Raises `OutOfNodes` after so many *nodes*.
    """
    return _Search(local, order, nodes).run()


class _Search:
    def __init__(self, local: Local, order: Array, nodes: int) -> None:
        form = local.form
        self.local, self.form, self.nodes = local, form, nodes
        self.tasks = form.allowed.shape[0]
        self.limit = math.inf if local.limit is None else local.limit * (1 + TOLERANCE)
        works = () if local.limit is None else form.works
        self.table = np.concatenate([local.table, np.array([work.coefficients for work in works]).reshape(-1, *form.allowed.shape)])
        self.room = np.concatenate([local.limits + TOLERANCE, [work.limit + self.limit for work in works]])
        least = np.where(form.allowed[None], self.table, np.inf).min(axis=2)
        #: What the tasks from each one on use at the least, and the seconds that must follow each.
        self.rest = np.concatenate([np.cumsum(least[:, ::-1], axis=1)[:, ::-1], np.zeros((len(least), 1))], axis=1)
        self.after = spans(form, form.line)[1]
        self.order = np.where(form.allowed, order, np.inf)
        self.columns = form.allowed.argmax(axis=1)
        self.start, self.end, self.first = ([0.0] * self.tasks for _ in range(3))

    def run(self) -> Columns | None:
        return self.columns if self._descend(0, np.zeros(len(self.room))) else None

    def _descend(self, task: int, used: Array) -> bool:
        if task == self.tasks:
            return self.local.measured(self.columns)[0] <= 0
        using = used[:, None] + self.table[:, task]
        fits = self.form.allowed[task] & (using + self.rest[:, task + 1, None] <= self.room[:, None]).all(axis=0) & self._tied(task)
        self.nodes -= 1
        if self.nodes < 0:
            raise OutOfNodes
        for column in np.argsort(self.order[task], kind="stable").tolist():
            if fits[column] and self._is_in_time(task, column):
                self.columns[task] = column
                if self._descend(task + 1, using[:, column]):
                    return True
        return False

    def _is_in_time(self, task: int, column: int) -> bool:
        """Return whether a task so done leaves time for what must follow; its times are kept for those after it."""
        graph, line = self.form.graph, self.form.line
        begun = max([graph.ready[task], *(self.end[parent] for parent in graph.parents[task])])
        for source in graph.streams[task]:
            begun = max(begun, self.start[source] + self.first[source])
        self.start[task], self.first[task] = begun, float(line.first[task, column])
        end = begun + float(line.whole[task, column])
        for source in graph.streams[task]:
            end = max(end, self.end[source] + float(line.last[task, column]))
        self.end[task] = end
        return end + self.after[task] <= self.limit

    def _tied(self, task: int) -> Marks:
        """Return which options have the keys of the earlier tasks of their links."""
        fits = np.ones(self.form.allowed.shape[1], dtype=np.bool_)
        for tie in self.local.ties.get(task, ()):
            for member in tie.members:
                if member < task:
                    fits &= tie.keys[task] == tie.keys[member, self.columns[member]]
        return fits
