"""driver: kills jobs with SIGKILL at random moments and resumes them; proves that no step is lost and no completed step runs again.

    python -m benchmarks.crash [--kills 100] [--seed 1] [--steps 300] [--json FILE]

A job of steps with file effects runs in a process of its own with a durable journal. The process is killed: right after its start, when
a random number of further steps have begun, or around the last steps. Another process resumes the job, and is killed, until the
kills are used up; a job that ends makes room for the next. After every kill, the journal (a copy, so that recovery is left to the
next process), the record of executions and the result files are held against each other. The exit code is 1 when anything is wrong.

A second, small job has an irreversible step that is killed on the way: it must be held, never repeated, until a person says what
became of it.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.crash_steps import PAID, START, Plan, after_payment, mixed, payment, recorded, results_in
from benchmarks.machine import machine
from benchmarks.report import console
from murakkab import app, journalled
from murakkab.errors import NotFoundError
from murakkab.runtime.messages import DoubtResolved, Event, TaskSucceeded

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results" / "crash.json"
#: Seconds that a process may take for what it is to do before something must be wrong.
_PATIENCE: Final = 120.0
#: Parts of the kills that come right after the start of a process, and around the end of the job.
_EARLY: Final = 0.3
_LATE: Final = 0.07
#: The others come when up to this part of the job's steps has begun since: so they are spread over the whole of it.
_STRIDE: Final = 0.2


# ------------------------------------------------------------------------------------------------- the process that is killed


async def child(home: Path, job: str, workflow: str, verdict: str = "") -> str:
    """Resume the job, or begin it where there is none; return how it ended."""
    settings = app.Settings(home=home, durable=True)
    with closing(app.open_journal(settings)) as journal:
        try:
            work = journalled.work_of(journal, job)
        except NotFoundError:
            pass
        else:
            verdicts = [app.Verdict("pay", verdict, PAID)] if verdict else []
            async with app.open_runtime(settings, journal=journal) as runtime:
                return (await runtime.resume(job, work, verdicts=verdicts)).status
    work = app.load_text(json.dumps(_plan(workflow).document), "crash.json")
    async with app.open_runtime(settings) as runtime:
        return (await runtime.run(work, {"folder": str(_folder(home, job)), "start": START}, job=job)).status


def _plan(workflow: str) -> Plan:
    return payment() if workflow == "payment" else mixed(int(workflow))


def _folder(home: Path, job: str) -> Path:
    return home.parent / job


@contextmanager
def started(home: Path, job: str, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that is about to carry on with the job: what it needs is imported, nothing is opened."""
    _folder(home, job).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.crash", "--child", str(home), job, *more]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            if _line(process) != "ready":
                raise RuntimeError(f"{' '.join(command)} did not start")
            yield process
        finally:
            process.kill()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# ------------------------------------------------------------------------------------------------------- looking, and judging


@dataclass(frozen=True, slots=True)
class Look:
    """What there is of a job at some moment: its events in the journal, "" for `status` where it is not there, and its effects."""

    status: str = ""
    events: Sequence[Event] = ()
    record: Sequence[str] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def completed(self) -> Mapping[str, Any]:
        """The value of every task whose success the journal holds."""
        return {event.task: event.value for event in self.events if isinstance(event, TaskSucceeded)}


def look_at(home: Path, job: str) -> Look:
    """Return what there is of the job, while no process works on it."""
    folder = _folder(home, job)
    record, results = recorded(folder), results_in(folder)
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "home")
        if home.exists():
            shutil.copytree(home, copy)
        with closing(app.open_journal(app.Settings(home=copy))) as journal:
            statuses = {one.job: one.status for one in journal.jobs()}
            events = journal.read(job)[1] if job in statuses else ()
    return Look(statuses.pop(job, ""), events, record, results, statuses)


def wrongs(before: Look, after: Look, plan: Plan) -> list[str]:
    """Return what is wrong after a run that was killed or came to its end, given how things stood before it."""
    found: list[str] = []
    if not after.status and (before.status or after.record):
        found.append("the job is lost")
    if list(after.events[: len(before.events)]) != list(before.events):
        found.append("the journal has lost or changed events")
    if list(after.record[: len(before.record)]) != list(before.record):
        found.append("the record of executions has lost lines; the test itself is broken")
    ran = Counter(after.record[len(before.record) :])
    found += [f"{task} is completed and ran again" for task in sorted(ran.keys() & before.completed.keys())]
    found += [f"{task} ran {times} times in one run" for task, times in ran.items() if times > 1]
    completed, executed = after.completed, set(after.record)
    for task in executed:
        if missing := set(plan.needs[task]) - completed.keys():
            found.append(f"{task} began, and the success of {', '.join(sorted(missing))} before it is not in the journal")
    for task, value in completed.items():
        if task not in executed:
            found.append(f"{task} has succeeded, it says, and never ran")
        if value != plan.values.get(task):
            found.append(f"{task} has returned {value!r:.80}, not {plan.values.get(task)!r:.80}")
        if after.results.get(task) != value:
            found.append(f"the file of {task} holds {after.results.get(task)!r:.80}, not {value!r:.80}")
    return [*found, *(f"{job}, which succeeded, is {status} now" for job, status in after.others.items() if status != "succeeded")]


def wrongs_at_the_end(look: Look, plan: Plan) -> list[str]:
    """Return what is wrong with a job that has come to its end."""
    values = plan.values
    found = [] if look.status == "succeeded" else [f"the job is {look.status or 'lost'}, not succeeded"]
    if dict(look.results) != dict(values):
        found.append(f"{len(look.results)} result files where there are {len(values)} steps, or their contents differ")
    if set(look.record) != set(values):
        found.append(f"{len(set(look.record))} steps were executed where there are {len(values)}")
    if look.completed != dict(values):
        found.append(f"the journal holds {len(look.completed)} successes where there are {len(values)} steps")
    return found


# ---------------------------------------------------------------------------------------------------------------- the killing


@dataclass
class Report:
    """What happened: counts, and what was wrong."""

    steps: int
    seed: int
    kills: int = 0
    jobs: int = 0
    resumed: int = 0
    #: Kills before the journal knew of the job: it is begun once more.
    before_the_job: int = 0
    #: Kills after the job had succeeded, before its process ended.
    after_the_job: int = 0
    executions: int = 0
    #: Steps that had begun and whose success was not in the journal, over all kills.
    in_flight: int = 0
    executed_again: int = 0
    #: Kills by tenths of the job that were completed.
    by_progress: list[int] = field(default_factory=lambda: [0] * 10)
    most_kills_of_a_job: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def count(self, before: Look, after: Look) -> None:
        """Count a kill."""
        self.kills += 1
        self.before_the_job += not after.status
        self.after_the_job += after.status == "succeeded"
        self.in_flight += len(set(after.record[len(before.record) :]) - after.completed.keys())
        self.by_progress[min(9, 10 * len(after.completed) // self.steps)] += 1


def crash_test(kills: int, seed: int, steps: int, folder: Path, *, say: Callable[[str], None] = print) -> Report:
    """Kill and resume jobs below *folder* until so many kills were delivered and every job has come to its end, or one is wrong."""
    report = Report(steps, seed)
    chance = random.Random(seed)
    began = time.perf_counter()
    while (report.kills < kills or not report.jobs) and not report.wrong:
        report.jobs += 1
        before = report.kills
        _one_job(report, kills, chance, folder / "home")
        report.most_kills_of_a_job = max(report.most_kills_of_a_job, report.kills - before)
        say(f"{report.kills} kills, {report.jobs} jobs, {len(report.wrong)} wrong ({time.perf_counter() - began:.0f} s)")
    report.seconds = time.perf_counter() - began
    return report


def _one_job(report: Report, kills: int, chance: random.Random, home: Path) -> None:
    job = f"job-{report.jobs}"
    plan = mixed(report.steps)
    look = Look()
    while look.status != "succeeded":
        report.resumed += bool(look.status)
        with started(home, job, str(report.steps)) as process:
            was_killed = report.kills < kills and _killed(process, chance, look, _folder(home, job), steps=report.steps)
            if not was_killed and (process.wait(_PATIENCE) or _line(process) != "succeeded"):
                report.wrong.append(f"{job}: its process ended badly, with {process.returncode}")
                return
        before, look = look, look_at(home, job)
        if was_killed:
            report.count(before, look)
        found = wrongs(before, look, plan)
        report.wrong += [f"{job}, after kill {report.kills}: {wrong}" for wrong in found]
        if found:
            return
    report.wrong += [f"{job}: {wrong}" for wrong in wrongs_at_the_end(look, plan)]
    report.executions += len(look.record)
    report.executed_again += len(look.record) - len(set(look.record))


def _killed(process: "subprocess.Popen[str]", chance: random.Random, look: Look, folder: Path, *, steps: int) -> bool:
    """Kill the process at a random moment; False when it has come to its end before that."""
    left, stride = steps - len(look.completed), int(steps * _STRIDE)
    kind = chance.random()
    if kind < _EARLY:
        begun, delay = 0, 10 ** chance.uniform(-4, -1)
    elif kind < 1 - _LATE:
        begun, delay = chance.randint(0, min(left, stride)), chance.uniform(0, 0.005)
    else:
        begun, delay = max(0, left - chance.randint(0, 3)), chance.uniform(0, 0.04)
    _wait_for(process, lambda: len(recorded(folder)) >= len(look.record) + begun)
    if process.poll() is None:
        time.sleep(delay)
    process.kill()
    return process.wait() == -9


def _wait_for(process: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    """Return once the condition holds or the process has ended. Raises `TimeoutError`."""
    until = time.perf_counter() + _PATIENCE
    while not condition() and process.poll() is None:
        if time.perf_counter() > until:
            raise TimeoutError("a process neither did what it had to nor ended")
        time.sleep(0.0005)


# --------------------------------------------------------------------------------------------------------- the step in doubt


def doubt_test(verdict: str, folder: Path) -> list[str]:
    """Kill a payment on the way, resume its job with and without a *verdict* (done or retry), and return what is wrong."""
    home, job = folder / "home", f"payment-{verdict}"
    with started(home, job, "payment") as process:
        _wait_for(process, lambda: "pay" in recorded(_folder(home, job)))
        process.kill()
    looks = [look_at(home, job)]
    for said in ("", "", verdict):
        with started(home, job, "payment", *([said] if said else [])) as process:
            process.wait(_PATIENCE)
        looks.append(look_at(home, job))
    statuses = [look.status for look in looks]
    found = [] if statuses == ["interrupted", "held", "held", "succeeded"] else [f"the job was {', then '.join(statuses)}"]
    paid = [look.record.count("pay") for look in looks]
    if paid != [1, 1, 1, 1 if verdict == "done" else 2]:
        found.append(f"it was paid {', then '.join(map(str, paid))} times in all")
    if any(look.record.count("before") != 1 for look in looks):
        found.append("the step before the payment did not run exactly once")
    wanted = after_payment(PAID if verdict == "done" else payment().values["pay"])
    if looks[-1].completed.get("after") != wanted or looks[-1].record.count("after") != 1:
        found.append(f"the step after the payment returned {looks[-1].completed.get('after')!r}, not {wanted}, or did not run exactly once")
    if not any(isinstance(event, DoubtResolved) for event in looks[-1].events):
        found.append("the journal does not say who resolved the doubt")
    return [f"{job}: {wrong}" for wrong in found]


# -------------------------------------------------------------------------------------------------------------------- main


def table_of(report: Report, doubts: Mapping[str, Sequence[str]]) -> Table:
    """Return what happened as a table."""
    table = Table(title=f"SIGKILL at random moments, seed {report.seed}", title_justify="left", title_style="bold")
    table.add_column("what", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    rows = {
        "kills delivered": report.kills,
        "jobs, all of which came to their end": report.jobs,
        "steps of a job": report.steps,
        "resumptions": report.resumed,
        "most kills of one job": report.most_kills_of_a_job,
        "kills before the journal knew of the job": report.before_the_job,
        "kills after the job had succeeded": report.after_the_job,
        "kills by tenths of the job completed": " ".join(map(str, report.by_progress)),
        "steps to execute": report.jobs * report.steps,
        "executions": report.executions,
        "steps in flight at a kill": report.in_flight,
        "of these executed again": report.executed_again,
        "completed steps executed again, lost jobs, wrong results": len(report.wrong),
        "seconds": f"{report.seconds:.0f}",
    }
    for what, count in rows.items():
        table.add_row(what, str(count))
    for verdict, wrong in doubts.items():
        table.add_row(f"irreversible step killed in flight, held, then: {verdict}", "WRONG" if wrong else "right")
    return table


def main() -> int:
    """Run the test; print the table, write the figures, and return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="kills to deliver")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same kinds of moments")
    parser.add_argument("--steps", type=int, default=300, help="steps of a job")
    parser.add_argument("--json", type=Path, default=RESULTS, help="write the figures to this file")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        # What takes long to import is not what is tested.
        app.catalog()
        print("ready", flush=True)
        home, *rest = options.child
        print(asyncio.run(child(Path(home), *rest)), flush=True)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        report = crash_test(options.kills, options.seed, options.steps, Path(folder))
        doubts = {verdict: doubt_test(verdict, Path(folder)) for verdict in ("done", "retry")}
    console().print(table_of(report, doubts))
    wrong = [*report.wrong, *(one for found in doubts.values() for one in found)]
    for one in wrong:
        print(f"WRONG: {one}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "crash": {**asdict(report), "wrong": wrong}}, indent=1) + "\n")
    print(f"written to {options.json}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
