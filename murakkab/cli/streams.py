"""driver: standard output, kept for results - what steps, modules and child processes write there goes to standard error.

Loads nothing heavy: every command begins here.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

from murakkab.errors import BackendError

_OUT: Final = 1
_ERR: Final = 2
#: How the signs of pictures are written where the encoding has none of them; each is one column wide, as the sign is.
_PLAIN: Final = str.maketrans(
    dict.fromkeys("│┃┆┊", "|")
    | dict.fromkeys("─━┄┈╌╴╶", "-")
    | dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝╪╫╬", "+")
    | dict.fromkeys("▁▂▃▄▅▆▇█", "#")
    | dict.fromkeys("○◇□◌", "o")
    | dict.fromkeys("●◆■◉", "*")
    | dict.fromkeys("▸▶→", ">")
    | {"←": "<", "↑": "^", "↓": "v"}
    | {"░": ".", "▒": ":", "✗": "x", "✓": "v", "…": "~", "·": ".", "⋯": ".", "≤": "<", "↻": "@"}
)


class ResultLost(BackendError):
    """Standard output does not take the result. `is_unwanted`: who was to read it has gone, as `head` does."""

    is_unwanted = False


class _Kept(io.FileIO):
    """The descriptor that results are written to. Once it has failed the rest is dropped: the failure is told, once."""

    failed = False

    def write(self, data: Any) -> int:
        """Write *data*. Raises `ResultLost`."""
        if self.failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.failed = True
            lost = ResultLost(
                f"the result cannot be written to standard output: {error.strerror}",
                hint="what was done is done, and kept where there is a journal: `murakkab jobs` and `murakkab show JOB` have it",
            )
            lost.is_unwanted = isinstance(error, BrokenPipeError)
            raise lost from None


class _Present:
    """Where results go at present; None where standard output is not kept."""

    stream: TextIO | None = None


def results() -> TextIO:
    """Return the stream that results are written to."""
    return _Present.stream or sys.stdout


def open_missing() -> None:
    """Put the null device in the place of standard streams that are closed: the next file that is opened must not become one of them."""
    for number, name, mode in ((0, "stdin", "r"), (_OUT, "stdout", "w"), (_ERR, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115


@contextmanager
def results_apart() -> Iterator[TextIO]:
    """Keep standard output for results: within, whatever else is written to it, by children too, goes to standard error.

    In a process of its own that stays so until its end: what was abandoned may still print. Raises `ResultLost` when, at the end, the
    results cannot be written.
    """
    outer, stdout = _Present.stream, sys.stdout
    if outer is not None and _is_descriptor(stdout):
        yield outer
        outer.flush()
        return
    kept = _Present.stream = _moved(stdout) if _is_descriptor(stdout) else stdout
    if kept is stdout:
        sys.stdout = sys.stderr
    try:
        yield kept
        kept.flush()
    finally:
        if kept is stdout:
            sys.stdout, _Present.stream = stdout, outer


def _is_descriptor(stream: TextIO) -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return stream.fileno() == _OUT
    return False


def _moved(stdout: TextIO) -> TextIO:
    """Return a stream on what descriptor 1 is now, and make that descriptor standard error."""
    with suppress(OSError):
        stdout.flush()
    kept = _Kept(os.dup(_OUT), "w")
    os.dup2(_ERR, _OUT)
    # A new stream: the old one may know its descriptor as a file with positions. At the end of a line it is written, as errors are.
    sys.stdout = open(_OUT, "w", buffering=1, encoding=stdout.encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(io.BufferedWriter(kept), encoding=stdout.encoding, errors=_ERRORS, newline=None)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode(error.encoding, "backslashreplace").decode(error.encoding), error.end


_ERRORS: Final = "murakkab-plain"
codecs.register_error(_ERRORS, _plain)
