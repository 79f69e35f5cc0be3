"""driver: worker processes for functions that hold the interpreter's lock. They outlive event loops and keep what they have loaded.

Unlike those of `multiprocessing` and AnyIO, a worker never imports the program that started it: a script that runs a workflow needs no
`if __name__ == "__main__"`. A worker ends when its standard input does, so also when its parent is killed.
"""

import atexit
import contextlib
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from murakkab.errors import ExecutorError

R = TypeVar("R")

_SIZE: Final = struct.Struct(">Q")
#: How long a worker may take to end by itself when this process ends.
_GRACE_S: Final = 2.0
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("murakkab_worker_processes")


class _Worker:
    """One process. `ask` blocks until it has answered; `kill`, from another thread, ends that wait."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-c", "from murakkab_executors.processes import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what a library prints would run into the progress display
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # so that what it has started ends with it
        )

    def ask(self, request: bytes) -> tuple[bool, Any]:
        """Return whether the function returned, and what it returned or raised. Raises `ExecutorError` when the process is gone."""
        try:
            _write(cast("BinaryIO", self._process.stdin), request)
            answer = _read(cast("BinaryIO", self._process.stdout))
        except OSError:
            answer = None
        if answer is not None:
            return cast("tuple[bool, Any]", pickle.loads(answer))
        self.close(_GRACE_S)
        status = self._process.returncode
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise ExecutorError(f"the worker process {how}", hint="it may have run out of memory", reason="worker-died")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, and whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self, grace: float) -> None:
        """Let it end by itself for *grace* seconds, then end it; returns when it has ended."""
        stdin, stdout = cast("BinaryIO", self._process.stdin), cast("BinaryIO", self._process.stdout)
        with contextlib.suppress(OSError):  # it is gone, with a part of a request unread
            stdin.close()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        stdout.close()


class _Loan:
    """A worker while a call has it; None before that, and after the call was cancelled."""

    def __init__(self) -> None:
        self.worker: _Worker | None = None
        self.cancelled = False


class Workers:
    """The workers of this process: at most as many at work as it has cores, other calls wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._lent: set[_Worker] = set()

    async def run(self, function: Callable[..., R], *args: object) -> R:
        """Return what *function*, a function of a module, returns in a worker. Cancelling kills the worker."""
        # The path first: the worker needs it to find the function, and it may have changed since the worker began.
        request = pickle.dumps(sys.path) + pickle.dumps((function, args))
        loan = _Loan()
        try:
            returned, value = await anyio.to_thread.run_sync(self._asked, request, loan, abandon_on_cancel=True, limiter=_cores())
        except anyio.get_cancelled_exc_class():
            self._cancel(loan)
            raise
        if not returned:
            raise value
        return cast("R", value)

    def _asked(self, request: bytes, loan: _Loan) -> tuple[bool, Any]:
        worker = self._borrow()
        with self._lock:
            if loan.cancelled:
                self._idle.append(worker)
                return True, None
            loan.worker = worker
            self._lent.add(worker)
        try:
            answer = worker.ask(request)
        finally:
            with self._lock:
                self._lent.discard(worker)
        with self._lock:
            if loan.worker is not None:  # else it was killed
                self._idle.append(worker)
        return answer

    def _cancel(self, loan: _Loan) -> None:
        with self._lock:
            worker, loan.worker, loan.cancelled = loan.worker, None, True
        if worker is not None:
            worker.kill()

    def _borrow(self) -> _Worker:
        while True:
            with self._lock:
                if not self._idle:
                    break
                worker = self._idle.pop()
            if worker.is_alive:
                return worker
            worker.close(0.0)
        return _Worker()

    def close(self) -> None:
        """End all workers: idle ones by themselves, busy ones at once. Later calls start new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
            for worker in self._lent:
                worker.kill()
        for worker in idle:
            worker.close(_GRACE_S)

    def forget(self) -> None:
        """Drop the workers without a word to them: after a fork they are the parent's."""
        self._lock = threading.Lock()
        self._idle, self._lent = [], set()


WORKERS: Final = Workers()
atexit.register(WORKERS.close)
os.register_at_fork(after_in_child=WORKERS.forget)


def _cores() -> anyio.CapacityLimiter:
    """Return the limiter of the running loop. Its own: calls that wait here must not take the threads of other steps."""
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(os.cpu_count() or 1)
        _limiter.set(limiter)
    return limiter


# ------------------------------------------------------------------------------------------------------------ in the worker


def serve() -> None:
    """Answer requests until there are no more. Interrupts from the terminal are for the parent, which decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)  # what a library prints must not come between the answers
    while (request := _read(requests)) is not None:
        try:
            stream = io.BytesIO(request)
            sys.path[:] = pickle.load(stream)
            function, args = pickle.load(stream)
            answer: tuple[bool, Any] = (True, function(*args))
        except BaseException as error:  # SystemExit of a function, too, ends the task and not the worker
            answer = (False, error)
        try:
            _write(answers, _pickled(answer))
        except BrokenPipeError:
            return  # nobody waits for it any more


def _pickled(answer: tuple[bool, Any]) -> bytes:
    returned, value = answer
    try:
        return _checked(answer) if returned else pickle.dumps((False, portable(value)))
    except Exception:  # packing runs code of the value's class
        message = f"its result, {type(value).__name__}, cannot be sent between processes"
        return pickle.dumps((False, ExecutorError(message, reason="exception")))


def _checked(value: object) -> bytes:
    made = pickle.dumps(value)
    pickle.loads(made)  # some exceptions can be packed, but not unpacked
    return made


def portable(error: BaseException) -> BaseException:
    """Return *error*, or what tells of one that cannot be sent between processes."""
    try:
        _checked(error)
    except Exception:
        what = f"its error, {type(error).__name__}: {error}, cannot be sent between processes"
        return ExecutorError(what, reason="exception")
    return error


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(_SIZE.pack(len(content)) + content)
    stream.flush()


def _read(stream: BinaryIO) -> bytes | None:
    """Return the next message, or None where the stream ends before it does."""
    head = stream.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack(head)
    content = stream.read(size)
    return content if len(content) == size else None
