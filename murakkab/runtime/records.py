"""data: what `JobState` keeps per step and per task. Mutable, and changed by `runtime.transitions` alone."""

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from murakkab.plan import Node

Key = tuple[tuple[int, ...], ...]


class Status(StrEnum):
    """Where a task is. Waiting, running and backoff are on the way; doubt waits for a person; the rest are settled."""

    # Looked up once per event: the hash of Enum is a Python function, that of str is not.
    __hash__ = str.__hash__

    WAITING = "waiting"
    RUNNING = "running"
    BACKOFF = "backoff"
    DOUBT = "doubt"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


_NO_SCOPE: Mapping[str, Any] = {}


class TaskRecord:
    """One invocation of a step. `scope` holds its loop variables, `key` its place in each level of the loop."""

    __slots__ = ("attempt", "executor", "id", "key", "scope", "status", "step", "touched", "value")

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


class StepRecord(TaskRecord):
    """One node of the graph; without a loop it is its own only task.

    `missing` counts the needs that have not settled; at zero the gate is open.
    """

    __slots__ = ("map", "missing", "must_skip", "node")

    def __init__(self, node: Node) -> None:
        # Not `super().__init__`: there is one per step of every job, and a call more is a tenth of what it costs.
        self.id = node.name
        self.step = self
        self.key = ()
        self.scope = _NO_SCOPE
        self.status = Status.WAITING
        self.attempt = 1
        self.executor = ""
        self.touched = False
        self.value = None
        self.node = node
        self.missing = len(node.needs)
        #: One of its needs was skipped, and nothing tolerates that.
        self.must_skip = False
        self.map = MapRecord(node) if node.loops else None


class MapRecord:
    """The tasks of a `for_each` step, growing while `open`: its list is not yet known to its end."""

    __slots__ = ("arrivals", "backlog", "branches", "open", "running", "tasks", "unsettled")

    def __init__(self, node: Node) -> None:
        #: False once every element of the list has arrived.
        self.open = True
        self.tasks: list[TaskRecord] = []
        #: Outer elements of a nested loop, whether or not they have inner ones.
        self.branches: list[Key] = []
        #: Tasks that have not settled.
        self.unsettled = 0
        #: Tasks that occupy one of `max_parallel` places, those in backoff included.
        self.running = 0
        #: Tasks that wait for a place, in order.
        self.backlog: deque[TaskRecord] = deque()
        #: Results of the streamed source that have not yet become tasks.
        self.arrivals: deque[tuple[tuple[int, ...], Any]] = deque()
