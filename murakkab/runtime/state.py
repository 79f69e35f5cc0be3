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
from murakkab.runtime.messages import Command, Event, StartTask
from murakkab.runtime.records import Status, StepRecord, TaskRecord
from murakkab.runtime.transitions import JOB_TRANSITIONS, TRANSITIONS


class JobState:
    """The state of one job. Changes through `handle` only; everything else is for reading."""

    __slots__ = (
        "backing_off",
        "commands",
        "ending",
        "failures",
        "finished",
        "graph",
        "heard",
        "held",
        "known",
        "log",
        "now",
        "ready",
        "running",
        "steps",
        "tasks",
        "unsettled",
    )

    def __init__(self, graph: TaskGraph) -> None:
        self.graph = graph
        self.steps = {name: StepRecord(node) for name, node in graph.nodes.items()}
        #: Every task made so far, by id. A step without a loop is a task from the start.
        self.tasks: dict[str, TaskRecord] = {name: step for name, step in self.steps.items() if step.map is None}
        #: Every event so far: the state is nothing but what they lead to.
        self.heard: list[Event] = []
        #: Inputs and the value of every settled step: what references see.
        self.known: dict[str, Any] = {}
        #: The agenda: steps to look at and tasks to start; empty between events.
        self.ready: deque[StepRecord | TaskRecord] = deque()
        #: Tasks that would have started while the job was ending; they start when it is resumed.
        self.held: list[TaskRecord] = []
        #: How many tasks are in status running: each owes one event.
        self.running = 0
        #: Tasks that wait for `RetryDue`.
        self.backing_off: set[str] = set()
        #: Steps that have not settled.
        self.unsettled = len(self.steps)
        #: "" while the job goes on; failed or cancelled once no task may start any more.
        self.ending = ""
        #: The status of the last `FinishJob`, "" before.
        self.finished = ""
        self.failures: list[Failure] = []
        #: (time, task, status, cause) of every change, while a story is being told; None otherwise.
        self.log: list[tuple[float, str, Status, str]] | None = None
        self.commands: list[Command] = []
        #: The time of the event being handled.
        self.now = 0.0

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

    def story(self, task: str) -> list[str]:
        """Return why a task or step is where it is: each change with its time and cause, then what it waits for."""
        lines = [f"{time:.3f} {name} {status}{': ' + cause if cause else ''}" for time, name, status, cause in self._told() if name == task]
        record = self.steps.get(task) or self.tasks.get(task)
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
        waits = [need for need in (*step.node.needs, *source) if self.steps[need].status not in (Status.SUCCEEDED, Status.SKIPPED)]
        unsettled = step.map.unsettled if step.map else 0
        if unsettled and step.map:
            waits.append(f"{unsettled} of {len(step.map.tasks)} tasks")
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
        return {name: record.status for name, record in (*self.steps.items(), *self.tasks.items())}

    def results(self) -> Mapping[str, Any]:
        """Return the value of every step that has one."""
        return {name: self.known[name] for name, step in self.steps.items() if step.status is Status.SUCCEEDED}

    def in_doubt(self) -> Sequence[str]:
        """Return the irreversible tasks of which nobody knows whether they happened."""
        return [record.id for record in self.tasks.values() if record.status is Status.DOUBT]

    def _impossible(self, event: Event, record: TaskRecord | None) -> InvalidTransition:
        task = getattr(event, "task", "")
        where = f"is {record.status}" if record else "does not exist"
        self.heard.pop()
        return InvalidTransition(f"{type(event).__name__} for task {task!r}, which {where}", story=self.story(task))


def _urgency(command: Command) -> float:
    """Starts in the order of their critical path; before them whatever ends or delays something."""
    return -command.node.rank if type(command) is StartTask else float("-inf")
