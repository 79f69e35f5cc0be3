"""policy: how a model runs on devices that nobody has measured it on - a roofline with what engines reach of it, and what is added to it.

A step reads the weights that its tokens touch and the context of every sequence, and computes:

    step(b) = (P_touched w + b ctx KV) / (g BW share_m) + 2 P_active b / (g F share_c) + fixed + 2 L hop [g > 1] + b each

with g devices, w bytes per parameter, KV bytes per token of context, L layers. `fixed`, `hop` and `each` are what a step, an exchange
between devices (two per layer) and a sequence add on the host; they and `share_m` are fitted to the inter-token latencies of ML.ENERGY v3
on H100 and B200 (dense models, batches up to 256). Prefill = (2 P_active n + 2 L H d n^2) / (g F share_c), with causal attention. Watts go
from `idle + 0.55 (peak - idle)` to the peak, half-way at a batch of 100, as in the fits of the same data on H100; models of which a token
touches a part draw less.
"""

from typing import Final

from murakkab.devices import DeviceKind, ModelCard
from murakkab.figures import Figure, Provenance, Source
from murakkab.known import Known
from murakkab.profiles import ModelProfile

FIXED: Final = 2.0e-3
HOP: Final = 12e-6
EACH: Final = 32e-6
#: What of the memory engines take for weights and context.
USABLE: Final = 0.9
#: Tokens of context that a sequence has on average where nothing else is said.
CONTEXT: Final = 600.0
#: Numbers of devices that are tried together.
TOGETHER: Final = (1, 2, 4, 8)

_BATCHES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
#: Share of the watts above idle: at b -> 0 and at most; of dense models, and of those of which a token touches a part.
_DENSE: Final = (0.55, 1.0)
_SPARSE: Final = (0.37, 0.73)
_HALF: Final = 100.0
#: Mean error of inter-token latencies against ML.ENERGY v3, models that were left out of the fit among them: 7 % on H100 and 10 % on B200
#: for dense models, 18 and 28 % for sparse ones. Kinds of devices that it was not fitted for are taken to be twice as far off.
_DENSE_ERROR: Final = 0.10
_SPARSE_ERROR: Final = 0.3
_MORE: Final = 2.0


def profile_of(known: Known, model: ModelCard, kind: DeviceKind, devices: int = 1) -> ModelProfile | None:
    """Return how *model* runs on so many *devices*: as somebody has measured it, else modelled; None where it does not fit."""
    return known.profile(model.name, kind.name, devices) or roofline(model, kind, devices)


def roofline(model: ModelCard, kind: DeviceKind, devices: int = 1, *, context: float = CONTEXT) -> ModelProfile | None:
    """Return the modelled profile, at *context* tokens per sequence; None where the model does not fit or too little is known."""
    most = most_sequences(model, kind, devices, context=context)
    if not kind.bandwidth or not kind.flops or kind.peak_watts is None or most < 1.0:
        return None
    steps = [(b, _step(model, kind, devices, batch=b, context=context)) for b in _BATCHES]
    first, last = steps[0], steps[-1]
    slope = (last[1] - first[1]) / (last[0] - first[0])
    sparse = model.active < model.parameters
    low, high = _watts(kind, devices, sparse=sparse)
    prefill, square = prefill_figures(model, kind, devices)
    return ModelProfile(
        model.name,
        kind.name,
        devices,
        itl_base=first[1] - slope,
        itl_slope=slope,
        step_base=first[1] - slope,
        step_slope=slope,
        watts_base=low,
        watts_peak=high,
        batch_half=_HALF,
        prefill=prefill,
        prefill_square=square,
        most=max(1.0, min(most, _BATCHES[-1])),
        error=_error(kind, sparse=sparse),
        table=tuple((b, s, s, low + (high - low) * b / (b + _HALF)) for b, s in steps) if sparse else (),
        of=Provenance(Source.MODELLED, f"roofline of {model.name} on {devices} x {kind.name}", kind.of.date),
    )


def most_sequences(model: ModelCard, kind: DeviceKind, devices: int = 1, *, context: float = CONTEXT) -> float:
    """Return how many sequences of *context* tokens fit beside the weights; zero where those do not fit or are not known."""
    if not kind.memory or not model.parameters or not model.kv_bytes:
        return 0.0
    room = devices * kind.memory * USABLE - model.parameters * model.weight_bytes
    return max(0.0, room / (model.kv_bytes * max(context, 1.0)))


def fewest_devices(model: ModelCard, kind: DeviceKind) -> int:
    """Return on how few devices the model fits with eight sequences of 2,000 tokens; zero where it does not."""
    return next((g for g in TOGETHER if most_sequences(model, kind, g, context=2_000.0) >= 8.0), 0)


def prefill_figures(model: ModelCard, kind: DeviceKind, devices: int = 1) -> tuple[float, float]:
    """Return prompt tokens per second, and the seconds per squared token that attention adds."""
    rate = devices * (kind.flops or 1.0) * _value(kind.flops_share, 0.45)
    return rate / (2.0 * model.active), 2.0 * model.layers * model.heads * model.head_size / rate


def _step(model: ModelCard, kind: DeviceKind, devices: int, *, batch: float, context: float) -> float:
    bandwidth = devices * (kind.bandwidth or 1.0) * _value(kind.memory_share, 0.7)
    rate = devices * (kind.flops or 1.0) * _value(kind.flops_share, 0.45)
    # Each token touches its own part of a sparse model; together they touch more and more of it.
    left = model.parameters - model.active
    touched = model.parameters - left * float((left / model.parameters) ** (batch - 1.0))
    read = (touched * model.weight_bytes + batch * context * model.kv_bytes) / bandwidth
    hops = 2.0 * model.layers * HOP if devices > 1 else 0.0
    return read + 2.0 * model.active * batch / rate + FIXED + hops + batch * EACH


def _watts(kind: DeviceKind, devices: int, *, sparse: bool) -> tuple[float, float]:
    peak, idle = _value(kind.peak_watts, 0.0), _value(kind.idle_watts, 0.0)
    low, high = _SPARSE if sparse else _DENSE
    return devices * (idle + low * (peak - idle)), devices * (idle + high * (peak - idle))


def _error(kind: DeviceKind, *, sparse: bool) -> float:
    error = _SPARSE_ERROR if sparse else _DENSE_ERROR
    is_fitted = kind.memory_share is not None and kind.memory_share.of.source in (Source.MEASURED, Source.MODELLED)
    return error if is_fitted else _MORE * error


def _value(figure: Figure | None, otherwise: float) -> float:
    return otherwise if figure is None else figure.value
