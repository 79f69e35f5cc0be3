"""The invariants of `JobState` over the whole language: random nested workflows, random events, crashes at any point."""

from collections import Counter
from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from murakkab.document import from_document
from murakkab.plan import TaskGraph
from murakkab.planner.compile import compile_workflow
from murakkab.runtime.ending import open_frames
from murakkab.runtime.messages import (
    Answered,
    AskPerson,
    CancelRequested,
    CancelTask,
    Command,
    DropTimer,
    Event,
    FinishJob,
    JobResumed,
    JobSubmitted,
    RetryDue,
    SignalReceived,
    SkipRequested,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskSucceeded,
    TimerFired,
    WaitRetry,
    WaitTimer,
)
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState
from tests.fakes import CATALOG

RESCUES: list[Any] = ["fail", "fail", "skip", {"default": 0}]
LIST = [1, 2, 3]


@st.composite
def steps(draw: st.DrawFn, depth: int, most: int = 4, around: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return steps; *around* them are further ones that they see."""
    found: dict[str, Any] = {}
    for i in range(draw(st.integers(1, most))):
        found[f"s{depth}{i}"] = draw(one_step(depth, list(found), around))
    return found


@st.composite
def one_step(draw: st.DrawFn, depth: int, before: list[str], outside: tuple[str, ...]) -> dict[str, Any]:
    kinds = ["work", "work", "work", "approve", "event", "time", *(["block", "block", "sub"] if depth < 2 else [])]
    kind = draw(st.sampled_from(kinds))
    made: dict[str, Any] = {"on_error": draw(st.sampled_from(RESCUES))}
    used = draw(st.lists(st.sampled_from(before), max_size=2, unique=True)) if before else []
    if kind == "work":
        used += draw(st.lists(st.sampled_from(outside), max_size=2, unique=True)) if outside else []
        made |= {"uses": "work", "with": {f"x{i}": f"${{{name}}}" for i, name in enumerate(used)}, "retry": {"attempts": 2, "delay": 0}}
    elif kind == "approve":
        made |= {"approve": "Well", "after": used, **draw(st.sampled_from([{}, {"timeout": 50}]))}
    elif kind == "event":
        made |= {"wait": {"event": draw(st.sampled_from(["red", "blue"]))}, "after": used}
    elif kind == "time":
        made |= {"wait": 5, "after": used}
    elif kind == "sub":
        made |= {"workflow": "part", "with": {"n": 1}, "after": used, **draw(st.sampled_from([{}, {"timeout": 30}]))}
    else:
        inner = draw(steps(depth + 1, 3, (*outside, *before)))
        made |= {"steps": inner, "after": used, **draw(st.sampled_from([{}, {}, {"timeout": 30}]))}
    return {**made, **draw(around(kind))}


@st.composite
def around(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """What may stand around the work: a map, a quorum, rounds."""
    found: dict[str, Any] = {}
    if draw(st.sampled_from([True, False, False])):
        found |= {"for_each": LIST, **draw(st.sampled_from([{}, {"max_parallel": 1}, {"need": 2}, {"need": "60%", "max_parallel": 2}]))}
    elif kind == "block" and draw(st.booleans()):
        found |= {"need": 1}
    if kind in ("work", "block", "sub") and draw(st.sampled_from([True, False, False])):
        options = [{"at_most": 2}, {"at_most": 3, "until": "loop.index >= 1", "delay": 1}, {"at_most": 2, "until": "1 > 2"}]
        found |= {"repeat": draw(st.sampled_from(options))}
    return found


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "workflow": "random",
        "workflows": {"part": {"workflow": "part", "inputs": {"n": "int"}, "steps": draw(steps(2, 2)), "outputs": {"n": "${inputs.n}"}}},
        "steps": draw(steps(0)),
        **draw(st.sampled_from([{}, {"finally": {"f": {"uses": "work", "with": {"how": "${job.status}"}}}}])),
        **draw(st.sampled_from([{}, {}, {"budget": {"cost": 3}}])),
    }


def graph_of(document: dict[str, Any]) -> TaskGraph:
    read = from_document(document)
    assert read.workflow is not None
    assert not read.diagnostics
    return compile_workflow(read.workflow, CATALOG)


class LanguageMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.commands: list[list[Command]] = []
        self.now = 0.0
        self.running: dict[str, StartTask] = {}
        self.cancelling: set[str] = set()
        self.backing_off: list[str] = []
        self.timers: set[str] = set()
        self.succeeded: set[str] = set()
        self.ends = 0
        self.finish: FinishJob | None = None

    @initialize(document=documents())
    def submit(self, document: dict[str, Any]) -> None:
        self.graph = made = graph_of(document)
        self.state = JobState(made)
        expected = {node.path: {"cost": 0.5} for node in made.every_node()} if made.workflow.budget else None
        self.say(JobSubmitted, {}, None, expected)

    def say(self, kind: Any, *fields: Any, **more: Any) -> None:
        self.now += 1.0
        happened: Event = kind(self.now, *fields, **more)
        # A job that waits goes on when it hears of something; if not, it says once more that it waits.
        self.finish = None if self.finish and self.finish.status in ("waiting", "paused") else self.finish
        commands = self.state.handle(happened)
        self.events.append(happened)
        self.commands.append(list(commands))
        for command in commands:
            self.obey(command)
        if self.finish is None and self.state.finished:
            self.finish = next(c for told in reversed(self.commands) for c in told if isinstance(c, FinishJob))

    def obey(self, command: Command) -> None:
        match command:
            case StartTask(task):
                assert task not in self.running, f"{task} runs twice at once"
                assert task not in self.succeeded, f"{task} has succeeded and starts again"
                assert self.finish is None, f"{task} starts although the job has finished"
                assert self.state.tasks[task].step.node.path == path_of(task)
                self.running[task] = command
            case CancelTask(task):
                assert task in self.running, f"{task} is to be stopped, but it does not run"
                assert task not in self.cancelling, f"{task} is stopped twice"
                self.cancelling.add(task)
            case WaitRetry(task):
                self.backing_off.append(task)
            case WaitTimer(task, delay):
                assert delay >= 0
                self.timers.add(task)
            case DropTimer(task):
                self.timers.discard(task)
            case AskPerson(task):
                assert self.state.tasks[task].status in (Status.AWAITING, Status.CANCELLED)
            case FinishJob():
                assert self.finish is None, "FinishJob twice"
                self.finish = command

    def pick(self, data: st.DataObject, among: Any) -> str:
        task: str = data.draw(st.sampled_from(sorted(among)))
        return task

    def answered(self, task: str) -> None:
        del self.running[task]
        self.cancelling.discard(task)

    # ------------------------------------------------------------------------------------------------------------- events

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        task = self.pick(data, self.running)
        self.answered(task)
        if self.state.tasks[task].status is Status.RUNNING:
            self.succeeded.add(task)
        self.say(TaskSucceeded, task, 1, self.now, usd=0.5)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), retryable=st.booleans())
    def fail(self, data: st.DataObject, retryable: bool) -> None:
        task = self.pick(data, self.running)
        self.answered(task)
        self.say(TaskFailed, task, "failed", "as told", retryable, self.now)

    @precondition(lambda self: self.cancelling)
    @rule(data=st.data())
    def stopped(self, data: st.DataObject) -> None:
        task = self.pick(data, self.cancelling)
        self.answered(task)
        self.say(TaskCancelled, task, self.now)

    @precondition(lambda self: self.backing_off and self.is_on_the_way())
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        task = self.pick(data, self.backing_off)
        self.backing_off.remove(task)
        self.say(RetryDue, task)

    @precondition(lambda self: self.timers and self.is_on_the_way())
    @rule(data=st.data())
    def timer(self, data: st.DataObject) -> None:
        task = self.pick(data, self.timers)
        self.timers.discard(task)
        self.say(TimerFired, task)

    @precondition(lambda self: self.people() and self.is_on_the_way())
    @rule(data=st.data(), yes=st.sampled_from([True, True, False]))
    def answer(self, data: st.DataObject, yes: bool) -> None:
        self.say(Answered, self.pick(data, self.people()), yes, {})

    @precondition(lambda self: self.events and self.is_on_the_way())
    @rule(name=st.sampled_from(["red", "blue"]))
    def signal(self, name: str) -> None:
        self.say(SignalReceived, name, 1)

    @precondition(lambda self: self.events and self.is_on_the_way())
    @rule(data=st.data(), branch=st.booleans())
    def skip(self, data: st.DataObject, branch: bool) -> None:
        known = {*self.state.tasks, *self.state.steps, *self.state.inner}
        self.say(SkipRequested, self.pick(data, {name for name in known if not name.startswith("finally")}), branch)

    @precondition(lambda self: self.events and self.is_on_the_way() and self.ends < 2)
    @rule()
    def cancel(self) -> None:
        self.ends += 1
        self.say(CancelRequested, "enough")

    @precondition(lambda self: self.events and (self.finish is None or self.finish.status != "succeeded"))
    @rule(more=st.sampled_from([None, 10.0]))
    def die_and_resume(self, more: float | None) -> None:
        self.check_replay()
        self.state = JobState(self.graph)
        for happened in self.events:
            self.state.handle(happened)
        self.running.clear()
        self.cancelling.clear()
        self.backing_off.clear()
        self.timers.clear()
        self.finish = None
        self.say(JobResumed, {"cost": more} if more and self.graph.workflow.budget else None)

    @precondition(lambda self: self.finish is not None and self.finish.status == "succeeded")
    @rule()
    def nothing_more(self) -> None:
        assert self.state.finished == "succeeded"

    def is_on_the_way(self) -> bool:
        return self.finish is None or self.finish.status in ("waiting", "paused")

    def people(self) -> list[str]:
        return [task for task, gate in self.state.asking.items() if gate.kind == "person"]

    # -------------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def never_stuck(self) -> None:
        if self.events and not self.running and not self.state.backing_off and not self.state.timers:
            assert self.finish is not None, "nothing runs, nothing waits, and the job goes on"

    @invariant()
    def an_end_is_an_end(self) -> None:
        if self.finish is None:
            return
        assert not self.running, f"{sorted(self.running)} run in a finished job"
        if self.finish.status == "waiting":
            assert self.state.asking
        elif self.finish.status == "paused":
            assert self.state.purse is not None
            assert self.state.purse.waiting
        else:
            assert not [name for name, one in self.state.steps.items() if one.status in (Status.WAITING, Status.RUNNING, Status.AWAITING)]

    @invariant()
    def counts_agree(self) -> None:
        if not self.events:
            return
        assert self.state.running == len(self.running)
        assert self.state.backing_off <= set(self.backing_off)
        assert self.state.timers <= self.timers
        for frame in open_frames(self.state.root):
            if frame.prefix:
                inside = [t for t in self.running if t == frame.prefix or t.startswith((f"{frame.prefix}/", f"{frame.prefix}["))]
                assert frame.running == len(inside), frame.prefix
            unsettled = [one for one in frame.steps.values() if one.node.name not in frame.known]
            assert frame.unsettled == len(unsettled), frame.prefix or "the job"

    @invariant()
    def within_max_parallel(self) -> None:
        if not self.events:
            return
        busy = Counter(record.step.id for record in self.state.tasks.values() if record.step.map and record.status in _BUSY)
        for name, count in busy.items():
            step = self.state.step_of(name)
            limit = step.node.max_parallel if step else None
            assert limit is None or count <= limit, f"{count} tasks of {name} run at once"

    @invariant()
    def the_budget_holds(self) -> None:
        purse = self.state.purse if self.events else None
        if purse is not None:
            set_aside = sum(0.5 for task in self.running)
            assert purse.spent["cost"] + set_aside <= max(purse.limits["cost"], 10.0) + 1e-6

    def check_replay(self) -> None:
        again = JobState(self.graph)
        for happened, commands in zip(self.events, self.commands, strict=True):
            assert again.handle(happened) == commands, f"{happened} leads elsewhere when it is replayed"
        assert again.statuses() == self.state.statuses()

    def teardown(self) -> None:
        if not self.events:
            return
        self.check_replay()
        for name in self.state.statuses():
            assert self.state.story(name)
        for _ in range(1000):
            if not self.is_on_the_way():
                break
            self.go_on()
            self.never_stuck()
        assert self.finish is not None
        assert not self.is_on_the_way(), "it does not come to an end"
        event(f"finished: {self.finish.status}")
        self.an_end_is_an_end()
        self.check_replay()

    def go_on(self) -> None:
        """Answer for whatever the job waits for next."""
        if self.running:
            task = min(self.running)
            self.answered(task)
            if self.state.tasks[task].status is Status.RUNNING:
                self.succeeded.add(task)
            self.say(TaskSucceeded, task, 1, self.now)
        elif self.backing_off:
            self.say(RetryDue, self.backing_off.pop())
        elif self.people():
            self.say(Answered, self.people()[0], True, {})
        elif self.state.asking:
            self.say(SignalReceived, next(iter(self.state.asking.values())).event, 1)
        elif self.finish is not None and self.finish.status == "paused":
            self.finish = None
            self.backing_off.clear()
            self.timers.clear()
            self.say(JobResumed, {"cost": 1000.0})
        else:
            task = self.timers.pop()
            self.say(TimerFired, task)


_BUSY = (Status.RUNNING, Status.AWAITING, Status.BACKOFF)

LanguageMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLanguage = LanguageMachine.TestCase
