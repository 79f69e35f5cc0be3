"""data: what `JobState` hears (events, past tense) and says (commands, imperative).

Time is in seconds since the epoch, always carried inside.

Tuples rather than dataclasses: one of each is made per task, and a named tuple costs half of a frozen dataclass.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from murakkab.errors import Failure
from murakkab.plan import Node
from murakkab.spec import Input

# ---------------------------------------------------------------------------------------------------------------- events


class JobSubmitted(NamedTuple):
    """A job was accepted with these inputs, already checked against the workflow.

    `budget` takes the place of what the workflow says, measure by measure. With a budget, `expected` holds what one task of each step is
    expected to take, by path: `{cost, energy, tokens}`.
    """

    time: float
    inputs: Mapping[str, Any]
    budget: Mapping[str, float] | None = None
    expected: Mapping[str, Mapping[str, float]] | None = None


class TaskStarted(NamedTuple):
    """An attempt is about to touch the world. Journalled for irreversible tasks alone: it is what makes doubt visible after a crash."""

    time: float
    task: str
    attempt: int


class TaskSucceeded(NamedTuple):
    """An attempt ended with a value; what it took is measured or, where the executor says so, billed.

    `units`: how much work it was, where the executor said so.
    """

    time: float
    task: str
    value: Any
    started: float
    cached: bool = False
    usd: float = 0.0
    joules: float | None = None
    executor: str = ""
    tokens: int = 0
    units: float | None = None


class TaskYielded(NamedTuple):
    """A running attempt gave element `number` (from zero) of its result. Said again by a later attempt, it must be the same."""

    time: float
    task: str
    number: int
    value: Any


class TaskFailed(NamedTuple):
    """An attempt ended badly. `reason` is a stable code; `retryable` says whether another attempt can help."""

    time: float
    task: str
    reason: str
    message: str
    retryable: bool
    started: float
    executor: str = ""
    usd: float = 0.0
    joules: float | None = None
    tokens: int = 0


class TaskCancelled(NamedTuple):
    """A running attempt was stopped on command. `left`: what of it could not be stopped and runs on, in words."""

    time: float
    task: str
    started: float
    executor: str = ""
    usd: float = 0.0
    joules: float | None = None
    tokens: int = 0
    left: str = ""


class RetryDue(NamedTuple):
    """The wait before the next attempt is over."""

    time: float
    task: str


class TimerFired(NamedTuple):
    """The time came that a task waits for: its `wait` is over, its own time is up, or its next round begins."""

    time: float
    task: str


class Answered(NamedTuple):
    """A person answered the question that a task asks: yes or no, and what its form asks for."""

    time: float
    task: str
    approved: bool
    values: Mapping[str, Any]
    by: str = ""


class SignalReceived(NamedTuple):
    """An event from outside came for the job. It is kept until a task waits for it."""

    time: float
    name: str
    value: Any = None


class SkipRequested(NamedTuple):
    """Somebody asked for one task or step to be stopped and passed over; `branch`: with everything that comes after it."""

    time: float
    task: str
    branch: bool = False
    reason: str = ""


class BudgetSpent(NamedTuple):
    """The time that the budget allows is over."""

    time: float


class DeadlinePassed(NamedTuple):
    """The job's latency limit passed before it finished."""

    time: float


class CancelRequested(NamedTuple):
    """Somebody asked for the job to stop."""

    time: float
    reason: str = ""


class JobResumed(NamedTuple):
    """A process took the job up again: what was in flight is lost or in doubt, what failed may be tried again.

    `budget`: new limits in the place of the old. `ending`: the job is taken up only to end it, in this status ("cancelled").
    """

    time: float
    budget: Mapping[str, float] | None = None
    ending: str = ""
    reason: str = ""


class JobForked(NamedTuple):
    """What comes before this was taken over from another job, which was forked before its step `step`."""

    time: float
    job: str
    step: str


class ChoicesChanged(NamedTuple):
    """Steps are done otherwise from now on. `choices` by path: a record of executor and knobs; tasks that begin later are done so.

    A task whose attempt began before and fails after this is tried once more. `expected` as in `JobSubmitted`, of these steps.
    """

    time: float
    choices: Mapping[str, Mapping[str, Any]]
    why: str = ""
    expected: Mapping[str, Mapping[str, float]] | None = None


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
    | TaskYielded
    | TaskFailed
    | TaskCancelled
    | RetryDue
    | TimerFired
    | Answered
    | SignalReceived
    | SkipRequested
    | BudgetSpent
    | DeadlinePassed
    | CancelRequested
    | JobResumed
    | JobForked
    | DoubtResolved
    | ChoicesChanged
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


class WaitTimer(NamedTuple):
    """Send `TimerFired` after `delay` seconds, unless `DropTimer` comes first. A task has one timer at a time."""

    task: str
    delay: float


class DropTimer(NamedTuple):
    """Forget the timer of a task."""

    task: str


class WaitBudget(NamedTuple):
    """Send `BudgetSpent` after `delay` seconds."""

    delay: float


class AskPerson(NamedTuple):
    """Show a question to whoever may answer it; `Answered` is the reply."""

    task: str
    message: str
    form: Mapping[str, Input]


class WaitDeadline(NamedTuple):
    """Send `DeadlinePassed` when `delay` seconds are over, unless the job has finished."""

    delay: float


class CancelTask(NamedTuple):
    """Stop a running attempt; answer with how it ended."""

    task: str


class FinishJob(NamedTuple):
    """Nothing is left to do here. `status`: succeeded, failed, cancelled, held (a task is in doubt), waiting or paused.

    waiting: for people or events, which `failures` name; paused: the budget is spent.
    """

    status: str
    outputs: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()


Command = StartTask | WaitRetry | WaitTimer | DropTimer | WaitBudget | WaitDeadline | AskPerson | CancelTask | FinishJob
