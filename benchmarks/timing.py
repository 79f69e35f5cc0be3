"""driver: times a system beside the floor in one process - floor, system, floor, system ... - and hands the row to whoever asked for it.

Two things share a noisy machine unfairly unless they take turns, so the figure that counts is the median of the ratios of neighbours.
Standard library only: peers' environments import this.
"""

import gc
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.cases import STEPS, ideal_seconds, steps_in
from benchmarks.floor import floor_of

#: Pairs that are timed: 7; more, up to 41, of what is quickly done; fewer of what takes minutes.
PAIRS: Final = 7
MOST_PAIRS: Final = 41
FEWEST_PAIRS: Final = 5
_QUICK: Final = 1.5
_LONG: Final = 40.0
ROOT: Final = Path(__file__).resolve().parent.parent
_MARK: Final = "ROW "

Run = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of a system in a case. Names of figures that end in `us` are microseconds per step."""

    system: str
    case: str
    variant: str
    figures: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is timed. `run` makes one run; `drain` waits, untimed, until nothing of it works in the background any more.

    `scale`: the part of the floor's steps that one run makes.
    """

    system: str
    case: str
    variant: str
    run: Run
    build_seconds: float = 0.0
    n: int = STEPS
    drain: Run | None = None
    scale: float = 1.0
    note: str = ""


class Taken(NamedTuple):
    """What one run took: seconds by the clock, and seconds of all threads, those of the drain included."""

    wall: float
    cpu: float


async def taken_by(run: Run, drain: Run | None = None) -> Taken:
    """Run once, from a clean heap, and return what it took."""
    gc.collect()
    cpu, began = time.process_time(), time.perf_counter()
    await run()
    wall = time.perf_counter() - began
    if drain is not None:
        await drain()
    return Taken(wall, time.process_time() - cpu)


async def beside_floor(subject: Subject) -> Row:
    """Return the row of *subject*, which has been run and checked before."""
    floor = floor_of(subject.case, subject.n)
    await floor()
    floors: list[Taken] = []
    runs: list[Taken] = []
    began = time.perf_counter()
    while _is_one_more(len(runs), time.perf_counter() - began):
        floors.append(await taken_by(floor))
        runs.append(await taken_by(subject.run, subject.drain))
    return Row(subject.system, subject.case, subject.variant, _figures(subject, floors, runs), subject.note)


def _is_one_more(pairs: int, seconds: float) -> bool:
    if pairs < PAIRS:
        return pairs < FEWEST_PAIRS or seconds < _LONG
    return pairs < MOST_PAIRS and seconds < _QUICK


def _figures(subject: Subject, floors: Sequence[Taken], runs: Sequence[Taken]) -> dict[str, float]:
    steps = steps_in(subject.case, subject.n) * subject.scale
    pairs = list(zip(runs, floors, strict=True))
    ratios = [run.wall / floor.wall / subject.scale for run, floor in pairs]
    seconds = statistics.median(run.wall for run in runs)
    floor_seconds = statistics.median(floor.wall for floor in floors)
    figures = {
        "us": seconds / steps * 1e6,
        "floor_us": floor_seconds * subject.scale / steps * 1e6,
        "cpu_us": statistics.median(run.cpu for run in runs) / steps * 1e6,
        "cpu_ratio": statistics.median(run.cpu / floor.cpu / subject.scale for run, floor in pairs),
        "ratio": statistics.median(ratios),
        "ratio_of_least": min(run.wall for run in runs) / min(floor.wall for floor in floors) / subject.scale,
        "lowest_ratio": min(ratios),
        "highest_ratio": max(ratios),
        "seconds": seconds,
        "least_seconds": min(run.wall for run in runs),
        "most_seconds": max(run.wall for run in runs),
        "steps": steps,
        "pairs": len(runs),
        "build_seconds": subject.build_seconds,
        "peak_mb": peak_mb(),
        "load": os.getloadavg()[0],
    }
    ideal = ideal_seconds(subject.case)
    if ideal is not None:
        figures |= {"makespan": seconds / ideal, "floor_makespan": floor_seconds / ideal}
    return figures


def peak_mb() -> float:
    """Return the most memory this process has had, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


# ------------------------------------------------------------------------------------------------------- between processes


def hand_over(row: Row) -> None:
    """Print the row where `fresh` finds it."""
    print(_MARK + json.dumps(asdict(row)), flush=True)


def fresh(module: str, *args: str, python: str = sys.executable, seconds: float = 300.0) -> list[Row] | str:
    """Return the rows that a module hands over, run in a process of its own; or in words why there are none."""
    settings = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            [python, "-m", module, *args], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done within {seconds:g} s"
    rows = [Row(**json.loads(line.removeprefix(_MARK))) for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode == 0 and rows:
        return rows
    return (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
