"""data: what `JobState` keeps per step, per task and per frame. Mutable, and changed by the state files of this folder alone."""

import re
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from murakkab.plan import Body, Node

if TYPE_CHECKING:
    from murakkab.errors import Failure

Key = tuple[tuple[int, ...], ...]


class Status(StrEnum):
    """Where a task is. Waiting, running, backoff and awaiting are on the way; doubt waits for a person; the rest are settled.

    awaiting: it has begun, and waits for an answer, an event or a time.
    """

    # Looked up once per event: the hash of Enum is a Python function, that of str is not.
    __hash__ = str.__hash__

    WAITING = "waiting"
    RUNNING = "running"
    BACKOFF = "backoff"
    AWAITING = "awaiting"
    DOUBT = "doubt"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


_NO_SCOPE: Mapping[str, Any] = {}
_PLACES: Final = re.compile(r"\[[^\]]*\]|#\d+|~\d+(?=/)")


def path_of(task: str) -> str:
    """Return the path of the node that a task belongs to: `review/draft` for `review[3]/draft#2`."""
    return _PLACES.sub("", task) if "[" in task or "#" in task or "~" in task else task


class TaskRecord:
    """One invocation of a step. `scope` holds its loop variables, `key` its place in each level of the loop."""

    __slots__ = ("attempt", "executor", "id", "key", "scope", "status", "step", "touched", "value", "work")

    def __init__(self, id: str, step: "StepRecord", key: Key, scope: Mapping[str, Any]) -> None:
        self.id = id
        self.step = step
        self.key = key
        self.scope = scope
        self.status: Status = Status.WAITING
        self.attempt = 1
        #: The fallback executor, once it has come to that.
        self.executor = ""
        #: An irreversible attempt has begun to touch the world.
        self.touched = False
        #: The result within a map, until the step settles and holds them all.
        self.value: Any = None
        #: What has begun of work that is not one attempt of an executor: rounds, a gate, or the elements that a stream has given.
        self.work: Rounds | Gate | list[Any] | None = None


class StepRecord(TaskRecord):
    """One node of the graph in one frame; without a loop it is its own only task.

    `missing` counts the needs that have not settled; at zero the gate is open. `stand_ins`: those in blocks that wait for its value.
    """

    __slots__ = ("frame", "map", "missing", "must_skip", "node", "stand_ins")

    def __init__(self, node: Node, frame: "Frame", id: str) -> None:
        # Not `super().__init__`: there is one per step of every job, and a call more is a tenth of what it costs.
        self.id = id
        self.step = self
        self.key = ()
        self.scope = _NO_SCOPE
        self.status = Status.WAITING
        self.attempt = 1
        self.executor = ""
        self.touched = False
        self.value = None
        self.work = None
        self.node = node
        self.frame = frame
        self.missing = len(node.needs) - len(node.late)
        self.stand_ins: list[StepRecord] | None = None
        #: One of its needs was skipped, and nothing tolerates that.
        self.must_skip = False
        self.map = MapRecord(node) if node.loops else None


class MapRecord:
    """The tasks of a `for_each` step, growing while `open`: its list is not yet known to its end."""

    __slots__ = ("arrivals", "backlog", "branches", "open", "parked", "running", "succeeded", "tasks", "unsettled")

    def __init__(self, node: Node) -> None:
        #: False once every element of the list has arrived.
        self.open = True
        self.tasks: list[TaskRecord] = []
        #: Outer elements of a nested loop, whether or not they have inner ones.
        self.branches: list[Key] = []
        #: Tasks that have not settled.
        self.unsettled = 0
        #: Tasks that have succeeded, counted where the step needs only some.
        self.succeeded = 0
        #: Tasks that occupy one of `max_parallel` places, those in backoff included.
        self.running = 0
        #: Tasks that wait for a place, in order.
        self.backlog: deque[TaskRecord] = deque()
        #: Tasks that begin again once what the step needs is there again.
        self.parked: list[TaskRecord] = []
        #: Results of the streamed source that have not yet become tasks.
        self.arrivals: deque[tuple[tuple[int, ...], Any]] = deque()


class Frame:
    """One run of a graph: that of the job, or of the body of a task (its `parent`).

    `running`: attempts in flight in it and in the frames inside, each of which owes an event. `ending`: "" while it goes on, then the
    status that it ends in: nothing starts in it any more. `closed`: its outcome is used; nothing that happens in it matters any more.
    """

    __slots__ = (
        "body",
        "closed",
        "ending",
        "failures",
        "known",
        "parent",
        "prefix",
        "running",
        "steps",
        "succeeded",
        "tolerated",
        "unsettled",
    )

    def __init__(self, nodes: Mapping[str, Node], known: dict[str, Any], body: Body | None, parent: TaskRecord | None, prefix: str) -> None:
        self.body = body
        self.parent = parent
        self.prefix = prefix
        #: Inputs or captured values, and the value of every settled step: what references see.
        self.known = known
        if body is not None and body.only:
            # The one step of a loop has the name of its round.
            self.steps = {name: StepRecord(node, self, prefix) for name, node in nodes.items()}
        elif prefix:
            self.steps = {name: StepRecord(node, self, f"{prefix}/{name}") for name, node in nodes.items()}
        else:
            self.steps = {name: StepRecord(node, self, name) for name, node in nodes.items()}
        if body is not None and body.late:
            self.steps |= {name: StepRecord(node, self, f"{prefix}/{name}") for name, node in body.late.items()}
        self.running = 0
        self.unsettled = len(self.steps)
        #: Sinks that have succeeded, counted where only some are needed.
        self.succeeded = 0
        self.ending = ""
        self.closed = False
        #: Those that ended it.
        self.failures: list[Failure] = []
        #: Those of tasks that were not needed.
        self.tolerated: list[Failure] = []


class Rounds:
    """The work of a task with a body: the frame of its present round, and the results of those before."""

    __slots__ = ("due", "frame", "history")

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self.history: list[Any] = []
        #: When its time is up; None when it has no limit.
        self.due: float | None = None

    def loop(self) -> dict[str, Any]:
        """Return what `loop` is in the present round."""
        return {"index": len(self.history), "last": self.history[-1] if self.history else None, "history": list(self.history)}


class Gate:
    """The work of a task that waits: `kind` is person (for an answer to `message`), event (for `event`) or time. `due`: when time is up."""

    __slots__ = ("due", "event", "kind", "message", "opens")

    def __init__(self, kind: str, *, message: str = "", event: str = "", due: float | None = None, opens: bool = False) -> None:
        self.kind = kind
        self.message = message
        self.event = event
        self.due = due
        #: What happens at `due`: the task succeeds; otherwise it has waited too long.
        self.opens = opens
