"""driver: the first lines of the process. Ctrl-C while the rest is still being loaded ends it as quietly as later."""

import os
import signal
import sys
from importlib import import_module
from types import FrameType

#: The status of a process that was stopped.
_STOPPED = 130


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.stderr.write("stopped\n")
    sys.stderr.flush()
    os._exit(_STOPPED)


def main() -> None:
    """Load the command line and run it."""
    signal.signal(signal.SIGINT, _leave)
    run = import_module("murakkab.cli.app").main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        _leave(signal.SIGINT, None)
    finally:
        # It is over: nothing is left that could be stopped.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
