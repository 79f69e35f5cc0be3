"""driver: the energy of the GPUs of this machine, read through Zeus (the extra `energy`): NVIDIA's own counters, or AMD's."""

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from murakkab.ports import Meter
from murakkab_cluster.energy import NoMeter

_log = logging.getLogger("murakkab.energy")
_MILLI: Final = 1e-3


class GpuMeter:
    """Joules of all GPUs that this process may see, since their driver was loaded. *gpus* is what `zeus.device.get_gpus` gives."""

    def __init__(self, gpus: Any) -> None:
        self._gpus = gpus
        self._is_sound = True

    def read(self) -> float | None:
        """Return joules, or None for good once a counter could not be read: the sum would be wrong."""
        if not self._is_sound:
            return None
        try:
            return float(sum(self._gpus.get_total_energy_consumption(index) for index in range(len(self._gpus))) * _MILLI)
        except Exception as error:
            # Whatever Zeus or a driver raises: a meter that fails measures nothing, and breaks no job.
            _log.warning("the energy of the GPUs cannot be read any more: %s", error)
            self._is_sound = False
            return None


def open_gpu_meter() -> Meter:
    """Return a meter for the GPUs of this machine; `NoMeter` where Zeus is not installed, or finds no GPU that counts its energy."""
    if find_spec("zeus") is None:
        return NoMeter()
    try:
        gpus = import_module("zeus.device").get_gpus()
        if len(gpus) and all(gpus.supports_get_total_energy_consumption(index) for index in range(len(gpus))):
            return GpuMeter(gpus)
    except Exception as error:
        # No driver, no library, no permission: each has an error of its own.
        _log.info("no GPU is metered: %s", error)
    return NoMeter()
