"""driver: this machine - what it is, and how much CPU time and energy it has used so far."""

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

#: Of `time.clock_gettime` on Linux: the CPU clock of a whole process is named by the complement of its id, shifted, and this.
_WHOLE_PROCESS: Final = 2


@cache
def machine() -> str:
    """Return the machine in a line, as provenance of what was measured on it: CPU, cores, system, Python, Murakkab."""
    with suppress(PackageNotFoundError):
        return f"{_processor()}, {cores()} cores, {platform.system()}, Python {platform.python_version()}, murakkab {version('murakkab')}"
    return f"{_processor()}, {cores()} cores, {platform.system()}, Python {platform.python_version()}"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cpu_seconds() -> float:
    """Return the CPU seconds that this process has used and all that it has started, those that still run among them (on Linux)."""
    done = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + done.ru_utime + done.ru_stime + sum(map(_used_by, _descendants(os.getpid())))


def _used_by(process: int) -> float:
    # It may have ended meanwhile; then it is among the children that were waited for.
    with suppress(OSError):
        return time.clock_gettime((~process << 3) | _WHOLE_PROCESS)
    return 0.0


def _descendants(process: int) -> Iterator[int]:
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError):
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            for child in children.read_text(encoding="ascii").split():
                yield int(child)
                yield from _descendants(int(child))
