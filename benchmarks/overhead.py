"""driver: what the runtime adds to a step, beside hand-written asyncio - without a journal, with one in memory, and with the durable one.

    python -m benchmarks.overhead [--only TEXT] [--json FILE]

Every case runs in a process of its own. A job is run and checked before anything is timed: its result, and that every step ran exactly
once. After the timing of a durable case its jobs are run again, interrupted half-way and resumed from the reopened journal.
"""

import argparse
import asyncio
import contextlib
import gc
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import CASES, STEPS, steps_in
from benchmarks.floor import floor_of
from benchmarks.graphs import Plan, declared, handle_of_chain, loaded
from benchmarks.ledger import Ledger
from benchmarks.report import finish, in_fresh_processes
from benchmarks.timing import PAIRS, Row, Run, Subject, beside_floor, hand_over, peak_mb, taken_by
from murakkab import app
from murakkab.errors import NotFoundError
from murakkab.ports import Journal

SYSTEM: Final = "murakkab"
JOURNALS: Final = ("none", "memory", "sqlite")
#: Steps of the larger job in the growth cases, and how many pairs of them are timed.
MANY: Final = 20_000
GROWTH_PAIRS: Final = 5


@dataclass(frozen=True, slots=True)
class Desk:
    """A runtime with a journal, in a folder of its own."""

    runtime: app.Runtime
    journal: Journal | None

    async def run(self, plan: Plan, work: app.Work | None = None) -> list[app.JobResult]:
        """Return how the jobs of one run ended. Many at once are the children of one task group, as they are in a server."""
        work = work or plan.work
        if len(plan.inputs) == 1:
            return [await self.runtime.run(work, plan.inputs[0])]
        async with asyncio.TaskGroup() as group:
            jobs = [group.create_task(self.runtime.run(work, inputs)) for inputs in plan.inputs]
        return [job.result() for job in jobs]

    async def drain(self) -> None:
        """Return when the journal has nothing left to do."""
        if self.journal is not None:
            with contextlib.suppress(NotFoundError):
                self.journal.read("no-such-job")


def settings_of(journal: str, home: Path) -> app.Settings:
    """Return settings with which a user gets such a journal."""
    return app.Settings(home=home, durable=journal == "sqlite")


@asynccontextmanager
async def desk(journal: str, home: Path) -> AsyncIterator[Desk]:
    """A desk whose journal is `none`, `memory` or `sqlite`."""
    settings = settings_of(journal, home)
    opened = _journal(journal, settings)
    try:
        async with app.open_runtime(settings, journal=opened) as runtime:
            yield Desk(runtime, opened)
    finally:
        if opened is not None:
            opened.close()


def _journal(name: str, settings: app.Settings) -> Journal | None:
    if name == "none":
        return None
    return app.memory_journal() if name == "memory" else app.open_journal(settings)


def plan_of(case: str, shape: str, n: int = STEPS) -> Plan:
    """Return the case as declared steps (in Python), or as one `for_each` step (in YAML)."""
    return loaded(case, n) if shape == "for_each" else declared(case, n)


def check(plan: Plan, results: list[app.JobResult]) -> None:
    """Raise unless every job has returned what it must."""
    for result, expected in zip(results, plan.outputs, strict=True):
        result.raise_for_status()
        if list(result.outputs.values()) != [expected]:
            raise AssertionError(f"job {result.job} returned {result.outputs!r:.200}, not {expected!r:.200}")


async def checked_run(at: Desk, plan: Plan, steps: int) -> None:
    """Run once, and raise unless the results are right and every step ran exactly once."""
    ledger = Ledger()
    check(plan, await at.run(plan, ledger.counted(plan.work)))
    if not ledger.is_each_once(steps):
        raise AssertionError(f"{ledger.begun.total()} calls of {len(ledger.begun)} steps, where there are {steps}")


# ------------------------------------------------------------------------------------------------------------------- cases


async def case_row(case: str, shape: str, journal: str) -> Row:
    """Return the row of a case, checked before the timing and (durable) after it."""
    plan = plan_of(case, shape)
    with tempfile.TemporaryDirectory() as folder:
        async with desk(journal, Path(folder)) as at:
            await checked_run(at, plan, steps_in(case))
            await at.run(plan)
            await at.drain()
            subject = Subject(SYSTEM, case, f"{journal}, {shape}", lambda: at.run(plan), plan.build_seconds, drain=at.drain)
            row = await beside_floor(subject)
    return replace(row, note=await resumed(plan, steps_in(case))) if journal == "sqlite" else row


async def sustained_row(journal: str) -> Row:
    """Return the row of chains run back to back, with everything that the journal does in the background inside the timing."""
    plan = declared("chain")
    with tempfile.TemporaryDirectory() as folder:
        async with desk(journal, Path(folder)) as at:
            await checked_run(at, plan, STEPS)

            async def run() -> None:
                for _ in range(MANY // STEPS):
                    await at.run(plan)
                await at.drain()

            return await beside_floor(Subject(SYSTEM, "chain", f"{journal}, sustained", run, plan.build_seconds, n=MANY))


async def handle_row(journal: str) -> Row:
    """Return the row of a chain run as `await workflow.arun()` runs it."""
    chain = handle_of_chain()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(journal, Path(folder))
        handle = chain.options(home=settings.home, durable=settings.durable)
        for _ in range(2):
            if (value := await handle.arun()) != STEPS:
                raise AssertionError(f"the chain returned {value}")
        return await beside_floor(Subject(SYSTEM, "chain", f"{journal}, .arun()", handle.arun))


async def build_row(case: str, door: str) -> Row:
    """Return how long it takes from the declaration of 1,000 steps, in Python or as YAML text, to the compiled graph."""
    build = loaded if door == "yaml" else declared
    build(case)
    seconds: list[float] = []
    for _ in range(PAIRS):
        gc.collect()
        seconds.append(build(case).build_seconds)
    figures = {"build_ms": statistics.median(seconds) * 1e3, "least_build_ms": min(seconds) * 1e3, "most_build_ms": max(seconds) * 1e3}
    return Row(SYSTEM, f"{case} build", door, {**figures, "steps": steps_in(case), "pairs": PAIRS})


async def growth_row(case: str, shape: str, journal: str) -> Row:
    """Return how the cost per step grows from 1,000 to 20,000 steps: 20 small jobs beside one large one."""
    small, large = plan_of(case, shape), plan_of(case, shape, MANY)
    floors: list[float] = []
    growths: list[float] = []
    costs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with desk(journal, Path(folder)) as at:
            await checked_run(at, large, steps_in(case, MANY))
            for _ in range(GROWTH_PAIRS):
                floors.append(await _growth(floor_of(case), floor_of(case, MANY)))
                few = (await taken_by(_repeated(lambda: at.run(small)), at.drain)).wall
                many = (await taken_by(lambda: at.run(large), at.drain)).wall
                growths.append(many / few)
                costs.append(many / MANY * 1e6)
    figures = {
        "growth": statistics.median(growths),
        "lowest_growth": min(growths),
        "highest_growth": max(growths),
        "floor_growth": statistics.median(floors),
        "us": statistics.median(costs),
        "build_seconds": large.build_seconds,
        "build_growth": large.build_seconds / small.build_seconds / (MANY / STEPS),
        "peak_mb": peak_mb(),
        "pairs": GROWTH_PAIRS,
    }
    return Row(SYSTEM, f"{case} growth", f"{journal}, {shape}", figures)


async def _growth(small: Run, large: Run) -> float:
    few = (await taken_by(_repeated(small))).wall
    return (await taken_by(large)).wall / few


def _repeated(run: Callable[[], Awaitable[Any]]) -> Run:
    async def runs() -> None:
        for _ in range(MANY // STEPS):
            await run()

    return runs


# ------------------------------------------------------------------------------------------------------------------ resume


async def resumed(plan: Plan, steps: int) -> str:
    """Interrupt the jobs half-way, reopen the journal and resume them. Returns what happened in words.

    Raises unless every step has completed exactly once and the results are right.
    """
    ledger = Ledger(hang_after=steps // 2)
    work = ledger.counted(plan.work)
    with tempfile.TemporaryDirectory() as folder:
        async with desk("sqlite", Path(folder)) as at:
            running = asyncio.ensure_future(_named_jobs(at, plan, work))
            await ledger.reached.wait()
            running.cancel()
            await asyncio.wait([running])
        complete, ledger.hang_after = ledger.ended.total(), None
        async with desk("sqlite", Path(folder)) as at:
            again = await _take_up(at, plan, work)
    if not ledger.is_each_ended_once(steps):
        raise AssertionError(f"{ledger.ended.total()} completions of {len(ledger.ended)} steps, where there are {steps}")
    return f"interrupted with {complete:,} of {steps:,} steps complete; resumed {again:,} jobs, none of the complete steps ran again"


async def _named_jobs(at: Desk, plan: Plan, work: app.Work) -> None:
    async with asyncio.TaskGroup() as group:
        for number, inputs in enumerate(plan.inputs):
            group.create_task(at.runtime.run(work, inputs, job=f"job-{number}"))


async def _take_up(at: Desk, plan: Plan, work: app.Work) -> int:
    """Resume the jobs that were interrupted, begin those that had not begun, and check what they return; give the number resumed."""
    assert at.journal is not None
    status = {one.job: one.status for one in at.journal.jobs()}
    resumed_jobs = 0
    for number, (inputs, expected) in enumerate(zip(plan.inputs, plan.outputs, strict=True)):
        job = f"job-{number}"
        if status.get(job) == "succeeded":
            continue
        if job in status:
            resumed_jobs += 1
            result = await at.runtime.resume(job, work)
        else:
            result = await at.runtime.run(work, inputs, job=job)
        check(replace(plan, inputs=[inputs], outputs=[expected]), [result])
    return resumed_jobs


# -------------------------------------------------------------------------------------------------------------------- main

SHAPES: Final[Mapping[str, tuple[str, ...]]] = {"fanout": ("declared", "for_each"), "fanout_sleep": ("declared", "for_each")}


def plans() -> dict[str, Callable[[], Coroutine[Any, Any, Row]]]:
    """Return everything that can be timed, by the name that `--only` matches."""
    found: dict[str, Callable[[], Coroutine[Any, Any, Row]]] = {}
    for journal in JOURNALS:
        for case in CASES:
            for shape in SHAPES.get(case, ("declared",)):
                found[f"{case}/{shape}/{journal}"] = partial(case_row, case, shape, journal)
    for journal in ("none", "sqlite"):
        found[f"chain/arun/{journal}"] = partial(handle_row, journal)
        for case, shape in (("chain", "declared"), ("fanout", "declared"), ("fanout", "for_each")):
            found[f"growth/{case}/{shape}/{journal}"] = partial(growth_row, case, shape, journal)
    for door, case in (("python", "chain"), ("python", "fanout"), ("python", "dag"), ("yaml", "chain"), ("yaml", "dag")):
        found[f"build/{case}/{door}"] = partial(build_row, case, door)
    found["chain/sustained/sqlite"] = partial(sustained_row, "sqlite")
    return found


def overhead_rows(only: str = "") -> list[Row]:
    """Return the rows of everything whose name contains *only*, each measured in a fresh process."""
    return in_fresh_processes("benchmarks.overhead", [(name, ("--one", name)) for name in plans() if only in name])


def main() -> int:
    """Time what `--only` asks for, each in a fresh process; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="time only what has this text in its name, for example chain or /sqlite")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        app.catalog()  # what the first build of a process loads is not part of what a build takes
        hand_over(asyncio.run(plans()[options.one]()))
        return 0
    return finish(overhead_rows(options.only), options.json)


if __name__ == "__main__":
    sys.exit(main())
