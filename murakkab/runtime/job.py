"""driver: one running job - journals events, lets `JobState` decide, and carries out its commands."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from murakkab.errors import ExecutorError, PlanError
from murakkab.ports import Journal, Letter, Observer
from murakkab.runtime.attempt import Outside, Way
from murakkab.runtime.attempts import Attempts
from murakkab.runtime.choices import amounts_of, written
from murakkab.runtime.gate import Gate
from murakkab.runtime.messages import (
    AskPerson,
    CancelTask,
    ChoicesChanged,
    Command,
    Event,
    FinishJob,
    StartTask,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TaskYielded,
)
from murakkab.runtime.requests import refusal
from murakkab.runtime.state import JobState
from murakkab.runtime.timers import Timers
from murakkab.spec import Effect

if TYPE_CHECKING:
    from murakkab.plan import Choice
    from murakkab.rechoosing.again import Again, Change
    from murakkab.runtime.metering import EnergyBook

_log = logging.getLogger("murakkab.runtime")
_T = TypeVar("_T")


class RunningJob:
    """Carries out the commands of one `JobState` until it finishes, is stopped, or its journal breaks."""

    def __init__(
        self, job: str, state: JobState, ways: Mapping[str, Way], outside: Outside, *, gate: Gate, journal: Journal | None
    ) -> None:
        self.job = job
        self.state = state
        self.finish: FinishJob | None = None
        self.observers: list[Observer] = []
        #: Where an energy budget is to see what the machine takes.
        self.energy: EnergyBook | None = None
        #: Where steps may be done otherwise than they were first chosen: what decides that, and what makes a way of a choice.
        self.again: Again | None = None
        self.way_of: Callable[[str, Choice], Way] | None = None
        #: What was chosen again, by path.
        self.choices: dict[str, Choice] = {}
        self._clock = outside.clock
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._attempts = Attempts(self, ways, outside, gate)
        self._timers = Timers(self.deliver, outside.clock, self._attempts.context)
        self._flushing = False
        self._stopping = False
        #: The first events are being delivered: what the job waits for may be among them.
        self._opening = True
        #: How many requests are on their way.
        self._requests = 0
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self, *events: Event | Letter) -> None:
        """Deliver *events* and return when the job is over. Cancelling it stops every attempt and leaves the job resumable."""
        try:
            for event in events:
                if isinstance(event, Letter):
                    self.deliver(event.event, letter=event.number)
                else:
                    self.deliver(event)
            self._opening = False
            if self.finish is not None:
                self._end_unless_asked()
            await self._over
        finally:
            self._timers.close()
            await self._attempts.close()

    def deliver(self, event: Event, *, letter: int = 0) -> None:
        """Journal *event*, then act on it. What leads to no command is flushed with what comes next, at the latest when the loop turns.

        *letter*: it came by mail. Raises nothing, but `ExecutorError` for a `TaskYielded` that cannot be accepted.
        """
        if self._over.done():
            return
        if type(event) is TaskYielded and self._is_known(event):
            return
        try:
            if self.energy is not None or self.again is not None:
                event = self._looked_at(event)
            event = self._told(event, letter)
            commands = self.state.handle(event)
            if self.again is not None:
                self._choose_again(commands)
            if self.finish is not None and not self.state.finished:
                # It waited, and goes on.
                self.finish = None
            self._act(commands)
        except Exception as exc:
            if type(event) is TaskYielded and isinstance(exc, ExecutorError):
                raise
            # A defect or a broken journal must reach whoever awaits the job, from any callback.
            self.crash(exc)
        if self._stopping and self._attempts.is_idle():
            self._end()

    def _looked_at(self, event: Event) -> Event:
        """Return an event with what the machine took; see first whether a step that has failed can be done otherwise."""
        if self.energy is not None:
            event = self.energy.booked(event)
        if self.again is not None:
            self._safely(lambda again: again.hear(event))
            if type(event) is TaskFailed:
                self._change(lambda again: again.after_failure(event, self.state))
        return event

    def choose_again_by(self, again: "Again") -> None:
        """Let *again* decide whether steps are to be done otherwise than they were first chosen."""
        self.again = again
        again.waiting = self._attempts.waiting

    def _choose_again(self, commands: Sequence[Command]) -> None:
        """See whether steps are to be done otherwise before *commands* are carried out."""
        self._change(lambda again: again.before(commands, self.state))
        self._safely(lambda again: again.begin(commands, self.state))

    def _safely(self, question: "Callable[[Again], _T]") -> "_T | None":
        """Return what the one who decides says. A defect there must not break the job: it goes on as it was chosen."""
        if self.again is None:
            return None
        try:
            return question(self.again)
        except Exception:
            _log.exception("job %s: a defect; no step is chosen again any more", self.job)
            self.again = None
            return None

    def _told(self, event: Event, letter: int = 0) -> Event:
        """Write an event down and tell observers; return it as it was written."""
        if self._journal is not None:
            event = self._journalled(event, self._journal, letter)
        for observer in self.observers:
            observer(self.job, event)
        return event

    def _change(self, question: "Callable[[Again], Change | None]") -> None:
        """Do steps otherwise from now on, if the answer says so. What cannot be done as it says is asked about once more."""
        while (change := self._safely(question)) is not None and self.way_of is not None:
            ways: dict[str, Way] = {}
            is_refused = False
            for path, choice in change.choices.items():
                try:
                    ways[path] = self.way_of(path, choice)
                except PlanError as exc:
                    _log.warning("job %s: %s cannot be done as it was chosen again: %s", self.job, path, exc)
                    is_refused = True
                    self._refuse(change, path)
            if not is_refused:
                self._do(change, ways)
                return

    def _refuse(self, change: "Change", path: str) -> None:
        self._safely(lambda again: again.refuse(change, path))

    def _do(self, change: "Change", ways: Mapping[str, Way]) -> None:
        asked = {node.path: node.knobs for node in self.state.graph.every_node() if node.path in ways}
        told = {path: written(one, asked[path]) for path, one in change.choices.items()}
        expected = None if self.state.purse is None else {path: amounts_of(one) for path, one in change.choices.items()}
        self.state.handle(self._told(ChoicesChanged(self._clock(), told, change.why, expected)))
        self._safely(lambda again: again.accept(change))
        self._use(change.choices, ways)

    def use(self, choices: Mapping[str, "Choice"]) -> None:
        """Do steps as *choices* say, which were made before. Raises `PlanError` where one cannot be done so."""
        if choices and self.way_of is not None:
            self._use(choices, {path: self.way_of(path, choice) for path, choice in choices.items()})

    def recall(self, events: Sequence[Event]) -> None:
        """Let the one who decides know what happened before the job was resumed."""
        for event in events:
            self._safely(lambda again, event=event: again.hear(event))  # type: ignore[misc]

    def _use(self, choices: Mapping[str, "Choice"], ways: Mapping[str, Way]) -> None:
        self.choices |= choices
        self._attempts.change(ways)

    def _act(self, commands: Sequence[Command]) -> None:
        if self._journal is not None:
            self._flush_before(commands, self._journal)
        for command in commands:
            if type(command) is not StartTask:
                self._perform(command)
            elif not self._stopping:
                self._attempts.start(command)

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

    def _is_known(self, event: TaskYielded) -> bool:
        """True for an element that an earlier attempt has given already. Raises `ExecutorError` where it gave another one."""
        record = self.state.tasks.get(event.task)
        given = record.work if record is not None and type(record.work) is list else []
        if event.number >= len(given):
            return False
        if given[event.number] != event.value:
            message = f"element {event.number} is not what an earlier attempt gave, and that is in use already"
            raise ExecutorError(message, hint="give the same elements in the same order", reason="stream-diverged", retryable=False)
        return True

    def is_over(self) -> bool:
        """True once no event is heard any more."""
        return self._over.done()

    def ask(self, event: Event) -> None:
        """Tell the job what somebody outside wants. It hears of it when the loop turns: an observer may ask in the middle of an event."""
        self._requests += 1
        self._loop.call_soon(self._asked, event, context=self._attempts.context)

    def _asked(self, event: Event) -> None:
        """Hear a request, unless what happened since it was made has left nothing of it: two may have answered the same question."""
        self._requests -= 1
        if not self._over.done() and refusal(self.state, event) is None:
            self.deliver(event)
        if self.finish is not None:
            self._end_unless_asked()

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

    def _journalled(self, event: Event, journal: Journal, letter: int) -> Event:
        try:
            if letter:
                journal.append(self.job, event, letter=letter)
            else:
                journal.append(self.job, event)
        except ExecutorError as exc:
            if type(event) is not TaskSucceeded:
                raise
            # The value cannot be written down: the attempt has failed, and that can.
            event = TaskFailed(event.time, event.task, exc.reason, str(exc), retryable=False, started=event.started)
            journal.append(self.job, event)
        return event

    def _perform(self, command: Command) -> None:
        match command:
            case CancelTask():
                self._attempts.cancel(command.task)
            case AskPerson() if command.task in self.state.asking:
                for observer in self.observers:
                    observer(self.job, command)
            case AskPerson():
                # What came with it in one breath has made it needless.
                pass
            case FinishJob():
                self.finish = command
                self._end_unless_asked()
            case StartTask():
                self._attempts.start(command)
            case _:
                self._timers.perform(command)

    def _end_unless_asked(self) -> None:
        """End, unless a request is on its way that may let the job go on."""
        if not self._opening and not self._requests:
            self._end()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)
