"""The figures that ship: each says where it is from, names lead to each other, and all are of a size that can be."""

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from murakkab.app import catalog
from murakkab.devices import DeviceKind, ModelCard, Price
from murakkab.figures import Figure, Provenance, Source
from murakkab.known import driver_kind
from murakkab.optimizer.points import pace_at
from murakkab.profiles import ModelProfile
from murakkab_cluster.figures import executor_profiles, provider_keys, shipped, won_duels

KNOWN = shipped()


def walk(value: Any, path: str = "known") -> Iterator[tuple[str, Any]]:
    """Yield every figure and provenance in *value*, each with how it is reached."""
    if isinstance(value, Figure | Provenance):
        yield path, value
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from walk(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from walk(one, f"{path}[{key}]")
    elif isinstance(value, tuple):
        for i, one in enumerate(value):
            yield from walk(one, f"{path}[{i}]")


def test_everything_says_where_it_is_from() -> None:
    found = [(path, one) for path, one in walk(KNOWN) if isinstance(one, Provenance)]
    assert len(found) > 150
    for path, of in found:
        assert of.where, path
        assert date.fromisoformat(of.date) <= date(2026, 12, 31), path


def test_every_interval_holds_its_value() -> None:
    found = [(path, one) for path, one in walk(KNOWN) if isinstance(one, Figure)]
    assert len(found) > 60
    for path, figure in found:
        assert 0.0 <= figure.low <= figure.value <= figure.high, path


def test_what_is_assumed_or_modelled_is_never_exact() -> None:
    for path, figure in walk(KNOWN):
        if isinstance(figure, Figure) and figure.of.source in (Source.ASSUMED, Source.MODELLED):
            assert not figure.is_exact, path


@pytest.mark.parametrize("name", ["l40s", "a100-40", "a100-80", "h100", "h200", "b200", "mi300x"])
def test_a_gpu_says_all_that_a_plan_needs(name: str) -> None:
    kind = KNOWN.devices[name]
    assert None not in (kind.memory, kind.bandwidth, kind.flops, kind.idle_watts, kind.peak_watts, kind.usd_per_hour, kind.flops_share)
    assert kind.idle_watts
    assert kind.peak_watts
    assert kind.idle_watts.high < kind.peak_watts.value


def test_the_kinds_and_models_that_are_promised_are_there() -> None:
    assert KNOWN.device("cpu") is not None
    wanted = {("llama-3.1-8b", 1), ("llama-3.1-70b", 4), ("qwen3-8b", 1), ("qwen3-14b", 1), ("qwen3-32b", 2), ("qwen3-30b-a3b", 2)}
    assert all(KNOWN.profile(model, "h100", count) for model, count in wanted)
    wanted = {("llama-3.1-8b", 1), ("llama-3.1-70b", 2), ("qwen3-8b", 1), ("qwen3-14b", 1), ("qwen3-32b", 1), ("qwen3-30b-a3b", 1)}
    assert all(KNOWN.profile(model, "b200", count) for model, count in wanted)
    assert len(KNOWN.prices) >= 10


def test_kv_bytes_follow_from_the_shape() -> None:
    for card in KNOWN.models.values():
        # Two times layers, KV heads (a whole number of them), size and two bytes.
        heads = card.kv_bytes / (4 * card.layers * card.head_size) if card.layers else 1.0
        assert heads == int(heads) >= 1, card.name
        assert card.active <= card.parameters


def test_names_lead_to_each_other() -> None:
    assert {one.model for one in KNOWN.profiles} <= set(KNOWN.models)
    assert {one.device for one in KNOWN.profiles} <= set(KNOWN.devices)
    assert {one.model for one in KNOWN.prices} <= set(KNOWN.models)
    assert {one.provider for one in KNOWN.prices} == set(provider_keys())


def test_no_alias_means_two_models() -> None:
    names = [name.lower() for card in KNOWN.models.values() for name in {card.name, *card.aliases}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct", "LLAMA-3.1-8B", "llama3.1:8b"])
def test_a_model_is_found_by_what_others_call_it(name: str) -> None:
    card = KNOWN.model(name)
    assert card is not None
    assert card.name == "llama-3.1-8b"
    assert KNOWN.model("llama") is None


@pytest.mark.parametrize(
    ("name", "memory", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", 85e9, "h100"),
        ("NVIDIA A100-SXM4-40GB", 42e9, "a100-40"),
        ("NVIDIA A100-SXM4-80GB", 85e9, "a100-80"),
        ("NVIDIA L40S", 48e9, "l40s"),
        ("NVIDIA H200", 150e9, "h200"),
        ("NVIDIA GeForce RTX 4090", 25e9, None),
        ("NVIDIA L40", 48e9, None),
    ],
)
def test_a_device_is_known_by_what_its_driver_calls_it(name: str, memory: float, kind: str | None) -> None:
    found = driver_kind(KNOWN, name, memory)
    assert (found and found.name) == kind


@pytest.mark.parametrize("profile", KNOWN.profiles, ids=lambda p: f"{p.model} on {p.devices} x {p.device}")
def test_a_profile_is_of_a_size_that_can_be(profile: ModelProfile) -> None:
    kind = KNOWN.devices[profile.device]
    assert kind.peak_watts
    for batch in (profile.least, (profile.least * profile.most) ** 0.5, profile.most):
        pace = pace_at(profile, batch)
        assert 0.001 < pace.itl < 0.5
        assert pace.itl < 1.2 * pace.step
        assert 0.2 < pace.watts / (profile.devices * kind.peak_watts.value) < 1.1
    assert [row[0] for row in profile.table] == sorted({row[0] for row in profile.table})
    assert bool(profile.table) is (profile.error > 0.05)


def test_fits_are_those_of_the_published_table() -> None:
    profile = KNOWN.profile("llama-3.1-8b", "h100", 1)
    assert profile is not None
    assert (profile.itl_base, profile.itl_slope, profile.watts_base) == (pytest.approx(0.00654, rel=0.01), pytest.approx(7.9e-5), 417.5)


def test_ratings_become_won_duels() -> None:
    assert won_duels(1300, 1300) == 0.5
    assert won_duels(1700, 1300) == pytest.approx(10 / 11)


def test_records_are_what_they_are_said_to_be() -> None:
    assert all(isinstance(one, DeviceKind) for one in KNOWN.devices.values())
    assert all(isinstance(one, ModelCard) for one in KNOWN.models.values())
    assert all(isinstance(one, Price) and 0 < one.usd_in <= one.usd_out < 1e-3 for one in KNOWN.prices)


# --------------------------------------------------------------------------------------------------------------- executors


def test_profiles_of_executors_are_of_settings_that_can_be_chosen_here_and_say_where_they_were_measured() -> None:
    cards = catalog().executors
    for one in executor_profiles():
        card = cards[one.setting.executor]
        assert one.setting.version == card.version
        assert [name for name, _ in one.setting.knobs] == sorted(knob.name for knob in card.knobs)
        assert all(knob.trades or dict(one.setting.knobs)[knob.name] == knob.default for knob in card.knobs)
        assert one.of.source is Source.PUBLISHED
        assert one.of.where
        assert date.fromisoformat(one.of.date)


def test_every_capability_of_the_shipped_workflows_has_two_alternatives_with_profiles() -> None:
    found: dict[str, set[object]] = {}
    for one in executor_profiles():
        way = one.setting.executor, one.setting.knobs
        found.setdefault(catalog().executors[one.setting.executor].capability, set()).add(way)
    assert len(found) == 11
    # Of one executor, a setting of knobs that trade is an alternative too: speech is heard by one alone, in several settings.
    assert all(len(ways) >= 2 for ways in found.values())


def test_the_quality_on_a_card_is_that_of_its_profile() -> None:
    for one in executor_profiles():
        card = catalog().executors[one.setting.executor]
        if one.setting.load == 1 and all(dict(one.setting.knobs)[knob.name] == knob.default for knob in card.knobs):
            measured = next(iter(one.quality.values()))
            assert card.quote.quality == pytest.approx(measured.value, abs=0.02), card.name
