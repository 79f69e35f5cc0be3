"""driver: programs as steps. An argument list, never a shell string; its own process group, so that cancelling leaves nothing running."""

import os
import signal
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import anyio
from anyio.abc import ByteSendStream, Process

from murakkab.errors import ExecutorError
from murakkab_executors import capabilities
from murakkab_executors.capabilities import ShellResult
from murakkab_executors.function import Knob, executor

_PASSED_ON: Final = ("PATH", "HOME", "LANG")
#: Seconds between asking a process group to end and ending it.
_GRACE: Final = 2.0
#: Seconds to wait for the rest of the output after the program has ended: something it started may hold its pipes open for ever.
_LINGER: Final = 2.0
_SHOWN: Final = 2000


class _Output:
    """The first bytes of a stream, and the count of those behind the limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kept = bytearray()
        self.dropped = 0

    async def read(self, stream: AsyncIterable[bytes] | None) -> None:
        """Read to the end, also what is dropped: a program must not stall on a full pipe."""
        if stream is None:
            return
        async for chunk in stream:
            kept = chunk[: self.limit - len(self.kept)]
            self.kept += kept
            self.dropped += len(chunk) - len(kept)

    @property
    def text(self) -> str:
        """What was kept, as text; bytes that are no UTF-8 are replaced."""
        return self.kept.decode("utf-8", "replace")


@executor(capabilities.shell, name="shell", effect="write", cores=1.0)
async def shell(  # noqa: PLR0913 - the inputs of the capability, and knobs
    argv: list[str],
    *,
    stdin: str,
    env: dict[str, str],
    cwd: str,
    ok_exit: list[int],
    max_output: Annotated[int, Knob("bytes kept of each of stdout and stderr", low=0)] = 1_048_576,
    excess: Annotated[str, Knob("a longer stdout fails the step, or is truncated", choices=("fail", "truncate"))] = "fail",
) -> ShellResult:
    """Run a program on this machine, without a shell. A stdout over the limit fails, for its beginning alone would be another result."""
    if not argv:
        raise ExecutorError("argv is empty", hint="its first element is the program", reason="bad-input", retryable=False)
    out, err = _Output(max_output), _Output(max_output)
    async with _running(argv, _environment(env), cwd) as process:
        status = await _finished(process, stdin.encode(), out, err)
    if status not in ok_exit:
        raise _failed(argv[0], status, err.text)
    if out.dropped and excess != "truncate":
        raise _too_long(argv[0], out)
    return ShellResult(out.text, err.text, status, out.dropped, err.dropped)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name in _PASSED_ON if (value := os.environ.get(name)) is not None} | dict(given)


@asynccontextmanager
async def _running(argv: list[str], environment: Mapping[str, str], cwd: str) -> AsyncIterator[Process]:
    """Start a program. When the block is left by an error or a cancellation, nothing that the program started is left running."""
    outcome: list[Process | ExecutorError] = []
    try:
        # In a task of its own, because a program whose start is cut short would run on, known to nobody.
        async with anyio.create_task_group() as starting:
            starting.start_soon(_start, argv, environment, cwd, outcome)
        process = outcome[0]
        if isinstance(process, ExecutorError):
            raise process
        yield process
    except BaseException:
        if outcome and not isinstance(outcome[0], ExecutorError):
            with anyio.CancelScope(shield=True):
                await _end_group(outcome[0])
        raise
    finally:
        if outcome and not isinstance(outcome[0], ExecutorError):
            with anyio.CancelScope(shield=True):
                await outcome[0].aclose()


async def _start(argv: list[str], environment: Mapping[str, str], cwd: str, outcome: list[Process | ExecutorError]) -> None:
    with anyio.CancelScope(shield=True):
        try:
            outcome.append(await anyio.open_process(argv, cwd=cwd or None, env=environment, start_new_session=True))
        except (OSError, ValueError, TypeError) as error:
            outcome.append(_not_started(argv, environment, cwd, error))


def _not_started(argv: list[str], environment: Mapping[str, str], cwd: str, error: Exception) -> ExecutorError:
    refuse = partial(ExecutorError, reason="bad-input", retryable=False)
    if cwd and not Path(cwd).is_dir():
        return refuse(f"there is no folder {cwd!r} to run in")
    if isinstance(error, FileNotFoundError):
        hint = f"install it, or give its full path; PATH is {environment.get('PATH', 'empty')}"
        return refuse(f"there is no program {argv[0]!r}", hint=hint, reason="missing-program")
    if isinstance(error, PermissionError):
        return refuse(f"{argv[0]!r} may not be run", hint=f"chmod +x {argv[0]}", reason="missing-program")
    return refuse(f"{argv[0]!r} cannot be started: {error}")


async def _finished(process: Process, stdin: bytes, out: _Output, err: _Output) -> int:
    """Return the exit status once the program has ended and its output is read."""
    async with anyio.create_task_group() as readers:
        readers.start_soon(_read_both, process, out, err)
        readers.start_soon(_feed, process.stdin, stdin)
        await process.wait()
        readers.cancel_scope.deadline = anyio.current_time() + _LINGER
    return await process.wait()


async def _read_both(process: Process, out: _Output, err: _Output) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(out.read, process.stdout)
        tasks.start_soon(err.read, process.stderr)


async def _feed(stream: ByteSendStream | None, content: bytes) -> None:
    if stream is None:
        return
    # A program need not read what it is given.
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, BrokenPipeError, ConnectionResetError):
        await stream.send(content)
        await stream.aclose()


async def _end_group(process: Process) -> None:
    _signal_group(process, signal.SIGTERM)
    try:
        with anyio.move_on_after(_GRACE):
            await process.wait()
    finally:
        # Also when the program itself has ended: what it started may be deaf to SIGTERM.
        _signal_group(process, signal.SIGKILL)
    await process.wait()


def _signal_group(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _failed(program: str, status: int, stderr: str) -> ExecutorError:
    how = f"was ended by {_signal_name(-status)}" if status < 0 else f"ended with status {status}"
    tail = stderr.strip()[-_SHOWN:]
    message = f"{program} {how}{': ' if tail else ''}{tail}"
    return ExecutorError(message, hint="list the statuses that are fine in ok_exit", reason="exit-status")


def _too_long(program: str, out: _Output) -> ExecutorError:
    message = f"{program} printed {out.limit + out.dropped} bytes, and max_output keeps {out.limit}"
    hint = "raise the knob max_output, set the knob excess to truncate, or have it write to a file"
    return ExecutorError(message, hint=hint, reason="output-limit", retryable=False)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


EXECUTORS: Final = (shell,)
