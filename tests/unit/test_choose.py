"""Which executor does a step: the one it asks for, else the best by its quote."""

import pytest

from murakkab.catalog import Catalog, ExecutorCard, Parameter, Quote
from murakkab.errors import PlanError
from murakkab.optimizer.choose import choose
from murakkab.plan import Choice
from murakkab.spec import Goal, Step
from tests.fakes import WORK, graph, step

CARDS = (
    ExecutorCard("first", "work", "", quote=Quote(seconds=5, usd=3, joules=None, quality=None)),
    ExecutorCard("quick", "work", "", quote=Quote(seconds=1, usd=9, joules=50, quality=0.5)),
    ExecutorCard("cheap", "work", "", (Parameter("speed"),), quote=Quote(seconds=9, usd=0, joules=50, quality=0.9)),
    ExecutorCard("frugal", "work", "", (Parameter("speed"), Parameter("size")), quote=Quote(seconds=8, usd=3, joules=1, quality=0.9)),
)
KNOWN = Catalog({"work": WORK}, {card.name: card for card in CARDS})


def chosen(one: Step, goal: Goal | None = None, catalog: Catalog = KNOWN, **parts: Goal) -> Choice:
    """Return the choice for *one*."""
    return choose(graph(one, catalog=catalog, **parts), catalog, goal).choices["s"]


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
    assert choice.why == (f"best {', then '.join(minimize)} of 4 by its quote" if minimize else "registered first of 4")


def test_the_goal_of_the_workflow_counts_unless_another_is_given() -> None:
    made = graph(step("s"), catalog=KNOWN, goal=Goal(("latency",)))

    assert choose(made, KNOWN).choices["s"].executor.name == "quick"
    assert choose(made, KNOWN).goal == Goal(("latency",))
    assert choose(made, KNOWN, Goal(("cost",))).choices["s"].executor.name == "cheap"
    assert choose(made, KNOWN, Goal(("cost",))).goal == Goal(("cost",))
    assert choose(made, KNOWN, Goal()).choices["s"].executor.name == "first"


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
