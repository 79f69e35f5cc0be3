"""driver: what jobs of the shipped workflows are expected to take, beside what they take on this machine.

    python -m benchmarks.forecast [--home FOLDER] [--rounds N] [--only WORKFLOW] [--json FILE]

The executors are profiled first, as `murakkab profile` does, into a throw-away home (`--home`: one that `benchmarks.profiled` has filled).
Then, for each workflow and goal: the choice is made, the job predicted and run (`first`); which teaches how many tasks there are, how much
work each is and what it took. It is chosen, predicted and run again and again (`then`), the goals of a workflow in turns; each job is
predicted from what was known just before it. Everything is in one process, so models and libraries are loaded (warm); results are not
cached. `cold` is the first job of a fresh process. `off`: by which part of itself the median of what was measured was missed, by the
median of what was expected; `each`: the same of single jobs, in the median. `within`: how many jobs took what the predicted interval
says, which is to hold for 4 of 5.

Energy: nothing here reads a power meter. Measured joules are the CPU seconds of the process and of all that it started, times the watts
that are assumed of a busy core above an idle one; the watts of the machine may be two to three times more or less than assumed.
`others`: the part of the machine's time that other processes used meanwhile, which no prediction can know.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.alternative_samples import DOCUMENTS, MEDIA
from benchmarks.machine import machine, others_share
from benchmarks.profiled import CAPABILITIES, profile
from benchmarks.report import console
from benchmarks.timing import ROOT
from murakkab import app
from murakkab.choosing import chosen
from murakkab.measuring.tools import core
from murakkab.plan import Deployment
from murakkab.runtime.result import JobResult
from murakkab.spec import Goal
from murakkab.this_machine import cpu_seconds

#: A job that takes less than this is repeated more often.
_SHORT: Final = 1.0
_MORE: Final = 5
_ROUNDS: Final = 4
_COLD: Final = 2
_MARK: Final = "COLD "
#: The quality asked for under "energy": a little below the best that there is.
_QUALITY: Final = {"video_understanding": 0.8, "document_qa": 0.6, "summarize_folder": 0.44}
WORKFLOWS: Final = tuple(_QUALITY)


def goals_of(name: str) -> Mapping[str, Goal]:
    """Return the goals under which a workflow is predicted and run: energy is minimised within a limit of quality."""
    return {
        "latency": Goal(("latency",)),
        f"energy, {_QUALITY[name]}": Goal(("energy",), {"quality": _QUALITY[name], "latency": 60.0}),
        "quality": Goal(("quality", "latency")),
    }


@dataclass(frozen=True, slots=True)
class Predicted:
    """A job: what was expected of it, and what it took."""

    expected: float
    seconds: float
    expected_joules: float | None
    joules: float
    expected_usd: float
    usd: float
    others: float


@dataclass(slots=True)
class Case:
    """A workflow under a goal: its first job, and those after it. `ways`: who did what, in how many jobs."""

    workflow: str
    goal: str
    first: Predicted | None = None
    jobs: list[Predicted] = field(default_factory=list)
    is_within: list[bool] = field(default_factory=list)
    ways: dict[str, int] = field(default_factory=dict)
    cold: list[float] = field(default_factory=list)

    @property
    def error(self) -> float:
        """By which part of itself the median time of the jobs was missed, by the median of what was expected of them."""
        return off(_middle(self, "expected"), _middle(self, "seconds"))

    @property
    def error_of_each(self) -> float:
        """By which part of itself the time of a job was missed, in the median over the jobs."""
        return statistics.median(off(one.expected, one.seconds) for one in self.jobs)

    @property
    def energy_error(self) -> float:
        """By which part of itself the median of the joules was missed."""
        return off(_middle(self, "expected_joules"), _middle(self, "joules"))

    @property
    def first_measured(self) -> float:
        """What the first job took."""
        return self.first.seconds if self.first is not None else 0.0


def off(expected: float, measured: float) -> float:
    """Return by which part of itself what was measured was missed."""
    return abs(expected - measured) / measured if measured else 0.0


def _middle(case: Case, name: str) -> float:
    return statistics.median(getattr(job, name) or 0.0 for job in case.jobs)


def inputs_of(name: str) -> dict[str, Any]:
    """Return the inputs of a shipped workflow, from the sample data."""
    island = str(DOCUMENTS / "island")
    if name == "video_understanding":
        return {"videos": [app.file_input(str(path)) for path in sorted(MEDIA.glob("*.mp4"))]}
    if name == "document_qa":
        asked = json.loads((DOCUMENTS / "labels.json").read_text())["questions"]
        return {"folder": island, "questions": [one["question"] for one in asked], "passages": 4}
    return {"folder": island, "sentences": 6, "each": 3}


def loaded(name: str) -> app.Work:
    """Return a shipped workflow."""
    return app.load_file(ROOT / "workflows" / f"{name}.yaml")


@dataclass(frozen=True, slots=True)
class Took:
    """What a job took."""

    result: JobResult
    seconds: float
    joules: float
    others: float


async def ran(runtime: app.Runtime, work: app.Work, inputs: Mapping[str, Any]) -> Took:
    """Return what one job takes."""
    kind = core()
    watts = (kind.peak_watts.value if kind.peak_watts else 0.0) - (kind.idle_watts.value if kind.idle_watts else 0.0)
    with others_share() as share:
        cpu, began = cpu_seconds(), time.perf_counter()
        result = await runtime.run(work, inputs)
        seconds, used = time.perf_counter() - began, cpu_seconds() - cpu
    if result.status != "succeeded":
        raise SystemExit(f"a job of {work.graph.workflow.name} {result.status}: {'; '.join(map(str, result.failures))}")
    return Took(result, seconds, used * watts, share.others)


def ways_text(deployment: Deployment) -> str:
    """Return who does what."""
    return ", ".join(
        " ".join([one.executor.name, *(f"{name}={value}" for name, value in one.knobs.items() if one.executor.knob(name))])
        for one in deployment.choices.values()
    )


def cases_of(name: str, settings: app.Settings, rounds: int) -> Iterator[Case]:
    """Yield the cases of a workflow, measured: each job is chosen and predicted just before it runs, and teaches what it took."""
    inputs = app.check_inputs(loaded(name).graph.workflow, inputs_of(name))
    cases = [Case(name, goal) for goal in goals_of(name)]
    for case in cases:
        _one(case, inputs, settings, is_first=True)
    count = rounds * _MORE if max(case.first_measured for case in cases) < _SHORT else rounds
    for _ in range(count):
        for case in cases:
            _one(case, inputs, settings)
    for case in cases:
        case.cold = [_cold(name, case.goal, settings.home) for _ in range(_COLD)]
        yield case


def _one(case: Case, inputs: Mapping[str, Any], settings: app.Settings, *, is_first: bool = False) -> None:
    work = chosen(loaded(case.workflow), settings, inputs=inputs, goal=goals_of(case.workflow)[case.goal])
    estimate = work.deployment.estimate
    assert estimate is not None

    async def job() -> Took:
        async with app.open_runtime(settings) as runtime:
            if is_first:
                await runtime.run(work, inputs)  # what it loads is loaded
            return await ran(runtime, work, inputs)

    took = asyncio.run(job())
    joules = None if estimate.joules is None else estimate.joules.value
    one = Predicted(estimate.seconds.value, took.seconds, joules, took.joules, estimate.usd.value, _usd(took.result), took.others)
    if is_first:
        case.first = one
    else:
        case.jobs.append(one)
        case.is_within.append(estimate.seconds.low <= took.seconds <= estimate.seconds.high)
        case.ways[ways_text(work.deployment)] = case.ways.get(ways_text(work.deployment), 0) + 1


def _usd(result: JobResult) -> float:
    return sum(row.usd for row in result.tasks)


def _cold(name: str, goal: str, home: Path) -> float:
    """Return the seconds of the first job of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.forecast", "--home", str(home), "--only", name, "--cold", goal]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return next(float(line.removeprefix(_MARK)) for line in done.stdout.splitlines() if line.startswith(_MARK))


def _print_cold(name: str, goal: str, settings: app.Settings) -> None:
    work, inputs = loaded(name), app.check_inputs(loaded(name).graph.workflow, inputs_of(name))
    ready = chosen(work, settings, inputs=inputs, goal=goals_of(name)[goal])

    async def one() -> float:
        async with app.open_runtime(settings) as runtime:
            return (await ran(runtime, ready, inputs)).seconds

    print(f"{_MARK}{asyncio.run(one())}", flush=True)


# ------------------------------------------------------------------------------------------------------------------- showing


def table(cases: Sequence[Case]) -> Table:
    """Return the cases as a table; times and joules are medians."""
    shown = Table(title="expected and measured", title_justify="left")
    names = ("first", "took", "then", "took", "range", "off", "each", "within", "joules", "used", "off", "others", "cold")
    for name in ("workflow", "goal", *names):
        shown.add_column(name, justify="left" if name in ("workflow", "goal") else "right", no_wrap=True)
    for one in cases:
        assert one.first is not None
        times = brief(one.first.expected), brief(one.first.seconds), brief(_middle(one, "expected")), brief(_middle(one, "seconds"))
        spread = f"{brief(min(job.seconds for job in one.jobs))} - {brief(max(job.seconds for job in one.jobs))}"
        within = f"{sum(one.is_within)}/{len(one.is_within)}"
        joules = f"{_middle(one, 'expected_joules'):.3g}", f"{_middle(one, 'joules'):.3g}", f"{one.energy_error:.0%}"
        errors = f"{one.error:.0%}", f"{one.error_of_each:.0%}"
        rest = f"{_middle(one, 'others'):.0%}", brief(statistics.median(one.cold))
        shown.add_row(one.workflow, one.goal, *times, spread, *errors, within, *joules, *rest)
    return shown


def brief(seconds: float) -> str:
    """Return seconds, or milliseconds of little."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def main() -> int:
    """Profile, predict, run, and print both side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a folder with profiles that `benchmarks.profiled --home` has made")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="jobs under each goal; short ones five times as many")
    parser.add_argument("--only", action="append", choices=WORKFLOWS, help="one workflow; may be given again")
    parser.add_argument("--json", type=Path, help="write the cases to this file")
    parser.add_argument("--cold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cold is not None:
        _print_cold(options.only[0], options.cold, app.Settings(home=options.home, learn=False))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        if options.home is None:
            asyncio.run(profile(home, CAPABILITIES))
        cases: list[Case] = []
        for name in options.only or WORKFLOWS:
            for case in cases_of(name, app.Settings(home=home, learn=True), options.rounds):
                for ways, count in case.ways.items():
                    print(f"{case.workflow}, {case.goal}, {count} jobs: {ways}", flush=True)
                cases.append(case)
    console().print(table(cases))
    middle = statistics.median
    print(f"median over the cases: latency off by {middle(case.error for case in cases):.0%} (to reach: 15%), of single jobs by", end=" ")
    print(
        f"{middle(case.error_of_each for case in cases):.0%}, energy by the same model {middle(case.energy_error for case in cases):.0%};",
        end=" ",
    )
    print(f"cost {sum(job.expected_usd for case in cases for job in case.jobs):g} USD expected", end=", ")
    print(f"{sum(job.usd for case in cases for job in case.jobs):g} USD billed: nothing here is paid for")
    kind = core()
    if kind.peak_watts is not None and kind.idle_watts is not None:
        low, high = kind.peak_watts.low - kind.idle_watts.high, kind.peak_watts.high - kind.idle_watts.low
        watts = kind.peak_watts.value - kind.idle_watts.value
        print(f"joules = CPU seconds x {watts:g} W ({low:g} - {high:g} W), which is assumed: no meter here")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        rows = [{**asdict(case), "off": case.error, "off_each": case.error_of_each, "energy_off": case.energy_error} for case in cases]
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
