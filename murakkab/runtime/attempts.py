"""driver: the attempts of a running job - waiting for slots, ready, or in flight - and the workers that run them.

A worker is one asyncio task that runs ready attempts back to back, so a chain of quick steps costs no task switch at all. Workers
are made only when one of them is blocked while something is ready (`_spread`), and end when nothing is.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Mapping
from contextvars import Context, copy_context
from typing import Protocol

from murakkab.ports import Observer, Report
from murakkab.runtime.attempt import Desk, Outside, Way, attempt, bill_of
from murakkab.runtime.gate import Gate
from murakkab.runtime.guarding import STUBBORN, is_for_others
from murakkab.runtime.messages import Event, StartTask, TaskCancelled, TaskFailed
from murakkab.steps import CURRENT

_log = logging.getLogger("murakkab.attempts")

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
        """Hear how an attempt ended, or (`TaskYielded`) of an element of its result. Of that one alone it may raise `ExecutorError`.

        It does so where an earlier attempt gave another element in this place, or where the element is not JSON data.
        """
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


def _nobody(event: Event) -> None:
    """Hear what became of an attempt that was left behind."""


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
        #: Attempts in flight and the desk where each is made.
        self._running: dict[str, Desk] = {}
        #: Attempts to be stopped, and the timers that leave behind those in flight; and the desks of those that were left behind.
        self._cancelling: dict[str | Desk, asyncio.TimerHandle | None] = {}
        self._spreading = False
        #: How many workers the next spread makes at most.
        self._width = _SPREAD
        #: That of whoever runs the job. Workers begin in a copy of it, whatever context the step has that makes them necessary.
        self.context = copy_context()
        #: A nursery of our own: `TaskGroup` costs as much per child as the step that the child runs.
        self._workers: set[asyncio.Task[None]] = set()

    def start(self, start: StartTask) -> None:
        """Run an attempt, once its slots are granted."""
        way = self._ways[start.node.path]
        if start.executor and way.fallback is not None:
            way = way.fallback
        if not way.needs or self._gate.ask(self, start.task, way.needs, start.node.rank):
            self._ready.append((start, way))
            if not self._spreading:
                self._spread_soon()
        else:
            self._waiting[start.task] = start, way

    def change(self, ways: Mapping[str, Way]) -> None:
        """Run the tasks of these steps, by path, otherwise from now on; those that have got other slots already keep their way."""
        self._ways = {**self._ways, **ways}
        for place, (start, way) in enumerate(self._ready):
            new = ways.get(start.node.path)
            if new is not None and not start.executor and new.needs == way.needs:
                self._ready[place] = start, new
        for start in [start for start, _ in self._waiting.values() if start.node.path in ways]:
            if self._gate.withdraw(self, start.task):
                del self._waiting[start.task]
                self.start(start)

    def admit(self, task: str) -> None:
        """Let a worker take the waiting *task*; its slots are granted."""
        self._ready.append(self._waiting.pop(task))
        self._spread_soon()

    def cancel(self, task: str) -> None:
        """Stop an attempt: interrupt its worker, or take it out of the queue it still waits in. Its owner hears how it ended."""
        desk = self._running.get(task)
        if desk is not None and desk.worker is not None:
            if task not in self._cancelling:
                self._cancelling[task] = self._loop.call_later(self._outside.grace, self._leave, task, desk, context=self.context)
            desk.worker.cancel()
        elif task in self._waiting and self._gate.withdraw(self, task):
            del self._waiting[task]
            now = self._outside.clock()
            self._loop.call_soon(self._owner.deliver, TaskCancelled(now, task, now))
        else:
            self._cancelling[task] = None

    def _leave(self, task: str, desk: Desk) -> None:
        """Leave an attempt behind that would not be stopped: it must not hold up the job."""
        report = desk.report = desk.report or Report()
        report.left = report.left or STUBBORN
        deliver, desk.deliver = desk.deliver, _nobody
        desk.is_stopped = True
        self._cancelling[desk] = None
        if desk.worker is not None:
            self._workers.discard(desk.worker)
        if self._owner.is_over():
            self._warn(task, desk)
            self._release(task, desk)
            return
        event = self._stopped(task, desk)
        self._release(task, desk)
        deliver(event)
        if self._ready:
            self._spread_soon()

    def is_idle(self) -> bool:
        """True when no attempt is in flight."""
        return not self._running

    def waiting(self) -> Collection[str]:
        """Return the tasks that wait for slots."""
        return self._waiting.keys()

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
        """Return when no worker is left, whatever else happens: nothing of a job outlives its `run`, but what will not be stopped."""
        self.drop_waiting()
        again: asyncio.CancelledError | None = None
        patience = self._loop.time() + self._outside.grace
        while self._workers:
            for worker in self._workers:
                worker.cancel()
            try:
                await asyncio.wait(self._workers, timeout=max(0.0, patience - self._loop.time()))
            except asyncio.CancelledError as exc:
                again = exc
            # One that was cancelled before it began could not take itself out.
            self._workers -= {worker for worker in self._workers if worker.done()}
            if self._loop.time() >= patience:
                break
        for task, desk in list(self._running.items()):
            self._leave(task, desk)
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
        worker = asyncio.current_task()
        assert worker is not None
        desk = Desk(self._outside.grace, self._owner.deliver, worker)
        CURRENT.set(desk)
        untouched = copy_context()
        ready = self._ready
        burst = 0
        try:
            while ready:
                try:
                    await self._run_one(ready.popleft(), desk)
                except GeneratorExit as exc:
                    # Out of a future it closes every coroutine between there and here, and comes on; it has been told as a failure.
                    if is_for_others(exc, worker):
                        raise
                if not ready or desk.is_stopped or worker.cancelling() or not _is_same(copy_context(), untouched):
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
            self._workers.discard(worker)
            # Its context holds the desk: together they would be a ring, kept until the garbage is collected, and the inputs with it.
            desk.worker = desk.start = None

    async def _run_one(self, entry: tuple[StartTask, Way], desk: Desk) -> None:
        if self._ready and not self._spreading:
            self._spread_soon()
        desk.start = entry
        start, way = entry
        task = start.task
        self._running[task] = desk
        try:
            if task in self._cancelling:
                desk.began = self._outside.clock()
                raise asyncio.CancelledError
            if way.is_irreversible or self._owner.observers:
                self._owner.announce(start)
            event: Event = await attempt(self._owner.job, start, way, self._outside, desk)
        except asyncio.CancelledError:
            if desk in self._cancelling:
                return
            if self._owner.is_over():
                self._warn(task, desk)
                raise
            event = self._stopped(task, desk)
        except GeneratorExit as exc:
            if is_for_others(exc, desk.worker):
                raise
            event = self._closed(task, desk)
        finally:
            if way.needs or self._cancelling:
                self._release(task, desk)
            else:
                del self._running[task]
        desk.deliver(event)

    def _release(self, task: str, desk: Desk) -> None:
        """Take an attempt off the books that has ended or is left behind; once."""
        if self._running.get(task) is not desk:
            self._cancelling.pop(desk, None)
            return
        del self._running[task]
        if desk.start is not None and desk.start[1].needs:
            self._gate.give_back(self, task)
        if task in self._cancelling:
            timer = self._cancelling.pop(task)
            if timer is not None:
                timer.cancel()
            # The cancellation may be on its way yet, to meet the next attempt of this worker: there is to be none.
            desk.is_stopped = True
            if desk.worker is not None:
                desk.worker.uncancel()

    def _warn(self, task: str, desk: Desk) -> None:
        """Say what of an interrupted job runs on: no event will."""
        if desk.report is not None and desk.report.left:
            _log.warning("job %s: %s was interrupted; %s", self._owner.job, task, desk.report.left)

    def _stopped(self, task: str, desk: Desk) -> Event:
        """Return how an attempt ended that raised `CancelledError`: on command, or because its own code was cancelled by somebody else."""
        now, name = self._outside.clock(), desk.start[1].name if desk.start is not None else ""
        report, desk.report = desk.report, None
        desk.is_stopped = True
        bill = bill_of(report)
        if task in self._cancelling:
            return TaskCancelled(now, task, desk.began, name, *bill, left=report.left if report is not None else "")
        message = "it was cancelled from within"
        return TaskFailed(now, task, "cancelled", message, True, desk.began, name, *bill)  # noqa: FBT003 - in the order of the tuple

    def _closed(self, task: str, desk: Desk) -> Event:
        """Return how an attempt ended in which a future raised `GeneratorExit`: what it said is lost on the way."""
        now, name = self._outside.clock(), desk.start[1].name if desk.start is not None else ""
        bill, desk.report = bill_of(desk.report), None
        return TaskFailed(now, task, "exception", "GeneratorExit", True, desk.began, name, *bill)  # noqa: FBT003 - in the order of the tuple


def _is_same(one: Context, other: Context) -> bool:
    try:
        return one == other
    except Exception:
        # The values of variables are the user's, and so is what comparing them does.
        return False
