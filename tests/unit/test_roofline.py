"""The roofline: as far off what was measured on H100 and B200 as it says, and honest about what it was not fitted for."""

from math import exp, log
from statistics import mean

import pytest

from murakkab.devices import DeviceKind
from murakkab.figures import Source
from murakkab.optimizer.points import marginal_joules, pace_at
from murakkab.optimizer.roofline import fewest_devices, most_sequences, prefill_figures, profile_of, roofline
from murakkab.profiles import ModelProfile
from murakkab_cluster.figures import devices, models, shipped

BATCHES = (8, 16, 32, 64, 128, 256)


def error(profile: ModelProfile, what: str) -> float:
    """Return how far the roofline is off *profile*, on average, as a share of it."""
    modelled = roofline(models()[profile.model], devices()[profile.device], profile.devices)
    assert modelled is not None
    read = (lambda p, b: marginal_joules(p, b)) if what == "joules" else (lambda p, b: getattr(pace_at(p, b), what))
    return exp(mean(abs(log(read(modelled, b) / read(profile, b))) for b in BATCHES if b <= profile.most)) - 1.0


def is_sparse(profile: ModelProfile) -> bool:
    return models()[profile.model].active < models()[profile.model].parameters


@pytest.mark.parametrize(
    ("device", "sparse", "latency", "watts", "joules"),
    [("h100", False, 0.08, 0.05, 0.12), ("b200", False, 0.14, 0.20, 0.20), ("h100", True, 0.26, 0.20, 0.85), ("b200", True, 0.48, 0.25, 0.95)],
    ids=["H100", "B200", "H100 sparse", "B200 sparse"],
)
def test_it_is_as_near_to_what_was_measured_as_is_said(device: str, sparse: bool, latency: float, watts: float, joules: float) -> None:
    measured = [one for one in shipped().profiles if one.device == device and is_sparse(one) is sparse]
    assert len(measured) >= 3
    assert mean(error(one, "itl") for one in measured) <= latency
    assert mean(error(one, "watts") for one in measured) <= watts
    assert mean(error(one, "joules") for one in measured) <= joules


@pytest.mark.parametrize("device", ["l40s", "a100-40", "a100-80", "h200", "mi300x"])
def test_what_nobody_measured_is_modelled_and_less_sure(device: str) -> None:
    model, kind = models()["llama-3.1-8b"], devices()[device]
    profile = profile_of(shipped(), model, kind)
    fitted = roofline(model, devices()["h100"])
    assert profile is not None
    assert fitted is not None
    assert profile.of.source is Source.MODELLED
    assert profile.error > fitted.error


def test_what_was_measured_goes_before_the_roofline() -> None:
    profile = profile_of(shipped(), models()["llama-3.1-8b"], devices()["h100"])
    assert profile is not None
    assert profile.of.source is Source.PUBLISHED


def test_faster_memory_and_more_devices_are_faster() -> None:
    model = models()["llama-3.1-70b"]
    found = [roofline(model, devices()[name], 4) for name in ("l40s", "a100-80", "h100", "h200", "b200")]
    times = [pace_at(one, 16).itl for one in found if one]
    assert times == sorted(times, reverse=True)
    assert len(times) == 5
    eight = roofline(model, devices()["h100"], 8)
    assert eight is not None
    assert pace_at(eight, 16).itl < times[2]


def test_a_model_that_does_not_fit_has_no_profile() -> None:
    model, kind = models()["llama-3.1-70b"], devices()["h100"]
    assert most_sequences(model, kind, 1) == 0.0
    assert roofline(model, kind, 1) is None
    assert fewest_devices(model, kind) == 4
    assert fewest_devices(models()["llama-3.1-405b"], devices()["l40s"]) == 0


def test_the_context_bounds_the_batch() -> None:
    model, kind = models()["llama-3.1-70b"], devices()["h100"]
    # (4 x 80 GB x 0.9 - 141 GB) / 327,680 bytes: 448 thousand tokens.
    assert most_sequences(model, kind, 4, context=1000) == pytest.approx(448, abs=1)
    long = roofline(model, kind, 4, context=20_000)
    assert long is not None
    assert long.most == pytest.approx(22.4, abs=0.1)


def test_prefill_is_bound_by_arithmetic_and_its_attention_by_the_square() -> None:
    rate, square = prefill_figures(models()["llama-3.1-8b"], devices()["h100"])
    assert rate == pytest.approx(989e12 * 0.45 / (2 * 8.03e9))
    assert square == pytest.approx(2 * 32 * 32 * 128 / (989e12 * 0.45))


def test_nothing_is_made_up_about_what_is_not_known() -> None:
    assert roofline(models()["gpt-4o"], devices()["h100"]) is None
    assert roofline(models()["llama-3.1-8b"], devices()["cpu"]) is None
    assert roofline(models()["llama-3.1-8b"], DeviceKind("new", memory=80e9)) is None
