"""driver: the configurations that the Murakkab paper chose, and those that this optimizer chooses from the paper's own profiles.

    python -m benchmarks.paper_tables --figures DIR [--quick] [--only LETTERS] [--json FILE]

DIR: a clone of the public repository that digitised the paper's figures (github.com/OneLastBeer1337/Murrakub_Mock), or a JSON file that
`paper_curves` made of it. They are not shipped. Without them nothing is run: only the tables' own loads would be left to choose from, and
those are what the paper chose; to find them again would show nothing.

Two workflows, accuracy and latency limits, four tiers, cost and energy: the 32 rows of Tables 5 and 6. The figures are published ones,
second-hand or digitised, and nothing was measured here (`paper_figures.py`, `paper_curves.py`). Reading A is the replay. B to E were found
by looking at what differs in A: they explain it, and are no proof that the paper did so; E assumes a figure. Every choice is checked
against trying all configurations. --quick leaves out the figures at the ends of their error bands, and the fleet under a short supply.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from rich.table import Table

from benchmarks import paper_figures as paper
from benchmarks.machine import machine
from benchmarks.paper_curves import REPOSITORY, Figures, FiguresError, read
from benchmarks.paper_figures import CODE, VIDEO, Row
from benchmarks.paper_inputs import STEPS, Inputs, Reading, Way, inputs_of, way_of
from benchmarks.paper_supply import supply_lines, supply_table
from benchmarks.report import console
from murakkab.errors import PlanError
from murakkab.optimizer.choose import choose
from murakkab.spec import Goal

#: What the paper leaves open, one after the other, each with those before it.
READINGS: Final[Mapping[str, Reading]] = {
    "A as written: latency of 90th-percentile tokens, any load in Figure 3, joules by Figure 3": Reading(),
    "B latency of median tokens": Reading(is_median=True),
    "C and no load beyond the most tokens per Wh": Reading(is_median=True, to_knee=True),
    "D and energy as (11) is written: of the instance, times its GPUs": Reading(is_median=True, to_knee=True, energy="written"),
    "E and NVLM taking 850 tokens on code, which nobody published": Reading(is_median=True, to_knee=True, energy="written", nvlm=850),
}
_RATIO: Final = paper.usd_per_hour("H100") / paper.usd_per_hour("A100")
_BANDS: Final[Mapping[str, Callable[[Reading, int], Reading]]] = {
    "accuracy": lambda reading, end: replace(reading, accuracy=end),
    "tokens": lambda reading, end: replace(reading, tokens=end),
    "time per token": lambda reading, end: replace(reading, curves=end),
    "watts of Llava": lambda reading, end: replace(reading, llava_watts=end),
    "price of an H100": lambda reading, end: replace(reading, ratio=_RATIO * (1 + paper.SHARE_BAND * end)),
}
#: A load so near to the paper's is the same.
_SAME_LOAD: Final = 0.05
_UNITS: Final = {"cost": ("m$", 1e3), "energy": ("J", 1.0)}


@dataclass(frozen=True, slots=True)
class Line:
    """A row under a reading: what was chosen (None: nothing keeps the limits), whether that is the paper's, and why not."""

    row: Row
    limits: dict[str, float]
    way: Way | None
    is_same: bool
    is_same_load: bool
    is_best: bool
    why: str


def limits_of(row: Row, reading: Reading) -> dict[str, float]:
    """Return the limits of a row as those of a goal."""
    limit = paper.LIMITS[row.workflow, row.slo][paper.TIERS.index(row.tier)]
    return {"quality": limit} if row.slo == "accuracy" else {"latency": limit, "quality": reading.floor}


def keeps(way: Way, limits: Mapping[str, float]) -> bool:
    """Return whether a way keeps the limits, as nearly as the optimizer takes them."""
    is_right = way.right >= limits.get("quality", 0.0) * (1 - 2e-6)
    return is_right and way.seconds <= limits.get("latency", float("inf")) * (1 + 2e-6)


def line_of(row: Row, inputs: Inputs, reading: Reading) -> Line:
    """Return what the optimizer chooses for a row."""
    limits = limits_of(row, reading)
    fitting = [way for way in inputs.ways if keeps(way, limits)]
    theirs = min((way for way in inputs.ways if way.is_of(row)), key=lambda way: abs(way.tps - row.tps), default=None)
    try:
        made = choose(inputs.graph, inputs.catalog, Goal((row.objective,), limits), inputs.situation)
    except PlanError as error:
        why = _why(row, limits, None, theirs) or str(error)
        return Line(row, limits, None, is_same=False, is_same_load=False, is_best=not fitting, why=why)
    way = way_of(row.workflow, inputs, made.choices[STEPS[row.workflow]])
    best = min((_value(one, row) for one in fitting), default=float("inf"))
    is_same = way.is_of(row)
    is_same_load = is_same and abs(way.tps / row.tps - 1) <= _SAME_LOAD
    why = "" if is_same_load else _why(row, limits, way, theirs)
    return Line(row, limits, way, is_same, is_same_load, keeps(way, limits) and _value(way, row) <= best * (1 + 1e-4), why)


def _value(way: Way, row: Row) -> float:
    return way.usd if row.objective == "cost" else way.joules


def _why(row: Row, limits: Mapping[str, float], ours: Way | None, theirs: Way | None) -> str:
    """Return why the paper's configuration was not chosen, by the figures."""
    if theirs is None:
        nearest = "" if ours is not None else "; nothing else keeps the limit"
        return f"no tokens of {row.model} on this workflow are published{nearest}"
    if not keeps(theirs, limits):
        broken = [f"takes {theirs.seconds:.2f} s, limit {limits['latency']:g} s"] if theirs.seconds > limits.get("latency", 1e9) else []
        broken += [f"is right {theirs.right:.1%}, limit {limits['quality']:.1%}"] if theirs.right < limits["quality"] else []
        return f"the paper's {' and '.join(broken)}"
    if ours is None:
        return ""
    unit, factor = _UNITS[row.objective]
    mine, its = _value(ours, row) * factor, _value(theirs, row) * factor
    where = f" at {ours.tps} tokens/s, not {row.tps}" if ours.is_of(row) else ""
    return f"the paper's takes {its:.4g} {unit}, this {mine:.4g} ({mine / its - 1:+.0%}){where}"


def lines_of(figures: Figures, reading: Reading) -> list[Line]:
    """Return all rows under a reading."""
    inputs = {workflow: inputs_of(figures, workflow, reading) for workflow in (VIDEO, CODE)}
    return [line_of(row, inputs[row.workflow], reading) for row in paper.rows()]


def _with_floors(figures: Figures) -> list[Line]:
    """Return the latency rows with the printed least accuracy of their workflow, instead of one half, as the floor."""
    found = []
    for workflow in (VIDEO, CODE):
        lines = lines_of(figures, Reading(is_median=True, floor=paper.LIMITS[workflow, "accuracy"][-1]))
        found += [line for line in lines if (line.row.workflow, line.row.slo) == (workflow, "latency")]
    return found


def in_bands(figures: Figures, reading: Reading, base: Sequence[Line]) -> list[list[str]]:
    """Return of every row which figures, at an end of their error band, change its configuration."""
    found: list[list[str]] = [[] for _ in base]
    for name, moved in _BANDS.items():
        for end in (-1, 1):
            for changes, before, now in zip(found, base, lines_of(figures, moved(reading, end)), strict=True):
                if _configuration(now) != _configuration(before):
                    changes.append(f"{name} {'low' if end < 0 else 'high'}: {_named(now.way)}")
    return found


def _configuration(line: Line) -> tuple[str, int, int, str, int] | None:
    return line.way.configuration if line.way is not None else None


# ------------------------------------------------------------------------------------------------------------------ tables


def _named(way: Way | Row | None) -> str:
    if way is None:
        return "none"
    return f"{way.model.rsplit('-', 1)[0]} {way.first}/{way.second} {way.gpus}x{way.gpu} @{way.tps}"


def _of(row: Row) -> str:
    limit = paper.LIMITS[row.workflow, row.slo][paper.TIERS.index(row.tier)]
    shown = f"{limit:.1%}" if row.slo == "accuracy" else f"{limit:g} s"
    return f"{row.workflow.split('-')[0]} {row.slo[:3]} {row.tier} {shown}, {row.objective}"


def rows_table(found: Mapping[str, Sequence[Line]]) -> Table:
    """Return the rows: the paper's, ours as written, and from which reading on it is the same."""
    table = Table(title="Tables 5 and 6 by the paper's own profiles (published, second-hand or digitised; nothing measured here)")
    letter = next(iter(found))[0]
    for heading in ("limit, objective", "paper", f"ours by reading {letter}", "same", "the paper's in", f"why not in {letter}"):
        table.add_column(heading)
    first = next(iter(found.values()))
    for at, line in enumerate(first):
        same = "yes" if line.is_same_load else "but for load" if line.is_same else "no"
        letters = " ".join(name[0] for name, lines in found.items() if lines[at].is_same)
        table.add_row(_of(line.row), _named(line.row), _named(line.way), same, letters or "none", line.why)
    return table


def readings_table(found: Mapping[str, Sequence[Line]]) -> Table:
    """Return how many rows each reading reproduces."""
    table = Table(title="Rows of 32 that are the paper's")
    for heading in ("reading", "configuration", "and load within 5 %", "no choice keeps the limits", "best by trying all", "differ"):
        table.add_column(heading)
    for name, lines in found.items():
        differ = (
            "; ".join(f"{_of(line.row)}: {line.why}" for line in lines if not line.is_same) if name is not next(iter(found)) else "above"
        )
        counts = (sum(one) for one in zip(*((x.is_same, x.is_same_load, x.way is None, x.is_best) for x in lines), strict=True))
        table.add_row(name, *map(str, counts), differ)
    return table


def bands_table(bands: Mapping[str, Sequence[Sequence[str]]]) -> Table:
    """Return the rows whose choice an error band changes."""
    table = Table(title="Rows whose configuration changes with a figure at an end of its error band")
    for heading in ("reading", "limit, objective", "changes with"):
        table.add_column(heading)
    for name, changes in bands.items():
        for row, one in zip(paper.rows(), changes, strict=True):
            if one:
                table.add_row(name[0], _of(row), "; ".join(one))
    return table


def _asked() -> tuple[argparse.Namespace, Figures]:
    """Return what the command line asks for; ends with status 2 where that cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, metavar="DIR", help=f"a clone of {REPOSITORY}, or a JSON file made of it")
    parser.add_argument("--quick", action="store_true", help="only the rows and readings")
    parser.add_argument("--only", default="ABCDE", help="these readings: AC")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    asked = parser.parse_args()
    if not set(asked.only) & {name[0] for name in READINGS}:
        parser.error(f"--only {asked.only}: there are A, B, C, D and E")
    if asked.figures is None:
        parser.error(f"the figures are not shipped: clone https://{REPOSITORY}, and name the folder with --figures")
    try:
        return asked, read(asked.figures)
    except FiguresError as error:
        parser.error(str(error))


def main() -> int:
    """Choose for all rows under all readings; print tables; 1 when a choice is not the best that trying all finds."""
    asked, figures = _asked()
    found = {}
    asked_for = {name: reading for name, reading in READINGS.items() if name[0] in asked.only}
    for name, reading in asked_for.items():
        found[name] = lines_of(figures, reading)
        print(f"{name}: {sum(line.is_same for line in found[name])} of {len(found[name])}", flush=True)
    out = console()
    out.print(rows_table(found))
    out.print(readings_table(found))
    floors, bands, supply = [], {}, []
    if not asked.quick:
        floors = _with_floors(figures)
        out.print(f"With the printed basic accuracy as the floor of latency rows (else {paper.FLOOR:.0%}), reading B: ", end="")
        out.print(f"{sum(line.is_same for line in floors)} of {len(floors)} latency rows are the paper's")
        bands = {name: in_bands(figures, reading, found[name]) for name, reading in asked_for.items() if name[0] in "AD"}
        out.print(bands_table(bands))
        supply = supply_lines(figures)
        out.print(supply_table(supply))
    if asked.json is not None:
        rows = {name: [asdict(line) for line in lines] for name, lines in found.items()}
        data = {
            "machine": machine(),
            "readings": rows,
            "floors": [asdict(line) for line in floors],
            "bands": bands,
            "supply": [asdict(one) for one in supply],
        }
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(data, indent=1) + "\n")
        print(f"written to {asked.json}")
    wrong = [f"{name[0]} {_of(line.row)}" for name, lines in found.items() for line in lines if not line.is_best]
    for one in wrong:
        out.print(f"[red]not the best[/] {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
