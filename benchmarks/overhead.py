"""driver: what the runtime adds to a step, beside hand-written asyncio - without a journal, with one in memory, and with the durable one.

    python -m benchmarks.overhead [--only TEXT] [--json FILE]

Every case runs in a process of its own. A job is run and checked before anything is timed: its result, and that every step ran exactly
once. After the timing of a durable case its jobs are run again, interrupted half-way and resumed from the reopened journal.
"""

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import CASES, STEPS, steps_in
from benchmarks.desk import checked_run, desk, plan_of, settings_of
from benchmarks.floor import floor_of
from benchmarks.graphs import declared, handle_of_chain, loaded
from benchmarks.report import finish, in_fresh_processes
from benchmarks.resume import resumed
from benchmarks.timing import PAIRS, Row, Run, Subject, beside_floor, hand_over, peak_mb, taken_by
from murakkab import app

SYSTEM: Final = "murakkab"
JOURNALS: Final = ("none", "memory", "sqlite")
#: Steps of the larger job in the growth cases, and how many pairs of them are timed.
MANY: Final = 20_000
GROWTH_PAIRS: Final = 5


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
