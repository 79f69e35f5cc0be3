"""driver: one running job - journals events, lets `JobState` decide, and keeps as many workers as can make progress.

A worker is one asyncio task that runs ready attempts back to back, so a chain of quick steps costs no task switch at all. Workers
are made only when one of them is blocked while something is ready (`_spread`), and end when nothing is.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from typing import Any

from murakkab.errors import ExecutorError
from murakkab.ports import Journal, Observer
from murakkab.runtime.attempt import Outside, Way, attempt
from murakkab.runtime.gate import Gate
from murakkab.runtime.messages import (
    CancelRequested,
    CancelTask,
    Command,
    DeadlinePassed,
    Event,
    FinishJob,
    RetryDue,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    WaitDeadline,
    WaitRetry,
)
from murakkab.runtime.state import JobState
from murakkab.spec import Effect

#: Attempts a worker runs without letting the loop look at anything else.
_BURST = 64
#: Workers made at once: enough that a wide fan-out of waits starts in a few turns of the loop, few enough that quick steps waste none.
_SPREAD = 64


class RunningJob:
    """Carries out the commands of one `JobState` until it finishes, is stopped, or its journal breaks."""

    def __init__(
        self, job: str, state: JobState, ways: Mapping[str, Way], outside: Outside, *, gate: Gate, journal: Journal | None
    ) -> None:
        self.job = job
        self.state = state
        self.finish: FinishJob | None = None
        self.observers: list[Observer] = []
        self._ways = ways
        self._outside = outside
        self._gate = gate
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._ready: deque[StartTask] = deque()
        self._waiting: dict[str, StartTask] = {}
        #: Attempts in flight and the worker that runs each.
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelling: set[str] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._spreading = False
        self._flushing = False
        self._stopping = False
        self._over: asyncio.Future[None] = self._loop.create_future()
        #: That of whoever runs the job. Workers begin in a copy of it, whatever context the step has that makes them necessary.
        self._context = copy_context()
        #: A nursery of our own: `TaskGroup` costs as much per child as the step that the child runs.
        self._workers: set[asyncio.Task[None]] = set()

    async def run(self, *events: Event) -> None:
        """Deliver *events* and return when the job is over. Cancelling it stops every attempt and leaves the job resumable."""
        try:
            for event in events:
                self.deliver(event)
            await self._over
        finally:
            for timer in self._timers:
                timer.cancel()
            self._drop_waiting()
            await self._stop_workers()

    async def _stop_workers(self) -> None:
        """Return when no worker is left, whatever else happens: nothing of this job outlives its `run`."""
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

    def deliver(self, event: Event) -> None:
        """Journal *event*, then act on it. What leads to no command is flushed with what comes next, at the latest when the loop turns."""
        if self._over.done():
            return
        try:
            if self._journal is not None:
                event = self._journalled(event, self._journal)
            for observer in self.observers:
                observer(self.job, event)
            commands = self.state.handle(event)
            if self._journal is not None:
                self._flush_before(commands, self._journal)
            for command in commands:
                if type(command) is StartTask:
                    self._start(command)
                else:
                    self._perform(command)
        except Exception as exc:
            # A defect or a broken journal must reach whoever awaits the job, from any callback.
            self._crash(exc)
        if self._stopping and not self._running:
            self._end()

    def admit(self, task: str) -> None:
        """Let a worker take the waiting *task*; its slots are granted."""
        self._ready.append(self._waiting.pop(task))
        self._spread_soon()

    def cancel(self, reason: str = "") -> None:
        """Ask the job to stop for good. It hears of it when the loop turns: an observer may ask in the middle of another event."""
        self._loop.call_soon(self.deliver, CancelRequested(self._outside.clock(), reason), context=self._context)

    def stop(self) -> None:
        """Start nothing more, let what runs finish, and leave the job resumable."""
        self._stopping = True
        self._drop_waiting()
        if not self._running:
            self._end()

    def _drop_waiting(self) -> None:
        """Forget every attempt that has not begun, and give back the slots that are granted for it."""
        for task in self._waiting:
            self._gate.withdraw(self, task)
        self._waiting.clear()
        while self._ready:
            start = self._ready.popleft()
            if self._way(start).needs:
                self._gate.give_back(self, start.task)

    def _flush_before(self, commands: Sequence[Command], journal: Journal) -> None:
        if commands:
            journal.flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_soon, journal)

    def _flush_soon(self, journal: Journal) -> None:
        self._flushing = False
        self._flush_now(journal)

    def _flush_now(self, journal: Journal) -> None:
        if not self._over.done():
            try:
                journal.flush()
            except Exception as exc:
                self._crash(exc)

    def _journalled(self, event: Event, journal: Journal) -> Event:
        try:
            journal.append(self.job, event)
        except ExecutorError as exc:
            if type(event) is not TaskSucceeded:
                raise
            # The value cannot be written down: the attempt has failed, and that can.
            event = TaskFailed(event.time, event.task, exc.reason, str(exc), retryable=False, started=event.started)
            journal.append(self.job, event)
        return event

    def _start(self, start: StartTask) -> None:
        if self._stopping:
            return
        way = self._way(start)
        if not way.needs or self._gate.ask(self, start.task, way.needs, start.node.rank):
            self._ready.append(start)
            self._spread_soon()
        else:
            self._waiting[start.task] = start

    def _perform(self, command: Command) -> None:
        now = self._outside.clock
        match command:
            case WaitRetry():
                self._later(command.delay, lambda: RetryDue(now(), command.task))
            case WaitDeadline():
                self._later(command.delay, lambda: DeadlinePassed(now()))
            case CancelTask():
                self._cancel(command.task)
            case FinishJob():
                self.finish = command
                self._end()

    def _later(self, delay: float, event: Any) -> None:
        def fire() -> None:
            self._timers.discard(handle)
            self.deliver(event())

        handle = self._loop.call_later(delay, fire, context=self._context)
        self._timers.add(handle)

    def _cancel(self, task: str) -> None:
        """Stop an attempt: interrupt its worker, or take it out of the queue it still waits in."""
        self._cancelling.add(task)
        worker = self._running.get(task)
        if worker is not None:
            worker.cancel()
        elif task in self._waiting and self._gate.withdraw(self, task):
            del self._waiting[task]
            self._cancelling.discard(task)
            self._loop.call_soon(self.deliver, TaskCancelled(self._outside.clock(), task, self._outside.clock()))

    def _spread_soon(self) -> None:
        if not self._spreading:
            self._spreading = True
            self._loop.call_soon(self._spread)

    def _spread(self) -> None:
        """Runs when every worker is blocked or at rest while attempts are ready: a few more workers, which spread again if they block."""
        self._spreading = False
        if not self._over.done():
            for _ in range(min(len(self._ready), _SPREAD)):
                self._workers.add(self._loop.create_task(self._work(), context=self._context.copy()))

    async def _work(self) -> None:
        """Run ready attempts back to back, as long as none of them leaves a mark that the next would see."""
        me = asyncio.current_task()
        assert me is not None
        pristine = self._context
        burst = 0
        try:
            while self._ready and not me.cancelling() and _is_same(copy_context(), pristine):
                await self._run_one(self._ready.popleft(), me)
                burst += 1
                if burst >= _BURST and self._ready:
                    burst = 0
                    await asyncio.sleep(0)
            if self._ready:
                self._spread_soon()
        except Exception as exc:
            self._crash(exc)
        finally:
            self._workers.discard(me)

    async def _run_one(self, start: StartTask, me: "asyncio.Task[None]") -> None:
        if self._ready:
            self._spread_soon()
        way = self._way(start)
        task = start.task
        self._running[task] = me
        try:
            event = await self._attempt(start, way)
        except asyncio.CancelledError:
            if self._over.done():
                raise
            event = self._stopped(start, way)
        finally:
            del self._running[task]
            if way.needs:
                self._gate.give_back(self, task)
        if task in self._cancelling:
            self._cancelling.discard(task)
            me.uncancel()
        self.deliver(event)

    def _stopped(self, start: StartTask, way: Way) -> Event:
        """Return how an attempt ended that raised `CancelledError`: on command, or because its own code was cancelled by somebody else."""
        now = self._outside.clock()
        if start.task in self._cancelling:
            return TaskCancelled(now, start.task, now)
        message = "it was cancelled from within"
        return TaskFailed(now, start.task, "cancelled", message, retryable=True, started=now, executor=way.name)

    async def _attempt(self, start: StartTask, way: Way) -> Event:
        if start.task in self._cancelling:
            raise asyncio.CancelledError
        if self.observers or start.node.effect is Effect.IRREVERSIBLE:
            self._announce(start)
        return await attempt(self.job, start, way, self._outside)

    def _announce(self, start: StartTask) -> None:
        """Tell observers; and before an irreversible attempt, tell the journal, so that a crash leaves doubt rather than silence."""
        event = TaskStarted(self._outside.clock(), start.task, start.attempt)
        if start.node.effect is Effect.IRREVERSIBLE:
            self.deliver(event)
            if self._journal is not None:
                self._flush_now(self._journal)
            if self._over.done():
                # It is not written down: nothing may begin.
                raise asyncio.CancelledError
        else:
            for observer in self.observers:
                observer(self.job, event)

    def _way(self, start: StartTask) -> Way:
        way = self._ways[start.node.name]
        return way if not start.executor or way.fallback is None else way.fallback

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _crash(self, exc: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(exc)
            self._drop_waiting()


def _is_same(one: Context, other: Context) -> bool:
    try:
        return one == other
    except Exception:
        # The values of variables are the user's, and so is what comparing them does.
        return False
