"""data: the compiled task graph and the choices for it.

`TaskGraph` is all that the optimizer sees of a workflow, `Deployment` all that the runtime sees of the optimizer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab.catalog import ExecutorCard
from murakkab.spec import CachePolicy, Effect, Expr, Goal, Loop, OnError, PathItem, Retry, Workflow
from murakkab.types import ANY, Type


@dataclass(frozen=True, slots=True)
class Stream:
    """A `for_each` that need not wait for the whole list: each result of the map `source` yields its elements as it arrives.

    `rest` is the path inside one result; empty means that the result is itself the element.
    """

    source: str
    rest: tuple[PathItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A step, compiled. `needs` are the steps whose settling it awaits, `consumers` the reverse; `stream` is awaited element by element."""

    name: str
    uses: str
    call: str = ""
    with_: Mapping[str, Expr] = field(default_factory=dict)
    loops: tuple[Loop, ...] = ()
    stream: Stream | None = None
    max_parallel: int | None = None
    condition: Callable[[Mapping[str, Any]], bool] | None = None
    condition_source: str = ""
    needs: tuple[str, ...] = ()
    #: Those of `needs` that may be skipped without skipping this step: `after`, and what stands in `$first` alone.
    tolerant: frozenset[str] = frozenset()
    consumers: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    retry: Retry = Retry()
    timeout: float | None = None
    on_error: OnError = OnError()
    cache: CachePolicy | None = None
    effect: Effect = Effect.WRITE
    executor: str = ""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    result: Type = ANY
    #: Longest path of expected work from the start of this step to the end of the job, in seconds: the priority of its tasks.
    rank: float = 0.0


@dataclass(frozen=True, slots=True)
class TaskGraph:
    """What to run: nodes in topological order, and how the outputs are made. `rewrites` says in words what the planner changed."""

    workflow: Workflow
    nodes: Mapping[str, Node]
    outputs: Mapping[str, Expr]
    optional_outputs: frozenset[str] = frozenset()
    rewrites: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """How one step is done: executor, device, knobs, and why this one."""

    step: str
    executor: ExecutorCard
    knobs: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The choices for every step of a graph, under the goal they were made for."""

    choices: Mapping[str, Choice]
    goal: Goal = Goal()
