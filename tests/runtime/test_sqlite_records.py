"""Who only looks at a journal sees what its owner does, whether it is folded or not."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from murakkab.errors import NotFoundError
from murakkab.ports import Journal
from murakkab.runtime import sqlite_journal
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.sqlite_records import SqliteRecords
from tests.journals import Place, header, succeeded

STEPS = ("create", "a", "fold", "b", "fail", "claim", "c", "large", "fold", "succeed", "delete")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    # Nothing is folded by itself.
    monkeypatch.setattr(sqlite_journal, "_FOLD_EVERY", 3600.0)
    with closing(Place("sqlite", tmp_path)) as made:
        yield made


def do(step: str, journal: Journal) -> None:
    match step:
        case "create":
            journal.create(header("job", created=5.0), is_fresh=True)
        case "fold":
            journal.jobs()
        case "fail":
            journal.append("job", succeeded("x"))
            journal.finish("job", "failed", 9.0)
        case "claim":
            journal.claim("job")
        case "large":
            journal.append("job", succeeded("large", "x" * 100_000))
        case "succeed":
            journal.finish("job", "succeeded", 11.0)
        case "delete":
            journal.delete("job")
        case _:
            journal.append("job", succeeded(step, step))
    journal.flush()


@pytest.mark.parametrize("steps", range(1, len(STEPS) + 1))
def test_the_same_is_seen_as_by_the_owner(disk: Place, steps: int) -> None:
    journal = disk.open()
    journal.create(header("old", created=1.0))
    journal.append("old", succeeded("a"))
    journal.finish("old", "succeeded", 2.0)
    with closing(SqliteRecords(disk.path, LocalArtifacts(disk.folder / "artifacts"))) as records:
        for step in STEPS[:steps]:
            do(step, journal)
        seen = records.jobs()
        read = None if STEPS[steps - 1] == "delete" else records.read("job")
        if read is None:
            with pytest.raises(NotFoundError):
                records.read("job")
        assert seen == journal.jobs() == records.jobs()
        assert read is None or read == journal.read("job") == records.read("job")
