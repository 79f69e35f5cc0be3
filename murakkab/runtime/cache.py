"""driver: results of earlier tasks by key, in memory or in one SQLite file. Both keep JSON text: what comes out is nobody else's object."""

import json
import logging
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from murakkab.errors import BackendError, InputError

_log = logging.getLogger("murakkab.cache")

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires REAL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS results_by_expiry ON results (expires) WHERE expires IS NOT NULL;
"""


class MemoryResultCache:
    """The results used last, at most `entries` of them; gone with the process."""

    def __init__(self, entries: int = 10_000) -> None:
        self._entries = entries
        self._kept: OrderedDict[str, tuple[str, float | None]] = OrderedDict()

    def get(self, key: str, now: float) -> tuple[Any] | None:
        """Return the kept value in a one-tuple, or None when there is none or it has expired."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        text, expires = kept
        if expires is not None and expires <= now:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return (json.loads(text),)

    def put(self, key: str, value: Any, expires: float | None) -> None:
        """Keep *value* until the time *expires*, or for good; the result that was not used for longest makes room."""
        self._kept[key] = (_text(value), expires)
        self._kept.move_to_end(key)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)


class SqliteResultCache:
    """Results in one file, shared by the processes of one machine. A file that is busy or full costs hits, never a job."""

    def __init__(self, path: str | Path) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise InputError(f"{path} cannot be used as a result cache: {error}", hint="it holds nothing else: delete it") from error

    def get(self, key: str, now: float) -> tuple[Any] | None:
        """Return the kept value in a one-tuple, or None when there is none or it has expired."""
        rows = self._execute("SELECT value FROM results WHERE key = ? AND (expires IS NULL OR expires > ?)", key, now)
        return (json.loads(rows[0][0]),) if rows else None

    def put(self, key: str, value: Any, expires: float | None) -> None:
        """Keep *value* until the time *expires*, or for good."""
        self._execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", key, _text(value), expires)

    def prune(self, now: float, *, dry_run: bool = False) -> int:
        """Delete what has expired, and return how many there were. A file that is mostly empty then becomes smaller."""
        expired = self._number("SELECT count(*) FROM results WHERE expires <= ?", now)
        if expired and not dry_run:
            self._execute("DELETE FROM results WHERE expires <= ?", now)
            if 2 * self._number("PRAGMA freelist_count") > self._number("PRAGMA page_count"):
                self._execute("VACUUM")
        return expired

    def texts(self) -> Iterator[str]:
        """Yield every kept value as JSON text. Raises `BackendError` where that cannot be read."""
        with closing(sqlite3.connect(self._path, timeout=5.0)) as database:
            try:
                yield from (value for (value,) in database.execute("SELECT value FROM results"))
            except sqlite3.OperationalError as error:
                raise BackendError(f"the result cache cannot be read: {error}", hint="try again later") from error

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._database.close()

    def _number(self, statement: str, *values: Any) -> int:
        rows = self._execute(statement, *values)
        return int(rows[0][0]) if rows else 0

    def _execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            _log.warning("the result cache is passed over: %s", error)
            return []


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
