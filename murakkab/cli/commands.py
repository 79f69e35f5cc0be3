"""driver: what the commands do. Results go to standard output; progress, tables and remarks to standard error."""

import secrets
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from murakkab import app
from murakkab.cli.documents import catalog_json, job_json
from murakkab.cli.extras import missing_extras
from murakkab.cli.history import full_id, jobs, opened, show
from murakkab.cli.inputs import read_inputs
from murakkab.cli.live import Display
from murakkab.cli.options import advise, measures_of, verdicts_of
from murakkab.cli.printing import answer, console_of
from murakkab.cli.progress import ended, statuses_of
from murakkab.cli.report import error_json, error_lines
from murakkab.cli.rows import bill_of
from murakkab.cli.running import run_in_foreground
from murakkab.cli.tables import executors_table, job_title, steps_table
from murakkab.document import json_schema
from murakkab.errors import JobError, MurakkabError
from murakkab.runtime.driver import replay
from murakkab.runtime.result import JobResult
from murakkab.runtime.state import JobState
from murakkab.spec import Goal

__all__ = ["executors", "jobs", "resume", "run", "schema", "show", "validate"]


def run(file: Path, words: Sequence[str], goal: str | None, *, home: Path, durable: bool, style: str) -> None:
    """Run a workflow file and print its outputs. Raises `MurakkabError` for whatever went wrong."""
    work = app.load_file(file)
    workflow = work.graph.workflow
    if goal is not None:
        work = app.prepare(replace(workflow, goal=Goal(measures_of(goal), workflow.goal.limits)), work.functions)
    inputs = app.check_inputs(workflow, read_inputs(words, workflow.inputs))
    job = secrets.token_hex(6)

    async def begin(runtime: app.Runtime, observers: Any) -> JobResult:
        return await runtime.run(work, inputs, job=job, observers=observers)

    shown = _display(job, workflow.name, JobState(work.graph), style)
    with _advised(_option(home) if durable else None):
        _finish(run_in_foreground(job, begin, app.Settings(home=home, durable=durable), display=shown), style)


def resume(job: str, doubt: tuple[str | None, str | None, str | None], *, home: Path, style: str) -> None:
    """Go on with a job and print its outputs; *doubt* is a task, a verdict and a value."""
    with opened(home) as journal, _advised(_option(home)):
        job = full_id(journal, job)
        work = app.work_of(journal, job)
        verdicts = verdicts_of(doubt)

        async def begin(runtime: app.Runtime, observers: Any) -> JobResult:
            return await runtime.resume(job, work, verdicts=verdicts, observers=observers)

        shown = _display(job, work.graph.workflow.name, replay(work.graph, journal.read(job)[1]), style)
        _finish(run_in_foreground(job, begin, app.Settings(home=home, durable=True), journal=journal, display=shown), style)


def _finish(result: JobResult, style: str) -> None:
    """Print the bill and the outputs; raise when the job did not succeed."""
    statuses = {} if result.graph is None else ended(statuses_of(replay(result.graph, result.history)))
    rows, total = bill_of(result)
    if style == "full":
        console = console_of(stderr=True)
        if console.is_terminal:
            # The live display, which had it in its title, is gone.
            console.print(job_title(result, total))
        console.print(steps_table(rows, total, statuses))
    result.raise_for_status()
    answer(job_json(result, rows, total, statuses) if style == "json" else dict(result.outputs), plain=style == "json")


def _option(home: Path) -> str:
    return "" if home == Path(".murakkab") else f" --journal {shlex.quote(str(home))}"


@contextmanager
def _advised(journal: str | None) -> Iterator[None]:
    try:
        yield
    except JobError as error:
        advise(error, journal)
        raise


def _display(job: str, name: str, state: JobState, style: str) -> Display | None:
    if style != "full":
        return None
    console = console_of(stderr=True)
    if not console.is_terminal:
        sys.stderr.write(f"job {job}: {name}\n")
    return Display(console, f"{name}  job {job}", state)


def validate(files: Sequence[Path], *, as_json: bool) -> int:
    """Print every mistake of every file; return the exit status."""
    status = 0
    reports: list[dict[str, Any]] = []
    for file in files:
        try:
            steps = len(app.load_file(file).graph.workflow.steps)
        except MurakkabError as error:
            status = status or error.exit_status
            reports.append({"file": str(file), "ok": False, "error": error_json(error)})
            if not as_json:
                sys.stderr.write("\n".join(error_lines(error)) + "\n")
        else:
            reports.append({"file": str(file), "ok": True, "error": None})
            if not as_json:
                sys.stdout.write(f"{file}: ok, {steps} step{'' if steps == 1 else 's'}\n")
    if as_json:
        answer(reports, plain=True)
    return status


def executors(*, as_json: bool) -> None:
    """Print the catalog."""
    catalog = app.catalog()
    missing = missing_extras(catalog.executors.values())
    if as_json:
        answer(catalog_json(catalog, missing), plain=True)
    else:
        console_of().print(executors_table(catalog, missing=missing))


def schema() -> None:
    """Print the JSON Schema of workflow files."""
    answer(json_schema(), plain=True)
