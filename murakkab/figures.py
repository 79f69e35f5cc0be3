"""data: numbers that say how sure they are and where they are from. Whatever was modelled or assumed says so wherever it is shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Source(StrEnum):
    """How a number came about: measured by this installation, published by others who measured it, modelled by a formula, or assumed."""

    MEASURED = "measured"
    PUBLISHED = "published"
    MODELLED = "modelled"
    ASSUMED = "assumed"


#: From what can be relied on most to what can be least.
RELIANCE: Final = (Source.MEASURED, Source.PUBLISHED, Source.MODELLED, Source.ASSUMED)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a number is from: `where` names the machine, the paper or the formula, `date` is an ISO day, `count` how many observations."""

    source: Source = Source.ASSUMED
    where: str = ""
    date: str = ""
    count: int = 0


ASSUMED: Final = Provenance()


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and the interval in which it lies four times out of five."""

    value: float
    low: float
    high: float
    of: Provenance = ASSUMED

    @property
    def is_exact(self) -> bool:
        """True when nothing is uncertain about it."""
        return self.low == self.high


def exactly(value: float, of: Provenance = ASSUMED) -> Figure:
    """Return a figure without uncertainty."""
    return Figure(value, value, value, of)


def weakest(sources: Iterable[Source]) -> Source:
    """Return that of *sources* which can be relied on least: what a sum of such numbers is. Measured when there are none."""
    return max(sources, key=RELIANCE.index, default=Source.MEASURED)
