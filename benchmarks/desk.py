"""driver: a runtime with a journal in a folder, and checked runs on it: the results are right, and every step ran exactly once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import STEPS
from benchmarks.graphs import Plan, declared, loaded
from benchmarks.ledger import Ledger
from murakkab import app
from murakkab.errors import NotFoundError
from murakkab.ports import Journal


@dataclass(frozen=True, slots=True)
class Desk:
    """A runtime with a journal, in a folder of its own."""

    runtime: app.Runtime
    journal: Journal | None

    async def run(self, plan: Plan, work: app.Work | None = None) -> list[app.JobResult]:
        """Return the results of the jobs of one run, all of which succeeded. Many at once are the children of one task group."""
        work = work or plan.work
        if len(plan.inputs) == 1:
            return [(await self.runtime.run(work, plan.inputs[0])).raise_for_status()]
        async with asyncio.TaskGroup() as group:
            jobs = [group.create_task(self.runtime.run(work, inputs)) for inputs in plan.inputs]
        return [job.result().raise_for_status() for job in jobs]

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


def check(plan: Plan, results: Sequence[app.JobResult]) -> None:
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
