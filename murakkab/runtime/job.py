"""driver: one running job - journals events, lets `JobState` decide, and carries out its commands."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab.errors import ExecutorError
from murakkab.ports import Journal, Observer
from murakkab.runtime.attempt import Outside, Way
from murakkab.runtime.attempts import Attempts
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
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    WaitDeadline,
    WaitRetry,
)
from murakkab.runtime.state import JobState
from murakkab.spec import Effect


class RunningJob:
    """Carries out the commands of one `JobState` until it finishes, is stopped, or its journal breaks."""

    def __init__(
        self, job: str, state: JobState, ways: Mapping[str, Way], outside: Outside, *, gate: Gate, journal: Journal | None
    ) -> None:
        self.job = job
        self.state = state
        self.finish: FinishJob | None = None
        self.observers: list[Observer] = []
        self._clock = outside.clock
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._attempts = Attempts(self, ways, outside, gate)
        self._timers: set[asyncio.TimerHandle] = set()
        self._flushing = False
        self._stopping = False
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self, *events: Event) -> None:
        """Deliver *events* and return when the job is over. Cancelling it stops every attempt and leaves the job resumable."""
        try:
            for event in events:
                self.deliver(event)
            await self._over
        finally:
            for timer in self._timers:
                timer.cancel()
            await self._attempts.close()

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
                if type(command) is not StartTask:
                    self._perform(command)
                elif not self._stopping:
                    self._attempts.start(command)
        except Exception as exc:
            # A defect or a broken journal must reach whoever awaits the job, from any callback.
            self.crash(exc)
        if self._stopping and self._attempts.is_idle():
            self._end()

    def announce(self, start: StartTask) -> None:
        """Tell observers; and before an irreversible attempt, tell the journal, so that a crash leaves doubt rather than silence."""
        if start.node.effect is Effect.IRREVERSIBLE:
            self.deliver(TaskStarted(self._clock(), start.task, start.attempt))
            if self._journal is not None:
                self._flush_now(self._journal)
            if self._over.done():
                # It is not written down: nothing may begin.
                raise asyncio.CancelledError
        elif self.observers:
            event = TaskStarted(self._clock(), start.task, start.attempt)
            for observer in self.observers:
                observer(self.job, event)

    def is_over(self) -> bool:
        """True once no event is heard any more."""
        return self._over.done()

    def cancel(self, reason: str = "") -> None:
        """Ask the job to stop for good. It hears of it when the loop turns: an observer may ask in the middle of another event."""
        self._loop.call_soon(self.deliver, CancelRequested(self._clock(), reason), context=self._attempts.context)

    def stop(self) -> None:
        """Start nothing more, let what runs finish, and leave the job resumable."""
        self._stopping = True
        self._attempts.drop_waiting()
        if self._attempts.is_idle():
            self._end()

    def crash(self, exc: Exception) -> None:
        """Give up: whoever awaits the job gets *exc*."""
        if not self._over.done():
            self._over.set_exception(exc)
            self._attempts.drop_waiting()

    def _flush_before(self, commands: Sequence[Command], journal: Journal) -> None:
        # What finishes a job acts on nothing, and `Journal.finish` flushes.
        if commands and type(commands[-1]) is not FinishJob:
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
                self.crash(exc)

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

    def _perform(self, command: Command) -> None:
        now = self._clock
        match command:
            case WaitRetry():
                self._later(command.delay, lambda: RetryDue(now(), command.task))
            case WaitDeadline():
                self._later(command.delay, lambda: DeadlinePassed(now()))
            case CancelTask():
                self._attempts.cancel(command.task)
            case FinishJob():
                self.finish = command
                self._end()

    def _later(self, delay: float, event: Any) -> None:
        def fire() -> None:
            self._timers.discard(handle)
            self.deliver(event())

        handle = self._loop.call_later(delay, fire, context=self._attempts.context)
        self._timers.add(handle)

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)
