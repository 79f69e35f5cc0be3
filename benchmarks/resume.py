"""driver: proof that a durable job is resumed - interrupted half-way, taken up from the reopened journal, nothing complete run again."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.desk import Desk, check, desk
from benchmarks.graphs import Plan
from benchmarks.ledger import Ledger
from murakkab import app


async def resumed(plan: Plan, steps: int) -> str:
    """Interrupt the jobs half-way, reopen the journal and resume them. Returns what happened in words.

    Raises unless every step has completed exactly once and the results are right.
    """
    ledger = Ledger(hang_after=steps // 2)
    work = ledger.counted(plan.work)
    with tempfile.TemporaryDirectory() as folder:
        async with desk("sqlite", Path(folder)) as at:
            running = asyncio.create_task(_named_jobs(at, plan, work))
            half_way = asyncio.create_task(ledger.reached.wait())
            await asyncio.wait([running, half_way], return_when=asyncio.FIRST_COMPLETED)
            if not half_way.done():
                half_way.cancel()
                running.result()
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
