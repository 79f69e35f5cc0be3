"""policy: measured rows as tables - costs, growth, builds, starts, and the figures to reach."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.table import Table

from benchmarks.targets import TARGETS
from benchmarks.timing import Row


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
