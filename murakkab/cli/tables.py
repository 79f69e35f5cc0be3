"""policy: what people see - tables of steps, jobs and executors as rich renderables, and quantities as text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from murakkab.catalog import Catalog, Parameter
from murakkab.cli.rows import Row
from murakkab.drawing.timeline_rows import named
from murakkab.drawing.words import cells
from murakkab.optimizer.reasons import long_time
from murakkab.ports import JobSummary
from murakkab.runtime.result import JobResult, TaskRow

if TYPE_CHECKING:
    from rich.console import JustifyMethod

#: As many columns as any table needs.
_WIDE: Final = 10_000
#: A column has at least so many.
_NARROWEST: Final = 6

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
    """Return `40 ms`, `1.25 s`, `2 min 05 s` or `3 h 20 min`; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        # What is measured twice may be a little below zero.
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return long_time(seconds)


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


def steps_table(rows: Sequence[Row], total: Row, statuses: Mapping[str, str], *, width: int = _WIDE) -> Table:
    """Return the bill: one line per step, a `for_each` step being one line with the number of its tasks.

    Energy has a column where any was measured, else a line says so; tokens have one where any were used. In less than the *width* that
    all columns take, those that matter least are left out, and named.
    """
    extra = [*(["energy"] if total.joules is not None else []), *(["tokens"] if total.tokens else [])]
    names = ("step", "executor", "device", "tasks", "start", "duration", "cost", *extra, "status")
    lines = [
        (step_name(row.step), row.executor or KINDS.get(row.kind, ""), row.device, *_figures(row, extra), statuses.get(row.step, ""))
        for row in rows
    ]
    columns = {name: [*found] for name, *found in zip(names, *lines, (total.step, "", "", *_figures(total, extra), ""), strict=True)}
    left_out = narrowed(columns, width, ("device", "executor", "cost", "start", "tokens", "energy", "duration"))
    table = new_table()
    for name in columns:
        is_figure = name not in ("step", "executor", "device", "status")
        # What is left is never cut, but for names of steps.
        room = _rest(columns, name, width) if name == "step" else None
        justify: JustifyMethod = "right" if is_figure else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", min_width=_NARROWEST, max_width=room)
    for i in range(len(lines)):
        table.add_row(*(status_text(found[i]) if name == "status" else found[i] for name, found in columns.items()))
    table.add_section()
    table.add_row(*(found[-1] for found in columns.values()), style="bold")
    remarks = ["energy: not measured"] if total.joules is None and total.attempts else []
    remarks += [f"not shown, for want of room: {', '.join(left_out)}"] if left_out else []
    table.caption, table.caption_justify = "; ".join(remarks) or None, "left"
    return table


def narrowed(columns: dict[str, list[str]], width: int, least: Sequence[str]) -> list[str]:
    """Take columns out of *columns*, the first of *least* first, until a table of the rest fits *width*; return the names of those."""
    left_out: list[str] = []
    for name in least:
        if _room_of(columns) <= width:
            break
        if columns.pop(name, None) is not None:
            left_out.append(name)
    return left_out


def _room_of(columns: Mapping[str, Sequence[str]]) -> int:
    """Return how wide a table of these columns is: each has two spaces beside it, and the first one more."""
    return 1 + sum(2 + max(_NARROWEST, *map(cells, (name, *column))) for name, column in columns.items())


def _rest(columns: Mapping[str, Sequence[str]], name: str, width: int) -> int:
    """Return how wide the column *name* may be beside the others."""
    return max(_NARROWEST, width - _room_of({one: found for one, found in columns.items() if one != name}) - 2)


def _figures(row: Row, extra: Sequence[str]) -> tuple[str, ...]:
    """Return tasks, start, duration and cost, and what of energy and tokens is wanted."""
    start = "-" if row.start is None else f"+{seconds_text(row.start)}"
    if row.kind != "task":
        return _count(row) if row.attempts else "-", start, seconds_text(row.seconds), "", *("" for _ in extra)
    more = {
        "energy": joules_text(row.joules, row.metered, row.attempts) if row.attempts else "-",
        "tokens": f"{row.tokens:,}" if row.tokens else "-",
    }
    return _count(row), start, seconds_text(row.seconds), usd_text(row.usd), *(more[name] for name in extra)


def _count(row: Row) -> str:
    """Return how many tasks were done, and what else became of attempts."""
    beside = ((row.cached, "cached"), (row.failed, "failed"), (row.cancelled, "cancelled"))
    words = ", ".join(f"{count} {what}" for count, what in beside if count)
    return f"{row.done} ({words})" if words else str(row.done)


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


def jobs_table(jobs: Sequence[JobSummary], *, width: int = _WIDE) -> Table:
    """Return one line per job; where *width* is too little for all, without the columns that matter least. Ids are never cut."""
    names = ("job", "workflow", "status", "created", "took", "events")
    columns = {name: [*found] for name, *found in zip(names, *map(_summary, jobs), strict=True)}
    narrowed(columns, width, ("events", "took", "created"))
    table = new_table()
    for name in columns:
        room = _rest(columns, name, width) if name == "workflow" else None
        justify: JustifyMethod = "right" if name in ("took", "events") else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", min_width=_NARROWEST, max_width=room)
    for i in range(len(jobs)):
        table.add_row(*(status_text(found[i]) if name == "status" else found[i] for name, found in columns.items()))
    return table


def _summary(job: JobSummary) -> tuple[str, ...]:
    created = datetime.fromtimestamp(job.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    took = None if job.finished is None else job.finished - job.created
    return job.job, job.workflow, job.status, created, seconds_text(took), str(job.events)


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
