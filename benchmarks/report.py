"""driver: has rows measured in fresh processes, shows them as tables, and writes them down with the facts of the machine."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.machine import machine
from benchmarks.tables import build_table, cost_table, growth_table, start_table
from benchmarks.timing import Row, fresh

_WIDTH: Final = 175


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
