"""driver: the journal on disk - SQLite in WAL mode for whoever reads, a tail per process for whoever writes (see `runtime.tail`)."""

import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final

from murakkab.errors import BackendError, ConflictError, InputError, MurakkabError
from murakkab.ports import Artifacts, JobHeader, JobSummary, Letter
from murakkab.runtime.codec import decoded, decoded_header, encoded, encoded_header, encoded_workflow
from murakkab.runtime.messages import Event
from murakkab.runtime.sqlite_rows import (
    connected,
    disown,
    end,
    erase,
    forget,
    give_back,
    insert,
    is_heard,
    job_rows,
    letters_of,
    no_job,
    owner_of,
    put_letter,
    reading,
    summaries,
    take,
    texts_in,
    unwritable,
    whole,
    writing,
)
from murakkab.runtime.tail import Line, Recovery, Tail, dead_owners, is_alive, is_known, lines_of, living_owners, segments

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
        self._path = path
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
        #: The job of each letter that was handed out.
        self._handed: dict[int, str] = {}
        self._db, self._tail = _opened(path, self._folder, sync=sync)
        #: Looks for mail without waiting for a fold.
        self._mail = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
        try:
            self._recover()
        except BaseException:
            self._tail.close(is_folded=True)
            self._mail.close()
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
                raise ConflictError(f"job {header.job!r} was just begun by another process, or there was one that has been deleted")
        except BaseException:
            del self._numbers[header.job]
            raise

    def append(self, job: str, event: Event, *, letter: int = 0) -> None:
        """See `ports.Journal`."""
        kind = type(event).__name__
        self._write(job, f"{kind}#{letter}" if letter else kind, encoded(event))
        if event.time - self._flushed > _FLUSH_AFTER:
            self.flush()
            self._flushed = event.time

    def flush(self) -> None:
        """See `ports.Journal`."""
        with self._mutex:
            try:
                self._tail.flush()
            except OSError as exc:
                raise unwritable(exc, self._path) from exc

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
                with self._database, writing(self._path), self._db:
                    end(self._db, job, self._tail.owner, status_before, end_before)
        finally:
            self._before.pop(job, None)
            del self._numbers[job]
            if self._handed:
                self._handed = {letter: of for letter, of in self._handed.items() if of != job}

    def claim(self, job: str) -> None:
        """See `ports.Journal`."""
        self._recover()
        owner = self._unowned(job)
        with self._database, writing(self._path), self._db:
            self._before[job], self._numbers[job] = take(self._db, job, owner, self._tail.owner)

    def read(self, job: str) -> tuple[JobHeader, Sequence[Event]]:
        """See `ports.Journal`."""
        self._recover()
        self._fold()
        with self._database, reading(self._path):
            sql = "SELECT header, document FROM jobs JOIN workflows ON digest = digest_of WHERE job = ?"
            row = self._db.execute(sql, (job,)).fetchone()
            if row is None:
                raise no_job(job)
            rows = self._db.execute("SELECT kind, body FROM events WHERE job = ? ORDER BY number", (job,)).fetchall()
        with reading(self._path):
            events = [decoded(kind, whole(body, self._artifacts)) for kind, body in rows]
            return decoded_header(whole(row[0], self._artifacts), json.loads(whole(row[1], self._artifacts))), events

    def jobs(self) -> Sequence[JobSummary]:
        """See `ports.Journal`."""
        self._recover()
        self._fold()
        with self._database, reading(self._path):
            return summaries(job_rows(self._db), self._folder, own=self._tail.owner)

    def post(self, job: str, event: Event) -> int:
        """See `ports.Journal`."""
        body = self._spilled(encoded(event))
        self._recover()
        owner = self._owner(job)
        if owner == _NO_JOB:
            raise no_job(job)
        if owner is None or not (owner == self._tail.owner or is_alive(self._folder, owner)):
            return 0
        with self._database, writing(self._path), self._db:
            return put_letter(self._db, (job, type(event).__name__, body), owner)

    def mail(self) -> Sequence[Letter]:
        """See `ports.Journal`."""
        if not self._numbers:
            return ()
        with writing(self._path):
            found = letters_of(self._mail, self._tail.owner)
        letters = []
        for number, job, kind, body in found:
            if number not in self._handed and job in self._numbers:
                self._handed[number] = job
                letters.append(Letter(number, job, decoded(kind, whole(body, self._artifacts))))
        return letters

    def drop(self, letter: int) -> None:
        """See `ports.Journal`."""
        self._numbers[""] = letter
        try:
            self._write("", "dropped", "")
        finally:
            del self._numbers[""]

    def is_heard(self, letter: int) -> bool | None:
        """See `ports.Journal`."""
        self._recover()
        self._fold()
        with self._database, writing(self._path), self._db:
            return is_heard(self._db, letter)

    def delete(self, job: str) -> None:
        """See `ports.Journal`."""
        self._recover()
        owner = self._unowned(job)
        with self._database, writing(self._path), self._db:
            erase(self._db, job, owner)

    def texts(self, *, without: Collection[str] = ()) -> Iterator[str]:
        """See `ports.Journal`."""
        self._recover()
        self._fold()
        with reading(self._path), closing(sqlite3.connect(self._path)) as db:
            yield from texts_in(db, without)

    def compact(self) -> None:
        """See `ports.Journal`."""
        self._recover()
        # Nobody opens the file before this is done.
        with writing(self._path), Recovery(self._folder), self._database:
            is_alone = living_owners(self._folder) == [self._tail.owner]
            if is_alone and not self._numbers:
                # Others, and jobs begun here, may rely on the text of a workflow that no job in the database has.
                self._fold()
                with self._db:
                    forget(self._db)
                self._workflows.clear()
            give_back(self._db, is_alone=is_alone)

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
                with writing(self._path), self._db:
                    disown(self._db, self._tail.owner)
                is_folded = True
            finally:
                self._tail.close(is_folded=is_folded)
                self._mail.close()
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
        with self._database, reading(self._path):
            found = owner_of(self._db, job)
        return _NO_JOB if found is None else found[0]

    def _unowned(self, job: str) -> str | None:
        """Return who is said to own *job*, though no process does. Raises `NotFoundError` and `ConflictError`."""
        owner = self._owner(job)
        if owner == _NO_JOB:
            raise no_job(job)
        if job in self._numbers:
            raise ConflictError(f"job {job!r} is running")
        # Not whether it lives: it may have died just now, with events in its tail.
        if owner and owner != self._tail.owner and is_known(self._folder, owner):
            raise ConflictError(f"job {job!r} is running in another process")
        return owner

    def _spilled(self, body: str) -> str:
        """Return *body*, or where in the artifact store it is when it is too long for the journal."""
        if len(body) <= _SPILL:
            return body
        with writing(self._path):
            return "@" + str(self._artifacts.put(body.encode(), suffix=".json", media_type="application/json")["uri"])

    def _write(self, job: str, kind: str, body: str) -> None:
        if len(body) > _SPILL:
            body = self._spilled(body)
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
                        self._broken = exc if isinstance(exc, BackendError) else unwritable(exc, self._path)
                self._closing.wait(_FOLD_AGAIN)

    def _fold(self) -> None:
        """Move what the tail holds into the database."""
        with self._database, writing(self._path):
            with self._mutex:
                if not self._pending:
                    self._some.clear()
                    return
                done = self._tail.rotate()
                lines, self._pending = self._pending, []
                self._some.clear()
            try:
                with self._db:
                    insert(self._db, lines, self._tail.owner, self._artifacts)
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
        with writing(self._path):
            if not dead_owners(self._folder):
                return
            with Recovery(self._folder):
                for owner in dead_owners(self._folder):
                    left = segments(self._folder, owner)
                    with self._database, self._db:
                        for segment in left:
                            insert(self._db, lines_of(segment), owner, self._artifacts)
                        disown(self._db, owner)
                    for path in (*left, self._folder / f"{owner}.lock"):
                        path.unlink(missing_ok=True)


def _opened(path: Path, folder: Path, *, sync: bool) -> tuple[sqlite3.Connection, Tail]:
    """Return the database and a tail of our own. Raises `InputError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A tail whose lock is not yet held looks like a dead owner's; nobody may look before it is.
        with Recovery(folder), ExitStack() as stack:
            db = stack.enter_context(closing(connected(path, sync=sync)))
            tail = Tail(folder, sync=sync)
            stack.pop_all()
            return db, tail
    except OSError as exc:
        message = f"{path.parent} cannot hold a journal: {exc.strerror or exc}"
        raise InputError(message, hint="give another folder, or make that one writable") from exc
