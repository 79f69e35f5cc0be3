"""From observations to profiles: figures that hold, races that drop the right ones, drift that is found and not imagined."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from murakkab.errors import InputError
from murakkab.figures import Source
from murakkab.profiles import Profile, Setting
from murakkab.profiling.codec import observation_from, observation_json, profile_from, profile_json, setting_from, setting_json, setting_key
from murakkab.profiling.drift import ENOUGH, FALSE_ALARMS, heard, watches_of
from murakkab.profiling.estimate import estimate
from murakkab.profiling.halving import Race, next_round
from murakkab.profiling.numbers import mean_interval, quantile, share_interval, slope, student
from murakkab.profiling.observation import Known, Observation
from murakkab.profiling.online import Forgetting, updated, weights_of

X = Setting("x")
amounts = st.floats(1e-6, 1e6)


def seen(seconds: float, at: float = 0.0, **more: object) -> Observation:
    return replace(Observation(X, 1e9 + at, seconds), **more)  # type: ignore[arg-type]


def test_cold_starts_tell_of_themselves_alone_where_there_is_more() -> None:
    cold = [seen(9.0, n, startup=startup) for n, startup in enumerate((3.0, 4.0, 5.0))]
    alone = estimate(cold).profile
    assert alone.startup is not None
    assert alone.startup.value == pytest.approx(4.0)
    assert alone.startup.low < 3.5 < 4.5 < alone.startup.high
    assert (alone.startup.of.source, alone.startup.of.count, alone.seconds.mean) == (Source.MEASURED, 3, 9.0)
    both = estimate([*cold, *(seen(1.0, 9.0 + n) for n in range(4))]).profile
    assert (both.startup, both.seconds.mean, both.of.count) == (alone.startup, 1.0, 4)


def test_what_is_known_of_a_start_outlives_the_observations_of_it() -> None:
    few = Forgetting(kept=3)
    known, _ = updated(None, [seen(1.0, 0.0, startup=4.0)], forgetting=few)
    known, _ = updated(known, [seen(1.0, 1.0 + n) for n in range(8)], forgetting=few)
    assert known is not None
    assert all(one.startup is None for one in known.observations)
    assert known.profile.startup is not None
    assert known.profile.startup.value == 4.0
    assert profile_from(profile_json(known.profile)) == known.profile


# ----------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("share", [0.6, 0.9, 0.95, 0.99, 0.995])
@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 10, 100])
def test_student_is_as_exact_as_it_says(share: float, freedom: int) -> None:
    assert student(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=0.01)


@given(st.lists(amounts, min_size=1, max_size=30), st.floats(0, 1))
def test_a_quantile_lies_among_the_values_and_equal_weights_change_nothing(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert min(values) <= found <= max(values)
    assert quantile(values, share, [3.0] * len(values)) == pytest.approx(found)


@given(st.lists(st.tuples(amounts, st.integers(1, 4)), min_size=1, max_size=12))
def test_an_integer_weight_is_so_many_observations_for_the_median(pairs: list[tuple[float, int]]) -> None:
    values = sorted({value for value, _ in pairs})
    weights = [float(1 + number % 3) for number in range(len(values))]
    many = [value for value, weight in zip(values, weights, strict=True) for _ in range(int(weight))]
    low, high = sorted(many)[(len(many) - 1) // 2], sorted(many)[len(many) // 2]
    found = quantile(values, 0.5, weights)
    neighbours = [value for value in values if value <= low][-1:] + [value for value in values if value >= high][:1]
    below = max((v for v in values if v < low), default=low)
    above = min((v for v in values if v > high), default=high)
    assert below <= found <= above
    assert neighbours


def test_intervals_hold_as_often_as_they_say() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(2000):
        found = mean_interval([chance.gauss(5, 2) for _ in range(6)])
        held += found.low <= 5 <= found.high
    assert held / 2000 == pytest.approx(0.8, abs=0.03)


def test_wilson_is_that_of_scipy() -> None:
    found = share_interval(7 / 9, 9)
    other = stats.binomtest(7, 9).proportion_ci(0.8, method="wilson")
    assert (found.low, found.high) == pytest.approx((other.low, other.high))


def test_a_slope_withstands_a_quarter_of_wild_points() -> None:
    xs = [float(x) for x in range(20)]
    ys = [3 + 2 * x if x % 4 else 1e6 for x in xs]
    assert slope(xs, ys) == pytest.approx(2.0, abs=0.5)


# ---------------------------------------------------------------------------------------------------------------- estimate


def test_seconds_grow_with_the_units_of_work() -> None:
    chance = random.Random(1)
    found = estimate([seen((1 + 0.5 * u) * math.exp(chance.gauss(0, 0.05)), units=u) for u in range(1, 41)]).profile
    assert found.units == pytest.approx(20.5)
    assert found.per_unit == pytest.approx(0.5, rel=0.1)
    assert found.seconds.p50 == pytest.approx(11.25, rel=0.05)
    assert found.seconds.mean - found.per_unit * found.units == pytest.approx(1.0, abs=0.6)


def test_where_the_units_do_not_vary_all_of_it_comes_with_the_task() -> None:
    found = estimate([seen(2.0 + n / 100, units=4.0) for n in range(10)]).profile
    assert (found.units, found.per_unit) == (4.0, 0.0)


@given(st.lists(st.tuples(amounts, st.none() | st.floats(0, 1e4)), min_size=1, max_size=40))
def test_a_profile_is_sound_whatever_was_seen(pairs: list[tuple[float, float | None]]) -> None:
    found = estimate([seen(s, units=u, joules=s, usd=s) for s, u in pairs]).profile
    spread = found.seconds
    assert 0 < spread.p50 <= spread.p90 <= spread.p99
    assert found.per_unit >= 0
    assert found.per_unit * found.units <= spread.mean * (1 + 1e-9)
    assert found.joules is not None
    assert 0 <= found.joules.low <= found.joules.value <= found.joules.high
    assert profile_from(profile_json(found)) == found


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_quality_and_its_interval_stay_between_zero_and_one(scores: list[float]) -> None:
    found = estimate([seen(1.0, quality={"m": score}) for score in scores]).profile.quality["m"]
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert found.high > found.low


def test_what_was_measured_replaces_what_was_modelled() -> None:
    both = [seen(1.0, joules=10.0, energy=Source.MODELLED), seen(1.0, joules=4.0), seen(1.0, joules=4.2)]
    found = estimate(both).profile.joules
    assert found is not None
    assert found.value == pytest.approx(4.1)
    assert found.of.source is Source.MEASURED


def test_tasks_too_short_for_the_clock_are_not_said_to_use_nothing() -> None:
    """They were: three attempts of a summary were foreseen to take less energy than one."""
    assert estimate([seen(1e-3, n, joules=0.0, energy=Source.MODELLED) for n in range(6)]).profile.joules is None
    for some in ([0.0, 0.01, 0.0], [0.02] * 3):
        found = estimate([seen(1e-3, n, joules=one, energy=Source.MODELLED) for n, one in enumerate(some)]).profile.joules
        assert found is not None
        assert found.value == pytest.approx(sum(some) / 3)
    metered = estimate([seen(1e-3, n, joules=0.0, energy=Source.MEASURED) for n in range(3)]).profile.joules
    assert metered is not None
    assert metered.value == 0.0


def test_a_failure_has_its_quality_and_no_time() -> None:
    found = estimate([seen(1.0, quality={"m": 1.0}), seen(99.0, error="broken", quality={"m": 0.0})]).profile
    assert found.seconds.mean == 1.0
    assert found.quality["m"].value == 0.5
    with pytest.raises(ValueError, match="no task"):
        estimate([seen(1.0, error="broken")])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "a profile is an object"),
        ({"setting": {"executor": "x"}, "speed": 1}, "no field 'speed'"),
        ({"setting": {"executor": "x"}}, "needs its seconds"),
        ({"setting": {"executor": "x"}, "seconds": {"mean": -1}}, "seconds.mean"),
        (
            {"setting": {"executor": "x"}, "seconds": dict.fromkeys(("mean", "p50", "p90", "p99"), 1), "of": {"source": "dreamt"}},
            "'dreamt'",
        ),
        ({"setting": {"knobs": {}}}, "needs an executor"),
    ],
)
def test_a_file_from_anywhere_is_checked(data: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        profile_from(data)


@given(
    st.dictionaries(
        st.text(max_size=4), st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=2)
    )
)
def test_settings_and_observations_go_to_text_and_back(knobs: dict[str, object]) -> None:
    setting = Setting("x", "3", tuple(sorted(knobs.items())), "m", "h100", 2, 4)
    assert setting_from(setting_json(setting)) == setting
    one = replace(seen(1.0), setting=setting, quality={"m": 0.5}, joules=2.0, energy=Source.MODELLED)
    assert observation_from(setting, observation_json(one)) == one
    assert setting_key(replace(setting, load=5)) != setting_key(setting)


# ------------------------------------------------------------------------------------------------------------------- races


def raced(
    truths: dict[str, tuple[float, float, float]], *, rows: int = 10, repeat: int = 2, seed: int = 0, noise: float = 0.05, **more: object
) -> tuple[dict[str, str], list[Observation]]:
    """Return what was dropped, by executor, and all that was measured. A truth is seconds, joules, quality."""
    race = Race(tuple(map(Setting, truths)), rows, repeat, metric="m", seed=seed, **more)  # type: ignore[arg-type]
    chance = random.Random(seed)
    hard = [math.exp(chance.gauss(0, 0.5)) for _ in range(rows)]
    done: list[Observation] = []
    while not (now := next_round(race, done)).is_done:
        for trial in now.trials:
            seconds, joules, quality = truths[trial.setting.executor]
            wild = math.exp(chance.gauss(0, noise))
            score = min(1.0, max(0.0, quality + chance.gauss(0, noise)))
            done.append(
                Observation(
                    trial.setting,
                    0.0,
                    seconds * hard[trial.row] * wild,
                    joules=joules * wild,
                    quality={"m": score},
                    row=trial.row,
                    repetition=trial.repetition,
                )
            )
    names = {setting_key(setting): setting.executor for setting in race.settings}
    return {names[key]: reason for key, reason in now.dropped.items()}, done


TRUTHS = {"fast": (0.1, 1.0, 0.5), "good": (1.0, 5.0, 0.9), "worse": (1.5, 8.0, 0.6), "worst": (3.0, 20.0, 0.4)}


def test_the_dominated_are_dropped_early_and_the_others_never() -> None:
    dropped, done = raced(TRUTHS)
    assert set(dropped) == {"worse", "worst"}
    counts = {name: sum(one.setting.executor == name for one in done) for name in TRUTHS}
    assert counts["fast"] == counts["good"] == 20
    assert counts["worst"] <= 6
    assert counts["worse"] <= 12
    assert dropped["worst"].startswith("dominated by")


def test_what_is_not_dominated_is_seldom_dropped() -> None:
    truths = {"a": (1.0, 5.0, 0.7), "b": (1.2, 4.0, 0.7), "c": (0.9, 6.0, 0.75), "d": (2.0, 9.0, 0.8)}
    wrong = sum(len(raced(truths, seed=seed, noise=0.15)[0]) for seed in range(20))
    assert wrong / (20 * len(truths)) <= 0.1


def test_what_misses_a_limit_is_dropped() -> None:
    dropped, _ = raced(TRUTHS, limits={"latency": 2.0, "quality": 0.55, "energy": 6.0})
    assert set(dropped) == {"fast", "worse", "worst"}
    assert "quality" in dropped["fast"]


def test_a_race_is_the_same_whatever_the_order_of_what_was_seen() -> None:
    _, done = raced(TRUTHS, rows=6, repeat=1)
    race = Race(tuple(map(Setting, TRUTHS)), 6, 1, metric="m")
    for size in range(0, len(done), 3):
        assert next_round(race, done[:size]) == next_round(race, done[:size][::-1])


def test_no_more_is_measured_than_the_budget_allows_and_every_round_is_one_row() -> None:
    _, done = raced(TRUTHS, budget=10)
    assert len(done) == 10
    race = Race(tuple(map(Setting, TRUTHS)), 6, 1, metric="m")
    assert len({trial.row for trial in next_round(race, []).trials}) == 1
    assert {trial.setting.executor for trial in next_round(race, []).trials} == set(TRUTHS)


def test_nobody_loses_before_results_are_scored() -> None:
    """The first rows have no label: that one is slower there says nothing of how good it is."""
    good, fast = Setting("good"), Setting("fast")
    race = Race((good, fast), 20, metric="m")
    done = [Observation(one, 0.0, seconds, row=row) for row in range(8) for one, seconds in ((good, 2.0), (fast, 1.0))]

    assert next_round(race, done).dropped == {}
    assert next_round(replace(race, metric=""), done).dropped


def test_a_race_in_which_all_are_to_be_measured_drops_nobody() -> None:
    assert raced(TRUTHS, drops=False)[0] == {}


def test_what_always_fails_is_dropped_and_a_race_of_failures_ends() -> None:
    race = Race((Setting("a"), Setting("b")), 10, 3, metric="m")
    done: list[Observation] = []
    while not (now := next_round(race, done)).is_done:
        done += [Observation(t.setting, 0.0, 0.1, error="broken", row=t.row, repetition=t.repetition) for t in now.trials]
    assert len(done) == 6
    assert all("it failed 3 times: broken" in reason for reason in now.dropped.values())


# ------------------------------------------------------------------------------------------------------------------ online

Draw = Callable[[random.Random], float]
STATIONARY: dict[str, Draw] = {
    "calm": lambda chance: math.exp(chance.gauss(0, 0.03)),
    "log-normal": lambda chance: math.exp(chance.gauss(0, 0.4)),
    "gamma": lambda chance: chance.gammavariate(2, 1),
    "with outliers": lambda chance: math.exp(chance.gauss(0, 0.1)) * (20 if chance.random() < 0.03 else 1),
}


def alarms(draw: Draw, *, runs: int, length: int, seed: int) -> int:
    chance = random.Random(seed)
    found = 0
    for _ in range(runs):
        (watch,) = watches_of([seen(draw(chance)) for _ in range(ENOUGH)])
        for number in range(length):
            watch, drift = heard(watch, [seen(draw(chance), number)])
            found += drift is not None
    return found


@pytest.mark.parametrize("name", STATIONARY)
def test_stationary_observations_raise_fewer_false_alarms_than_is_promised(name: str) -> None:
    assert alarms(STATIONARY[name], runs=20, length=500, seed=11) <= FALSE_ALARMS * 20 * 500


def learned(
    seconds: Sequence[float], *, begin: Known | None = None, at: float = 0.0, every: float = 60.0
) -> tuple[Known, list[tuple[int, float]]]:
    """Return what is known after a run of observations, and the number and ratio of each alarm."""
    known, found = begin, []
    for number, one in enumerate(seconds):
        known, drifts = updated(known, [seen(one, at + number * every)])
        found += [(number, drift.ratio) for drift in drifts]
    assert known is not None
    return known, found


@given(st.integers(0, 10_000), st.sampled_from([2.0, 0.5, 4.0]))
@settings(max_examples=25, deadline=None)
def test_a_step_is_found_within_twelve_observations(seed: int, factor: float) -> None:
    chance = random.Random(seed)
    before, _ = learned([math.exp(chance.gauss(0, 0.15)) for _ in range(30)])
    after, found = learned([factor * math.exp(chance.gauss(0, 0.15)) for _ in range(12)], begin=before, at=1e5)
    assert found
    # The look before the step may be among those that are told of.
    assert found[0][1] == pytest.approx(factor, rel=0.5)
    assert after.profile.seconds.p50 == pytest.approx(factor, rel=0.35)


@given(st.integers(0, 10_000), st.sampled_from([1e3, 1e6, 1e-6]))
@settings(max_examples=20, deadline=None)
def test_one_huge_outlier_moves_nothing(seed: int, factor: float) -> None:
    chance = random.Random(seed)
    before, _ = learned([math.exp(chance.gauss(0, 0.1)) for _ in range(40)])
    after, found = learned([factor], begin=before, at=1e5)
    assert found == []
    assert after.clipped == before.clipped + 1
    assert after.profile.seconds.p50 == pytest.approx(before.profile.seconds.p50, rel=0.03)
    assert after.profile.seconds.mean == pytest.approx(before.profile.seconds.mean, rel=0.05)


def test_forgetting_forgets_by_number_and_by_days() -> None:
    calm = [1.0 + n % 5 / 100 for n in range(60)]
    # Slower by a tenth, which is no drift.
    after, found = learned([one * 1.1 for one in calm * 5], begin=learned(calm)[0], at=1e5)
    assert found == []
    assert after.profile.seconds.mean == pytest.approx(1.02 * 1.1, rel=0.005)
    weights = weights_of([seen(1.0, at=0.0), seen(1.0, at=14 * 86_400.0)], Forgetting(observations=1e9))
    assert weights == pytest.approx([0.5, 1.0])
    assert weights_of([seen(1.0)] * 51, Forgetting(days=1e9))[0] == pytest.approx(0.5)


def test_revisions_grow_and_no_more_is_kept_than_is_allowed() -> None:
    known: Known | None = None
    for number in range(30):
        known, _ = updated(known, [seen(1.0, number)], forgetting=Forgetting(kept=10))
    assert known is not None
    assert known.profile.revision == 30
    assert len(known.observations) == 10


def test_observations_of_a_study_teach_and_raise_no_alarm() -> None:
    known, _ = updated(None, [seen(1.0, n, study="s") for n in range(20)])
    known, found = updated(known, [seen(9.0, 100 + n, study="s") for n in range(60)])
    assert found == []
    assert known is not None
    _, found = updated(known, [seen(40.0, 200 + n) for n in range(10)])
    assert [drift.measure for drift in found] == ["seconds"]


def test_more_work_is_no_drift() -> None:
    chance = random.Random(3)
    known, _ = updated(None, [seen((1 + u) * math.exp(chance.gauss(0, 0.05)), u, units=float(u)) for u in range(1, 30)])
    _, found = updated(known, [seen(61 * math.exp(chance.gauss(0, 0.05)), 100 + n, units=60.0) for n in range(20)])
    assert found == []


def test_a_profile_without_observations_is_what_its_prior_says() -> None:
    prior = estimate([seen(3.0)]).profile
    known, _ = updated(None, [seen(0.1, error="broken")], prior=prior)
    assert known is not None
    assert isinstance(known.profile, Profile)
    assert known.profile.seconds == prior.seconds


def jobs(chance: random.Random, number: int, *, tasks: int, factor: float = 1.0) -> list[Observation]:
    """Return the tasks of a job: what else the machine does slows all of them alike."""
    shared = factor * math.exp(chance.gauss(0, 0.3))
    return [seen(shared * math.exp(chance.gauss(0, 0.02)), number * 60.0 + n / 10, job=f"j{number}") for n in range(tasks)]


def test_the_tasks_of_a_job_are_one_look_however_many_there_are() -> None:
    chance = random.Random(5)
    known: Known | None = None
    found = []
    for number in range(200):
        known, drifts = updated(known, jobs(chance, number, tasks=50))
        found += drifts
    assert found == []
    assert known is not None
    assert len({one.job for one in known.observations}) == 32
    for number in range(200, 220):
        known, drifts = updated(known, jobs(chance, number, tasks=50, factor=2.5))
        found += drifts
    assert [drift.measure for drift in found] == ["seconds"]


@pytest.mark.parametrize(("seconds", "factor"), [(1e-4, 3.0), (1.0, 1.1)])
def test_changes_that_no_choice_depends_on_are_no_drift(seconds: float, factor: float) -> None:
    before, _ = learned([seconds * (1 + n % 3 / 100) for n in range(20)])
    _, found = learned([seconds * factor * (1 + n % 3 / 100) for n in range(60)], begin=before, at=1e5)
    assert found == []
