"""policy: how long a job will take - its graph run on virtual time, with the slots of the real runtime and expected durations."""

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from murakkab.optimizer.condensed import condensed
from murakkab.optimizer.expected import Count
from murakkab.plan import Body, Node, TaskGraph
from murakkab.runtime.slots import SlotTable

_NOTHING: Final[Mapping[str, float]] = {}


@dataclass(frozen=True, slots=True)
class Work:
    """What one task of a node occupies, and for how many seconds; `startup` more while nothing that has the name `warms` is warm."""

    seconds: float
    needs: Mapping[str, float] = field(default_factory=dict)
    startup: float = 0.0
    warms: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a job is over, seconds from its start; `spans`: first start and last end of each step; `busy`: seconds x amount, by resource.

    `critical`: the steps whose work the end waited for, in order. `crowd`: how many tasks hold cores, on average over the time in which
    those of a step do. `started`: the steps that waited first for what was not warm.
    """

    makespan: float
    spans: Mapping[str, tuple[float, float]]
    busy: Mapping[str, float]
    critical: tuple[str, ...] = ()
    crowd: Mapping[str, float] = field(default_factory=dict)
    started: tuple[str, ...] = ()


def simulate(graph: TaskGraph, work: Mapping[str, Work], counts: Mapping[str, Count], capacity: Mapping[str, float]) -> Timeline:
    """Return how a job runs whose tasks take exactly what they are expected to, most critical first, within *capacity*.

    *work* by path, of every node that an executor does. People answer and events come at once: nobody can know when.
    """
    return _Simulation(graph, work, counts, capacity).run(graph)


class _Step:
    """A node in one run of the graph it stands in."""

    __slots__ = ("backlog", "done", "frame", "made", "missing", "node", "running", "stand_ins", "tasks")

    def __init__(self, node: Node, frame: "_Frame", tasks: int) -> None:
        self.node = node
        self.frame = frame
        self.tasks = tasks
        self.missing = len(node.needs) - len(node.late)
        #: Those in blocks that are settled when this is.
        self.stand_ins: list[_Step] = []
        self.made = 0
        self.done = 0
        self.running = 0
        self.backlog: deque[_Task] = deque()


class _Frame:
    """One run of a graph; `parent`: the task whose body it is."""

    __slots__ = ("parent", "steps", "unsettled")

    def __init__(self, nodes: Mapping[str, Node], parent: "_Task | None", tasks: Mapping[str, int]) -> None:
        self.parent = parent
        # The one step of a loop has the path of the step that loops: it is that which is a map.
        is_alone = parent is not None and parent.step.node.body is not None and parent.step.node.body.only
        self.steps = {name: _Step(node, self, 1 if is_alone else tasks.get(node.path, 0)) for name, node in nodes.items()}
        self.unsettled = len(self.steps)


class _Task:
    """One invocation. `cause`: the task whose end let it start."""

    __slots__ = ("area", "cause", "number", "rounds", "start", "step")

    def __init__(self, step: _Step, number: int, cause: "_Task | None") -> None:
        self.step = step
        self.number = number
        self.cause = cause
        self.start = 0.0
        self.area = 0.0
        self.rounds = 0


class _Crowd:
    """How many tasks hold cores, over time; what that is on average while those of each step do."""

    __slots__ = ("_area", "_now", "_running", "_shares")

    def __init__(self) -> None:
        self._now = self._area = 0.0
        self._running = 0
        self._shares: dict[str, tuple[float, float]] = {}

    def begin(self, task: _Task, now: float) -> None:
        self._advance(now)
        self._running += 1
        task.area = self._area

    def end(self, task: _Task, now: float) -> None:
        self._advance(now)
        self._running -= 1
        area, seconds = self._shares.get(task.step.node.path, (0.0, 0.0))
        self._shares[task.step.node.path] = area + self._area - task.area, seconds + now - task.start

    def _advance(self, now: float) -> None:
        self._area += self._running * (now - self._now)
        self._now = now

    def mean(self) -> dict[str, float]:
        return {path: area / seconds for path, (area, seconds) in self._shares.items() if seconds}


class _Simulation:
    """Events on a heap; every state change happens in `_finish`."""

    def __init__(self, graph: TaskGraph, work: Mapping[str, Work], counts: Mapping[str, Count], capacity: Mapping[str, float]) -> None:
        fewer = condensed(graph, counts)
        self._tasks = fewer.tasks
        self._rounds = fewer.rounds
        self._in_line = fewer.in_line
        self._work = {path: replace(one, seconds=one.seconds * fewer.times(path, has_places=bool(one.needs))) for path, one in work.items()}
        #: When what was not warm is; and the step that it was loaded for.
        self._warm: dict[str, float] = {}
        self._started: dict[str, str] = {}
        self._table = SlotTable(capacity)
        self._capacity = capacity
        self._now = 0.0
        self._heap: list[tuple[float, int, _Task]] = []
        self._number = count()
        self._waiting: dict[int, _Task] = {}
        self._spans: dict[str, tuple[float, float]] = {}
        self._busy: dict[str, float] = {}
        self._crowd = _Crowd()
        #: Steps all of whose tasks are done, and what let that be.
        self._settled: deque[tuple[_Step, _Task | None]] = deque()

    def run(self, graph: TaskGraph) -> Timeline:
        last = self._all_of(graph.nodes, None)
        if graph.finally_ is not None:
            last = self._all_of(graph.finally_.nodes, last)
        path: list[str] = []
        while last is not None:
            if last.step.node.is_plain:
                path.append(last.step.node.path)
            last = last.cause
        return Timeline(
            self._now, self._spans, self._busy, tuple(dict.fromkeys(reversed(path))), self._crowd.mean(), (*self._started.values(),)
        )

    def _all_of(self, nodes: Mapping[str, Node], last: _Task | None) -> _Task | None:
        """Run *nodes* to their end; return the task that ended last."""
        self._open(nodes, None, last)
        self._settle_all()
        while self._heap:
            self._now, _, last = heapq.heappop(self._heap)
            if needs := self._needs(last.step.node):
                if "cores" in needs:
                    self._crowd.end(last, self._now)
                for ticket in self._table.give_back(last.number, self._now):
                    self._begin(self._waiting.pop(ticket), last)  # type: ignore[call-overload]
            self._finish(last)
            self._settle_all()
        return last

    def _open(self, nodes: Mapping[str, Node], parent: _Task | None, cause: _Task | None) -> None:
        body = parent.step.node.body if parent is not None else None
        frame = _Frame({**nodes, **body.late} if body is not None else nodes, parent, self._tasks)
        for step in list(frame.steps.values()):
            if step.node.is_late and parent is not None:
                self._stand_in(step, parent.step.frame.steps[step.node.name], cause)
            elif not step.missing and step.node.stream is None:
                self._make(step, step.tasks, cause)
        if not frame.steps and parent is not None:
            self._finish(parent)

    def _stand_in(self, step: _Step, original: _Step, cause: _Task | None) -> None:
        if original.tasks < 0:
            self._settled.append((step, cause))
        else:
            original.stand_ins.append(step)

    def _make(self, step: _Step, upto: int, cause: _Task | None) -> None:
        """Let a step have its tasks up to number *upto*."""
        while step.made < upto:
            task = _Task(step, next(self._number), cause)
            step.made += 1
            limit = step.node.max_parallel
            if limit is not None and step.running >= limit:
                step.backlog.append(task)
            else:
                step.running += 1
                self._start(task)
        if step.made == step.done == step.tasks:
            self._settled.append((step, cause))

    def _start(self, task: _Task) -> None:
        node = task.step.node
        if node.body is not None:
            self._round(task, node.body)
            return
        needs = self._needs(node)
        if not needs or self._table.ask(task.number, needs, node.rank, self._now):
            self._begin(task, task.cause)
        else:
            self._waiting[task.number] = task

    def _round(self, task: _Task, body: Body) -> None:
        task.rounds += 1
        self._open(body.nodes, task, task.cause)

    def _begin(self, task: _Task, cause: _Task | None) -> None:
        task.start, task.cause = self._now, cause
        seconds = self._loading(task.step.node) + self._seconds(task.step.node)
        needs = self._needs(task.step.node)
        if "cores" in needs:
            self._crowd.begin(task, self._now)
        for name, amount in needs.items():
            self._busy[name] = self._busy.get(name, 0.0) + seconds * amount
        heapq.heappush(self._heap, (self._now + seconds, task.number, task))

    def _seconds(self, node: Node) -> float:
        if node.is_plain:
            return self._work[node.path].seconds
        wait = node.wait
        seconds = float(wait.seconds) if wait is not None and isinstance(wait.seconds, int | float) else 0.0
        return seconds * self._in_line.get(node.path, 1.0)

    def _loading(self, node: Node) -> float:
        """Return how long a task waits for what is not warm yet: the first loads it, and those that start meanwhile wait as long."""
        work = self._work.get(node.path)
        if work is None or not work.startup:
            return 0.0
        if work.warms not in self._warm:
            self._warm[work.warms] = self._now + work.startup
            self._started[work.warms] = node.path
        return max(0.0, self._warm[work.warms] - self._now)

    def _needs(self, node: Node) -> Mapping[str, float]:
        return self._table.fitting(self._work[node.path].needs) if node.is_plain else _NOTHING

    def _finish(self, task: _Task) -> None:
        """A task has done its work, or the round of its body: the next round, or what waited for it."""
        step = task.step
        node = step.node
        if node.body is not None and task.rounds < self._rounds[node.path]:
            self._round(task, node.body)
            return
        first, _ = self._spans.get(node.path, (task.start, 0.0))
        self._spans[node.path] = min(first, task.start), self._now
        step.done += 1
        step.running -= 1
        if step.backlog:
            step.running += 1
            waiting = step.backlog.popleft()
            waiting.cause = task
            self._start(waiting)
        for name in node.feeds:
            self._feed(step, step.frame.steps[name], task)
        if step.done == step.tasks == step.made:
            self._settled.append((step, task))

    def _feed(self, source: _Step, target: _Step, cause: _Task) -> None:
        """Let a step that goes over a stream have the tasks of the elements that are there."""
        if not target.missing:
            share = target.tasks if source.done == source.tasks else target.tasks * source.done // source.tasks
            self._make(target, share, cause)

    def _settle_all(self) -> None:
        while self._settled:
            step, cause = self._settled.popleft()
            if step.tasks >= 0:
                self._settle(step, cause)

    def _settle(self, step: _Step, cause: _Task | None) -> None:
        frame = step.frame
        frame.unsettled -= 1
        step.tasks = -1
        self._settled.extend((one, cause) for one in step.stand_ins)
        for name in step.node.opens:
            consumer = frame.steps[name]
            consumer.missing -= 1
            if not consumer.missing:
                self._ripe(consumer, cause)
        for name in step.node.feeds:
            target = frame.steps[name]
            if not target.missing and target.tasks >= 0:
                self._make(target, target.tasks, cause)
        if not frame.unsettled and frame.parent is not None:
            frame.parent.cause = cause
            self._finish(frame.parent)

    def _ripe(self, step: _Step, cause: _Task | None) -> None:
        stream = step.node.stream
        if stream is None:
            self._make(step, step.tasks, cause)
            return
        source = step.frame.steps[stream.source]
        share = step.tasks if source.tasks < 0 else step.tasks * source.done // max(1, source.tasks)
        self._make(step, share, cause)
