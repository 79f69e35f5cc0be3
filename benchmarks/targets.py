"""data: the figures to reach, and which row tells whether they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.timing import Row


@dataclass(frozen=True, slots=True)
class Target:
    """A limit on one figure of one row; `aim` is what would be better still."""

    what: str
    case: str
    variant: str
    figure: str
    limit: float
    unit: str = "x"
    aim: float | None = None
    system: str = "murakkab"

    def row_in(self, rows: Iterable[Row]) -> Row | None:
        """Return the row that has the figure, None where it was not measured."""
        wanted = (self.system, self.case, self.variant)
        return next((row for row in rows if (row.system, row.case, row.variant) == wanted and self.figure in row.figures), None)

    def is_met(self, row: Row) -> bool:
        """Return whether the row keeps within the limit."""
        return row.figures[self.figure] <= self.limit

    def best_peer(self, rows: Iterable[Row]) -> Row | None:
        """Return the row of the peer that does the same case best."""
        others = [row for row in rows if row.system != self.system and row.case == self.case and self.figure in row.figures]
        durable = "sqlite" in self.variant
        others = [row for row in others if ("sqlite" in row.variant) is durable]
        return min(others, key=lambda row: row.figures[self.figure], default=None)


def _per_step(case: str, shape: str, name: str) -> Sequence[Target]:
    return (
        Target(f"{name}: cost per step / asyncio", case, f"none, {shape}", "ratio", 3.0, aim=2.0),
        Target(f"{name}: cost per step, durable", case, f"sqlite, {shape}", "us", 25.0, "us", aim=15.0),
    )


TARGETS: Final[tuple[Target, ...]] = (
    *_per_step("chain", "declared", "chain of 1,000"),
    *_per_step("fanout", "declared", "fan-out of 1,000 steps"),
    *_per_step("fanout", "for_each", "fan-out of 1 step x 1,000 items"),
    *_per_step("dag", "declared", "random graph 1,000 / 3,000"),
    *_per_step("diamond", "declared", "1,000 diamonds at once"),
    Target("chains back to back, written out", "chain", "sqlite, sustained", "us", 25.0, "us", aim=15.0),
    Target("chain: cost per step, 1,000 -> 20,000", "chain growth", "none, declared", "growth", 1.2),
    Target("fan-out: cost per step, 1,000 -> 20,000", "fanout growth", "none, declared", "growth", 1.2),
    Target("for_each: cost per item, 1,000 -> 20,000", "fanout growth", "none, for_each", "growth", 1.2),
    Target("chain durable: cost per step, 1,000 -> 20,000", "chain growth", "sqlite, declared", "growth", 1.2),
    Target("fan-out durable: cost per step, 1,000 -> 20,000", "fanout growth", "sqlite, declared", "growth", 1.2),
    Target("for_each durable: cost per item, 1,000 -> 20,000", "fanout growth", "sqlite, for_each", "growth", 1.2),
    Target("graph of 1-20 ms waits: makespan / critical path", "dag_sleep", "none, declared", "makespan", 1.08),
    Target("1,000 steps x 10 ms: makespan / ideal", "fanout_sleep", "none, declared", "makespan", 2.0),
    Target("1,000 items x 10 ms: makespan / ideal", "fanout_sleep", "none, for_each", "makespan", 2.0),
    Target("crash test", "crash test", "", "exit_code", 0.0, ""),
    Target("import murakkab", "import murakkab", "", "ms", 100.0, "ms"),
    Target("import murakkab: memory", "import murakkab", "", "mb", 40.0, "MB"),
    Target("from murakkab import workflow, step", "from murakkab import workflow, step", "", "ms", 100.0, "ms"),
    Target("murakkab --help", "murakkab --help", "", "whole_ms", 300.0, "ms"),
)
