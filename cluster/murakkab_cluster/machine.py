"""driver: what this machine has - CPU cores that this process may use, and the NVIDIA GPUs that their driver tells of."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from murakkab.figures import Figure, Provenance, Source

#: One of them is there where there is an NVIDIA driver, also inside of containers and of WSL.
_DRIVERS: Final = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/proc/driver/nvidia/version")
_MILLI: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as its driver tells of it: memory in bytes, and the watts at which it is capped."""

    name: str
    memory: float
    capped: Figure | None = None


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs of this machine, and why there may be more than those; "" where nothing is in doubt."""

    found: tuple[Gpu, ...] = ()
    remark: str = ""


# ---------------------------------------------------------------------------------------------------------------------- CPU


def usable_cores(root: str | Path = "/sys/fs/cgroup", membership: str | Path = "/proc/self/cgroup") -> float:
    """Return how many cores this process may use: those it is bound to, or the quota of its control group where that is less."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(bound), *_quotas(Path(root), Path(membership))])


def _quotas(root: Path, membership: Path) -> Iterator[float]:
    """Yield the quotas, in cores, of the control group and of those around it."""
    for folder, is_second in _groups(root, membership):
        try:
            if is_second:
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
            if quota not in ("max", "-1"):
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue


def _groups(root: Path, membership: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the folders of the control groups of this process, the root last, and whether they are of the second version."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines or ["0::/"]:
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        base = root if number == "0" else root / controllers
        for part in (base / path.lstrip("/"), *(base / path.lstrip("/")).parents):
            yield part, number == "0"
            if part == base:
                break


# --------------------------------------------------------------------------------------------------------------------- GPUs


def nvidia_gpus(drivers: tuple[str, ...] = _DRIVERS) -> Gpus:
    """Return the NVIDIA GPUs of this machine. Where there is no driver nothing is imported and nothing is said."""
    if not any(map(os.path.exists, drivers)):
        return Gpus()
    try:
        import pynvml  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError:
        return Gpus(remark="there is an NVIDIA driver, but its GPUs cannot be counted: pip install 'murakkab[nvml]'")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus(remark=f"there is an NVIDIA driver, but it does not answer: {error}")
    try:
        count = pynvml.nvmlDeviceGetCount()
        return Gpus(tuple(_gpu(pynvml, index) for index in visible_gpus(count, os.environ)))
    except pynvml.NVMLError as error:
        return Gpus(remark=f"the NVIDIA driver does not tell of its GPUs: {error}")
    finally:
        pynvml.nvmlShutdown()


def visible_gpus(count: int, environment: Mapping[str, str]) -> list[int]:
    """Return the indices of the GPUs that CUDA is allowed; all of them where they are named by what is no index."""
    allowed = environment.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return list(range(count))
    words = [word.strip() for word in allowed.split(",") if word.strip()]
    if any(not word.lstrip("-").isdigit() for word in words):
        return list(range(min(count, len(words))))
    chosen = [int(word) for word in words]
    # What stands behind an index that is not there is not seen: that is how CUDA reads it.
    end = next((i for i, index in enumerate(chosen) if not 0 <= index < count), len(chosen))
    return chosen[:end]


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name = nvml.nvmlDeviceGetName(handle)
    try:
        watts = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) * _MILLI
    except nvml.NVMLError:
        watts = None
    capped = None if watts is None else Figure(watts, watts, watts, Provenance(Source.MEASURED, "the power limit that NVML tells"))
    return Gpu(name.decode() if isinstance(name, bytes) else name, float(nvml.nvmlDeviceGetMemoryInfo(handle).total), capped)
