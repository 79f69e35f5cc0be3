"""driver: the figures that ship, read from the files in `data` when they are first asked for. Each says where it is from."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import sqrt
from typing import Any, Final

import yaml

from murakkab.catalog import Device
from murakkab.devices import DeviceKind, ModelCard, Price
from murakkab.figures import Figure, Provenance, Source
from murakkab.known import Known
from murakkab.optimizer.roofline import prefill_figures
from murakkab.profiles import ModelProfile, Profile
from murakkab.profiling.keeping import from_elsewhere
from murakkab.profiling.sharing import profiles_in

#: An interval that holds four times out of five, in standard deviations; and one that holds 95 times out of 100.
_FOUR_OF_FIVE: Final = 1.2816
_NINETY_FIVE: Final = 1.96
_GIGA: Final = 1e9
_TERA: Final = 1e12
_BILLION: Final = 1e9
#: Prices are written per million tokens.
_MILLION: Final = 1e6

_Sources = Mapping[str, Provenance]


def shipped() -> Known:
    """Return all that ships: kinds of devices, models, prices of hosted models, and profiles of models on devices."""
    return Known(devices(), models(), prices(), profiles())


@cache
def devices() -> Mapping[str, DeviceKind]:
    """Return the kinds of devices by name."""
    data, sources = _read("devices.yaml")
    return {name: _device(name, entry, sources) for name, entry in data["devices"].items()}


@cache
def models() -> Mapping[str, ModelCard]:
    """Return the models by name, hosted ones too."""
    data, sources = _read("models.yaml")
    benchmarks = {name: _Benchmark(sources[one["of"]], one) for name, one in data["benchmarks"].items()}
    return {name: _model(name, entry, sources, benchmarks) for name, entry in data["models"].items()}


@cache
def prices() -> tuple[Price, ...]:
    """Return what hosted models cost."""
    data, sources = _read("prices.yaml")
    return tuple(_price(entry, sources) for entry in data["prices"])


@cache
def provider_keys() -> Mapping[str, tuple[str, ...]]:
    """Return, for each provider, the environment variables one of which holds its key."""
    return {name: tuple(one["keys"]) for name, one in _read("prices.yaml")[0]["providers"].items()}


@cache
def profiles() -> tuple[ModelProfile, ...]:
    """Return how models run on devices that others have measured. Prefill, which they do not tell, is modelled."""
    data, sources = _read("profiles.json")
    return tuple(_profile(entry, sources) for entry in data["profiles"])


@cache
def executor_profiles() -> tuple[Profile, ...]:
    """Return what tasks of the executors that ship took on the machine that each profile names: published, as seen from any other."""
    text = (files("murakkab_cluster") / "data" / "executors.json").read_text(encoding="utf-8")
    return tuple(map(from_elsewhere, profiles_in(text, "executors.json")))


# --------------------------------------------------------------------------------------------------------------------- files


@cache
def _read(name: str) -> tuple[dict[str, Any], _Sources]:
    """Return the data of a file, and its sources by their names."""
    text = (files("murakkab_cluster") / "data" / name).read_bytes()
    # Tables of numbers are JSON: a hundred times faster to read.
    data = json.loads(text) if name.endswith(".json") else yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return data, {key: Provenance(Source(one["source"]), one["where"], str(one["date"])) for key, one in data["sources"].items()}


def figure(entry: Any, sources: _Sources, of: Provenance, *, scale: float = 1.0) -> Figure:
    """Return the figure that *entry* declares: a number, or `{value, low, high, of}`."""
    if not isinstance(entry, Mapping):
        return Figure(entry * scale, entry * scale, entry * scale, of)
    value = entry["value"]
    low, high = entry.get("low", value), entry.get("high", value)
    return Figure(value * scale, low * scale, high * scale, sources[entry["of"]] if "of" in entry else of)


def _device(name: str, entry: Mapping[str, Any], sources: _Sources) -> DeviceKind:
    of = sources[entry["of"]]

    def scaled(key: str, unit: float) -> float | None:
        return entry[key] * unit if key in entry else None

    fields = ("idle_watts", "peak_watts", "usd_per_hour", "memory_share", "flops_share")
    return DeviceKind(
        name,
        Device(entry.get("device", "gpu")),
        memory=scaled("memory", _GIGA),
        bandwidth=scaled("bandwidth", _GIGA),
        flops=scaled("flops", _TERA),
        matches=tuple(entry.get("matches", ())),
        of=of,
        **{key: figure(entry[key], sources, of) for key in fields if key in entry},
    )


# -------------------------------------------------------------------------------------------------------------------- models


class _Benchmark:
    """How a score of a benchmark is read, and how far it may be off."""

    def __init__(self, of: Provenance, entry: Mapping[str, Any]) -> None:
        self._of = of
        self._against: float | None = entry.get("against")
        self._questions: float = entry.get("questions", 1.0)
        self._spread: float = entry.get("spread", 0.0)

    def read(self, score: Any) -> Figure:
        """Return *score* as a figure between 0 and 1."""
        if self._against is not None:
            half = (score["high"] - score["low"]) / 2.0 * _FOUR_OF_FIVE / _NINETY_FIVE
            low, middle, high = (won_duels(score["value"] + step, self._against) for step in (-half, 0.0, half))
            return Figure(middle, low, high, self._of)
        half = max(_FOUR_OF_FIVE * sqrt(score * (1.0 - score) / self._questions), self._spread)
        return Figure(score, max(0.0, score - half), min(1.0, score + half), self._of)


def won_duels(rating: float, against: float) -> float:
    """Return the share of duels that a model of that Elo rating wins against one rated *against*."""
    return 1.0 / (1.0 + float(10.0 ** ((against - rating) / 400.0)))


def _model(name: str, entry: Mapping[str, Any], sources: _Sources, benchmarks: Mapping[str, _Benchmark]) -> ModelCard:
    return ModelCard(
        name,
        parameters=float(round(entry.get("parameters", 0.0) * _BILLION)),
        active=float(round(entry.get("active", 0.0) * _BILLION)),
        layers=entry.get("layers", 0),
        heads=entry.get("heads", 0),
        head_size=entry.get("head_size", 0),
        kv_bytes=float(entry.get("kv_bytes", 0.0)),
        context=entry["context"],
        modalities=frozenset(entry.get("modalities", ("text",))),
        aliases=frozenset(entry["aliases"]),
        quality={key: benchmarks[key].read(score) for key, score in entry.get("quality", {}).items()},
        of=sources[entry["of"]],
    )


def _price(entry: Mapping[str, Any], sources: _Sources) -> Price:
    return Price(
        entry["model"],
        entry["provider"],
        usd_in=entry["in"] / _MILLION,
        usd_out=entry["out"] / _MILLION,
        usd_cached=entry["cached"] / _MILLION if "cached" in entry else None,
        of=sources[entry["of"]],
    )


def _profile(entry: Mapping[str, Any], sources: _Sources) -> ModelProfile:
    model, device, count = entry["model"], entry["device"], entry["devices"]
    prefill, square = prefill_figures(models()[model], devices()[device], count)
    rows = tuple((b, itl_ms / 1e3, step_ms / 1e3, w) for b, itl_ms, step_ms, w in entry.get("table", ()))
    return ModelProfile(
        model,
        device,
        count,
        itl_base=entry["itl"][0] / 1e3,
        itl_slope=entry["itl"][1] / 1e3,
        step_base=entry["step"][0] / 1e3,
        step_slope=entry["step"][1] / 1e3,
        watts_base=entry["watts"][0],
        watts_peak=entry["watts"][1],
        batch_half=entry["watts"][2],
        prefill=prefill,
        prefill_square=square,
        least=entry["batches"][0],
        most=entry["batches"][1],
        error=entry["error"],
        table=rows,
        of=sources[entry["of"]],
    )
