"""driver: has rows measured in fresh processes, shows them as tables, and writes them down with the facts of the machine."""

import json
import os
import platform
import re
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.targets import TARGETS
from benchmarks.timing import Row, fresh

_WIDTH: Final = 175
_PACKAGES: Final = ("murakkab", "anyio", "pydantic", "networkx", "rich", "typer", "httpx", "opentelemetry-sdk")


def console() -> Console:
    """Return a console that is wide enough for the tables where nobody says how wide it is."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH)


# --------------------------------------------------------------------------------------------------------------- measuring


def in_fresh_processes(module: str, tasks: Sequence[tuple[str, tuple[str, ...]]], *, python: str = sys.executable) -> list[Row]:
    """Return the rows that *module* hands over for each task's arguments. What gives none is a row with the reason as its note."""
    rows: list[Row] = []
    for number, (name, args) in enumerate(tasks, 1):
        began = time.perf_counter()
        found = fresh(module, *args, python=python)
        found = found if isinstance(found, list) else [Row("", name, "", {}, found)]
        for row in found:
            print(f"[{number}/{len(tasks)}] {name}: {in_words(row)} ({time.perf_counter() - began:.0f} s)", flush=True)
        rows += found
    return rows


def in_words(row: Row) -> str:
    """Return the figures that matter most of a row, in a line."""
    figures = row.figures
    if not figures:
        return f"FAILED: {row.note}"
    if "growth" in figures:
        return f"growth {figures['growth']:.2f} ({figures['us']:.1f} us a step)"
    if "build_ms" in figures:
        return f"{figures['build_ms']:.0f} ms for {figures['steps']:,.0f} steps"
    if "exit_code" in figures:
        return "failed" if figures["exit_code"] else "passed"
    if "ms" in figures:
        return f"{figures['ms']:.0f} ms, {figures['mb']:.0f} MB"
    makespan = f", makespan / ideal {figures['makespan']:.3f}" if "makespan" in figures else ""
    return f"{figures['us']:.1f} us a step, {figures['ratio']:.2f} x the floor{makespan}"


# ------------------------------------------------------------------------------------------------------------------ tables


def finish(rows: Sequence[Row], file: Path | None) -> int:
    """Show the rows, write them to *file*, and return an exit code: 1 when a row could not be made."""
    show(rows)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
        print(f"written to {file}")
    return 1 if any(not row.figures for row in rows) else 0


def show(rows: Sequence[Row]) -> None:
    """Print a table for each kind of row there is."""
    out = console()
    if costs := [row for row in rows if "ratio" in row.figures]:
        out.print(cost_table(costs))
    if growths := [row for row in rows if "growth" in row.figures]:
        out.print(growth_table(growths))
    if builds := [row for row in rows if "build_ms" in row.figures]:
        out.print(build_table(builds))
    if starts := [row for row in rows if "ms" in row.figures]:
        out.print(start_table(starts))
    for row in rows:
        if not row.figures:
            out.print(f"[red]failed[/] {row.system} {row.case} {row.variant}: {row.note}", highlight=False)
        elif row.note:
            out.print(f"{row.system} {row.case}, {row.variant}: {row.note}", highlight=False)


def cost_table(rows: Iterable[Row]) -> Table:
    """Return the costs per step beside the floor."""
    table = _table("Cost per step", "system", "case", "variant", right=_COSTS)
    for row in rows:
        f = row.figures
        makespan = f"{f['makespan']:.3f} ({f['floor_makespan']:.3f})" if "makespan" in f else ""
        spread = f"{f['lowest_ratio']:.2f} - {f['highest_ratio']:.2f}"
        numbers = (
            f"{f['us']:.2f}",
            f"{f['floor_us']:.2f}",
            f"{f['ratio']:.2f}",
            spread,
            f"{f['cpu_us']:.2f}",
            f"{f['cpu_ratio']:.2f}",
            makespan,
        )
        table.add_row(row.system, row.case, row.variant, *numbers, f"{f['build_seconds'] * 1e3:.0f}", f"{f['peak_mb']:.0f}")
    return table


_COSTS: Final = ("us", "floor us", "x floor", "lowest - highest", "CPU us", "CPU x", "makespan (floor)", "build ms", "peak MB")


def growth_table(rows: Iterable[Row]) -> Table:
    """Return how the cost per step grows with the graph."""
    columns = ("growth", "lowest - highest", "floor's growth", "us at 20,000", "build s", "build's growth", "peak MB")
    table = _table("Cost per step, from 1,000 to 20,000 steps", "case", "variant", right=columns)
    for row in rows:
        f = row.figures
        spread = f"{f['lowest_growth']:.2f} - {f['highest_growth']:.2f}"
        numbers = (f"{f['growth']:.2f}", spread, f"{f['floor_growth']:.2f}", f"{f['us']:.2f}")
        table.add_row(row.case, row.variant, *numbers, f"{f['build_seconds']:.2f}", f"{f['build_growth']:.2f}", f"{f['peak_mb']:.0f}")
    return table


def build_table(rows: Iterable[Row]) -> Table:
    """Return what it takes to make a graph."""
    table = _table("From the declaration to the compiled graph", "case", "written in", right=("ms", "least - most", "us a step"))
    for row in rows:
        f = row.figures
        spread = f"{f['least_build_ms']:.0f} - {f['most_build_ms']:.0f}"
        table.add_row(row.case, row.variant, f"{f['build_ms']:.0f}", spread, f"{f['build_ms'] / f['steps'] * 1e3:.0f}")
    return table


def start_table(rows: Iterable[Row]) -> Table:
    """Return what it takes to start."""
    table = _table("Start, in a fresh process", "system", "what", right=("ms", "with the interpreter's start", "peak MB"))
    for row in rows:
        f = row.figures
        table.add_row(row.system, row.case, f"{f['ms']:.0f}", f"{f['whole_ms']:.0f}", f"{f['mb']:.1f}")
    return table


def target_table(rows: Sequence[Row]) -> Table:
    """Return the targets, what was reached, and the best peer in the same run."""
    table = _table("Figures to reach", "figure", right=("target", "aim", "reached", "", "best peer"))
    for target in TARGETS:
        row = target.row_in(rows)
        peer = target.best_peer(rows)
        theirs = f"{peer.figures[target.figure]:.1f} ({peer.system})" if peer else ""
        aim = "" if target.aim is None else f"{target.aim:g} {target.unit}"
        reached = "not measured" if row is None else f"{row.figures[target.figure]:.2f} {target.unit}".rstrip()
        verdict = "" if row is None else "[green]pass[/]" if target.is_met(row) else "[red]FAIL[/]"
        table.add_row(target.what, f"{target.limit:g} {target.unit}".rstrip(), aim, reached, verdict, theirs)
    return table


def _table(title: str, *left: str, right: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


# ----------------------------------------------------------------------------------------------------------------- machine


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, Python, versions."""
    names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
