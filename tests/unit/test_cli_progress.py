"""How far each step is, from the events of a job and its state."""

from murakkab.cli.places import ended, statuses_of
from murakkab.cli.progress import Progress, StepLine
from murakkab.plan import Node, TaskGraph
from murakkab.runtime.messages import Event, JobSubmitted, TaskFailed, TaskStarted, TaskSucceeded
from murakkab.runtime.state import JobState
from murakkab.spec import Loop, Ref, Workflow


class Job:
    """A job whose events reach both its state and its progress, as the driver does it."""

    def __init__(self, *nodes: Node) -> None:
        graph = TaskGraph(Workflow("w"), {node.name: node for node in nodes}, {})
        self.state = JobState(graph)
        self.progress = Progress()
        self.tell(JobSubmitted(0.0, {"items": [1, 2, 3]}))

    def tell(self, event: Event) -> None:
        self.progress.hear(event)
        if not isinstance(event, TaskStarted):
            self.state.handle(event)

    def line(self, step: str, now: float) -> StepLine:
        return next(line for line in self.progress.lines(self.state, now) if line.step == step)


def a_map(**changes: int) -> Node:
    return Node("a", "echo", loops=(Loop("item", Ref("inputs", ("items",))),), consumers=("b",), opens=("b",), **changes)  # type: ignore[arg-type]


AFTER = Node("b", "echo", needs=("a",))


def test_before_its_first_start_a_step_is_queued_and_the_next_one_waits() -> None:
    job = Job(a_map(), AFTER)
    assert job.line("a", 1.0) == StepLine("a", "queued", 0, 3, False, 0, None)
    assert job.line("b", 1.0) == StepLine("b", "waiting", 0, 1, False, 0, None)


def test_running_and_done_tasks_of_a_map_are_counted_apart() -> None:
    job = Job(a_map(), AFTER)
    job.tell(TaskStarted(2.0, "a[0]", 1))
    job.tell(TaskStarted(2.5, "a[1]", 1))
    job.tell(TaskSucceeded(3.0, "a[0]", 1, 2.0))
    assert job.line("a", 4.0) == StepLine("a", "running", 1, 3, False, 1, 2.0)


def test_the_clock_of_a_settled_step_stands_still() -> None:
    job = Job(a_map(), AFTER)
    for i in range(3):
        job.tell(TaskStarted(2.0, f"a[{i}]", 1))
        job.tell(TaskSucceeded(3.0 + i, f"a[{i}]", 1, 2.0))
    line = job.line("a", 100.0)
    assert line == StepLine("a", "succeeded", 3, 3, False, 0, 3.0)
    assert line.is_settled
    assert not job.line("b", 100.0).is_settled


def test_a_failed_task_makes_its_step_failed() -> None:
    job = Job(a_map(), AFTER)
    job.tell(TaskStarted(2.0, "a[0]", 1))
    job.tell(TaskFailed(3.0, "a[0]", "failed", "no", False, 2.0))
    assert statuses_of(job.state)["a"] == "failed"
    assert job.line("a", 3.0).is_settled


def test_a_map_that_has_begun_is_running_and_interrupted_when_its_job_goes_on_no_more() -> None:
    job = Job(a_map(), AFTER)
    assert statuses_of(job.state) == {"a": "running", "b": "waiting"}
    assert ended(statuses_of(job.state), "interrupted") == {"a": "interrupted", "b": "waiting"}
