"""What a process that is killed leaves behind, and how whoever comes next takes it up: whole, and once."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.journals import SCRIPT, Place, header, heard, only_tail, process, rows, say, succeeded, tail_of


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Place]:
    with closing(Place("sqlite", tmp_path)) as made:
        yield made


#: Writes events that stay in its tail, and waits to be killed.
WRITER = (
    SCRIPT
    + """
sqlite_journal._FOLD_EVERY = 1e6
journal = open_journal()
for job in ("job", "other"):
    journal.create(JobHeader(job, {"workflow": "test"}, {}, {"text": "\\t\\n"}, 1000.0), is_fresh=True)
    for number in range(100):
        journal.append(job, TaskSucceeded(1.0, f"{job}-{number}", [number, "\\n\\t"], 0.5))
journal.append("job", TaskSucceeded(1.0, "large", "x" * 100_000, 0.5))
journal.flush()
journal.append("job", TaskSucceeded(1.0, "not flushed", 1, 0.5))
tell("written")
sys.stdin.read()
"""
)
#: Opens the journal on command, and tells what it holds.
OPENER = (
    SCRIPT
    + """
tell("ready")
sys.stdin.readline()
journal = open_journal()
tell(json.dumps([[event.task for event in journal.read(job)[1]] for job in ("job", "other")]))
sys.stdin.readline()
journal.close()
"""
)
JOB_TASKS = [*(f"job-{number}" for number in range(100)), "large"]
OTHER_TASKS = [f"other-{number}" for number in range(100)]


def write_and_die(place: Place) -> None:
    """Leave a tail that its owner, killed, has not folded."""
    with process(WRITER, place) as child:
        assert heard(child) == "written"
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert rows(place, "SELECT count(*) FROM jobs") == [(0,)], "the tail was folded: nothing is left to recover"
    assert list(place.tails.glob("*.tail"))


def test_what_a_killed_process_flushed_is_recovered_once(disk: Place) -> None:
    write_and_die(disk)
    for _ in range(2):
        journal = disk.open()
        assert [event.task for event in journal.read("job")[1]] == JOB_TASKS
        assert [event.task for event in journal.read("other")[1]] == OTHER_TASKS
        assert {one.job: (one.status, one.events) for one in journal.jobs()} == {"job": ("interrupted", 101), "other": ("interrupted", 100)}
        journal.close()

    assert [path.name for path in disk.tails.iterdir()] == ["recovery.lock"]


def test_a_job_of_a_killed_process_goes_on(disk: Place) -> None:
    write_and_die(disk)
    journal = disk.open()
    journal.claim("job")
    journal.append("job", succeeded("next"))
    journal.finish("job", "succeeded", 2.0)

    assert [event.task for event in journal.read("job")[1]] == [*JOB_TASKS, "next"]


@pytest.mark.parametrize("look", ["claim", "read", "jobs"])
def test_a_process_that_is_there_already_recovers_what_another_leaves(disk: Place, look: str) -> None:
    journal = disk.open()
    write_and_die(disk)

    if look == "claim":
        journal.claim("job")
    elif look == "jobs":
        assert {one.job: (one.status, one.events) for one in journal.jobs()} == {"job": ("interrupted", 101), "other": ("interrupted", 100)}
    assert [event.task for event in journal.read("job")[1]] == JOB_TASKS


def test_a_live_process_keeps_its_tail_and_its_jobs(disk: Place) -> None:
    with process(WRITER, disk) as child:
        assert heard(child) == "written"
        journal = disk.open()
        before = sorted(path.name for path in disk.tails.glob("*.tail"))
        assert list(journal.jobs()) == []
        assert sorted(path.name for path in disk.tails.glob("*.tail")) == before
        child.kill()
        child.wait()

    journal.claim("job")


@pytest.mark.timeout(60)
def test_processes_that_open_at_the_same_moment_recover_once(disk: Place) -> None:
    write_and_die(disk)
    with process(OPENER, disk) as one, process(OPENER, disk) as two, process(OPENER, disk) as three:
        openers = (one, two, three)
        assert [heard(opener) for opener in openers] == ["ready"] * 3
        for opener in openers:
            say(opener)
        assert [json.loads(heard(opener)) for opener in openers] == [[JOB_TASKS, OTHER_TASKS]] * 3
        for opener in openers:
            say(opener)
        assert [opener.wait() for opener in openers] == [0, 0, 0]

    assert rows(disk, "SELECT job, count(*) FROM events GROUP BY job") == [("job", 101), ("other", 100)]
    assert rows(disk, "SELECT job, status, owner FROM jobs ORDER BY job") == [("job", "interrupted", None), ("other", "interrupted", None)]
    assert [path.name for path in disk.tails.iterdir()] == ["recovery.lock"]


@pytest.mark.parametrize("cut", [1, 2, 40], ids=["newline", "character", "half a line"])
def test_a_torn_last_line_is_as_if_never_written(disk: Place, cut: int) -> None:
    write_and_die(disk)
    tail = only_tail(disk)
    os.truncate(tail, tail.stat().st_size - cut)
    journal = disk.open()
    assert [event.task for event in journal.read("job")[1]] == JOB_TASKS[:-1]
    journal.claim("job")
    journal.append("job", succeeded("next"))

    assert [event.task for event in journal.read("job")[1]] == [*JOB_TASKS[:-1], "next"]


def test_a_tail_that_was_folded_but_not_removed_is_folded_to_nothing(disk: Place) -> None:
    write_and_die(disk)
    tail = only_tail(disk)
    kept = tail.read_bytes()
    journal = disk.open()
    before = journal.read("job")[1]
    journal.close()
    # As after a power cut between the transaction and the removal; and again, once the job has gone on.
    tail.write_bytes(kept)
    again = disk.open()
    assert again.read("job")[1] == before
    again.claim("job")
    again.append("job", succeeded("next"))
    again.finish("job", "succeeded", 2.0)
    again.close()
    tail.write_bytes(kept)
    last = disk.open()

    assert last.read("job")[1] == [*before, succeeded("next")]
    assert {one.job: one.status for one in last.jobs()} == {"job": "succeeded", "other": "interrupted"}
    assert not tail.exists()


def test_an_end_that_is_folded_twice_does_not_touch_a_job_that_another_has_taken(disk: Place) -> None:
    here, there = disk.open(), disk.open()
    here.create(header())
    here.flush()
    tail = tail_of(here, disk)
    here.finish("job", "failed", 2.0)
    kept = b"".join((tail.read_bytes() if tail.exists() else b"", b"job\t1\tfinish\t2.0 failed\n"))
    there.claim("job")
    here.close()
    tail.write_bytes(kept)
    disk.open()

    assert [(one.job, one.status) for one in there.jobs()] == [("job", "running")]
