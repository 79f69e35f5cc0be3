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
    JobForked,
    JobResumed,
    JobSubmitted,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskSucceeded,
    WaitTimer,
)
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState

if TYPE_CHECKING:
    from murakkab.optimizer.problem import Option, Problem
    from murakkab.optimizer.quick import Now, Prepared, Rechoice, Settled

#: Failures that another way would meet as well: they are about the input, or somebody wanted them.
_HOPELESS: Final = frozenset({"bad-input", "bad-media", "bad-reference", "bad-condition", "cancelled", "stream-diverged", "bad-signature"})
#: Failures that every step which is done in this way would meet.
_GONE: Final = frozenset({"missing-extra", "missing-program", "backend-unavailable", "unreachable"})
#: Steps are chosen again when what was observed is off by this part of what the whole job was expected to take, and changed for no less;
#: but for a limit, which may be passed by none.
_NEWS: Final = 0.01
#: So small a part is the arithmetic's.
_HAIR: Final = 1e-6
#: How much of the whole job an observation must be to count for as much as what was expected before.
_PRIOR: Final = 0.25


class Change(NamedTuple):
    """Steps that are done otherwise from now on, by path, and why. `labels` name their ways."""

    choices: Mapping[str, Choice]
    why: str
    labels: Mapping[str, str]


@dataclass(slots=True)
class _Step:
    """What the tasks of a step have taken so far; times are seconds since the job began. `joules` None: somebody did not say.

    `anew`: when something of it failed last; what was left then has begun again.
    """

    begun: float
    last: float
    tasks: int = 0
    usd: float = 0.0
    joules: float | None = 0.0
    anew: float | None = None


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

    def __init__(self, decision: Decision, prepared: "Prepared | None" = None) -> None:
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
        #: By which part of what the whole job was expected to take what happened is off since the last look.
        self._news = 0.0
        estimate, goal = decision.deployment.estimate, decision.deployment.goal
        self._whole = {"latency": 0.0, "cost": 0.0, "energy": 0.0}
        if estimate is not None:
            joules = estimate.joules.value if estimate.joules is not None else 0.0
            self._whole = {"latency": estimate.seconds.value, "cost": estimate.usd.value, "energy": joules}
        #: How much more than expected the job has taken since the last look, and may take without passing a limit.
        self._late = dict.fromkeys(self._whole, 0.0)
        self._slack = {name: goal.limits[name] - value for name, value in self._whole.items() if name in goal.limits}
        #: Of which of the others there is only so much.
        self._limited = {"cost", "energy"} & {*goal.limits, *decision.graph.workflow.budget}
        #: Steps at the top that may have another number of tasks than expected, or none.
        self._uncertain = [name for name, node in decision.graph.nodes.items() if node.loops or node.condition is not None]
        self._lists: dict[str, int] = {}
        #: By path, how many times more tasks there are than expected.
        self._sizes: dict[str, float] = {}
        self._prepared = prepared

    # ------------------------------------------------------------------------------------------------------------- hearing

    def hear(self, event: Event) -> None:
        """Take note of what happened. Takes microseconds."""
        account = self._account
        kind = type(event)
        if kind is TaskSucceeded:
            self._count(event)  # type: ignore[arg-type]
        elif isinstance(event, TaskFailed | TaskCancelled):
            self._lose(event)
        elif isinstance(event, JobSubmitted):
            account.began = account.last = event.time
            self._limited |= {"cost", "energy"} & (event.budget or {}).keys()
        elif isinstance(event, JobResumed | JobForked):
            account.idle += max(0.0, event.time - account.last)
        elif isinstance(event, ChoicesChanged):
            self._picks |= self._labels_of(event)
        account.last = max(account.last, event.time)

    def _labels_of(self, event: ChoicesChanged) -> dict[str, str]:
        """Return the labels of what was chosen again before the job was resumed, where such ways are known."""
        asked = {node.path: node.knobs for node in self._decision.graph.every_node() if node.path in event.choices}
        found: dict[str, str] = {}
        for path, written in event.choices.items():
            if path not in asked:
                continue
            knobs = {**asked[path], **written["knobs"]}
            alike = (
                label
                for label, way in self._ways.get(path, {}).items()
                if way.card.name == written["executor"]
                and {**asked[path], **way.knobs} == knobs
                and way.pool == written.get("pool", way.pool)
                and way.model == written.get("model", way.model)
                and ("pool" not in written or way.devices == written.get("devices", 1))
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
        if way is None:
            return
        lag = self._reckoned.get(way.card.name, 1.0)
        expected, taken = way.taken.seconds.value, event.time - event.started
        if not event.cached and event.executor in ("", way.card.name):
            pace = self._paces.setdefault(way.card.name, _Pace())
            pace.taken += taken
            pace.expected += expected
        self._notice("latency", taken - expected * lag)
        self._notice("cost", event.usd - way.taken.usd.value)
        if event.joules is not None and way.taken.joules is not None:
            self._notice("energy", event.joules - way.taken.joules.value * lag)

    def _lose(self, event: TaskFailed | TaskCancelled) -> None:
        """Count what an attempt took that came to nothing. What is left of its step begins again."""
        spent = self._account.spent
        spent["cost"] += event.usd
        spent["energy"] += event.joules or 0.0
        self._notice("latency", event.time - event.started)
        self._notice("cost", event.usd)
        self._notice("energy", event.joules or 0.0)
        step = self._steps.get(path_of(event.task))
        if step is not None:
            step.anew = self._at(event.time)

    def _notice(self, measure: str, amount: float) -> None:
        """Take note that the job has taken so much more, or less, than expected."""
        whole = self._whole[measure]
        self._late[measure] += max(0.0, amount)
        if measure == "latency" or measure in self._limited:
            self._news += abs(amount) / whole if whole > 0 else float("inf") if amount and measure != "latency" else 0.0

    def _at(self, time: float) -> float:
        return time - self._account.began - self._account.idle

    def _way(self, path: str) -> Configuration | None:
        label = self._picks.get(path)
        return self._ways[path][label] if label is not None else None

    # ------------------------------------------------------------------------------------------------------- between steps

    def before(self, commands: Sequence[Command], state: JobState) -> Change | None:
        """Return what is to be done otherwise before *commands* are carried out, None for nothing. No step that has begun is changed."""
        problem = self._decision.problem
        if problem is None or not self._beginning(commands) or not self._is_worth_it(state):
            return None
        return self._chosen_again(problem, state)

    def begin(self, commands: Sequence[Command], state: JobState) -> None:
        """Take note that *commands* are being carried out: the steps that begin by that are no more changed."""
        at = self._at(state.now)
        for path in self._beginning(commands):
            self._steps[path] = _Step(at, at)

    def accept(self, change: Change) -> None:
        """Take note that it is done so."""
        self._picks |= change.labels

    def refuse(self, change: Change, path: str) -> None:
        """Take note that a step cannot be done as *change* says."""
        self._barred.add((path, change.labels[path]))
        self._news = float("inf")

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
        late = any(self._late[name] > slack + _HAIR * self._whole[name] for name, slack in self._slack.items())
        return (late or self._news > _NEWS) and any(path not in self._steps and len(self._open(path)) > 1 for path in self._ways)

    def _recount(self, state: JobState) -> None:
        """See how many tasks there are really, where lists that were not known before now are, and which steps were passed over."""
        lists: dict[str, int] = {}
        for name in self._uncertain:
            step = state.steps[name]
            if step.map is not None and not step.map.open:
                lists[name] = len(step.map.tasks)
            elif step.status is Status.SKIPPED and name not in self._steps:
                lists[name] = 0
        scene = self._decision.scene
        if scene is None or lists == self._lists:
            return
        if any(not length and name not in self._lists for name, length in lists.items()):
            self._news = float("inf")
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
        self._late = dict.fromkeys(self._late, 0.0)
        self._slack = dict(found.slack)
        self._reckoned = self._lags()
        over, value = found.kept
        if found.excess >= over * (1 - 1e-6) and over > 0:
            # It can be made no better.
            return None
        if over <= 0 and not abs(value - found.value) > _NEWS * abs(value):
            return None
        return self._change({path: label for path, label in found.picks.items() if path not in self._steps}, self._why(over))

    def _is_limited_by(self, state: JobState) -> dict[str, float]:
        """Return what the budget leaves of what a job may take, beside its goal."""
        limits = state.purse.limits if state.purse is not None else {}
        return {name: limit for name, limit in limits.items() if name in self._limited}

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
        return Change({path: choice_of(path, self._ways[path][label], why) for path, label in other.items()}, why, other) if other else None

    # ------------------------------------------------------------------------------------------------------------ failures

    def after_failure(self, event: TaskFailed, state: JobState) -> Change | None:
        """Return how a step is done otherwise one of whose tasks has failed for good; None where no other way is left, or would help.

        Steps that change the world are not done twice; nor is one for which a fallback is declared.
        """
        record = state.tasks.get(event.task)
        if record is None or record.status is not Status.RUNNING or record.executor or event.reason in _HOPELESS:
            return None
        if record.step.frame.ending or state.is_closed(record) or event.task in state.skipping:
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
            self._recount(state)
            found = self._rechoice(problem, self._now(problem, state, node.path))
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

    def _now(self, problem: "Problem", state: JobState, failed: str = "") -> "Now":
        """Return where the job stands; of the step that *failed* the rest begins again."""
        from murakkab.optimizer.quick import Now, Settled

        at = self._at(state.now)
        settled: dict[str, Settled] = {}
        stretch: dict[str, float] = {}
        lags: dict[tuple[str, str], float] = {}
        partly: _Step | None = None
        slow = self._lags()
        for task in problem.tasks:
            path = task.name
            size = self._sizes.get(path, 1.0)
            step = self._steps.get(path)
            left = 1.0 if step is None else max(0.0, 1.0 - step.tasks / max(1.0, self._expected_tasks(path) * size))
            if path == failed:
                partly, step = step, None
                size *= left
            if size != 1.0:
                stretch[path] = size
            lag = {label: slow[way.card.name] for label, way in self._ways.get(path, {}).items()}
            lags |= {(path, label): factor for label, factor in lag.items() if factor != 1.0}
            label = self._picks.get(path, task.options[0].label)
            is_over = path != failed and (_is_over(path, state) or (step is not None and not left and "/" in path))
            if step is not None:
                option = next(option for option in task.options if option.label == label)
                settled[path] = _settled(option, step, (size, lag.get(label, 1.0), left), None if is_over else at)
            elif is_over:
                settled[path] = Settled(label, at, at, joules=0.0, usd=0.0)
        barred = [pair for pair in self._barred if pair[0] not in settled]
        spent = dict(self._account.spent)
        if partly is not None:
            spent["cost"] += partly.usd
            spent["energy"] += partly.joules or 0.0
        return Now(settled, at, stretch, lags, spent, barred, dict(self._picks), self._is_limited_by(state))

    def _expected_tasks(self, path: str) -> float:
        choice = self._decision.deployment.choices.get(path)
        return choice.tasks if choice is not None else 1.0

    def _lags(self) -> dict[str, float]:
        """Return `_lag` of every executor."""
        return {name: self._lag(name) for name in {way.card.name for ways in self._ways.values() for way in ways.values()}}

    def _lag(self, executor: str) -> float:
        """Return how many times longer its tasks will take than expected, by what was observed, as far as that is enough to go by.

        Never less than once: what was quick has saved time, but to count on more of that would risk a limit.
        """
        pace = self._paces.get(executor)
        prior = self._drifts.get(executor, 1.0)
        estimate = self._decision.deployment.estimate
        weight = _PRIOR * (estimate.seconds.value if estimate is not None else 0.0)
        if pace is not None and pace.expected + weight > 0:
            return max(1.0, (pace.taken + prior * weight) / (pace.expected + weight))
        # Of those that have not been seen: what slows one down slows the others.
        taken, expected = sum(pace.taken for pace in self._paces.values()), sum(pace.expected for pace in self._paces.values())
        return max(1.0, prior, prior * (taken + weight) / (expected + weight)) if expected + weight > 0 else prior


def _settled(option: "Option", step: _Step, scale: tuple[float, float, float], now: float | None) -> "Settled":
    """Return what a step that has begun takes; *now* None: took.

    *scale*: how much more of it there is than expected, how much longer it takes, and which part of it is left.
    """
    from murakkab.optimizer.quick import Settled

    size, lag, left = scale
    if now is None:
        joules = option.joules * size * lag if step.joules is None else step.joules
        return Settled(option.label, step.begun, step.last, joules=joules, usd=step.usd)
    seconds = option.seconds * size * lag
    end = max(now, step.begun + seconds if step.anew is None else step.anew + seconds * left)
    first = None if option.first is None else min(end, max(now, (step.begun if step.anew is None else step.anew) + option.first * lag))
    joules = option.joules * size * lag
    joules = joules if step.joules is None else step.joules + joules * left
    return Settled(option.label, step.begun, end, first, joules, step.usd + option.usd * size * left)


def _is_over(path: str, state: JobState) -> bool:
    """Return whether the step at the top of the graph that *path* lies in has settled."""
    step = state.steps.get(path.partition("/")[0])
    return step is not None and step.status in SETTLED
