"""driver: runs workflows for `murakkab.api`, which imports this when the first one is run.

Arguments become JSON data on the way in; outputs become what the function is annotated to return on the way out.
"""

import asyncio
import inspect
import logging
import queue
import typing
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import yaml

from murakkab import app, document, journalled, own_loop
from murakkab.asked import goal_asked, knobs_asked
from murakkab.choosing import chosen, going_on, is_open
from murakkab.composition import as_expr
from murakkab.declared import Declared, Returns
from murakkab.declaring import Budget
from murakkab.document import to_document
from murakkab.errors import ConflictError, InputError, JobError, SpecError
from murakkab.optimizer.reasons import unjudged
from murakkab.plan import Deployment
from murakkab.ports import Observer
from murakkab.references import parse_expr
from murakkab.runtime.driver import Work
from murakkab.runtime.messages import Answered, Event, SignalReceived
from murakkab.runtime.result import JobResult
from murakkab.signature import type_of
from murakkab.spec import Workflow
from murakkab.types import Type, mismatch
from murakkab_executors.conversion import brief, reader

_log = logging.getLogger("murakkab.choices")
_END: Final = object()
#: What a person says to the question of a task: yes, no, or yes with the values of the form.
Answer = bool | Mapping[str, Any]
Answers = Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs one compiled workflow, any number of times. `signature` is that of its Python function, None when it was loaded.

    `is_open`: there is something to choose for each job; else the choices in `work` hold for all of them.
    """

    declared: Declared
    work: Work
    settings: app.Settings
    signature: inspect.Signature | None = None
    is_open: bool = False

    def inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call as inputs, in JSON data. Raises `InputError` with every mistake."""
        workflow = self.declared.workflow
        wrong: list[str] = []
        inputs: dict[str, Any] = {}
        for name, value in self._by_name(args, kwargs).items():
            try:
                plain = as_expr(value)
            except SpecError as error:
                wrong += [f"input {name!r}: {d.message}; {d.hint}" for d in error.diagnostics]
                continue
            declared = workflow.inputs.get(name)
            inputs[name] = _with_files(plain, declared.type) if declared else plain
        if wrong:
            raise InputError("\n".join(wrong))
        return app.check_inputs(workflow, inputs)

    def _by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        name = self.declared.workflow.name
        if self.signature is None:
            if args:
                raise InputError(f"the inputs of {name} have no order", hint="give them by name")
            return kwargs
        try:
            return self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InputError(f"{name}: {error}", hint=f"it is run with {self.signature}") from None

    def value_of(self, result: JobResult) -> Any:
        """Return what the workflow returns. Raises `JobError` when the job did not succeed or its outputs do not fit the annotation."""
        result.raise_for_status()
        try:
            return _returned(result.outputs, self.declared.returns)
        except ValueError as error:
            message = f"the result is not what the workflow is annotated to return: {brief(error)}"
            raise JobError(message, hint="mend the annotation; run_job(...).outputs has the result as it is", job=result.job) from None

    def plan(self, inputs: Mapping[str, Any] | None) -> Deployment:
        """Return the choices for a job with these inputs (None: with any) and their forecast. Raises `PlanError`."""
        return chosen(self.work, self.settings, inputs=inputs).deployment

    def chosen(self, inputs: Mapping[str, Any]) -> Work:
        """Return the workflow with the best choices for a job with these inputs. Raises `PlanError`."""
        work = chosen(self.work, self.settings, inputs=inputs, with_others=False)
        made = work.deployment
        for line in (*made.beyond, *(unjudged(name, steps) for name, steps in made.unjudged.items())):
            _log.warning("%s: %s", work.graph.workflow.name, line)
        return work

    async def job(self, inputs: Mapping[str, Any], observers: tuple[Observer, ...] = ()) -> JobResult:
        """Return how one job ended, run on this event loop."""
        # A solver works, and engines may take a second to answer: others on this loop go on meanwhile.
        work = await asyncio.to_thread(self.chosen, inputs) if self.is_open else self.work
        async with app.open_runtime(self.settings) as runtime:
            return await runtime.run(work, inputs, observers=observers)

    async def resumed(self, job: str, answers: Answers, signals: Mapping[str, Any], *, budget: Budget | None, by: str) -> JobResult:
        """Return how one job ended that was taken up again with answers to its questions and events from outside."""
        now = app.system_clock()()
        events: list[Event] = [_answered(now, task, said, by) for task, said in answers.items()]
        events += [SignalReceived(now, name, _plain(value)) for name, value in signals.items()]
        work = await asyncio.to_thread(self._begun, job) if self.is_open else self.work
        async with app.open_runtime(self.settings) as runtime:
            return await runtime.resume(job, work, events=events, budget=cast("Mapping[str, float] | None", budget))

    def _begun(self, job: str) -> Work:
        """Return the workflow with the choices that a job was started with, or that were made since."""
        if not app.has_journal(self.settings):
            return self.work
        with app.open_records(self.settings) as records:
            return going_on(journalled.as_begun(records, job, self.work), self.settings)

    def resumed_in_new_loop(self, job: str, answers: Answers, signals: Mapping[str, Any], *, budget: Budget | None, by: str) -> JobResult:
        """Return how one job ended that was taken up again, run on an event loop of its own."""
        return own_loop.run(self.resumed(job, answers, signals, budget=budget, by=by))

    def job_in_new_loop(self, inputs: Mapping[str, Any]) -> JobResult:
        """Return how one job ended, run on an event loop of its own."""
        return own_loop.run(self.job(inputs))

    def stream(self, inputs: Mapping[str, Any]) -> Generator[Event, None, None]:
        """Yield the events of a job as they happen; it runs in a thread of its own, and stops when the iterator is closed."""
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with own_loop.beside(lambda: self.job(inputs, (_teller(events.put),))) as future:
            future.add_done_callback(lambda _: events.put(_END))
            while (event := events.get()) is not _END:
                yield event
            future.result().raise_for_status()

    async def astream(self, inputs: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """Yield the events of a job as they happen; it stops when the iterator is closed."""
        events: asyncio.Queue[Any] = asyncio.Queue()
        # A task, not a task group: an abandoned generator is closed from another task, and that may not leave a group.
        task = asyncio.get_running_loop().create_task(self.job(inputs, (_teller(events.put_nowait),)))
        task.add_done_callback(lambda _: events.put_nowait(_END))
        try:
            while (event := await events.get()) is not _END:
                yield event
            (await task).raise_for_status()
        finally:
            task.cancel()
            await asyncio.wait([task])


def _teller(put: Callable[[Any], None]) -> Observer:
    return lambda job, message: put(message)


def _answered(now: float, task: str, said: Answer, by: str) -> Answered:
    if isinstance(said, bool):
        return Answered(now, task, said, {}, by)
    return Answered(now, task, approved=True, values=_plain(said), by=by)


def _plain(value: Any) -> Any:
    """Return a value from outside as JSON data. Raises `InputError`."""
    try:
        return as_expr(value)
    except SpecError as error:
        raise InputError("; ".join(d.message for d in error.diagnostics), hint=error.diagnostics[0].hint) from None


def runner(declared: Declared, options: Mapping[str, Any], *, signature: inspect.Signature | None) -> Runner:
    """Return the runner of a declared workflow, checked and compiled. Raises `SpecError` with a place for each mistake, or `PlanError`."""
    try:
        declared = replace(declared, workflow=_as_asked(declared.workflow, options))
        work = app.prepare(declared.workflow, declared.functions, goal=goal_asked(declared.workflow.goal, options))
    except SpecError as error:
        raise declared.placed(error) from None
    work = app.with_graph(work, knobs_asked(options.get("knobs", {})))
    settings = {name: value for name, value in options.items() if name not in _OF_THE_JOB}
    if "home" in settings:
        settings["home"] = Path(settings["home"])
    return Runner(declared, work, app.Settings(**settings), signature, is_open(work))


#: Options that are no settings of the process.
_OF_THE_JOB: Final = ("goal", "minimize", "limits", "budget", "profile", "knobs")


def _as_asked(workflow: Workflow, options: Mapping[str, Any]) -> Workflow:
    if profile := options.get("profile", ""):
        workflow = document.with_profile(workflow, profile)
    return replace(workflow, budget=options["budget"]) if "budget" in options else workflow


def refuse_inside_loop(method: str) -> None:
    """Raise `ConflictError` when an event loop runs in this thread: a call that blocks would stop it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConflictError(f"{method}(...) would stop the event loop that runs here", hint=f"use a{method}(...)")


def loaded(path: str | Path) -> Declared:
    """Return the workflow of a YAML or JSON file, checked. Raises `SpecError` with the place of every mistake, or `NotFoundError`."""
    work = app.load_file(path)
    return Declared(work.graph.workflow, work.functions)


def document_of(workflow: Workflow) -> dict[str, Any]:
    """Return the canonical JSON data of a workflow."""
    return to_document(workflow)


def yaml_of(workflow: Workflow) -> str:
    """Return a workflow as the text of a YAML file, with references as people write them."""
    return yaml.safe_dump(_readable(to_document(workflow)), sort_keys=False, allow_unicode=True, width=120)


def _readable(data: Any) -> Any:
    """Return the data of a document with `${step.field}` for each reference that can be written so."""
    if isinstance(data, list):
        return [_readable(v) for v in data]
    if not isinstance(data, dict):
        return data
    if "$ref" in data:
        ref = parse_expr(data, problems=[])
        return str(ref) if parse_expr(str(ref), problems=[]) == ref else data
    return {k: _readable(v) for k, v in data.items()}


def _with_files(value: Any, wanted: Type) -> Any:
    """Return *value* with `file` values in the place of paths, where files are wanted."""
    if wanted.kind == "file" and isinstance(value, str):
        return app.file_input(value)
    if wanted.kind == "record" and isinstance(value, dict):
        types = {f.name: f.type for f in wanted.fields}
        return {k: _with_files(v, types[k]) if k in types else v for k, v in value.items()}
    if wanted.item is None:
        return value
    inner = partial(_with_files, wanted=wanted.item)
    if wanted.kind == "list" and isinstance(value, list):
        return [inner(v) for v in value]
    if wanted.kind == "map" and isinstance(value, dict):
        return {k: inner(v) for k, v in value.items()}
    return inner(value) if wanted.kind == "optional" else value


def _returned(outputs: Mapping[str, Any], returns: Returns) -> Any:
    if returns.form == "nothing":
        return None
    if returns.form == "value":
        return _as(returns.annotation, next(iter(outputs.values())))
    if returns.record is None:
        return _as(returns.annotation, dict(outputs))
    hints = typing.get_type_hints(returns.record)
    return returns.record(**{name: _as(hints.get(name, Any), value) for name, value in outputs.items()})


def _as(annotation: Any, value: Any) -> Any:
    """Return JSON data as a value of *annotation*. Raises `ValueError`."""
    try:
        read = reader(annotation)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if read is not None:
        return read(value)
    if reason := mismatch(type_of(annotation), value):
        raise ValueError(reason)
    return value
