"""policy: how a new job begins that branches off from an old one - with all that was done, but for a step and whatever depends on it.

The story of the old job is told once more, without those steps. Where they ended the job, something else has to: else the others would
have gone on when they did not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError, MurakkabError, NotFoundError
from murakkab.plan import Node, TaskGraph
from murakkab.runtime.messages import (
    CancelRequested,
    ChoicesChanged,
    Event,
    JobForked,
    JobResumed,
    JobSubmitted,
    SignalReceived,
    SkipRequested,
)
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState
from murakkab.runtime.transitions import TRANSITIONS
from murakkab.spec import Effect

#: While the old story is told no budget holds: what it allowed is done. As much as no job can spend.
_UNLIMITED: Final = 1e300


class Branch(NamedTuple):
    """How a new job begins: its events, the tasks whose results it takes over, and the irreversible ones that it will do once more."""

    events: Sequence[Event]
    kept: Sequence[str]
    repeated: Sequence[str]


def steps_after(graph: TaskGraph, step: str) -> frozenset[str]:
    """Return *step* and every step that depends on it. Raises `NotFoundError`, and `InputError` for a step inside of another."""
    if step not in graph.nodes:
        raise _no_step(graph, step)
    return _reached(graph, step, lambda node: (*node.consumers, *node.feeds))


def _reached(graph: TaskGraph, step: str, after: Callable[[Node], Iterable[str]]) -> frozenset[str]:
    found: set[str] = set()
    agenda = [step]
    while agenda:
        name = agenda.pop()
        if name not in found:
            found.add(name)
            agenda += after(graph.nodes[name])
    return frozenset(found)


def _no_step(graph: TaskGraph, step: str) -> MurakkabError:
    outer = path_of(step).partition("/")[0]
    if outer in graph.nodes:
        return InputError(f"{step!r} is a part of the step {outer!r}", hint=f"begin again before {outer!r}")
    if step in graph.workflow.steps:
        said = next((one for one in graph.rewrites if one.startswith(f"{step} ")), "")
        return InputError(f"step {step!r} does not run by itself{': ' if said else ''}{said}", hint="name a step that does")
    hint = did_you_mean(step, graph.nodes, others="there are")
    return NotFoundError(f"workflow {graph.workflow.name!r} has no step {step!r}", hint=hint)


def branched(graph: TaskGraph, history: Sequence[Event], step: str, *, job: str, now: float) -> Branch:
    """Return how a job begins that goes on from what *job* has done, as if *step* and all that depends on it had not begun."""
    telling = _Telling(graph, steps_after(graph, step))
    if not history:
        return Branch((), (), ())
    for event in history:
        telling.hear(event)
    old, new = telling.old, telling.new
    new.handle(JobForked(now, job, step))
    if old.purse is not None or new.ending or new.finished:
        new.handle(JobResumed(now, old.purse.limits if old.purse is not None else None))
    kept = [task for task, record in new.tasks.items() if record.status is Status.SUCCEEDED]
    return Branch(new.heard, kept, telling.repeated())


class _Telling:
    """The old job and the new one, side by side."""

    def __init__(self, graph: TaskGraph, again: frozenset[str]) -> None:
        self.old = JobState(graph)
        self.new = JobState(graph)
        self._again = again

    def hear(self, event: Event) -> None:
        """Let the old job hear an event, and the new one as far as it is meant."""
        was_over = bool(self.old.finished)
        meant = list(self._meant(event))
        self.old.handle(event)
        for one in meant:
            if self.new.finished and not was_over:
                # It waits for an answer, and the old job did not: what begins again was running there.
                self.new.handle(JobResumed(one.time))
            if self._fits(one):
                self.new.handle(one)
        if self.old.ending in ("failed", "cancelled") and not self.new.ending:
            self.new.handle(CancelRequested(event.time, "the job ended that this one branches off from"))

    def repeated(self) -> list[str]:
        """Return the irreversible tasks that have happened, or may have, and will happen once more."""
        tasks = (one for one in self.old.tasks.values() if one.step.node.is_plain and one.step.node.effect is Effect.IRREVERSIBLE)
        return [one.id for one in tasks if not self._is_kept(one.id) and (one.touched or one.status in (Status.SUCCEEDED, Status.DOUBT))]

    def _is_kept(self, task: str) -> bool:
        root = path_of(task).partition("/")[0]
        return root in self.old.steps and root not in self._again

    def _meant(self, event: Event) -> Iterator[Event]:
        """Yield what the new job hears of an event that the old one is about to hear."""
        if isinstance(event, JobSubmitted):
            limits = {**self.old.graph.workflow.budget, **(event.budget or {})}
            yield event._replace(budget=dict.fromkeys(limits, _UNLIMITED)) if limits else event
        elif isinstance(event, JobResumed):
            yield JobResumed(event.time)
        elif isinstance(event, SignalReceived):
            if self._takers_agree(event.name):
                yield event
        elif isinstance(event, SkipRequested):
            yield from self._skips(event)
        elif isinstance(event, ChoicesChanged) or self._is_kept(getattr(event, "task", "")):
            yield event

    def _takers_agree(self, name: str) -> bool:
        """True when an event from outside goes to the same task in both jobs, or to none yet, and that task is not to begin again."""
        old, new = (
            next((task for task, gate in state.asking.items() if gate.kind == "event" and gate.event == name), "")
            for state in (self.old, self.new)
        )
        return old == new and (not old or self._is_kept(old))

    def _skips(self, event: SkipRequested) -> Iterator[Event]:
        if not self._is_kept(event.task):
            return
        if event.branch and event.task in self.old.steps:
            # Blocks of which only steps inside come after it go on, without these.
            branch = _reached(self.old.graph, event.task, lambda node: (*node.opens, *node.feeds)) - self._again
            # The last first: what comes after a step that is passed over may begin at once.
            yield from (event._replace(task=name, branch=False) for name in reversed(list(self.old.graph.nodes)) if name in branch)
        else:
            yield event

    def _fits(self, event: Event) -> bool:
        task = getattr(event, "task", None)
        if task is None:
            return True
        if isinstance(event, SkipRequested):
            return self.new.step_of(task) is not None
        record = self.new.tasks.get(task)
        return record is not None and (record.status, type(event)) in TRANSITIONS
