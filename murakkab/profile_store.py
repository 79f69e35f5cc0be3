"""driver: profiles in one SQLite file, shared by the processes of one machine."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from murakkab.errors import BackendError, InputError
from murakkab.ports import Revision
from murakkab.profiles import Profile, Setting
from murakkab.profiling.codec import (
    drift_from,
    drift_json,
    observation_from,
    observation_json,
    profile_from,
    profile_json,
    setting_from,
    setting_key,
    watch_from,
)
from murakkab.profiling.keeping import family_key, from_elsewhere, grouped
from murakkab.profiling.observation import Drift, Known, Observation, Shape
from murakkab.profiling.online import FORGETTING, Forgetting, updated

#: The version of the form below; a file with a later one is not touched.
_FORM: Final = 2
#: So many observations of a setting are kept that are too old for its profile but belong to a study; and so many revisions, and drifts.
_STUDIED: Final = 4096
_REVISIONS: Final = 50
_DRIFTS: Final = 1000
#: So many jobs of a workflow are remembered.
_SHAPES: Final = 64
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS profiles (
        key TEXT PRIMARY KEY, family TEXT NOT NULL, profile TEXT NOT NULL, watches TEXT NOT NULL, clipped INTEGER NOT NULL,
        prior TEXT, since REAL NOT NULL, changed REAL NOT NULL
    );
    CREATE INDEX IF NOT EXISTS profiles_by_family ON profiles (family, changed);
    CREATE TABLE IF NOT EXISTS observations (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL, time REAL NOT NULL, study TEXT NOT NULL, counts INTEGER NOT NULL, body TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS observations_by_key ON observations (key, counts);
    CREATE INDEX IF NOT EXISTS observations_by_study ON observations (study) WHERE study <> '';
    CREATE TABLE IF NOT EXISTS revisions (key TEXT NOT NULL, revision INTEGER NOT NULL, time REAL NOT NULL, why TEXT NOT NULL,
        profile TEXT NOT NULL, PRIMARY KEY (key, revision)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS drifts (number INTEGER PRIMARY KEY, found REAL NOT NULL, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS shapes (number INTEGER PRIMARY KEY, workflow TEXT NOT NULL, body TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS shapes_by_workflow ON shapes (workflow);
"""


class SqliteProfileStore:
    """See `ports.ProfileStore`. Raises `InputError` where *path* is no such store, or that of a later version."""

    def __init__(self, path: str | Path, *, forgetting: Forgetting = FORGETTING) -> None:
        self._forgetting = forgetting
        self._lock = threading.RLock()
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{path} cannot be used as a store of profiles: {error}") from error
        try:
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            (form,) = self._database.execute("PRAGMA user_version").fetchone()
            if form > _FORM:
                raise InputError(f"{path} was written by a later version of Murakkab", hint="update this one")
            if form < _FORM:
                self._database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_FORM}; COMMIT;")
        except sqlite3.OperationalError as error:
            self._database.close()
            raise BackendError(f"the profiles in {path} cannot be opened: {error}", hint="try again later") from error
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise InputError(f"{path} is no store of profiles: {error}", hint="move it away; a new one is made") from error
        except InputError:
            self._database.close()
            raise

    def profiles(self) -> Sequence[Profile]:
        """See `ports.ProfileStore`."""
        return [_profile(text) for (text,) in self._rows("SELECT profile FROM profiles ORDER BY rowid")]

    def known(self, setting: Setting) -> Known | None:
        """See `ports.ProfileStore`."""
        with self._transaction(writes=False):
            return self._known(setting_key(setting), setting)

    def learn(self, observations: Sequence[Observation]) -> Sequence[Drift]:
        """See `ports.ProfileStore`."""
        drifts: list[Drift] = []
        with self._transaction():
            for key, fresh in grouped(observations).items():
                setting = fresh[0].setting
                known = self._known(key, setting)
                # Where no task has succeeded yet there is no profile, but there may be failures.
                heard = fresh if known is not None else [*self._observed(key, setting), *fresh]
                after, found = updated(known, heard, prior=None if known else self._prior(setting), forgetting=self._forgetting)
                kept = set(map(id, after.observations)) if after is not None else set(map(id, fresh))
                self._insert(key, [one for one in fresh if id(one) in kept or one.study])
                drifts += found
                if after is not None:
                    self._save(key, after, fresh[-1].time, "drift" if found else "learned")
                    self._bound(key, after.observations)
            for drift in drifts:
                self._database.execute("INSERT INTO drifts (found, body) VALUES (?, ?)", (drift.found, _text(drift_json(drift))))
            if drifts:
                self._database.execute("DELETE FROM drifts WHERE number <= (SELECT max(number) FROM drifts) - ?", (_DRIFTS,))
        return drifts

    def put(self, profiles: Sequence[Profile], *, time: float, why: str = "imported") -> int:
        """See `ports.ProfileStore`."""
        count = 0
        with self._transaction():
            for given in profiles:
                key = setting_key(given.setting)
                known = self._known(key, given.setting)
                if known is None or not known.observations:
                    shared = from_elsewhere(given)
                    self._save(key, Known(shared, prior=shared), time, why)
                    count += 1
        return count

    def studied(self, study: str) -> Sequence[Observation]:
        """See `ports.ProfileStore`."""
        rows = self._rows("SELECT key, body FROM observations WHERE study = ? ORDER BY number", study)
        return [observation_from(setting_from(json.loads(key)), json.loads(body)) for key, body in rows]

    def forget(self, study: str) -> int:
        """See `ports.ProfileStore`."""
        with self._transaction():
            keys = self._rows("SELECT DISTINCT key FROM observations WHERE study = ?", study)
            for (key,) in keys:
                self._database.execute("UPDATE profiles SET watches = '[]' WHERE key = ?", (key,))
            return self._database.execute("DELETE FROM observations WHERE study = ?", (study,)).rowcount

    def remember(self, shapes: Sequence[Shape]) -> None:
        """See `ports.ProfileStore`."""
        with self._transaction():
            rows = [(one.workflow, _text(asdict(one))) for one in shapes]
            self._database.executemany("INSERT INTO shapes (workflow, body) VALUES (?, ?)", rows)
            limit = "SELECT number FROM shapes WHERE workflow = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
            for name in {one.workflow for one in shapes}:
                self._database.execute(f"DELETE FROM shapes WHERE workflow = ? AND number <= ({limit})", (name, name, _SHAPES))

    def shapes(self, workflow: str) -> Sequence[Shape]:
        """See `ports.ProfileStore`."""
        rows = self._rows("SELECT body FROM shapes WHERE workflow = ? ORDER BY number", workflow)
        return [Shape(**json.loads(body)) for (body,) in rows]

    def drifts(self, *, since: float = 0.0) -> Sequence[Drift]:
        """See `ports.ProfileStore`."""
        rows = self._rows("SELECT body FROM drifts WHERE found > ? ORDER BY number", since)
        return [drift_from(json.loads(body)) for (body,) in rows]

    def revisions(self, setting: Setting) -> Sequence[Revision]:
        """See `ports.ProfileStore`."""
        rows = self._rows("SELECT time, why, profile FROM revisions WHERE key = ? ORDER BY revision DESC", setting_key(setting))
        return [Revision(time, why, _profile(text)) for time, why, text in rows]

    def close(self) -> None:
        """See `ports.ProfileStore`."""
        with self._lock:
            self._database.close()

    # ------------------------------------------------------------------------------------------------------------- statements

    def _known(self, key: str, setting: Setting) -> Known | None:
        rows = self._rows("SELECT profile, watches, clipped, prior, since FROM profiles WHERE key = ?", key)
        if not rows:
            return None
        profile, watches, clipped, prior, since = rows[0]
        return Known(
            _profile(profile),
            tuple(self._observed(key, setting)),
            tuple(watch_from(one) for one in json.loads(watches)),
            clipped,
            None if prior is None else _profile(prior),
            since,
        )

    def _observed(self, key: str, setting: Setting) -> list[Observation]:
        bodies = self._rows("SELECT body FROM observations WHERE key = ? AND counts ORDER BY time, number", key)
        return [observation_from(setting, json.loads(body)) for (body,) in bodies]

    def _prior(self, setting: Setting) -> Profile | None:
        rows = self._rows("SELECT profile FROM profiles WHERE family = ? ORDER BY changed DESC LIMIT 1", family_key(setting))
        return _profile(rows[0][0]) if rows else None

    def _insert(self, key: str, fresh: Sequence[Observation]) -> None:
        rows = [(key, one.time, one.study, _text(observation_json(one))) for one in fresh]
        self._database.executemany("INSERT INTO observations (key, time, study, counts, body) VALUES (?, ?, ?, 1, ?)", rows)

    def _bound(self, key: str, kept: Sequence[Observation]) -> None:
        """Let go of what the profile is not made of any more; what belongs to a study is kept for longer, so that it can go on."""
        oldest = kept[0].time if kept else 0.0
        self._database.execute("UPDATE observations SET counts = 0 WHERE key = ? AND counts AND time < ?", (key, oldest))
        self._database.execute("DELETE FROM observations WHERE key = ? AND NOT counts AND study = ''", (key,))
        limit = "SELECT number FROM observations WHERE key = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
        self._database.execute(f"DELETE FROM observations WHERE key = ? AND number <= ({limit})", (key, key, _STUDIED))

    def _save(self, key: str, known: Known, time: float, why: str) -> None:
        profile = _text(profile_json(known.profile))
        prior = None if known.prior is None else _text(profile_json(known.prior))
        watches = _text([asdict(watch) for watch in known.watches])
        self._database.execute(
            "INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET profile = excluded.profile, "
            "watches = excluded.watches, clipped = excluded.clipped, prior = excluded.prior, "
            "since = excluded.since, changed = excluded.changed",
            (key, family_key(known.profile.setting), profile, watches, known.clipped, prior, known.since, time),
        )
        revision = known.profile.revision
        self._database.execute("INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?, ?)", (key, revision, time, why, profile))
        self._database.execute("DELETE FROM revisions WHERE key = ? AND revision <= ?", (key, revision - _REVISIONS))

    @contextmanager
    def _transaction(self, *, writes: bool = True) -> Iterator[None]:
        """Do all of the block or nothing of it."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                try:
                    yield
                    self._database.execute("COMMIT")
                except BaseException:
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise BackendError(f"the profiles cannot be used now: {error}", hint="try again later") from error

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                raise BackendError(f"the profiles cannot be read now: {error}", hint="try again later") from error


def _text(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _profile(text: str) -> Profile:
    return profile_from(json.loads(text))
