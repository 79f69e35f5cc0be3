"""data: what `JobState` hears (events, past tense) and says (commands, imperative).

Time is in seconds since the epoch, always carried inside.

Tuples rather than dataclasses: one of each is made per task, and a named tuple costs half of a frozen dataclass.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from murakkab.errors import Failure
from murakkab.plan import Node

# ---------------------------------------------------------------------------------------------------------------- events


class JobSubmitted(NamedTuple):
    """A job was accepted with these inputs, already checked against the workflow."""

    time: float
    inputs: Mapping[str, Any]


class TaskStarted(NamedTuple):
    """An attempt is about to touch the world. Journalled for irreversible tasks alone: it is what makes doubt visible after a crash."""

    time: float
    task: str
    attempt: int


class TaskSucceeded(NamedTuple):
    """An attempt ended with a value. `bill` holds measured facts: started, executor, cached, usd, joules."""

    time: float
    task: str
    value: Any
    started: float
    cached: bool = False
    usd: float = 0.0
    joules: float | None = None
    executor: str = ""


class TaskFailed(NamedTuple):
    """An attempt ended badly. `reason` is a stable code; `retryable` says whether another attempt can help."""

    time: float
    task: str
    reason: str
    message: str
    retryable: bool
    started: float
    executor: str = ""


class TaskCancelled(NamedTuple):
    """A running attempt was stopped on command."""

    time: float
    task: str
    started: float


class RetryDue(NamedTuple):
    """The wait before the next attempt is over."""

    time: float
    task: str


class DeadlinePassed(NamedTuple):
    """The job's latency limit passed before it finished."""

    time: float


class CancelRequested(NamedTuple):
    """Somebody asked for the job to stop."""

    time: float
    reason: str = ""


class JobResumed(NamedTuple):
    """A process took the job up again: what was in flight is lost or in doubt, what failed may be tried again."""

    time: float


class DoubtResolved(NamedTuple):
    """A person said what became of an irreversible task in doubt: `done` (with its value) or `retry`."""

    time: float
    task: str
    verdict: str
    value: Any = None


Event = (
    JobSubmitted
    | TaskStarted
    | TaskSucceeded
    | TaskFailed
    | TaskCancelled
    | RetryDue
    | DeadlinePassed
    | CancelRequested
    | JobResumed
    | DoubtResolved
)

# -------------------------------------------------------------------------------------------------------------- commands


class StartTask(NamedTuple):
    """Run one attempt. `executor` overrides the node's choice (a fallback), `knobs` what was chosen for those of the node."""

    task: str
    node: Node
    inputs: Mapping[str, Any]
    attempt: int = 1
    executor: str = ""
    knobs: Mapping[str, Any] | None = None


class WaitRetry(NamedTuple):
    """Send `RetryDue` after `delay` seconds."""

    task: str
    delay: float


class WaitDeadline(NamedTuple):
    """Send `DeadlinePassed` when `delay` seconds are over, unless the job has finished."""

    delay: float


class CancelTask(NamedTuple):
    """Stop a running attempt; answer with how it ended."""

    task: str


class FinishJob(NamedTuple):
    """Nothing is left to do. `status` is succeeded, failed, cancelled or held."""

    status: str
    outputs: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()


Command = StartTask | WaitRetry | WaitDeadline | CancelTask | FinishJob
