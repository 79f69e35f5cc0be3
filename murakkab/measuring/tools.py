"""driver: what measuring takes from this installation - meters, the watts of a core, and what scores results."""

from murakkab import app
from murakkab.devices import DeviceKind
from murakkab.metrics import Metric
from murakkab.ports import Meter
from murakkab_cluster.figures import devices
from murakkab_cluster.gpu_energy import open_gpu_meter
from murakkab_executors.scoring import metric as found


def meters() -> tuple[Meter, Meter]:
    """Return the meters of the CPU packages and of the GPUs of this machine; either may measure nothing."""
    return app.cpu_meter(), open_gpu_meter()


def core() -> DeviceKind:
    """Return the kind of device that one CPU core is, with the watts that are assumed of it."""
    return devices()["cpu"]


def metric(name: str) -> Metric:
    """Return how results are scored, by the name of a metric or as `module:function`. Raises `InputError`, `NotFoundError`."""
    return found(name)
