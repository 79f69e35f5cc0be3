"""Tiers: what best, good, fair and basic stand for, that nothing moves them, and what is said where they cannot be had."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.app import Settings
from murakkab.catalog import Catalog, Device, ExecutorCard, Needs, Parameter, Quote
from murakkab.devices import Allowance, ClusterView, DeviceKind, Pool
from murakkab.errors import InputError, PlanError
from murakkab.figures import Provenance, Source, exactly
from murakkab.optimizer.choose import choose
from murakkab.optimizer.reasons import measure_of
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.tier_codec import version_from, version_text
from murakkab.optimizer.tier_setting import place_of, tiers_of
from murakkab.optimizer.tiers import Tiers, Version, amounts_of, in_numbers, rounded, weaker
from murakkab.plan import TaskGraph
from murakkab.profiles import Profile, Setting, Spread
from murakkab.spec import TIERS, Goal, limited
from murakkab.tier_store import TierStore
from murakkab.tiers import with_numbers
from murakkab_cluster import figures
from tests.fakes import WORK, graph, step

VIEW = ClusterView({"cpu": Pool("cpu", DeviceKind("cpu", Device.CPU), 4.0)})
AT = Situation(VIEW, gap=1e-6)


def card(number: int, seconds: float, quality: float | None, joules: float | None = 1.0) -> ExecutorCard:
    return ExecutorCard(f"e{number}", "work", "", needs=Needs(1.0), quote=Quote(seconds, 0.0, joules, quality, "measured"))


#: Twenty-one ways to do one step: the better, the slower.
LADDER = [card(n, 1.0 + n, 0.50 + 0.02 * n) for n in range(21)]


def job(*cards: ExecutorCard, each: bool = False) -> tuple[TaskGraph, Catalog]:
    catalog = Catalog({"work": WORK}, {one.name: one for one in cards})
    return graph(step("a", each="${inputs.xs}" if each else None), catalog=catalog), catalog


def test_tiers_are_members_of_the_frontier_at_their_percentiles() -> None:
    """The percentiles of the paper, rounded down to a choice that there is; 12 of the 21 are looked at."""
    made, catalog = job(*LADDER[:12])
    amounts = amounts_of(tiers_of(made, catalog, AT), made, AT)
    assert amounts["quality"] == {"best": 0.72, "good": 0.7, "fair": 0.66, "basic": 0.6}
    assert amounts["latency"] == {"best": 1.0, "good": 2.0, "fair": 4.0, "basic": 7.0}
    assert [place_of(tier, 4) for tier in TIERS] == [3, 2, 2, 1]
    assert [place_of(tier, 101) for tier in TIERS] == [100, 95, 80, 50]
    assert [place_of(tier, 1) for tier in TIERS] == [0, 0, 0, 0]


def test_what_another_choice_beats_moves_no_tier() -> None:
    one, two = (job(*LADDER[:5], *more) for more in ((), (card(90, 50.0, 0.1), card(91, 60.0, 0.1))))
    assert amounts_of(tiers_of(*one, AT), one[0], AT) == amounts_of(tiers_of(*two, AT), two[0], AT)


BEFORE = tiers_of(*job(*LADDER[:6]), AT)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 30.0), st.floats(0.0, 1.0)), max_size=3),
    st.dictionaries(st.sampled_from(["latency", "quality"]), st.sampled_from(TIERS), min_size=1, max_size=1),
)
def test_additions_move_nothing_and_every_tier_stays_in_reach(added: list[tuple[float, float]], tiers: dict[str, str]) -> None:
    made, _ = job(*LADDER[:6])
    amounts = amounts_of(BEFORE, made, AT)
    grown, more = job(*LADDER[:6], *(card(50 + n, seconds, quality) for n, (seconds, quality) in enumerate(added)))
    assert amounts_of(BEFORE, grown, AT) == amounts
    plan = choose(grown, more, in_numbers(Goal(("energy",), tiers=tiers), amounts), AT)
    assert plan.beyond == ()


def test_more_cores_or_new_figures_move_nothing() -> None:
    made, catalog = job(*LADDER[:6], each=True)
    before = tiers_of(made, catalog, AT)
    larger = Situation(ClusterView({"cpu": replace(VIEW.pools["cpu"], count=64.0)}), inputs={"xs": [0] * 40})
    assert amounts_of(before, made, larger) == amounts_of(before, made, replace(AT, inputs={"xs": [0] * 40}))


def test_amounts_are_for_the_job_at_hand() -> None:
    made, catalog = job(*LADDER[:6], each=True)
    tiers = tiers_of(made, catalog, AT)
    few, many = (amounts_of(tiers, made, replace(AT, inputs={"xs": [0] * n})) for n in (4, 40))
    assert few["latency"]["best"] == 1.0
    assert many["latency"]["best"] == 10.0
    assert few["quality"] == many["quality"]


def test_base_watts_of_pools_that_must_be_woken_are_kept() -> None:
    asleep = Pool("cpu", DeviceKind("cpu", Device.CPU), 4.0, is_on=False, base_watts=exactly(10.0))
    at = Situation(ClusterView({"cpu": asleep}))
    made, catalog = job(*LADDER[:2])
    tiers = tiers_of(made, catalog, at)
    assert amounts_of(tiers, made, AT)["energy"]["best"] == 11.0


KNOWN = figures.shipped()
KNOBS = tuple(Parameter(name, default="") for name in ("model", "url", "key"))
LLM = ExecutorCard("llm", "work", "", KNOBS, device=Device.REMOTE, quote=Quote(2.0, quality=0.8, tokens=1000, tokens_out=200))
RENDER = ExecutorCard("render", "work", "", device=Device.GPU, quote=Quote(8.0, 0.0, 100.0, 0.7, "measured"))
OFF = Pool(
    "gpu", KNOWN.devices["h100"], 4.0, is_on=False, models=("llama-3.1-8b", "qwen3-8b"), endpoint="http://gpu/v1", startup=exactly(30.0)
)
ALLOWED = Pool("cloud", KNOWN.devices["remote"], models=("llama-3.1-8b",), endpoint="http://cloud/v1", allowance=Allowance("cloud", 3.0))
CARDS = Pool("cards", DeviceKind("card", peak_watts=exactly(300.0), idle_watts=exactly(50.0)), 2.0)


@pytest.mark.parametrize(
    ("card", "pool", "models"),
    [(LLM, OFF, ("llama-3.1-8b", "qwen3-8b")), (LLM, ALLOWED, ("llama-3.1-8b", "llama-3.1-8b")), (RENDER, CARDS, ("", ""))],
    ids=["two engines are started", "requests wait", "tasks wait for devices"],
)
@pytest.mark.parametrize("measure", ["latency", "energy", "cost"])
def test_a_tier_is_what_the_plan_of_that_choice_is_expected_to_take(
    card: ExecutorCard, pool: Pool, models: tuple[str, str], measure: str
) -> None:
    """What is started or waited for, and what devices draw that must be woken, count for both: else no plan could have the best."""
    catalog = Catalog({"work": WORK}, {card.name: card}, {"llm": "SOME_URL"})
    knobs = [{"model": model} if model else {} for model in models]
    made = graph(step("a", each="${inputs.xs}", knobs=knobs[0]), step("b", knobs=knobs[1], after=("a",)), catalog=catalog)
    at = Situation(ClusterView({pool.name: pool}), known=KNOWN, gap=1e-9)
    written = Version("test", 1, "2026-11-25T10:00:00Z", "the first", tiers_of(made, catalog, at))
    tiers = version_from(version_text(written), "1.json").tiers
    job_at = replace(at, inputs={"xs": [0] * 8})
    amounts = amounts_of(tiers, made, job_at)
    if measure not in amounts:
        # Nothing is known of what is elsewhere.
        assert (measure, pool) == ("energy", ALLOWED)
        return
    plan = choose(made, catalog, Goal((measure,)), job_at)
    assert plan.estimate is not None
    value = measure_of(plan.estimate, measure)
    assert value is not None
    assert value <= amounts[measure]["best"] * (1 + 1e-9)
    if pool is not OFF:
        # There is one way alone; of several, the best for any job may be another than that for this one.
        assert amounts[measure]["best"] == pytest.approx(value, rel=0.01)
    assert choose(made, catalog, in_numbers(Goal(("latency",), tiers={measure: "best"}), amounts), job_at).beyond == ()


def test_what_is_warm_here_is_warm_for_tiers_as_it_is_for_plans() -> None:
    spread = Spread(1.0, 1.0, 1.0, 1.0)
    slow = Profile(Setting("e1"), spread, joules=exactly(1.0), of=Provenance(Source.MEASURED, "here"), startup=exactly(20.0))
    made, catalog = job(card(1, 1.0, 0.5), card(2, 30.0, 0.9))
    at = replace(AT, profiles={"e1": [slow]})
    tiers = tiers_of(made, catalog, at)
    warm = replace(at, warm=frozenset({"e1"}))
    for each, seconds in ((at, 21.0), (warm, 1.0)):
        amounts = amounts_of(tiers, made, each)
        assert amounts["latency"]["best"] == seconds
        plan = choose(made, catalog, in_numbers(Goal(("quality",), tiers={"latency": "best"}), amounts), each)
        assert plan.choices["a"].executor.name == "e1"


def test_tiers_of_the_first_form_mean_what_they_meant() -> None:
    """Files are never changed: those without pools, engines and loads are read as they were."""
    asleep = Pool("cpu", DeviceKind("cpu", Device.CPU), 4.0, is_on=False, base_watts=exactly(10.0))
    made, catalog = job(*LADDER[:2])
    data = json.loads(version_text(version(tiers=tiers_of(made, catalog, Situation(ClusterView({"cpu": asleep}))))))
    data["form"] = 1
    data["tiers"]["pools"] = {name: pool["base_watts"] for name, pool in data["tiers"]["pools"].items()}
    del data["tiers"]["allowances"]
    for each in data["tiers"]["choices"].values():
        for held in (held for one in each for held in one.values()):
            held["devices"] = held.pop("footprint")["devices"]
            del held["loads"]
    old = version_from(json.dumps(data), "1.json").tiers
    assert amounts_of(old, made, AT)["energy"]["best"] == 11.0


def test_a_measure_of_which_nothing_is_known_has_no_tiers() -> None:
    made, catalog = job(card(1, 1.0, None, None), card(2, 2.0, None, None))
    amounts = amounts_of(tiers_of(made, catalog, AT), made, AT)
    assert set(amounts) == {"latency", "cost"}
    with pytest.raises(PlanError, match="the tier 'good' of quality stands for nothing") as caught:
        in_numbers(Goal(tiers={"quality": "good"}), amounts)
    assert "murakkab profile" in caught.value.hint


@given(st.floats(1e-9, 1e9), st.sampled_from(["latency", "quality"]))
def test_rounding_makes_no_tier_harder(value: float, measure: str) -> None:
    found = rounded(measure, value)
    assert found == pytest.approx(value, rel=1.01e-2)
    assert found <= value * (1 + 1e-8) if measure == "quality" else found >= value * (1 - 1e-8)
    assert rounded(measure, found) == found


def test_limits_laid_over_others_take_their_place() -> None:
    goal = Goal(("energy",), {"latency": 60.0, "cost": 1.0}, tiers={"quality": "good"})
    assert limited(goal, {"latency": "fair", "quality": 0.5}) == Goal(("energy",), {"cost": 1.0, "quality": 0.5}, tiers={"latency": "fair"})
    assert weaker(Goal(tiers={"quality": "fair", "latency": "basic"})) == Goal(tiers={"quality": "basic", "latency": "basic"})
    assert weaker(Goal(tiers={"latency": "basic"})) is None


# ----------------------------------------------------------------------------------------------------------------- versions


def version(number: int = 1, tiers: Tiers | None = None, name: str = "test") -> Version:
    made, catalog = job(*LADDER[:4])
    found = tiers or tiers_of(made, catalog, AT)
    return Version(name, number, "2026-11-25T10:00:00Z", "the first", found, amounts_of(found, made, AT), "0.1.0", 3)


def test_a_version_is_read_as_it_was_written() -> None:
    one = version()
    back = version_from(version_text(one), "1.json")
    assert back.amounts == one.amounts
    assert version_text(back) == version_text(one)
    made, _ = job(*LADDER[:4])
    assert amounts_of(back.tiers, made, AT) == one.amounts


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 1}', '{"form": "x"}', "null", version_text(version()).replace('"a"', '"b"', 1)])
def test_what_is_damaged_is_told(text: str) -> None:
    with pytest.raises(InputError, match=r"1\.json holds no tiers"):
        version_from(text, "1.json")


def test_a_later_form_is_not_read() -> None:
    with pytest.raises(InputError, match="later version of Murakkab"):
        version_from('{"form": 99}', "1.json")


@pytest.mark.parametrize("name", ["test", "Test/../../x", "", "ein Wörtchen", "a" * 300])
def test_versions_are_counted_and_kept(tmp_path: Path, name: str) -> None:
    store, kept = TierStore(tmp_path / "tiers"), version().tiers
    assert store.latest(name) is None
    assert store.add(name, lambda number: version(number, kept, name)).number == 1
    assert store.add(name, lambda number: version(number, kept, name)).number == 2
    latest = store.latest(name)
    assert latest is not None
    assert (latest.number, latest.workflow) == (2, name)
    assert [path.name for path in tmp_path.iterdir()] == ["tiers"]
    assert sorted(path.name for path in (tmp_path / "tiers").rglob("*.json")) == ["1.json", "2.json"]
    assert not list((tmp_path / "tiers").rglob(".part-*"))


def test_a_version_of_another_process_is_never_replaced(tmp_path: Path) -> None:
    store, kept = TierStore(tmp_path), version().tiers

    def slow(number: int) -> Version:
        TierStore(tmp_path).add("test", lambda other: replace(version(other, kept), why="quicker"))
        return replace(version(number, kept), why="slower")

    assert store.add("test", slow).why == "quicker"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "tiers").write_text("a file")
    with pytest.raises(InputError, match="the tiers"):
        TierStore(tmp_path / "tiers").add("test", lambda number: version(number))


def test_a_tier_that_no_choice_reaches_any_more_names_the_nearest(tmp_path: Path) -> None:
    settings_ = Settings(home=tmp_path)
    made, catalog = job(*LADDER[:6])
    made = replace(made, workflow=replace(made.workflow, name="ladder"))
    kept = tiers_of(made, catalog, AT)
    TierStore(tmp_path / "tiers").add("ladder", lambda number: version(number, kept, "ladder"))
    _, fewer = job(*LADDER[:4])
    goal = Goal(("latency",), tiers={"quality": "best"})
    with pytest.raises(PlanError) as caught:
        with_numbers(made, goal, AT, settings_, lambda numbers: choose(made, fewer, numbers, AT))
    assert caught.value.message == "no choice keeps quality 0.6 (quality best, version 1 of 2026-11-25)"
    assert "quality basic can be had; the nearest: quality could be 0.56" in caught.value.hint
    assert "--renew" in caught.value.hint
    plan, uses = with_numbers(made, goal, AT, settings_, lambda numbers: choose(made, catalog, numbers, AT))
    assert plan.goal == Goal(("latency",), {"quality": 0.6})
    assert [(use.measure, use.tier, use.value, use.version) for use in uses] == [("quality", "best", 0.6, 1)]
