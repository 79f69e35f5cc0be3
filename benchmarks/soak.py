"""driver: kills jobs that use the whole language with SIGKILL, thousands of times, and proves that nothing is lost and nothing done twice.

    python -m benchmarks.soak [--kills 10000] [--seed 1] [--json FILE]

A job with blocks, sub-workflows, loops, streams, quorums, retries, questions to people, an irreversible step and last steps runs in a
child process with a durable journal. At a random moment the child is killed; the next one takes the job up, answers what it asks,
gives a verdict on what is in doubt (by looking at what really happened), and is killed in its turn, until the job has ended; then the
next job begins. Children are forks of one process that has everything imported, so a kill takes some tens of milliseconds.

What is proven, per job: a task whose success a child has found in the journal never begins again; events once read are read again by
every later child, in the same order; every task succeeds exactly once in the journal; the irreversible step happens exactly once; the
outputs are the expected ones; the last steps have run. The exit code is 1 when anything is wrong.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.report import console
from benchmarks.soak_steps import DOCUMENT, EXPECTED, IDS, TASKS, write
from murakkab import app, journalled
from murakkab.ports import Journal
from murakkab.runtime.messages import Answered, Event, TaskSucceeded

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results" / "soak.json"
#: Seconds until the kill: mostly somewhere in the job, sometimes while its process still opens the journal.
_LATEST: Final = 0.12
#: Seconds after which a child that neither ends nor dies is a hang.
_PATIENCE: Final = 60.0


@dataclass
class Findings:
    """What was done, and everything that was wrong."""

    kills: int = 0
    jobs: int = 0
    begun: int = 0
    repeated_in_flight: int = 0
    verdicts: int = 0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------- the process that is killed


async def child(work: app.Work, home: Path, job: str) -> None:
    """Carry on with the job until it has ended, whatever it waits for."""
    settings = app.Settings(home=home, durable=True)
    folder = str(home.parent / job)
    with closing(app.open_journal(settings)) as journal:
        known = any(one.job == job for one in journal.jobs())
        async with app.open_runtime(settings, journal=journal) as runtime:
            status = _told(journal, job, folder) if known else (await runtime.run(work, {"folder": folder, "ids": IDS}, job=job)).status
            while status != "succeeded":
                status = await _go_on(runtime, work, journal, job)


def _told(journal: Journal, job: str, folder: str) -> str:
    """Write down what the journal holds, and return how the job stands."""
    _, events = journal.read(job)
    write(folder, f"read {len(events)} {digest(events)}")
    for event in events:
        if isinstance(event, TaskSucceeded):
            write(folder, f"have {event.task}")
    return next(one.status for one in journal.jobs() if one.job == job)


def digest(events: Any) -> str:
    """Return what is the same for the same events alone."""
    return hashlib.sha256(repr(list(events)).encode()).hexdigest()[:16]


async def _go_on(runtime: app.Runtime, work: app.Work, journal: Journal, job: str) -> str:
    _, state, _ = journalled.state_of(journal, job)
    folder = str(Path(state.known["inputs"]["folder"])) if "inputs" in state.known else ""
    events: list[Event] = [
        Answered(0.0, task, approved=True, values={"by_how_much": 7}, by="soak")
        for task, gate in state.asking.items()
        if gate.kind == "person"
    ]
    verdicts = []
    for task in state.in_doubt():
        happened = f"paid {task}" in record_of(Path(folder))
        write(folder, f"verdict {task} {'done' if happened else 'retry'}")
        verdicts.append(app.Verdict(task, "done", 70) if happened else app.Verdict(task, "retry"))
    if events:
        write(folder, f"answer {len(events)}")
    result = await runtime.resume(job, work, verdicts=verdicts, events=events)
    return result.status


def record_of(folder: Path) -> list[str]:
    """Return the lines of the record."""
    path = folder / "record"
    return path.read_text().splitlines() if path.exists() else []


# ----------------------------------------------------------------------------------------------------------- killing, judging


def spawn(work: app.Work, home: Path, job: str) -> int:
    """Fork a child that carries on with the job; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        random.seed()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asyncio.run(child(work, home, job))
        status = 0
    except BaseException as exc:
        sys.stderr.write(f"child of {job}: {type(exc).__name__}: {exc}\n")
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def kill_after(pid: int, delay: float) -> int | None:
    """Kill a child after *delay* seconds; return its exit status when it had ended before, None when it was killed."""
    until = time.perf_counter() + delay
    while time.perf_counter() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def judge(home: Path, job: str, found: Findings) -> None:
    """Hold the record of a finished job against its journal."""
    folder = home.parent / job
    lines = record_of(folder)
    with closing(app.open_journal(app.Settings(home=home))) as journal:
        _, events = journal.read(job)
        status = next(one.status for one in journal.jobs() if one.job == job)
    _, _, result = _result(home, job)
    wrong = [*wrong_in_record(lines, events), *wrong_in_journal(events, status, result.outputs)]
    begun = Counter(line.split()[1] for line in lines if line.startswith("begin "))
    found.jobs += 1
    found.begun += begun.total()
    found.repeated_in_flight += sum(count - 1 for task, count in begun.items() if not task.startswith("flaky"))
    found.verdicts += sum(line.startswith("verdict ") for line in lines)
    found.answers += sum(line.startswith("answer ") for line in lines)
    found.wrong += [f"{job}: {one}" for one in wrong]


def _result(home: Path, job: str) -> Any:
    with closing(app.open_journal(app.Settings(home=home))) as journal:
        return journalled.state_of(journal, job)


def wrong_in_record(lines: list[str], events: Any) -> list[str]:
    """Return what the record of a finished job, held against the *events* of its journal, shows to be wrong."""
    wrong: list[str] = []
    have: set[str] = set()
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "have":
            have.add(rest)
        elif word == "begin" and rest in have:
            wrong.append(f"{rest} began again after it had succeeded")
        elif word == "read":
            count, seen = rest.split()
            if digest(events[: int(count)]) != seen:
                wrong.append(f"the first {count} events are not what an earlier process read")
    if (paid := sum(line.startswith("paid ") for line in lines)) != 1:
        wrong.append(f"the irreversible step happened {paid} times")
    if "cleaned succeeded" not in lines:
        wrong.append("the last step did not run")
    return wrong


def wrong_in_journal(events: Any, status: str, outputs: Any) -> list[str]:
    """Return what is wrong with the *events* of a finished job, and with how it ended."""
    wrong = [] if status == "succeeded" else [f"it ended as {status}"]
    succeeded = Counter(event.task for event in events if isinstance(event, TaskSucceeded) and not event.task.startswith("vote"))
    succeeded["pay"] = succeeded["pay"] or 1  # a verdict may stand in its place
    wrong += [f"{task} succeeded {succeeded[task]} times" for task in TASKS if succeeded[task] != 1]
    total = dict(outputs.get("total") or {})
    votes = total.pop("votes", [])
    if total != EXPECTED or len(votes) < 3 or not set(votes) <= {2 * i for i in IDS}:
        wrong.append(f"the outputs are {outputs}")
    return wrong


def soak(kills: int, seed: int, place: Path) -> Findings:
    """Kill children until *kills* are used up and the last job has ended."""
    work = app.load_text(json.dumps(DOCUMENT), "soak.json")
    rng = random.Random(seed)
    found = Findings()
    with Progress(console=console(), transient=True) as progress:
        bar = progress.add_task("kills", total=kills)
        while found.kills < kills and len(found.wrong) < 20:
            home, job = place / f"home{found.jobs % 7}", f"job{found.jobs}"
            (place / job).mkdir()
            while True:
                delay = rng.uniform(0.0, _LATEST) if found.kills < kills else _PATIENCE
                code = kill_after(spawn(work, home, job), delay)
                if code is None and delay < _PATIENCE:
                    found.kills += 1
                    progress.advance(bar)
                elif code == 0:
                    break
                else:
                    found.wrong.append(f"{job}: a child {'hung' if code is None else f'ended with status {code}'}")
                    return found
            judge(home, job, found)
            shutil.rmtree(place / job)
    return found


def main() -> int:
    """Run the soak test and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=RESULTS)
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="murakkab-soak-") as place:
        found = soak(given.kills, given.seed, Path(place))
    seconds = time.perf_counter() - began
    table = Table("what", "count", title=f"{found.kills} kills, seed {given.seed}, {seconds:.0f} s")
    for name, value in asdict(found).items():
        table.add_row(name.replace("_", " "), str(len(value) if isinstance(value, list) else value))
    console().print(table)
    for one in found.wrong[:20]:
        console().print(one, style="red", markup=False)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps({"machine": machine(), "seconds": seconds, "seed": given.seed, **asdict(found)}, indent=2))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
