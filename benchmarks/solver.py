"""driver: how long it takes to choose - exact, within 1 %, by the fallback alone, and again between steps - on made-up selections.

    python -m benchmarks.solver [--seeds 20] [--json FILE]

30 tasks x 12 configurations x 8 pools as `instances.py` makes them, all of their limits near what a hidden assignment takes; 300 tasks; and
12 tasks of which two are done. Wall time and this process's CPU time, which others on the machine do not change as much.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.machine import machine
from benchmarks.report import console
from murakkab.optimizer.problem import Problem, Task
from murakkab.optimizer.quick import Now, Settled, prepare, rechoose
from murakkab.optimizer.solve import solve
from tests.instances import instance

#: What the exact solver may take; the figures are of how long it does.
SECONDS: Final = 10.0
_PROOF: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Case:
    """A size of selection, how it is solved, and the median in ms to stay below."""

    name: str
    tasks: int
    gap: float
    time_limit: float
    limit_ms: float


CASES: Final = (
    Case("30 tasks, exact (gap 1e-4)", 30, 1e-4, SECONDS, 250),
    Case("30 tasks, gap 1 %", 30, 0.01, SECONDS, 120),
    Case("30 tasks, fallback alone", 30, 0.01, 0.0, 40),
    Case("300 tasks, gap 1 %", 300, 0.01, SECONDS, 1000),
)


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured of one case: ms by the clock and of the CPU, and parts of the objective.

    `gap`: proven. `from_best`: from the best known, the answer of the exact case.
    """

    case: str
    runs: int
    limit_ms: float
    median_ms: float
    p95_ms: float
    max_ms: float
    cpu_median_ms: float
    cpu_p95_ms: float
    mean_gap: float
    most_gap: float
    mean_from_best: float | None
    most_from_best: float | None
    status: dict[str, int]


def _timed(run: Callable[[], Any], *, clean: bool = True) -> tuple[Any, float, float]:
    if clean:
        gc.collect()
    cpu, began = time.process_time(), time.perf_counter()
    found = run()
    return found, (time.perf_counter() - began) * 1e3, (time.process_time() - cpu) * 1e3


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, round(part * (len(values) - 1)))]


def measure(case: Case, problems: Sequence[Problem], best: dict[int, float]) -> Line:
    """Return the figures of a case over the problems; *best* has the exact answers, and gets them from an exact case."""
    runs = [_timed(partial(solve, problem, time_limit=case.time_limit, gap=case.gap)) for problem in problems]
    answers = [answer for answer, _wall, _cpu in runs]
    if case.gap <= _PROOF:
        best |= {number: answer.objective for number, answer in enumerate(answers)}
    known = case.tasks == CASES[0].tasks
    from_best = [max(0.0, answer.objective / best[number] - 1) for number, answer in enumerate(answers)] if known else []
    states = [str(answer.status) for answer in answers]
    return _line(
        case.name,
        case.limit_ms,
        [(wall, cpu) for _answer, wall, cpu in runs],
        gaps=[answer.gap for answer in answers],
        from_best=from_best,
        status={state: states.count(state) for state in sorted(set(states))},
    )


def measure_again(problems: Sequence[Problem], times: int = 5) -> Line:
    """Return the figures of choosing the last ten of twelve tasks again, once the first two have been later or earlier than expected."""
    taken, misses, states = [], [], []
    for number, problem in enumerate(problems):
        prepared, first = prepare(problem), solve(problem, time_limit=SECONDS, gap=_PROOF)
        settled, clock = {}, 0.0
        for task in problem.tasks[:2]:
            option = next(option for option in task.options if option.label == first.picks[task.name])
            end = clock + option.seconds * (1.02 if number % 2 else 0.9)
            settled[task.name] = Settled(option.label, clock, end)
            clock = end
        now = Now(settled, clock, picks=first.picks)
        again = rechoose(prepared, now)
        for _ in range(times):
            again, wall, cpu = _timed(partial(rechoose, prepared, now), clean=False)
            taken.append((wall, cpu))
        states.append(str(again.status))
        best = solve(_rest_of(problem, now), time_limit=SECONDS, gap=_PROOF)
        misses.append(max(0.0, again.value / best.objective - 1) if best.objective else 0.0)
    status = {state: states.count(state) for state in sorted(set(states))}
    return _line("10 of 12 tasks again", 2.0, taken, gaps=[0.0], from_best=misses, status=status)


def _rest_of(problem: Problem, now: Now) -> Problem:
    """Return the job as it stands as a problem of its own: what is settled has one option, and nothing else starts before now."""
    tasks = []
    for task in problem.tasks:
        done = now.settled.get(task.name)
        if done is None:
            tasks.append(replace(task, ready=now.seconds))
        else:
            option = next(option for option in task.options if option.label == done.label)
            tasks.append(Task(task.name, (replace(option, seconds=done.end - done.start),), ready=done.start))
    return replace(problem, tasks=tuple(tasks))


def _line(case: str, limit: float, taken: Sequence[tuple[float, float]], **found: Any) -> Line:
    walls, cpus = [wall for wall, _ in taken], [cpu for _, cpu in taken]
    gaps, from_best = found["gaps"], found["from_best"]
    return Line(
        case,
        len(taken),
        limit,
        statistics.median(walls),
        _quantile(walls, 0.95),
        max(walls),
        statistics.median(cpus),
        _quantile(cpus, 0.95),
        statistics.fmean(gaps),
        max(gaps),
        statistics.fmean(from_best) if from_best else None,
        max(from_best) if from_best else None,
        found["status"],
    )


def _show(lines: Sequence[Line]) -> None:
    table = Table(title="Choosing: ms by the clock and of the CPU, and distance from the best")
    for heading in (
        "case",
        "limit",
        "median",
        "p95",
        "max",
        "CPU median",
        "CPU p95",
        "proven gap",
        "most",
        "from best",
        "most",
        "answers",
        "",
    ):
        table.add_column(heading, justify="left" if heading in ("case", "answers", "") else "right")
    for line in lines:
        parts = (line.mean_gap, line.most_gap, line.mean_from_best, line.most_from_best)
        table.add_row(
            line.case,
            *(f"{value:,.1f}" for value in (line.limit_ms, line.median_ms, line.p95_ms, line.max_ms, line.cpu_median_ms, line.cpu_p95_ms)),
            *("" if part is None else f"{part:.3%}" for part in parts),
            ", ".join(f"{count} {state}" for state, count in line.status.items()),
            "[green]met[/]" if line.median_ms <= line.limit_ms else "[red]missed[/]",
        )
    console().print(table)


def main() -> int:
    """Measure every case, show the table, write the file; exit with 1 when a median is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="selections per case")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    solve(instance(10, 0), gap=_PROOF)  # imports what the first one needs
    best: dict[int, float] = {}
    lines = []
    made: dict[int, list[Problem]] = {}
    for case in CASES:
        problems = made.setdefault(case.tasks, [instance(case.tasks, seed) for seed in range(asked.seeds)])
        lines.append(measure(case, problems, best))
        print(f"{case.name}: median {lines[-1].median_ms:.0f} ms (load {os.getloadavg()[0]:.1f})", flush=True)
    lines.append(measure_again([instance(12, seed) for seed in range(asked.seeds)]))
    _show(lines)
    if asked.json is not None:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps({"machine": machine(), "lines": [asdict(line) for line in lines]}, indent=1) + "\n")
        print(f"written to {asked.json}")
    return 1 if any(line.median_ms > line.limit_ms for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
