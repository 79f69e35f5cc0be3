"""driver: what stands between the loop and an executor, where something must - a cache, a trace, secrets, a stream, a time limit."""

import asyncio
import signal
import threading
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any, Final

from murakkab.errors import BackendError, ExecutorError, MurakkabError
from murakkab.ports import Artifacts, Call, Clock, Report
from murakkab.runtime.cache_key import cache_key
from murakkab.runtime.messages import TaskYielded
from murakkab.runtime.secrets import Redaction, unsealed
from murakkab.runtime.way import Desk, Outside, Way
from murakkab.steps import CURRENT, CurrentAttempt

#: What cannot be stopped, where it does not say so itself.
STUBBORN: Final = "it runs on in spite of being cancelled"
#: Elements that are told at once before others may run.
_BURST: Final = 64


async def guarded(job: str, call: Call, way: Way, outside: Outside, desk: Desk) -> tuple[Any, bool]:
    """Return the value and whether it came from the cache. The key is made of sealed inputs: no secret is part of it."""
    policy, cache = way.cache, outside.cache
    key = ""
    if policy is not None and cache is not None:
        key = cache_key(way.executor.card, call.knobs, call.inputs, target=way.target)
        hit = cache.get(key, outside.clock())
        # What was kept under an older declaration may not fit any more: it is made anew.
        if hit is not None and not (way.check is not None and way.check(hit[0])):
            if way.streams:
                await Stream(call.task, way, outside.clock, desk).complete(hit[0])
            return hit[0], True
    tracer = outside.tracer
    with nullcontext() if tracer is None else tracer.attempt(job, call.task, call.attempt, way.name):
        value = await _streamed(call, way, outside, desk)
    if key and policy is not None and cache is not None:
        try:
            cache.put(key, value, None if policy.ttl is None else outside.clock() + policy.ttl)
        except (TypeError, ValueError) as exc:
            raise ExecutorError(f"its result is not JSON data: {exc}", reason="bad-result", retryable=False) from exc
    return value, False


async def _streamed(call: Call, way: Way, outside: Outside, desk: Desk) -> Any:
    if not way.streams:
        value = await _unsealed(call, way, outside)
        if way.check is not None:
            refuse_misfit(way.check(value))
        return value
    stream = Stream(call.task, way, outside.clock, desk)
    call.report.emit = stream.emit
    try:
        value = await _unsealed(call, way, outside)
        if way.check is not None:
            refuse_misfit(way.check(value))
        await stream.complete(value)
    finally:
        stream.is_open = False
    return value


def refuse_misfit(reason: str, what: str = "its result") -> None:
    """Raise what a value does to an attempt that is not of the type that its step promises."""
    if reason:
        raise ExecutorError(f"{what} is not what the step promises: {reason}", reason="bad-result", retryable=False)


class Stream:
    """Tells the elements that an attempt gives, as they come."""

    def __init__(self, task: str, way: Way, clock: Clock, desk: Desk) -> None:
        self._task = task
        self._way = way
        self._clock = clock
        self._desk = desk
        self._told: list[Any] = []
        #: False once nobody listens any more.
        self.is_open = True

    def emit(self, element: Any) -> None:
        """Tell of the next element. Raises `ExecutorError` where it does not fit, or is not what an earlier attempt said."""
        if not self.is_open or self._desk.is_stopped:
            raise ExecutorError("the attempt is over", reason="cancelled", retryable=False)
        number = len(self._told)
        if self._way.check_element is not None:
            refuse_misfit(self._way.check_element(element), f"element {number} of its result")
        self._told.append(element)
        self._desk.deliver(TaskYielded(self._clock(), self._task, number, element))

    async def complete(self, value: Any) -> None:
        """Tell of the elements of the whole result that nobody has heard of yet. Raises `ExecutorError` where it is not what was told."""
        told = len(self._told)
        if not isinstance(value, list) or value[:told] != self._told:
            message = f"its result does not begin with the {told} elements that it gave before"
            raise ExecutorError(message, hint="return the list of all elements", reason="bad-result", retryable=False)
        for number, element in enumerate(value[told:], 1):
            self.emit(element)
            if number % _BURST == 0:
                await asyncio.sleep(0)


# ----------------------------------------------------------------------------------------------------------------- secrets


class _RedactedArtifacts:
    """Artifacts in which no secret is kept."""

    def __init__(self, inner: Artifacts, redaction: Redaction) -> None:
        self._inner = inner
        self._redaction = redaction

    def put(self, content: bytes, *, suffix: str = "", media_type: str = "") -> dict[str, Any]:
        """Store *content* without the secrets and return its `file` value."""
        return self._inner.put(self._redaction.content(content), suffix=suffix, media_type=media_type)

    def get(self, file: Mapping[str, Any]) -> bytes:
        """Return the content of a `file` value. Raises `NotFoundError`."""
        return self._inner.get(file)

    def local_path(self, file: Mapping[str, Any]) -> str:
        """Return a path on this machine that holds the content. Raises `NotFoundError`."""
        return self._inner.local_path(file)


async def _unsealed(call: Call, way: Way, outside: Outside) -> Any:
    """Return the result. The executor is given the secrets themselves; in whatever comes back they are not to be found."""
    if not way.has_secrets:
        return await _timed(call, way, outside.grace)
    inputs, used = unsealed(call.inputs, outside.secret)
    redaction = Redaction(used)
    report, tell = call.report, call.report.emit
    if tell is not None:
        report.emit = lambda element: tell(redaction.data(element))
    sent = call._replace(inputs=inputs, artifacts=_RedactedArtifacts(call.artifacts, redaction))
    value, error = await _kept(sent, way, outside.grace, redaction)
    if error is not None:
        # Raised here, where no exception is being handled: a trace shows what an exception came from.
        raise error
    return redaction.data(value)


async def _kept(call: Call, way: Way, grace: float, redaction: Redaction) -> tuple[Any, ExecutorError | None]:
    worker = asyncio.current_task()
    try:
        return await _timed(call, way, grace), None
    except BaseException as exc:
        if is_for_others(exc, worker):
            call.report.left = redaction.message(call.report.left)
            raise
        reason, message, retryable = facts_of(exc)
        return None, ExecutorError(redaction.message(message), reason=redaction.message(reason), retryable=retryable)


def is_for_others(exc: BaseException, worker: "asyncio.Task[Any] | None") -> bool:
    """Return whether what came out of an attempt was not raised by the step itself, and is to go on to whoever runs *worker*.

    That is: its cancellation, Ctrl-C, and the end of a coroutine that nobody runs any more.
    """
    if isinstance(exc, GeneratorExit):
        return worker is None or not _is_running(worker)
    if isinstance(exc, KeyboardInterrupt):
        return _is_interrupted(exc)
    return isinstance(exc, asyncio.CancelledError)


def _is_running(worker: "asyncio.Task[Any]") -> bool:
    try:
        return asyncio.current_task() is worker
    except RuntimeError:
        return False


def _is_interrupted(exc: KeyboardInterrupt) -> bool:
    """Return whether Ctrl-C raised it: its handler, in the main thread. Where that handler only tells the loop, the step itself did."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return threading.current_thread() is threading.main_thread()
    code = getattr(getattr(handler, "func", handler), "__code__", None)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(exc.__traceback__))


def facts_of(exc: BaseException) -> tuple[str, str, bool]:
    """Return what an exception says of an attempt that it ended: reason, message, and whether another try may help."""
    if isinstance(exc, ExecutorError):
        return exc.reason, str(exc), exc.retryable
    if isinstance(exc, MurakkabError):
        return exc.code, str(exc), isinstance(exc, BackendError)
    return "exception", _shown(exc), True


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


# -------------------------------------------------------------------------------------------------------------------- time


async def _timed(call: Call, way: Way, grace: float) -> Any:
    return await way.executor.run(call) if way.timeout is None else await _within(way.timeout, call, way, grace)


async def _within(limit: float, call: Call, way: Way, grace: float) -> Any:
    """Return the result, made within *limit* seconds. Work that will not be cancelled is left behind: it must not hold up the job."""
    report = call.report
    current = CurrentAttempt(report, grace)
    context = copy_context()
    context.run(CURRENT.set, current)  # its own: what is left behind must not spend for those that come after it
    # A task of its own: nobody can leave behind the one he runs in.
    task = asyncio.get_running_loop().create_task(_outcome(call, way), context=context)
    try:
        await asyncio.wait({task}, timeout=limit)
        if task.done():
            value, error = task.result()
            if error is not None:
                raise error
            return value
    finally:
        if not task.done():
            await _stop(task, current, report)
    left = f", and {report.left}" if report.left else ""
    raise ExecutorError(f"no result within {limit:g} s{left}", hint="raise its `timeout`, or look why it is slow", reason="timeout")


async def _stop(task: "asyncio.Task[Any]", current: CurrentAttempt, report: Report) -> None:
    current.is_stopped = True
    task.cancel()
    await asyncio.wait({task}, timeout=current.grace)
    if not task.done() and not report.left:
        report.left = STUBBORN


async def _outcome(call: Call, way: Way) -> tuple[Any, BaseException | None]:
    """Return the result or what was raised. `SystemExit` out of a task would end the event loop, not the attempt."""
    try:
        return await way.executor.run(call), None
    except asyncio.CancelledError:
        raise
    except BaseException as exc:
        return None, exc
