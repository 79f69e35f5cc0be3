"""Operating points: more tokens never take less, energy is marginal and positive, and nothing is known outside of what was measured."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.devices import DeviceKind, Price
from murakkab.figures import Figure, Provenance, Source, exactly
from murakkab.optimizer.points import hosted_usd, marginal_joules, operating_point, pace_at, prefill_seconds, rented_usd
from murakkab.profiles import ModelProfile, Spread
from murakkab_cluster.figures import profiles

PUBLISHED = Provenance(Source.PUBLISHED, "a paper", "2026-01-01")
FITTED = ModelProfile(
    "m",
    "d",
    1,
    itl_base=0.0065,
    itl_slope=0.00008,
    step_base=0.0067,
    step_slope=0.00009,
    watts_base=418,
    watts_peak=712,
    batch_half=30,
    prefill=27_000,
    prefill_square=1e-9,
    least=8,
    most=256,
    error=0.02,
    of=PUBLISHED,
)
TABLED = replace(FITTED, table=((8, 0.0046, 0.0049, 640), (64, 0.009, 0.0114, 616), (128, 0.0267, 0.0279, 449), (256, 0.0317, 0.0333, 540)))
SHIPPED = st.sampled_from([FITTED, TABLED, *profiles()])
TOKENS = st.integers(0, 100_000)
LOADS = st.floats(1, 3000)


def tokens(count: float) -> Spread:
    return Spread(count, 0.9 * count, 2.0 * count, 4.0 * count)


@given(SHIPPED, TOKENS, TOKENS, TOKENS, LOADS)
def test_more_tokens_take_longer_and_more(profile: ModelProfile, prompt: int, output: int, more: int, load: float) -> None:
    few = operating_point(profile, tokens(prompt), tokens(output), load)
    for many in (
        operating_point(profile, tokens(prompt + more), tokens(output), load),
        operating_point(profile, tokens(prompt), tokens(output + more), load),
    ):
        assert many.seconds.mean >= few.seconds.mean
        assert many.seconds.p90 >= few.seconds.p90
        assert many.joules.value >= few.joules.value


@given(SHIPPED, LOADS, LOADS)
def test_a_greater_load_never_makes_a_fit_faster(profile: ModelProfile, one: float, other: float) -> None:
    low, high = sorted((one, other))
    if not profile.table:
        assert (
            operating_point(profile, tokens(100), tokens(100), low).seconds.mean
            <= operating_point(profile, tokens(100), tokens(100), high).seconds.mean + 1e-9
        )


@given(SHIPPED, st.floats(1, 4000))
def test_one_sequence_more_always_costs_energy(profile: ModelProfile, batch: float) -> None:
    assert marginal_joules(profile, batch) > 0.0


@given(SHIPPED, TOKENS, st.integers(1, 100_000), LOADS)
def test_intervals_hold_their_value_and_quantiles_are_in_order(profile: ModelProfile, prompt: int, output: int, load: float) -> None:
    point = operating_point(profile, tokens(prompt), tokens(output), load)
    for figure in (point.mean, point.joules, point.base_watts):
        assert 0.0 < figure.low <= figure.value <= figure.high
    assert point.seconds.p50 <= point.seconds.p90 <= point.seconds.p99
    assert point.mean.value == point.seconds.mean
    assert point.first_token > 0.0
    assert point.rate > 0.0


def test_energy_is_marginal_and_not_the_average() -> None:
    point = operating_point(FITTED, tokens(0), Spread(1, 1, 1, 1), 8)
    average = pace_at(FITTED, 8).joules / 8
    assert point.joules.value == pytest.approx(pace_at(FITTED, 9).joules - pace_at(FITTED, 8).joules)
    assert point.joules.value < average / 3
    assert point.base_watts.value == 418


def test_latency_is_prefill_and_tokens_at_the_pace_of_the_batch() -> None:
    point = operating_point(FITTED, Spread(1000, 1000, 2000, 2000), Spread(100, 80, 200, 200), 32, waiting=0.5)
    before = prefill_seconds(FITTED, 1000)
    assert before == pytest.approx(1000 / 27_000 + 1e-9 * 1000**2)
    assert point.seconds.p50 == pytest.approx(0.5 + before + 80 * (0.0065 + 32 * 0.00008))
    assert point.seconds.p90 == pytest.approx(0.5 + prefill_seconds(FITTED, 2000) + 200 * (0.0067 + 32 * 0.00009))


@pytest.mark.parametrize(("load", "batch"), [(1, 8), (8, 8), (256, 256), (1000, 256)])
def test_outside_of_what_was_measured_it_is_clamped_and_less_sure(load: float, batch: float) -> None:
    point = operating_point(FITTED, tokens(0), Spread(100, 100, 100, 100), load)
    inside = operating_point(FITTED, tokens(0), Spread(100, 100, 100, 100), batch)
    assert point.mean.value == inside.mean.value
    assert point.is_clamped is (load != batch)
    assert (point.mean.high - point.mean.value > inside.mean.high - inside.mean.value) is (load != batch)


def test_what_does_not_fit_waits() -> None:
    alone = operating_point(FITTED, tokens(100), tokens(100), 16)
    crowded = operating_point(FITTED, tokens(100), tokens(100), 64, most=16)
    assert crowded.batch == 16
    assert crowded.seconds.mean == pytest.approx(4 * alone.seconds.mean)
    assert crowded.rate == pytest.approx(alone.rate)
    assert crowded.is_clamped
    assert crowded.first_token > alone.seconds.mean


def test_a_table_is_interpolated() -> None:
    assert pace_at(TABLED, 64).itl == 0.009
    assert pace_at(TABLED, 96).itl == pytest.approx((0.009 + 0.0267) / 2)
    assert pace_at(TABLED, 4).itl == 0.0046
    assert pace_at(TABLED, 999).watts == 540


def test_where_a_table_falls_the_slope_of_all_of_it_counts() -> None:
    falling = replace(FITTED, table=((8, 0.01, 0.01, 500), (16, 0.01, 0.01, 400), (32, 0.02, 0.02, 500)))
    assert marginal_joules(falling, 12) == pytest.approx((0.02 * 500 - 0.01 * 500) / 24)


def test_a_figure_that_prefill_makes_up_is_modelled() -> None:
    assert operating_point(FITTED, tokens(0), tokens(100), 32).mean.of == PUBLISHED
    long = operating_point(FITTED, tokens(20_000), tokens(10), 32)
    assert long.mean.of.source is Source.MODELLED
    assert long.joules.of.where == "a paper; prefill modelled"


def test_rent_is_shared_by_those_that_run_at_a_time() -> None:
    kind = DeviceKind("d", usd_per_hour=Figure(3.6, 3.0, 4.2))
    point = operating_point(FITTED, tokens(0), Spread(100, 100, 100, 100), 32)
    usd = rented_usd(kind, 2, point)
    assert usd is not None
    assert usd.value == pytest.approx(2 * 0.001 * point.seconds.mean / 32)
    assert usd.low < usd.value < usd.high
    assert rented_usd(DeviceKind("d"), 1, point) is None


def test_a_hosted_request_costs_its_tokens() -> None:
    price = Price("m", "p", usd_in=2e-6, usd_out=8e-6, usd_cached=5e-7)
    assert hosted_usd(price, 1000, 100, cached=400) == exactly(600 * 2e-6 + 400 * 5e-7 + 100 * 8e-6)
    assert hosted_usd(replace(price, usd_cached=None), 1000, 0, cached=400) == exactly(1000 * 2e-6)
