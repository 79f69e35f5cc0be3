"""The whole language as Python writes it down: options, blocks, gates, steps by name, parts, and every mistake at its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from murakkab import (
    Input,
    Need,
    OnError,
    Prefer,
    Repeat,
    Retry,
    approve,
    block,
    call,
    default_to,
    does,
    each,
    error,
    fallback_to,
    finally_,
    first,
    item,
    job,
    loop,
    output,
    ref,
    result,
    secret,
    size,
    step,
    subworkflow,
    template,
    use,
    var,
    wait,
    wait_for,
    when,
    workflow,
    zipped,
)
from murakkab.declaring import declare
from murakkab.diagnostics import CODES
from murakkab.errors import Diagnostic, SpecError
from murakkab.spec import (
    WILD,
    Approve,
    Block,
    First,
    Loop,
    Otherwise,
    Output,
    Ref,
    Rescue,
    Step,
    Template,
    Wait,
)
from murakkab.types import ANY, BOOL, FLOAT, INT, NULL, STR, Field, Type, list_of, optional


@step
def shout(text: str) -> str:
    return text.upper()


@step
def pair(left: str, right: int, by: str = "") -> str:
    return f"{left}{by}{right}"


def steps_of(function: Callable[..., Any], **options: Any) -> dict[str, Step]:
    return dict(declare(function, **options).workflow.steps)


def mistake_of(function: Callable[..., Any], **options: Any) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        declare(function, **options)
    (found,) = caught.value.diagnostics
    assert found.code in CODES
    assert found.place is not None
    assert found.place.file == __file__
    return found


# ----------------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"repeat": 3}, "repeat", Repeat(3)),
        ({"repeat": Repeat(5, until=result.score > 0.8)}, "repeat", Repeat(5, "result.score > 0.8")),
        ({"repeat": Repeat(5, "loop.index > 2", Otherwise.LAST, 1.5)}, "repeat", Repeat(5, "loop.index > 2", Otherwise.LAST, 1.5)),
        (
            {"repeat": {"at_most": 2, "until": size(result.rows) > 3, "otherwise": "last"}},
            "repeat",
            Repeat(2, "size(result.rows) > 3", Otherwise.LAST),
        ),
        ({"need": 3}, "need", Need(3)),
        ({"need": "60%"}, "need", Need(share=0.6)),
        ({"need": "3 of 5"}, "need", Need(3, of=5)),
        ({"need": "2"}, "need", Need(2)),
        ({"need": Need(share=0.1)}, "need", Need(share=0.1)),
        ({"prefer": Prefer(device="gpu")}, "prefer", Prefer("gpu")),
        ({"prefer": {"model": "small"}}, "prefer", Prefer(model="small")),
        ({"prefer": {"executor": "python"}}, "executor", "python"),
        ({"does": "Says it louder."}, "does", "Says it louder."),
        ({"on_error": default_to({"why": error.reason})}, "on_error", OnError(Rescue.DEFAULT, {"why": Ref("error", ("reason",))})),
        ({"for_each": ["a"]}, "for_each", (Loop("item", ["a"]),)),
        (
            {"for_each": {"row": ref("${a}"), "cell": var("row").cells}},
            "for_each",
            (Loop("row", Ref("a")), Loop("cell", Ref("row", ("cells",)))),
        ),
        ({"for_each": zipped(a=[1], b=[2], c=[3])}, "for_each", (Loop("a", [1], {"b": [2], "c": [3]}),)),
        ({"for_each": (zipped(a=[1], b=[2]), zipped(c=[3]))}, "for_each", (Loop("a", [1], {"b": [2]}), Loop("c", [3]))),
    ],
)
def test_an_option_is_a_field_of_the_step(options: Any, field: str, value: object) -> None:
    made = steps_of(lambda: call("m:f", **options)())["f"]
    assert getattr(made, field) == value


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"repeat": True}, "wrong-form", "repeat=True is not a Repeat"),
        ({"repeat": {"rounds": 3}}, "unknown-option", "a loop has no 'rounds'"),
        ({"repeat": Repeat("5")}, "wrong-form", "at_most='5' is not int"),  # type: ignore[arg-type]
        ({"repeat": {"at_most": 3, "otherwise": "again"}}, "bad-choice", "otherwise='again'"),
        ({"repeat": {"at_most": 3, "until": True}}, "condition-decided", "this condition is True"),
        ({"need": "most"}, "bad-quantity", "need='most' cannot be read"),
        ({"need": 0.5}, "wrong-form", "need=0.5 is not int"),
        ({"prefer": "gpu"}, "wrong-form", "prefer='gpu' is not Mapping"),
        ({"prefer": {"gpu": True}}, "unknown-option", "prefer has no 'gpu'"),
        ({"prefer": {"device": 1}}, "wrong-form", "device=1 is not str"),
        ({"for_each": {"two words": []}}, "bad-name", "'two words'"),
        ({"for_each": b"x"}, "not-json", "bytes is not JSON data"),
        ({"does": 1}, "wrong-form", "does=1 is not str"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(options: Any, code: str, message: str) -> None:
    found = mistake_of(lambda: call("m:f", **options)())
    assert found.code == code
    assert found.message.startswith(message)


def test_zipped_needs_lists_and_names() -> None:
    assert mistake_of(lambda: zipped()).code == "wrong-form"
    assert mistake_of(lambda: zipped(**{"a b": []})).code == "bad-name"


def test_two_lists_are_mapped_together() -> None:
    made = steps_of(lambda xs, ys: pair.map_zip(xs, ys, by="-"))["pair"]
    assert made.for_each == (Loop("item", Ref("inputs", ("xs",)), {"item_2": Ref("inputs", ("ys",))}),)
    assert made.with_ == {"left": Ref("item"), "right": Ref("item_2"), "by": "-"}
    with pytest.raises(ValueError, match="shorter"):
        pair.map_zip(["a"], [])


def test_loops_see_themselves() -> None:
    made = steps_of(lambda text: shout.with_options(repeat=3)(first(loop.last, text)))["shout"]
    assert made.with_ == {"text": First((Ref("loop", ("last",)), Ref("inputs", ("text",))))}


# ----------------------------------------------------------------------------------------------------------------- by name


def test_steps_are_used_by_their_names() -> None:
    def wf(text: str) -> Any:
        heard = use("speech-to-text", retry=2)(audio=text)
        mean = call("statistics:fmean", name="mean")(data=heard.numbers)
        does("Write a  Poem about it.")(about=mean)
        return use("note").map(heard.parts, text=item.text, more=template("{}{}", item, text))

    found = steps_of(wf)
    assert found["speech_to_text"] == Step(
        "speech_to_text", uses="speech-to-text", with_={"audio": Ref("inputs", ("text",))}, retry=Retry(2)
    )
    assert found["mean"] == Step("mean", call="statistics:fmean", with_={"data": Ref("speech_to_text", ("numbers",))})
    assert found["write_a_poem"].does == "Write a  Poem about it."
    assert found["note"].for_each == (Loop("item", Ref("speech_to_text", ("parts",))),)
    assert found["note"].with_ == {"text": Ref("item", ("text",)), "more": Template((Ref("item"), Ref("inputs", ("text",))))}
    assert not declare(wf).functions


def test_levels_of_loops_make_lists_of_lists() -> None:
    def wf(rows: list[list[int]]) -> dict[str, Any]:
        return {"all": use("note", for_each={"row": rows, "cell": var("row")})(x=var("cell"))}

    assert declare(wf).workflow.outputs["all"].type == list_of(list_of(ANY))


def test_inputs_of_steps_by_name_have_no_order() -> None:
    assert mistake_of(lambda: use("note")("text")).code == "wrong-arguments"
    with pytest.raises(SpecError, match="the step 'note' has no code to call"):
        use("note")(text="a")


def test_what_has_no_name_in_python_is_named_as_in_files() -> None:
    found = steps_of(lambda: call("m:f")(x=ref("${pages[*].title}"), y=ref("${pages}").a["b c"], z=Ref("a", (WILD, "b c"))))["f"]
    assert found.with_ == {"x": Ref("pages", (WILD, "title")), "y": Ref("pages", ("a", "b c")), "z": Ref("a", (WILD, "b c"))}
    assert mistake_of(lambda: ref("pages")).code == "bad-reference"


# ------------------------------------------------------------------------------------------------------------------ blocks


def test_a_block_is_a_step_with_steps() -> None:
    def wf(text: str, loud: bool) -> str:
        before = shout(text)
        with when(loud), block(name="group", repeat=Repeat(3), timeout=5.0, description="Again.") as group:
            inner = shout(before)
            with when(size(inner) > 3):
                last = shout(inner)
            group.outputs(last=output(last, "str?", optional=True), text=inner)
        return shout(group.text)

    found = steps_of(wf)
    assert found["group"] == Step(
        "group",
        block=Block(
            {
                "shout_2": Step("shout_2", call=f"{__name__}:shout", with_={"text": Ref("shout")}),
                "shout_3": Step("shout_3", call=f"{__name__}:shout", with_={"text": Ref("shout_2")}, when="size(shout_2) > 3"),
            },
            {"last": Output(Ref("shout_3"), optional(STR), optional=True), "text": Output(Ref("shout_2"), STR)},
        ),
        repeat=Repeat(3),
        timeout=5.0,
        description="Again.",
        when="inputs.loud",
    )
    assert found["shout_2"].with_ == {"text": Ref("group", ("text",))}


def test_the_value_of_a_block_has_the_type_of_its_outputs() -> None:
    def wf(rows: list[str]) -> dict[str, Any]:
        with block(name="one") as one:
            one.outputs(text=shout("a"), maybe=output(None, "int?", optional=True))
        with block(name="many", for_each=rows) as many:
            many.outputs(text=shout(item))
        return {"one": one, "text": one.text, "maybe": one.maybe, "many": each(many, lambda group: group.text)}  # type: ignore[attr-defined, arg-type, unused-ignore]

    found = {name: one.type for name, one in declare(wf).workflow.outputs.items()}
    assert found["one"] == Type("record", fields=(Field("text", STR), Field("maybe", optional(INT))))
    assert (found["text"], found["maybe"], found["many"]) == (STR, optional(INT), list_of(STR))
    assert mistake_of(lambda: _misspelt_part()).code == "no-such-field"


def _misspelt_part() -> Any:
    with block() as group:
        group.outputs(text=shout("a"))
    return group.txt


def test_values_stay_inside_of_their_block() -> None:
    def leaks() -> str:
        with block():
            inner = shout("a")
        return shout(inner)

    def leaks_into_a_condition() -> None:
        with block():
            inner = shout("a")
        with when(size(inner) > 1):
            shout("b")

    def gives_out_later() -> None:
        with block() as group:
            pass
        group.outputs(a=1)

    for wf in (leaks, leaks_into_a_condition, gives_out_later):
        assert mistake_of(wf).code == "outside-workflow"
    assert "give it out" in mistake_of(leaks).hint
    assert mistake_of(lambda: _names_two_words()).code == "bad-name"


def _names_two_words() -> None:
    with block() as group:
        group.outputs(**{"two words": 1})


def test_what_is_made_of_outer_values_may_leave_a_block() -> None:
    def wf(text: str) -> str:
        with block():
            letter = template("Dear {}", text)
            either = first(text, letter)
        shout(either)
        return shout(letter)

    letter = Template(("Dear ", Ref("inputs", ("text",))))
    assert [steps_of(wf)[name].with_["text"] for name in ("shout", "shout_2")] == [First((Ref("inputs", ("text",)), letter)), letter]


def test_inner_names_hide_nothing_unless_they_are_asked_for() -> None:
    def wf() -> None:
        outer = shout("a")
        with block():
            shout(outer)
            shout.with_options(name="shout")(outer)
        with block(name="second"):
            shout.with_options(name="shout")("b")
            shout("c")

    found = steps_of(wf)
    assert found["block"].block is not None
    assert found["second"].block is not None
    assert list(found["block"].block.steps) == ["shout_2", "shout_3"]  # `shout` is borrowed
    assert list(found["second"].block.steps) == ["shout", "shout_2"]


def test_a_hidden_value_is_not_used() -> None:
    def wf() -> None:
        outer = shout("a")
        with block():
            shout.with_options(name="shout")("b")
            shout(outer)

    found = mistake_of(wf)
    assert (found.code, found.hint) == ("shadowed-name", "give the inner step another name")


def test_a_block_that_is_left_by_an_error_is_none() -> None:
    def breaks() -> None:
        with block(name="group"):
            raise ZeroDivisionError(shout("a"))

    def wf() -> None:
        with pytest.raises(ZeroDivisionError):
            breaks()
        shout("b")

    assert list(steps_of(wf)) == ["shout"]


# --------------------------------------------------------------------------------------------------------- gates and end


def test_a_person_is_asked() -> None:
    def wf(to: str) -> dict[str, Any]:
        letter = shout(to)
        with when(size(letter) > 2):
            ok = approve(
                "Send {} to {}? {{really}}",
                letter,
                to,
                form={"amount": float, "note": Annotated[str | None, "why"], "kind": "list[str]", "n": Input(INT, 3, required=False)},
                timeout=60,
                on_error="skip",
            )
        approve("Go on?", name="go", for_each=["a"])
        approve(letter, name="other")
        return {"ok": ok, "amount": ok.amount}

    declared = declare(wf).workflow
    form = {
        "amount": Input(FLOAT),
        "note": Input(optional(STR), description="why"),
        "kind": Input(list_of(STR)),
        "n": Input(INT, 3, required=False),
    }
    message = Template(("Send ", Ref("shout"), " to ", Ref("inputs", ("to",)), "? {really}"))
    assert declared.steps["approve"] == Step(
        "approve", approve=Approve(message, form), timeout=60, on_error=OnError(Rescue.SKIP), when="size(shout) > 2"
    )
    assert declared.steps["go"] == Step("go", approve=Approve("Go on?"), for_each=(Loop("item", ["a"]),))
    assert declared.steps["other"].approve == Approve(Ref("shout"))
    asked = (Field("amount", FLOAT), Field("note", optional(STR)), Field("kind", list_of(STR)), Field("n", INT))
    assert declared.outputs["ok"].type == Type("record", fields=(Field("approved", BOOL), Field("by", STR), *asked))
    assert declared.outputs["amount"].type == FLOAT


def test_times_and_events_are_waited_for() -> None:
    def wf(at: str) -> dict[str, Any]:
        pause = wait(30, after=["x"])
        wait("2h", name="long")
        wait(until=at, name="until")
        return {"pause": pause, "paid": wait_for("paid", type=int), "other": wait_for(template("{}!", at), name="other")}

    declared = declare(wf).workflow
    assert declared.steps["wait"] == Step("wait", wait=Wait(30), after=("x",))
    assert [declared.steps[n].wait for n in ("long", "until")] == [Wait("2h"), Wait(until=Ref("inputs", ("at",)))]
    assert declared.steps["wait_for"].wait == Wait(event="paid", type=INT)
    assert declared.steps["other"].wait == Wait(event=Template((Ref("inputs", ("at",)), "!")))
    assert [one.type for one in declared.outputs.values()] == [NULL, INT, ANY]


def test_last_steps_see_steps_and_the_job() -> None:
    def wf(text: str) -> str:
        said = shout(text)
        with finally_(), when(job.status == "failed"):
            call("m:tidy")(said=said, failures=job.failures)
            shout(said)
        return said

    declared = declare(wf).workflow
    assert list(declared.steps) == ["shout"]
    assert declared.finally_ == {
        "tidy": Step(
            "tidy", call="m:tidy", with_={"said": Ref("shout"), "failures": Ref("job", ("failures",))}, when='job.status == "failed"'
        ),
        "shout_2": Step("shout_2", call=f"{__name__}:shout", with_={"text": Ref("shout")}, when='job.status == "failed"'),
    }


def test_secrets_are_references() -> None:
    def wf() -> None:
        token = secret("token", env="TOKEN")
        call("m:f")(token=token, same=secret("token", env="TOKEN"), other=template("x {}", secret("other", file="/run/other")))

    declared = declare(wf).workflow
    assert declared.secrets == {"token": "env:TOKEN", "other": "file:/run/other"}
    token = Ref("secrets", ("token",))
    assert declared.steps["f"].with_ == {"token": token, "same": token, "other": Template(("x ", Ref("secrets", ("other",))))}


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (lambda: secret("token"), "wrong-form"),
        (lambda: secret("token", env="A", file="b"), "wrong-form"),
        (lambda: secret("two words", env="A"), "bad-name"),
        (lambda: (secret("token", env="A"), secret("token", env="B")), "wrong-form"),
        (lambda: wait(), "wrong-form"),
        (lambda: wait(3, until="2030-01-01"), "wrong-form"),
        (lambda: wait_for("paid", type="nothing like it"), "bad-type"),
        (lambda: approve("Go on?", form={"two words": str}), "bad-name"),
        (lambda: approve("Send {}?"), "bad-reference"),
        (lambda: output(1, "lst[int]"), "bad-type"),
        (lambda: shout.with_options(for_each=["a"])(item.x == 1), "not-json"),  # type: ignore[call-arg]
    ],
)
def test_mistakes_of_gates_and_secrets_are_found_at_once(write: Callable[[], Any], code: str) -> None:
    assert mistake_of(lambda: (write(), None)[1]).code == code


def test_last_steps_stand_at_the_end_of_the_workflow() -> None:
    def in_a_block() -> None:
        with block(), finally_():
            shout("a")

    def under_a_condition(loud: bool) -> None:
        with when(loud), finally_():
            shout("a")

    assert [mistake_of(wf).code for wf in (in_a_block, under_a_condition)] == ["misplaced", "misplaced"]


@pytest.mark.parametrize(
    "act",
    [
        lambda: approve("a"),
        lambda: wait(1),
        lambda: wait_for("a"),
        lambda: secret("a", env="A"),
        lambda: block().__enter__(),
        lambda: finally_().__enter__(),
    ],
)
def test_outside_of_a_workflow_there_is_nothing_to_wait_for(act: Callable[[], Any]) -> None:
    with pytest.raises(SpecError, match="stands outside of a workflow"):
        act()


# ----------------------------------------------------------------------------------------------------------- whole workflows


@workflow
def part(text: str, times: int = 2) -> str:
    """Say it."""
    return shout(template("{}{}", text, times))


@workflow
def report(text: str) -> dict[str, Any]:
    return {"shout": shout(text), "maybe": output(None, "int?", optional=True)}


def test_a_workflow_becomes_a_step() -> None:
    def wf(texts: list[str]) -> dict[str, Any]:
        one = part("a", times=3)
        many = part.map(texts)
        whole = report(one)
        return {"one": one, "many": many, "whole": whole, "shout": whole["shout"], "titles": each(many, lambda text: text)}

    declared = declare(wf)
    assert declared.workflow.steps == {
        "part": Step("part", workflow="part", with_={"text": "a", "times": 3}),
        "part_2": Step("part_2", workflow="part", with_={"text": Ref("item")}, for_each=(Loop("item", Ref("inputs", ("texts",))),)),
        "report": Step("report", workflow="report", with_={"text": Ref("part", ("result",))}),
    }
    assert declared.workflow.workflows == {"part": part.definition, "report": report.definition}
    assert declared.functions == {f"{__name__}:shout": shout.function}
    outputs = declared.workflow.outputs
    assert outputs["one"] == Output(Ref("part", ("result",)), STR)
    assert outputs["many"] == Output(Ref("part_2", (WILD, "result")), list_of(STR))
    assert outputs["whole"].type == Type("record", fields=(Field("shout", STR), Field("maybe", optional(INT))))
    assert (outputs["shout"].type, outputs["titles"].value) == (STR, Ref("part_2", (WILD, "result")))


def test_arguments_of_a_workflow_fit_its_parameters() -> None:
    found = mistake_of(lambda: part(txt="a"))  # type: ignore[call-arg]
    assert (found.code, found.hint) == ("wrong-arguments", "it is called part(text: str, times: int = 2) -> str")


def test_a_workflow_by_name_gives_its_record() -> None:
    def wf() -> dict[str, Any]:
        whole = subworkflow(part, name="whole")(text="a")
        key = subworkflow("the-part", for_each={"x": [1]})(text=var("x"))
        return {"text": whole.result, "key": key}

    declared = declare(wf, workflows={"the-part": part}).workflow
    assert declared.workflows == {"the-part": part.definition}
    assert [one.workflow for one in declared.steps.values()] == ["the-part", "the-part"]
    assert list(declared.steps) == ["whole", "the_part"]
    assert declared.outputs["text"].type == STR


def test_definitions_of_one_name_get_a_number() -> None:
    def make(mark: str) -> Any:
        @workflow(name="made")
        def made(text: str) -> str:
            return shout(template("{}{}", text, mark))

        return made

    one, two = make("1"), make("2")

    def wf() -> str:
        return one(two(one("a")))  # type: ignore[no-any-return]

    declared = declare(wf).workflow
    assert list(declared.workflows) == ["made", "made~2"]
    assert [step_.workflow for step_ in declared.steps.values()] == ["made", "made~2", "made"]


def test_functions_of_parts_keep_apart_also_inside_of_blocks() -> None:
    def make(mark: str) -> Any:
        @step
        def add(text: str) -> str:
            return text + mark

        @workflow
        def adding(text: str) -> str:
            with block() as group:
                group.outputs(text=add(text))
            with finally_():
                add("end")
            return group.text  # type: ignore[no-any-return]

        return adding

    one, two = make("1"), make("2")

    def wf() -> str:
        return two(one("a"))  # type: ignore[no-any-return]

    declared = declare(wf)
    first_call, second_call = declared.functions
    assert second_call == f"{first_call}~2"
    inner = declared.workflow.workflows["adding~2"]
    group = inner.steps["block"].block
    assert group is not None
    assert (group.steps["add"].call, inner.finally_["add"].call) == (second_call, second_call)
    assert [declared.functions[c]("x") for c in (first_call, second_call)] == ["x1", "x2"]
    assert declared.capabilities.keys() == {first_call, second_call}


def test_a_ring_of_workflows_is_refused() -> None:
    @workflow
    def left(text: str) -> str:
        return right(text)  # type: ignore[no-any-return, unused-ignore]

    @workflow
    def right(text: str) -> str:
        return left(text)

    with pytest.raises(SpecError, match="is a step of itself"):
        _ = left.definition


def test_options_of_a_workflow() -> None:
    declared = declare(
        lambda text: shout(text),
        version="2",
        budget={"cost": 5, "time": 600},
        profiles={"dev": {"steps": {"shout": {"executor": "python"}}}},
        secrets={"a": "env:A"},
        inputs={"two-words": Input(STR)},
    ).workflow
    assert (declared.version, declared.budget, declared.secrets) == ("2", {"cost": 5, "time": 600}, {"a": "env:A"})
    assert declared.profiles == {"dev": {"steps": {"shout": {"executor": "python"}}}}
    assert list(declared.inputs) == ["text", "two-words"]


def test_defaults_lie_under_every_step_that_an_executor_does() -> None:
    def wf(texts: list[str]) -> None:
        shout("a")
        shout.with_options(retry=5).map(texts)
        with block(name="group"):
            shout("b")
            wait(3)
        part("c")
        approve("Go on?")
        with finally_():
            shout("d")

    found = declare(wf, defaults={"retry": 2, "timeout": 9.0, "max_parallel": 4, "on_error": fallback_to("x")}).workflow
    group = found.steps["group"]
    assert group.block is not None
    assert (found.steps["shout"].retry, found.steps["shout"].timeout, found.steps["shout"].max_parallel) == (Retry(2), 9.0, None)
    assert (found.steps["shout_2"].retry, found.steps["shout_2"].max_parallel) == (Retry(5), 4)
    inside = group.block.steps
    assert (inside["shout_3"].timeout, inside["wait"].timeout) == (9.0, None)
    assert {group.timeout, found.steps["part"].timeout, found.steps["approve"].timeout} == {None}
    assert found.finally_["shout_3"].retry == Retry(2)
    assert mistake_of(wf, defaults={"name": "x"}).code == "unknown-option"
    assert mistake_of(wf, defaults={"retry": "x"}).code == "wrong-form"


def test_places_of_steps_at_every_level_are_known() -> None:
    def wf() -> str:
        with block(name="group"):
            shout("a")
        with finally_():
            shout("b")
        return part("c")

    declared = declare(wf)
    expected = {
        (): "def wf",
        ("steps", "group"): 'block(name="group")',
        ("steps", "group", "steps", "shout"): 'shout("a")',
        ("finally", "shout"): 'shout("b")',
        ("steps", "part"): 'part("c")',
    }
    lines = Path(__file__).read_text().splitlines()
    for path, code in expected.items():
        assert code in lines[declared.places[path].line - 1]
    assert ("workflows", "part", "steps", "shout") in declared.places
    deep = SpecError([Diagnostic("x", "y", path=("steps", "group", "steps", "shout", "with", "text"))])
    assert declared.placed(deep).diagnostics[0].place == declared.places["steps", "group", "steps", "shout"]
