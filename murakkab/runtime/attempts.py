"""driver: the attempts of a running job - waiting for slots, ready, or in flight - and the workers that run them.

A worker is one asyncio task that runs ready attempts back to back, so a chain of quick steps costs no task switch at all. Workers
are made only when one of them is blocked while something is ready (`_spread`), and end when nothing is.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextvars import Context, copy_context
from typing import Protocol

from murakkab.ports import Observer
from murakkab.runtime.attempt import Outside, Way, attempt
from murakkab.runtime.gate import Gate
from murakkab.runtime.messages import Event, StartTask, TaskCancelled, TaskFailed

#: Attempts a worker runs without letting the loop look at anything else.
_BURST = 64
#: Workers made at once: few at first, for quick steps need no more; four times as many whenever all of those were blocked.
_SPREAD = 16


class Owner(Protocol):
    """The job whose attempts these are."""

    job: str
    #: Whoever wants to hear that attempts begin.
    observers: list[Observer]

    def deliver(self, event: Event) -> None:
        """Hear how an attempt ended."""
        ...

    def announce(self, start: StartTask) -> None:
        """Hear that an attempt is about to begin. Raises `CancelledError` when it must not."""
        ...

    def crash(self, exc: Exception) -> None:
        """Hear of a defect in what runs the attempts."""
        ...

    def is_over(self) -> bool:
        """True once no event is heard any more."""
        ...


class Attempts:
    """Runs what it is given as soon as slots and workers allow, and tells its owner how each attempt ended."""

    def __init__(self, owner: Owner, ways: Mapping[str, Way], outside: Outside, gate: Gate) -> None:
        self._owner = owner
        self._ways = ways
        self._outside = outside
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, tuple[StartTask, Way]] = {}
        self._ready: deque[tuple[StartTask, Way]] = deque()
        #: Attempts in flight and the worker that runs each.
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelling: set[str] = set()
        self._spreading = False
        #: How many workers the next spread makes at most.
        self._width = _SPREAD
        #: That of whoever runs the job. Workers begin in a copy of it, whatever context the step has that makes them necessary.
        self.context = copy_context()
        #: A nursery of our own: `TaskGroup` costs as much per child as the step that the child runs.
        self._workers: set[asyncio.Task[None]] = set()

    def start(self, start: StartTask) -> None:
        """Run an attempt, once its slots are granted."""
        way = self._ways[start.node.name]
        if start.executor and way.fallback is not None:
            way = way.fallback
        if not way.needs or self._gate.ask(self, start.task, way.needs, start.node.rank):
            self._ready.append((start, way))
            if not self._spreading:
                self._spread_soon()
        else:
            self._waiting[start.task] = start, way

    def admit(self, task: str) -> None:
        """Let a worker take the waiting *task*; its slots are granted."""
        self._ready.append(self._waiting.pop(task))
        self._spread_soon()

    def cancel(self, task: str) -> None:
        """Stop an attempt: interrupt its worker, or take it out of the queue it still waits in. Its owner hears how it ended."""
        self._cancelling.add(task)
        worker = self._running.get(task)
        if worker is not None:
            worker.cancel()
        elif task in self._waiting and self._gate.withdraw(self, task):
            del self._waiting[task]
            self._cancelling.discard(task)
            now = self._outside.clock()
            self._loop.call_soon(self._owner.deliver, TaskCancelled(now, task, now))

    def is_idle(self) -> bool:
        """True when no attempt is in flight."""
        return not self._running

    def drop_waiting(self) -> None:
        """Forget every attempt that has not begun, and give back the slots that are granted for it."""
        for task in self._waiting:
            self._gate.withdraw(self, task)
        self._waiting.clear()
        while self._ready:
            start, way = self._ready.popleft()
            if way.needs:
                self._gate.give_back(self, start.task)

    async def close(self) -> None:
        """Return when no worker is left, whatever else happens: nothing of a job outlives its `run`."""
        self.drop_waiting()
        again: asyncio.CancelledError | None = None
        while self._workers:
            for worker in self._workers:
                worker.cancel()
            try:
                await asyncio.wait(self._workers)
            except asyncio.CancelledError as exc:
                again = exc
            # One that was cancelled before it began could not take itself out.
            self._workers -= {worker for worker in self._workers if worker.done()}
        if again is not None:
            raise again

    def _spread_soon(self) -> None:
        if not self._spreading:
            self._spreading = True
            self._loop.call_soon(self._spread)

    def _spread(self) -> None:
        """Runs when every worker is blocked or at rest while attempts are ready: a few more workers, which spread again if they block."""
        self._spreading = False
        if not self._owner.is_over():
            width, self._width = self._width, self._width * 4
            for _ in range(min(len(self._ready), width)):
                self._workers.add(self._loop.create_task(self._work(), context=self.context.copy()))

    async def _work(self) -> None:
        """Run ready attempts back to back, as long as none of them leaves a mark that the next would see."""
        me = asyncio.current_task()
        assert me is not None
        ready = self._ready
        burst = 0
        try:
            while ready:
                start, way = ready.popleft()
                await self._run_one(start, way, me)
                if not ready or me.cancelling() or not _is_same(copy_context(), self.context):
                    break
                burst += 1
                if burst >= _BURST:
                    burst = 0
                    await asyncio.sleep(0)
            if ready:
                self._spread_soon()
            else:
                self._width = _SPREAD
        except Exception as exc:
            self._owner.crash(exc)
        finally:
            self._workers.discard(me)

    async def _run_one(self, start: StartTask, way: Way, me: "asyncio.Task[None]") -> None:
        if self._ready and not self._spreading:
            self._spread_soon()
        task = start.task
        self._running[task] = me
        try:
            if task in self._cancelling:
                raise asyncio.CancelledError
            if way.is_irreversible or self._owner.observers:
                self._owner.announce(start)
            event: Event = await attempt(self._owner.job, start, way, self._outside)
        except asyncio.CancelledError:
            if self._owner.is_over():
                raise
            event = self._stopped(start, way)
        finally:
            del self._running[task]
            if way.needs:
                self._gate.give_back(self, task)
        if task in self._cancelling:
            self._cancelling.discard(task)
            me.uncancel()
        self._owner.deliver(event)

    def _stopped(self, start: StartTask, way: Way) -> Event:
        """Return how an attempt ended that raised `CancelledError`: on command, or because its own code was cancelled by somebody else."""
        now = self._outside.clock()
        if start.task in self._cancelling:
            return TaskCancelled(now, start.task, now)
        message = "it was cancelled from within"
        return TaskFailed(now, start.task, "cancelled", message, retryable=True, started=now, executor=way.name)


def _is_same(one: Context, other: Context) -> bool:
    try:
        return one == other
    except Exception:
        # The values of variables are the user's, and so is what comparing them does.
        return False
