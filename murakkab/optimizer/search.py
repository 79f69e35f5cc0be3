"""policy: finds a selection within all limits by depth-first search, or proves that there is none; for few tasks, in plain Python.

A branch is left when the least that the open tasks can still use no longer fits a limit. Whatever HiGHS takes to start, this has begun.
"""

import numpy as np

from murakkab.optimizer.form import Array, Columns
from murakkab.optimizer.paths import times_of
from murakkab.optimizer.polish import Local


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
        self.room = local.limits + 1e-6
        least = np.where(form.allowed[None], local.table, np.inf).min(axis=2)
        #: What the tasks from each one on use at the least.
        self.rest = np.concatenate([np.cumsum(least[:, ::-1], axis=1)[:, ::-1], np.zeros((len(least), 1))], axis=1)
        self.ranked = [
            np.flatnonzero(form.allowed[task])[np.argsort(order[task][form.allowed[task]], kind="stable")] for task in range(self.tasks)
        ]
        #: Options that let the open tasks be as quick as they can be.
        self.columns = np.where(form.allowed, form.line.whole, np.inf).argmin(axis=1)
        self.quickest = self.columns.copy()
        self.is_timed = local.limit is not None
        if form.graph.has_streams or form.works:
            self.is_timed = False

    def run(self) -> Columns | None:
        if not self.form.allowed.any(axis=1).all():
            return None
        return self.columns.copy() if self._descend(0, np.zeros(len(self.room))) else None

    def _descend(self, task: int, used: Array) -> bool:
        if task == self.tasks:
            return self.local.measured(self.columns)[0] <= 0
        for column in self.ranked[task]:
            self.nodes -= 1
            if self.nodes < 0:
                raise OutOfNodes
            using = used + self.local.table[:, task, column]
            if (using + self.rest[:, task + 1] > self.room).any() or self._is_torn(task, int(column)):
                continue
            self.columns[task] = column
            if not self._is_late() and self._descend(task + 1, using):
                return True
        self.columns[task] = self.quickest[task]
        return False

    def _is_late(self) -> bool:
        """Return whether the latest end is past the limit even if all open tasks are as quick as they can be."""
        if not self.is_timed or self.local.limit is None:
            return False
        return times_of(self.form, self.form.line, self.columns).length > self.local.limit * (1 + 1e-6)

    def _is_torn(self, task: int, column: int) -> bool:
        """Return whether a link's earlier task has another key."""
        for tie in self.local.ties.get(task, ()):
            for member in tie.members:
                if member < task and tie.keys[member, self.columns[member]] != tie.keys[task, column]:
                    return True
        return False
