"""policy: what people see - tables of steps, jobs and executors as rich renderables, and quantities as text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from murakkab.catalog import Catalog, Parameter
from murakkab.cli.rows import Row
from murakkab.drawing.timeline_rows import named
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
    "awaiting": "yellow",
    "backoff": "yellow",
    "paused": "magenta",
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
    """Return the bill: one line per step, a `for_each` step being one line with the number of its tasks.

    Energy has a column where any was measured, else a line says so; tokens have one where any were used.
    """
    table = new_table()
    extra = [*(["energy"] if total.joules is not None else []), *(["tokens"] if total.tokens else [])]
    table.add_column("step", overflow="ellipsis", no_wrap=True, min_width=10)
    table.add_column("executor", overflow="fold", min_width=8)
    table.add_column("device", no_wrap=True)
    for name in ("tasks", "start", "duration", "cost", *extra):
        table.add_column(name, justify="right", no_wrap=name not in ("energy", "tasks"), overflow="fold", min_width=6)
    table.add_column("status", no_wrap=True)
    for row in rows:
        who = (row.executor or KINDS.get(row.kind, ""), row.device)
        table.add_row(step_name(row.step), *who, *_figures(row, extra), status_text(statuses.get(row.step, "")))
    table.add_section()
    table.add_row(total.step, "", "", *_figures(total, extra), "", style="bold")
    if total.joules is None and total.attempts:
        table.caption, table.caption_justify = "energy: not measured", "left"
    return table


def _figures(row: Row, extra: Sequence[str]) -> tuple[str, ...]:
    """Return tasks, start, duration and cost, and what of energy and tokens is wanted."""
    start = "-" if row.start is None else f"+{seconds_text(row.start)}"
    if row.kind != "task":
        return str(row.done) if row.attempts else "-", start, seconds_text(row.seconds), "", *("" for _ in extra)
    tasks = str(row.done)
    if row.cached:
        tasks += f" ({row.cached} cached)"
    if row.attempts > row.done:
        tasks += f" ({row.attempts - row.done} failed)"
    more = {
        "energy": joules_text(row.joules, row.metered, row.attempts) if row.attempts else "-",
        "tokens": f"{row.tokens:,}" if row.tokens else "-",
    }
    return tasks, start, seconds_text(row.seconds), usd_text(row.usd), *(more[name] for name in extra)


#: What stands in the place of an executor where none does the work.
KINDS: Mapping[str, str] = {"approve": "a person", "wait": "waits", "steps": "steps inside"}


def step_name(path: str) -> str:
    """Return the name of a step, set in by how deep it lies inside of others; the last steps stand in the first row."""
    name, depth = named(path)
    return f"{'  ' * depth}{name}"


def tasks_table(tasks: Sequence[TaskRow], statuses: Mapping[str, str], *, limit: int) -> Table:
    """Return one line per attempt, at most *limit*: what went wrong first, then the longest."""
    listed = sorted(tasks, key=lambda task: (task.status == "succeeded", task.started - task.finished))[:limit]
    listed.sort(key=lambda task: (task.started, task.task))
    table = new_table()
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
    table = new_table()
    for name in ("job", "workflow", "status", "created", "took", "events"):
        table.add_column(name, justify="right" if name in ("took", "events") else "left")
    for job in jobs:
        created = datetime.fromtimestamp(job.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        took = None if job.finished is None else job.finished - job.created
        table.add_row(job.job, job.workflow, status_text(job.status), created, seconds_text(took), str(job.events))
    return table


def executors_table(catalog: Catalog, *, missing: Mapping[str, str]) -> Table:
    """Return one line per executor, by capability. *missing* holds the extra to install for those that cannot run yet."""
    table = new_table()
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


def new_table() -> Table:
    """Return an empty table in the look of all of them."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", caption_style="dim")
