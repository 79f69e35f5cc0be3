"""state: one job - events in, commands out. Reads no clock and does no I/O, so a replayed journal gives the same commands.

What may happen is the table `TRANSITIONS` (per task) and `JOB_TRANSITIONS` (per job) of `runtime.transitions`; anything else raises
`InvalidTransition` with the story of the task.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab.errors import Failure, InvalidTransition
from murakkab.plan import TaskGraph
from murakkab.runtime.agenda import advance
from murakkab.runtime.budget import Purse
from murakkab.runtime.frames import secrets_of
from murakkab.runtime.messages import Command, Event, StartTask
from murakkab.runtime.records import Frame, Gate, Status, StepRecord, TaskRecord
from murakkab.runtime.transitions import JOB_TRANSITIONS, TRANSITIONS


class JobState:
    """The state of one job. Changes through `handle` only; everything else is for reading."""

    __slots__ = (
        "asking",
        "backing_off",
        "began",
        "choices",
        "commands",
        "finale",
        "finales",
        "finished",
        "graph",
        "heard",
        "held",
        "inner",
        "known",
        "log",
        "now",
        "purse",
        "ready",
        "root",
        "signals",
        "skipping",
        "steps",
        "tasks",
        "timers",
    )

    def __init__(self, graph: TaskGraph) -> None:
        self.graph = graph
        #: Inputs and the value of every settled step: what references see.
        self.known: dict[str, Any] = {}
        #: The job's own run of the graph; steps with a graph inside open further ones.
        self.root = Frame(graph.nodes, self.known, None, None, "")
        self.steps = self.root.steps
        #: Every task made so far, by id. A step without a loop is a task from the start.
        self.tasks: dict[str, TaskRecord] = {name: step for name, step in self.steps.items() if step.map is None}
        #: Every step of the frames inside, by id.
        self.inner: dict[str, StepRecord] = {}
        #: Every event so far: the state is nothing but what they lead to.
        self.heard: list[Event] = []
        #: The agenda: steps to look at and tasks to start; empty between events.
        self.ready: deque[StepRecord | TaskRecord] = deque()
        #: Tasks that would have started while the job was ending; they start when it is resumed.
        self.held: list[TaskRecord] = []
        #: Tasks that wait for `RetryDue`.
        self.backing_off: set[str] = set()
        #: Tasks that wait for nothing but a time.
        self.timers: set[str] = set()
        #: Tasks that wait for an answer or an event, in the order in which they began to.
        self.asking: dict[str, Gate] = {}
        #: Events from outside that nobody has waited for yet.
        self.signals: dict[str, deque[Any]] = {}
        #: Running tasks that are to be passed over, and why.
        self.skipping: dict[str, str] = {}
        #: What may be spent; None when there is no limit.
        self.purse: Purse | None = None
        #: What was chosen again, by path of a step, and when.
        self.choices: dict[str, tuple[float, Mapping[str, Any]]] = {}
        #: The task whose body the last steps are, once the rest is over; and how often it has come to that.
        self.finale: StepRecord | None = None
        self.finales = 0
        #: The status of the last `FinishJob`, "" before.
        self.finished = ""
        #: (time, task, status, cause) of every change, while a story is being told; None otherwise.
        self.log: list[tuple[float, str, Status, str]] | None = None
        self.commands: list[Command] = []
        #: The time of the event being handled, and of the last submission or resumption.
        self.now = 0.0
        self.began = 0.0
        if graph.workflow.secrets:
            self.known["secrets"] = secrets_of(graph.workflow.secrets)

    def handle(self, event: Event) -> list[Command]:
        """Return what to do about *event*, most critical start first. Raises `InvalidTransition`."""
        self.heard.append(event)
        self.now = event.time
        commands: list[Command] = []
        self.commands = commands
        kind = type(event)
        on_job = JOB_TRANSITIONS.get(kind)
        if on_job is not None:
            on_job(self, event)
        else:
            record = self.tasks.get(event.task)  # type: ignore[union-attr]
            on_task = TRANSITIONS.get((record.status, kind)) if record is not None else None
            if record is None or on_task is None:
                raise self._impossible(event, record)
            on_task(self, record, event)
        advance(self)
        if len(commands) > 1:
            commands.sort(key=_urgency)
        return commands

    def note(self, record: TaskRecord, status: Status, cause: str = "") -> None:
        """Put a task into *status* and say why."""
        record.status = status
        if self.log is not None:
            self.log.append((self.now, record.id, status, cause))

    @property
    def running(self) -> int:
        """How many attempts are in flight: each owes one event."""
        return self.root.running

    @property
    def unsettled(self) -> int:
        """How many steps of the job's own graph have not settled."""
        return self.root.unsettled

    @property
    def ending(self) -> str:
        """Nothing while the job goes on; failed or cancelled once no task may start any more."""
        return self.root.ending

    @property
    def failures(self) -> list[Failure]:
        """What ended the job."""
        return self.root.failures

    def count_outside(self, frame: Frame) -> None:
        """Add an attempt to those in flight of all the frames that *frame* lies in."""
        while frame.parent is not None:
            frame = frame.parent.step.frame
            frame.running += 1

    def is_closed(self, record: TaskRecord) -> bool:
        """True when nothing that happens to *record* matters any more."""
        frame = record.step.frame
        while not frame.closed:
            if frame.parent is None:
                return False
            frame = frame.parent.step.frame
        return True

    def step_of(self, task: str) -> StepRecord | None:
        """Return the step of that id, or the one that the task of that id belongs to."""
        record = self.tasks.get(task)
        return record.step if record is not None else self.steps.get(task) or self.inner.get(task)

    def go_on(self) -> None:
        """A job that only waited for something goes on once it hears of it."""
        if not self.root.ending:
            self.finished = ""

    def keep_signal(self, name: str, value: Any) -> None:
        """Keep an event from outside until a task waits for it."""
        self.signals.setdefault(name, deque()).append(value)

    def raise_budget(self, limits: Mapping[str, float]) -> None:
        """Put *limits* in the place of those of the same measure."""
        if self.purse is None:
            self.purse = Purse(limits, {})
        else:
            self.purse.limits.update(limits)

    def is_done_otherwise(self, path: str, began: float, executor: str) -> bool:
        """Return whether a step is done otherwise now than by an attempt of it that *began* then and was made by *executor*."""
        if path not in self.choices:
            return False
        changed, written = self.choices[path]
        return began < changed or written["executor"] != executor

    def story(self, task: str) -> list[str]:
        """Return why a task or step is where it is: each change with its time and cause, then what it waits for."""
        lines = [f"{time:.3f} {name} {status}{': ' + cause if cause else ''}" for time, name, status, cause in self._told() if name == task]
        record = self.steps.get(task) or self.inner.get(task) or self.tasks.get(task)
        if record is None:
            return [f"{task}: no such task"]
        if record.status is Status.WAITING and (waits := self._waits_for(record)):
            lines.append(f"{task} waits for {waits}")
        return lines or [f"{task}: nothing has happened yet"]

    def _waits_for(self, record: TaskRecord) -> str:
        step = record.step
        if record is not step:
            limit = step.node.max_parallel
            return f"a place: at most {limit} tasks of {step.id} run at once" if step.map and record in step.map.backlog else ""
        source = (step.node.stream.source,) if step.node.stream else ()
        steps = step.frame.steps
        needs = (need for need in step.node.needs if need not in step.node.late)
        waits = [need for need in (*needs, *source) if steps[need].status not in (Status.SUCCEEDED, Status.SKIPPED)]
        unsettled = step.map.unsettled if step.map else 0
        if unsettled and step.map:
            waits.append(f"{unsettled} of {len(step.map.tasks)} tasks")
        if self.purse is not None and record in self.purse.waiting:
            waits.append(f"money ({self.purse.why_paused()})")
        return ", ".join(dict.fromkeys(waits))

    def _told(self) -> list[tuple[float, str, Status, str]]:
        """Return every change, by going through the events once more: nobody pays for stories that are not asked for."""
        teller = JobState(self.graph)
        teller.log = []
        for event in self.heard:
            try:
                teller.handle(event)
            except InvalidTransition:
                break
        return teller.log

    def statuses(self) -> Mapping[str, Status]:
        """Return the status of every step and of every task within a map."""
        return {name: record.status for name, record in (*self.steps.items(), *self.inner.items(), *self.tasks.items())}

    def results(self) -> Mapping[str, Any]:
        """Return the value of every step that has one."""
        return {name: self.known[name] for name, step in self.steps.items() if step.status is Status.SUCCEEDED}

    def in_doubt(self) -> Sequence[str]:
        """Return the irreversible tasks of which nobody knows whether they happened."""
        return [record.id for record in self.tasks.values() if record.status is Status.DOUBT and not self.is_closed(record)]

    def _impossible(self, event: Event, record: TaskRecord | None) -> InvalidTransition:
        task = getattr(event, "task", "")
        where = f"is {record.status}" if record else "does not exist"
        self.heard.pop()
        return InvalidTransition(f"{type(event).__name__} for task {task!r}, which {where}", story=self.story(task))


def _urgency(command: Command) -> float:
    """Starts in the order of their critical path; before them whatever ends or delays something."""
    return -command.node.rank if type(command) is StartTask else float("-inf")
