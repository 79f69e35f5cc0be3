"""Data nested without end: refused by count, wherever it comes in, and never by the stack of the interpreter."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from murakkab import app, block, default_to, journalled, loop, step, workflow
from murakkab.api import WorkflowHandle
from murakkab.cli.app import app as commands
from murakkab.document import from_document, to_document
from murakkab.errors import InputError, SpecError
from murakkab.load import parse
from murakkab.references import MAX_DEPTH, is_too_deep
from murakkab.spec import Approve, Block, First, Input, OnError, Output, Ref, Rescue, Step, Template, Wait, Workflow
from murakkab.values import MAX_NESTED, TooDeep, from_json, is_deeper

DEEP = 5_000
TEXT = "[" * DEEP + "]" * DEEP


def in_lists(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def in_maps(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@step
def take(x: object) -> int:
    return 1


@step
def give(depth: int) -> object:
    return in_lists(depth)


@step
def give_maps(depth: int) -> object:
    return in_maps(depth)


@workflow
def taking(x: object) -> int:
    return take(x)


# ------------------------------------------------------------------------------------------------------------------ counting


@pytest.mark.parametrize("make", [in_lists, in_maps])
def test_how_deep_a_value_is_nested_is_counted(make: Callable[[int], Any]) -> None:
    for depth in (1, 2, 60, DEEP):
        assert is_deeper(make(depth), depth - 1)
        assert not is_deeper(make(depth), depth)
    assert not any(is_deeper(value, 0) for value in (None, 1, "[[", 1.5, True))


def test_what_contains_itself_has_no_end_and_what_is_shared_is_counted_once() -> None:
    endless: list[Any] = []
    endless += [endless, endless]
    assert is_deeper(endless, 1_000)
    shared: Any = []
    for _ in range(100):
        shared = [shared, shared]
    assert is_deeper(shared, 100)
    assert not is_deeper(shared, 101)


def test_json_text_is_read_as_deep_as_values_may_be() -> None:
    assert from_json("[" * MAX_NESTED + "]" * MAX_NESTED) == in_lists(MAX_NESTED)
    for depth in (MAX_NESTED + 1, 100_000):
        with pytest.raises(TooDeep, match="nested more than 200 deep"):
            from_json("[" * depth + "]" * depth)


def test_operators_count_as_what_they_are_written_as() -> None:
    assert not is_too_deep(Ref("a"), ("x",) * MAX_DEPTH)
    for expr, levels in ((Template(()), 1), (First(("x",)), 2), (First(([],)), 3)):
        assert is_too_deep(expr, ("x",) * (MAX_DEPTH - levels + 1))
        assert not is_too_deep(expr, ("x",) * (MAX_DEPTH - levels))


# --------------------------------------------------------------------------------------------------------------- declarations


def refused(make: Callable[[], Any]) -> None:
    with pytest.raises(SpecError) as error:
        make()
    assert [d.code for d in error.value.diagnostics] == ["too-deep"]
    assert "nested more than 60 deep" in error.value.diagnostics[0].message
    assert error.value.diagnostics[0].hint
    assert error.value.diagnostics[0].place is not None


@pytest.mark.parametrize("make", [in_lists, in_maps])
def test_data_that_is_nested_without_end_is_refused(make: Callable[[int], Any]) -> None:
    deep = make(DEEP)

    @workflow
    def given() -> int:
        return take(deep)

    @workflow
    def by_default(x: object = deep) -> int:
        return take(x)

    @workflow
    def rescued() -> int:
        return take.with_options(on_error=default_to(deep))(1)

    @workflow
    def returned() -> dict[str, Any]:
        take(1)
        return {"deep": deep}

    @workflow(profiles={"dev": {"steps": {"take": {"with": {"x": deep}}}}})
    def in_a_profile() -> int:
        return take(1)

    for one in (given, by_default, rescued, returned, in_a_profile.options(profile="dev")):
        refused(one.run_job)


DEEPLY: dict[str, Callable[[Any], Workflow]] = {
    "inputs.x.default": lambda deep: Workflow("w", inputs={"x": Input(default=deep, required=False)}, steps={"s": Step("s", uses="shell")}),
    "steps.s.with.x": lambda deep: Workflow("w", steps={"s": Step("s", uses="shell", with_={"x": deep})}),
    "steps.s.knobs.x": lambda deep: Workflow("w", steps={"s": Step("s", uses="shell", knobs={"x": deep})}),
    "steps.s.on_error.default": lambda deep: Workflow("w", steps={"s": Step("s", on_error=OnError(Rescue.DEFAULT, deep))}),
    "steps.s.approve.message": lambda deep: Workflow("w", steps={"s": Step("s", approve=Approve(deep))}),
    "steps.s.approve.form.f.default": lambda deep: Workflow("w", steps={"s": Step("s", approve=Approve("", {"f": Input(default=deep)}))}),
    "steps.s.wait.event": lambda deep: Workflow("w", steps={"s": Step("s", wait=Wait(event=deep))}),
    "steps.s.outputs.o": lambda deep: Workflow("w", steps={"s": Step("s", block=Block({"t": Step("t")}, {"o": Output(deep)}))}),
    "steps.s.steps.t.with.x": lambda deep: Workflow("w", steps={"s": Step("s", block=Block({"t": Step("t", with_={"x": deep})}))}),
    "finally.s.with.x": lambda deep: Workflow("w", finally_={"s": Step("s", with_={"x": deep})}),
    "outputs.o": lambda deep: Workflow("w", outputs={"o": Output(deep)}),
    "workflows.v.outputs.o": lambda deep: Workflow("w", workflows={"v": Workflow("v", outputs={"o": Output(deep)})}),
}


@pytest.mark.parametrize("path", DEEPLY)
def test_it_is_found_wherever_it_stands(path: str) -> None:
    for deep in (in_lists(DEEP), First((in_maps(DEEP),))):
        with pytest.raises(SpecError) as error:
            app.prepare(DEEPLY[path](deep))
        assert [(d.code, ".".join(map(str, d.path))) for d in error.value.diagnostics] == [("too-deep", path)]


def taking_lists(depth: int) -> WorkflowHandle[[], int]:
    @workflow
    def given() -> int:
        return take(in_lists(depth))

    return given


def test_what_is_accepted_can_be_written_down_and_read_again(tmp_path: Path) -> None:
    """A job is taken up again by what was written down of its workflow."""
    for depth in range(57, 64):
        refused(taking_lists(depth).run_job)
    for depth in range(50, 57):
        given = taking_lists(depth)
        result = given.options(durable=True, home=tmp_path).run_job()
        written = to_document(given.definition)
        assert from_document(written).diagnostics == []
        assert parse(given.to_yaml()).diagnostics == []
        with closing(app.open_journal(app.Settings(home=tmp_path))) as journal:
            assert journalled.state_of(journal, result.job)[2].outputs == {"result": 1}


# ----------------------------------------------------------------------------------------------------------------- at run time


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("depth", [DEEP, sys.getrecursionlimit() - 100, 300])
def test_what_a_step_returns_too_deep_fails_it(durable: bool, depth: int, tmp_path: Path) -> None:
    @workflow
    def returned(depth: int) -> object:
        return give(depth)

    @workflow
    def handed_on(depth: int) -> int:
        return take(give_maps(depth))

    for one in (returned, handed_on):
        result = one.options(durable=durable, home=tmp_path).run_job(depth)
        assert result.status == "failed"
        assert [failure.reason for failure in result.failures] == ["bad-result"]
        assert "nested more than 200 deep" in result.failures[0].message


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("make", [in_lists, in_maps])
def test_inputs_that_are_too_deep_are_refused(durable: bool, make: Callable[[int], Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="input 'x': a value is nested more than 60 deep"):
        taking.options(durable=durable, home=tmp_path).run(make(DEEP))
    with pytest.raises(InputError, match="input 'x': it is nested more than 200 deep"):
        app.check_inputs(taking.definition, {"x": make(DEEP)})
    assert app.check_inputs(taking.definition, {"x": make(MAX_NESTED - 1)})


@pytest.mark.parametrize("durable", [False, True])
def test_a_loop_whose_result_grows_deeper_each_round_ends(durable: bool, tmp_path: Path) -> None:
    """No executor sees what only goes from round to round."""

    @workflow
    def growing() -> Any:
        with block(name="grow", repeat=3_000) as grow:
            take(1)
            grow.outputs(all=[loop.last])
        return grow

    result = growing.options(durable=durable, home=tmp_path).run_job()
    told = [(failure.task, failure.reason, failure.message) for failure in result.failures]
    assert told == [("grow", "bad-result", "the result of a round is nested more than 200 deep")]


WAITING = """
workflow: w
inputs: {x: any, xs: "list[any]"}
steps:
  e: {wait: {event: e}}
  q: {approve: {message: hm, form: {v: any}}}
outputs: {x: ["${inputs.x}", "${inputs.xs}"], e: "${e}", q: "${q}"}
"""


def test_values_on_the_command_line_that_are_too_deep_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep.json").write_text(TEXT)
    Path("w.yaml").write_text(WAITING)

    def run(*words: str) -> Any:
        return CliRunner().invoke(commands, list(words), catch_exceptions=False)

    for value in ("x=@deep.json", f"x={TEXT}", f"xs={TEXT}"):
        done = run("run", "w.yaml", "-i", value)
        assert (done.exit_code, "it is nested more than 200 deep" in done.stderr) == (2, True)
    assert run("run", "w.yaml", "-i", "x=1", "-i", "xs=1").exit_code == 8
    with closing(app.open_journal(app.Settings())) as journal:
        job = journal.jobs()[0].job
    for words in (("send", job, "e", "--value", TEXT), ("approve", job, "--set", f"v={TEXT}")):
        done = run(*words)
        assert (done.exit_code, "it is nested more than 200 deep" in done.stderr) == (2, True)
