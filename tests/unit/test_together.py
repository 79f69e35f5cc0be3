"""All steps of a job chosen at once: limits are kept, what leaves room is cheaper, and what cannot be is said."""

import math
from dataclasses import replace

import pytest

from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Parameter, Quote
from murakkab.cli.plans import forecast_lines, limit_lines
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.errors import PlanError
from murakkab.figures import Figure, Provenance, Source, exactly
from murakkab.forecasts import forecast_json, with_forecast
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.plan import Deployment
from murakkab.profiles import Profile, Setting, Spread
from murakkab.spec import Goal
from tests.fakes import WORK, graph, step

MEASURED = Provenance(Source.MEASURED, "here", "2026-11-25", 20)
_KNOB = Parameter("size", default=1, choices=(1, 2), trades=True)
QUICK = ExecutorCard("quick", "work", "", needs=Needs(1.0), quote=Quote(1.0, 4.0, 50.0, 0.5, "measured"))
SLOW = ExecutorCard("slow", "work", "", needs=Needs(1.0), quote=Quote(4.0, 1.0, 10.0, 0.9, "measured"))
TUNED = ExecutorCard("tuned", "work", "", (_KNOB,), needs=Needs(1.0), quote=Quote(9.0, 9.0, 90.0, 0.1, "measured"))
GUESSED = ExecutorCard("guessed", "work", "", needs=Needs(1.0), quote=Quote(4.0, 1.0, 10.0, 0.9, "assumed"))
VIEW = ClusterView({"cpu": Pool("cpu", DeviceKind("cpu", Device.CPU), 4.0)})


def chosen(goal: Goal, *cards: ExecutorCard, situation: Situation | None = None) -> Deployment:
    """Return the choices for two steps at once and one more behind them."""
    catalog = Catalog({"work": WORK}, {card.name: card for card in cards or (QUICK, SLOW)})
    made = graph(step("a"), step("b"), step("c", x="${a}", y="${b}"), catalog=catalog)
    return choose(made, catalog, goal, situation or Situation(VIEW))


def names(made: Deployment) -> dict[str, str]:
    return {path: choice.executor.name for path, choice in sorted(made.choices.items())}


def test_limits_bind_the_steps_together() -> None:
    free = chosen(Goal(("energy",)))
    assert names(free) == {"a": "slow", "b": "slow", "c": "slow"}
    assert free.status == "separate"

    tight = chosen(Goal(("energy",), {"latency": 5.0}))
    assert names(tight) == {"a": "slow", "b": "slow", "c": "quick"}
    assert (tight.status, tight.beyond) == ("optimal", ())
    assert tight.estimate is not None
    assert tight.estimate.seconds.value == 5.0
    assert tight.estimate.joules is not None
    assert tight.estimate.joules.value == 70.0
    assert tight.critical in (("a", "c"), ("b", "c"))


def test_who_has_time_takes_it() -> None:
    """Latency first, then energy: off the critical path the slower one costs no time."""
    catalog = Catalog({"work": WORK}, {card.name: card for card in (QUICK, SLOW)})
    made = graph(step("a"), step("b"), step("c", x="${a}"), step("d", x="${c}"), step("e", x="${d}"), catalog=catalog)
    found = choose(made, catalog, Goal(("latency", "energy")), Situation(VIEW))
    assert names(found) == {"a": "quick", "b": "slow", "c": "quick", "d": "quick", "e": "quick"}


def test_the_next_best_says_what_it_would_mean() -> None:
    tight = chosen(Goal(("energy",), {"latency": 5.0}))
    other = tight.choices["c"].runner_up
    assert other is not None
    assert (other.label, other.lost) == ("slow", "latency would be 8 s, and its limit is 5 s")
    other = tight.choices["a"].runner_up
    assert other is not None
    assert (other.label, other.lost) == ("quick", "40 J more energy")


def test_of_very_many_steps_the_next_best_is_looked_for_where_it_matters_most() -> None:
    catalog = Catalog({"work": WORK}, {card.name: card for card in (QUICK, SLOW)})
    few, many = (graph(*(step(f"s{n}") for n in range(count)), catalog=catalog) for count in (30, 300))
    assert all(choice.runner_up is not None for choice in choose(few, catalog, Goal(("energy",)), Situation(VIEW)).choices.values())
    made = choose(many, catalog, Goal(("energy",)), Situation(VIEW))
    looked = [path for path, choice in made.choices.items() if choice.runner_up is not None]
    assert 0 < len(looked) < 30
    assert any(line == f"next best: looked for where it matters most, at {len(looked)} of 300 steps" for line in forecast_lines(made))


def test_how_far_an_unproven_choice_may_be_from_the_best_is_said() -> None:
    made = chosen(Goal(("energy",), {"latency": 5.0}))
    told = {part: list(forecast_lines(replace(made, status="heuristic", gap=part))) for part in (0.034, math.inf)}
    assert "chosen: all steps together, not proven best, within 3.4% of the best" in told[0.034]
    assert "chosen: all steps together, not proven best" in told[math.inf]


def test_limits_that_cannot_be_kept_are_named_with_the_nearest_that_could() -> None:
    with pytest.raises(PlanError) as caught:
        chosen(Goal(("cost",), {"latency": 1.5}))
    assert "latency 1.5 s" in caught.value.message
    assert "latency could be 2 s" in caught.value.hint
    with pytest.raises(PlanError) as caught:
        chosen(Goal(("cost",), {"latency": 5.0, "energy": 40.0, "cost": 100.0}))
    assert caught.value.message == "no choice keeps energy 40 J and latency 5 s together"
    assert "cost" not in caught.value.message


def test_nobody_is_refused_on_a_guess() -> None:
    made = chosen(Goal(("cost",), {"latency": 1.5}), GUESSED)
    assert made.beyond == ("latency would be 8 s, and its limit is 1.5 s (by figures that are assumed)",)
    blind = ExecutorCard("blind", "work", "", quote=Quote(1.0))
    assert chosen(Goal(("cost",), {"quality": 0.5}), blind).beyond == (
        "quality is limited, and nothing is known of it: whether that is kept cannot be told",
    )


MUTE = ExecutorCard("mute", "mute", "", device=Device.REMOTE, quote=Quote(1.0))


def partly(goal: Goal) -> Deployment:
    """Return the choices for a step of which all is known and one elsewhere of which only the time is."""
    catalog = Catalog({"work": WORK, "mute": replace(WORK, name="mute")}, {"quick": QUICK, "mute": MUTE})
    return choose(graph(step("a"), step("m", uses="mute", x="${a}"), catalog=catalog), catalog, goal, Situation(VIEW))


@pytest.mark.parametrize(("measure", "limit"), [("energy", 60.0), ("quality", 0.4), ("cost", 5.0)])
def test_a_limit_says_without_which_steps_it_is_judged(measure: str, limit: float) -> None:
    made = partly(Goal(("latency",), {measure: limit}))
    assert made.unjudged == {measure: ("m",)}
    assert made.beyond == ()
    assert limit_lines(made) == [f"{measure} is limited, and judged without m: nothing is known of it there"]
    assert partly(Goal(("latency",), {"latency": 9.0})).unjudged == {}


@pytest.mark.parametrize(("measure", "limit", "near"), [("energy", 49.0, "50 J"), ("quality", 0.6, "0.5"), ("cost", 3.9, "4 USD")])
def test_what_the_other_steps_pass_alone_is_refused(measure: str, limit: float, near: str) -> None:
    with pytest.raises(PlanError, match=f"no choice keeps {measure}") as caught:
        partly(Goal(("latency",), {measure: limit}))
    assert f"{measure} could be {near}" in caught.value.hint


def test_a_job_takes_at_least_the_energy_that_is_known() -> None:
    made = partly(Goal(("latency",), {"energy": 60.0}))
    assert made.estimate is not None
    assert made.estimate.joules is None
    assert made.estimate.least_joules is not None
    assert made.estimate.least_joules.value == 50.0
    assert "energy not known, at least 50 J" in " ".join(forecast_lines(made))
    assert with_forecast(made, forecast_json(made)).estimate == made.estimate
    assert with_forecast(made, forecast_json(made)).unjudged == made.unjudged


@pytest.mark.parametrize("limit", [1e-300, 1e-12, 1e-6, 0.5])
def test_of_a_limit_that_nothing_keeps_the_quickest_is_nearest_however_small_it_is(limit: float) -> None:
    guessed = ExecutorCard("hasty", "work", "", needs=Needs(1.0), quote=Quote(1.0, 4.0, 50.0, 0.5, "assumed"))
    made = chosen(Goal(("energy",), {"latency": limit}), GUESSED, guessed)
    assert set(names(made).values()) == {"hasty"}
    with pytest.raises(PlanError, match="no choice keeps latency") as caught:
        chosen(Goal(("energy",), {"latency": limit}))
    assert "latency could be 2 s" in caught.value.hint
    for measure, nearest in (("energy", "30 J"), ("cost", "3 USD")):
        with pytest.raises(PlanError) as caught:
            chosen(Goal(("latency",), {measure: limit}))
        assert f"{measure} could be {nearest}" in caught.value.hint


@pytest.mark.parametrize("measure", ["latency", "energy", "cost"])
def test_a_huge_limit_binds_nothing(measure: str) -> None:
    for limit in (1e9, 1e15):
        assert names(chosen(Goal(("energy",), {measure: limit}))) == {"a": "slow", "b": "slow", "c": "slow"}


def profile(size: int, seconds: float, quality: float) -> Profile:
    setting = Setting("tuned", knobs=(("size", size),), device="cpu")
    spread = Spread(seconds, seconds, seconds * 1.5, seconds * 2)
    return Profile(
        setting, spread, joules=exactly(seconds * 5, MEASURED), quality={"f1": Figure(quality, quality, quality, MEASURED)}, of=MEASURED
    )


def test_knobs_that_trade_are_chosen_where_they_were_measured() -> None:
    known = Situation(VIEW, {"tuned": [profile(1, 3.0, 0.9), profile(2, 0.5, 0.6)]})
    careful = chosen(Goal(("latency",), {"quality": 0.85}), TUNED, situation=known)
    assert {dict(choice.knobs).get("size", 1) for choice in careful.choices.values()} == {1}
    quick = chosen(Goal(("latency",), {"quality": 0.5}), TUNED, situation=known)
    assert {dict(choice.knobs).get("size", 1) for choice in quick.choices.values()} == {2}
    assert quick.estimate is not None
    assert quick.estimate.seconds.of.source is Source.MEASURED
