"""driver: the journal on disk - SQLite in WAL mode for whoever reads, a tail per process for whoever writes (see `runtime.tail`)."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from murakkab.errors import BackendError, ConflictError, InputError, MurakkabError, NotFoundError
from murakkab.ports import Artifacts, JobHeader, JobSummary
from murakkab.runtime.codec import decoded, decoded_header, encoded, encoded_header, encoded_workflow
from murakkab.runtime.messages import Event
from murakkab.runtime.tail import Line, Recovery, Tail, dead_owners, is_alive, is_known, lines_of, segments

#: The format of the file, in its `user_version`. A file of a newer format is refused.
_VERSION: Final = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS workflows (digest TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    job TEXT PRIMARY KEY, workflow TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL, finished REAL, owner TEXT,
    digest_of TEXT NOT NULL, header TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (created);
CREATE TABLE IF NOT EXISTS events (
    job TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, number)
) WITHOUT ROWID;
"""
#: Seconds between folds of the tail into the database; what other processes see lags by this much.
_FOLD_EVERY = 0.05
#: Seconds until a fold that failed is tried again.
_FOLD_AGAIN = 1.0
#: Seconds of the jobs' time after which an event is written although nothing has asked for it.
_FLUSH_AFTER = 0.001
#: A body longer than this many characters lives in the artifact store and is referred to.
_SPILL = 65_536
#: Workflows whose text is known to be written, at a time.
_WORKFLOWS_REMEMBERED = 1024
_NO_JOB: Final = ""


class SqliteJournal:
    """Jobs in one SQLite file, shared by any number of processes. `sync`: survive a power cut, at a disk flush per event."""

    def __init__(self, path: Path, artifacts: Artifacts, *, sync: bool = False) -> None:
        """Open the journal and recover what dead processes left.

        Raises `InputError` when *path* cannot be written, is another kind of file, or was written by a newer version.
        """
        self._folder = path.with_name(path.name + "-tails")
        self._artifacts = artifacts
        #: Guards the tail and what is pending: held for microseconds. `_database` is held for whole transactions, and taken first.
        self._mutex = threading.Lock()
        self._database = threading.RLock()
        #: The next number of each job that this process owns.
        self._numbers: dict[str, int] = {}
        #: Status and end of jobs before they were claimed.
        self._before: dict[str, tuple[str, float | None]] = {}
        self._flushed = 0.0
        self._workflows: dict[int, tuple[Mapping[str, Any], str]] = {}
        self._pending: list[Line] = []
        self._some = threading.Event()
        self._closing = threading.Event()
        self._broken: MurakkabError | None = None
        self._db, self._tail = _opened(path, self._folder, sync=sync)
        try:
            self._recover()
        except BaseException:
            self._tail.close(is_folded=True)
            self._db.close()
            raise
        self._folder_thread = threading.Thread(target=self._keep_folding, name="murakkab-journal", daemon=True)
        self._folder_thread.start()

    def create(self, header: JobHeader, *, is_fresh: bool = False) -> None:
        """See `ports.Journal`."""
        digest = self._workflow_digest(header.workflow)
        text = encoded_header(header, digest)
        if header.job in self._numbers or (not is_fresh and self._owner(header.job) != _NO_JOB):
            raise ConflictError(f"job {header.job!r} exists already")
        self._numbers[header.job] = 0
        try:
            self._write(header.job, "header", text)
            if not is_fresh and self._owner(header.job) != self._tail.owner:
                raise ConflictError(f"job {header.job!r} was just begun by another process")
        except BaseException:
            del self._numbers[header.job]
            raise

    def append(self, job: str, event: Event) -> None:
        """See `ports.Journal`."""
        self._write(job, type(event).__name__, encoded(event))
        if event.time - self._flushed > _FLUSH_AFTER:
            self.flush()
            self._flushed = event.time

    def flush(self) -> None:
        """See `ports.Journal`."""
        with self._mutex:
            try:
                self._tail.flush()
            except OSError as exc:
                raise _unwritable(exc) from exc

    def finish(self, job: str, status: str, time: float) -> None:
        """See `ports.Journal`."""
        try:
            if status:
                self._write(job, "finish", f"{time!r} {status}")
                self.flush()
                if status != "succeeded":
                    # Another process may claim it from now on, and reads the database. What cannot be folded now will be.
                    with suppress(BackendError):
                        self._fold()
            else:
                self._fold()
                status_before, end_before = self._before.get(job, ("interrupted", None))
                with self._database, _writing(), self._db:
                    _end(self._db, job, self._tail.owner, status_before, end_before)
        finally:
            self._before.pop(job, None)
            del self._numbers[job]

    def claim(self, job: str) -> None:
        """See `ports.Journal`."""
        self._recover()
        owner = self._owner(job)
        if owner == _NO_JOB:
            raise NotFoundError(f"there is no job {job!r}", hint="`murakkab jobs` lists them")
        if job in self._numbers:
            raise ConflictError(f"job {job!r} is running")
        # Not whether it lives: it may have died just now, with events in its tail.
        if owner and owner != self._tail.owner and is_known(self._folder, owner):
            raise ConflictError(f"job {job!r} is running in another process")
        with self._database, _writing(), self._db:
            self._before[job], self._numbers[job] = _take(self._db, job, owner, self._tail.owner)

    def read(self, job: str) -> tuple[JobHeader, Sequence[Event]]:
        """See `ports.Journal`."""
        self._recover()
        self._fold()
        with self._database:
            sql = "SELECT header, document FROM jobs JOIN workflows ON digest = digest_of WHERE job = ?"
            row = self._db.execute(sql, (job,)).fetchone()
            if row is None:
                raise NotFoundError(f"there is no job {job!r}", hint="`murakkab jobs` lists them")
            rows = self._db.execute("SELECT kind, body FROM events WHERE job = ? ORDER BY number", (job,)).fetchall()
        events = [decoded(kind, _whole(body, self._artifacts)) for kind, body in rows]
        return decoded_header(_whole(row[0], self._artifacts), json.loads(_whole(row[1], self._artifacts))), events

    def jobs(self) -> Sequence[JobSummary]:
        """See `ports.Journal`."""
        self._recover()
        self._fold()
        sql = """SELECT job, workflow, status, created, finished, owner,
            (SELECT count(*) FROM events e WHERE e.job = j.job) FROM jobs j ORDER BY created DESC"""
        with self._database:
            rows = self._db.execute(sql).fetchall()
        living = {owner: is_alive(self._folder, owner) for owner in {row[5] for row in rows if row[5]} - {self._tail.owner}}
        return [
            JobSummary(job, name, _status(status, is_owned=living.get(owner, bool(owner))), created, finished, count)
            for job, name, status, created, finished, owner, count in rows
        ]

    def close(self) -> None:
        """See `ports.Journal`."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._some.set()
        self._folder_thread.join()
        with self._mutex:
            self._broken = ConflictError("the journal is closed")
        is_folded = False
        with self._database:
            try:
                self._fold()
                with _writing(), self._db:
                    _disown(self._db, self._tail.owner)
                is_folded = True
            finally:
                self._tail.close(is_folded=is_folded)
                self._db.close()

    def _workflow_digest(self, workflow: Mapping[str, Any]) -> str:
        """Return the digest of *workflow*, written down the first time it is seen; most jobs run one that is known."""
        known = self._workflows.get(id(workflow))
        if known is None or known[0] is not workflow:
            text, digest = encoded_workflow(workflow)
            if len(self._workflows) > _WORKFLOWS_REMEMBERED:
                self._workflows.clear()
            self._numbers[digest] = 0
            try:
                self._write(digest, "workflow", text)
            finally:
                del self._numbers[digest]
            known = self._workflows[id(workflow)] = (workflow, digest)
        return known[1]

    def _owner(self, job: str) -> str | None:
        """Return who owns *job*, None when nobody does, and `_NO_JOB` when there is no such job."""
        self._fold()
        with self._database:
            row: tuple[str | None] | None = self._db.execute("SELECT owner FROM jobs WHERE job = ?", (job,)).fetchone()
        return _NO_JOB if row is None else row[0]

    def _write(self, job: str, kind: str, body: str) -> None:
        if len(body) > _SPILL:
            with _writing():
                body = "@" + str(self._artifacts.put(body.encode(), suffix=".json", media_type="application/json")["uri"])
        with self._mutex:
            if self._broken is not None:
                raise self._broken
            number = self._numbers[job]
            self._numbers[job] = number + 1
            line = (job, number, kind, body)
            self._tail.append(line)
            if not self._pending:
                self._some.set()
            self._pending.append(line)

    def _keep_folding(self) -> None:
        while not self._closing.is_set():
            self._some.wait()
            self._closing.wait(_FOLD_EVERY)
            try:
                self._fold()
            except Exception as exc:
                # Told to whoever writes next: a journal that cannot keep up must stop the jobs. The tail still has it all.
                with self._mutex:
                    if self._pending:
                        self._broken = exc if isinstance(exc, BackendError) else _unwritable(exc)
                self._closing.wait(_FOLD_AGAIN)

    def _fold(self) -> None:
        """Move what the tail holds into the database."""
        with self._database, _writing():
            with self._mutex:
                if not self._pending:
                    self._some.clear()
                    return
                done = self._tail.rotate()
                lines, self._pending = self._pending, []
                self._some.clear()
            try:
                with self._db:
                    _insert(self._db, lines, self._tail.owner, self._artifacts)
            except BaseException:
                with self._mutex:
                    self._pending[:0] = lines
                    self._some.set()
                raise
            with self._mutex:
                if isinstance(self._broken, BackendError):
                    self._broken = None
            for segment in done:
                segment.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Fold the tails of processes that died, and give up their jobs."""
        with _writing():
            if not dead_owners(self._folder):
                return
            with Recovery(self._folder):
                for owner in dead_owners(self._folder):
                    left = segments(self._folder, owner)
                    with self._database, self._db:
                        for segment in left:
                            _insert(self._db, lines_of(segment), owner, self._artifacts)
                        _disown(self._db, owner)
                    for path in (*left, self._folder / f"{owner}.lock"):
                        path.unlink(missing_ok=True)


def _opened(path: Path, folder: Path, *, sync: bool) -> tuple[sqlite3.Connection, Tail]:
    """Return the database and a tail of our own. Raises `InputError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A tail whose lock is not yet held looks like a dead owner's; nobody may look before it is.
        with Recovery(folder), ExitStack() as stack:
            db = stack.enter_context(closing(_connected(path, sync=sync)))
            tail = Tail(folder, sync=sync)
            stack.pop_all()
            return db, tail
    except OSError as exc:
        message = f"{path.parent} cannot hold a journal: {exc.strerror or exc}"
        raise InputError(message, hint="give another folder, or make that one writable") from exc


def _connected(path: Path, *, sync: bool) -> sqlite3.Connection:
    try:
        with ExitStack() as stack:
            db = stack.enter_context(closing(sqlite3.connect(path, timeout=30.0, check_same_thread=False)))
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                message = f"{path} was written by a newer version of Murakkab: format {version}, and this one knows up to {_VERSION}"
                raise InputError(message, hint="update Murakkab, or give another place")
            db.execute("PRAGMA journal_mode = WAL")
            # A segment is removed once it is folded: where a power cut matters, the fold must be on the disk by then.
            db.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            db.executescript(f"{_SCHEMA} PRAGMA user_version = {_VERSION};" if version != _VERSION else _SCHEMA)
            stack.pop_all()
            return db
    except sqlite3.Error as exc:
        raise InputError(f"{path} cannot be used as a journal: {exc}", hint="give another place, or move that file away") from exc


@contextmanager
def _writing() -> Iterator[None]:
    """Tell what SQLite and the disk refuse as `BackendError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise _unwritable(exc) from exc


def _unwritable(exc: Exception) -> BackendError:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return BackendError(f"the journal cannot be written: {reason}", hint="mend that (is the disk full?), then resume the job")


def _status(kept: str, *, is_owned: bool) -> str:
    return "interrupted" if kept == "running" and not is_owned else kept


def _insert(db: sqlite3.Connection, lines: Iterable[Line], owner: str, artifacts: Artifacts) -> None:
    """Write lines to the database; those that are there already are left alone."""
    events: list[Line] = []
    ends: list[tuple[str, float, str]] = []
    for line in lines:
        job, _, kind, body = line
        if kind == "workflow":
            db.execute("INSERT OR IGNORE INTO workflows VALUES (?, ?)", (job, body))
        elif kind == "header":
            # One too long for the journal may have been deleted with the artifacts: that job is lost, the others are not.
            with suppress(NotFoundError):
                _insert_job(db, json.loads(_whole(body, artifacts)), owner, body)
        elif kind == "finish":
            time, _, status = body.partition(" ")
            ends.append((job, float(time), status))
        else:
            events.append(line)
    db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", events)
    for job, finished, status in ends:
        _end(db, job, owner, status, finished)


def _take(db: sqlite3.Connection, job: str, owner: str | None, taker: str) -> tuple[tuple[str, float | None], int]:
    """Let *taker* own a job; return its status and end before that, and the number of its next event."""
    if db.execute("UPDATE jobs SET owner = ? WHERE job = ? AND owner IS ?", (taker, job, owner)).rowcount != 1:
        raise ConflictError(f"job {job!r} was just taken by another process")
    before = db.execute("SELECT status, finished FROM jobs WHERE job = ?", (job,)).fetchone()
    if before[0] == "succeeded":
        raise ConflictError(f"job {job!r} has succeeded; there is nothing to resume")
    db.execute("UPDATE jobs SET status = 'running', finished = NULL WHERE job = ?", (job,))
    last = db.execute("SELECT max(number) FROM events WHERE job = ?", (job,)).fetchone()[0]
    return before, (last or 0) + 1


def _end(db: sqlite3.Connection, job: str, owner: str, status: str, finished: float | None) -> None:
    # A segment may be folded twice, and another process may own the job by then.
    sql = "UPDATE jobs SET owner = NULL, status = ?, finished = ? WHERE job = ? AND owner = ?"
    db.execute(sql, (status, finished, job, owner))


def _disown(db: sqlite3.Connection, owner: str) -> None:
    db.execute("UPDATE jobs SET owner = NULL, status = 'interrupted' WHERE owner = ? AND status = 'running'", (owner,))
    db.execute("UPDATE jobs SET owner = NULL WHERE owner = ?", (owner,))


def _insert_job(db: sqlite3.Connection, header: Mapping[str, Any], owner: str, body: str) -> None:
    row = (header["job"], header["name"], "running", header["created"], None, owner, header["workflow"], body)
    db.execute("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _whole(body: str, artifacts: Artifacts) -> str:
    """Return the body, fetched from the artifact store when it was too long for the journal."""
    return artifacts.get({"uri": body[1:]}).decode() if body.startswith("@") else body
