"""The soak test in short: jobs of the whole language are killed sixty times; `python -m benchmarks.soak` does it ten thousand times."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from murakkab.runtime.messages import Event, JobSubmitted, TaskSucceeded

# Some sixty processes, one after the other; the time is for a machine that is busy with other things.
pytestmark = [pytest.mark.checkout, pytest.mark.timeout(120)]

ROOT = Path(__file__).parent.parent.parent
KILLS = 60


def test_sixty_kills_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    """In a process of its own: it forks, and a process that has threads is not to be forked."""
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "benchmarks.soak", "--kills", str(KILLS), "--seed", "1", "--json", str(found)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(found.read_text())
    assert told["wrong"] == []
    assert told["kills"] == KILLS
    assert told["jobs"] >= 1
    assert told["repeated_in_flight"] > 0, "steps were killed on the way, and begun again"


# ------------------------------------------------------------------------------------- the test sees what it is there to see


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    """The benchmark, which is not there beside a built wheel."""
    return import_module("benchmarks.soak")


def events_of(soak: ModuleType) -> list[Event]:
    """Return the events of a job that went well."""
    return [JobSubmitted(1.0, {}), *(TaskSucceeded(2.0, task, 1, 1.0) for task in sorted(soak.TASKS))]


def record_of(soak: ModuleType) -> list[str]:
    """Return the record of a job that was killed once and went well."""
    events = events_of(soak)
    return ["begin numbers", f"read 2 {soak.digest(events[:2])}", "have doubled[0]", "begin pay", "paid pay", "cleaned succeeded"]


def outputs_of(soak: ModuleType, **change: Any) -> dict[str, Any]:
    return {"total": {**soak.EXPECTED, "votes": [0, 2, 4], **change}}


def test_a_job_that_went_well_has_nothing_wrong(soak: ModuleType) -> None:
    assert soak.wrong_in_record(record_of(soak), events_of(soak)) == []
    assert soak.wrong_in_journal(events_of(soak), "succeeded", outputs_of(soak)) == []


@pytest.mark.parametrize(
    ("line", "instead", "wrong"),
    [
        ("begin pay", "begin doubled[0]", "doubled[0] began again after it had succeeded"),
        ("begin numbers", "read 2 0123456789abcdef", "the first 2 events are not what an earlier process read"),
        ("begin numbers", "paid pay", "the irreversible step happened 2 times"),
        ("paid pay", "begin pay", "the irreversible step happened 0 times"),
        ("cleaned succeeded", "cleaned failed", "the last step did not run"),
    ],
)
def test_what_is_wrong_in_the_record_is_seen(soak: ModuleType, line: str, instead: str, wrong: str) -> None:
    lines = [instead if one == line else one for one in record_of(soak)]

    assert soak.wrong_in_record(lines, events_of(soak)) == [wrong]


def test_what_is_wrong_in_the_journal_is_seen(soak: ModuleType) -> None:
    events = events_of(soak)
    twice, lost = [*events, events[1]], [one for one in events if getattr(one, "task", "") != "total"]

    assert soak.wrong_in_journal(events, "failed", outputs_of(soak)) == ["it ended as failed"]
    assert soak.wrong_in_journal(twice, "succeeded", outputs_of(soak)) == ["doubled[0] succeeded 2 times"]
    assert soak.wrong_in_journal(lost, "succeeded", outputs_of(soak)) == ["total succeeded 0 times"]
    for change in ({"votes": [0, 2]}, {"votes": [0, 2, 5]}, {"asked": [7]}):
        assert soak.wrong_in_journal(events, "succeeded", outputs_of(soak, **change))[0].startswith("the outputs are")
