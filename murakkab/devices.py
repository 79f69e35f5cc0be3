"""data: what an installation runs on - kinds of devices, pools of them, models and their prices, and the site they stand in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from murakkab.catalog import Device
from murakkab.figures import ASSUMED, Figure, Provenance


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """One device of a kind: `memory` bytes, `bandwidth` bytes/s, `flops` dense bf16 per second, watts when idle and at most, USD per hour.

    A CPU kind stands for one core. What nobody knows is None. `memory_share` and `flops_share`: what of bandwidth and arithmetic an engine
    reaches. `matches`: words by which drivers name the kind.
    """

    name: str
    device: Device = Device.GPU
    memory: float | None = None
    bandwidth: float | None = None
    flops: float | None = None
    idle_watts: Figure | None = None
    peak_watts: Figure | None = None
    usd_per_hour: Figure | None = None
    memory_share: Figure | None = None
    flops_share: Figure | None = None
    matches: tuple[str, ...] = ()
    of: Provenance = ASSUMED


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A language model. `parameters` and `active` (those that one token touches) are counts, `weight_bytes` is per parameter.

    Of a hosted one whose provider does not say them, counts are zero.

    `kv_bytes` per token of context. `quality`: what is known of it, by benchmark, between 0 and 1: priors, of whole benchmarks, not steps.
    `aliases`: what engines and providers call it.
    """

    name: str
    parameters: float
    active: float
    weight_bytes: float = 2.0
    layers: int = 0
    heads: int = 0
    head_size: int = 0
    kv_bytes: float = 0.0
    context: int = 0
    modalities: frozenset[str] = frozenset({"text"})
    aliases: frozenset[str] = frozenset()
    quality: Mapping[str, Figure] = field(default_factory=dict)
    of: Provenance = ASSUMED


@dataclass(frozen=True, slots=True)
class Price:
    """What a hosted model costs: USD per token in, out, and taken from the provider's cache; and how much it may be used per minute."""

    model: str
    provider: str
    usd_in: float
    usd_out: float
    usd_cached: float | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    of: Provenance = ASSUMED


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of what `of` names may be used: `requests` and `tokens` (in and out together) per minute; None where there is no limit."""

    of: str
    requests: float | None = None
    tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where an installation stands: grams of CO2 and USD per kWh, and watts drawn per watt of IT load (PUE)."""

    carbon: Figure | None = None
    usd_per_kwh: Figure | None = None
    overhead: float = 1.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Devices of one kind that stand together: `count` of them (cores of a CPU pool).

    `is_on`: it draws its base power anyway; else choosing it costs that power for as long as it must be on. `models`: those resident in it.
    `endpoint`: where its engine listens; "" where executors run in this process. `queue_seconds`: how long a task waits there now.
    `served`: what its engine calls the models. `key`: the environment variable with the key of its endpoint. `trouble`: why it cannot be
    used now; "" where it can. `tensor_parallel`: on how many of the devices its engine runs a model (None: on all of them; where it is not
    on, whoever starts it may choose). `startup`: seconds until an engine that is not on answers. `allowance`: how much of its endpoint may
    be used. `provider`: whose prices count there; "" where nobody knows. `capacity`: device-seconds of it that one job may take; None: any.
    """

    name: str
    kind: DeviceKind
    count: float = 1.0
    is_on: bool = True
    base_watts: Figure | None = None
    models: tuple[str, ...] = ()
    endpoint: str = ""
    served: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    queue_seconds: float = 0.0
    trouble: str = ""
    tensor_parallel: int | None = None
    startup: Figure | None = None
    allowance: Allowance | None = None
    provider: str = ""
    capacity: float | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine speaks the OpenAI protocol. `key` names the environment variable that holds its key, and is never the key itself.

    `requests_per_minute` and `tokens_per_minute`: how much it may be used; None where there is no limit.
    """

    name: str
    url: str
    key: str = ""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterView:
    """All that the optimizer sees of an installation at one moment. `prices`: the hosted models that there are keys for."""

    pools: Mapping[str, Pool] = field(default_factory=dict)
    prices: tuple[Price, ...] = ()
    site: Site = Site()
