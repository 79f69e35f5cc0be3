"""driver: the tail of a journal - lines appended with write(2), so that an event survives the death of its process at once.

A commit of SQLite costs 30 us; a write to the page cache costs one. So each process writes its events to its own tail and folds them
into the database in large transactions. Whoever opens the journal next folds the tails of the dead. A tail belongs to an *owner*: a
file that its process keeps locked, and that the kernel unlocks when the process dies, however it dies.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

Line = tuple[str, int, str, str]  # job, sequence number, kind, body


class Tail:
    """The tail of this process: segments, of which the newest is written to. `sync`: survive a power cut too, at a disk flush per line."""

    def __init__(self, folder: Path, *, sync: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.owner = secrets.token_hex(6)
        self._folder = folder
        self._sync = sync
        self._lock = _locked(folder / f"{self.owner}.lock")
        self._number = 0
        self._buffer: list[str] = []
        self._size = 0
        try:
            self._file = self._open(0)
        except OSError:
            os.close(self._lock)
            raise

    def append(self, line: Line) -> None:
        """Add one line to those that the next `flush` writes."""
        job, number, kind, body = line
        self._buffer.append(f"{job}\t{number}\t{kind}\t{body}\n")

    def flush(self) -> None:
        """Write what was added; it is safe from the death of this process when this returns."""
        if not self._buffer:
            return
        content = "".join(self._buffer).encode()
        try:
            done = os.write(self._file, content)
            while done < len(content):
                done += os.write(self._file, content[done:])
        except OSError:
            # No half a line may stand before what the next flush writes, which is this once more.
            os.ftruncate(self._file, self._size)
            raise
        self._size += done
        self._buffer.clear()
        if self._sync:
            os.fdatasync(self._file)

    def rotate(self) -> list[Path]:
        """Begin a new segment and return the older ones, to be folded and then removed."""
        self.flush()
        fresh = self._open(self._number + 1)
        os.close(self._file)
        self._file, self._size = fresh, 0
        self._number += 1
        return sorted(set(segments(self._folder, self.owner)) - {self._path(self._number)})

    def close(self, *, is_folded: bool) -> None:
        """Stop being an owner, and remove what is folded; what is not is recovered by whoever opens the journal next."""
        os.close(self._file)
        # The number of the file may soon be another file's: nothing may be written to it by a late `flush`.
        self._buffer.clear()
        if is_folded:
            self._path(self._number).unlink(missing_ok=True)
            (self._folder / f"{self.owner}.lock").unlink(missing_ok=True)
        os.close(self._lock)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self.owner}.{number:09d}.tail"

    def _open(self, number: int) -> int:
        file = os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self._sync:
            # The name of a new file survives a power cut only once its folder is on the disk.
            folder = os.open(self._folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return file


def segments(folder: Path, owner: str) -> list[Path]:
    """Return the segments of *owner*, oldest first."""
    return sorted(folder.glob(f"{owner}.*.tail"))


def lines_of(segment: Path) -> Iterator[Line]:
    """Yield the whole lines of a segment. Death may have cut off the last; a power cut may do worse, and what follows is void."""
    for line in segment.read_bytes().split(b"\n")[:-1]:
        if b"\0" in line:
            # Never written: a block that did not reach the disk.
            return
        try:
            job, number, kind, body = line.decode().split("\t", 3)
            at = int(number)
        except ValueError:
            return
        yield job, at, kind, body


def is_alive(folder: Path, owner: str) -> bool:
    """True while the process that owns the tail lives."""
    try:
        handle = os.open(folder / f"{owner}.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at once do not take each other for the owner.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def is_known(folder: Path, owner: str) -> bool:
    """True until the tail of *owner* is folded and its jobs are given up, whether or not it lives."""
    return (folder / f"{owner}.lock").exists()


def dead_owners(folder: Path) -> list[str]:
    """Return the owners whose process has died and left its tail or its lock."""
    return [owner for owner in every_owner(folder) if not is_alive(folder, owner)]


def living_owners(folder: Path) -> list[str]:
    """Return the owners whose process lives."""
    return [owner for owner in every_owner(folder) if is_alive(folder, owner)]


def every_owner(folder: Path) -> list[str]:
    """Return the owners who have a tail or a lock, whether or not they live."""
    if not folder.exists():
        return []
    return sorted({path.name.partition(".")[0] for path in (*folder.glob("*.lock"), *folder.glob("*.tail"))} - {"recovery"})


def _locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


class Recovery:
    """Only one process at a time folds the tails of the dead; others wait until it has."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "recovery.lock"
        self._handle: int | None = None

    def __enter__(self) -> None:
        """Wait for the turn."""
        self._handle = _locked(self._path)

    def __exit__(self, *_: object) -> None:
        """Let the next one in."""
        if self._handle is not None:
            os.close(self._handle)
