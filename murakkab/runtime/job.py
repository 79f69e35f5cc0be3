"""driver: one running job - journals events, lets `JobState` decide, and keeps as many workers as can make progress.

A worker is one asyncio task that runs ready attempts back to back, so a chain of quick steps costs no task switch at all. Workers
are made only when one of them is blocked while something is ready (`_spread`), and end when nothing is.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from typing import Any

from murakkab.errors import ExecutorError
from murakkab.ports import Journal, Observer
from murakkab.runtime.attempt import Outside, Way, attempt
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
    WaitDeadline,
    WaitRetry,
)
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.state import JobState
from murakkab.spec import Effect

#: Attempts a worker runs without letting the loop look at anything else.
_BURST = 64
#: Workers made at once: enough that a wide fan-out of waits starts in a few turns of the loop, few enough that quick steps waste none.
_SPREAD = 64


class Gate:
    """The slots of the process, and which running job each ticket belongs to."""

    def __init__(self, slots: SlotTable, outside: Outside) -> None:
        self.slots = slots
        self._clock = outside.clock
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, job: "RunningJob", start: StartTask, needs: Mapping[str, float]) -> bool:
        """Return True when *start* may run at once; else it is handed to its job later."""
        granted = self.slots.ask((job, start), needs, start.node.rank, self._clock())
        if not granted:
            self._watch_rates()
        return granted

    def give_back(self, job: "RunningJob", start: StartTask) -> None:
        """Free what *start* held, and hand over what that lets go."""
        self._hand_over(self.slots.give_back((job, start), self._clock()))

    def withdraw(self, job: "RunningJob", start: StartTask) -> bool:
        """Forget a start that waits; False when it does not."""
        return self.slots.withdraw((job, start))

    def _hand_over(self, tickets: Sequence[Any]) -> None:
        for job, start in tickets:
            job.make_ready(start)
        self._watch_rates()

    def _watch_rates(self) -> None:
        due = self.slots.due()
        if due is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._clock()), self._rate_due)

    def _rate_due(self) -> None:
        self._timer = None
        self._hand_over(self.slots.grant_waiting(self._clock()))


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
            for start in list(self._waiting.values()):
                self._gate.withdraw(self, start)
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
        if again is not None:
            raise again

    def deliver(self, event: Event) -> None:
        """Journal *event*, then act on it. What leads to no command is written with what comes next, at the latest when the loop turns."""
        if self._over.done():
            return
        try:
            journal = self._journal
            if journal is not None:
                event = self._journalled(event, journal)
            for observer in self.observers:
                observer(self.job, event)
            commands = self.state.handle(event)
            if journal is not None:
                if commands:
                    journal.flush()
                elif not self._flushing:
                    self._flushing = True
                    self._loop.call_soon(self._flush)
            for command in commands:
                if type(command) is StartTask:
                    self._start(command)
                else:
                    self._perform(command)
        except Exception as exc:  # noqa: BLE001 - a defect or a broken journal must reach whoever awaits the job, from any callback
            self._crash(exc)
        if self._stopping and not self._running:
            self._end()

    def make_ready(self, start: StartTask) -> None:
        """Let a worker take *start*; its slots are granted."""
        self._waiting.pop(start.task, None)
        self._ready.append(start)
        self._spread_soon()

    def cancel(self, reason: str = "") -> None:
        """Ask the job to stop for good."""
        self.deliver(CancelRequested(self._outside.clock(), reason))

    def stop(self) -> None:
        """Start nothing more, let what runs finish, and leave the job resumable."""
        self._stopping = True
        for start in list(self._waiting.values()):
            self._gate.withdraw(self, start)
        while self._ready:
            self._release(self._ready.popleft())
        if not self._running:
            self._end()

    def _flush(self) -> None:
        self._flushing = False
        if self._journal is not None and not self._over.done():
            try:
                self._journal.flush()
            except Exception as exc:  # noqa: BLE001 - as in `deliver`
                self._crash(exc)

    def _journalled(self, event: Event, journal: Journal) -> Event:
        try:
            journal.append(self.job, event)
        except ExecutorError as exc:
            # The value cannot be written down: the attempt has failed, and that can.
            event = TaskFailed(event.time, event.task, exc.reason, str(exc), False, event.started)  # type: ignore[union-attr]
            journal.append(self.job, event)
        return event

    def _start(self, start: StartTask) -> None:
        if self._stopping:
            return
        way = self._way(start)
        if not way.needs or self._gate.ask(self, start, way.needs):
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

        handle = self._loop.call_later(delay, fire)
        self._timers.add(handle)

    def _cancel(self, task: str) -> None:
        """Stop an attempt: interrupt its worker, or take it out of the queue it still waits in."""
        self._cancelling.add(task)
        worker = self._running.get(task)
        if worker is not None:
            worker.cancel()
        elif (start := self._waiting.get(task)) is not None and self._gate.withdraw(self, start):
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
                self._workers.add(self._loop.create_task(self._work()))  # noqa: TID251 - see `_workers`

    async def _work(self) -> None:
        """Run ready attempts back to back, as long as none of them leaves a mark on the context that the next would see."""
        me = asyncio.current_task()
        assert me is not None
        pristine = copy_context()
        burst = 0
        try:
            while self._ready and copy_context() == pristine:
                await self._run_one(self._ready.popleft(), me)
                burst += 1
                if burst >= _BURST and self._ready:
                    burst = 0
                    await asyncio.sleep(0)
            if self._ready:
                self._spread_soon()
        except Exception as exc:  # noqa: BLE001 - a defect here must reach whoever awaits the job
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
            if task not in self._cancelling or me.cancelling() > 1:
                raise
            now = self._outside.clock()
            event = TaskCancelled(now, task, now)
        finally:
            del self._running[task]
            if way.needs:
                self._gate.give_back(self, start)
        if task in self._cancelling:
            self._cancelling.discard(task)
            me.uncancel()
        self.deliver(event)

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
        else:
            for observer in self.observers:
                observer(self.job, event)

    def _way(self, start: StartTask) -> Way:
        way = self._ways[start.node.name]
        return way if not start.executor or way.fallback is None else way.fallback

    def _release(self, start: StartTask) -> None:
        if self._way(start).needs:
            self._gate.give_back(self, start)

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _crash(self, exc: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(exc)
