"""policy: where a job stands, as the solver has to know it - what is settled, what is left of what has begun, how much more there is."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from murakkab.devices import ClusterView
from murakkab.optimizer.options import width_of
from murakkab.optimizer.problem import Option, Problem, Task
from murakkab.plan import TaskGraph
from murakkab.rechoosing.paces import Lags
from murakkab.rechoosing.remaining import NOTHING, Left
from murakkab.rechoosing.sizes import Sizes
from murakkab.rechoosing.spending import Begun, Spending
from murakkab.rechoosing.ways import Ways
from murakkab.runtime.records import path_of

if TYPE_CHECKING:
    from murakkab.optimizer.quick import Now, Settled


class Places:
    """What of a graph says how its tasks run beside one another: the limits of its steps, and which of them are `mixed` with others."""

    def __init__(self, graph: TaskGraph, view: ClusterView) -> None:
        self._view = view
        self._limits: dict[str, int | None] = {}
        #: Their tasks alternate with those of other steps, or follow one another: they lie in what is done several times.
        self.mixed: set[str] = set()
        last = graph.finally_.nodes if graph.finally_ is not None else {}
        agenda = [(node, False) for node in (*graph.nodes.values(), *last.values())]
        while agenda:
            node, is_inside = agenda.pop()
            is_mixed = is_inside or node.again is not None
            self._limits.setdefault(node.path, node.max_parallel)
            if is_mixed:
                self.mixed.add(node.path)
            if node.body is not None and not node.body.only:
                agenda.extend((inner, is_mixed or bool(node.loops)) for inner in node.body.nodes.values())

    def width(self, ways: Ways, path: str, label: str) -> float:
        """Return how many tasks of a step can run at once in a way."""
        way = ways.of.get(path, {}).get(label)
        return math.inf if way is None else width_of(self._view, way, self._limits.get(path))


@dataclass(frozen=True, slots=True)
class Course:
    """What has become of a job so far. `waiting`: so many attempts, by path, have no slots yet."""

    ways: Ways
    spending: Spending
    lags: Lags
    sizes: Sizes
    places: Places
    waiting: Mapping[str, int]

    def lag(self, path: str, label: str) -> float:
        """Return how many times longer than expected a way takes."""
        way = self.ways.of.get(path, {}).get(label)
        return 1.0 if way is None else self.lags.of(way.card.name)

    def lagging(self) -> dict[tuple[str, str], float]:
        """Return how many times longer than expected options take, by (path, label); nothing of those that take as long."""
        lags, done_by = self.lags, self.ways.done_by()
        found = {} if lags.others == 1.0 else dict.fromkeys((pair for pairs in done_by.values() for pair in pairs), lags.others)
        for executor, lag in lags.known.items():
            if lag != lags.others:
                found.update(dict.fromkeys(done_by.get(executor, ()), lag))
        return found


def standing(problem: Problem, course: Course, now: float, *, limits: Mapping[str, float], failed: str = "") -> "Now":
    """Return where the job stands; of the step that *failed* the rest begins again. *limits* are those of its budget."""
    from murakkab.optimizer.quick import Now, Settled

    ways, spending, sizes = course.ways, course.spending, course.sizes
    at = spending.at(now)
    settled: dict[str, Settled] = {}
    stretch: dict[str, float] = {}
    longer: dict[tuple[str, str], float] = {}
    over = {task.name for task in problem.tasks if task.name in sizes.whole and not sizes.left(task.name).tasks and task.name != failed}
    gave = {source for task in problem.tasks if task.name in spending.steps for source in task.streams}
    for task in problem.tasks:
        path = task.name
        whole, left = sizes.whole.get(path, NOTHING), sizes.left(path)
        step = spending.steps.get(path) if path != failed else None
        label = ways.picks.get(path, task.options[0].label)
        if path in over:
            settled[path] = _over(task, label, step, course, at)
        elif step is not None:
            option = next(option for option in task.options if option.label == label)
            comes = any(source not in over for source in task.streams)
            settled[path] = _running(_Running(path, option, step, whole, left), course, at, comes=comes, gave=path in gave)
        elif whole.tasks and left.tasks and (left != whole or whole.tasks > whole.rounds):
            stretch[path] = left.tasks / whole.tasks
            longer.update(_longer(task, whole, left, course))
    barred = [pair for pair in ways.barred if pair[0] not in settled]
    return Now(settled, at, stretch, longer, course.lagging(), spending.spent(failed), barred, dict(ways.picks), limits)


def _over(task: Task, label: str, step: Begun | None, course: Course, at: float) -> "Settled":
    """Return what a step took that is over, or was passed over. Of its time only the end matters, which nothing can put off any more."""
    from murakkab.optimizer.quick import Settled

    if step is None:
        return Settled(label, at, at, joules=0.0, usd=0.0)
    stopping = max(0, step.running - course.waiting.get(task.name, 0))
    if step.joules is not None and not stopping:
        return Settled(label, step.last, step.last, joules=step.joules, usd=step.usd)
    # Where nobody said, as much as was expected of so many tasks; and what is being stopped has its bill yet to come.
    option = next(option for option in task.options if option.label == label)
    whole = course.sizes.whole.get(task.name, NOTHING).tasks
    each = option.joules * course.lag(task.name, label) / whole if whole else 0.0
    joules = (each * step.tasks if step.joules is None else step.joules) + each * stopping
    return Settled(label, step.last, step.last, joules=joules, usd=step.usd + (option.usd / whole if whole else 0.0) * stopping)


def _longer(task: Task, whole: Left, left: Left, course: Course) -> dict[tuple[str, str], float]:
    """Return how many times longer the options of a step take that has other tasks than expected."""
    found: dict[tuple[str, str], float] = {}
    for option in task.options:
        width = course.places.width(course.ways, task.name, option.label)
        seconds = option.seconds + _alone(option) * (left.waves(width) - whole.share(width))
        found[task.name, option.label] = seconds / option.seconds if option.seconds > 0 else 1.0
    return found


@dataclass(frozen=True, slots=True)
class _Running:
    """A step that has begun and is not over; *whole*: how much of it was expected, *left*: how much is left."""

    path: str
    option: Option
    step: Begun
    whole: Left
    left: Left


def _running(one: _Running, course: Course, at: float, *, comes: bool, gave: bool) -> "Settled":
    """Return what a step takes that has begun; *comes*: there is more to come from what it streams from, *gave*: it has given something."""
    from murakkab.optimizer.quick import Settled

    option, step, left = one.option, one.step, one.left
    lag = course.lag(one.path, option.label)
    part = _part(left.tasks, one.whole.tasks)
    begun = step.at
    if one.path in course.places.mixed:
        begun, end = at, at + _rest(one, course, at, lag)
    else:
        end = max(at, _end(one, course, at, lag))
    first: float | None = None
    if option.first is not None:
        since = step.at if step.anew is None else step.anew
        first = begun if gave or step.tasks else min(end, max(at, since + option.first * lag))
    joules = option.joules * lag
    joules = joules * (part + _part(step.tasks, one.whole.tasks)) if step.joules is None else step.joules + joules * part
    last = _alone(option) * lag if comes else None
    return Settled(option.label, begun, end, first, joules, step.usd + option.usd * part, last)


def _rest(one: _Running, course: Course, at: float, lag: float) -> float:
    """Return the seconds that the rest of a step takes whose tasks alternate with those of others, from now on."""
    step, left = one.step, one.left
    each = _alone(one.option) * lag
    wave = each * left.waves(course.places.width(course.ways, one.path, one.option.label))
    running = max(0, step.running - course.waiting.get(one.path, 0))
    rest = wave - min(at - step.latest, each) if running else wave
    # What has not begun takes its whole time.
    rest = rest if running >= left.tasks else max(rest, each)
    return max(0.0, rest) + max(0.0, (step.anew or 0.0) - at)


def _end(one: _Running, course: Course, at: float, lag: float) -> float:
    """Return when a step ends that was begun once: as planned, as what failed allows, and as its places allow that are in use."""
    option, step, whole, left = one.option, one.step, one.whole, one.left
    width = course.places.width(course.ways, one.path, option.label)
    each = _alone(option)
    planned = Left(left.tasks + step.tasks, left.rounds).waves(width)
    ends = [step.at + (option.seconds + each * (planned - whole.share(width))) * lag]
    rest = each * lag * left.waves(width)
    if step.anew is not None:
        ends.append(step.anew + rest)
    if course.waiting.get(one.path, 0) >= left.tasks:
        # None of them has begun: all of them wait for others.
        ends.append(at + rest)
    tasks, recent = math.ceil(left.tasks), step.recent
    if width < math.inf and recent:
        if tasks > width:
            ends.append(recent[-1] + each * lag * max(1.0, (tasks - width + 1) / width))
        elif (back := int(width) - tasks + 1) <= len(recent):
            # The last of them began when a place became free, with the end of one before.
            ends.append(recent[-back] + each * lag)
    return max(ends)


def _alone(option: Option) -> float:
    """Return the seconds of one task."""
    return option.seconds if option.last is None else option.last


def _part(tasks: float, of: float) -> float:
    return tasks / of if of else 1.0


def waiting_by(tasks: Collection[str]) -> dict[str, int]:
    """Return how many tasks of each step there are among *tasks*."""
    found: dict[str, int] = {}
    for task in tasks:
        path = path_of(task)
        found[path] = found.get(path, 0) + 1
    return found
