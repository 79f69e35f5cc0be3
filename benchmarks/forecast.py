"""driver: what the three shipped workflows are predicted to take, beside what they take here - and beside one step after the other.

    python -m benchmarks.forecast [--only WORKFLOW] [--runs N] [--learn N] [--json FILE]

Each workflow is first run with every alternative of every step, one at a time, in a throw-away home whose profiles learn from each job
as they do anywhere; nothing else is measured for it. Then the choice is made for several goals by those profiles, forecast, and run.
Models are loaded and files are in the page cache before; no result comes from a cache. Latency is the median of the runs. Without a
meter the energy of a run is its CPU seconds times the watts of a busy core: then both sides are modelled, and the error is that of CPU
seconds alone.

The baseline is the shape of the paper's straw man (Murakkab, HotOS 2025, Listing 1): one fixed executor for each step, one task at a time.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.report import console
from murakkab import app
from murakkab.catalog import ExecutorCard
from murakkab.choosing import chosen
from murakkab.errors import PlanError
from murakkab.measuring.power import Power
from murakkab.measuring.tools import core, meters
from murakkab.plan import Deployment
from murakkab.runtime.driver import Work
from murakkab.spec import Goal, Workflow

_HERE: Final = Path("workflows")
_FOLDER: Final = str(_HERE / "documents" / "island")
_QUESTIONS: Final = (
    "When was Skarn Light first lit?",
    "Who sharpens the millstones?",
    "How many steps does the tower have?",
    "What does the ferry carry?",
)
#: The executors that a script would name: the plain choice of each step, as the paper's straw man has one for each.
_FIXED: Final[Mapping[str, Mapping[str, str]]] = {
    "video_understanding": {
        "scenes": "pyscenedetect",
        "frames": "pyav-frames",
        "speech": "pocketsphinx",
        "objects": "opencv-cascades",
        "report": "noun-list",
    }
}


@dataclass(frozen=True, slots=True)
class Line:
    """A goal of a workflow: what was predicted, and the median of the runs; joules None where nobody knows them."""

    workflow: str
    goal: str
    choices: dict[str, str]
    predicted: float
    low: float
    high: float
    measured: float
    spread: float
    predicted_joules: float | None
    measured_joules: float
    energy_source: str

    @property
    def error(self) -> float:
        """By which part of what was measured the prediction is off."""
        return abs(self.predicted - self.measured) / self.measured


@dataclass(frozen=True, slots=True)
class Shape:
    """The baseline or a choice of the optimizer: seconds and joules, medians of runs that took turns."""

    name: str
    seconds: float
    joules: float


def inputs_of(name: str) -> dict[str, Any]:
    """Return the inputs that a workflow is run with."""
    if name == "video_understanding":
        return {"videos": [app.file_input(str(_HERE / "media" / clip)) for clip in ("cat.mp4", "person.mp4")]}
    return {"folder": _FOLDER, "questions": list(_QUESTIONS)} if name == "document_qa" else {"folder": _FOLDER}


def goals_of(best: float) -> Iterator[tuple[str, Goal]]:
    """Yield goals to choose by; *best*: the quality that the best choice is expected to have."""
    yield "latency", Goal(("latency",))
    yield "energy", Goal(("energy",))
    yield "quality, latency", Goal(("quality", "latency"))
    yield "energy, quality 0.95 of the best", Goal(("energy",), {"quality": round(0.95 * best, 3)})


def pinned(workflow: Workflow, step: str, card: ExecutorCard, knobs: Mapping[str, Any]) -> Workflow:
    """Return the workflow with one step done by one executor."""
    one = workflow.steps[step]
    return replace(workflow, steps={**workflow.steps, step: replace(one, executor=card.name, knobs={**one.knobs, **knobs})})


def alternatives(workflow: Workflow) -> Iterator[tuple[str, ExecutorCard, dict[str, Any]]]:
    """Yield every way that there is here to do each step: executors, and the other values of knobs that trade."""
    catalog = app.catalog()
    for name, step in workflow.steps.items():
        for card in catalog.providers(step.uses):
            if card.name not in catalog.lacking and not card.leaves_undone:
                yield name, card, {}
                yield from ((name, card, {k.name: value}) for k in card.knobs if k.trades for value in k.choices if value != k.default)


class Bench:
    """Runs jobs on one runtime whose profiles learn, and reads clocks and meters around each."""

    def __init__(self, home: Path) -> None:
        self.settings = app.Settings(home=home, learn=True)
        app.open_profiles(self.settings).close()
        self.power = Power(app.system_clock(), *meters(), core())

    async def run(self, work: Work, inputs: Mapping[str, Any], *, settings: app.Settings | None = None) -> tuple[float, float, str]:
        """Return the seconds and joules of a job, and where the joules are from."""
        async with app.open_runtime(settings or self.settings) as runtime:
            before = self.power.read()
            result = await runtime.run(work, app.check_inputs(work.graph.workflow, inputs))
            after = self.power.read()
        result.raise_for_status()
        used = self.power.used(before, after)
        return after.time - before.time, used.joules, str(used.source)

    def several(self, work: Work, inputs: Mapping[str, Any], runs: int, **more: Any) -> tuple[list[float], list[float], str]:
        """Return seconds and joules of some jobs."""

        async def jobs() -> list[tuple[float, float, str]]:
            return [await self.run(work, inputs, **more) for _ in range(runs)]

        found = asyncio.run(jobs())
        return [one[0] for one in found], [one[1] for one in found], found[0][2]


def learn(bench: Bench, workflow: Workflow, inputs: Mapping[str, Any], *, times: int, progress: Progress) -> None:
    """Run the workflow with every alternative of every step."""
    ways = list(alternatives(workflow))
    task = progress.add_task(f"{workflow.name}: alternatives", total=len(ways))
    for step, card, knobs in ways:
        bench.several(app.prepare(pinned(workflow, step, card, knobs)), inputs, times)
        progress.advance(task)


def predicted(work: Work, bench: Bench, inputs: Mapping[str, Any], goal: Goal) -> Work:
    """Return the work as it is chosen for a goal by what has been learned."""
    return chosen(work, bench.settings, inputs=inputs, goal=goal, with_others=False)


def measure(bench: Bench, name: str, *, runs: int, times: int, progress: Progress) -> list[Line]:
    """Return a line for each goal of a workflow."""
    work, inputs = app.load_file(_HERE / f"{name}.yaml"), inputs_of(name)
    learn(bench, work.graph.workflow, inputs, times=times, progress=progress)
    best = predicted(work, bench, inputs, Goal(("quality",))).deployment.estimate
    goals = list(goals_of(best.quality.value if best is not None and best.quality is not None else 0.0))
    task = progress.add_task(f"{name}: goals", total=len(goals))
    lines: list[Line] = []
    for told, goal in goals:
        try:
            made = predicted(work, bench, inputs, goal)
        except PlanError as error:
            progress.console.print(f"{name}, {told}: {error}")
            continue
        lines.append(_line(name, told, made, bench.several(made, inputs, runs)))
        progress.advance(task)
    return lines


def _line(name: str, told: str, work: Work, found: tuple[list[float], list[float], str]) -> Line:
    seconds, joules, source = found
    estimate = work.deployment.estimate
    assert estimate is not None
    middle = statistics.median(seconds)
    return Line(
        name,
        told,
        _choices(work.deployment),
        estimate.seconds.value,
        estimate.seconds.low,
        estimate.seconds.high,
        middle,
        (max(seconds) - min(seconds)) / middle,
        None if estimate.joules is None else estimate.joules.value,
        statistics.median(joules),
        source,
    )


def _choices(deployment: Deployment) -> dict[str, str]:
    knobs = {path: ", ".join(f"{name}={value}" for name, value in one.knobs.items()) for path, one in deployment.choices.items()}
    return {path: f"{one.executor.name}({knobs[path]})" if knobs[path] else one.executor.name for path, one in deployment.choices.items()}


# ---------------------------------------------------------------------------------------------------------------- baseline


def against_baseline(bench: Bench, runs: int) -> list[Shape]:
    """Return the video workflow in the paper's baseline shape and as the optimizer does it, in runs that take turns."""
    name = "video_understanding"
    work, inputs = app.load_file(_HERE / f"{name}.yaml"), inputs_of(name)
    workflow = work.graph.workflow
    catalog = app.catalog()
    fixed = workflow
    for step, executor in _FIXED[name].items():
        fixed = pinned(fixed, step, catalog.executors[executor], {})
    plain = app.prepare(fixed)
    best = predicted(work, bench, inputs, Goal(("quality",))).deployment.estimate
    quality = round(0.95 * best.quality.value, 3) if best is not None and best.quality is not None else 0.0
    shapes: list[tuple[str, Work, app.Settings | None]] = [
        ("one fixed executor each, one task at a time", plain, replace(bench.settings, cores=1.0)),
        ("the same executors, planned and side by side", plain, None),
        ("minimize latency", predicted(work, bench, inputs, Goal(("latency",))), None),
        (f"minimize energy, quality {quality}", predicted(work, bench, inputs, Goal(("energy",), {"quality": quality})), None),
    ]
    seconds: dict[str, list[float]] = {told: [] for told, *_ in shapes}
    joules: dict[str, list[float]] = {told: [] for told, *_ in shapes}
    for _ in range(runs):
        for told, made, settings in shapes:
            found = bench.several(made, inputs, 1, settings=settings)
            seconds[told] += found[0]
            joules[told] += found[1]
    return [Shape(told, statistics.median(seconds[told]), statistics.median(joules[told])) for told in seconds]


# ------------------------------------------------------------------------------------------------------------------ output


def table_of(lines: Sequence[Line]) -> Table:
    """Return predictions beside measurements."""
    table = Table("workflow", "minimize", "predicted", "interval", "measured", "runs within", "off", "energy: predicted", "measured", "off")
    for line in lines:
        joules = line.predicted_joules
        off = "-" if joules is None or not line.measured_joules else f"{joules / line.measured_joules - 1:+.0%}"
        table.add_row(
            line.workflow,
            line.goal,
            f"{line.predicted:.3f} s",
            f"{line.low:.3f} - {line.high:.3f}",
            f"{line.measured:.3f} s",
            f"{line.spread:.0%}",
            f"{line.predicted / line.measured - 1:+.0%}",
            "-" if joules is None else f"{joules:.2f} J",
            f"{line.measured_joules:.2f} J ({line.energy_source})",
            off,
        )
    return table


def baseline_table(shapes: Sequence[Shape]) -> Table:
    """Return how many times quicker and more frugal each shape is than the first."""
    table = Table("video workflow", "seconds", "joules", "speed-up", "energy ratio")
    first = shapes[0]
    for one in shapes:
        table.add_row(
            one.name, f"{one.seconds:.2f}", f"{one.joules:.1f}", f"{first.seconds / one.seconds:.2f}x", f"{first.joules / one.joules:.2f}x"
        )
    return table


def main() -> int:
    """Measure, print the tables, and write them down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ["video_understanding", "document_qa", "summarize_folder"]
    parser.add_argument("--only", choices=names, action="append")
    parser.add_argument("--runs", type=int, default=5, help="runs for each goal")
    parser.add_argument("--learn", type=int, default=3, help="runs with each alternative")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    out = console()
    lines: list[Line] = []
    shapes: list[Shape] = []
    with tempfile.TemporaryDirectory() as folder, Progress(console=out, transient=True) as progress:
        for name in asked.only or names:
            bench = Bench(Path(folder) / name)
            lines += measure(bench, name, runs=asked.runs, times=asked.learn, progress=progress)
            if name == "video_understanding":
                shapes = against_baseline(bench, asked.runs)
    out.print(table_of(lines))
    out.print(f"latency: median error {statistics.median(line.error for line in lines):.0%}, worst {max(line.error for line in lines):.0%}")
    if shapes:
        out.print(baseline_table(shapes))
        out.print("the paper (HotOS 2025): 3.4x and 4.5x, on 16 A100 GPUs and 192 cores, against OmAgent")
    if asked.json:
        data = {"machine": machine(), "lines": [{**asdict(line), "error": line.error} for line in lines], "shapes": [*map(asdict, shapes)]}
        asked.json.write_text(json.dumps(data, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
