"""driver: what the file of the journal on disk holds - its tables, and every statement about them. Who may use it when is not said here."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from murakkab.errors import BackendError, ConflictError, InputError, NotFoundError
from murakkab.ports import Artifacts, JobSummary
from murakkab.runtime.tail import Line, is_alive

#: The format of the file, in its `user_version`. An older one is brought up to it; a file of a newer format is refused.
_VERSION: Final = 2
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
#: What each format has more than the one before it.
_UPGRADES: Final[Mapping[int, str]] = {
    # A number is never used again: who still has an old one in a tail must not mean a new letter.
    2: """
CREATE TABLE IF NOT EXISTS mail (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
);
""",
}
#: How every database of SQLite begins.
_MAGIC: Final = b"SQLite format 3\0"
#: The status of a job that is no more. Its row stays for a while: a tail that is folded once more must not bring it back.
DELETED: Final = "deleted"
#: Pages that are given back at a time; others may write in between.
_PAGES: Final = 2000
#: Milliseconds to wait for those who read.
_PATIENCE: Final = 200
#: Lines of a tail that are no events.
_MARKS: Final = frozenset(("workflow", "header", "finish", "dropped"))


def connected(path: Path, *, sync: bool) -> sqlite3.Connection:
    """Return the database at *path*, in the format of this version. Raises `InputError`."""
    try:
        with ExitStack() as stack:
            db = stack.enter_context(closing(sqlite3.connect(path, timeout=30.0, check_same_thread=False)))
            version = refuse_other(db, path)
            # Holds for a new file only; an old one is brought to it by `give_back`.
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            # A segment is removed once it is folded: where a power cut matters, the fold must be on the disk by then.
            db.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            _upgrade(db, version)
            stack.pop_all()
            return db
    except sqlite3.Error as exc:
        if is_damaged(exc, path):
            raise damaged(exc, path) from exc
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise unwritable(exc, path) from exc
        raise InputError(f"{path} cannot be used as a journal: {exc}", hint="give another place, or move that file away") from exc


def refuse_other(db: sqlite3.Connection, path: Path) -> int:
    """Return the format of a file. Raises `InputError` for one that is newer than this version."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > _VERSION:
        message = f"{path} was written by a newer version of Murakkab: format {version}, and this one knows up to {_VERSION}"
        raise InputError(message, hint="update Murakkab, or give another place")
    return version


def make_tables(db: sqlite3.Connection) -> None:
    """Make an empty journal of *db*."""
    _upgrade(db, 0)


def _upgrade(db: sqlite3.Connection, version: int) -> None:
    """Make the tables that are not there."""
    steps = (_SCHEMA, *(sql for number, sql in _UPGRADES.items() if number > version))
    db.executescript(f"BEGIN IMMEDIATE; {' '.join(steps)} PRAGMA user_version = {_VERSION}; COMMIT;" if version != _VERSION else _SCHEMA)


# ------------------------------------------------------------------------------------------------------------------ errors


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell what SQLite and the disk refuse as `BackendError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise unwritable(exc, path) from exc


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell what SQLite and the disk refuse, and what is no journal any more, as `BackendError`; as `InputError` what never was one."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as exc:
        if not isinstance(exc, sqlite3.Error | OSError) or is_damaged(exc, path):
            raise damaged(exc, path) from exc
        if getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise InputError(f"{path} cannot be used as a journal: {exc}", hint="give another place, or move that file away") from exc
        raise BackendError(f"the journal {path} cannot be read: {_reason(exc)}", hint="mend that, then look again") from exc


def unwritable(exc: Exception, path: Path) -> BackendError:
    """Return what to tell of an error of SQLite or of the disk."""
    if is_damaged(exc, path):
        return damaged(exc, path)
    return BackendError(f"the journal cannot be written: {_reason(exc)}", hint="mend that (is the disk full?), then resume the job")


def is_damaged(exc: Exception, path: Path) -> bool:
    """True where an error means that the journal at *path* is not what was written; a file that never was one is not damaged."""
    code = getattr(exc, "sqlite_errorcode", None)
    if code is None:
        # Of the module itself: text that is not UTF-8, say.
        return isinstance(exc, sqlite3.OperationalError)
    if code & 0xFF == sqlite3.SQLITE_NOTADB:
        with suppress(OSError), path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
        return False
    return bool(code & 0xFF == sqlite3.SQLITE_CORRUPT)


def damaged(exc: Exception, path: Path) -> BackendError:
    """Return what to tell of a journal that cannot be read as it stands."""
    hint = f"restore a copy; or save what is left: sqlite3 {path} .recover | sqlite3 mended.db; or move it away, and a new one is begun"
    return BackendError(f"the journal {path} is damaged, and cannot be read as it stands: {_reason(exc)}", hint=hint)


def _reason(exc: Exception) -> str:
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc) or type(exc).__name__


def no_job(job: str) -> NotFoundError:
    """Return what to tell of a job that is not there."""
    return NotFoundError(f"there is no job {job!r}", hint="`murakkab jobs` lists them")


# ------------------------------------------------------------------------------------------------------------------- tails


def insert(db: sqlite3.Connection, lines: Iterable[Line], owner: str, artifacts: Artifacts) -> None:
    """Write lines to the database; those that are there already are left alone."""
    events: list[Line] = []
    ends: list[tuple[str, float, str]] = []
    heard: list[tuple[int]] = []
    for line in lines:
        job, number, kind, body = line
        if kind not in _MARKS:
            if "#" in kind:
                # It came by a letter, and takes that with it.
                kind, _, letter = kind.partition("#")
                heard.append((int(letter),))
                line = (job, number, kind, body)
            events.append(line)
        elif kind == "workflow":
            db.execute("INSERT OR IGNORE INTO workflows VALUES (?, ?)", (job, body))
        elif kind == "header":
            # One too long for the journal may have been deleted with the artifacts: that job is lost, the others are not.
            with suppress(NotFoundError):
                _insert_job(db, json.loads(whole(body, artifacts)), owner, body)
        elif kind == "finish":
            time, _, status = body.partition(" ")
            ends.append((job, float(time), status))
        else:
            heard.append((number,))
    db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", events)
    for job, finished, status in ends:
        end(db, job, owner, status, finished)
    if heard:
        db.executemany("DELETE FROM mail WHERE number = ?", heard)


def _insert_job(db: sqlite3.Connection, header: Mapping[str, Any], owner: str, body: str) -> None:
    row = (header["job"], header["name"], "running", header["created"], None, owner, header["workflow"], body)
    db.execute("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def whole(body: str, artifacts: Artifacts) -> str:
    """Return the body, fetched from the artifact store when it was too long for the journal."""
    return artifacts.get({"uri": body[1:]}).decode() if body.startswith("@") else body


# -------------------------------------------------------------------------------------------------------------------- jobs


def owner_of(db: sqlite3.Connection, job: str) -> tuple[str | None] | None:
    """Return the owner of a job in a one-tuple, or None when there is no such job."""
    found: tuple[str | None] | None = db.execute(f"SELECT owner FROM jobs WHERE job = ? AND status != '{DELETED}'", (job,)).fetchone()
    return found


def take(db: sqlite3.Connection, job: str, owner: str | None, taker: str) -> tuple[tuple[str, float | None], int]:
    """Let *taker* own a job; return its status and end before that, and the number of its next event."""
    if db.execute("UPDATE jobs SET owner = ? WHERE job = ? AND owner IS ?", (taker, job, owner)).rowcount != 1:
        raise ConflictError(f"job {job!r} was just taken by another process")
    before = db.execute("SELECT status, finished FROM jobs WHERE job = ?", (job,)).fetchone()
    if before[0] == DELETED:
        raise no_job(job)
    if before[0] == "succeeded":
        raise ConflictError(f"job {job!r} has succeeded; there is nothing to resume")
    db.execute("UPDATE jobs SET status = 'running', finished = NULL WHERE job = ?", (job,))
    last = db.execute("SELECT max(number) FROM events WHERE job = ?", (job,)).fetchone()[0]
    return before, (last or 0) + 1


def end(db: sqlite3.Connection, job: str, owner: str, status: str, finished: float | None) -> None:
    """Give a job up, in *status*."""
    # A segment may be folded twice, and another process may own the job by then.
    sql = "UPDATE jobs SET owner = NULL, status = ?, finished = ? WHERE job = ? AND owner = ?"
    db.execute(sql, (status, finished, job, owner))


def disown(db: sqlite3.Connection, owner: str) -> None:
    """Give up every job of *owner*."""
    db.execute("UPDATE jobs SET owner = NULL, status = 'interrupted' WHERE owner = ? AND status = 'running'", (owner,))
    db.execute("UPDATE jobs SET owner = NULL WHERE owner = ?", (owner,))


def erase(db: sqlite3.Connection, job: str, owner: str | None) -> None:
    """Delete a job, its events and its letters, unless somebody else owns it now."""
    sql = f"""UPDATE jobs SET owner = NULL, status = '{DELETED}', digest_of = '', header = ''
        WHERE job = ? AND owner IS ? AND status != '{DELETED}'"""
    if db.execute(sql, (job, owner)).rowcount != 1:
        raise ConflictError(f"job {job!r} was just taken or deleted by another process")
    db.execute("DELETE FROM events WHERE job = ?", (job,))
    db.execute("DELETE FROM mail WHERE job = ?", (job,))


def job_rows(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return job, workflow, status, created, finished, owner and number of events of every job, newest first."""
    # Events are numbered from one without a gap: to count them would be to read them.
    sql = f"""SELECT job, workflow, status, created, finished, owner,
        ifnull((SELECT max(number) FROM events e WHERE e.job = j.job), 0) FROM jobs j WHERE status != '{DELETED}' ORDER BY created DESC"""
    return db.execute(sql).fetchall()


def summaries(rows: Sequence[tuple[Any, ...]], folder: Path, *, own: str = "") -> list[JobSummary]:
    """Return what `job_rows` has found; a job that runs and whose owner, in *folder*, lives no more was interrupted. *own* lives."""
    living = {owner: is_alive(folder, owner) for owner in {row[5] for row in rows if row[5]} - {own}}
    return [
        JobSummary(job, name, _status(status, is_owned=living.get(owner, bool(owner))), created, finished, count)
        for job, name, status, created, finished, owner, count in rows
    ]


def _status(kept: str, *, is_owned: bool) -> str:
    return "interrupted" if kept == "running" and not is_owned else kept


def texts_in(db: sqlite3.Connection, without: Collection[str]) -> Iterator[str]:
    """Yield headers, workflows, events and letters of the jobs but those in *without*."""
    db.execute("BEGIN")
    digests = set()
    for job, digest, header in db.execute("SELECT job, digest_of, header FROM jobs"):
        if job not in without:
            digests.add(digest)
            yield header
    for digest, document in db.execute("SELECT digest, document FROM workflows"):
        if digest in digests:
            yield document
    for table in ("events", "mail"):
        for job, body in db.execute(f"SELECT job, body FROM {table}"):
            if job not in without:
                yield body


# -------------------------------------------------------------------------------------------------------------------- mail


def put_letter(db: sqlite3.Connection, row: tuple[str, str, str], owner: str) -> int:
    """Add a letter (job, kind, body) and return its number; zero when *owner* does not own the job any more."""
    sql = "INSERT INTO mail (job, kind, body) SELECT ?, ?, ? FROM jobs WHERE job = ? AND owner = ?"
    put = db.execute(sql, (*row, row[0], owner))
    return put.lastrowid or 0 if put.rowcount == 1 else 0


def letters_of(db: sqlite3.Connection, owner: str) -> list[tuple[int, str, str, str]]:
    """Return number, job, kind and body of the letters for the jobs of *owner*."""
    # The mail is read in its order and jobs are looked up, not the other way round: there is hardly ever any.
    sql = "SELECT number, m.job, kind, body FROM mail m CROSS JOIN jobs j ON j.job = m.job WHERE owner = ? ORDER BY number"
    return db.execute(sql, (owner,)).fetchall()


def is_heard(db: sqlite3.Connection, letter: int) -> bool | None:
    """Return True when a letter is there no more, None while somebody owns its job; else remove it and return False."""
    sql = "DELETE FROM mail WHERE number = ? AND (SELECT owner FROM jobs j WHERE j.job = mail.job) IS NULL"
    if db.execute(sql, (letter,)).rowcount == 1:
        return False
    return None if db.execute("SELECT 1 FROM mail WHERE number = ?", (letter,)).fetchone() else True


# ------------------------------------------------------------------------------------------------------------------- space


def forget(db: sqlite3.Connection) -> None:
    """Remove what is left of deleted jobs; for one who is alone with the file."""
    deleted = f"SELECT job FROM jobs WHERE status = '{DELETED}'"
    for table in ("events", "mail"):
        db.execute(f"DELETE FROM {table} WHERE job IN ({deleted})")
    db.execute(f"DELETE FROM jobs WHERE status = '{DELETED}'")
    db.execute("DELETE FROM workflows WHERE digest NOT IN (SELECT digest_of FROM jobs)")


def give_back(db: sqlite3.Connection, *, is_alone: bool) -> None:
    """Make the file smaller by what is free in it."""
    if is_alone and not db.execute("PRAGMA auto_vacuum").fetchone()[0]:
        # It takes a while, and nobody else may write in the meantime.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("VACUUM")
    elif db.execute("PRAGMA auto_vacuum").fetchone()[0]:
        free, before = _free_pages(db), -1
        while free and free != before:
            db.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
            free, before = _free_pages(db), free
    # Others who read keep the log from being cut short; it is, some other time.
    patience = db.execute("PRAGMA busy_timeout").fetchone()[0]
    db.execute(f"PRAGMA busy_timeout = {min(_PATIENCE, patience)}")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute(f"PRAGMA busy_timeout = {patience}")


def _free_pages(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA freelist_count").fetchone()[0])
