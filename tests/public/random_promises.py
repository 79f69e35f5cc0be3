"""What holds of every job, however it goes, as far as it can be seen from outside: in what it tells observers, and in its journal."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from murakkab.errors import Failure
from murakkab.plan import TaskGraph
from murakkab.runtime.messages import (
    AskPerson,
    DoubtResolved,
    Event,
    JobResumed,
    SkipRequested,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
)
from murakkab.runtime.records import Frame, Status, TaskRecord, path_of
from murakkab.runtime.result import JobResult
from murakkab.runtime.state import JobState
from murakkab.spec import Effect
from tests.public.random_oracle import hard_mentions, levels_of

_OVER = ("succeeded", "failed", "cancelled")
STATUSES = (*_OVER, "held", "waiting", "paused", "interrupted")
#: Every code that a failure of a random workflow may have.
REASONS = {
    *("exception", "no-use", "backend-unavailable", "bad-result", "cancelled", "timeout", "stream-diverged"),
    *("rejected", "bad-event", "bad-reference", "quorum", "loop-exhausted", "skipped-output", "deadline"),
    *("in-doubt", "person", "event", "budget", "bad-condition"),
}


def check_result(result: JobResult) -> None:
    """The job has ended in a status that says how, and whatever is wrong is said by a code that is known."""
    assert result.status in STATUSES
    assert bool(result.failures) >= (result.status in ("failed", "held", "waiting", "paused")), result
    assert bool(result.outputs) <= (result.status in ("succeeded", "failed")), result
    for failure in result.failures:
        _check_failure(failure, result)


def _check_failure(failure: Failure, result: JobResult) -> None:
    assert failure.reason in REASONS, failure
    assert failure.message
    graph = result.graph
    assert graph is not None
    paths = {node.path for node in graph.every_node()}
    assert not failure.task or path_of(failure.task) in paths, failure


def check_tasks(result: JobResult) -> None:
    """The bill has a row for every attempt that ended, and adds up."""
    ends = [event for event in result.history if isinstance(event, TaskSucceeded | TaskFailed | TaskCancelled)]
    assert [(row.task, row.usd) for row in result.tasks] == [(event.task, event.usd) for event in ends]
    assert all(row.finished >= row.started for row in result.tasks)


# ------------------------------------------------------------------------------------------------------------------- replay


class Story:
    """Goes through all that was told of a job, in order, beside a state of its own, and sees that every promise holds at every moment."""

    def __init__(self, document: Mapping[str, Any], graph: TaskGraph) -> None:
        self.state = JobState(graph)
        self._graph = graph
        self._document = document
        self._done: set[str] = set()
        self._busy: set[str] = set()
        self._verdicts: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()
        self._skipped = False

    def hear(self, message: Any) -> None:
        """Check the next thing that was told."""
        if isinstance(message, TaskStarted):
            self._starts(message.task)
        if isinstance(message, TaskSucceeded):
            self._succeeds(message.task)
        if isinstance(message, TaskSucceeded | TaskFailed | TaskCancelled):
            self._busy.discard(message.task)
        if isinstance(message, DoubtResolved) and message.verdict == "retry":
            self._verdicts[message.task] += 1
        if isinstance(message, JobResumed):
            self._busy.clear()
        self._skipped |= isinstance(message, SkipRequested)
        if not isinstance(message, AskPerson) and (type(message) is not TaskStarted or self._is_journalled(message)):
            self.state.handle(message)
            self._done |= {task for task, record in self.state.tasks.items() if record.status is Status.SUCCEEDED}

    def _is_journalled(self, message: TaskStarted) -> bool:
        return self.state.tasks[message.task].step.node.effect is Effect.IRREVERSIBLE

    def _starts(self, task: str) -> None:
        assert task not in self._done, f"{task} has succeeded, and begins again"
        assert task not in self._busy, f"{task} runs twice at once"
        record = self.state.tasks[task]
        assert record.status in (Status.RUNNING, Status.CANCELLED), f"{task} begins, and is {record.status}"
        self._busy.add(task)
        self._begun[task] += 1
        if record.step.node.effect is Effect.IRREVERSIBLE:
            assert self._begun[task] <= 1 + self._verdicts[task], f"{task} is irreversible, and begins once more unasked"
        self._check_inputs(record)
        self._check_places(task)

    def _succeeds(self, task: str) -> None:
        record = self.state.tasks[task]
        assert task not in self._done, f"{task} succeeds twice"
        assert record.status in (Status.RUNNING, Status.CANCELLED)

    def _check_inputs(self, record: TaskRecord) -> None:
        """All that a task refers to has settled; of what comes element by element, one at least is there."""
        step = step_at(self._document, record.step.node.path)
        levels = levels_of(step)
        streamed = _streamed(levels)
        frame: Frame | None = record.step.frame
        while frame is not None:
            for name in hard_mentions(step) | set(step.get("after", ())):
                if name in frame.steps and frame.steps[name] is not record.step and name != streamed:
                    status = frame.steps[name].status
                    assert status in (Status.SUCCEEDED, Status.SKIPPED, Status.FAILED), (
                        f"{record.id} begins before {name}, which is {status}"
                    )
            # Inside of a sub-workflow nothing around it can be seen.
            is_shut = frame.body is not None and frame.body.inputs is not None
            frame = None if is_shut or frame.parent is None else frame.parent.step.frame
            step = {**step, "after": ()}

    def _check_places(self, task: str) -> None:
        """Of each map no more elements are at work at once than may be. One that is passed over may take a moment to end."""
        if self._skipped:
            return
        elements: dict[str, set[str]] = defaultdict(set)
        for busy in self._busy:
            if self.state.is_closed(self.state.tasks[busy]):
                continue
            for place in re.finditer(r"\]+(?=/|#|$)", busy):
                element = busy[: place.end()]
                elements[re.sub(r"(\[[\d.]+\])+$", "", element)].add(element)
        for name, at_work in elements.items():
            limit = step_at(self._document, path_of(name)).get("max_parallel")
            assert limit is None or len(at_work) <= limit, f"{sorted(at_work)} are at work, with max_parallel {limit}"


def _streamed(levels: list[dict[str, Any]]) -> str:
    """Return the name of the step whose elements a map takes as they come, if it is one."""
    if not levels or len(levels[0]) > 1:
        return ""
    over = next(iter(levels[0].values()))
    return re.split(r"[.\[]", over[2:-1])[0] if isinstance(over, str) else ""


def step_at(document: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the step of that path."""
    first, *names = path.split("/")
    step = document["finally"][names.pop(0)] if first == "finally" else document["steps"][first]
    for name in names:
        if "workflow" in step:
            document = document["workflows"][step["workflow"]]
            step = document["steps"][name]
        else:
            step = step["steps"][name]
    return step  # type: ignore[no-any-return]


def check_story(document: Mapping[str, Any], graph: TaskGraph, told: Sequence[Any], history: Sequence[Event]) -> JobState:
    """Every promise held at every moment, and the journal alone leads to the same state. Return that."""
    story = Story(document, graph)
    for message in told:
        story.hear(message)
    again = JobState(graph)
    for event in history:
        again.handle(event)
    assert again.statuses() == story.state.statuses()
    assert again.results() == story.state.results()
    assert again.finished == story.state.finished
    return again


def irreversible_tasks(graph: TaskGraph, tasks: Iterable[str]) -> list[str]:
    """Return those of *tasks* that are irreversible."""
    paths = {node.path for node in graph.every_node() if node.effect is Effect.IRREVERSIBLE and node.is_plain}
    return [task for task in tasks if path_of(task) in paths]


def check_end(document: Mapping[str, Any], state: JobState, status: str) -> None:
    """Nothing is left on the way in a job that is over, and its last steps were done."""
    if status not in _OVER:
        return
    assert state.finished == status
    on_the_way = {Status.WAITING, Status.RUNNING, Status.BACKOFF, Status.AWAITING}
    stuck = [name for name, step in state.steps.items() if step.status in on_the_way]
    assert not stuck, f"the job has {status}, and {stuck} did not settle"
    if "finally" in document:
        assert state.finale is not None, "the last steps are not done"
        assert state.finale.status is Status.SUCCEEDED
        work = state.finale.work
        frame = getattr(work, "frame", None)
        assert frame is not None
        assert {step.status for step in frame.steps.values()} <= {
            Status.SUCCEEDED,
            Status.FAILED,
            Status.CANCELLED,
            Status.SKIPPED,
        } or frame.ending
