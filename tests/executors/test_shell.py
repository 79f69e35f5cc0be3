"""Programs as steps: what they see, what is kept of what they say, and that nothing of them stays."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab_executors import shell as module
from murakkab_executors.shell import shell

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


async def ran(*argv: str, knobs: dict[str, Any] | None = None, **inputs: Any) -> dict[str, Any]:
    result: dict[str, Any] = await shell.run(Call("t", 1, {"argv": list(argv), **inputs}, knobs or {}, LocalArtifacts("unused")))
    return result


async def failure(*argv: str, **inputs: Any) -> ExecutorError:
    with pytest.raises(ExecutorError) as caught:
        await ran(*argv, **inputs)
    return caught.value


async def test_what_a_program_says_and_how_it_ends() -> None:
    result = await ran("sh", "-c", "cat; echo wrong >&2; exit 3", stdin="grüß", ok_exit=[0, 3])

    assert result == {"stdout": "grüß", "stderr": "wrong\n", "exit": 3, "stdout_dropped": 0, "stderr_dropped": 0}


async def test_arguments_are_never_read_by_a_shell() -> None:
    assert (await ran("printf", "%s|", "$HOME; ls *", "a b"))["stdout"] == "$HOME; ls *|a b|"


async def test_the_environment_is_explicit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hidden")
    monkeypatch.setenv("HOME", "/home/somebody")

    seen = dict(line.split("=", 1) for line in (await ran("env", env={"GIVEN": "yes"}))["stdout"].splitlines())

    assert seen["GIVEN"] == "yes"
    assert seen["HOME"] == "/home/somebody"
    assert seen["PATH"] == os.environ["PATH"]
    assert "SECRET" not in seen


async def test_a_program_runs_where_it_is_told(tmp_path: Path) -> None:
    assert (await ran("pwd", cwd=str(tmp_path)))["stdout"] == f"{await anyio.Path(tmp_path).resolve()}\n"


async def test_output_over_the_limit_is_dropped_and_counted() -> None:
    script = "import sys; sys.stdout.write('x' * 300_000); sys.stderr.write('yy')"
    result = await ran(sys.executable, "-c", script, knobs={"max_output": 1000, "excess": "truncate"})

    assert (result["stdout"], result["stdout_dropped"]) == ("x" * 1000, 299_000)
    assert (result["stderr"], result["stderr_dropped"]) == ("yy", 0)


async def test_output_over_the_limit_is_a_failure_unless_it_may_be_truncated() -> None:
    """Its beginning went on as if it were the whole."""
    error = await failure(sys.executable, "-c", "print('x' * 1_048_576)")

    assert (error.reason, error.retryable) == ("output-limit", False)
    assert "printed 1048577 bytes, and max_output keeps 1048576" in error.message
    assert "truncate" in error.hint


async def test_output_up_to_the_limit_and_a_long_stderr_are_no_failures() -> None:
    script = "import sys; sys.stdout.write('x' * 1000); sys.stderr.write('y' * 3000)"
    result = await ran(sys.executable, "-c", script, knobs={"max_output": 1000})

    assert (len(result["stdout"]), result["stdout_dropped"]) == (1000, 0)
    assert (len(result["stderr"]), result["stderr_dropped"]) == (1000, 2000)


async def test_output_that_is_no_text_is_replaced() -> None:
    assert (await ran("printf", r"a\377b"))["stdout"] == "a\ufffdb"


async def test_a_program_need_not_read_what_it_is_given() -> None:
    assert (await ran("true", stdin="x" * 1_000_000))["exit"] == 0


async def test_much_in_and_much_out_do_not_block_each_other() -> None:
    assert len((await ran("cat", stdin="x" * 900_000))["stdout"]) == 900_000


async def test_a_bad_status_is_a_failure_with_the_end_of_stderr() -> None:
    error = await failure("sh", "-c", "echo first >&2; echo the cause >&2; exit 4")

    assert error.message == "sh ended with status 4: first\nthe cause"
    assert (error.reason, error.retryable) == ("exit-status", True)
    assert "ok_exit" in error.hint
    assert len((await failure("sh", "-c", "yes x | head -c 9000 >&2; exit 1")).message) < 2100


async def test_a_program_ended_by_a_signal_names_it() -> None:
    assert (await failure("sh", "-c", "kill -9 $$")).message == "sh was ended by SIGKILL"


async def test_a_missing_program_is_not_tried_again(tmp_path: Path) -> None:
    error = await failure("no-such-program-here")
    assert (error.message, error.reason, error.retryable) == ("there is no program 'no-such-program-here'", "missing-program", False)
    assert "PATH is" in error.hint

    (tmp_path / "script.sh").write_text("true")
    error = await failure(str(tmp_path / "script.sh"))
    assert (error.reason, error.retryable) == ("missing-program", False)
    assert "chmod +x" in error.hint


async def test_what_cannot_be_run_at_all_is_the_inputs_fault(tmp_path: Path) -> None:
    assert (await failure()).message == "argv is empty"
    assert (await failure("true", cwd=str(tmp_path / "absent"))).message == f"there is no folder {str(tmp_path / 'absent')!r} to run in"
    error = await failure("echo", "a\0b")
    assert (error.reason, error.retryable) == ("bad-input", False)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def until(holds: Callable[[], bool]) -> None:
    """Wait for another process."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


async def started(path: Path) -> list[int]:
    """Return the ids in *path* once it is whole."""
    await anyio.to_thread.run_sync(until, lambda: path.exists() and path.read_text().endswith("\n"))
    return [int(word) for word in (await anyio.Path(path).read_text()).split()]


@needs_proc
@pytest.mark.parametrize("is_deaf", [False, True])
async def test_cancelling_ends_the_program_and_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_deaf: bool) -> None:
    monkeypatch.setattr(module, "_GRACE", 0.2)
    ids = tmp_path / "ids"
    deaf = "trap '' TERM; " if is_deaf else ""
    script = f'{deaf}sh -c "{deaf}sleep 60; sleep 60" & echo $$ $! > {ids}.part; mv {ids}.part {ids}; wait; sleep 60'

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ran, "sh", "-c", script)
        processes = await started(ids)
        tasks.cancel_scope.cancel()

    await anyio.to_thread.run_sync(until, lambda: not any(map(is_running, processes)))


def running(word: str) -> list[str]:
    """Return the ids of the processes that have *word* among their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(folder.name)
    return found


@needs_proc
@pytest.mark.parametrize("milliseconds", [0, 1, 2, 4, 8, 16])
async def test_a_timeout_at_any_moment_leaves_nothing_running(milliseconds: int) -> None:
    marker = f"60.{os.getpid()}{milliseconds:03}"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(milliseconds / 1000):
            await ran("sh", "-c", f"sleep {marker} & sleep {marker}; exit")

    await anyio.to_thread.run_sync(until, lambda: not running(marker))


async def test_a_program_may_mend_its_affairs_when_it_is_cancelled(tmp_path: Path) -> None:
    ids, mended = tmp_path / "ids", tmp_path / "mended"
    script = f"trap 'echo yes > {mended}; exit' TERM; echo $$ > {ids}; while true; do sleep 0.02; done"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ran, "sh", "-c", script)
        await started(ids)
        tasks.cancel_scope.cancel()

    assert mended.read_text() == "yes\n"


async def test_what_a_program_leaves_behind_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LINGER", 0.1)
    with anyio.fail_after(10):
        result = await ran("sh", "-c", "sleep 60 & echo $!")
    os.kill(int(result["stdout"]), signal.SIGKILL)

    assert result["exit"] == 0


async def test_an_argument_that_is_no_text_is_told_as_it_is() -> None:
    """It was told as `ExceptionGroup: unhandled errors in a TaskGroup`."""
    error = await failure("echo", 3)  # type: ignore[arg-type]  # what a value of type any may bring
    assert error.reason == "bad-input"
    assert "not int" in error.message
