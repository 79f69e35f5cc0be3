"""driver: the paper's fleet under a short supply of H100 (its Table 3), solved by `solve` as one selection over slices of the load."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from benchmarks import paper_figures as paper
from benchmarks.paper_curves import Figures
from benchmarks.paper_figures import CODE, VIDEO
from benchmarks.paper_inputs import Reading, Way, ways_of
from murakkab.optimizer.problem import Option, PoolBound, Problem, Solution, Task
from murakkab.optimizer.solve import solve

#: Table 3 [second-hand]: H100 there are -> A100 and H100 used, MWh and thousands of USD in 24 h. There are always 2000 A100.
TABLE_3: Final = {
    0: (1292, 0, 24.7, 55.7),
    100: (780, 100, 17.8, 52.4),
    200: (536, 200, 14.5, 60.3),
    300: (288, 300, 12.4, 64.8),
    400: (50, 400, 11.1, 70.6),
    500: (0, 495, 11.0, 75.4),
}
#: Requests a second at the peak [second-hand: 4,400 and 5,000 a minute], and the mix of section 4.3 at tier good.
PEAK: Final = {VIDEO: 4400 / 60, CODE: 5000 / 60}
MIX: Final = {"accuracy": 0.7, "latency": 0.3}
_GOOD: Final = 1
#: Into so many equal parts the load of a workflow under a limit is cut, each of which goes to one configuration.
SLICES: Final = 10


@dataclass(frozen=True, slots=True)
class Fleet:
    """What serves the peak: GPUs busy, kW, and USD per hour, beside Table 3."""

    h100: int
    used_a100: float
    used_h100: float
    kilowatts: float
    usd_per_hour: float
    status: str
    paper: tuple[float, ...]


def _tasks(figures: Figures, reading: Reading) -> Iterator[Task]:
    for workflow in (VIDEO, CODE):
        ways = list(ways_of(figures, workflow, reading))
        for slo, part in MIX.items():
            limit = paper.LIMITS[workflow, slo][_GOOD]
            fitting = [
                way for way in ways if (way.right >= limit if slo == "accuracy" else way.right >= reading.floor and way.seconds <= limit)
            ]
            rate = PEAK[workflow] * part / SLICES
            options = {f"{way.configuration}@{way.tps}": _option(way, rate) for way in fitting}
            for number in range(SLICES):
                yield Task(f"{workflow} {slo} {number}", tuple(options.values()))


def _option(way: Way, rate: float) -> Option:
    # GPU-seconds per second: how many GPUs the slice keeps busy.
    gpus = way.usd * 3600 / paper.usd_per_hour(way.gpu) * rate
    return Option(f"{way.configuration}@{way.tps}", way.seconds, joules=way.joules * rate, usd=way.usd * rate, use={way.gpu: gpus})


def supply_lines(figures: Figures) -> list[Fleet]:
    """Return the least energy for the peak under each supply."""
    reading = Reading(is_median=True, to_knee=True)
    tasks = tuple(_tasks(figures, reading))
    found = []
    for supply, theirs in TABLE_3.items():
        answer, said = _solved(tasks, 2000.0, supply), ""
        if answer.totals is None:
            # What it would take if there were more.
            answer, said = _solved(tasks, None, supply), ", with more than 2,000 A100"
        assert answer.totals is not None
        used = answer.totals.limits
        took = (used["capacity:A100"], used["capacity:H100"], answer.totals.energy / 1e3, answer.totals.cost * 3600)
        found.append(Fleet(supply, *took, f"{answer.status}{said}", theirs))
    return found


def _solved(tasks: tuple[Task, ...], a100: float | None, h100: float) -> Solution:
    pools = (PoolBound("A100", capacity=a100), PoolBound("H100", capacity=float(h100)))
    return solve(Problem(tasks, pools, minimize=("energy",)), time_limit=20.0, gap=1e-3)


def supply_table(found: Sequence[Fleet]) -> Table:
    """Return the fleets as a table."""
    table = Table(title="A short supply of H100 (Table 3), least energy at the peak, reading C: shapes, not sizes, can be compared")
    for heading in ("H100 there", "A100 used", "H100 used", "kW", "USD/h", "answer", "paper: A100", "H100", "MWh", "k$"):
        table.add_column(heading, justify="right")
    for one in found:
        figures = (f"{value:,.0f}" for value in (one.used_a100, one.used_h100, one.kilowatts, one.usd_per_hour))
        table.add_row(str(one.h100), *figures, one.status, *map(str, one.paper))
    return table
