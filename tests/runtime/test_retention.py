"""What is thrown away, and above all what is not: whatever a job, a cached result or somebody at work may still need."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from murakkab.errors import InputError
from murakkab.ports import JobSummary
from murakkab.runtime import retention
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.cache import SqliteResultCache
from murakkab.runtime.messages import SignalReceived
from murakkab.runtime.retention import OVER, Cleaned, Rule, clean, named_in, outdated
from murakkab.runtime.sqlite_journal import SqliteJournal
from tests.journals import SCRIPT, Place, header, heard, process, succeeded

DAY = 86_400.0
#: When the tests clean up; everything in them is older, unless it says otherwise.
NOW = 1_700_000_000.0
ALL = Rule(older_than=0.0)


class Home:
    """A folder with a journal, artifacts and a result cache."""

    def __init__(self, folder: Path) -> None:
        self.artifacts = LocalArtifacts(folder / "artifacts")
        self.cache = SqliteResultCache(folder / "cache.db")
        self.journal = SqliteJournal(folder / "journal.db", self.artifacts)

    def put(self, content: str, *, age: float = DAY, suffix: str = ".txt") -> dict[str, Any]:
        """Store a file that was last needed so long ago."""
        file = self.artifacts.put(content.encode(), suffix=suffix)
        os.utime(self.artifacts.local_path(file), (NOW - age, NOW - age))
        return file

    def job(self, job: str, *values: Any, status: str = "succeeded", age: float = DAY, **fields: Any) -> None:
        """Leave a job that ended so long ago, with these results."""
        self.journal.create(header(job, created=NOW - age - 1.0, **fields))
        for number, value in enumerate(values):
            self.journal.append(job, succeeded(f"{job}-{number}", value))
        if status:
            self.journal.finish(job, status, NOW - age)
        self.age_all()

    def age_all(self, age: float = DAY) -> None:
        for path in self.artifacts.stored():
            os.utime(path, (NOW - age, NOW - age))

    def clean(self, rule: Rule = ALL, *, dry_run: bool = False, now: float = NOW) -> Cleaned:
        return clean(self.journal, self.artifacts, self.cache, rule=rule, now=now, dry_run=dry_run)

    def has(self, file: dict[str, Any]) -> bool:
        return any(path.name.startswith(file["sha256"]) for path in self.artifacts.stored())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    with closing(made.journal), closing(made.cache):
        yield made


# --------------------------------------------------------------------------------------------------------------- which jobs


def summaries() -> list[JobSummary]:
    ends = {"a": 40.0, "b": 30.0, "c": 20.0, "d": 10.0, "e": 1.0}
    jobs = [JobSummary(job, "w", "succeeded", NOW - days * DAY - 5.0, NOW - days * DAY, 1) for job, days in ends.items()]
    return [*jobs, JobSummary("r", "w", "running", NOW - 99 * DAY, None, 1), JobSummary("i", "w", "interrupted", NOW - 98 * DAY, None, 1)]


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        (Rule(), ""),
        (Rule(older_than=0.0), "edcba"),
        (Rule(older_than=20 * DAY), "cba"),
        (Rule(older_than=20 * DAY + 1.0), "ba"),
        (Rule(keep=0), "edcba"),
        (Rule(keep=2), "cba"),
        (Rule(keep=9), ""),
        (Rule(older_than=25 * DAY, keep=4), "a"),
        (Rule(older_than=5 * DAY, keep=4), "a"),
        (Rule(keep=0, statuses=["interrupted"]), "i"),
        (Rule(keep=1, statuses=[*OVER, "interrupted"]), "dcbai"),
        (Rule(keep=0, statuses=[]), ""),
    ],
)
def test_jobs_go_by_age_number_and_status(rule: Rule, gone: str) -> None:
    assert "".join(outdated(summaries(), rule, NOW)) == gone


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(older_than=-1.0), "can be negative"),
        (Rule(keep=-1), "can be negative"),
        (Rule(statuses=["running"]), "jobs that are 'running' cannot be cleaned up"),
        (Rule(statuses=["suceeded"]), "did you mean 'succeeded'?"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(home: Home, rule: Rule, told: str) -> None:
    with pytest.raises(InputError) as caught:
        home.clean(rule)
    assert told in str(caught.value)


def test_a_job_that_somebody_takes_up_meanwhile_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home.put("x")
    home.job("one", status="failed")
    home.job("two", file, status="failed")
    known = home.journal.jobs()
    home.journal.claim("two")
    monkeypatch.setattr(home.journal, "jobs", lambda: known)
    cleaned = home.clean()

    assert cleaned == (("one",), 0, 0, 0)
    assert home.has(file)


# -------------------------------------------------------------------------------------------------------------- which files


def test_files_that_nothing_needs_go_and_all_others_stay(home: Home) -> None:
    kept = {
        "in a result": home.put("result"),
        "in an input": home.put("input"),
        "in the workflow": home.put("workflow"),
        "in the cache": home.put("cached"),
        "in a letter": home.put("letter"),
        "in text": home.put("text"),
    }
    gone = [home.put("of the old job"), home.put("of nobody" * 100)]
    workflow = {"workflow": "w", "steps": {"a": {"uses": "work", "with": {"file": kept["in the workflow"]}}}}
    home.job("old", gone[0], age=2 * DAY)
    home.job(
        "new",
        {"files": [kept["in a result"]], "text": f"see {kept['in text']['uri']}"},
        inputs={"x": kept["in an input"]},
        workflow=workflow,
    )
    home.job("asked", status="", age=0.0)
    home.journal.post("asked", SignalReceived(1.0, "paid", kept["in a letter"]))
    home.cache.put("key", kept["in the cache"], None)

    assert home.clean(Rule(keep=1)) == (("old",), 2, sum(one["size"] for one in gone), 0)
    assert [what for what, file in kept.items() if not home.has(file)] == []
    assert not any(home.has(file) for file in gone)
    assert home.clean(Rule(keep=1)) == ((), 0, 0, 0)
    assert [one.job for one in home.journal.jobs()] == ["asked", "new"]


def test_what_a_long_event_or_header_names_is_needed_with_the_file_that_it_is_in(home: Home) -> None:
    files = [home.put(f"file {number}") for number in range(3)]
    listed = home.put(f'["{files[2]["sha256"]}"]', suffix=".json")
    home.job("job", {"text": "x" * 100_000, "file": files[0], "list": listed}, inputs={"text": "y" * 100_000, "file": files[1]})
    stray = home.put("stray")

    assert home.clean(Rule()) == ((), 1, stray["size"], 0)
    assert all(map(home.has, [*files, listed]))
    read, events = home.journal.read("job")
    assert (read.inputs["file"], events[0].value["file"]) == (files[1], files[0])  # type: ignore[union-attr]
    assert home.clean().artifacts == len(files) + 3, "with the job its long texts go, too"
    assert list(home.artifacts.stored()) == []


@pytest.mark.parametrize(("age", "rule", "stays"), [(1800.0, ALL, True), (7200.0, ALL, False), (7200.0, Rule(older_than=DAY), True)])
def test_what_is_young_may_be_needed_by_somebody_who_has_not_said_so(home: Home, age: float, rule: Rule, *, stays: bool) -> None:
    file = home.put("x", age=age)

    assert home.clean(rule).artifacts == (not stays)
    assert home.has(file) == stays


def test_what_is_younger_than_the_oldest_job_that_runs_stays(home: Home) -> None:
    home.job("slow", status="", age=5 * DAY)
    home.job("over", age=9 * DAY)
    during, before = home.put("put while it ran", age=4 * DAY), home.put("put before", age=6 * DAY)

    assert home.clean().jobs == ("over",)
    assert (home.has(during), home.has(before)) == (True, False)


def test_who_puts_a_file_again_needs_it(home: Home) -> None:
    home.put("x")
    file = home.artifacts.put(b"x", suffix=".txt")

    assert home.clean(now=Path(home.artifacts.local_path(file)).stat().st_mtime + 10.0).artifacts == 0
    assert home.has(file)


def test_a_file_that_is_put_again_while_it_is_swept_is_there_afterwards(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home.put("x")
    path = Path(home.artifacts.local_path(file))
    replace = Path.replace

    def just_before(self: Path, target: Path) -> Path:
        if self == path:
            os.utime(self)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", just_before)
    assert home.clean().artifacts == 0
    monkeypatch.undo()
    assert home.artifacts.get(file) == b"x"

    os.utime(path, (1.0, 1.0))

    def just_after(self: Path, target: Path) -> Path:
        done = replace(self, target)
        if self == path:
            monkeypatch.undo()
            home.artifacts.put(b"x", suffix=".txt")
        return done

    monkeypatch.setattr(Path, "replace", just_after)
    home.clean()
    assert home.artifacts.get(file) == b"x"


def test_what_a_writer_or_a_sweeper_left_when_it_died_is_swept(home: Home) -> None:
    folder = Path(home.artifacts.local_path(home.put("x"))).parent
    for name in (".part-abc", f".swept-{'0' * 64}.txt"):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (1.0, 1.0))

    assert home.clean().artifacts == 3
    assert list(folder.iterdir()) == []


def test_hashes_are_found_wherever_they_stand() -> None:
    first, second = "ab" * 32, "0123456789abcdef" * 4
    assert named_in([f'{{"uri":"file:///x/{first}.wav"}}', f"{second} {first}", "short", "A" * 64]) == {first, second}


# ------------------------------------------------------------------------------------------------------------------ results


def test_results_go_an_hour_after_they_have_expired(home: Home) -> None:
    file = home.put("x")
    home.cache.put("old", file, NOW - 3601.0)
    home.cache.put("just", 1, NOW - 3599.0)
    home.cache.put("for good", 2, None)

    assert home.clean() == ((), 1, file["size"], 1)
    assert [home.cache.get(key, 0.0) for key in ("old", "just", "for good")] == [None, (1,), (2,)]


def test_without_a_cache_there_is_nothing_to_look_after(home: Home) -> None:
    home.job("job")

    assert clean(home.journal, home.artifacts, None, rule=ALL, now=NOW) == (("job",), 0, 0, 0)


# ---------------------------------------------------------------------------------------------------------------- a dry run


def test_a_dry_run_says_the_same_and_does_nothing(home: Home) -> None:
    files = [home.put(f"file {number}") for number in range(4)]
    home.job("one", files[0], {"long": "x" * 100_000, "file": files[1]})
    home.job("two", files[1], status="failed")
    home.job("open", files[2], status="interrupted")
    home.cache.put("key", 1, 5.0)
    names = sorted(path.name for path in home.artifacts.stored())
    dry = home.clean(dry_run=True)

    assert sorted(path.name for path in home.artifacts.stored()) == names
    assert len(home.journal.jobs()) == 3
    assert home.cache.get("key", 0.0) == (1,)
    assert home.clean() == dry
    assert (sorted(dry.jobs), dry.artifacts, dry.cache_entries) == (["one", "two"], 4, 1)
    assert home.has(files[2])


# ------------------------------------------------------------------------------------------------------- beside others' work

#: Runs small jobs for as long as it is let; each needs a file that others have needed before, or a long text of its own.
WRITER = (
    SCRIPT
    + """
import itertools, os, time

journal = open_journal()
store = LocalArtifacts(sys.argv[2])
tell("ready")
for number in itertools.count():
    job = f"{os.getpid()}-{number}"
    journal.create(JobHeader(job, {"workflow": f"w{number % 3}"}, {}, {}, time.time()), is_fresh=True)
    file = store.put(f"content {number % 7}".encode())
    journal.append(job, TaskSucceeded(time.time(), "a", file, 0.5))
    if number % 5 == 0:
        journal.append(job, TaskSucceeded(time.time(), "b", ["x" * 70_000, number, store.put(str(number).encode())], 0.5))
    journal.flush()
    journal.finish(job, "succeeded", time.time())
    time.sleep(0.002)
"""
)


@pytest.mark.timeout(60)
def test_nothing_is_missed_that_jobs_of_other_processes_need_while_all_is_cleaned_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_YOUNG", 0.3)
    with closing(Place("sqlite", tmp_path)) as place, ExitStack() as stack:
        journal, store = place.open(), LocalArtifacts(tmp_path / "artifacts")
        writers = [stack.enter_context(process(WRITER, place)) for _ in range(2)]
        assert [heard(one) for one in writers] == ["ready"] * 2
        until = time.monotonic() + 3.0
        cleaned: list[Cleaned] = []
        while time.monotonic() < until:
            cleaned.append(clean(journal, store, None, rule=Rule(keep=10), now=time.time()))
        for one in writers:
            one.kill()
            one.wait()
        clean(journal, store, None, rule=Rule(keep=20), now=time.time())

        assert sum(len(one.jobs) for one in cleaned) > 50
        assert sum(one.artifacts for one in cleaned) > 0
        for one in journal.jobs():
            for event in journal.read(one.job)[1]:
                value = event.value  # type: ignore[union-attr]
                assert store.get(value if isinstance(value, dict) else value[2])
