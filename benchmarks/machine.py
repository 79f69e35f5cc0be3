"""driver: the facts about this machine that figures depend on."""

import os
import platform
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from murakkab.this_machine import cpu_seconds

_PACKAGES: Final = ("murakkab", "anyio", "pydantic", "networkx", "rich", "typer", "httpx", "opentelemetry-sdk")


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, Python, versions."""
    names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: _version(name) for name in _PACKAGES},
    }


@dataclass(slots=True)
class Share:
    """The part of the machine's time that processes other than this one and its children used."""

    others: float = 0.0


@contextmanager
def others_share() -> Iterator[Share]:
    """Watch how much of the machine others use while the block runs; nothing where the system does not say."""
    found = Share()
    busy, whole, own = *_ticks(), cpu_seconds()
    yield found
    after, total = _ticks()
    if total > whole:
        used = (cpu_seconds() - own) * os.sysconf("SC_CLK_TCK")
        found.others = max(0.0, after - busy - used) / (total - whole)


def _ticks() -> tuple[float, float]:
    """Return how long all cores were busy, or wanted to be, and how long there were any."""
    try:
        user, nice, system, idle, waiting, *rest = map(float, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    except (OSError, ValueError):
        return 0.0, 0.0
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + waiting


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
