"""driver: how the tasks of a step are run - what can be settled once per process, per workflow and per worker rather than per task."""

from asyncio import Task
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from murakkab.catalog import ExecutorCard
from murakkab.plan import Node
from murakkab.ports import Artifacts, Clock, Executor, ResultCache
from murakkab.runtime.messages import Event, StartTask
from murakkab.runtime.tracing import Tracer
from murakkab.runtime.vault import read_secret
from murakkab.spec import CachePolicy, Effect
from murakkab.steps import CurrentAttempt
from murakkab.types import ANY, checker


@dataclass(frozen=True, slots=True)
class Outside:
    """What attempts use of the world; the same for every task of a process."""

    artifacts: Artifacts
    clock: Clock
    cache: ResultCache | None = None
    tracer: Tracer | None = None
    #: Names the library or environment variable that an executor needs and that is not there, "" when it has all.
    lacking: Callable[[ExecutorCard], str] = lambda card: ""
    #: Seconds that cancelled work has to clean up before it is left behind.
    grace: float = 5.0
    #: Gives what is kept at the source of a secret.
    secret: Callable[[str], str] = read_secret


@dataclass(frozen=True, slots=True)
class Way:
    """How tasks are run. Steps done alike share one."""

    executor: Executor
    name: str
    knobs: Mapping[str, Any]
    target: Any
    check: Callable[[Any], str] | None
    #: What it occupies while it runs; empty for tasks that never wait.
    needs: Mapping[str, float]
    usd: float
    timeout: float | None
    cache: CachePolicy | None
    #: No timeout, no cache, no tracing, no secrets, no stream: nothing stands between the loop and the executor.
    is_plain: bool
    #: Nor does the executor hand the report of its call to anybody.
    is_silent: bool
    #: Nobody may find out only afterwards that it began.
    is_irreversible: bool
    has_secrets: bool = False
    streams: bool = False
    check_element: Callable[[Any], str] | None = None
    #: How to try once more when this one has failed for good.
    fallback: "Way | None" = None


class Desk(CurrentAttempt):
    """Where attempts are made, one after the other: what is known of the one that is on it, even when it is cut short."""

    __slots__ = ("began", "deliver", "start", "worker")

    def __init__(self, grace: float, deliver: Callable[[Event], None], worker: Task[None] | None = None) -> None:
        super().__init__(grace=grace)
        #: Hears of it: how it ended, and the elements that it gives.
        self.deliver = deliver
        self.worker = worker
        self.start: tuple[StartTask, Way] | None = None
        #: When it began.
        self.began = 0.0


def way_of(node: Node, executor: Executor, *, knobs: Mapping[str, Any], target: Any, needs: Mapping[str, float], outside: Outside) -> Way:
    """Return the prepared way to run the tasks of *node* with *executor*."""
    plain = node.timeout is None and node.cache is None and outside.tracer is None and not node.has_secrets and not node.streams
    asked = getattr(executor, "is_silent", None)  # those that cannot tell may do anything with a call
    return Way(
        executor=executor,
        name=executor.card.name,
        knobs=knobs,
        target=target,
        check=checker(node.result),
        needs=needs,
        usd=executor.card.quote.usd,
        timeout=node.timeout,
        cache=node.cache,
        is_plain=plain,
        is_silent=plain and asked is not None and asked(target),
        is_irreversible=node.effect is Effect.IRREVERSIBLE,
        has_secrets=node.has_secrets,
        streams=node.streams,
        check_element=checker(node.result.item or ANY) if node.streams else None,
    )
