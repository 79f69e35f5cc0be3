"""data: the compiled task graph and the choices for it.

`TaskGraph` is all that the optimizer sees of a workflow, `Deployment` all that the runtime sees of the optimizer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab.catalog import ExecutorCard
from murakkab.figures import Figure
from murakkab.spec import (
    PICKING,
    Approve,
    CachePolicy,
    Composed,
    Effect,
    Expr,
    Goal,
    Input,
    Loop,
    Need,
    OnError,
    Otherwise,
    PathItem,
    Prefer,
    Retry,
    Wait,
    Workflow,
)
from murakkab.types import ANY, Type


@dataclass(frozen=True, slots=True)
class Stream:
    """A `for_each` that need not wait for the whole list: each result of the map `source` yields its elements as it arrives.

    `rest` is the path inside one result; empty means that the result is itself the element.
    """

    source: str
    rest: tuple[PathItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """What a step does inside when its work is a graph of its own: a block, a sub-workflow, or the one step that is done again and again.

    `inputs` None: a block, which sees its surroundings, namely `captures` (steps, `inputs`, loop variables, `loop`) as they are when the
    task begins. Otherwise a sub-workflow, which sees `inputs` alone: those that the step's `with_` gives, else their defaults.
    `only`: the body is this one step, and its value is the value of the body; else that is the record of the `outputs`.
    `need`: so many of the `sinks` (steps that no other uses) end the body; then its value is the record of the sinks that succeeded.
    `gives`: the value of this one of several steps is the value of the body.
    """

    nodes: "Mapping[str, Node]"
    #: A stand-in for each step around a block that is waited for inside of it: it has the value of that step once it is there.
    late: "Mapping[str, Node]" = field(default_factory=dict)
    outputs: Mapping[str, Expr] = field(default_factory=dict)
    optional_outputs: frozenset[str] = frozenset()
    inputs: Mapping[str, Input] | None = None
    #: Those that a sub-workflow declares itself.
    secrets: Mapping[str, str] = field(default_factory=dict)
    captures: frozenset[str] = frozenset()
    only: str = ""
    gives: str = ""
    need: Need | None = None
    sinks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """`repeat`, compiled: `until` is asked with `result` and `loop` beside what the step itself sees; None: every round is done."""

    at_most: int
    until: Callable[[Mapping[str, Any]], bool] | None = None
    until_source: str = ""
    otherwise: Otherwise = Otherwise.FAIL
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Node:
    """A step, compiled. `needs` are the steps whose settling it awaits, `consumers` the reverse; `stream` is awaited element by element.

    A block does not wait for those of its needs that are `late`, for only steps inside of it use them: these wait. `opens`: the consumers
    that wait for this step as a whole. `is_late`: it stands inside of a block for such a step around it.

    `path` names it in the whole graph, `review/draft` for the step `draft` inside of `review`; `name` is unique among its siblings.
    One that is not `is_plain` has no executor and `uses` nothing: its work is `body`, `approve` or `wait`.
    """

    name: str
    uses: str
    call: str = ""
    path: str = ""
    body: Body | None = None
    again: Again | None = None
    approve: Approve | None = None
    wait: Wait | None = None
    need: Need | None = None
    #: Its executor gives the elements of its result one by one, so that a `for_each` over them need not wait for the last.
    streams: bool = False
    #: Some of its inputs are secrets: they are put in just before the executor runs.
    has_secrets: bool = False
    prefer: Prefer = Prefer()
    with_: Mapping[str, Expr] = field(default_factory=dict)
    loops: tuple[Loop, ...] = ()
    stream: Stream | None = None
    max_parallel: int | None = None
    condition: Callable[[Mapping[str, Any]], bool] | None = None
    condition_source: str = ""
    needs: tuple[str, ...] = ()
    #: Those of `needs` that may be skipped without skipping this step: `after`, what stands in `$first` alone, what only those inside use.
    tolerant: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    is_late: bool = False
    consumers: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    retry: Retry = Retry()
    timeout: float | None = None
    on_error: OnError = OnError()
    cache: CachePolicy | None = None
    effect: Effect = Effect.WRITE
    executor: str = ""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    result: Type = ANY
    #: The compositions that its results are candidates of, the innermost first, and those that it only helps in.
    composed: tuple[Composed, ...] = ()
    #: Longest path of expected work from the start of this step to the end of the job, in seconds: the priority of its tasks.
    rank: float = 0.0

    @property
    def is_plain(self) -> bool:
        """True when an executor does it."""
        return self.body is None and self.approve is None and self.wait is None and not self.is_late

    @property
    def only_helps(self) -> bool:
        """True when it gives no result of its own, but helps to make or to keep those of a composition: it has no quality."""
        return any(not one.among for one in self.composed) or (bool(self.composed) and self.call.startswith(PICKING))


@dataclass(frozen=True, slots=True)
class TaskGraph:
    """What to run: nodes in topological order, and how the outputs are made. `rewrites` says in words what the planner changed.

    `finally_` runs when all nodes have settled, however the job ended; it captures like a block, and sees `job` as well.
    """

    workflow: Workflow
    nodes: Mapping[str, Node]
    outputs: Mapping[str, Expr]
    optional_outputs: frozenset[str] = frozenset()
    finally_: Body | None = None
    rewrites: tuple[str, ...] = ()
    digest: str = ""
    #: The paths of the steps that are missing because something is left out, though they would have had a quality.
    left_out: tuple[str, ...] = ()
    #: Those that are missing of whose quality no executor says anything, with the names and versions of these: profiles may tell it.
    unrated: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def every_node(self) -> Iterator[Node]:
        """Yield every node, those inside of others after them."""
        agenda = [*self.nodes.values(), *(self.finally_.nodes.values() if self.finally_ else ())]
        while agenda:
            node = agenda.pop()
            yield node
            if node.body is not None:
                agenda.extend(node.body.nodes.values())


@dataclass(frozen=True, slots=True)
class Estimate:
    """What something is expected to take: seconds (`p90`: nine times out of ten no more), joules, USD, and its quality between 0 and 1.

    Of a step, all of its tasks together; of a job, `joules` has the base power of the pools that must be on for it. None: nobody knows.
    `least_joules`: where that is so of some steps of a job, those of the others; it takes at least so many.
    """

    seconds: Figure
    p90: float
    usd: Figure
    joules: Figure | None = None
    quality: Figure | None = None
    least_joules: Figure | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """A configuration that was not chosen: `label` names it, `lost` says in words why."""

    label: str
    lost: str
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """How one step is done: executor, device, knobs, and why this one. `tasks`: how many of it are expected; `runner_up`: the next best.

    `devices` of the pool work together on one task. `startup`: the seconds that the job waits for it while something is loaded or started.
    """

    step: str
    executor: ExecutorCard
    knobs: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    model: str = ""
    pool: str = ""
    tasks: float = 1.0
    estimate: Estimate | None = None
    runner_up: Other | None = None
    devices: int = 1
    startup: Figure | None = None

    def more_than(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the knobs that were chosen beside those that the step itself asks for."""
        return {name: value for name, value in self.knobs.items() if name not in asked}


@dataclass(frozen=True, slots=True)
class GraphChoice:
    """A knob that changes the graph: what it was set to, and its `choices`. `other`: the next best; `lost`: why that was not taken."""

    name: str
    value: int | str
    choices: tuple[int | str, ...]
    other: int | str | None = None
    lost: str = ""


@dataclass(frozen=True, slots=True)
class TierUse:
    """A limit that was named by a tier: the `value` that it stands for in this job, by which version of the tiers, set on which day."""

    measure: str
    tier: str
    value: float
    version: int
    day: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The choices for every plain node of a graph, by its path, under the goal they were made for.

    `estimate` is of one job, whose end waits for the steps of the path `critical`. `status`: separate (each step for itself: nothing binds
    them together), optimal, feasible (within `gap` of the optimum), or heuristic (not proven; `bound` is what the objective
    cannot be better than). `beyond`: the limits that it is expected not to keep, in words, by figures too unsure to refuse the job for.
    `graph`: how the knobs are set that change the graph. `tiers`: what those limits of the goal stand for that were named by a tier; the
    goal itself has the numbers. `held_by`: the limit of the installation that makes the job longer than its tasks do. `unjudged`: by what
    is limited, the steps of which nobody knows it: whether the limit is kept is judged without them.
    """

    choices: Mapping[str, Choice]
    goal: Goal = Goal()
    estimate: Estimate | None = None
    critical: tuple[str, ...] = ()
    status: str = "separate"
    gap: float = 0.0
    bound: float | None = None
    beyond: tuple[str, ...] = ()
    tiers: tuple[TierUse, ...] = ()
    held_by: str = ""
    graph: tuple[GraphChoice, ...] = ()
    unjudged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
