"""driver: the energy of a job that has an energy budget - booked on its attempts, so that the budget sees it."""

import logging

from murakkab.ports import Meter
from murakkab.runtime.messages import Event, TaskCancelled, TaskFailed, TaskSucceeded

_log = logging.getLogger("murakkab.runtime")


class EnergyBook:
    """Books on each attempt that ends what the machine took since the last one did, where the attempt does not know it itself."""

    def __init__(self, meter: Meter, reading: float) -> None:
        self._meter = meter
        self._last = reading

    def booked(self, event: Event) -> Event:
        """Return *event* with its joules."""
        if not isinstance(event, TaskSucceeded | TaskFailed | TaskCancelled) or event.joules is not None:
            return event
        reading = self._meter.read()
        if reading is None:
            return event
        joules, self._last = max(0.0, reading - self._last), reading
        return event._replace(joules=joules)


def energy_book(meter: Meter | None, job: str) -> EnergyBook | None:
    """Return the book of a job; None where nothing can be measured, with a warning that says what its budget still counts."""
    reading = None if meter is None else meter.read()
    if meter is None or reading is None:
        _log.warning("job %s: energy is not measured here; its budget counts only the joules that steps and executors report", job)
        return None
    return EnergyBook(meter, reading)
