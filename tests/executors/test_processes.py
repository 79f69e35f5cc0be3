"""Worker processes: what they keep, what they give back, and how they end."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from murakkab.errors import ExecutorError
from murakkab_executors.processes import Workers


class Stubborn(Exception):
    """It can be packed, but not unpacked."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


def own_id(_: int = 0) -> int:
    return os.getpid()


def slow_id(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def with_child(path: str) -> None:
    child = subprocess.Popen(["sleep", "60"])
    Path(path).write_text(f"{child.pid}\n")
    child.wait()


def talkative() -> str:
    sys.stdout.write("noise " * 1000)
    sys.stdout.flush()
    os.system("echo more noise")
    return sys.stdin.read()


def failing(kind: str) -> Any:
    if kind == "error":
        raise ExecutorError("no luck", hint="try again", reason="luck", retryable=False)
    if kind == "exit":
        sys.exit(3)
    if kind == "stubborn":
        raise Stubborn(1, 2)
    if kind == "lambda":
        return lambda: None
    return os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def workers() -> Any:
    made = Workers()
    yield made
    made.close()


def is_gone(process: int) -> bool:
    """Return whether a process has ended, also if nobody has asked yet how."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + 5
    while not is_gone(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_worker_is_used_again_and_ends_when_told_to(workers: Workers) -> None:
    first = await workers.run(own_id)
    assert first != os.getpid()
    assert await workers.run(own_id) == first

    workers.close()

    assert is_gone(first)
    assert await workers.run(own_id) not in (first, os.getpid())


def test_a_worker_outlives_the_loop_that_started_it(workers: Workers) -> None:
    assert anyio.run(workers.run, own_id) == anyio.run(workers.run, own_id)


async def test_a_worker_finds_what_its_parent_finds_now(workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await workers.run(own_id)
    (tmp_path / "newly_found.py").write_text("def answer():\n    return 42\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert await workers.run(importlib.import_module("newly_found").answer) == 42


async def test_more_calls_than_cores_wait_for_each_other(workers: Workers) -> None:
    seen: list[int] = []

    async def one() -> None:
        seen.append(await workers.run(slow_id, 0.01))

    async with anyio.create_task_group() as group:
        for _ in range(4 * (os.cpu_count() or 1)):
            group.start_soon(one)

    assert len(set(seen)) <= (os.cpu_count() or 1)


async def test_what_a_function_prints_or_reads_does_not_disturb(workers: Workers) -> None:
    assert await workers.run(talkative) == ""
    assert await workers.run(own_id) == await workers.run(own_id)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("error", ExecutorError, "no luck; try again"),
        ("exit", SystemExit, "3"),
        ("stubborn", ExecutorError, "its error, Stubborn: 3, cannot be sent between processes"),
        ("lambda", ExecutorError, "its result, function, cannot be sent between processes"),
        ("killed", ExecutorError, "the worker process was killed by SIGKILL; it may have run out of memory"),
    ],
)
async def test_what_goes_wrong_in_a_worker_is_raised_here(kind: str, error: type[BaseException], message: str, workers: Workers) -> None:
    with pytest.raises(error) as caught:
        await workers.run(failing, kind)
    assert str(caught.value) == message
    assert await workers.run(own_id) > 0


async def test_cancelling_kills_the_worker(workers: Workers) -> None:
    process = await workers.run(own_id)
    with anyio.move_on_after(0.2) as scope:
        await workers.run(slow_id, 60)
    assert scope.cancelled_caught
    await anyio.to_thread.run_sync(wait_until_gone, process)
    assert await workers.run(own_id) != process


async def test_cancelling_ends_what_a_worker_has_started(workers: Workers, tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, with_child, str(ids))
        with anyio.fail_after(10):
            while not (ids.exists() and ids.read_text().endswith("\n")):  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    child = int(ids.read_text())
    await anyio.to_thread.run_sync(wait_until_gone, child)


async def test_a_worker_that_died_in_idleness_is_replaced(workers: Workers) -> None:
    process = await workers.run(own_id)
    os.kill(process, signal.SIGKILL)
    await anyio.to_thread.run_sync(os.waitid, os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert await workers.run(own_id) != process


SCRIPT = """
import os, sys
import anyio
from murakkab_executors.processes import WORKERS
import helper_of_the_script
print("started", os.getpid())
print("worker", anyio.run(WORKERS.run, helper_of_the_script.own_id))
{end}
"""


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_a_script_needs_no_guard_and_leaves_no_worker(end: str, tmp_path: Path) -> None:
    (tmp_path / "helper_of_the_script.py").write_text("import os\ndef own_id():\n    return os.getpid()\n")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(end=end))

    ended = subprocess.run([sys.executable, "-u", "-W", "error", str(script)], capture_output=True, text=True, timeout=15)

    lines = dict(line.split() for line in ended.stdout.splitlines())
    assert list(lines) == ["started", "worker"]
    assert ended.stderr == ""
    wait_until_gone(int(lines["worker"]))
