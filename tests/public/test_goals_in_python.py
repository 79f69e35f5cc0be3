"""Goals of workflows in Python: their jobs are chosen for like those of the command line, and nothing is chosen where nothing is open."""

import logging
from pathlib import Path
from typing import Any

import pytest

from murakkab import Goal, app, approve, choosing, load_workflow, step, use, workflow
from murakkab.errors import InputError, PlanError, SpecError

TEXT = "The cat sat on the mat. It was a warm day. Nobody saw the dog. The end came soon. All were glad."


@step
def shouted(text: str) -> str:
    return text.upper()


@workflow
def summed(text: str) -> str:
    return use("text-summary")(text=text, sentences=1)


@workflow
def plain(text: str) -> str:
    return shouted(text)


def test_what_is_minimized_decides_who_does_a_step(tmp_path: Path) -> None:
    quick = summed.options(home=tmp_path, minimize="latency").run_job(TEXT).deployment
    good = summed.options(home=tmp_path, minimize=["quality", "latency"]).run_job(TEXT).deployment

    assert quick.choices["text_summary"].executor.name == "lead-summary"
    assert good.choices["text_summary"].executor.name != "lead-summary"
    assert good.goal == Goal(("quality", "latency"))


def test_limits_that_cannot_be_kept_refuse_a_job_and_name_the_nearest(tmp_path: Path) -> None:
    strict = summed.options(home=tmp_path, limits={"quality": 0.99})
    with pytest.raises(PlanError, match=r"no choice keeps quality 0\.99") as caught:
        strict.run(TEXT)
    with pytest.raises(PlanError):
        strict.run_job(TEXT)
    with pytest.raises(PlanError):
        list(strict.stream(TEXT))
    with pytest.raises(PlanError):
        strict.plan(TEXT)

    assert "quality could be 0." in caught.value.hint


async def test_limits_hold_on_a_loop_that_runs(tmp_path: Path) -> None:
    strict = summed.options(home=tmp_path, limits={"quality": 0.99})
    with pytest.raises(PlanError):
        await strict.arun(TEXT)
    with pytest.raises(PlanError):
        [_ async for _ in strict.astream(TEXT)]

    assert (await summed.options(home=tmp_path, limits={"latency": 60}).arun_job(TEXT)).status == "succeeded"


def test_options_are_laid_over_the_goal_that_is_declared() -> None:
    @workflow(goal=Goal(("energy",), {"latency": 60}))
    def declared(text: str) -> str:
        return use("text-summary")(text=text, sentences=1)

    assert declared.plan(TEXT).goal == Goal(("energy",), {"latency": 60})
    assert declared.options(minimize="cost", limits={"cost": 1}).plan(TEXT).goal == Goal(("cost",), {"latency": 60, "cost": 1})
    assert declared.options(goal=Goal(), limits={"cost": 1}).plan(TEXT).goal == Goal((), {"cost": 1})
    with pytest.raises(SpecError, match="'speed' cannot be minimised"):
        declared.options(minimize="speed").plan(TEXT)
    with pytest.raises(SpecError, match="'time' cannot be limited"):
        declared.options(limits={"time": 3}).run(TEXT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimize": 5}, "minimize=5 names no measures"),
        ({"minimize": None}, "names no measures"),
        ({"minimize": [5]}, "names no measures"),
        ({"goal": "energy"}, "is no Goal"),
        ({"limits": "latency=3"}, "is no mapping"),
        ({"limits": [("latency", 1)]}, "is no mapping"),
        ({"limits": {"latency": None}}, "the limit of latency cannot be"),
        ({"limits": {"latency": True}}, "the limit of latency cannot be"),
        ({"limits": {"latency": [1]}}, "the limit of latency cannot be"),
        ({"limits": {5: 1}}, "5 cannot be limited"),
        ({"limits": {"latency": "soon"}}, "'soon' is neither an amount nor a tier"),
    ],
)
def test_options_of_the_wrong_type_are_told_of_in_one_error(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        summed.options(**options).plan(TEXT)


def test_limits_may_have_units_as_in_a_file() -> None:
    plan = summed.options(limits={"latency": "1m", "energy": "2 kJ"}).plan(TEXT)

    assert plan.goal == Goal((), {"latency": 60.0, "energy": 2000.0})
    with pytest.raises(SpecError, match="limit of energy cannot be"):
        summed.options(limits={"energy": 10**400}).plan(TEXT)


def test_a_plan_tells_what_is_expected_and_the_next_best(tmp_path: Path) -> None:
    for made in (summed.options(home=tmp_path).plan(TEXT), summed.options(home=tmp_path).plan_for_any()):
        assert made.estimate is not None
        assert made.choices["text_summary"].estimate is not None
        assert made.choices["text_summary"].runner_up is not None
    one_way = plain.plan(TEXT)
    assert one_way.estimate is not None
    assert one_way.choices["shouted"].runner_up is None


def test_where_nothing_is_open_nothing_is_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_args: object, **_options: object) -> None:
        raise AssertionError("it was chosen again")

    monkeypatch.setattr("murakkab.running.chosen", asked)
    assert plain.run("a") == "A"
    assert plain.options(minimize="latency").run("a") == "A"
    with pytest.raises(AssertionError):
        summed.run(TEXT)


def test_a_limit_is_kept_also_where_every_step_has_one_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="murakkab.choices"):
        assert plain.options(home=tmp_path, limits={"latency": 1e-9}).run("a") == "A"

    assert "by figures that are assumed" in caplog.text


def test_a_loaded_file_is_chosen_for_likewise(tmp_path: Path) -> None:
    file = tmp_path / "sum.yaml"
    file.write_text(summed.to_yaml() + "goal: {minimize: latency, limits: {quality: 0.99}}\n")
    with pytest.raises(PlanError):
        load_workflow(file).run(text=TEXT)

    done = load_workflow(file).options(home=tmp_path, limits={"quality": 0.01}).run_job(text=TEXT)
    assert done.deployment.choices["text_summary"].executor.name == "lead-summary"


def test_a_job_goes_on_with_the_choices_it_began_with(tmp_path: Path) -> None:
    @workflow
    def asked(text: str) -> str:
        ok = approve("Sum it up?")
        return use("text-summary").with_options(after=ok)(text=text, sentences=1)

    durable = asked.options(home=tmp_path, durable=True)
    began = durable.options(minimize="quality").run_job(TEXT)
    first = began.deployment.choices["text_summary"].executor.name
    ended = durable.options(minimize="latency").resume_job(began.job, answers={"approve": True})

    assert (began.status, ended.status) == ("waiting", "succeeded")
    assert first != "lead-summary"
    assert ended.deployment.choices["text_summary"].executor.name == first


def test_only_some_works_are_open() -> None:
    assert not choosing.is_open(app.prepare(plain.definition, plain.declared.functions))
    assert choosing.is_open(app.prepare(plain.definition, plain.declared.functions, goal=Goal(limits={"cost": 1})))
    assert choosing.is_open(app.prepare(summed.definition))
