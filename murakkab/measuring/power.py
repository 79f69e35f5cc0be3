"""driver: the energy of what is measured, above what the machine draws anyway - by its meters, else by a stated model of CPU seconds."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from murakkab.devices import DeviceKind
from murakkab.figures import Source
from murakkab.ports import Clock, Meter
from murakkab.this_machine import cpu_seconds

#: Seconds that the machine is watched at rest.
_REST: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clocks and meters say at a moment. `cpu_joules`, `gpu_joules`: None where they are not measured."""

    time: float
    cpu_seconds: float
    cpu_joules: float | None
    gpu_joules: float | None


@dataclass(frozen=True, slots=True)
class Used:
    """What was used between two readings: CPU seconds, joules above the base power, and how those came about."""

    cpu_seconds: float
    joules: float
    source: Source


@dataclass(slots=True)
class Power:
    """Reads meters before and after. `cpu` and `gpu` may measure nothing; `kind` is a core, for the model then.

    `base_cpu`, `base_gpu`: watts at rest. `overhead`: CPU seconds of the runtime itself per task, by how many run together (0 where nobody
    has measured), which are no part of the task.
    """

    clock: Clock
    cpu: Meter
    gpu: Meter
    kind: DeviceKind
    base_cpu: float = 0.0
    base_gpu: float = 0.0
    overhead: dict[int, float] = field(default_factory=dict)

    def read(self) -> Reading:
        """Return what the meters say now."""
        return Reading(self.clock(), cpu_seconds(), self.cpu.read(), self.gpu.read())

    async def rest(self) -> None:
        """Watch the machine at rest, where it has meters, so that its base power is known."""
        before = self.read()
        if before.cpu_joules is None and before.gpu_joules is None:
            return
        await asyncio.sleep(_REST)
        after = self.read()
        seconds = after.time - before.time
        self.base_cpu = (_difference(before.cpu_joules, after.cpu_joules) or 0.0) / seconds
        self.base_gpu = (_difference(before.gpu_joules, after.gpu_joules) or 0.0) / seconds

    def used(self, before: Reading, after: Reading, *, tasks: int = 1) -> Used:
        """Return what each of *tasks* tasks used that ran together between two readings."""
        seconds = after.time - before.time
        cpu = max(0.0, after.cpu_seconds - before.cpu_seconds - tasks * self.overhead.get(tasks, 0.0))
        metered = _difference(before.cpu_joules, after.cpu_joules)
        joules = cpu * self.watts if metered is None else max(0.0, metered - self.base_cpu * seconds)
        gpu = _difference(before.gpu_joules, after.gpu_joules)
        joules += 0.0 if gpu is None else max(0.0, gpu - self.base_gpu * seconds)
        return Used(cpu / tasks, joules / tasks, Source.MODELLED if metered is None else Source.MEASURED)

    @property
    def watts(self) -> float:
        """Watts that a busy core draws above an idle one."""
        peak, idle = self.kind.peak_watts, self.kind.idle_watts
        return max(0.0, (peak.value if peak else 0.0) - (idle.value if idle else 0.0))


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
