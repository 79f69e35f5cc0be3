"""policy: how many tasks of each step are left in a running job - counted where its state tells, expected elsewhere."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Final, NamedTuple

from murakkab.optimizer.expected import Count
from murakkab.plan import Body, Node, TaskGraph
from murakkab.runtime.ending import SETTLED
from murakkab.runtime.records import Frame, Rounds, Status, StepRecord, TaskRecord
from murakkab.runtime.state import JobState


class Left(NamedTuple):
    """So many `tasks` of a step, of which so many have to follow each other (`rounds`)."""

    tasks: float = 0.0
    rounds: float = 0.0

    def waves(self, width: float) -> float:
        """Return how many tasks one after the other that takes, where so many can run at once."""
        if not self.tasks:
            return 0.0
        # A millionth of a wave is the arithmetic's.
        return self.rounds * max(1.0, ceil(self.tasks / self.rounds / width - 1e-6))

    def share(self, width: float) -> float:
        """Return the same as a selection reckons with it, which knows no waves: tasks of other steps may fill the last."""
        return max(self.rounds, self.tasks / width) if self.tasks else 0.0


#: By path of a step that is no graph itself.
Lefts = Mapping[str, Left]
NOTHING: Final = Left()


class Remaining:
    """Counts what is left of jobs of one graph; *counts*: what is expected of each node where nothing is known yet.

    `visited` grows with every step and every task that is looked at.
    """

    def __init__(self, graph: TaskGraph, counts: Mapping[str, Count]) -> None:
        self._graph, self._counts = graph, counts
        self._rounds: dict[str, Lefts] = {}
        self.visited = 0

    def whole(self) -> Lefts:
        """Return what a whole job is expected to have."""
        return _beside([*map(self._step_to_be, self._graph.nodes.values()), self._last_to_be()])

    def of(self, state: JobState) -> Lefts:
        """Return what is left of a job: tasks that have not settled, and those that are yet to be made."""
        return _beside([self._frame(state.root), self._last(state)])

    # ------------------------------------------------------------------------------------------------------------- expected

    def _last_to_be(self) -> Lefts:
        last = self._graph.finally_
        return {} if last is None else _beside(map(self._step_to_be, last.nodes.values()))

    def _step_to_be(self, node: Node) -> Lefts:
        return _times(self._task_to_be(node), self._counts[node.path].tasks, 1.0)

    def _task_to_be(self, node: Node) -> Lefts:
        if node.body is None:
            return {node.path: Left(1.0, 1.0)}
        rounds = self._counts[node.path].rounds
        return _times(self._round_to_be(node, node.body), rounds, rounds)

    def _round_to_be(self, node: Node, body: Body) -> Lefts:
        found = self._rounds.get(node.path)
        if found is None:
            # The one step of a loop has the path of the loop, and with it its count.
            found = {node.path: Left(1.0, 1.0)} if body.only else _beside(map(self._step_to_be, body.nodes.values()))
            self._rounds[node.path] = found
        return found

    # -------------------------------------------------------------------------------------------------------------- counted

    def _last(self, state: JobState) -> Lefts:
        if state.finale is None:
            return self._last_to_be()
        work = state.finale.work
        return self._frame(work.frame) if type(work) is Rounds and work.frame is not None else {}

    def _frame(self, frame: Frame) -> Lefts:
        found: list[Lefts] = []
        gone: set[str] = set()
        self.visited += len(frame.steps)
        for name, step in frame.steps.items():
            if step.status in SETTLED:
                if step.status is not Status.SUCCEEDED:
                    gone.add(name)
            elif not step.node.is_late:
                is_gone = step.must_skip or (bool(gone) and _needs_one_of(step.node, gone))
                if is_gone:
                    gone.add(name)
                found.append(self._step(step, is_last=is_gone or bool(frame.ending)))
        return _beside(found)

    def _step(self, step: StepRecord, *, is_last: bool) -> Lefts:
        """Return what is left of a step; *is_last*: nothing of it begins any more."""
        node, grown = step.node, step.map
        if grown is None:
            return {} if is_last and step.status is not Status.RUNNING else self._task(step)
        to_be = 0.0 if is_last or not grown.open else max(0.0, self._counts[node.path].tasks - len(grown.tasks))
        if node.body is None and not is_last:
            tasks = grown.unsettled + to_be
            return {node.path: Left(tasks, 1.0)} if tasks else {}
        open_ = [record for record in grown.tasks if record.status is Status.RUNNING or not (is_last or record.status in SETTLED)]
        self.visited += len(grown.tasks)
        return _beside([*map(self._task, open_), _times(self._task_to_be(node), to_be, 1.0)])

    def _task(self, record: TaskRecord) -> Lefts:
        node, work = record.step.node, record.work
        if node.body is None or type(work) is not Rounds:
            return self._task_to_be(node)
        done, expected = len(work.history), self._counts[node.path].rounds
        is_open = work.frame is not None and not work.frame.closed
        present = self._frame(work.frame) if work.frame is not None and is_open else {}
        more = max(0.0, expected - done - 1) if is_open else max(1.0, expected - done)
        return _then(present, _times(self._round_to_be(node, node.body), more, more)) if more else present


def _needs_one_of(node: Node, gone: set[str]) -> bool:
    if node.stream is not None and node.stream.source in gone:
        return True
    return any(need in gone and need not in node.tolerant for need in node.needs)


def _times(lefts: Lefts, tasks: float, rounds: float) -> Lefts:
    if not tasks or (tasks, rounds) == (1.0, 1.0):
        return lefts if tasks else {}
    return {path: Left(left.tasks * tasks, left.rounds * rounds) for path, left in lefts.items()}


def _beside(several: Iterable[Lefts]) -> Lefts:
    found: dict[str, Left] = {}
    for lefts in several:
        for path, left in lefts.items():
            other = found.get(path)
            found[path] = left if other is None else Left(left.tasks + other.tasks, max(left.rounds, other.rounds))
    return found


def _then(first: Lefts, second: Lefts) -> Lefts:
    found = dict(first)
    for path, left in second.items():
        other = found.get(path, NOTHING)
        found[path] = Left(left.tasks + other.tasks, left.rounds + other.rounds)
    return found
