"""driver: one measurement - tasks of a configuration run as jobs of the real runtime, and what each took."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from murakkab import app
from murakkab.catalog import Capability
from murakkab.errors import MurakkabError
from murakkab.figures import Source
from murakkab.measuring.power import Power, Used
from murakkab.measuring.rows import Row
from murakkab.metrics import Metric
from murakkab.observing import observations_of, shape_of
from murakkab.profiles import Setting
from murakkab.profiling.numbers import median
from murakkab.profiling.observation import Observation, Shape
from murakkab.runtime.driver import Work
from murakkab.runtime.messages import TaskFailed, TaskSucceeded
from murakkab.runtime.result import JobResult
from murakkab.spec import Input, Output, Ref, Step, Workflow
from murakkab.this_machine import machine

_TASK: Final = "task"
#: Runs of nothing, from which the overhead of the runtime is taken.
_NOTHINGS: Final = 15


def nothing() -> None:
    """Do nothing: what is left is the overhead of the runtime."""


@dataclass(slots=True)
class Bench:
    """Where tasks are measured. `metric` scores results against labels under the name `metric_name`."""

    runtime: app.Runtime
    power: Power
    metric: Metric | None = None
    metric_name: str = ""
    study: str = ""
    _works: dict[Any, Work] = field(default_factory=dict)

    async def calibrate(self, loads: Sequence[int] = (1,)) -> None:
        """Learn what the runtime itself takes when so many tasks run at a time, and what the machine does at rest."""
        step = Step(_TASK, call=f"{__name__}:nothing")
        work = app.prepare(Workflow("nothing", steps={_TASK: step}), {step.call: nothing})
        for load in loads:
            used = []
            for _ in range(_NOTHINGS):
                before = self.power.read()
                await _together([partial(self.runtime.run, work, {})] * load)
                used.append((self.power.read().cpu_seconds - before.cpu_seconds) / load)
            self.power.overhead[load] = median(used)
        await self.power.rest()

    async def tasks(self, setting: Setting, capability: Capability, rows: Sequence[tuple[int, Row]], repetition: int) -> list[Observation]:
        """Return an observation for each of *rows* (with their numbers), all of them run at the same time."""
        works = [self._work(setting, capability, frozenset(row.inputs)) for _, row in rows]
        jobs = [partial(self.runtime.run, work, dict(row.inputs)) for work, (_, row) in zip(works, rows, strict=True)]
        before = self.power.read()
        results = await _together(jobs)
        used = self.power.used(before, self.power.read(), tasks=len(rows))
        return [
            self._observed(result, setting, row, used, (number, repetition)) for result, (number, row) in zip(results, rows, strict=True)
        ]

    async def job(self, work: Work, setting: Setting, row: tuple[int, Row], repetition: int) -> tuple[list[Observation], Shape | None]:
        """Return an observation of a whole job, and behind it those of the tasks in it; and what the job became."""
        began, before = self.power.clock(), self.power.read()
        result = await self.runtime.run(work, dict(row[1].inputs))
        now, used = self.power.clock(), self.power.used(before, self.power.read())
        error = "" if result.status == "succeeded" else "; ".join(map(str, result.failures)) or result.status
        whole = Observation(
            setting,
            now,
            now - began,
            joules=used.joules,
            energy=used.source,
            cpu_seconds=used.cpu_seconds,
            usd=result.usd,
            tokens=float(result.tokens),
            quality=self._quality(*scored_parts(result.outputs, row[1].label), is_failed=bool(error)),
            error=error,
            study=self.study,
            row=row[0],
            repetition=repetition,
            where=machine(),
        )
        parts = observations_of(result, where=machine(), study=self.study)
        return [whole, *(replace(one, row=row[0], repetition=repetition) for one in parts)], shape_of(result)

    def _work(self, setting: Setting, capability: Capability, given: frozenset[str]) -> Work:
        key = setting.executor, str(setting.knobs), given
        if key not in self._works:
            inputs = {one.name: Input(one.type) for one in capability.inputs if one.name in given}
            step = Step(
                _TASK,
                uses=capability.name,
                with_={name: Ref("inputs", (name,)) for name in inputs},
                executor=setting.executor,
                knobs={name: value for name, value in setting.knobs if value is not None},
            )
            outputs = {"result": Output(Ref(_TASK))}
            self._works[key] = app.prepare(Workflow("profile", inputs=inputs, steps={_TASK: step}, outputs=outputs))
        return self._works[key]

    def _observed(self, result: JobResult, setting: Setting, row: Row, used: Used, at: tuple[int, int]) -> Observation:
        done = next((event for event in result.history if isinstance(event, TaskSucceeded) and event.task == _TASK), None)
        failed = next((event for event in result.history if isinstance(event, TaskFailed)), None)
        of = Observation(setting, self.power.clock(), 0.0, study=self.study, row=at[0], repetition=at[1], where=machine())
        if done is None:
            error = failed.message if failed is not None else "; ".join(map(str, result.failures)) or result.status
            seconds = failed.time - failed.started if failed is not None else 0.0
            return replace(of, seconds=seconds, error=error, quality=self._quality(None, row.label, is_failed=True))
        own = done.joules
        return replace(
            of,
            time=done.time,
            seconds=done.time - done.started,
            units=done.units,
            joules=used.joules if own is None else own,
            energy=used.source if own is None else Source.MEASURED,
            cpu_seconds=used.cpu_seconds,
            usd=done.usd,
            tokens=float(done.tokens),
            quality=self._quality(done.value, row.label, is_failed=False),
        )

    def _quality(self, value: Any, label: Any, *, is_failed: bool) -> Mapping[str, float]:
        if self.metric is None or label is None:
            return {}
        return {self.metric_name: 0.0 if is_failed else self.metric(value, label)}


def scored_parts(outputs: Mapping[str, Any], label: Any) -> tuple[Any, Any]:
    """Return what of a workflow's outputs is scored, and against what.

    A label that names outputs is about those: about one alone its value, else a record of them. Any other is about the first output.
    """
    if isinstance(label, Mapping) and label and set(label) <= set(outputs):
        if len(label) == 1:
            ((name, wanted),) = label.items()
            return outputs[name], wanted
        return {name: outputs[name] for name in label}, label
    return next(iter(outputs.values()), None), label


async def _together(jobs: Sequence[Callable[[], Any]]) -> list[JobResult]:
    """Return the results of all jobs, run at the same time. Raises what the first of them raises."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job()) for job in jobs]
    except* MurakkabError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
