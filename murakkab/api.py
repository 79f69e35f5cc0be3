"""driver: the public face - `workflow` and `load_workflow` give a handle; the handle runs, streams and shows the workflow.

Importing this costs next to nothing. What runs a workflow (`murakkab.running`) is imported when something is first run.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from murakkab.declared import Declared
from murakkab.declaring import Budget, WorkflowOptions, declare
from murakkab.dsl import WorkflowStep
from murakkab.options import StepOptions, step_fields
from murakkab.placeholders import mistake
from murakkab.recording import active
from murakkab.spec import Goal, Workflow

if TYPE_CHECKING:
    from murakkab.plan import Deployment
    from murakkab.running import Runner
    from murakkab.runtime.messages import Event
    from murakkab.runtime.result import JobResult

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")


class RunOptions(TypedDict, total=False):
    """What jobs run with. `home`: the folder of journal, artifacts and cache. `durable`: jobs survive the end of this process.

    `power_safe`: they survive a power cut too. `cores`: how many CPU cores tasks may use. `slots`: further resources, such as
    {"gpu-memory-mb": 24000}. `goal` and `budget` take the place of those that the workflow declares, once the `profile` of that name is
    laid over it; `minimize` takes the place of that of the goal, and `limits` are laid over its limits. `knobs`
    sets those that change the graph: {"answer.n": 3}.
    """

    home: str | Path
    durable: bool
    power_safe: bool
    cores: float
    slots: Mapping[str, float]
    goal: Goal
    minimize: str | Sequence[str]
    limits: Mapping[str, float | str]
    budget: Budget
    profile: str
    knobs: Mapping[str, int]


class WorkflowHandle(Generic[P, R]):
    """A workflow that can be run. It is written down, or checked, when it is first looked at or run; handles never change."""

    def __init__(self, source: Callable[[], Declared], *, signature: inspect.Signature | None, options: RunOptions) -> None:
        self._source = source
        self._signature = signature
        self._options = options

    @property
    def definition(self) -> Workflow:
        """What is declared. Raises `SpecError` with every mistake in it."""
        return self.declared.workflow

    @property
    def declared(self) -> Declared:
        """What is declared, and the functions that belong to it."""
        return self._source()

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON data, in the form that files have."""
        from murakkab.running import document_of

        return document_of(self.definition)

    def to_yaml(self) -> str:
        """Return the definition as the text of a YAML file."""
        from murakkab.running import yaml_of

        return yaml_of(self.definition)

    def to_python(self) -> str:
        """Return the definition as the text of a Python module, which uses functions and capabilities by their names."""
        from murakkab.source import to_python

        return to_python(self.definition)

    def options(self, **options: Unpack[RunOptions]) -> "WorkflowHandle[P, R]":
        """Return the same workflow with other settings for its jobs."""
        if unknown := [name for name in options if name not in RunOptions.__annotations__]:
            raise mistake("unknown-option", f"there is no option {unknown[0]!r}", f"there are {', '.join(RunOptions.__annotations__)}")
        return WorkflowHandle(self._source, signature=self._signature, options={**self._options, **options})

    def plan(self, *args: P.args, **kwargs: P.kwargs) -> "Deployment":
        """Return how a job with these inputs would be done and what it is expected to take, with the next best of each step.

        Nothing is run. Blocks for some milliseconds. Raises `PlanError` when no choice keeps the limits of the goal.
        """
        return self._runner.plan(self._runner.inputs(args, kwargs))

    def plan_for_any(self) -> "Deployment":
        """Return how a job would be done of whose inputs nothing is known, as `plan` does for one of which they are."""
        return self._runner.plan(None)

    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the workflow returns, once a job of it has run.

        Where a goal sets limits or a step can be done in more than one way, the choices are made for each job. Raises `PlanError` when none
        keeps the limits, and `JobError` when the job fails.
        """
        return cast("R", self._runner.value_of(self.run_job(*args, **kwargs)))

    async def arun(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the workflow returns, as `run` does, on the event loop that runs already."""
        return cast("R", self._runner.value_of(await self.arun_job(*args, **kwargs)))

    def run_job(self, *args: P.args, **kwargs: P.kwargs) -> "JobResult":
        """Return how a job ended, failed or not: status, outputs, failures, and what each task took."""
        self._refuse_inside_loop("run")
        return self._runner.job_in_new_loop(self._runner.inputs(args, kwargs))

    async def arun_job(self, *args: P.args, **kwargs: P.kwargs) -> "JobResult":
        """Return how a job ended, as `run_job` does, on the event loop that runs already."""
        return await self._runner.job(self._runner.inputs(args, kwargs))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> "Generator[Event, None, None]":
        """Return the events of a job, as they happen. Closing the iterator stops the job; at its end it raises what `run` raises."""
        self._refuse_inside_loop("stream")
        return self._runner.stream(self._runner.inputs(args, kwargs))

    def astream(self, *args: P.args, **kwargs: P.kwargs) -> "AsyncGenerator[Event, None]":
        """Return the events of a job, as `stream` does, on the event loop that runs already."""
        return self._runner.astream(self._runner.inputs(args, kwargs))

    def resume_job(
        self,
        job: str,
        *,
        answers: "Mapping[str, bool | Mapping[str, Any]] | None" = None,
        signals: Mapping[str, Any] | None = None,
        budget: Budget | None = None,
        by: str = "",
    ) -> "JobResult":
        """Return how a job ended that waited, was paused, interrupted or failed. What it completed is not run again.

        `answers`: what the person `by` says to the questions of its tasks: True, False, or yes with the values of the form. `signals`:
        the values of events by name. `budget`: new limits. The job was run with `durable=True`.
        """
        self._refuse_inside_loop("resume_job")
        return self._runner.resumed_in_new_loop(job, answers or {}, signals or {}, budget=budget, by=by)

    async def aresume_job(
        self,
        job: str,
        *,
        answers: "Mapping[str, bool | Mapping[str, Any]] | None" = None,
        signals: Mapping[str, Any] | None = None,
        budget: Budget | None = None,
        by: str = "",
    ) -> "JobResult":
        """Return how a job ended, as `resume_job` does, on the event loop that runs already."""
        return await self._runner.resumed(job, answers or {}, signals or {}, budget=budget, by=by)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Add the whole workflow as one step to the workflow that is being written down. Elsewhere, it is run instead."""
        if active() is None:
            raise mistake("outside-workflow", "a workflow is not called like a function", "use .run(...), or await .arun(...)")
        return self.with_options()(*args, **kwargs)

    # `self` by its call signature: that is what lets type checkers take the first parameter off.
    def map(
        self: Callable[Concatenate[T, Q], R],  # pyright: ignore[reportGeneralTypeIssues]
        items: Iterable[T],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> list[R]:
        """Add a step that runs the whole workflow for every element of *items*, in parallel; its value is the list of the results."""
        handle = cast("WorkflowHandle[Concatenate[T, Q], R]", self)
        return handle.with_options().map(items, *args, **kwargs)

    def with_options(self, **options: Unpack[StepOptions]) -> WorkflowStep[P, R]:
        """Return the whole workflow as a step of others, with options."""
        return WorkflowStep(self._source, self._signature, step_fields(options))

    @functools.cached_property
    def _runner(self) -> "Runner":
        if active() is not None:
            raise mistake("nested-workflow", "a workflow cannot be run while another one is written down", "run it inside a step")
        from murakkab.running import runner

        return runner(self._source(), self._options, signature=self._signature)

    def _refuse_inside_loop(self, method: str) -> None:
        from murakkab.running import refuse_inside_loop

        refuse_inside_loop(method)


class WorkflowDecorator(Protocol):
    """What `workflow(...)` with options returns."""

    def __call__(self, function: Callable[P, R], /) -> WorkflowHandle[P, R]:
        """Make the function a workflow."""
        ...


@overload
def workflow(function: Callable[P, R], /) -> WorkflowHandle[P, R]: ...
@overload
def workflow(**options: Unpack[WorkflowOptions]) -> WorkflowDecorator: ...
def workflow(function: Any = None, /, **options: Any) -> Any:
    """Make a typed function a workflow: its parameters are the inputs, the steps it calls the steps, what it returns the outputs.

    `@workflow` or `@workflow(name=..., goal=Goal(...))`. The body is run once, to write the workflow down.
    """
    if unknown := [name for name in options if name not in WorkflowOptions.__annotations__]:
        raise mistake("unknown-option", f"there is no option {unknown[0]!r}", f"there are {', '.join(WorkflowOptions.__annotations__)}")

    def decorate(function: Callable[P, R]) -> WorkflowHandle[P, R]:
        source = functools.cache(functools.partial(declare, function, **options))
        # Inputs that are no parameters are given by name.
        signature = None if options.get("inputs") else inspect.signature(function)
        handle = WorkflowHandle[P, R](source, signature=signature, options={})
        functools.update_wrapper(handle, function)
        return handle

    return decorate if function is None else decorate(function)


def load_workflow(path: str | Path) -> WorkflowHandle[..., dict[str, Any]]:
    """Return the workflow of a YAML or JSON file. Raises `SpecError` with the place of every mistake in it, or `NotFoundError`."""
    from murakkab.running import loaded

    declared = loaded(path)
    return WorkflowHandle(lambda: declared, signature=None, options={})
