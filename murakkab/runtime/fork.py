"""policy: what a new job takes over from an old one that it branches off from - whatever was completed, but for a step and all after it.

The old story cannot be told again as it was: what failed, was lost, or belongs to the steps that begin anew is left out. So only what
*settled* each task is kept, in the old order, and whatever does not fit any more is dropped: that task runs again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError, MurakkabError, NotFoundError
from murakkab.plan import TaskGraph
from murakkab.runtime.ending import SETTLED
from murakkab.runtime.messages import (
    DoubtResolved,
    Event,
    JobForked,
    JobResumed,
    JobSubmitted,
    RetryDue,
    SignalReceived,
    SkipRequested,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TaskYielded,
)
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState
from murakkab.runtime.transitions import TRANSITIONS
from murakkab.spec import Effect

#: While the old story is told the budget does not hold: what it allowed is done. As much as no job can spend.
_UNLIMITED: Final = 1e300
_DONE: Final = frozenset((Status.SUCCEEDED, Status.SKIPPED))
_ENDS: Final = (TaskSucceeded, TaskFailed, TaskCancelled)


class Branch(NamedTuple):
    """How a new job begins: its events, the tasks whose results it takes over, and the irreversible ones that it will do once more."""

    events: Sequence[Event]
    kept: Sequence[str]
    repeated: Sequence[str]


def steps_after(graph: TaskGraph, step: str) -> frozenset[str]:
    """Return *step* and every step that depends on it. Raises `NotFoundError`, and `InputError` for a step inside of another."""
    if step not in graph.nodes:
        raise _no_step(graph, step)
    found: set[str] = set()
    agenda = [step]
    while agenda:
        name = agenda.pop()
        if name not in found:
            found.add(name)
            agenda += (*graph.nodes[name].consumers, *graph.nodes[name].feeds)
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
    again = steps_after(graph, step)
    if not history:
        return Branch((), (), ())
    past = _Past(graph, again)
    for event in history:
        past.hear(event)
    state = _retold(graph, [event for _, event in sorted(past.kept(), key=lambda one: one[0])])
    events = [*state.heard, JobForked(now, job, step)]
    if past.state.purse is not None:
        events.append(JobResumed(now, past.state.purse.limits))
    kept = [task for task, record in state.tasks.items() if record.status is Status.SUCCEEDED]
    return Branch(events, kept, past.repeated())


class _Past:
    """The old job, told once more: which event settled which task."""

    def __init__(self, graph: TaskGraph, again: frozenset[str]) -> None:
        self.state = JobState(graph)
        self._again = again
        self._heard: list[Event] = []
        #: Where in the story each task was settled last, and the attempt that did it.
        self._settled: dict[str, tuple[int, int]] = {}
        self._failures: dict[str, list[int]] = {}
        #: The task that took an event from outside, "" for those that nobody waited for when they came.
        self._takers: dict[int, str] = {}

    def hear(self, event: Event) -> None:
        """Go on by one event."""
        number, state = len(self._heard), self.state
        self._heard.append(event)
        task = getattr(event, "task", "")
        if isinstance(event, SignalReceived):
            waiting = (task for task, gate in state.asking.items() if gate.kind == "event" and gate.event == event.name)
            self._takers[number] = next(waiting, "")
        elif isinstance(event, TaskFailed):
            self._failures.setdefault(task, []).append(number)
        record = state.tasks.get(task)
        attempt = record.attempt if record is not None else 1
        was = record.status if record is not None else None
        state.handle(event)
        if record is not None and record.status in SETTLED and (was not in SETTLED or isinstance(event, _ENDS)):
            # What was abandoned is settled before its attempt has ended.
            self._settled[task] = number, attempt

    def kept(self) -> Iterator[tuple[float, Event]]:
        """Yield what the new job takes over, with its place in the story."""
        statuses = self.state.statuses()
        done = {task for task in self._settled if self._is_kept(task) and _is_done(task, statuses)}
        for task in done:
            yield from self._ending(task)
        for number, event in enumerate(self._heard):
            if isinstance(event, JobSubmitted):
                yield number, event._replace(budget=dict.fromkeys(self.state.purse.limits, _UNLIMITED)) if self.state.purse else event
            elif isinstance(event, SignalReceived):
                taker = self._takers[number]
                if not taker or (self._is_kept(taker) and _is_done(taker, statuses)):
                    yield number, event
            elif isinstance(event, SkipRequested):
                yield from self._skips(number, event, statuses)
            elif self._is_told(event):
                yield number, event

    def repeated(self) -> list[str]:
        """Return the irreversible tasks that have happened, or may have, and will happen once more."""
        tasks = (record for record in self.state.tasks.values() if record.step.node.effect is Effect.IRREVERSIBLE)
        return [
            one.id
            for one in tasks
            if not self._is_kept(one.id) and one.step.node.is_plain and (one.touched or one.status in (Status.SUCCEEDED, Status.DOUBT))
        ]

    def _is_kept(self, task: str) -> bool:
        root = path_of(task).partition("/")[0]
        return root in self.state.steps and root not in self._again

    def _is_told(self, event: Event) -> bool:
        """True for what happens to a task on its way: elements given, and an irreversible attempt of which nobody knows the end."""
        task = getattr(event, "task", "")
        record = self.state.tasks.get(task)
        if record is None or not self._is_kept(task):
            return False
        if isinstance(event, TaskStarted):
            return record.touched and record.status not in _DONE
        return isinstance(event, TaskYielded)

    def _ending(self, task: str) -> Iterator[tuple[float, Event]]:
        number, attempt = self._settled[task]
        event = self._heard[number]
        if isinstance(event, DoubtResolved):
            yield number, TaskSucceeded(event.time, task, event.value, event.time)
        elif isinstance(event, TaskFailed):
            # Its `on_error` may tell how many attempts there were.
            before = [one for one in self._failures[task] if one < number]
            for earlier in before[len(before) - attempt + 1 :] if attempt > 1 else ():
                failed = self._heard[earlier]
                yield earlier, failed._replace(retryable=True)  # type: ignore[call-arg]
                yield earlier + 0.5, RetryDue(failed.time, task)
            yield number, event._replace(retryable=False)
        elif not isinstance(event, SkipRequested | SignalReceived):
            yield number, event

    def _skips(self, number: int, event: SkipRequested, statuses: Mapping[str, Any]) -> Iterator[tuple[float, Event]]:
        """Yield a request to pass over a task, as far as it was about what the new job takes over."""
        if self._is_kept(event.task):
            names = [event.task]
            if event.branch and event.task in self.state.steps:
                names += sorted(steps_after(self.state.graph, event.task) - self._again - {event.task})
                event = event._replace(branch=False)
            for name in names:
                if statuses.get(name) in _DONE:
                    yield number, event._replace(task=name)


def _is_done(task: str, statuses: Mapping[str, Status]) -> bool:
    """True when a task, or one that it is a part of, needs nothing more."""
    if statuses.get(task) in _DONE:
        return True
    cut = max(task.rfind(mark) for mark in "/[#")
    return cut > 0 and _is_done(task[:cut], statuses)


# --------------------------------------------------------------------------------------------------------------- the new job


def _retold(graph: TaskGraph, story: Sequence[Event]) -> JobState:
    """Return the state of a job that hears as much of *story* as fits."""
    state = JobState(graph)
    left = story
    while left:
        late = [event for event in left if not _told(state, event)]
        if len(late) == len(left):
            break
        left = late
    return state


def _told(state: JobState, event: Event) -> bool:
    """Tell an event; False where it does not fit."""
    if state.finished or state.ending:
        # It stopped for want of an answer, say, and went on later.
        state.handle(JobResumed(event.time))
    if isinstance(event, JobSubmitted | SignalReceived):
        state.handle(event)
        return True
    task: str = event.task  # type: ignore[union-attr]
    for loop in [one for one in state.backing_off if task.startswith(f"{one}#")]:
        # Its next round began, on time or because the job was resumed.
        state.handle(RetryDue(event.time, loop))
    record = state.tasks.get(task)
    if isinstance(event, SkipRequested):
        fits = state.step_of(task) is not None
    else:
        fits = record is not None and (record.status, type(event)) in TRANSITIONS
    if fits:
        state.handle(event)
    return fits
