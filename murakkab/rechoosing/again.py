"""state: chooses again between the steps of one running job - when they take more or less than expected, and when a way of one fails.

A step that has begun keeps its way, unless that fails. The others may be done otherwise: quicker where the job is late and a limit would be
passed, with less where it is early. Where each step was chosen for itself there is nothing to win by that, and only failures count.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from murakkab.optimizer.choose import Decision, best_of, choice_of
from murakkab.optimizer.options import label_of
from murakkab.plan import Choice, Node
from murakkab.rechoosing.news import WORTH, News
from murakkab.rechoosing.paces import Lags, Paces
from murakkab.rechoosing.sizes import Sizes
from murakkab.rechoosing.spending import Spending
from murakkab.rechoosing.standing import Course, Places, standing, waiting_by
from murakkab.rechoosing.ways import Ways
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
    WaitRetry,
    WaitTimer,
)
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState

if TYPE_CHECKING:
    from murakkab.optimizer.problem import Problem
    from murakkab.optimizer.quick import Now, Prepared, Rechoice

#: Failures that another way would meet as well: they are about the input, or somebody wanted them.
_HOPELESS: Final = frozenset({"bad-input", "bad-media", "bad-reference", "bad-condition", "cancelled", "stream-diverged", "bad-signature"})
#: Failures that every step which is done in this way would meet.
_GONE: Final = frozenset({"missing-extra", "missing-program", "backend-unavailable", "unreachable"})


class Change(NamedTuple):
    """Steps that are done otherwise from now on, by path, and why. `labels` name their ways."""

    choices: Mapping[str, Choice]
    why: str
    labels: Mapping[str, str]


class Again:
    """Decides again for one job. Hears of everything that happens in it, also of what happened before it was resumed."""

    def __init__(self, decision: Decision, prepared: "Prepared | None" = None) -> None:
        self._decision, self._prepared = decision, prepared
        self._ways = Ways(decision)
        limits = decision.deployment.goal.limits
        self._latency = limits.get("latency", limits.get("latency_p90"))
        self._spending = Spending()
        self._news = News(decision)
        self._paces = Paces(self._news.seconds)
        self._sizes = Sizes(decision)
        self._places = Places(decision.graph, decision.situation.view)
        #: The attempts that wait for slots, where somebody tells.
        self.waiting: Callable[[], Collection[str]] = tuple
        #: What the last look reckoned with.
        self._reckoned = Lags({})

    # ------------------------------------------------------------------------------------------------------------- hearing

    def hear(self, event: Event) -> None:
        """Take note of what happened. Takes microseconds."""
        self._sizes.hear()
        if type(event) is TaskSucceeded:
            self._count(event)
        elif isinstance(event, TaskFailed | TaskCancelled):
            self._lose(event)
        elif isinstance(event, JobSubmitted):
            self._spending.open(event.time)
            self._news.limit(event.budget or {})
        elif isinstance(event, JobResumed | JobForked):
            self._spending.stand_still(event.time)
        elif isinstance(event, ChoicesChanged):
            self._ways.recall(event)
        self._spending.pass_to(event.time)

    def drifted(self, executor: str, ratio: float) -> None:
        """Take note that what *executor* does takes *ratio* times what its profile says."""
        self._paces.drifts[executor] = ratio
        self._news.alarm()

    def _count(self, event: TaskSucceeded) -> None:
        path = path_of(event.task)
        self._spending.add(path, event)
        if (waited := self._spending.waited(path, event)) > 0:
            self._news.notice(waited, 0.0, 0.0)
        way = self._ways.picked(path)
        if way is None:
            return
        lag, figures = self._reckoned.of(way.card.name), way.taken
        expected, taken = figures.seconds.value, event.time - event.started
        if not event.cached and event.executor in ("", way.card.name):
            self._paces.took(way.card.name, taken, expected)
        joules = 0.0 if event.joules is None or figures.joules is None else event.joules - figures.joules.value * lag
        self._news.notice(taken - expected * lag, event.usd - figures.usd.value, joules)

    def _lose(self, event: TaskFailed | TaskCancelled) -> None:
        self._spending.lose(path_of(event.task), event)
        self._news.notice(event.time - event.started, event.usd, event.joules or 0.0)

    # ------------------------------------------------------------------------------------------------------- between steps

    def before(self, commands: Sequence[Command], state: JobState) -> Change | None:
        """Return what is to be done otherwise before *commands* are carried out, None for nothing. No step that has begun is changed."""
        problem = self._decision.problem
        if problem is None or not _beginning(commands, self._spending.steps) or not self._is_worth_it(state):
            return None
        return self._chosen_again(problem, state)

    def begin(self, commands: Sequence[Command], state: JobState) -> None:
        """Take note that *commands* are being carried out: the steps that begin by that are no more changed."""
        spending = self._spending
        for command in commands:
            if type(command) is StartTask:
                spending.begin(command.node.path, state.now)
            elif type(command) is WaitTimer and path_of(command.task) not in self._ways.of:
                # That of a step which waits for it; of others it is the most that they may take.
                spending.begin(path_of(command.task), state.now)
            elif type(command) is WaitRetry:
                spending.put_off(path_of(command.task), state.now + command.delay)

    def accept(self, change: Change) -> None:
        """Take note that it is done so."""
        self._ways.picks |= change.labels

    def refuse(self, change: Change, path: str) -> None:
        """Take note that a step cannot be done as *change* says."""
        self._ways.barred.add((path, change.labels[path]))
        self._news.alarm()

    def _is_worth_it(self, state: JobState) -> bool:
        """Return whether anything is known that was not expected, and there is a choice left."""
        steps, ways = self._spending.steps, self._ways
        if self._sizes.recount(state, steps):
            self._news.alarm()
        return self._news.is_any() and any(path not in steps and len(ways.left(path)) > 1 for path in ways.of)

    def _chosen_again(self, problem: "Problem", state: JobState) -> Change | None:
        found = self._rechoice(problem, self._now(problem, state))
        self._news.end(found.slack)
        self._reckoned = self._paces.lags()
        over, value = found.kept
        if found.excess >= over * (1 - 1e-6) and over > 0:
            # It can be made no better.
            return None
        if over <= 0 and not abs(value - found.value) > WORTH * abs(value):
            return None
        why = f"{_cause(self._paces, self._sizes)}: {'to keep the limits' if over > 0 else 'there is room for better'}"
        return _change(self._ways, {path: label for path, label in found.picks.items() if path not in self._spending.steps}, why)

    def _rechoice(self, problem: "Problem", now: "Now") -> "Rechoice":
        # NumPy is loaded for a selection alone.
        from murakkab.optimizer.quick import prepare, rechoose

        if self._prepared is None:
            self._prepared = prepare(problem)
        found = rechoose(self._prepared, now)
        asked, limit = problem.bounds.latency, self._latency
        if found.excess > 0 and asked is not None and limit is not None and limit > asked:
            # More was asked for than the goal asks, as a selection does not see how tasks fall into pools: no reason to pass other limits.
            found = rechoose(self._prepared, replace(now, latency=limit))
        return found

    def _now(self, problem: "Problem", state: JobState, failed: str = "") -> "Now":
        """Return where the job stands; of the step that *failed* the rest begins again."""
        self._sizes.look(state, self._spending.steps)
        limits = state.purse.limits if state.purse is not None else {}
        limits = {name: limit for name, limit in limits.items() if name in self._news.limited}
        course = Course(self._ways, self._spending, self._paces.lags(), self._sizes, self._places, waiting_by(self.waiting()))
        return standing(problem, course, state.now, limits=limits, failed=failed)

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
        way = self._ways.picked(node.path)
        if way is None or event.executor != way.card.name:
            return None
        self._ways.bar(way, (*self._ways.of,) if event.reason in _GONE else (node.path,))
        picks = self._without(node, state)
        return _change(self._ways, picks, f"{way.label} failed ({event.reason})") if picks else None

    def _without(self, node: Node, state: JobState) -> Mapping[str, str]:
        """Return other ways for the step that failed and for those that have not begun; nothing where there are none."""
        ways, steps = self._ways, self._spending.steps
        if not ways.left(node.path):
            return {}
        problem = self._decision.problem
        if problem is not None:
            found = self._rechoice(problem, self._now(problem, state, node.path))
            if found.picks:
                return {path: label for path, label in found.picks.items() if path == node.path or path not in steps}
        goal = self._decision.deployment.goal
        lost = [path for path, label in ways.picks.items() if (path, label) in ways.barred and ways.left(path)]
        lost = [path for path in lost if path == node.path or path not in steps]
        return {path: label_of(best_of([ways.of[path][label] for label in ways.left(path)], goal)) for path in lost}


def _beginning(commands: Sequence[Command], begun: Container[str]) -> list[str]:
    """Return the paths of steps that are about to begin, and have not *begun* before."""
    found: dict[str, None] = {}
    for command in commands:
        if type(command) is StartTask:
            found[command.node.path] = None
        elif type(command) is WaitTimer:
            found[path_of(command.task)] = None
    return [path for path in found if path not in begun]


def _cause(paces: Paces, sizes: Sizes) -> str:
    """Return what happened otherwise than expected, in words."""
    ratio = paces.ratio()
    causes = [f"tasks took {ratio:.3g} times what was expected"] if ratio is not None and abs(ratio - 1) > WORTH else []
    if sizes.parts:
        causes.append(sizes.cause())
    causes += [f"{executor} takes {drift:.3g} times what it did" for executor, drift in paces.drifts.items()]
    return " and ".join(causes) or "things went otherwise"


def _change(ways: Ways, picks: Mapping[str, str], why: str) -> Change | None:
    """Return what is done otherwise by *picks*, None for nothing."""
    other = ways.others_of(picks)
    return Change({path: choice_of(path, ways.of[path][label], why) for path, label in other.items()}, why, other) if other else None
