"""What it costs a job that profiles are kept up to date: jobs of steps that do nothing, with and without a store, and one update of it.

python -m benchmarks.learning [--output FILE]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from murakkab import app
from murakkab.observing import observations_of
from murakkab.spec import Input, Loop, Output, Ref, Step, Workflow

ROUNDS, JOBS = 9, 40


async def anything(x: int) -> int:
    return x


def work_of(tasks: int) -> Any:
    step = Step("s", call=f"{__name__}:anything", with_={"x": Ref("item")}, for_each=(Loop("item", Ref("inputs", ("xs",))),))
    flow = Workflow("nothing", inputs={"xs": Input()}, steps={"s": step}, outputs={"all": Output(Ref("s"))})
    return app.prepare(flow, {step.call: anything})


async def seconds_of_job(settings: app.Settings, tasks: int) -> tuple[float, float, float]:
    """Return the seconds of a job, and of closing the runtime after the last, per job; and of opening and closing it without a job."""
    work, inputs = work_of(tasks), {"xs": list(range(tasks))}
    begin = time.perf_counter()
    async with app.open_runtime(settings):
        pass
    opened = time.perf_counter() - begin
    async with app.open_runtime(settings) as runtime:
        await runtime.run(work, inputs)
        begin = time.perf_counter()
        for _ in range(JOBS):
            await runtime.run(work, inputs)
        ran = time.perf_counter() - begin
        begin = time.perf_counter()
    return ran / JOBS, (time.perf_counter() - begin) / JOBS, opened


def update(folder: Path, tasks: int) -> tuple[float, float]:
    """Return the seconds of one update of a full profile with the tasks of a job, and of reading all profiles."""

    async def run() -> Any:
        async with app.open_runtime(app.Settings(home=folder, learn=False)) as runtime:
            return await runtime.run(work_of(tasks), {"xs": list(range(tasks))})

    observations = observations_of(asyncio.run(run()))
    with closing(app.open_profiles(app.Settings(home=folder))) as store:
        for _ in range(300 // tasks + 1):
            store.learn(observations)
        begin = time.perf_counter()
        store.learn(observations)
        learned = time.perf_counter() - begin
        begin = time.perf_counter()
        store.profiles()
        return learned, time.perf_counter() - begin


def measured(tasks: int) -> dict[str, float]:
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            for name, learn in (("without", False), ("with", True)) if number % 2 else (("with", True), ("without", False)):
                home = Path(folder) / f"{name}{number}"
                job, close, opened = asyncio.run(seconds_of_job(app.Settings(home=home, learn=learn), tasks))
                figures.setdefault(f"job {name}", []).append(job)
                figures.setdefault(f"close {name}", []).append(close)
                figures.setdefault(f"open {name}", []).append(opened)
        learned, read = update(Path(folder) / "update", tasks)
    return {**{name: statistics.median(several) for name, several in figures.items()}, "update": learned, "read": read}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    output = parser.parse_args().output
    rows = {str(tasks): measured(tasks) for tasks in (1, 100)}
    table = Table("tasks a job", *next(iter(rows.values())), title="milliseconds, median")
    for name, row in rows.items():
        table.add_row(name, *(f"{value * 1e3:.3f}" for value in row.values()))
    Console(width=150).print(table)
    if output is not None:
        output.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
