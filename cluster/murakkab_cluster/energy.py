"""driver: energy meters. RAPL counts what the CPU packages of this machine use, whoever makes them; None means not measured, never zero."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from murakkab.ports import Meter

#: Whole packages. `intel-rapl:0:0` is a part of one, and `intel-rapl-mmio:0` is the same package seen another way.
_PACKAGE: Final = re.compile(r"intel-rapl:\d+")
_MICRO: Final = 1e-6


@dataclass(slots=True)
class _Counter:
    """The energy counter of a package, which starts again at zero behind `wrap`."""

    file: Path
    wrap: int
    last: int

    def advance(self) -> int:
        """Return the microjoules since the last call. A counter that has gone round twice between is read as once."""
        now = _number(self.file)
        used = now - self.last if now >= self.last else now - self.last + self.wrap
        self.last = now
        return used


class RaplMeter:
    """Joules of all CPU packages since this meter was made. Read it at least every few minutes: counters go round.

    Raises `OSError` where the counters cannot be read, which takes root on most systems; `open_meter` tells.
    """

    def __init__(self, root: str | Path = "/sys/class/powercap") -> None:
        self._joules: float | None = 0.0
        self._counters = [
            _Counter(domain / "energy_uj", _number(domain / "max_energy_range_uj"), _number(domain / "energy_uj"))
            for domain in _packages(Path(root))
        ]
        if not self._counters:
            raise FileNotFoundError(f"no CPU package below {root} counts its energy")

    def read(self) -> float | None:
        """Return joules since the meter was made, or None for good once a counter could not be read: the sum would be wrong."""
        if self._joules is not None:
            try:
                self._joules += sum(counter.advance() for counter in self._counters) * _MICRO
            except (OSError, ValueError):
                self._joules = None
        return self._joules


class NoMeter:
    """Measures nothing, and says so."""

    def read(self) -> float | None:
        """Return None."""
        return None


class ReplayMeter:
    """Gives recorded readings, one for every time it is read; the last one stays."""

    def __init__(self, readings: Iterable[float | None]) -> None:
        self._readings = list(readings) or [None]
        self._next = 0

    def read(self) -> float | None:
        """Return the next recorded reading."""
        reading = self._readings[min(self._next, len(self._readings) - 1)]
        self._next += 1
        return reading


def open_meter(root: str | Path = "/sys/class/powercap") -> Meter:
    """Return a meter for this machine: RAPL where its counters can be read, else `NoMeter`."""
    try:
        return RaplMeter(root)
    except (OSError, ValueError):
        return NoMeter()


def _packages(root: Path) -> Iterator[Path]:
    for domain in sorted(root.iterdir()) if root.is_dir() else ():
        # `psys` counts the whole board, the packages among it.
        if _PACKAGE.fullmatch(domain.name) and (domain / "name").read_text().startswith("package"):
            yield domain


def _number(file: Path) -> int:
    return int(file.read_text())
