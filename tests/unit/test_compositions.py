"""Knobs that change the graph: best of n, debate, and steps that may be left out."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab import WorkflowHandle, best_of, call, debate, instead, load_workflow, step, template, use, var, workflow
from murakkab.catalog import Capability, Catalog, ExecutorCard, Quote
from murakkab.document import from_document, to_document
from murakkab.errors import InputError, JobFailed, PlanError, SpecError
from murakkab.figures import Figure, Provenance, Source
from murakkab.optimizer.choose import Decision, decide
from murakkab.optimizer.compositions import by_vote, debated, kept_quality
from murakkab.optimizer.situation import Situation
from murakkab.picking import highest, majority, views
from murakkab.plan import Deployment
from murakkab.planner.compile import compile_workflow
from murakkab.planner.filling import told
from murakkab.planner.graph_knobs import GraphKnob, graph_knobs, in_force, variants, with_settings, without_leaving_out
from murakkab.profiles import Profile, Setting, Spread
from murakkab.source import to_python
from murakkab.spec import (
    BestOf,
    Block,
    CachePolicy,
    Composed,
    Debate,
    Effect,
    Goal,
    Loop,
    Optional,
    Output,
    Pick,
    Ref,
    Step,
    Template,
    Workflow,
)
from murakkab.varying import Varied, varied
from tests.fakes import WORK

PYTHON = ExecutorCard("python", "python", "")
qualities = st.floats(0.0, 1.0)


def known(*cards: ExecutorCard) -> Catalog:
    return Catalog({"work": WORK, "python": Capability("python", "", open_inputs=True)}, {one.name: one for one in (*cards, PYTHON)})


def card(name: str, usd: float, quality: float, seconds: float = 1.0) -> ExecutorCard:
    return ExecutorCard(name, "work", "", quote=Quote(seconds=seconds, usd=usd, quality=quality, source="modelled"))


def alone(**parts: Any) -> Workflow:
    return Workflow("w", steps={"s": Step("s", uses="work", **parts)}, outputs={"s": Output(Ref("s"))})


def best(declared: Workflow, catalog: Catalog, goal: Goal, at: Situation | None = None) -> Varied[Decision]:
    def one(chosen: Mapping[str, int]) -> tuple[Deployment, Decision]:
        made = decide(compile_workflow(with_settings(declared, chosen), catalog), catalog, goal, at or Situation(with_others=False))
        return made.deployment, made

    return varied(graph_knobs(declared), goal, one)


# ------------------------------------------------------------------------------------------------------------- the graph


@pytest.mark.parametrize(
    "made",
    [{"best_of": BestOf((1,))}, {"debate": Debate((1,), (3,))}, {"debate": Debate((4,), (0,), Pick(judge=Step("judge", uses="work")))}],
)
def test_of_one_attempt_nothing_is_left_but_the_step(made: dict[str, Any]) -> None:
    catalog = known(card("a", 1, 0.5))
    assert compile_workflow(alone(**made), catalog).nodes == compile_workflow(alone(), catalog).nodes


def test_a_judge_sees_all_results_and_is_a_step_of_its_own() -> None:
    judge = Step("judge", uses="work", with_={"x": Ref("candidates")})
    graph = compile_workflow(alone(best_of=BestOf((3,), Pick(judge))), known(card("a", 1, 0.5)))
    assert [node.path for node in graph.every_node() if node.is_plain] == ["s/judge", "s/candidates"]


def test_what_keeps_one_of_several() -> None:
    assert majority(["b", "a", " A"]) == "a"
    assert majority([{"x": 1, "y": 2}, 3, {"y": 2, "x": 1}]) == {"x": 1, "y": 2}
    assert majority([1, 2]) == 1
    assert highest(["a", "b", "c"], [0.1, 0.9, 0.9]) == "b"
    for wrong in (lambda: majority([]), lambda: highest([], []), lambda: highest(["a"], [])):
        with pytest.raises(ValueError, match=r"nothing to vote|cannot be told apart"):
            wrong()


def test_a_participant_sees_what_the_others_gave_in_the_round_before() -> None:
    assert views(2, 0) == [{"seat": 0, "round": 0, "mine": None, "others": []}, {"seat": 1, "round": 0, "mine": None, "others": []}]
    assert [one["others"] for one in views(3, 1, ["a", "b", "c"])] == [["b", "c"], ["a", "c"], ["a", "b"]]
    assert [one["mine"] for one in views(3, 1, ["a", "b", "c"])] == ["a", "b", "c"]


# ------------------------------------------------------------------------------------------------------- how good they are


def test_votes_are_counted_as_condorcet_did() -> None:
    assert by_vote(0.6, 3) == pytest.approx(0.6**3 + 3 * 0.6**2 * 0.4)
    assert by_vote(0.6, 2) == pytest.approx(0.6)
    assert by_vote(0.4, 5) < 0.4 < 0.6 < by_vote(0.6, 5)


@given(qualities, qualities, st.integers(1, 9))
def test_a_judge_makes_nothing_worse_and_one_attempt_is_as_good_as_it_is(quality: float, accuracy: float, n: int) -> None:
    judged = Composed(n, judge="judge")
    assert kept_quality(quality, judged, accuracy) >= quality - 1e-9
    assert kept_quality(quality, judged, accuracy) <= kept_quality(quality, replace(judged, among=n + 1), accuracy) + 1e-9
    assert kept_quality(quality, replace(judged, among=1), accuracy) == pytest.approx(quality)
    assert by_vote(quality, 1) == pytest.approx(quality)


@given(qualities, st.integers(2, 8), st.integers(0, 8))
def test_what_comes_of_a_debate_is_a_chance(quality: float, participants: int, rounds: int) -> None:
    assert 0.0 <= debated(quality, participants, rounds) <= 1.0
    assert debated(quality, participants, 0) == quality


@given(qualities, qualities, st.integers(2, 8), st.integers(1, 4))
def test_a_judge_keeps_one_of_the_answers_of_the_last_round(quality: float, accuracy: float, participants: int, rounds: int) -> None:
    talked = Composed(participants, rounds, judge="judge")
    after = debated(quality, participants, rounds)
    assert kept_quality(quality, replace(talked, judge=""), accuracy) == after
    assert kept_quality(quality, talked, 0.0) == pytest.approx(after)
    assert kept_quality(quality, talked, accuracy) == pytest.approx(kept_quality(after, Composed(participants, judge="judge"), accuracy))


def test_the_accuracy_of_who_judges_a_debate_counts_and_the_debate_stays_assumed() -> None:
    def after(accuracy: float) -> Figure:
        judge = Pick(Step("judge", call="builtins:max"), accuracy=accuracy)
        made = best(alone(debate=Debate((3,), (1,), judge)), known(card("a", 1.0, 0.5)), Goal(("cost",))).deployment
        assert made.estimate is not None
        assert made.estimate.quality is not None
        return made.estimate.quality

    assert after(0.2).value < after(0.9).value
    assert after(0.9).of.source is Source.ASSUMED


def quality_of(declared: Workflow, *cards: ExecutorCard) -> float:
    estimate = best(declared, known(*cards), Goal(("cost",))).deployment.estimate
    assert estimate is not None
    assert estimate.quality is not None
    return estimate.quality.value


@pytest.mark.parametrize("made", [{"best_of": BestOf((3,))}, {"debate": Debate((3,), (2,), Pick(Step("judge", call="builtins:max")))}])
def test_attempts_that_cannot_differ_are_as_good_as_one(made: dict[str, Any]) -> None:
    told_which = {"with_": {"x": Ref("attempt" if "best_of" in made else "debate")}}
    varies = card("e", 1.0, 0.7)
    fixed = replace(varies, effect=Effect.PURE)
    assert quality_of(alone(**made), fixed) == pytest.approx(0.7)
    assert quality_of(alone(effect=Effect.PURE, **made), varies) == pytest.approx(0.7)
    assert quality_of(alone(cache=CachePolicy(), **made), varies) == pytest.approx(0.7)
    several = quality_of(alone(**made), varies)
    assert several > 0.71
    assert quality_of(alone(**told_which, **made), fixed) == pytest.approx(several)
    # A block can vary where one of its steps can.
    steps = {"a": Step("a", uses="work", effect=Effect.PURE), "b": Step("b", uses="work", with_={"x": Ref("a")})}
    block = Workflow("w", steps={"s": Step("s", block=Block(steps, {"o": Output(Ref("b"))}), **made)}, outputs={"s": Output(Ref("s"))})
    assert quality_of(block, varies) == pytest.approx(several)
    assert quality_of(block, fixed) == pytest.approx(0.7)


# ------------------------------------------------------------------------------------------------------------ what is chosen


def test_the_cheapest_is_one_attempt_and_a_limit_on_quality_asks_for_more() -> None:
    catalog, declared = known(card("a", 1.0, 0.7)), alone(best_of=BestOf((1, 3, 5)))
    cheapest = best(declared, catalog, Goal(("cost",)))
    assert [one.value for one in cheapest.deployment.graph] == [1]
    better = best(declared, catalog, Goal(("cost",), {"quality": 0.75}))
    (choice,) = better.deployment.graph
    assert (choice.name, choice.value, choice.choices, choice.other) == ("s.n", 3, (1, 3, 5), 5)
    assert choice.lost == "2 USD more cost, and quality 0.837 instead of 0.784"
    assert better.deployment.estimate is not None
    assert better.deployment.estimate.usd.value == pytest.approx(3.0)
    assert better.deployment.estimate.quality is not None
    assert better.deployment.estimate.quality.value == pytest.approx(by_vote(0.7, 3))
    assert better.deployment.estimate.quality.of.source is Source.MODELLED
    with pytest.raises(PlanError, match=r"no choice keeps quality 0\.99"):
        best(declared, catalog, Goal(("cost",), {"quality": 0.99}))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0.3, 0.95)), min_size=1, max_size=3),
    st.floats(0.3, 0.95),
    st.sampled_from([None, 0.6, 0.9]),
)
def test_no_other_number_and_executor_is_cheaper_within_the_limit(
    found: list[tuple[int, float]], limit: float, accuracy: float | None
) -> None:
    cards = [card(f"e{at}", usd, quality) for at, (usd, quality) in enumerate(found)]
    judge = None if accuracy is None else Step("judge", call="builtins:max")
    numbers = (1, 2, 3, 5)
    composed = {n: Composed(n, judge="" if accuracy is None else "judge") for n in numbers}
    every = [(n * usd, kept_quality(quality, composed[n], accuracy or 0.0)) for n, (usd, quality) in product(numbers, found)]
    cheapest = min((usd for usd, quality in every if quality >= limit + 1e-6), default=None)
    try:
        made = best(alone(best_of=BestOf(numbers, Pick(judge, accuracy=accuracy))), known(*cards), Goal(("cost",), {"quality": limit}))
    except PlanError:
        assert cheapest is None
        return
    assert made.deployment.estimate is not None
    loosely = min(usd for usd, quality in every if quality >= limit - 1e-5)
    assert loosely - 1e-6 <= made.deployment.estimate.usd.value
    assert cheapest is None or made.deployment.estimate.usd.value <= cheapest * 1.01 + 1e-6


def test_two_steps_are_set_together() -> None:
    steps = {name: Step(name, uses="work", best_of=BestOf((1, 3, 5))) for name in ("a", "b")}
    declared = Workflow("w", steps=steps, outputs={name: Output(Ref(name)) for name in steps})
    catalog, quality = known(card("e", 1.0, 0.7)), {n: by_vote(0.7, n) for n in (1, 3, 5)}
    limit = 0.8
    made = best(declared, catalog, Goal(("cost",), {"quality": limit})).deployment
    least = min(a + b for a, b in product((1, 3, 5), repeat=2) if (quality[a] + quality[b]) / 2 >= limit)
    assert sum(one.value for one in made.graph if isinstance(one.value, int)) == least


def test_what_was_measured_of_so_many_attempts_counts() -> None:
    setting = Setting("a", knobs=(("best_of", 3),))
    measured = Provenance(Source.MEASURED)
    profile = Profile(setting, Spread(1, 1, 1, 1), quality={"exact": Figure(0.99, 0.98, 1.0, measured)}, of=measured)
    at = Situation(profiles={"a": [profile]}, with_others=False)
    made = best(alone(best_of=BestOf((1, 3))), known(card("a", 1.0, 0.5)), Goal(("cost",), {"quality": 0.9}), at).deployment
    assert made.estimate is not None
    assert made.estimate.quality is not None
    assert (made.graph[0].value, made.estimate.quality.value) == (3, 0.99)


def test_an_executor_of_judges_that_is_less_good_is_what_is_reckoned_with() -> None:
    judging = Capability("judging", "", open_inputs=True)
    judges = [ExecutorCard(name, "judging", "", quote=Quote(usd=usd, quality=q)) for name, usd, q in (("good", 5, 0.9), ("poor", 1, 0.4))]
    base = known(card("a", 1.0, 0.5))
    catalog = replace(
        base, capabilities={**base.capabilities, "judging": judging}, executors={**base.executors, **{j.name: j for j in judges}}
    )
    made = best(alone(best_of=BestOf((2,), Pick(Step("judge", uses="judging")))), catalog, Goal(("cost",))).deployment
    assert made.choices["s/judge"].executor.name == "poor"
    assert made.estimate is not None
    assert made.estimate.quality is not None
    assert made.estimate.quality.value == pytest.approx(0.4 * 0.75 + 0.6 * 0.5)


def test_of_too_many_graphs_one_knob_after_another_is_turned() -> None:
    names = "abcd"
    steps = {name: Step(name, uses="work", best_of=BestOf((1, 3, 5))) for name in names}
    declared = Workflow("w", steps=steps, outputs={name: Output(Ref(name)) for name in names})
    goal = Goal(("cost",), {"quality": 0.8})
    made = best(declared, known(card("e", 1.0, 0.7)), goal)
    assert made.deployment.status == "heuristic"
    assert len(made.tried) < 81
    assert made.deployment.estimate is not None
    assert made.deployment.estimate.quality is not None
    assert made.deployment.estimate.quality.value >= 0.8 - 1e-6


# ------------------------------------------------------------------------------------------------------------------ knobs


def test_knobs_are_named_by_their_steps_and_set_in_the_workflow_itself() -> None:
    inner = alone(best_of=BestOf((1, 2)))
    declared = Workflow("o", steps={"d": Step("d", uses="work", debate=Debate((2, 3), (0, 1)))}, workflows={"part": inner})
    assert [one.name for one in graph_knobs(declared)] == ["part:s.n", "d.participants", "d.rounds"]
    assert with_settings(declared, {"part:s.n": 2}).workflows["part"].steps["s"].best_of == BestOf((2,))
    assert graph_knobs(with_settings(declared, {"d.rounds": 1}))[2] == GraphKnob("d.rounds", (1,))
    with pytest.raises(InputError, match=r"the knob d\.rounds cannot be 7"):
        with_settings(declared, {"d.rounds": 7})
    with pytest.raises(InputError, match=r"no knob 'd\.round'"):
        with_settings(declared, {"d.round": 1})


def test_settings_that_leave_the_same_step_are_one() -> None:
    knobs = graph_knobs(alone(debate=Debate((1, 2, 3), (0, 1))))
    assert list(variants(knobs)) == [
        {"s.participants": 1, "s.rounds": 0},
        {"s.participants": 2, "s.rounds": 1},
        {"s.participants": 3, "s.rounds": 1},
    ]


def test_the_document_says_it_and_is_read_back() -> None:
    judge = Step("judge", uses="work", with_={"x": Ref("candidates")})
    declared = alone(best_of=BestOf((1, 3), Pick(judge, accuracy=0.5)))
    declared = replace(declared, steps={**declared.steps, "t": Step("t", uses="work", debate=Debate((2,), (1, 0)))})
    assert from_document(to_document(declared)) == (declared, [])


# --------------------------------------------------------------------------------------------------------------- in Python


@step
def guess(question: str, attempt: int) -> str:
    return ("rain", "snow", "snow", "hail", "rain")[attempt]


@step
def shortest(candidates: list[str], question: str) -> str:
    return min(candidates, key=len)


@step
def turn(question: str, mine: str | None, others: list[str]) -> str:
    return f"{mine or question}{len(others)}"


@workflow
def weather(question: str) -> dict[str, str]:
    voted = guess.with_options(best_of=[3, 1])(question, var("attempt"))
    judged = guess.with_options(best_of=best_of(2, judge=lambda all_: shortest(all_, question)), name="judged")(question, var("attempt"))
    talked = turn.with_options(debate=debate(3, 2))(question, var("debate").mine, var("debate").others)
    return {"voted": voted, "judged": judged, "talked": talked}


def test_a_workflow_in_python_keeps_one_of_several_results() -> None:
    assert weather.run("?") == {"voted": "snow", "judged": "rain", "talked": "?022"}
    assert weather.options(knobs={"guess.n": 1}).run("?")["voted"] == "rain"
    with pytest.raises(InputError, match="sets no knobs"):
        weather.options(knobs={"guess.n": "1"}).run("?")  # type: ignore[dict-item]


def test_a_judge_is_one_step_of_the_workflow() -> None:
    @workflow
    def wrong(question: str) -> str:
        return guess.with_options(best_of=best_of(2, judge=lambda all_: all_[0]))(question, var("attempt"))

    with pytest.raises(SpecError, match="judge does not give what one step gives"):
        wrong.run("?")
    with pytest.raises(SpecError, match=r"best_of\(\.\.\., judge=\.\.\.\)"):
        best_of(2, judge=lambda all_: all_)


def test_a_job_goes_on_with_the_number_that_it_began_with(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        """\
workflow: w
inputs: {text: str}
steps:
  a: {uses: text-summary, with: {text: {$template: "${inputs.text} ${attempt}"}, sentences: 1}, best_of: [1, 3]}
  b: {call: "json:loads", with: {s: "${a}"}}
outputs: {b: "${b}"}
goal: {minimize: cost, limits: {quality: 0.512}}
"""
    )
    handle: WorkflowHandle[..., Any] = load_workflow(file).options(home=tmp_path / "home", durable=True)
    with pytest.raises(JobFailed) as failed:
        handle.run(text="no json")
    result = handle.options(knobs={"a.n": 3}).resume_job(failed.value.job)
    assert result.status == "failed"
    assert sorted(row.task for row in result.tasks if row.task.startswith("a")) == ["a/best", *(f"a/candidates[{n}]" for n in range(3))]
    assert sorted(row.task for row in handle.resume_job(failed.value.job).tasks if row.task.startswith("a/c")) == [
        f"a/candidates[{n}]" for n in range(3)
    ]


# ------------------------------------------------------------------------------------------------- inside of each other


def attempted(attempt: int) -> str:
    return f"attempt {attempt}"


def last_digit(text: str) -> float:
    return float(text[-1])


def heard(debate: dict[str, Any]) -> str:
    return f"{debate['seat']} of {len(debate['others']) + 1} in round {debate['round']}"


def last_of(every: list[Any]) -> Any:
    return every[-1]


def written(tmp_path: Path, text: str) -> WorkflowHandle[..., Any]:
    """Return the workflow in *text*, in which `parts:` stands for the functions here."""
    file = tmp_path / "w.yaml"
    file.write_text(text.replace("parts:", f"{__name__}:"))
    return load_workflow(file)


def test_what_the_outer_composition_tells_does_not_reach_where_an_inner_one_tells_the_same(tmp_path: Path) -> None:
    handle = written(
        tmp_path,
        """\
workflow: w
steps:
  outer:
    best_of: [1, 2]
    steps:
      here: {call: "parts:attempted", with: {attempt: "${attempt}"}, effect: pure}
      inner:
        call: "parts:attempted"
        with: {attempt: "${attempt}"}
        effect: pure
        best_of: {n: 3, score: {call: "parts:last_digit", with: {text: "${candidate}"}, effect: pure}}
    outputs: {here: "${here}", inner: "${inner}"}
  talk:
    debate: {participants: [1, 2], rounds: 1, judge: {call: "parts:last_of", with: {every: "${candidates}"}, effect: pure}}
    steps:
      here: {call: "parts:heard", with: {debate: "${debate}"}, effect: pure}
      inner: {call: "parts:heard", with: {debate: "${debate}"}, effect: pure, debate: {participants: 3, rounds: 2}}
    outputs: {here: "${here}", inner: "${inner}"}
outputs: {outer: "${outer}", talk: "${talk}"}
""",
    )
    assert handle.run() == {
        "outer": {"here": "attempt 0", "inner": "attempt 2"},
        "talk": {"here": "0 of 1 in round 0", "inner": "0 of 3 in round 2"},
    }
    both = handle.options(knobs={"outer.n": 2, "talk.participants": 2})
    assert both.run() == {
        "outer": {"here": "attempt 0", "inner": "attempt 2"},
        "talk": {"here": "1 of 2 in round 1", "inner": "0 of 3 in round 2"},
    }


def test_names_are_those_of_the_nearest_loop_and_block() -> None:
    inner = Step("inner", uses="work", for_each=(Loop("attempt", Ref("attempt")),), with_={"x": Ref("attempt")})
    block = Block({"inner": inner, "attempt": Step("attempt", uses="work")}, {"o": Output(Ref("attempt"))})
    assert told(inner, {"attempt": 7}) == replace(inner, for_each=(Loop("attempt", 7),))
    assert told(Step("s", block=block), {"attempt": 7}) == Step("s", block=block)
    judged = alone(best_of=BestOf((2,), Pick(Step("judge", uses="work", with_={"x": Ref("candidates"), "y": Ref("a")})))).steps["s"]
    (judge,) = (one.best_of.pick.judge for one in (told(judged, {"a": 1, "candidates": 2}),) if one.best_of is not None)
    assert judge is not None
    assert judge.with_ == {"x": Ref("candidates"), "y": 1}


# ------------------------------------------------------------------------------------------------------------- left out


def branch(**optional: Any) -> Workflow:
    """Return a workflow whose step `heard` may be left out, with `sound`, which only it needs."""
    steps = {
        "sound": Step("sound", uses="work", effect=Effect.PURE),
        "heard": Step("heard", uses="work", with_={"x": Ref("sound")}, optional=Optional(**optional)),
        "told": Step("told", uses="work", with_={"x": Ref("heard", ("text",)), "y": Template(("said: ", Ref("heard")))}, after=("heard",)),
    }
    return Workflow("w", steps=steps, outputs={"told": Output(Ref("told")), "heard": Output(Ref("heard"))})


def test_what_is_left_out_is_not_there_and_with_it_goes_what_only_it_needs() -> None:
    catalog = known(card("e", 1.0, 0.8))
    graph = compile_workflow(with_settings(branch(default={"text": "nothing"}), {"heard.done": 0}), catalog)
    assert list(graph.nodes) == ["told"]
    assert graph.nodes["told"].with_ == {"x": "nothing", "y": Template(("said: ", '{"text": "nothing"}'))}
    assert graph.nodes["told"].needs == ()
    assert graph.outputs["heard"] == {"text": "nothing"}
    assert graph.left_out == ("sound", "heard")
    assert graph.rewrites == ("heard is left out", "sound is dropped: nothing uses its result and it has no effect")
    assert list(compile_workflow(branch(), catalog).nodes) == ["sound", "heard", "told"]


def test_a_step_is_left_out_where_a_limit_on_quality_allows_it() -> None:
    catalog, declared = known(card("e", 1.0, 0.8)), branch()
    kept = best(declared, catalog, Goal(("cost",), {"quality": 0.5})).deployment
    assert [(one.name, one.value) for one in kept.graph] == [("heard.done", 1)]
    gone = best(declared, catalog, Goal(("cost",), {"quality": 0.2})).deployment
    (choice,) = gone.graph
    assert (choice.value, choice.lost) == (0, "2 USD more cost, and quality 0.8 instead of 0.267")
    assert gone.estimate is not None
    assert gone.estimate.quality is not None
    assert (gone.estimate.usd.value, gone.estimate.quality.value) == (1.0, pytest.approx(0.8 / 3))
    assert set(gone.choices) == {"told"}


def nested() -> Workflow:
    """Return a workflow in which one that may be left out stands in another, and one stands in a workflow that is used twice."""
    one = Step("one", uses="work", optional=Optional(""), best_of=BestOf((1, 2)))
    part = Workflow("part", steps={"one": one}, outputs={"one": Output(Ref("one"))})
    block = Block({"a": Step("a", uses="work"), "b": Step("b", uses="work", optional=Optional(""))}, {"o": Output([Ref("a"), Ref("b")])})
    steps = {
        "outer": Step("outer", block=block, optional=Optional("")),
        "first": Step("first", workflow="part"),
        "second": Step("second", workflow="part", optional=Optional("")),
    }
    return Workflow("w", steps=steps, outputs={name: Output(Ref(name)) for name in steps}, workflows={"part": part})


def test_every_step_that_is_missing_counts_once_for_each_use() -> None:
    def made(*out: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        graph = compile_workflow(with_settings(nested(), {f"{name}.done": 0 for name in out}), known(card("e", 1.0, 0.8)))
        return graph.left_out, graph.rewrites

    assert made() == ((), ())
    assert made("outer/b") == (("outer/b",), ("outer/b is left out",))
    assert made("outer") == made("outer", "outer/b") == (("outer/a", "outer/b"), ("outer is left out",))
    assert made("part:one") == (("first/one", "second/one"), ("first/one is left out", "second/one is left out"))
    assert made("part:one", "second") == (("first/one", "second/one"), ("first/one is left out", "second is left out"))


def test_settings_are_one_exactly_where_they_make_the_same_graph() -> None:
    knobs, catalog = graph_knobs(nested()), known(card("e", 1.0, 0.8))

    def made(chosen: Mapping[str, int]) -> str:
        graph = compile_workflow(with_settings(nested(), chosen), catalog)
        return repr((graph.nodes, graph.outputs, graph.left_out, graph.rewrites))

    every = [dict(zip((knob.name for knob in knobs), values, strict=True)) for values in product(*(knob.choices for knob in knobs))]
    effects = {tuple(in_force(knobs, chosen).items()): made(chosen) for chosen in every}
    assert all(effects[tuple(in_force(knobs, chosen).items())] == made(chosen) for chosen in every)
    assert len(set(effects.values())) == len(effects) == len(list(variants(knobs))) < len(every)


def test_what_stands_in_a_workflow_that_nobody_uses_any_more_makes_no_difference() -> None:
    part = alone(best_of=BestOf((1, 2, 3)))
    step = Step("a", workflow="part", optional=Optional(""))
    knobs = graph_knobs(Workflow("w", steps={"a": step}, outputs={"a": Output(Ref("a"))}, workflows={"part": part}))
    assert [in_force(knobs, one) for one in variants(knobs)] == [
        {"a.done": 1},
        {"a.done": 0},
        {"part:s.n": 2, "a.done": 1},
        {"part:s.n": 3, "a.done": 1},
    ]


def test_without_a_limit_on_quality_everything_is_done() -> None:
    (knob,) = without_leaving_out(graph_knobs(branch()))
    assert knob == GraphKnob("heard.done", (1,))


def test_a_job_runs_without_what_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        """\
workflow: w
inputs: {text: str}
steps:
  a: {uses: text-summary, with: {text: "${inputs.text}"}}
  b: {uses: text-summary, with: {text: "${a}"}, optional: {default: none}}
  c: {uses: text-summary, with: {text: {$template: "${inputs.text} ${b}"}}}
outputs: {c: "${c}", b: "${b}"}
goal: {minimize: energy}
"""
    )
    handle: WorkflowHandle[..., Any] = load_workflow(file)
    assert [row.task for row in handle.run_job(text="Rain fell.").tasks] == ["a", "b", "c"]
    job = handle.options(limits={"quality": 0.1}).run_job(text="Rain fell.")
    assert ([row.task for row in job.tasks], job.outputs) == (["c"], {"c": "Rain fell. none", "b": "none"})


@pytest.mark.parametrize("optional", [Optional(), Optional([]), Optional({"x": 1}, (0,)), Optional(None, (1,))])
def test_that_a_step_may_be_left_out_is_written_down_and_read_back(optional: Optional) -> None:
    assert from_document(to_document(alone(optional=optional))) == (alone(optional=optional), [])


def test_compositions_and_what_may_be_left_out_are_written_as_python_and_mean_the_same(tmp_path: Path) -> None:
    @workflow
    def every(question: str) -> dict[str, str]:
        asked = use("text-summary", name="asked", optional=instead("nobody"), best_of=[1, 3])(text=question)
        judging = best_of(3, judge=lambda all_: use("text-summary", retry=2)(text=template("{}", all_)), accuracy=0.5)
        judged = use("text-summary", name="judged", best_of=judging)(text=asked, sentences=var("attempt"))
        scoring = debate([2, 3], [1, 0], score=lambda one: call("math:log")(x=one))
        scored = use("text-summary", name="scored", debate=scoring)(text=template("{}{}", judged, var("debate").others))
        return {"scored": scored}

    pinned = with_settings(every.definition, {"asked.done": 1})
    for declared in (every.definition, pinned):
        scope: dict[str, Any] = {}
        exec(to_python(declared), scope)
        written = next(one for one in scope.values() if isinstance(one, WorkflowHandle))
        assert to_document(written.definition)["steps"] == to_document(declared)["steps"]


def test_a_path_must_lead_somewhere_in_the_default_as_well(tmp_path: Path) -> None:
    text = """\
workflow: w
inputs: {texts: "list[str]"}
steps:
  f: {uses: text-summary, for_each: "${inputs.texts}", with: {text: "${item}"}, optional: {default: [a, b, c], done: false}}
  g: {uses: text-summary, with: {text: "${f[2]}"}}
outputs: {g: "${g}"}
"""
    assert written(tmp_path, text).run(texts=[]) == {"g": "c"}
    with pytest.raises(SpecError, match=r"\$\{f\[9\]\} finds nothing in the default of 'f'"):
        written(tmp_path, text.replace("[2]", "[9]"))
