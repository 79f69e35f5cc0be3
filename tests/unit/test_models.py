"""Models of the engines that answer are ways to do a step: figures of the model on its devices, names of the engine."""

from dataclasses import replace

import pytest

from murakkab.catalog import Catalog, Device, ExecutorCard, Parameter, Quote
from murakkab.devices import ClusterView, Pool, Price
from murakkab.figures import Provenance, Source
from murakkab.optimizer.choose import choose
from murakkab.optimizer.models import model_ways
from murakkab.optimizer.situation import Situation
from murakkab.plan import Choice
from murakkab.profiles import Profile, Setting, Spread
from murakkab.spec import Goal, Step
from murakkab_cluster import figures
from tests.fakes import WORK, graph, step

KNOWN = figures.shipped()
KNOBS = tuple(Parameter(name, default="") for name in ("model", "url", "key"))
QUOTE = Quote(2.0, quality=0.8, tokens=1000, tokens_out=200)
LLM = ExecutorCard("llm", "work", "", KNOBS, device=Device.REMOTE, quote=QUOTE, settings=("SOME_URL",))
PLAIN = ExecutorCard("plain", "work", "", quote=Quote(0.1, quality=0.3))


def pool(name: str, kind: str, *models: str, count: float = 1.0, **parts: object) -> Pool:
    return replace(Pool(name, KNOWN.devices[kind], count, models=models, endpoint=f"http://{name}/v1"), **parts)  # type: ignore[arg-type]


SMALL = pool("small", "h100", "llama-3.1-8b", served={"llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct"}, key="SMALL_KEY")
LARGE = pool("large", "h100", "llama-3.1-70b", count=4.0)
HOSTED = pool("hosted", "remote", "gpt-4o-mini")
VIEW = ClusterView({one.name: one for one in (SMALL, LARGE, HOSTED)}, (Price("gpt-4o-mini", "openai", 1e-6, 4e-6),))


def chosen(goal: Goal, one: Step | None = None, *, view: ClusterView = VIEW, lacking: bool = True) -> Choice:
    catalog = Catalog({"work": WORK}, {"llm": LLM, "plain": PLAIN}, {"llm": "SOME_URL"} if lacking else {})
    made = graph(one or step("s"), catalog=catalog)
    return choose(made, catalog, goal, Situation(view, known=KNOWN)).choices["s"]


def test_every_model_that_is_served_is_a_way_with_its_own_figures() -> None:
    ways = {way.model: way for way in model_ways(LLM, {}, VIEW, KNOWN)}
    assert set(ways) == {"llama-3.1-8b", "llama-3.1-70b", "gpt-4o-mini"}
    small, large, hosted = ways["llama-3.1-8b"].taken, ways["llama-3.1-70b"].taken, ways["gpt-4o-mini"].taken
    assert small.seconds.value < large.seconds.value
    assert small.joules is not None
    assert large.joules is not None
    assert small.joules.value < large.joules.value
    assert small.quality is not None
    assert large.quality is not None
    assert small.quality.value < large.quality.value
    assert hosted.usd.value == pytest.approx(800 * 1e-6 + 200 * 4e-6)
    assert hosted.joules is None


def test_its_tokens_are_a_guess_and_so_are_its_figures() -> None:
    (way,) = model_ways(LLM, {}, ClusterView({"small": SMALL}), KNOWN)
    assert way.taken.source is Source.ASSUMED
    assert "1000 tokens assumed, on figures that are published: ML.ENERGY" in way.taken.seconds.of.where


def test_what_was_measured_here_counts_instead() -> None:
    knobs = (("key", "SMALL_KEY"), ("model", "meta-llama/Llama-3.1-8B-Instruct"), ("url", "http://small/v1"))
    setting = Setting("llm", knobs=knobs, model="llama-3.1-8b")
    profile = Profile(setting, Spread(0.5, 0.5, 0.6, 0.7), of=Provenance(Source.MEASURED, "here"))
    (way,) = model_ways(LLM, {}, ClusterView({"small": SMALL}), KNOWN, [profile])
    assert (way.taken.seconds.value, way.taken.seconds.of.source) == (0.5, Source.MEASURED)


@pytest.mark.parametrize(
    ("goal", "model"),
    [(Goal(("energy",)), "llama-3.1-8b"), (Goal(("quality",)), "llama-3.1-70b"), (Goal(("cost",), {"quality": 0.7}), "")],
)
def test_the_goal_chooses_among_models(goal: Goal, model: str) -> None:
    view = ClusterView({"small": SMALL, "large": LARGE})
    choice = chosen(goal, view=view)
    assert choice.executor is LLM
    assert choice.model == model or not model
    assert choice.knobs["url"].startswith("http://")


def test_the_engine_is_asked_by_its_own_name_for_the_model_and_with_its_key() -> None:
    choice = chosen(Goal(("quality",)), view=ClusterView({"small": SMALL}))
    assert choice.knobs == {"model": "meta-llama/Llama-3.1-8B-Instruct", "url": "http://small/v1", "key": "SMALL_KEY"}
    assert (choice.model, choice.pool) == ("llama-3.1-8b", "small")


def test_a_model_that_the_step_asks_for_is_found_by_any_of_its_names() -> None:
    for name in ("llama-3.1-70b", "meta-llama/Llama-3.1-70B-Instruct"):
        assert chosen(Goal(("energy",)), step("s", knobs={"model": name})).pool == "large"


def test_who_does_not_answer_is_no_way() -> None:
    dead = {name: replace(one, trouble="no answer") for name, one in VIEW.pools.items()}
    assert list(model_ways(LLM, {}, ClusterView(dead), KNOWN)) == []
    assert chosen(Goal(("quality",)), view=ClusterView(dead)).executor is PLAIN


def test_a_step_that_names_the_endpoint_itself_keeps_it() -> None:
    choice = chosen(Goal(("quality",)), step("s", executor="llm", knobs={"url": "http://mine/v1"}), lacking=False)
    assert choice.knobs == {"url": "http://mine/v1"}
