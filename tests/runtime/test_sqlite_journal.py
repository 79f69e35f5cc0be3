"""What the journal on disk promises beside the contract: several owners, a full disk, and what a user can get wrong."""

import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from murakkab.errors import BackendError, ConflictError, InputError
from murakkab.ports import Journal
from murakkab.runtime import sqlite_journal
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.sqlite_journal import SqliteJournal
from tests.journals import WORKFLOW, Place, header, only_tail, rows, succeeded


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Place]:
    with closing(Place("sqlite", tmp_path)) as made:
        yield made


# -------------------------------------------------------------------------------------------------- two owners, one file


def test_a_job_belongs_to_one_journal_at_a_time(disk: Place) -> None:
    here, there = disk.open(), disk.open()
    here.create(header())
    here.append("job", succeeded("a"))
    here.read("job")

    assert [one.status for one in there.jobs()] == ["running"]
    with pytest.raises(ConflictError, match="running in another process"):
        there.claim("job")
    with pytest.raises(ConflictError, match="exists already"):
        there.create(header())


def test_a_job_given_up_can_be_claimed_by_another_at_once(disk: Place) -> None:
    here, there = disk.open(), disk.open()
    here.create(header())
    here.append("job", succeeded("a"))
    here.finish("job", "failed", 2.0)

    there.claim("job")
    with pytest.raises(ConflictError, match="running in another process"):
        here.claim("job")
    there.append("job", succeeded("b"))
    there.finish("job", "interrupted", 3.0)
    here.claim("job")
    here.append("job", succeeded("c"))

    assert [event.task for event in here.read("job")[1]] == ["a", "b", "c"]


def test_of_many_who_claim_at_once_one_gets_the_job(disk: Place) -> None:
    first = disk.open()
    first.create(header())
    first.finish("job", "failed", 2.0)
    others = [disk.open() for _ in range(4)]
    start = threading.Barrier(4)
    got: list[str] = []

    def claim(one: Journal) -> None:
        start.wait()
        try:
            one.claim("job")
            got.append("claimed")
        except ConflictError:
            got.append("refused")

    threads = [threading.Thread(target=claim, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == ["claimed", "refused", "refused", "refused"]


def test_a_closed_journal_takes_nothing_more(disk: Place) -> None:
    journal = disk.open()
    journal.create(header())
    journal.close()

    with pytest.raises(ConflictError, match="closed"):
        journal.append("job", succeeded("a"))


def test_the_text_of_a_workflow_is_written_once(disk: Place) -> None:
    first = disk.open()
    for number in range(20):
        first.create(header(f"job-{number}"), is_fresh=True)
    first.create(header("alike", workflow=dict(WORKFLOW)))
    first.create(header("other", workflow={**WORKFLOW, "workflow": "other"}))
    first.close()
    second = disk.open()
    second.create(header("later", workflow=dict(WORKFLOW)))
    second.read("later")

    assert rows(disk, "SELECT count(*) FROM workflows") == [(2,)]
    assert second.read("alike")[0].workflow == WORKFLOW
    assert [one.workflow for one in second.jobs() if one.job == "other"] == ["other"]


def test_large_values_are_files_and_small_ones_are_not(disk: Place) -> None:
    journal = disk.open()
    journal.create(header())
    journal.append("job", succeeded("a", "x" * 1_000_000))
    journal.append("job", succeeded("b", "y" * 1000))
    journal.read("job")

    assert rows(disk, "SELECT length(body) < 1000, body LIKE '@file://%' FROM events ORDER BY number") == [(1, 1), (0, 0)]
    assert len([path for path in (disk.folder / "artifacts").rglob("*") if path.is_file()]) == 1


def test_a_journal_that_was_closed_leaves_no_tail(disk: Place) -> None:
    journal = disk.open()
    journal.create(header())
    journal.append("job", succeeded("a"))
    journal.close()

    assert [path.name for path in disk.tails.iterdir()] == ["recovery.lock"]


# ---------------------------------------------------------------------------------------------- what a user can get wrong


def opened(path: Path) -> SqliteJournal:
    return SqliteJournal(path, LocalArtifacts(path.parent / "artifacts"))


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(InputError, match=r"file/home cannot hold a journal: Not a directory; give another folder"):
        opened(tmp_path / "file" / "home" / "journal.db")


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")

    with pytest.raises(InputError, match="home cannot hold a journal"):
        opened(tmp_path / "home" / "journal.db")


def test_a_folder_that_cannot_be_written_is_a_clear_error() -> None:
    with pytest.raises(InputError, match=r"/proc/murakkab cannot hold a journal"):
        opened(Path("/proc/murakkab/journal.db"))


def test_a_file_in_the_place_of_the_tails_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "journal.db-tails").write_text("not a folder")

    with pytest.raises(InputError, match="cannot hold a journal"):
        opened(tmp_path / "journal.db")


def test_another_kind_of_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("a diary, not a database " * 100)

    with pytest.raises(InputError, match="cannot be used as a journal: file is not a database; give another place"):
        opened(path)
    assert path.read_text().startswith("a diary")
    assert [found.name for found in (tmp_path / "journal.db-tails").iterdir()] == ["recovery.lock"]


def test_a_folder_in_the_place_of_the_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()

    with pytest.raises(InputError, match="cannot be used as a journal: unable to open"):
        opened(tmp_path / "journal.db")


def test_a_file_of_a_newer_format_is_refused_and_left_alone(disk: Place) -> None:
    disk.open().close()
    ((version,),) = rows(disk, "PRAGMA user_version")
    rows(disk, f"PRAGMA user_version = {version + 1}")
    rows(disk, "DROP TABLE events")

    with pytest.raises(InputError, match=r"newer version of Murakkab.*; update Murakkab"):
        disk.open()
    assert rows(disk, "SELECT name FROM sqlite_master WHERE name = 'events'") == []


# --------------------------------------------------------------------------------------------------------- a full disk


@contextmanager
def full_disk(most: int = 1) -> Iterator[None]:
    """No file of this process may grow beyond *most* bytes; the error is that of a file that is too large."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def lazy(disk: Place, monkeypatch: pytest.MonkeyPatch) -> SqliteJournal:
    """A journal that folds its tail only when it is asked something."""
    monkeypatch.setattr(sqlite_journal, "_FOLD_EVERY", 1e6)
    return SqliteJournal(disk.path, LocalArtifacts(disk.folder / "artifacts"))


def test_a_full_disk_is_told_and_nothing_is_lost_or_torn(disk: Place, lazy: SqliteJournal) -> None:
    lazy.create(header())
    lazy.append("job", succeeded("a"))
    lazy.flush()
    tail = only_tail(disk)
    whole = tail.stat().st_size
    # Room for the first bytes of the line: they must not stay.
    with full_disk(whole + 10):
        lazy.append("job", succeeded("b"))
        with pytest.raises(BackendError, match=r"cannot be written: File too large; mend that \(is the disk full\?\), then resume"):
            lazy.flush()
        assert tail.stat().st_size == whole
    lazy.append("job", succeeded("c"))
    lazy.flush()

    assert [event.task for event in lazy.read("job")[1]] == ["a", "b", "c"]
    lazy.close()
    assert [event.task for event in disk.open().read("job")[1]] == ["a", "b", "c"]


def test_a_large_value_on_a_full_disk_is_told(lazy: SqliteJournal) -> None:
    lazy.create(header())
    lazy.flush()
    with full_disk(), pytest.raises(BackendError, match="cannot be written"):
        lazy.append("job", succeeded("a", "x" * 100_000))
    lazy.append("job", succeeded("b"))

    assert [event.task for event in lazy.read("job")[1]] == ["b"]
    lazy.close()


def test_asking_and_closing_on_a_full_disk_is_told_and_the_next_to_open_finds_everything(disk: Place, lazy: SqliteJournal) -> None:
    lazy.create(header())
    for number in range(5):
        lazy.append("job", succeeded(str(number)))
    lazy.flush()
    with full_disk():
        for ask in (lazy.jobs, lambda: lazy.read("job"), lambda: lazy.claim("job"), lambda: lazy.create(header("x")), lazy.close):
            with pytest.raises(BackendError, match="cannot be written"):
                ask()
    lazy.flush()
    journal = disk.open()

    assert [event.task for event in journal.read("job")[1]] == list("01234")
    assert {one.job: one.status for one in journal.jobs()} == {"job": "interrupted"}


def test_a_journal_that_cannot_keep_up_stops_the_jobs_and_goes_on_when_it_can(disk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_journal, "_FOLD_EVERY", 0.001)
    monkeypatch.setattr(sqlite_journal, "_FOLD_AGAIN", 0.001)
    journal = disk.open()
    journal.create(header())
    journal.read("job")
    written: list[str] = []

    def write_until(journal: Journal, *, broken: bool) -> None:
        """Write until the journal says that it cannot keep up, or until it can again."""
        while True:
            try:
                journal.append("job", succeeded(str(len(written))))
            except BackendError as error:
                assert "cannot be written: database is locked" in str(error)  # noqa: PT017 - it comes at some moment, or went at some
                if broken:
                    return
            else:
                written.append(str(len(written)))
                if not broken:
                    return
            journal.flush()

    with closing(sqlite3.connect(disk.path, isolation_level=None)) as other:
        assert isinstance(journal, SqliteJournal)
        journal._db.execute("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")
        write_until(journal, broken=True)
        other.execute("ROLLBACK")
    write_until(journal, broken=False)

    assert [event.task for event in journal.read("job")[1]] == written


def test_a_workflow_that_could_not_be_written_is_written_with_the_next_job(disk: Place) -> None:
    workflow = {"workflow": "large", "description": "x" * 100_000}
    journal = disk.open()
    with full_disk(), pytest.raises(BackendError):
        journal.create(header("one", workflow=workflow))
    journal.create(header("two", workflow=workflow))
    journal.create(header("one", workflow=workflow))

    assert journal.read("two")[0].workflow == journal.read("one")[0].workflow == workflow
