"""Many processes on one file: who owns a job, who hears what is told to it, who may delete it - and what a file of another age holds."""

import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from murakkab.errors import BackendError, ConflictError, NotFoundError
from murakkab.ports import Letter
from murakkab.runtime import sqlite_journal
from murakkab.runtime.messages import Answered, SignalReceived
from murakkab.runtime.sqlite_journal import SqliteJournal
from murakkab.runtime.tail import living_owners
from tests.journals import SCRIPT, WORKFLOW, Place, header, heard, process, rows, say, succeeded, tail_of

YES = Answered(5.0, "ok", True, {}, "Ada")
PAID = SignalReceived(6.0, "paid", {"id": "x"})


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Place]:
    with closing(Place("sqlite", tmp_path)) as made:
        yield made


# ----------------------------------------------------------------------------------------------------------------- the mail


def test_who_owns_a_job_gets_what_others_post(disk: Place) -> None:
    owner, poster, third = disk.open(), disk.open(), disk.open()
    owner.create(header())
    owner.read("job")
    letter = poster.post("job", YES)

    assert list(third.mail()) == []
    assert list(owner.mail()) == [Letter(letter, "job", YES)]
    assert poster.is_heard(letter) is None
    owner.append("job", YES, letter=letter)
    owner.read("job")
    assert poster.is_heard(letter) is True
    assert list(poster.read("job")[1]) == [YES]
    assert rows(disk, "SELECT * FROM mail") == []


def test_a_letter_goes_with_its_event_also_when_the_tail_is_folded_twice(disk: Place) -> None:
    owner, other = disk.open(), disk.open()
    owner.create(header())
    first = owner.post("job", YES)
    owner.append("job", YES, letter=first)
    owner.flush()
    tail = tail_of(owner, disk)
    kept = tail.read_bytes()
    assert f"\tAnswered#{first}\t".encode() in kept
    owner.close()
    other.claim("job")
    second = other.post("job", PAID)
    (disk.tails / "dead.000000000.tail").write_bytes(kept)
    third = disk.open()

    assert second > first
    assert third.is_heard(first) is True
    assert list(other.mail()) == [Letter(second, "job", PAID)]
    assert list(third.read("job")[1]) == [YES]


OWNER = (
    SCRIPT
    + """
sqlite_journal._FOLD_EVERY = 1e6
journal = open_journal()
journal.create(JobHeader("job", {"workflow": "test"}, {}, {}, 1000.0))
journal.jobs()
tell("owned")
sys.stdin.readline()
letters = journal.mail()
for letter in letters[:1]:
    journal.append(letter.job, letter.event, letter=letter.number)
journal.flush()
tell(len(letters))
sys.stdin.read()
"""
)


def test_what_a_killed_owner_has_heard_is_kept_and_what_it_has_not_goes_to_the_next(disk: Place) -> None:
    poster = disk.open()
    with process(OWNER, disk) as owner:
        assert heard(owner) == "owned"
        first, second = poster.post("job", YES), poster.post("job", PAID)
        assert first
        assert second
        say(owner)
        assert heard(owner) == "2"
        owner.kill()
        assert owner.wait() == -signal.SIGKILL
    third = poster.post("job", PAID)

    assert third == 0, "nobody runs it any more"
    assert poster.is_heard(first) is True
    poster.claim("job")
    assert list(poster.mail()) == [Letter(second, "job", PAID)]
    assert list(poster.read("job")[1]) == [YES]


def test_a_letter_to_an_owner_that_was_killed_can_be_taken_back(disk: Place) -> None:
    poster = disk.open()
    with process(OWNER, disk) as owner:
        assert heard(owner) == "owned"
        letter = poster.post("job", YES)
        owner.kill()
        owner.wait()

    assert poster.is_heard(letter) is False
    poster.claim("job")
    assert list(poster.mail()) == []


def test_looking_for_mail_waits_for_no_writer(disk: Place) -> None:
    owner = disk.open()
    owner.create(header())
    letter = owner.post("job", YES)
    with closing(sqlite3.connect(disk.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert list(owner.mail()) == [Letter(letter, "job", YES)]
        other.execute("ROLLBACK")


# -------------------------------------------------------------------------------------------------------------------- races

#: Waits for the word, does what the last argument says, and tells how that went.
RACER = (
    SCRIPT
    + """
from murakkab.errors import MurakkabError
from murakkab.runtime.messages import SignalReceived

journal = open_journal()
tell("ready")
for line in sys.stdin:
    try:
        if "claim" == DEED:
            journal.claim("job")
            tell("done")
            sys.stdin.readline()
            journal.append("job", TaskSucceeded(1.0, "claimed", None, 0.5))
            journal.finish("job", "failed", 3.0)
        elif "delete" == DEED:
            journal.delete("job")
            tell("done")
        elif "create" == DEED:
            journal.create(JobHeader("new", {"workflow": "test"}, {}, {}, 1000.0))
            tell("done")
        elif "post" == DEED:
            numbers = [journal.post("job", SignalReceived(1.0, "paid", n)) for n in range(50)]
            tell("done" if all(numbers) else "nobody")
    except MurakkabError as exc:
        tell(exc.code)
    break
sys.stdin.read()
"""
)


def outcomes(disk: Place, *deeds: str) -> list[str]:
    """Return how things went that processes did at the same moment."""
    with ExitStack() as stack:
        racers = [stack.enter_context(process(f"DEED = {deed!r}\n{RACER}", disk)) for deed in deeds]
        assert [heard(one) for one in racers] == ["ready"] * len(deeds)
        for one in racers:
            say(one)
        return [heard(one) for one in racers]


def ended(disk: Place, status: str = "failed") -> None:
    """Leave a job that nobody runs."""
    journal = disk.open()
    journal.create(header())
    journal.append("job", succeeded("a"))
    journal.finish("job", status, 2.0)
    journal.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("deeds", "went"),
    [
        (("claim", "claim", "claim"), [["conflict", "conflict", "done"]]),
        (("delete", "delete"), [["done", "not-found"], ["conflict", "done"]]),
        (("create", "create", "create"), [["conflict", "conflict", "done"]]),
        (("claim", "delete"), [["conflict", "done"], ["done", "not-found"]]),
    ],
    ids=["claim", "delete", "create", "claim and delete"],
)
def test_of_processes_that_want_the_same_one_gets_it(disk: Place, deeds: Sequence[str], went: list[list[str]]) -> None:
    ended(disk)

    assert sorted(outcomes(disk, *deeds)) in went


@pytest.mark.timeout(60)
def test_everything_that_many_processes_post_arrives_once(disk: Place) -> None:
    owner = disk.open()
    owner.create(header())
    owner.read("job")
    assert outcomes(disk, "post", "post", "post") == ["done"] * 3
    letters = owner.mail()

    assert sorted(letter.event.value for letter in letters) == sorted([*range(50)] * 3)  # type: ignore[union-attr]
    assert [letter.number for letter in letters] == sorted({letter.number for letter in letters})


# ------------------------------------------------------------------------------------------------------------------ the end


def test_a_job_that_runs_elsewhere_cannot_be_deleted(disk: Place) -> None:
    here, there = disk.open(), disk.open()
    here.create(header())
    here.append("job", succeeded("a"))
    here.read("job")

    with pytest.raises(ConflictError, match="running in another process"):
        there.delete("job")
    here.finish("job", "failed", 2.0)
    there.delete("job")
    with pytest.raises(NotFoundError):
        here.claim("job")


def test_a_deleted_job_does_not_come_back_with_a_tail_that_is_folded_again(disk: Place) -> None:
    first, second = disk.open(), disk.open()
    first.create(header())
    first.append("job", succeeded("a"))
    first.flush()
    kept = tail_of(first, disk).read_bytes()
    first.finish("job", "failed", 2.0)
    second.delete("job")
    (disk.tails / "dead.000000000.tail").write_bytes(kept)
    third = disk.open()

    assert list(third.jobs()) == []
    with pytest.raises(NotFoundError):
        third.read("job")
    first.close()
    second.close()
    third.compact()
    assert rows(disk, "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM events), (SELECT count(*) FROM workflows)") == [(0, 0, 0)]


def test_the_text_of_a_workflow_stays_while_others_may_rely_on_it(disk: Place) -> None:
    here, there = disk.open(), disk.open()
    here.create(header("old"))
    here.finish("old", "failed", 2.0)
    there.delete("old")
    there.compact()
    # It has written that text before, and does not write it again.
    here.create(header("new"))
    assert there.read("new" if here.jobs() else "")[0].workflow == WORKFLOW
    here.finish("new", "failed", 3.0)
    here.close()
    there.delete("new")
    there.compact()
    assert rows(disk, "SELECT count(*) FROM workflows") == [(0,)]
    there.create(header("newest"))

    assert there.read("newest")[0].workflow == WORKFLOW


def size(disk: Place) -> int:
    return disk.path.stat().st_size


@pytest.mark.parametrize("others", [0, 1])
def test_the_space_of_deleted_jobs_is_given_back_also_while_others_have_the_file_open(disk: Place, others: int) -> None:
    journal = disk.open()
    for number in range(20):
        journal.create(header(f"job-{number}"))
        for event in range(20):
            journal.append(f"job-{number}", succeeded(str(event), "x" * 5000))
        journal.finish(f"job-{number}", "failed", 2.0)
    beside = [disk.open() for _ in range(others)]
    assert len(living_owners(disk.tails)) == 1 + others
    journal.compact()
    before = size(disk)
    for number in range(19):
        journal.delete(f"job-{number}")
    journal.compact()

    assert size(disk) < before / 5
    assert [event.value for event in journal.read("job-19")[1]] == ["x" * 5000] * 20  # type: ignore[union-attr]
    for one in beside:
        one.claim("job-19")


def test_a_reader_keeps_the_file_from_being_cut_and_nothing_breaks(disk: Place) -> None:
    ended(disk)
    journal = disk.open()
    with closing(sqlite3.connect(disk.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
        assert isinstance(journal, SqliteJournal)
        journal._db.execute("PRAGMA busy_timeout = 1")
        journal.delete("job")
        journal.compact()
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    journal.compact()

    assert list(journal.jobs()) == []


def test_a_file_that_is_busy_is_told(disk: Place) -> None:
    ended(disk)
    journal = disk.open()
    assert isinstance(journal, SqliteJournal)
    journal._db.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(disk.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for ask in (lambda: journal.delete("job"), lambda: journal.is_heard(1)):
            with pytest.raises(BackendError, match="database is locked"):
                ask()
        other.execute("ROLLBACK")
    journal.delete("job")


def test_events_are_counted_without_being_read(disk: Place) -> None:
    journal = disk.open()
    for number in range(3):
        journal.create(header(f"job-{number}", created=float(number)))
        for event in range(number):
            journal.append(f"job-{number}", succeeded(str(event)))
        journal.finish(f"job-{number}", "failed", 2.0)
        journal.claim(f"job-{number}")
        journal.append(f"job-{number}", succeeded("more"))

    assert [(one.job, one.events) for one in journal.jobs()] == [("job-2", 3), ("job-1", 2), ("job-0", 1)]


# --------------------------------------------------------------------------------------------------------- the first format

FIRST_FORMAT = """
CREATE TABLE workflows (digest TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
    job TEXT PRIMARY KEY, workflow TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL, finished REAL, owner TEXT,
    digest_of TEXT NOT NULL, header TEXT NOT NULL
);
CREATE INDEX jobs_by_time ON jobs (created);
CREATE TABLE events (
    job TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, number)
) WITHOUT ROWID;
PRAGMA user_version = 1;
INSERT INTO workflows VALUES ('d1', '{"workflow":"test"}');
INSERT INTO jobs VALUES ('done', 'test', 'succeeded', 1.0, 2.0, NULL, 'd1',
    '{"job":"done","workflow":"d1","choices":{"a":"fake"},"inputs":{"x":1},"created":1.0,"name":"test"}');
INSERT INTO jobs VALUES ('cut', 'test', 'running', 3.0, NULL, 'abc', 'd1',
    '{"job":"cut","workflow":"d1","choices":{},"inputs":{},"created":3.0,"name":"test"}');
INSERT INTO events VALUES ('done', 1, 'JobSubmitted', '[1.0,{"x":1}]');
INSERT INTO events VALUES ('done', 2, 'TaskSucceeded', '[2.0,"a",7,1.5,false,0.0,null,"fake"]');
INSERT INTO events VALUES ('cut', 1, 'JobSubmitted', '[3.0,{}]');
"""
FIRST_TAIL = b'cut\t2\tTaskSucceeded\t[4.0,"a","y",3.5,false,0.0,null,""]\ncut\t3\tTaskFailed\t[5.0,"b","timeout","late",true,4.0]\n'


@pytest.fixture
def old(disk: Place) -> Place:
    """A file of the first format, and what a process of that time has left when it died."""
    disk.path.parent.mkdir()
    disk.tails.mkdir()
    with closing(sqlite3.connect(disk.path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(FIRST_FORMAT)
    (disk.tails / "abc.000000000.tail").write_bytes(FIRST_TAIL)
    (disk.tails / "abc.lock").write_bytes(b"")
    return disk


def test_a_file_of_the_first_format_is_read_and_goes_on(old: Place) -> None:
    journal = old.open()

    assert [(one.job, one.status, one.events) for one in journal.jobs()] == [("cut", "interrupted", 3), ("done", "succeeded", 2)]
    assert [type(event).__name__ for event in journal.read("cut")[1]] == ["JobSubmitted", "TaskSucceeded", "TaskFailed"]
    assert journal.read("done")[0].inputs == {"x": 1}
    journal.claim("cut")
    letter = journal.post("cut", PAID)
    assert list(journal.mail()) == [Letter(letter, "cut", PAID)]
    journal.append("cut", PAID, letter=letter)
    journal.finish("cut", "succeeded", 6.0)
    journal.close()

    assert rows(old, "PRAGMA user_version") == [(2,)]
    assert [(one.job, one.status, one.events) for one in old.open().jobs()] == [("cut", "succeeded", 4), ("done", "succeeded", 2)]


def test_a_file_of_the_first_format_gives_space_back_once_one_is_alone_with_it(old: Place) -> None:
    journal = old.open()
    journal.create(header("large"))
    for number in range(200):
        journal.append("large", succeeded(str(number), "x" * 5000))
    journal.finish("large", "failed", 2.0)
    journal.delete("large")
    other = old.open()
    journal.compact()
    before = size(old)
    assert rows(old, "PRAGMA auto_vacuum") == [(0,)], "it would take long, and another may want to write"
    other.close()
    journal.compact()

    assert size(old) < before / 5
    assert rows(old, "PRAGMA auto_vacuum") == [(2,)]
    assert [one.job for one in journal.jobs()] == ["cut", "done"]
    assert [event.task for event in journal.read("done")[1][1:]] == ["a"]  # type: ignore[union-attr]


@pytest.mark.timeout(60)
def test_processes_that_open_a_file_of_the_first_format_at_the_same_moment_bring_it_up_once(old: Place) -> None:
    script = SCRIPT + 'tell("ready")\nsys.stdin.readline()\njournal = open_journal()\ntell(len(journal.jobs()))\nsys.stdin.read()\n'
    with process(script, old) as one, process(script, old) as two:
        assert [heard(one), heard(two)] == ["ready", "ready"]
        say(one)
        say(two)
        assert [heard(one), heard(two)] == ["2", "2"]


def test_a_journal_that_cannot_be_opened_leaves_no_file_open(disk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: SqliteJournal) -> None:
        raise BackendError("the disk is gone")

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(sqlite_journal.SqliteJournal, "_recover", broken)
    with pytest.raises(BackendError):
        disk.open()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
