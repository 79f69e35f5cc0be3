"""driver: the first lines of the process. Ctrl-C while the rest is still being loaded ends it as quietly as later."""

import gc
import os
import signal
import sys
from importlib import import_module
from types import FrameType

#: The status of a process that was stopped.
_STOPPED = 130
#: How many objects more than there were make the collector look for garbage.
_OBJECTS = 50_000


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.stderr.write("stopped\n")
    sys.stderr.flush()
    os._exit(_STOPPED)


def main() -> None:
    """Load the command line and run it."""
    signal.signal(signal.SIGINT, _leave)
    # Nearly all that a command makes is there until it ends: to look for cycles after every 700 objects finds hardly any.
    gc.set_threshold(_OBJECTS, 20, 20)
    run = import_module("murakkab.cli.app").main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        _leave(signal.SIGINT, None)
    except RuntimeError as error:
        # Python 3.11 wraps whatever ends a `__set_name__`, and with it a Ctrl-C while a module with dataclasses is loaded.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        _leave(signal.SIGINT, None)
    finally:
        # It is over: nothing is left that could be stopped.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
