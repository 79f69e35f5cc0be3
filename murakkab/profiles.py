"""data: operating points - what one task of a configuration takes on a kind of device under a load, and how good its results are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab.figures import ASSUMED, Figure, Provenance


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution, as far as it is known: mean and quantiles. Of seconds, tokens or units of work."""

    mean: float
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured: an executor in one version with its knobs set, its model, and where it runs.

    `knobs` holds every knob, those at their default too, sorted by name. `device` is the name of a `DeviceKind`; `devices` of them work
    together; `load` tasks run at a time.
    """

    executor: str
    version: str = "1"
    knobs: tuple[tuple[str, Any], ...] = ()
    model: str = ""
    device: str = "cpu"
    devices: int = 1
    load: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """An operating point: what one task of `setting` takes.

    `seconds`: its distribution at `units` of work (seconds of sound, images, characters: what `Report.units` said, on average; 0 when
    nothing did), of which `per_unit` seconds come with each unit, the rest with each task. `joules` is marginal: the base power of the pool
    is not in it; None where it was neither measured nor modelled. `startup`: the seconds that the first task in a process takes more, while
    libraries and models are loaded; None where nobody has seen one. `quality`: by metric, between 0 and 1 and more is better, the one that
    counts first. `of`: where all of it is from, unless a figure says otherwise. `revision` grows with every update.
    """

    setting: Setting
    seconds: Spread
    units: float = 0.0
    per_unit: float = 0.0
    joules: Figure | None = None
    usd: Figure | None = None
    startup: Figure | None = None
    tokens_in: Spread | None = None
    tokens_out: Spread | None = None
    #: In and out together, where nobody told them apart.
    tokens: Spread | None = None
    quality: Mapping[str, Figure] = field(default_factory=dict)
    of: Provenance = ASSUMED
    revision: int = 1


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How a model runs on `devices` of a kind: fits over the batch b, between the batches `least` and `most` that were measured.

    Inter-token latency is `itl_base + itl_slope b`, a decode step with what prefill does to it `step_base + step_slope b` (both in
    seconds); watts of all devices together are P(b) = `watts_base + (watts_peak - watts_base) b / (b + batch_half)`. `prefill`: uncached
    prompt tokens per second, to which attention adds `prefill_square` seconds per squared token; nobody measures it for the others: both
    are modelled, whatever `of` says. `error`: the mean relative error of the inter-token latency. `table`: (b, itl, step, watts)
    by b, where a fit is bad.
    """

    model: str
    device: str
    devices: int
    itl_base: float
    itl_slope: float
    step_base: float
    step_slope: float
    watts_base: float
    watts_peak: float
    batch_half: float
    prefill: float
    prefill_square: float = 0.0
    least: float = 1.0
    most: float = 256.0
    error: float = 0.0
    table: tuple[tuple[float, float, float, float], ...] = ()
    of: Provenance = ASSUMED
