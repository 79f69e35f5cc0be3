"""The invariants of `JobState`, whatever happens in whatever order: random graphs, random events, crashes at any point."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from murakkab.plan import Node, TaskGraph
from murakkab.runtime.messages import (
    CancelRequested,
    CancelTask,
    Command,
    DeadlinePassed,
    DoubtResolved,
    Event,
    FinishJob,
    JobResumed,
    JobSubmitted,
    RetryDue,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    WaitRetry,
)
from murakkab.runtime.records import Status
from murakkab.runtime.resolution import SKIPPED, InputSkipped, value_of
from murakkab.runtime.state import JobState
from murakkab.spec import Effect, First, OnError, Ref, Rescue, Step
from tests.fakes import FALLBACK, SKIP, default, graph, step

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=3)
#: Results are lists of lists, so that maps of maps find something to go over; now and then they are not.
VALUES = st.one_of(LISTS, LISTS, LISTS, LISTS, LISTS, st.lists(st.integers(0, 9), max_size=2), st.integers(0, 9))
SETTLED = (Status.SUCCEEDED, Status.SKIPPED)


# ------------------------------------------------------------------------------------------------------------ random graphs


@st.composite
def graphs(draw: st.DrawFn) -> TaskGraph:
    steps: list[Step] = []
    for i in range(draw(st.integers(1, 6))):
        steps.append(draw(_steps(f"s{i}", steps)))
    names = [one.name for one in steps]
    kept = draw(st.sampled_from([[], [], names[-1:], names]))
    timeout = draw(st.sampled_from([None, 60.0]))
    return graph(*steps, outputs={name: f"${{{name}}}" for name in kept}, optional=names[1:], timeout=timeout)


@st.composite
def _steps(draw: st.DrawFn, name: str, before: list[Step]) -> Step:
    each = draw(_loops(before))
    effect = draw(st.sampled_from([None, None, Effect.IRREVERSIBLE]))
    rescues = [OnError(), OnError(), SKIP, default([[7]]), FALLBACK]
    others = [one.name for one in before]
    some = st.lists(st.sampled_from(others), max_size=2, unique=True) if others else st.just([])
    inputs: dict[str, Any] = {f"x{i}": f"${{{other}}}" for i, other in enumerate(draw(some))}
    if others and draw(st.booleans()):
        inputs["first"] = {"$first": [f"${{{draw(st.sampled_from(others))}}}", "${inputs.xs}"][: draw(st.integers(1, 2))]}
    if each and draw(st.booleans()):
        inputs["of"] = f"${{{list(each)[-1]}}}"
    return step(
        name,
        each=each,
        after=tuple(draw(some)),
        when=draw(st.sampled_from(["", "", "inputs.flag", "!inputs.flag"])),
        max_parallel=draw(st.sampled_from([None, 1, 2])) if each else None,
        retry=1 if effect else draw(st.integers(1, 3)),
        on_error=draw(st.sampled_from(rescues[:4] if effect else rescues)),
        effect=effect,
        **inputs,
    )


@st.composite
def _loops(draw: st.DrawFn, before: list[Step]) -> dict[str, str]:
    """Nothing, a list of the inputs, the result of a step, or the elements of a map as they arrive; perhaps nested. Or no list at all."""
    maps = [one.name for one in before if one.for_each]
    kinds = ["none", "none", "inputs", "inputs", *(["step"] if before else []), *(["stream"] * 3 if maps else []), "bad"]
    kind = draw(st.sampled_from(kinds))
    if kind == "none":
        return {}
    over = {
        "inputs": ["${inputs.xs}", "${inputs.xs[*][*]}"],
        "step": [f"${{{one.name}}}" for one in before],
        "stream": [f"${{{name}{rest}}}" for name in maps for rest in ("", "[*]", "[*][*]")],
        "bad": ["${inputs.xs}", "${inputs.xs}", "${inputs.flag}"],
    }
    outer = draw(st.sampled_from(over[kind]))
    inner = draw(st.sampled_from(["", "", "", "${a}", "${inputs.xs}", *(f"${{{one.name}}}" for one in before)]))
    return {"a": outer, "b": inner} if inner else {"a": outer}


# -------------------------------------------------------------------------------------------------------- a second opinion


def key_of(task: str) -> tuple[tuple[int, ...], ...]:
    """Return the places in a task's id, to put tasks in order."""
    return tuple(tuple(map(int, place.split("."))) for place in re.findall(r"\[([\d.]+)\]", task))


def result_of(node: Node, tasks: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return what a settled map must give: the results in the order of the elements, nested like the loops, skipped ones left out.

    Knows nothing of streams and keys: it goes over the finished lists.
    """
    in_order = iter([tasks[task] for task in sorted(tasks, key=key_of)])

    def level(depth: int, scope: dict[str, Any]) -> Any:
        if depth == len(node.loops):
            return next(in_order)
        loop = node.loops[depth]
        found = [level(depth + 1, {**scope, loop.name: element}) for element in value_of(loop.over, scope, known)]
        return [one for one in found if one is not SKIPPED]

    made = level(0, {})
    assert list(in_order) == [], "there are tasks without an element"
    return made


def hard_needs(node: Node) -> Iterator[str]:
    yield from (name for name in node.needs if name not in node.tolerant)
    if node.stream:
        yield node.stream.source


# --------------------------------------------------------------------------------------------------------------- the machine


class JobMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.commands: list[list[Command]] = []
        self.now = 0.0
        self.runs = 0
        #: Told to start and not answered for; and, of those, told to stop.
        self.running: dict[str, StartTask] = {}
        self.cancelling: set[str] = set()
        #: Tasks whose RetryDue is to come; those of them that the job still waits for.
        self.timers: list[str] = []
        self.backing_off: set[str] = set()
        #: The value of every task that succeeded, whenever; SKIPPED for those skipped.
        self.done: dict[str, Any] = {}
        #: The highest attempt that failed since the task began anew.
        self.failed: dict[str, int] = {}
        #: Irreversible tasks that were begun and have not succeeded.
        self.touched: set[str] = set()
        self.may_repeat: set[str] = set()
        self.ending = False
        self.finish: FinishJob | None = None

    @initialize(made=graphs(), xs=LISTS, flag=st.booleans())
    def submit(self, made: TaskGraph, xs: Any, flag: bool) -> None:
        self.graph = made
        self.state = JobState(made)
        self.say(JobSubmitted, {"xs": xs, "flag": flag})

    def say(self, kind: Any, *fields: Any, **more: Any) -> None:
        self.now += 1.0
        happened: Event = kind(self.now, *fields, **more)
        commands = self.state.handle(happened)
        self.events.append(happened)
        self.commands.append(list(commands))
        for command in commands:
            self.obey(command)
        self.learn()

    def obey(self, command: Command) -> None:
        match command:
            case StartTask():
                self.begin(command)
            case CancelTask(task):
                assert task in self.running, f"{task} is to be stopped, but it does not run"
                assert task not in self.cancelling, f"{task} is stopped twice"
                self.ending = True
                self.cancelling.add(task)
            case WaitRetry(task, delay):
                assert delay >= 0
                assert task not in self.running
                self.timers.append(task)
                self.backing_off.add(task)
            case FinishJob():
                assert self.finish is None, "FinishJob twice"
                self.finish = command

    def begin(self, start: StartTask) -> None:
        task, node = start.task, start.node
        assert task not in self.running, f"{task} runs twice at once"
        assert task not in self.done, f"{task} is settled and starts again"
        assert not self.ending, f"{task} starts although the job is ending"
        assert self.finish is None, f"{task} starts although the job has finished"
        assert task not in self.touched or task in self.may_repeat, f"{task} is irreversible, was begun, and is repeated"
        for need in node.needs:
            assert self.state.steps[need].status in SETTLED, f"{task} starts before {need} is settled"
        for need in node.needs:
            assert need in node.tolerant or self.state.steps[need].status is Status.SUCCEEDED, f"{task} starts although {need} was skipped"
        assert start.attempt <= node.retry.attempts + (node.on_error.action is Rescue.FALLBACK), f"{task} is tried too often"
        assert start.attempt > self.failed.get(task, 0), f"attempt {start.attempt} of {task} is repeated"
        assert bool(start.executor) <= (node.on_error.action is Rescue.FALLBACK)
        self.running[task] = start
        self.check_inputs(start)

    def check_inputs(self, start: StartTask) -> None:
        """Whatever does not depend on loop variables can be worked out from the results alone."""
        loops = {loop.name for loop in start.node.loops}
        for name, made in start.node.with_.items():
            if not (isinstance(made, Ref) and made.source in loops):
                assert start.inputs[name] == value_of(made, {}, self.state.known)

    def learn(self) -> None:
        """Note what has been settled by rule: skipped, defaulted, or skipped before it ever began."""
        for name, record in self.state.tasks.items():
            if name in self.done:
                assert record.status in SETTLED, f"{name} was settled and is {record.status}"
            elif record.status is Status.SKIPPED:
                self.done[name] = SKIPPED
            elif record.status is Status.SUCCEEDED:
                self.done[name] = record.value if record.step.map else self.state.known[name]

    # ------------------------------------------------------------------------------------------------------------- events

    def pick(self, data: st.DataObject, among: Any) -> str:
        task: str = data.draw(st.sampled_from(sorted(among)))
        return task

    def answered(self, data: st.DataObject, among: Any) -> StartTask:
        """Return a running task that now ends. An irreversible one has announced itself before it did anything."""
        task = self.pick(data, among)
        start = self.running[task]
        if start.node.effect is Effect.IRREVERSIBLE and task not in self.touched:
            self.announce(task)
        del self.running[task]
        self.cancelling.discard(task)
        return start

    def announce(self, task: str) -> None:
        self.touched.add(task)
        self.may_repeat.discard(task)
        self.say(TaskStarted, task, self.running[task].attempt)

    def untouched(self) -> list[str]:
        return [
            task
            for task, start in self.running.items()
            if start.node.effect is Effect.IRREVERSIBLE and task not in self.touched and task not in self.cancelling
        ]

    @precondition(lambda self: self.running)
    @rule(data=st.data(), value=VALUES)
    def succeed(self, data: st.DataObject, value: Any) -> None:
        start = self.answered(data, self.running)
        self.touched.discard(start.task)
        self.done[start.task] = value
        self.say(TaskSucceeded, start.task, value, self.now)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), retryable=st.sampled_from([True, True, False]))
    def fail(self, data: st.DataObject, retryable: bool) -> None:
        start = self.answered(data, self.running)
        again = retryable and start.attempt < start.node.retry.attempts and not start.executor
        if not self.ending or again:
            self.failed[start.task] = start.attempt
        else:
            self.failed.pop(start.task, None)
        self.say(TaskFailed, start.task, "failed", "as told", retryable, self.now)

    @precondition(lambda self: self.untouched())
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        self.announce(self.pick(data, self.untouched()))

    @precondition(lambda self: self.cancelling)
    @rule(data=st.data())
    def stopped(self, data: st.DataObject) -> None:
        task = self.pick(data, self.cancelling)
        del self.running[task]
        self.cancelling.discard(task)
        self.say(TaskCancelled, task, self.now)

    @precondition(lambda self: self.timers and self.finish is None)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        task = self.pick(data, self.timers)
        self.timers.remove(task)
        self.backing_off.discard(task)
        self.say(RetryDue, task)

    @precondition(lambda self: self.finish is None and self.runs < 3)
    @rule(late=st.booleans())
    def end_early(self, late: bool) -> None:
        self.ending = True
        self.runs += 1
        if late and self.graph.workflow.timeout is not None:
            self.say(DeadlinePassed)
        else:
            self.say(CancelRequested, "enough")

    @precondition(lambda self: self.finish is None or self.finish.status != "succeeded")
    @rule(data=st.data())
    def die_and_resume(self, data: st.DataObject) -> None:
        self.check_replay()
        self.state = JobState(self.graph)
        for happened in self.events:
            self.state.handle(happened)
        # A process that died has answered nothing; attempts that failed for good, or in the end, begin anew.
        ended = [name for name, record in self.state.tasks.items() if record.status is Status.FAILED]
        for task in ended:
            self.failed.pop(task, None)
        self.running.clear()
        self.cancelling.clear()
        self.timers.clear()
        self.backing_off.clear()
        self.ending, self.finish = False, None
        for task in self.state.in_doubt():
            self.judge(data, task)
        self.say(JobResumed)
        for task in self.touched - set(self.done) - self.may_repeat:
            assert task in self.state.in_doubt(), f"{task} was begun, nobody knows how it ended, and it is not in doubt"

    @precondition(lambda self: self.finish is not None)
    @rule()
    def nothing_more(self) -> None:
        assert self.finish is not None
        assert self.state.finished == self.finish.status

    def judge(self, data: st.DataObject, task: str) -> None:
        verdict = data.draw(st.sampled_from(["done", "retry", ""]), label=f"verdict on {task}")
        if verdict == "retry":
            self.may_repeat.add(task)
            self.failed.pop(task, None)
            self.say(DoubtResolved, task, "retry")
        elif verdict:
            value = data.draw(VALUES)
            self.touched.discard(task)
            self.done[task] = value
            self.say(DoubtResolved, task, "done", value)
        assert self.finish is None, "a verdict alone ended the run"

    # -------------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def never_stuck(self) -> None:
        if not self.running and not (self.backing_off - set(self.done)) and self.events:
            assert self.finish is not None, "nothing runs, nothing waits, and the job goes on"

    @invariant()
    def finished_when_nothing_runs(self) -> None:
        if self.finish is not None:
            assert not self.running, f"{sorted(self.running)} run in a finished job"

    @invariant()
    def within_max_parallel(self) -> None:
        places: dict[str, int] = {}
        for task in {*self.running, *(self.backing_off if not self.ending else ())}:
            places[task.partition("[")[0]] = places.get(task.partition("[")[0], 0) + 1
        for name, count in places.items():
            limit = self.graph.nodes[name].max_parallel
            assert limit is None or count <= limit, f"{count} tasks of {name} run at once"

    @invariant()
    def ended_means_settled(self) -> None:
        if self.finish is not None and self.finish.status != "held":
            waiting = [name for name, one in self.state.steps.items() if one.status is Status.WAITING]
            assert not waiting, f"the job {self.finish.status} and {waiting} still wait"
        if self.finish is not None and self.finish.status == "held":
            assert self.state.in_doubt()

    @invariant()
    def maps_are_in_order(self) -> None:
        if not self.events:
            return
        for name, one in self.state.steps.items():
            if one.map is not None and one.status is Status.SUCCEEDED:
                tasks = {task: value for task, value in self.done.items() if task.startswith(f"{name}[")}
                assert self.state.known[name] == result_of(one.node, tasks, self.state.known)

    @invariant()
    def skipped_for_a_reason(self) -> None:
        if not self.events:
            return
        steps = self.state.steps
        for one in steps.values():
            skipped = [need for need in hard_needs(one.node) if steps[need].status is Status.SKIPPED]
            if skipped and self.finish and self.finish.status == "succeeded":
                assert one.status is Status.SKIPPED, f"{one.id} is {one.status} although {skipped} were skipped"
            if one.map is not None and one.status is Status.SKIPPED:
                assert skipped or any(isinstance(loop.over, First) for loop in one.node.loops)

    @invariant()
    def outputs_are_what_they_refer_to(self) -> None:
        if self.finish is None or self.finish.status != "succeeded":
            return
        for name, made in self.graph.outputs.items():
            try:
                assert self.finish.outputs[name] == value_of(made, {}, self.state.known)
            except InputSkipped:
                assert self.finish.outputs[name] is None
                assert name in self.graph.optional_outputs

    @invariant()
    def counts_agree(self) -> None:
        if self.events:
            assert self.state.running == len(self.running)

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
        self.let_it_end()
        assert self.finish is not None
        event(f"finished: {self.finish.status}")
        self.check_replay()
        self.never_stuck()
        self.ended_means_settled()
        self.maps_are_in_order()
        self.skipped_for_a_reason()
        self.outputs_are_what_they_refer_to()

    def let_it_end(self) -> None:
        """Answer for everything that runs: whatever happened before, the job comes to an end."""
        while self.finish is None:
            if self.running:
                task = min(self.running)
                start = self.running.pop(task)
                self.cancelling.discard(task)
                if start.node.effect is Effect.IRREVERSIBLE and task not in self.touched:
                    self.say(TaskStarted, task, start.attempt)
                self.touched.discard(task)
                self.done[task] = [[1], []]
                self.say(TaskSucceeded, task, [[1], []], self.now)
            else:
                task = self.timers.pop()
                self.backing_off.discard(task)
                self.say(RetryDue, task)


JobMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestJob = JobMachine.TestCase
