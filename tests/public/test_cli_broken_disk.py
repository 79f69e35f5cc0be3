"""Journals on a disk that is full, read-only or damaged: what can be looked at is shown, and what cannot is told as what it is."""

import ctypes
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shells import Done, Shell, shell

__all__ = ["shell"]

LOOKING = (["jobs"], ["show", "JOB"], ["logs", "JOB"], ["graph", "JOB"])
_BOUNDING_SET_DROP, _DAC_OVERRIDE = 24, 1


def full() -> None:
    """Let nothing be written to any file from now on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def powerless() -> None:
    """Let also the superuser be bound by the permissions of files."""
    ctypes.CDLL(None).prctl(_BOUNDING_SET_DROP, _DAC_OVERRIDE, 0, 0, 0)


def process(shell: Shell, *words: str, before: Callable[[], None] | None = None) -> Done:
    done = subprocess.run(
        shell.command(*words), cwd=shell.folder, env=shell.environment, capture_output=True, text=True, check=False, preexec_fn=before
    )
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    kept = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in kept.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in kept.items():
            path.chmod(mode)


def looked(shell: Shell, job: str, before: Callable[[], None]) -> list[Done]:
    found = [process(shell, *(job if word == "JOB" else word for word in words), before=before) for words in LOOKING]
    assert [(done.status, done.err) for done in found] == [(0, "")] * len(found)
    return found


def killed(shell: Shell) -> str:
    """Run a job of which one step is done, and kill its process: its events are in a tail, and partly in the log of the database."""
    process = subprocess.Popen(shell.command("run", "two.yaml"), cwd=shell.folder, env=shell.environment, stderr=subprocess.PIPE)
    until = time.monotonic() + 10
    while not (shell.folder / "begun").exists() and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[1].decode()
    return said.removeprefix("job ").partition(":")[0]


@pytest.fixture
def two(shell: Shell) -> Shell:
    text = (shell.folder / "slow.yaml").read_text().replace("steps:\n", 'steps:\n  zero: {call: "cli_steps:hello", with: {name: "Bob"}}\n')
    (shell.folder / "two.yaml").write_text(text.replace('{name: "Ann"}', '{name: "${zero}"}'))
    return shell


def test_jobs_can_be_looked_at_on_a_full_disk(shell: Shell) -> None:
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    found = looked(shell, job, full)
    assert all(job[:6] in done.out for done in (found[0], found[1], found[3]))
    assert "Hello Ann" in found[2].out


def test_jobs_can_be_looked_at_on_a_read_only_disk(shell: Shell) -> None:
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    with read_only(shell.folder / ".murakkab"):
        assert job[:6] in looked(shell, job, powerless)[0].out
        # What goes on needs to write.
        assert process(shell, "resume", job, before=powerless).status == 2


@pytest.mark.parametrize("with_index", [True, False])
def test_what_a_dead_process_left_is_seen_and_left_where_it_is(two: Shell, *, with_index: bool) -> None:
    """SQLite has an index of its log beside it, which it would have to make again where it is missing."""
    job = killed(two)
    home = two.folder / ".murakkab"
    if not with_index:
        (home / "journal.db-shm").unlink()
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.suffix != ".db-shm"}
    assert any(path.suffix == ".db-wal" and content for path, content in before.items())
    with read_only(home):
        found = looked(two, job, powerless)
    assert {path: path.read_bytes() for path in before} == before
    assert all("interrupted" in done.out for done in found[::4])
    assert all("Hello Bob" in done.out for done in found[2::4])
    (two.folder / "go").touch()
    assert two.json("resume", job)["outputs"] == {"text": "Hello Bob!"}


def test_a_job_that_runs_is_seen_before_its_events_are_folded(two: Shell) -> None:
    process = subprocess.Popen(two.command("run", "two.yaml"), cwd=two.folder, env=two.environment, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 10
        while not (two.folder / "begun").exists() and time.monotonic() < until:
            time.sleep(0.01)
        (seen,) = two.json("jobs")
        assert seen["status"] == "running"
        assert two.json("show", seen["job"])["status"] == "running"
    finally:
        (two.folder / "go").touch()
        process.communicate(timeout=10)
    (seen,) = two.json("jobs")
    assert (seen["status"], process.returncode) == ("succeeded", 0)


# ------------------------------------------------------------------------------------------------------------------ damage


def overwritten(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 200] = os.urandom(200)
    file.write_bytes(content)


def truncated(file: Path) -> None:
    os.truncate(file, 4096 + 100)


def cut_to_its_head(file: Path) -> None:
    os.truncate(file, 60)


@pytest.mark.parametrize("damage", [overwritten, truncated, cut_to_its_head])
@pytest.mark.parametrize(
    "words",
    [
        *LOOKING,
        ["clean"],
        ["resume", "JOB"],
        ["approve", "JOB"],
        ["send", "JOB", "paid"],
        ["cancel", "JOB"],
        ["run", "greeting.yaml", "-i", "names=Bob"],
    ],
    ids=lambda words: words[0],
)
def test_a_damaged_journal_is_told_as_such_with_what_can_be_done(shell: Shell, words: list[str], damage: Callable[[Path], None]) -> None:
    """It was said that it could not be written, as if the disk were full, or that another kind of file was there."""
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    file = Path(".murakkab/journal.db")
    damage(shell.folder / file)
    done = shell(*(job if word == "JOB" else word for word in words))
    assert done.status == 6, done
    *_, error, hint = done.err.splitlines()
    assert error.startswith(f"error[backend-unavailable]: the journal {file} is damaged, and cannot be read as it stands: ")
    assert f"sqlite3 {file} .recover" in hint
    assert "move it away" in hint


def test_a_journal_whose_words_are_damaged_is_told_as_such(shell: Shell) -> None:
    """The pages of the database may be whole, and what is written on them is not."""
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    file = shell.folder / ".murakkab" / "journal.db"
    file.write_bytes(file.read_bytes().replace(b"Hello Ann", b'"\xff\xfe{[,"\x00'))
    assert shell.json("show", job, status=6)["code"] == "backend-unavailable"
    assert json.loads(shell.process("logs", job, "--json").out)["message"].startswith("the journal .murakkab/journal.db is damaged")


def test_another_kind_of_file_is_no_damaged_journal(shell: Shell) -> None:
    (shell.folder / ".murakkab").mkdir()
    (shell.folder / ".murakkab" / "journal.db").write_text("something else, which is long enough to be a database" * 100)
    for words in (["jobs"], ["run", "greeting.yaml", "-i", "names=Ann"]):
        assert shell(*words).status == 2


def test_an_empty_journal_has_no_jobs(shell: Shell) -> None:
    (shell.folder / ".murakkab").mkdir()
    (shell.folder / ".murakkab" / "journal.db").touch()
    assert shell.json("jobs") == []
