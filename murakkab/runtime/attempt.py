"""driver: one attempt of one task - from the command that starts it to the event that tells how it ended."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from murakkab.catalog import ExecutorCard
from murakkab.errors import BackendError, ExecutorError, MurakkabError
from murakkab.plan import Node
from murakkab.ports import Artifacts, Call, Clock, Executor, ResultCache
from murakkab.runtime.cache_key import cache_key
from murakkab.runtime.messages import StartTask, TaskFailed, TaskSucceeded
from murakkab.runtime.tracing import Tracer
from murakkab.spec import CachePolicy, Effect
from murakkab.types import checker


@dataclass(frozen=True, slots=True)
class Outside:
    """What attempts use of the world; the same for every task of a process."""

    artifacts: Artifacts
    clock: Clock
    cache: ResultCache | None = None
    tracer: Tracer | None = None
    #: Names the library that an executor needs and that is not installed, "" when it has all.
    lacking: Callable[[ExecutorCard], str] = lambda card: ""
    #: Seconds that cancelled work has to clean up before it is left behind.
    grace: float = 5.0


@dataclass(frozen=True, slots=True)
class Way:
    """How tasks are run: everything that can be settled once per workflow rather than once per task. Steps done alike share one."""

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
    #: No timeout, no cache, no tracing: nothing stands between the loop and the executor.
    is_plain: bool
    #: Nobody may find out only afterwards that it began.
    is_irreversible: bool
    #: How to try once more when this one has failed for good.
    fallback: "Way | None" = None


def way_of(node: Node, executor: Executor, *, knobs: Mapping[str, Any], target: Any, needs: Mapping[str, float], outside: Outside) -> Way:
    """Return the prepared way to run the tasks of *node* with *executor*."""
    plain = node.timeout is None and node.cache is None and outside.tracer is None
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
        is_irreversible=node.effect is Effect.IRREVERSIBLE,
    )


async def attempt(job: str, start: StartTask, way: Way, outside: Outside) -> TaskSucceeded | TaskFailed:
    """Run it and return how it ended. Raises nothing but cancellation and `KeyboardInterrupt`."""
    began = outside.clock()
    cached = False
    try:
        knobs = way.knobs if start.knobs is None else {**way.knobs, **{k: v for k, v in start.knobs.items() if k in way.knobs}}
        call = Call(start.task, start.attempt, start.inputs, knobs, outside.artifacts, way.target)
        if way.is_plain:
            value = await way.executor.run(call)
            if way.check is not None:
                _refuse_misfit(way.check(value))
        else:
            value, cached = await _guarded(job, call, way, outside)
    except ExecutorError as exc:
        return TaskFailed(outside.clock(), start.task, exc.reason, str(exc), exc.retryable, began, way.name)
    except MurakkabError as exc:
        retryable = isinstance(exc, BackendError)
        return TaskFailed(outside.clock(), start.task, exc.code, str(exc), retryable, began, way.name)
    except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:
        # `sys.exit` in a step ends the step, not the process and its other jobs.
        return TaskFailed(outside.clock(), start.task, "exception", _shown(exc), retryable=True, started=began, executor=way.name)
    return TaskSucceeded(outside.clock(), start.task, value, began, cached, 0.0 if cached else way.usd, None, way.name)


def _shown(exc: BaseException) -> str:
    if isinstance(exc, BaseExceptionGroup):
        # What a task group says of itself tells nobody anything.
        return ", ".join(map(_shown, exc.exceptions))
    name = type(exc).__name__
    try:
        text = str(exc)
    except Exception:
        return name
    return f"{name}: {text}" if text else name


async def _guarded(job: str, call: Call, way: Way, outside: Outside) -> tuple[Any, bool]:
    """Return the value and whether it came from the cache."""
    policy = way.cache
    key = ""
    if policy is not None and outside.cache is not None:
        key = cache_key(way.executor.card, call.knobs, call.inputs, target=way.target)
        hit = outside.cache.get(key, outside.clock())
        # What was kept under an older declaration may not fit any more: it is made anew.
        if hit is not None and not (way.check is not None and way.check(hit[0])):
            return hit[0], True
    if outside.tracer is None:
        value = await _timed(call, way, outside.grace)
    else:
        with outside.tracer.attempt(job, call.task, call.attempt, way.name):
            value = await _timed(call, way, outside.grace)
    if key and policy is not None and outside.cache is not None:
        try:
            outside.cache.put(key, value, None if policy.ttl is None else outside.clock() + policy.ttl)
        except (TypeError, ValueError) as exc:
            raise ExecutorError(f"its result is not JSON data: {exc}", reason="bad-result", retryable=False) from exc
    return value, False


async def _timed(call: Call, way: Way, grace: float) -> Any:
    value = await (way.executor.run(call) if way.timeout is None else _within(way.timeout, way.executor.run(call), grace))
    if way.check is not None:
        _refuse_misfit(way.check(value))
    return value


def _refuse_misfit(reason: str) -> None:
    if reason:
        raise ExecutorError(f"its result is not what the step promises: {reason}", reason="bad-result", retryable=False)


async def _within(limit: float, work: Coroutine[Any, Any, Any], grace: float) -> Any:
    """Return what *work* returns within *limit* seconds. Work that will not be cancelled is left behind: it must not hold up the job."""
    task = asyncio.get_running_loop().create_task(_outcome(work))  # a task of its own: nobody can leave behind the one he runs in
    try:
        await asyncio.wait({task}, timeout=limit)
        if task.done():
            value, error = task.result()
            if error is not None:
                raise error
            return value
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=grace)
    raise ExecutorError(f"no result within {limit:g} s", hint="raise its `timeout`, or look why it is slow", reason="timeout")


async def _outcome(work: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """Return what *work* returns or raises. `SystemExit` out of a task would end the event loop, not the attempt."""
    try:
        return await work, None
    except asyncio.CancelledError:
        raise
    except BaseException as exc:
        return None, exc
