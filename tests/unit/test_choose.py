"""Which executor does a step: the one it asks for, else the best by its quote."""

import pytest

from murakkab.catalog import Catalog, Device, ExecutorCard, Parameter, Quote
from murakkab.errors import PlanError
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.plan import Choice
from murakkab.planner.compile import compile_workflow
from murakkab.spec import Block, Goal, Prefer, Repeat, Step, Workflow
from murakkab.types import INT, STR
from tests.fakes import WORK, graph, step

CARDS = (
    ExecutorCard("first", "work", "", quote=Quote(seconds=5, usd=3, joules=None, quality=None)),
    ExecutorCard("quick", "work", "", quote=Quote(seconds=1, usd=9, joules=50, quality=0.5)),
    ExecutorCard("cheap", "work", "", (Parameter("speed"),), quote=Quote(seconds=9, usd=0, joules=50, quality=0.9)),
    ExecutorCard("frugal", "work", "", (Parameter("speed"), Parameter("size")), quote=Quote(seconds=8, usd=3, joules=1, quality=0.9)),
)
KNOWN = Catalog({"work": WORK}, {card.name: card for card in CARDS})


HURRIED = Situation(is_hurried=True)


def chosen(one: Step, goal: Goal | None = None, catalog: Catalog = KNOWN, **parts: Goal) -> Choice:
    """Return the choice for *one*, of which nothing is forecast."""
    return choose(graph(one, catalog=catalog, **parts), catalog, goal, HURRIED).choices["s"]


@pytest.mark.parametrize(
    ("minimize", "name"),
    [
        (("latency",), "quick"),
        (("cost",), "cheap"),
        (("energy",), "frugal"),
        (("quality",), "cheap"),
        (("quality", "energy"), "frugal"),
        (("quality", "cost"), "cheap"),
        (("energy", "cost"), "frugal"),
        ((), "first"),
    ],
)
def test_the_best_by_the_goal_is_chosen_most_important_first_and_unknown_is_worst(minimize: tuple[str, ...], name: str) -> None:
    choice = chosen(step("s"), Goal(minimize))

    assert choice.executor.name == name
    assert choice.why == (f"best {', then '.join(minimize)} of 4 by assumed figures" if minimize else "registered first of 4")


def test_the_goal_of_the_workflow_counts_unless_another_is_given() -> None:
    made = graph(step("s"), catalog=KNOWN, goal=Goal(("latency",)))

    assert choose(made, KNOWN).choices["s"].executor.name == "quick"
    assert choose(made, KNOWN).goal == Goal(("latency",))
    assert choose(made, KNOWN, Goal(("cost",))).choices["s"].executor.name == "cheap"
    assert choose(made, KNOWN, Goal(("cost",))).goal == Goal(("cost",))
    assert choose(made, KNOWN, Goal()).choices["s"].executor.name == "first"


def test_who_cannot_run_here_or_leaves_the_work_undone_is_passed_over_unless_asked_for() -> None:
    off = ExecutorCard("off", "work", "", quote=Quote(seconds=0, quality=0), leaves_undone=True)
    known = Catalog({"work": WORK}, {card.name: card for card in (*CARDS, off)}, {"quick": "SOME_URL"})

    assert chosen(step("s"), Goal(("latency",)), known).executor.name == "first"
    assert chosen(step("s", executor="off"), Goal(), known).executor.name == "off"
    assert chosen(step("s", executor="quick"), Goal(), known).executor.name == "quick"
    only = Catalog({"work": WORK}, {"off": off, "quick": CARDS[1]}, {"quick": "SOME_URL"})
    assert chosen(step("s"), Goal(), only).executor.name == "off"


def test_what_a_step_asks_for_it_gets() -> None:
    choice = chosen(step("s", executor="first", knobs={"speed": 1}), Goal(("latency",)))

    assert choice == Choice("s", CARDS[0], {"speed": 1}, "asked for by the step")


def test_only_executors_that_have_all_the_knobs_are_considered() -> None:
    assert chosen(step("s", knobs={"speed": 1}), Goal(("latency",))).executor.name == "frugal"
    assert chosen(step("s", knobs={"speed": 1}), Goal(("cost",))).executor.name == "cheap"

    only = chosen(step("s", knobs={"size": 1, "speed": 2}), Goal(("cost",)))
    assert (only.executor.name, only.knobs) == ("frugal", {"size": 1, "speed": 2})
    assert only.why == "the only executor for work with these knobs"


def test_an_only_executor_is_called_that() -> None:
    assert chosen(step("s"), catalog=Catalog({"work": WORK}, {"first": CARDS[0]})).why == "the only executor for work"


def test_a_capability_that_nothing_provides_is_a_plan_error() -> None:
    with pytest.raises(PlanError, match=r"no executor provides 'work', which step 's' needs; `murakkab executors`"):
        chosen(step("s"), catalog=Catalog({"work": WORK}))


def test_knobs_that_no_executor_has_all_of_are_a_plan_error() -> None:
    with pytest.raises(PlanError, match=r"no executor of 'work' has all the knobs of step 's': speed, colour; pin one executor"):
        chosen(step("s", knobs={"speed": 1, "colour": 2}))


def test_a_pinned_executor_that_is_gone_is_a_plan_error() -> None:
    made = graph(step("s", executor="lost"), catalog=KNOWN)

    with pytest.raises(PlanError, match="step 's' needs executor 'lost', which is not installed"):
        choose(made, KNOWN)


def test_every_step_has_a_choice_and_choosing_changes_nothing() -> None:
    made = graph(step("a"), step("b", x="${a}", executor="cheap"), catalog=KNOWN)
    once = choose(made, KNOWN)

    assert list(once.choices) == ["a", "b"]
    assert choose(made, KNOWN) == once


# -------------------------------------------------------------------------------------------------------------- preferences

MODELS = Catalog(
    {"work": WORK},
    {
        card.name: card
        for card in (
            ExecutorCard("plain", "work", "", quote=Quote(seconds=1)),
            ExecutorCard("small", "work", "", (Parameter("model", STR, choices=("tiny", "base")),), quote=Quote(seconds=2)),
            ExecutorCard(
                "large", "work", "", (Parameter("model", STR, choices=("base", "huge")),), device=Device.GPU, quote=Quote(seconds=3)
            ),
            ExecutorCard("open", "work", "", (Parameter("model", STR), Parameter("speed")), device=Device.REMOTE, quote=Quote(seconds=4)),
            ExecutorCard("odd", "work", "", (Parameter("model", INT),), device=Device.REMOTE, quote=Quote(seconds=0)),
        )
    },
)
QUICK = Goal(("latency",))


@pytest.mark.parametrize(
    ("prefer", "name", "knobs"),
    [
        (Prefer(), "odd", {}),
        (Prefer(device="cpu"), "plain", {}),
        (Prefer(device="gpu"), "large", {}),
        (Prefer(model="tiny"), "small", {"model": "tiny"}),
        (Prefer(model="base"), "small", {"model": "base"}),
        (Prefer(model="huge"), "large", {"model": "huge"}),
        (Prefer(model="other"), "open", {"model": "other"}),
        (Prefer(device="gpu", model="base"), "large", {"model": "base"}),
        (Prefer(device="remote", model="base"), "open", {"model": "base"}),
    ],
)
def test_the_device_and_the_model_that_a_step_prefers_are_constraints(prefer: Prefer, name: str, knobs: dict[str, str]) -> None:
    choice = chosen(step("s", prefer=prefer), QUICK, MODELS)
    assert (choice.executor.name, choice.knobs) == (name, knobs)


def test_a_preferred_model_stands_beside_the_knobs_of_the_step() -> None:
    choice = chosen(step("s", prefer=Prefer(model="x"), knobs={"speed": 2}), QUICK, MODELS)
    assert (choice.executor.name, choice.knobs) == ("open", {"speed": 2, "model": "x"})
    assert choice.why == "the only executor for work with these knobs and the model x"


def test_a_pinned_executor_is_given_the_model() -> None:
    choice = chosen(step("s", executor="large", prefer=Prefer("gpu", "base")), QUICK, MODELS)
    assert (choice.executor.name, choice.knobs, choice.why) == ("large", {"model": "base"}, "asked for by the step")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"prefer": Prefer("tpu")}, "step 's' prefers the device tpu, and no executor of 'work' has it; there is cpu, gpu, remote"),
        ({"prefer": Prefer("cpu", "huge")}, "step 's' prefers the model 'huge', and no executor of 'work' has it; there are tiny, base"),
        ({"prefer": Prefer("gpu"), "executor": "small"}, "prefers the device gpu, and its executor 'small' does not have it; there is cpu"),
        (
            {"prefer": Prefer(model="x"), "executor": "plain"},
            "prefers the model 'x', and its executor 'plain' does not have it; no model",
        ),
        ({"prefer": Prefer("gpu"), "knobs": {"speed": 1}}, "prefers the device gpu, and no executor of 'work' has it; there is remote"),
    ],
)
def test_preferences_that_nothing_meets_are_a_plan_error(parts: dict[str, object], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        chosen(step("s", **parts), QUICK, MODELS)
    assert words in str(caught.value)


def test_there_is_a_choice_for_every_plain_step_of_the_tree_by_its_path() -> None:
    inner = step("i", executor="small")
    sub = Workflow("sub", steps={"p": step("p")})
    steps = {
        "a": step("a"),
        "b": Step("b", block=Block({"i": inner, "j": Step("j", block=Block({"k": step("k")}))})),
        "r": step("r", repeat=Repeat(2)),
        "s": Step("s", workflow="sub"),
    }
    declared = Workflow("w", steps=steps, workflows={"sub": sub}, finally_={"z": step("z", prefer=Prefer("gpu"))})
    found = choose(compile_workflow(declared, MODELS), MODELS, QUICK).choices

    assert {path: choice.executor.name for path, choice in found.items()} == {
        "a": "odd",
        "b/i": "small",
        "b/j/k": "odd",
        "r": "odd",
        "s/p": "odd",
        "finally/z": "large",
    }
    assert all(choice.step == path for path, choice in found.items())
    with pytest.raises(PlanError, match="step 'b/i' needs executor 'small'"):
        choose(compile_workflow(declared, MODELS), Catalog({"work": WORK}, {"plain": MODELS.executors["plain"]}))
