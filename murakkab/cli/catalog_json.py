"""policy: what `murakkab catalog --json` prints, as plain data. Every figure says where it is from."""

from collections.abc import Mapping
from typing import Any

from murakkab.cli.catalog_points import PointRow
from murakkab.devices import ClusterView, DeviceKind, ModelCard, Pool, Price, Site
from murakkab.figures import Figure, Provenance
from murakkab.optimizer.resources import base_watts, memory_of
from murakkab.profiles import Spread


def provenance_json(of: Provenance) -> dict[str, Any]:
    """Return where something is from."""
    return {"source": str(of.source), "where": of.where, "date": of.date}


def figure_json(figure: Figure | None) -> dict[str, Any] | None:
    """Return a figure with its interval and source, or None."""
    if figure is None:
        return None
    return {"value": figure.value, "low": figure.low, "high": figure.high, **provenance_json(figure.of)}


def view_json(view: ClusterView) -> dict[str, Any]:
    """Return the pools and the site. Memory is in bytes, as much as models have, and capacity in device-seconds of one job."""
    return {"pools": [_pool(pool) for pool in view.pools.values()], "site": _site(view.site)}


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "name": pool.name,
        "kind": pool.kind.name,
        "count": pool.count,
        "on": pool.is_on,
        "base_watts": figure_json(base_watts(pool)),
        "memory": memory_of(pool),
        "capacity": pool.capacity,
        "tensor_parallel": pool.tensor_parallel,
        "startup": figure_json(pool.startup),
        "requests_per_minute": pool.allowance and pool.allowance.requests,
        "tokens_per_minute": pool.allowance and pool.allowance.tokens,
        "models": list(pool.models),
        "endpoint": pool.endpoint,
        "trouble": pool.trouble,
    }


def _site(site: Site) -> dict[str, Any]:
    return {"carbon_g_per_kwh": figure_json(site.carbon), "usd_per_kwh": figure_json(site.usd_per_kwh), "pue": site.overhead}


def device_json(kind: DeviceKind) -> dict[str, Any]:
    """Return a kind of device, in bytes, bytes per second and FLOP/s."""
    figures = ("idle_watts", "peak_watts", "usd_per_hour", "memory_share", "flops_share")
    return {
        "name": kind.name,
        "device": str(kind.device),
        "memory": kind.memory,
        "bandwidth": kind.bandwidth,
        "flops": kind.flops,
        **{name: figure_json(getattr(kind, name)) for name in figures},
        "of": provenance_json(kind.of),
    }


def model_json(card: ModelCard) -> dict[str, Any]:
    """Return a model; what its provider does not say is None."""
    return {
        "name": card.name,
        "parameters": card.parameters or None,
        "active": card.active or None,
        "layers": card.layers or None,
        "kv_bytes": card.kv_bytes or None,
        "context": card.context or None,
        "modalities": sorted(card.modalities),
        "aliases": sorted(card.aliases),
        "quality": {name: figure_json(figure) for name, figure in card.quality.items()},
        "of": provenance_json(card.of),
    }


def point_json(row: PointRow, load: float) -> dict[str, Any]:
    """Return an operating point."""
    point = row.point
    return {
        "model": row.model.name,
        "device": row.kind.name,
        "devices": row.devices,
        "load": load,
        "seconds": _spread(point.seconds),
        "mean_seconds": figure_json(point.mean),
        "first_token_seconds": point.first_token,
        "requests_per_second": point.rate,
        "marginal_joules": figure_json(point.joules),
        "base_watts": figure_json(point.base_watts),
        "usd": figure_json(row.usd),
        "outside_of_what_was_measured": point.is_clamped,
        "of": provenance_json(row.profile.of),
    }


def _spread(spread: Spread) -> Mapping[str, float]:
    return {"mean": spread.mean, "p50": spread.p50, "p90": spread.p90, "p99": spread.p99}


def price_json(price: Price, *, has_key: bool) -> dict[str, Any]:
    """Return a price, in USD per token."""
    return {
        "model": price.model,
        "provider": price.provider,
        "usd_in": price.usd_in,
        "usd_out": price.usd_out,
        "usd_cached": price.usd_cached,
        "requests_per_minute": price.requests_per_minute,
        "tokens_per_minute": price.tokens_per_minute,
        "key": has_key,
        "of": provenance_json(price.of),
    }
