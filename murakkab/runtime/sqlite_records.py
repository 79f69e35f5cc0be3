"""driver: the journal on disk as it stands, for whoever only looks. Nothing is written, so the disk may be full or read-only.

What processes have written to their tails and not yet folded into the database (see `runtime.tail`) is laid over it in memory.
"""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from murakkab.ports import Artifacts, JobHeader, JobSummary
from murakkab.runtime.codec import decoded, decoded_header
from murakkab.runtime.messages import Event
from murakkab.runtime.sqlite_rows import insert, is_damaged, job_rows, make_tables, no_job, reading, refuse_other, summaries, whole
from murakkab.runtime.tail import Line, every_owner, lines_of, segments

#: What SQLite says where it cannot make the files that it needs to read a log of others: no place, no right, no room.
_NO_ROOM: Final = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL))

#: A disk in memory, where there is one.
_MEMORY: Final = "/dev/shm"


class SqliteRecords:
    """See `ports.Records`. Close it after use."""

    def __init__(self, path: Path, artifacts: Artifacts) -> None:
        """Open the journal at *path*. Raises `InputError` for another kind of file, and `BackendError` for a damaged one."""
        self._path = path
        self._folder = path.with_name(path.name + "-tails")
        self._artifacts = artifacts
        self._open = ExitStack()
        with ExitStack() as stack, reading(path):
            self._db = _connected(path, stack)
            self._open = stack.pop_all()

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    def jobs(self) -> Sequence[JobSummary]:
        """See `ports.Records`."""
        with reading(self._path), self._overlay() as overlay:
            rows = {row[0]: row for row in job_rows(self._db)}
            for (job,) in overlay.execute("SELECT job FROM jobs"):
                rows.pop(job, None)
            rows.update((row[0], row) for row in job_rows(overlay))
            return summaries(sorted(rows.values(), key=_created, reverse=True), self._folder)

    def read(self, job: str) -> tuple[JobHeader, Sequence[Event]]:
        """See `ports.Records`."""
        with reading(self._path), self._overlay() as overlay:
            header, digest = self._first(overlay, "SELECT header, digest_of FROM jobs WHERE job = ?", job) or ("", "")
            document = self._first(overlay, "SELECT document FROM workflows WHERE digest = ?", digest)
            if document is None:
                raise no_job(job)
            sql = "SELECT number, kind, body FROM events WHERE job = ?"
            found = {number: (kind, body) for db in (self._db, overlay) for number, kind, body in db.execute(sql, (job,))}
            workflow = json.loads(whole(document[0], self._artifacts))
            events = [decoded(kind, whole(body, self._artifacts)) for _, (kind, body) in sorted(found.items())]
            return decoded_header(whole(header, self._artifacts), workflow), events

    def _first(self, overlay: sqlite3.Connection, sql: str, value: str) -> Any:
        return overlay.execute(sql, (value,)).fetchone() or self._db.execute(sql, (value,)).fetchone()

    @contextmanager
    def _overlay(self) -> Iterator[sqlite3.Connection]:
        """A database in memory of what is only in tails: the jobs it is about, what else is known of them, and events."""
        # The tails first: what is folded meanwhile is in the database then, and may be seen twice, but not missed.
        tails = {owner: _lines(self._folder, owner) for owner in every_owner(self._folder)}
        with closing(sqlite3.connect(":memory:")) as overlay:
            make_tables(overlay)
            for job in {line[0] for lines in tails.values() for line in lines}:
                for row in self._db.execute("SELECT * FROM jobs WHERE job = ?", (job,)):
                    overlay.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
                # The last alone, which numbers them.
                for row in self._db.execute("SELECT * FROM events WHERE job = ? ORDER BY number DESC LIMIT 1", (job,)):
                    overlay.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)
            for owner, lines in tails.items():
                insert(overlay, lines, owner, self._artifacts)
            yield overlay


def _lines(folder: Path, owner: str) -> list[Line]:
    lines: list[Line] = []
    for segment in segments(folder, owner):
        # One that is gone has just been folded.
        with suppress(FileNotFoundError):
            lines += lines_of(segment)
    return lines


def _created(row: tuple[Any, ...]) -> float:
    return float(row[3])


def _connected(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """Return the database, read and not written; also where SQLite cannot make the files that it keeps beside one in use."""
    try:
        db = _read_only(path, "mode=ro", stack)
    except sqlite3.OperationalError as exc:
        if is_damaged(exc, path) or getattr(exc, "sqlite_errorcode", 0) & 0xFF not in _NO_ROOM:
            raise
        # Nobody can write there, so nothing will change; but a log that was left there belongs to what is written.
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            folder = Path(stack.enter_context(_scratch()))
            for file in (path, log):
                shutil.copyfile(file, folder / file.name)
            db = _read_only(folder / path.name, "mode=rw", stack)
        else:
            db = _read_only(path, "immutable=1", stack)
    refuse_other(db, path)
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone():
        # Made just now: nothing is in it.
        db = stack.enter_context(closing(sqlite3.connect(":memory:")))
        make_tables(db)
    return db


def _scratch() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="murakkab-")
    except OSError:
        # The disk that is full may be the only one.
        return tempfile.TemporaryDirectory(prefix="murakkab-", dir=_MEMORY)


def _read_only(path: Path, how: str, stack: ExitStack) -> sqlite3.Connection:
    with ExitStack() as own:
        db = own.enter_context(closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=30.0)))
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        stack.push(own.pop_all())
    return db
