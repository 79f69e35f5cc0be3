"""policy: what people see - tables of steps, jobs and executors as rich renderables, and quantities as text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from murakkab.catalog import Catalog, Parameter
from murakkab.cli.rows import Row
from murakkab.ports import JobSummary
from murakkab.runtime.result import JobResult, TaskRow

STATUS_STYLES: Mapping[str, str] = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "held": "magenta",
    "doubt": "magenta",
    "interrupted": "yellow",
    "running": "cyan",
    "skipped": "dim",
    "waiting": "dim",
}


def seconds_text(seconds: float | None) -> str:
    """Return `40 ms`, `1.25 s` or `2 m 05 s`; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours else f"{minutes} m {rest:02} s"


def joules_text(joules: float | None, metered: int, attempts: int) -> str:
    """Return the energy; says so when it was not measured, or for some attempts only."""
    if joules is None:
        return "not measured"
    amount = f"{joules / 1000:.2f} kJ" if joules >= 1000 else f"{joules:.1f} J"
    return amount if metered >= attempts else f"{amount} ({metered} of {attempts} measured)"


def usd_text(usd: float) -> str:
    """Return the cost in dollars, exact enough for the price of a token."""
    return f"${usd:.2f}" if not usd or usd >= 0.01 else f"${usd:.6f}".rstrip("0")


def status_text(status: str) -> Text:
    """Return the status in its colour."""
    return Text(status, STATUS_STYLES.get(status, ""))


def job_title(result: JobResult, total: Row) -> Text:
    """Return the line above the tables of a job."""
    name = "" if result.graph is None else result.graph.workflow.name
    return Text.assemble((name, "bold"), f"  job {result.job}  ", status_text(result.status), f"  {seconds_text(total.seconds)}")


def steps_table(rows: Sequence[Row], total: Row, statuses: Mapping[str, str]) -> Table:
    """Return the bill: one line per step, a `for_each` step being one line with the number of its tasks."""
    table = _table()
    for name in ("step", "executor", "device"):
        table.add_column(name, no_wrap=name == "step", overflow="fold")
    for name in ("tasks", "start", "duration", "energy", "cost"):
        table.add_column(name, justify="right", no_wrap=name != "energy")
    table.add_column("status")
    for row in rows:
        table.add_row(row.step, row.executor, row.device, *_figures(row), status_text(statuses.get(row.step, "")))
    table.add_section()
    table.add_row(total.step, "", "", *_figures(total), "", style="bold")
    return table


def _figures(row: Row) -> tuple[str, ...]:
    tasks = str(row.done)
    if row.cached:
        tasks += f" ({row.cached} cached)"
    if row.attempts > row.done:
        tasks += f" ({row.attempts - row.done} failed)"
    start = "-" if row.start is None else f"+{seconds_text(row.start)}"
    energy = joules_text(row.joules, row.metered, row.attempts) if row.attempts else "-"
    return tasks, start, seconds_text(row.seconds), energy, usd_text(row.usd)


def tasks_table(tasks: Sequence[TaskRow], statuses: Mapping[str, str], *, limit: int) -> Table:
    """Return one line per attempt, at most *limit*: what went wrong first, then the longest."""
    listed = sorted(tasks, key=lambda task: (task.status == "succeeded", task.started - task.finished))[:limit]
    listed.sort(key=lambda task: (task.started, task.task))
    table = _table()
    for name in ("task", "executor", "attempt", "duration", "energy", "cost", "status"):
        table.add_column(name, justify="right" if name in ("attempt", "duration", "energy", "cost") else "left", overflow="fold")
    for task in listed:
        status = statuses.get(task.task, "") if task.status == "succeeded" else task.status
        figures = (str(task.attempt), seconds_text(task.finished - task.started), joules_text(task.joules, 1, 1), usd_text(task.usd))
        table.add_row(task.task, task.executor, *figures, status_text(f"{status} (cached)" if task.cached else status))
    if len(tasks) > limit:
        table.caption = f"{len(tasks) - limit} more attempts: --json has them all"
        table.caption_justify = "left"
    return table


def jobs_table(jobs: Sequence[JobSummary]) -> Table:
    """Return one line per job."""
    table = _table()
    for name in ("job", "workflow", "status", "created", "took", "events"):
        table.add_column(name, justify="right" if name in ("took", "events") else "left")
    for job in jobs:
        created = datetime.fromtimestamp(job.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        took = None if job.finished is None else job.finished - job.created
        table.add_row(job.job, job.workflow, status_text(job.status), created, seconds_text(took), str(job.events))
    return table


def executors_table(catalog: Catalog, *, missing: Mapping[str, str]) -> Table:
    """Return one line per executor, by capability. *missing* holds the extra to install for those that cannot run yet."""
    table = _table()
    for name in ("capability", "executor", "device", "knobs", "description"):
        table.add_column(name, overflow="fold")
    for capability in sorted(catalog.capabilities):
        shown = capability
        for card in catalog.providers(capability):
            text = Text(card.description)
            if card.name in missing:
                text.append(f" needs: pip install 'murakkab[{missing[card.name]}]'", "yellow")
            table.add_row(shown, card.name, str(card.device), "\n".join(map(knob_text, card.knobs)), text)
            shown = ""
    return table


def knob_text(knob: Parameter) -> str:
    """Return `name=default` and what the knob may be."""
    allowed = ""
    if knob.choices:
        allowed = " of " + "|".join(map(str, knob.choices))
    elif knob.low is not None or knob.high is not None:
        allowed = f" in {_bound(knob.low)}..{_bound(knob.high)}"
    return f"{knob.name}={knob.default}{allowed}"


def _bound(value: Any) -> str:
    return "" if value is None else f"{value:g}"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
