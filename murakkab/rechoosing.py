"""policy: chooses again between the steps of one running job - when they take more or less than expected, and when a way of one fails.

A step that has begun keeps its way, unless that fails. The others may be done otherwise: quicker where the job is late and a limit would be
passed, with less where it is early. Where each step was chosen for itself there is nothing to win by that, and only failures count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from murakkab.optimizer.choose import Decision, best_of, choice_of
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.expected import Seen, expected_counts, observed_fan_out, total_tasks
from murakkab.optimizer.options import label_of
from murakkab.plan import Choice, Node
from murakkab.runtime.ending import SETTLED
from murakkab.runtime.messages import (
    ChoicesChanged,
    Command,
    Event,
    JobResumed,
    JobSubmitted,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskSucceeded,
    WaitTimer,
)
from murakkab.runtime.records import path_of
from murakkab.runtime.state import JobState

if TYPE_CHECKING:
    from murakkab.optimizer.problem import Option, Problem
    from murakkab.optimizer.quick import Now, Prepared, Rechoice, Settled

#: Failures that another way would meet as well: they are about the input, or somebody wanted them.
_HOPELESS: Final = frozenset({"bad-input", "bad-media", "bad-reference", "bad-condition", "cancelled", "stream-diverged", "bad-signature"})
#: Failures that every step which is done in this way would meet.
_GONE: Final = frozenset({"missing-extra", "missing-program", "backend-unavailable", "unreachable"})
#: Steps are chosen again when what was observed is off by this part of what the whole job was expected to take, and changed for no less.
_NEWS: Final = 0.01
#: How much of the whole job an observation must be to count for as much as what was expected before.
_PRIOR: Final = 0.25


class Change(NamedTuple):
    """Steps that are done otherwise from now on, by path, and why."""

    choices: Mapping[str, Choice]
    why: str


@dataclass(slots=True)
class _Step:
    """What the tasks of a step have taken so far; times are seconds since the job began. `joules` None: somebody did not say."""

    begun: float
    last: float
    tasks: int = 0
    usd: float = 0.0
    joules: float | None = 0.0


@dataclass(slots=True)
class _Pace:
    """Seconds that tasks took, and were expected to take."""

    taken: float = 0.0
    expected: float = 0.0


@dataclass(slots=True)
class _Account:
    """What a job has taken beside its tasks, and how long it stood still."""

    began: float = 0.0
    last: float = 0.0
    idle: float = 0.0
    spent: dict[str, float] = field(default_factory=lambda: {"cost": 0.0, "energy": 0.0})


class Again:
    """Decides again for one job. Hears of everything that happens in it, also of what happened before it was resumed."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._ways = {path: {label_of(way): way for way in ways} for path, ways in decision.ways.items()}
        self._picks = {path: label_of(way) for path, way in decision.chosen.items()}
        self._barred: set[tuple[str, str]] = set()
        self._steps: dict[str, _Step] = {}
        self._account = _Account()
        self._paces: dict[str, _Pace] = {}
        #: How many times slower an executor has become than its profile says, where somebody noticed.
        self._drifts: dict[str, float] = {}
        #: What the last look reckoned with, by executor: how many times longer than expected.
        self._reckoned: dict[str, float] = {}
        #: Seconds, and parts of other amounts, by which what happened is off since the last look.
        self._news = 0.0
        self._lists: dict[str, int] = {}
        #: By path, how many times more tasks there are than expected.
        self._sizes: dict[str, float] = {}
        self._prepared: Prepared | None = None

    # ------------------------------------------------------------------------------------------------------------- hearing

    def hear(self, event: Event) -> None:
        """Take note of what happened. Takes microseconds."""
        account = self._account
        kind = type(event)
        if kind is TaskSucceeded:
            self._count(event)  # type: ignore[arg-type]
        elif isinstance(event, TaskFailed | TaskCancelled):
            account.spent["cost"] += event.usd
            account.spent["energy"] += event.joules or 0.0
        elif kind is JobSubmitted:
            account.began = account.last = event.time
        elif kind is JobResumed:
            account.idle += max(0.0, event.time - account.last)
        elif isinstance(event, ChoicesChanged):
            self._picks |= self._labels_of(event)
        account.last = max(account.last, event.time)

    def _labels_of(self, event: ChoicesChanged) -> dict[str, str]:
        """Return the labels of what was chosen again before the job was resumed, where such ways are known."""
        asked = {node.path: node.knobs for node in self._decision.graph.every_node() if node.path in event.choices}
        found: dict[str, str] = {}
        for path, written in event.choices.items():
            knobs = {**asked[path], **written["knobs"]}
            alike = (
                label
                for label, way in self._ways.get(path, {}).items()
                if way.card.name == written["executor"] and {**asked[path], **way.knobs} == knobs
            )
            if (label := next(alike, None)) is not None:
                found[path] = label
        return found

    def drifted(self, executor: str, ratio: float) -> None:
        """Take note that what *executor* does takes *ratio* times what its profile says."""
        self._drifts[executor] = ratio
        self._news = float("inf")

    def _count(self, event: TaskSucceeded) -> None:
        path = path_of(event.task)
        at = self._at(event.time)
        step = self._steps.get(path)
        if step is None:
            step = self._steps[path] = _Step(self._at(event.started), at)
        step.last = max(step.last, at)
        step.tasks += 1
        step.usd += event.usd
        step.joules = None if step.joules is None or event.joules is None else step.joules + event.joules
        way = self._way(path)
        if way is not None and not event.cached and event.executor in ("", way.card.name):
            pace = self._paces.setdefault(way.card.name, _Pace())
            expected, taken = way.taken.seconds.value, event.time - event.started
            pace.taken += taken
            pace.expected += expected
            self._news += abs(taken - expected * self._reckoned.get(way.card.name, 1.0))

    def _at(self, time: float) -> float:
        return time - self._account.began - self._account.idle

    def _way(self, path: str) -> Configuration | None:
        label = self._picks.get(path)
        return self._ways[path][label] if label is not None else None

    # ------------------------------------------------------------------------------------------------------- between steps

    def before(self, commands: Sequence[Command], state: JobState) -> Change | None:
        """Return what is to be done otherwise before *commands* are carried out, None for nothing. No step that has begun is changed."""
        begin = self._beginning(commands)
        if not begin:
            return None
        change = None
        if self._decision.problem is not None and self._is_worth_it(state):
            change = self._chosen_again(self._decision.problem, state)
        at = self._at(state.now)
        for path in begin:
            self._steps[path] = _Step(at, at)
        return change

    def _beginning(self, commands: Sequence[Command]) -> list[str]:
        """Return the paths of steps that are about to begin."""
        found: dict[str, None] = {}
        for command in commands:
            if type(command) is StartTask:
                found[command.node.path] = None
            elif type(command) is WaitTimer:
                found[path_of(command.task)] = None
        return [path for path in found if path not in self._steps]

    def _is_worth_it(self, state: JobState) -> bool:
        """Return whether anything is known that was not expected, and there is a choice left."""
        self._recount(state)
        estimate = self._decision.deployment.estimate
        whole = estimate.seconds.value if estimate is not None else 0.0
        return self._news > _NEWS * whole and any(path not in self._steps and len(self._open(path)) > 1 for path in self._ways)

    def _recount(self, state: JobState) -> None:
        """See how many tasks there are really, where lists that were not known before now are."""
        lists = {
            name: len(step.map.tasks) for name, step in state.steps.items() if step.map is not None and not step.map.open and step.map.tasks
        }
        scene = self._decision.scene
        if scene is None or lists == self._lists:
            return
        self._lists = lists
        graph, at = self._decision.graph, self._decision.situation
        seen = Seen({**at.seen.fan_out, **observed_fan_out(graph, lists)}, at.seen.rounds)
        before, after = total_tasks(graph, scene.counts), total_tasks(graph, expected_counts(graph, at.inputs, seen))
        sizes = {path: after[path] / tasks for path, tasks in before.items() if tasks and after[path] != tasks}
        if sizes != self._sizes:
            self._sizes = sizes
            self._news = float("inf")

    def _open(self, path: str) -> list[str]:
        return [label for label in self._ways[path] if (path, label) not in self._barred]

    def _chosen_again(self, problem: "Problem", state: JobState) -> Change | None:
        found = self._rechoice(problem, self._now(problem, state))
        self._news = 0.0
        self._reckoned = {way.card.name: self._lag(way) for ways in self._ways.values() for way in ways.values()}
        over, value = found.kept
        if found.excess >= over * (1 - 1e-6) and over > 0:
            # It can be made no better.
            return None
        if over <= 0 and not abs(value - found.value) > _NEWS * abs(value):
            return None
        return self._change({path: label for path, label in found.picks.items() if path not in self._steps}, self._why(over))

    def _why(self, over: float) -> str:
        paces = self._paces.values()
        taken, expected = sum(pace.taken for pace in paces), sum(pace.expected for pace in paces)
        causes = [f"tasks took {taken / expected:.3g} times what was expected"] if expected and abs(taken / expected - 1) > _NEWS else []
        if self._sizes:
            causes.append("lists have other lengths than expected")
        causes += [f"{executor} takes {ratio:.3g} times what it did" for executor, ratio in self._drifts.items()]
        return f"{' and '.join(causes) or 'things went otherwise'}: {'to keep the limits' if over > 0 else 'there is room for better'}"

    def _change(self, picks: Mapping[str, str], why: str) -> Change | None:
        other = {path: label for path, label in picks.items() if path in self._ways and label != self._picks[path]}
        self._picks |= other
        return Change({path: choice_of(path, self._ways[path][label], why) for path, label in other.items()}, why) if other else None

    # ------------------------------------------------------------------------------------------------------------ failures

    def after_failure(self, event: TaskFailed, state: JobState) -> Change | None:
        """Return how a step is done otherwise one of whose tasks has failed for good; None where no other way is left, or would help.

        Steps that change the world are not done twice; nor is one for which a fallback is declared.
        """
        record = state.tasks.get(event.task)
        if record is None or record.executor or record.step.frame.ending or event.reason in _HOPELESS:
            return None
        node = record.step.node
        if not node.effect.is_free or node.on_error.fallback or (event.retryable and record.attempt < node.retry.attempts):
            return None
        way = self._way(node.path)
        if way is None or event.executor != way.card.name:
            return None
        self._bar(way, (*self._ways,) if event.reason in _GONE else (node.path,))
        picks = self._without(node, state)
        return self._change(picks, f"{way.label} failed ({event.reason})") if picks else None

    def _bar(self, failed: Configuration, paths: Sequence[str]) -> None:
        for path in paths:
            alike = (
                label
                for label, way in self._ways[path].items()
                if (way.card.name, way.model, way.pool) == (failed.card.name, failed.model, failed.pool)
            )
            self._barred.update((path, label) for label in alike)

    def _without(self, node: Node, state: JobState) -> Mapping[str, str]:
        """Return other ways for the step that failed and for those that have not begun; nothing where there are none."""
        if not self._open(node.path):
            return {}
        problem = self._decision.problem
        if problem is not None:
            step = self._steps.pop(node.path, None)
            self._recount(state)
            found = self._rechoice(problem, self._now(problem, state, node.path, step))
            if step is not None:
                self._steps[node.path] = step
            if found.picks:
                return {path: label for path, label in found.picks.items() if path == node.path or path not in self._steps}
        goal = self._decision.deployment.goal
        lost = [path for path, label in self._picks.items() if (path, label) in self._barred and self._open(path)]
        lost = [path for path in lost if path == node.path or path not in self._steps]
        return {path: label_of(best_of([self._ways[path][label] for label in self._open(path)], goal)) for path in lost}

    # ----------------------------------------------------------------------------------------------------------------- now

    def _rechoice(self, problem: "Problem", now: "Now") -> "Rechoice":
        # NumPy is loaded for a selection alone.
        from murakkab.optimizer.quick import prepare, rechoose

        if self._prepared is None:
            self._prepared = prepare(problem)
        return rechoose(self._prepared, now)

    def _now(self, problem: "Problem", state: JobState, failed: str = "", partly: _Step | None = None) -> "Now":
        """Return where the job stands; the step that *failed* was *partly* done before, and begins again for the rest."""
        from murakkab.optimizer.quick import Now, Settled

        at = self._at(state.now)
        settled: dict[str, Settled] = {}
        stretch: dict[str, float] = {}
        lags: dict[tuple[str, str], float] = {}
        for task in problem.tasks:
            path = task.name
            size = self._sizes.get(path, 1.0)
            if path == failed and partly is not None:
                size *= max(0.0, 1.0 - partly.tasks / max(1.0, self._expected_tasks(path) * size))
            if size != 1.0:
                stretch[path] = size
            ways = self._ways.get(path, {})
            lag = {label: self._lag(way) for label, way in ways.items()}
            lags |= {(path, label): factor for label, factor in lag.items() if factor != 1.0}
            label = self._picks.get(path, task.options[0].label)
            step = self._steps.get(path)
            is_over = _is_over(path, state)
            if step is not None:
                option = next(option for option in task.options if option.label == label)
                settled[path] = _settled(option, step, (size, lag.get(label, 1.0)), None if is_over else at)
            elif is_over:
                settled[path] = Settled(label, at, at, joules=0.0, usd=0.0)
        barred = [pair for pair in self._barred if pair[0] not in settled]
        spent = dict(self._account.spent)
        if partly is not None:
            spent["cost"] += partly.usd
            spent["energy"] += partly.joules or 0.0
        return Now(settled, at, stretch, lags, spent, barred, dict(self._picks))

    def _expected_tasks(self, path: str) -> float:
        choice = self._decision.deployment.choices.get(path)
        return choice.tasks if choice is not None else 1.0

    def _lag(self, way: Configuration) -> float:
        """Return how many times longer its tasks will take than expected, by what was observed, as far as that is enough to go by.

        Never less than once: what was quick has saved time, but to count on more of that would risk a limit.
        """
        pace = self._paces.get(way.card.name)
        prior = self._drifts.get(way.card.name, 1.0)
        estimate = self._decision.deployment.estimate
        weight = _PRIOR * (estimate.seconds.value if estimate is not None else 0.0)
        if pace is not None and pace.expected + weight > 0:
            return max(1.0, (pace.taken + prior * weight) / (pace.expected + weight))
        # Of those that have not been seen: what slows one down slows the others.
        taken, expected = sum(pace.taken for pace in self._paces.values()), sum(pace.expected for pace in self._paces.values())
        return max(1.0, prior, prior * (taken + weight) / (expected + weight)) if expected + weight > 0 else prior


def _settled(option: "Option", step: _Step, scale: tuple[float, float], now: float | None) -> "Settled":
    """Return what a step that has begun takes: *now* None: took. *scale*: how much more of it there is, and how much longer it takes."""
    from murakkab.optimizer.quick import Settled

    size, lag = scale
    if now is None:
        joules = option.joules * size * lag if step.joules is None else step.joules
        return Settled(option.label, step.begun, step.last, joules=joules, usd=step.usd)
    end = max(now, step.begun + option.seconds * size * lag)
    joules = max(step.joules or 0.0, option.joules * size * lag)
    return Settled(option.label, step.begun, end, joules=joules, usd=max(step.usd, option.usd * size))


def _is_over(path: str, state: JobState) -> bool:
    """Return whether the step at the top of the graph that *path* lies in has settled."""
    step = state.steps.get(path.partition("/")[0])
    return step is not None and step.status in SETTLED
