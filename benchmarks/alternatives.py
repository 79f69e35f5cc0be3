"""driver: what the executors of each capability take and how good they are, on the sample data; marks those that another one beats.

    python -m benchmarks.alternatives [--only CAPABILITY] [--json FILE]

One that is beaten is neither quicker nor better than some other of its capability; the seconds of the processor count, which move
least when others use the machine. At least two must be left of each, or the exit status
is 1. Seconds are the median of several runs over all samples, over the number of samples; the models are loaded before.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.alternative_samples import Samples, samples_in
from benchmarks.machine import machine
from benchmarks.report import console
from murakkab.catalog import Parameter
from murakkab.metrics import METRICS
from murakkab_executors import answering, audio, detection, documents, retrieval, summary, text, video
from murakkab_executors.function import FunctionExecutor

#: Runs: so many, fewer where they take longer than this together.
_RUNS: Final = 5
_LONG: Final = 8.0
#: Differences below these are noise: they make nobody quicker or better.
_QUICKER: Final = 0.9
_BETTER: Final = 0.005
CPU_EXECUTORS: Final[Sequence[FunctionExecutor[..., Any]]] = tuple(
    one for family in (video, audio, detection, text, documents, retrieval, answering, summary) for one in family.EXECUTORS
)


@dataclass(frozen=True, slots=True)
class Measured:
    """An alternative: seconds by the clock and of the processor per sample, its quality, and which others beat it."""

    capability: str
    executor: str
    knobs: dict[str, Any]
    seconds: float
    cpu_seconds: float
    quality: float
    metric: str
    samples: int
    beaten_by: str = ""

    @property
    def name(self) -> str:
        """What it is called: the executor and the knobs that are not at their defaults."""
        return f"{self.executor} {' '.join(f'{name}={value}' for name, value in self.knobs.items())}".strip()


def alternatives(capability: str) -> Iterator[tuple[FunctionExecutor[..., Any], dict[str, Any]]]:
    """Yield every executor of *capability* that runs on this machine, as it is and with each other value of each knob that trades."""
    for one in CPU_EXECUTORS:
        if one.card.capability == capability:
            yield one, {}
            yield from ((one, {knob.name: value}) for knob in one.card.knobs for value in _others(knob))


def _others(knob: Parameter) -> Sequence[Any]:
    return [value for value in knob.choices if value != knob.default] if knob.trades else ()


def measured(samples: Samples, function: Callable[..., Any], name: str, knobs: dict[str, Any]) -> Measured:
    """Return what the alternative takes, and how good it is on *samples*."""
    function(**samples.inputs[0], **knobs)
    walls: list[float] = []
    cpus: list[float] = []
    results: list[Any] = []
    while len(walls) < _RUNS and sum(walls) < _LONG:
        cpu, began = time.process_time(), time.perf_counter()
        results = [function(**inputs, **knobs) for inputs in samples.inputs]
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
    scores = [
        METRICS[samples.metric](samples.judged(result, at), label)
        for at, (result, label) in enumerate(zip(results, samples.labels, strict=True))
    ]
    count = len(samples.inputs)
    wall, cpu = statistics.median(walls) / count, statistics.median(cpus) / count
    return Measured(samples.capability, name, knobs, wall, cpu, statistics.mean(scores), samples.metric, count)


def with_marks(rows: Sequence[Measured]) -> list[Measured]:
    """Return the rows of one capability, with who beats whom."""
    return [replace(row, beaten_by=next((other.name for other in rows if _beats(other, row)), "")) for row in rows]


def _beats(one: Measured, other: Measured) -> bool:
    is_quicker, is_better = one.cpu_seconds < other.cpu_seconds * _QUICKER, one.quality > other.quality + _BETTER
    is_slower, is_worse = other.cpu_seconds < one.cpu_seconds * _QUICKER, other.quality > one.quality + _BETTER
    return not is_slower and not is_worse and (is_quicker or is_better)


def table(rows: Sequence[Measured]) -> Table:
    """Return the rows as a table."""
    shown = Table(title="alternatives")
    for name in ("capability", "alternative", "ms", "CPU ms", "quality", "metric", "samples", "beaten by"):
        shown.add_column(name, justify="right" if name in ("ms", "CPU ms", "quality", "samples") else "left")
    for row in rows:
        figures = (f"{row.seconds * 1e3:,.2f}", f"{row.cpu_seconds * 1e3:,.2f}", f"{row.quality:.3f}")
        shown.add_row(row.capability, row.name, *figures, row.metric, str(row.samples), row.beaten_by)
    return shown


def main() -> int:
    """Measure all alternatives; print the table. 1 where a capability has fewer than two that are not beaten."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="one capability; may be given again")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    rows: list[Measured] = []
    short: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for samples in samples_in(Path(folder), options.only):
            found = []
            for one, knobs in alternatives(samples.capability):
                found.append(measured(samples, samples.calling(one), one.card.name, knobs))
                print(f"{found[-1].capability}: {found[-1].name}: {found[-1].seconds * 1e3:.2f} ms, {found[-1].quality:.3f}", flush=True)
            rows += (marked := with_marks(found))
            short += [samples.capability] if sum(not row.beaten_by for row in marked) < 2 else []
    console().print(table(rows))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    for name in short:
        console().print(f"[red]no trade[/] {name}: fewer than two alternatives are not beaten")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
