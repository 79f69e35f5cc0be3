"""driver: the journal on disk - SQLite in WAL mode for whoever reads, a tail per process for whoever writes (see `runtime.tail`)."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from murakkab.errors import ConflictError, NotFoundError
from murakkab.ports import Artifacts, JobHeader, JobSummary
from murakkab.runtime.codec import decoded, decoded_header, encoded, encoded_header, encoded_workflow
from murakkab.runtime.messages import Event
from murakkab.runtime.tail import Line, Recovery, Tail, dead_owners, is_alive, lines_of, segments

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
#: Seconds of the jobs' time after which an event is written although nothing has asked for it.
_FLUSH_AFTER = 0.001
#: A body longer than this many characters lives in the artifact store and is referred to.
_SPILL = 65_536
#: Workflows whose text is known to be written, at a time.
_WORKFLOWS_REMEMBERED = 1024


class SqliteJournal:
    """Jobs in one SQLite file, shared by any number of processes. `sync`: survive a power cut, at a disk flush per event."""

    def __init__(self, path: Path, artifacts: Artifacts, *, sync: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = path.with_name(path.name + "-tails")
        self._artifacts = artifacts
        self._path = path
        #: Guards the tail and what is pending: held for microseconds. `_database` is held for whole transactions, and taken first.
        self._mutex = threading.Lock()
        self._database = threading.RLock()
        self._db = self._connect()
        with self._db:
            self._db.executescript(_SCHEMA)
        self._numbers: dict[str, int] = {}
        self._flushed = 0.0
        self._workflows: dict[int, tuple[Mapping[str, Any], str]] = {}
        self._pending: list[Line] = []
        self._some = threading.Event()
        self._closing = threading.Event()
        self._broken: Exception | None = None
        with Recovery(self._folder):
            self._recover()
            self._tail = Tail(self._folder, sync=sync)
        self._folder_thread = threading.Thread(target=self._keep_folding, name="murakkab-journal", daemon=True)
        self._folder_thread.start()

    def create(self, header: JobHeader, *, is_fresh: bool = False) -> None:
        """See `ports.Journal`."""
        digest = self._workflow_digest(header.workflow)
        if header.job in self._numbers or (not is_fresh and self._row(header.job) is not None):
            raise ConflictError(f"job {header.job!r} exists already")
        self._numbers[header.job] = 0
        self._write(header.job, "header", encoded_header(header, digest))

    def append(self, job: str, event: Event) -> None:
        """See `ports.Journal`."""
        self._write(job, type(event).__name__, encoded(event))
        if event.time - self._flushed > _FLUSH_AFTER:
            self.flush()
            self._flushed = event.time

    def flush(self) -> None:
        """See `ports.Journal`."""
        with self._mutex:
            self._tail.flush()

    def finish(self, job: str, status: str, time: float) -> None:
        """See `ports.Journal`."""
        self._write(job, "finish", f"{time!r} {status}")
        self.flush()
        del self._numbers[job]

    def claim(self, job: str) -> None:
        """See `ports.Journal`."""
        with Recovery(self._folder):
            self._recover()
        self._fold()
        row = self._row(job)
        if row is None:
            raise NotFoundError(f"there is no job {job!r}", hint="`murakkab jobs` lists them")
        owner = row[0]
        if owner == self._tail.owner or (owner and is_alive(self._folder, owner)):
            raise ConflictError(f"job {job!r} is running in another process" if owner != self._tail.owner else f"job {job!r} is running")
        with self._database, self._db:
            sql = "UPDATE jobs SET owner = ?, status = 'running', finished = NULL WHERE job = ? AND owner IS ?"
            if self._db.execute(sql, (self._tail.owner, job, owner)).rowcount != 1:
                raise ConflictError(f"job {job!r} was just taken by another process")
            last = self._db.execute("SELECT max(number) FROM events WHERE job = ?", (job,)).fetchone()[0]
        self._numbers[job] = (last or 0) + 1

    def read(self, job: str) -> tuple[JobHeader, Sequence[Event]]:
        """See `ports.Journal`."""
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
        self._fold()
        sql = """SELECT job, workflow, status, created, finished, owner,
            (SELECT count(*) FROM events e WHERE e.job = j.job) FROM jobs j ORDER BY created DESC"""
        with self._database:
            rows = self._db.execute(sql).fetchall()
        living = {owner: is_alive(self._folder, owner) for owner in {row[5] for row in rows if row[5]} - {self._tail.owner}}
        return [
            JobSummary(job, name, "interrupted" if status == "running" and not living.get(owner, bool(owner)) else status, created, finished, count)
            for job, name, status, created, finished, owner, count in rows
        ]

    def close(self) -> None:
        """See `ports.Journal`."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._some.set()
        self._folder_thread.join()
        self._fold()
        with self._database:
            with self._db:
                self._disown(self._tail.owner)
            self._tail.close()
            self._db.close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=30.0, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    def _workflow_digest(self, workflow: Mapping[str, Any]) -> str:
        """Return the digest of *workflow*, written down the first time it is seen; most jobs run one that is known."""
        known = self._workflows.get(id(workflow))
        if known is None or known[0] is not workflow:
            text, digest = encoded_workflow(workflow)
            if len(self._workflows) > _WORKFLOWS_REMEMBERED:
                self._workflows.clear()
            known = self._workflows[id(workflow)] = (workflow, digest)
            self._numbers.setdefault(digest, 0)
            self._write(digest, "workflow", text)
            del self._numbers[digest]
        return known[1]

    def _row(self, job: str) -> tuple[str | None] | None:
        with self._database:
            row: tuple[str | None] | None = self._db.execute("SELECT owner FROM jobs WHERE job = ?", (job,)).fetchone()
        return row

    def _write(self, job: str, kind: str, body: str) -> None:
        if len(body) > _SPILL:
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
            except Exception as exc:  # noqa: BLE001 - told to whoever writes next: a journal that cannot keep up must stop the jobs
                with self._mutex:
                    self._broken = exc
                return

    def _fold(self) -> None:
        """Move what the tail holds into the database."""
        with self._database:
            with self._mutex:
                self._some.clear()
                lines, self._pending = self._pending, []
                if not lines:
                    return
                done = self._tail.rotate()
            with self._db:
                _insert(self._db, lines, self._tail.owner, self._artifacts)
            for segment in done:
                segment.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Fold the tails of processes that died, and give up their jobs. Only under `Recovery`."""
        for owner in dead_owners(self._folder):
            left = segments(self._folder, owner)
            with self._database, self._db:
                for segment in left:
                    _insert(self._db, lines_of(segment), owner, self._artifacts)
                self._disown(owner)
            for path in (*left, self._folder / f"{owner}.lock"):
                path.unlink(missing_ok=True)

    def _disown(self, owner: str) -> None:
        self._db.execute("UPDATE jobs SET owner = NULL, status = 'interrupted' WHERE owner = ? AND status = 'running'", (owner,))
        self._db.execute("UPDATE jobs SET owner = NULL WHERE owner = ?", (owner,))


def _insert(db: sqlite3.Connection, lines: Iterable[Line], owner: str, artifacts: Artifacts) -> None:
    """Write lines to the database; those that are there already are left alone."""
    events: list[Line] = []
    ends: list[tuple[str, float, str]] = []
    for line in lines:
        job, _, kind, body = line
        if kind == "workflow":
            db.execute("INSERT OR IGNORE INTO workflows VALUES (?, ?)", (job, body))
        elif kind == "header":
            _insert_job(db, json.loads(_whole(body, artifacts)), owner, body)
        elif kind == "finish":
            time, _, status = body.partition(" ")
            ends.append((job, float(time), status))
        else:
            events.append(line)
    db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", events)
    for job, finished, status in ends:
        db.execute("UPDATE jobs SET owner = NULL WHERE job = ? AND owner = ?", (job, owner))
        if status:
            db.execute("UPDATE jobs SET status = ?, finished = ? WHERE job = ?", (status, finished, job))


def _insert_job(db: sqlite3.Connection, header: Mapping[str, Any], owner: str, body: str) -> None:
    row = (header["job"], header["name"], "running", header["created"], None, owner, header["workflow"], body)
    db.execute("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _whole(body: str, artifacts: Artifacts) -> str:
    """Return the body, fetched from the artifact store when it was too long for the journal."""
    return artifacts.get({"uri": body[1:]}).decode() if body.startswith("@") else body
