"""A typed function becomes a workflow: steps, names, options, conditions, inputs, outputs, and every mistake at its line."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import pytest

from murakkab.blocks import when
from murakkab.composition import each, first, flatten, size, template
from murakkab.declared import Declared
from murakkab.declaring import declare
from murakkab.diagnostics import CODES
from murakkab.dsl import capability, step
from murakkab.errors import Diagnostic, SpecError
from murakkab.options import default_to, fallback_to
from murakkab.ports import Call
from murakkab.spec import (
    WILD,
    CachePolicy,
    Effect,
    First,
    Goal,
    Input,
    Loop,
    OnError,
    Output,
    Ref,
    Rescue,
    Retry,
    Step,
    Template,
)
from murakkab.types import ANY, INT, NULL, STR, list_of, optional
from murakkab.values import File

HERE = str(Path(__file__))


@dataclass
class Page:
    title: str
    links: list[str]
    words: int = 0


@step
async def fetch(url: str, depth: int = 1) -> Page:
    """Fetch a page."""
    return Page(url, [], depth)


@step
def shout(text: str) -> str:
    return text.upper()


@step
def join(parts: list[str], by: str = ", ") -> str:
    return by.join(parts)


@step
def anything(**values: Any) -> None: ...


@capability("speech-to-text")
def speech_to_text(audio: File, language: str = "en", beam: float = ...) -> str:  # type: ignore[assignment, empty-body]
    """Words spoken."""


def steps_of(function: Callable[..., Any]) -> dict[str, Step]:
    return dict(declare(function).workflow.steps)


def mistakes_of(function: Callable[..., Any]) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        declare(function)
    assert {d.code for d in caught.value.diagnostics} <= set(CODES)
    return list(caught.value.diagnostics)


def line_of(function: Callable[..., Any], marker: str) -> int:
    lines, start = inspect.getsourcelines(function)
    return start + next(i for i, line in enumerate(lines) if marker in line)


# ------------------------------------------------------------------------------------------------------------------ steps


def test_a_call_of_a_step_is_written_down() -> None:
    def wf(url: str) -> str:
        page = fetch(url)
        return shout(page.title)

    declared = declare(wf)
    module = __name__
    assert list(declared.workflow.steps.values()) == [
        Step("fetch", call=f"{module}:fetch", with_={"url": Ref("inputs", ("url",))}),
        Step("shout", call=f"{module}:shout", with_={"text": Ref("fetch", ("title",))}),
    ]
    assert declared.functions == {f"{module}:fetch": fetch.function, f"{module}:shout": shout.function}
    assert declared.capabilities[f"{module}:fetch"].result.name == "Page"
    assert declared.capabilities[f"{module}:fetch"].description == "Fetch a page."


def test_outside_of_a_workflow_a_step_is_the_function() -> None:
    assert shout("a") == "A"
    assert shout.map(["a", "b"]) == ["A", "B"]
    assert inspect.unwrap(shout) is shout.function
    assert shout.__name__ == "shout"
    made = fetch("u")
    assert inspect.iscoroutine(made)
    made.close()


def test_mapping_an_async_step_outside_of_a_workflow_is_refused() -> None:
    with pytest.raises(SpecError, match=r"fetch\.map is for workflows; await the function"):
        fetch.map(["a"])


def test_a_second_call_gets_a_number() -> None:
    def wf() -> str:
        shout("a")
        shout("b")
        return shout.with_options(name="shout_2")("c")

    assert list(steps_of(wf)) == ["shout", "shout_2", "shout_2_2"]


@pytest.mark.parametrize(("wish", "name"), [("inputs", "inputs_"), ("item", "item_"), ("loop", "loop_"), ("fetch", "fetch")])
def test_names_that_mean_something_else_get_a_bar(wish: str, name: str) -> None:
    assert list(steps_of(lambda: shout.with_options(name=wish)("a"))) == [name]


def test_a_lambda_and_an_object_can_be_steps() -> None:
    class Adder:
        def __call__(self, a: int) -> int:
            return a + 1

    declared = declare(lambda: (step(lambda a: a)(a=1), step(Adder())(a=2)))
    assert list(declared.workflow.steps) == ["lambda", "Adder"]
    assert [f(a=1) for f in declared.functions.values()] == [1, 2]


def test_functions_made_by_one_factory_are_told_apart() -> None:
    def make(by: int) -> Any:
        @step
        def add(a: int) -> int:
            return a + by

        return add

    declared = declare(lambda: make(2)(make(1)(0)))
    calls = [s.call for s in declared.workflow.steps.values()]
    assert calls[1] == f"{calls[0]}~2"
    assert [declared.functions[c](0) for c in calls] == [1, 2]


def test_the_same_function_called_twice_is_one_function() -> None:
    assert len(declare(lambda: (shout("a"), shout("b"))).functions) == 1


def test_further_keywords_are_handed_on() -> None:
    assert steps_of(lambda: anything(a=1, b=[2]))["anything"].with_ == {"a": 1, "b": [2]}


def test_arguments_become_json_data() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Pair(NamedTuple):
        left: int
        right: Any

    def wf(url: str) -> None:
        anything(
            page=Page("t", [url]),
            file=File("a.mp4"),
            path=Path("/x"),
            pair=Pair(1, url),
            colour=Colour.RED,
            both=(1, None),
            deep={"a": [url]},
        )

    url = Ref("inputs", ("url",))
    assert steps_of(wf)["anything"].with_ == {
        "page": {"title": "t", "links": [url], "words": 0},
        "file": {"uri": "a.mp4"},
        "path": "/x",
        "pair": {"left": 1, "right": url},
        "colour": "red",
        "both": [1, None],
        "deep": {"a": [url]},
    }


def test_a_parameter_that_receives_the_call_is_not_an_argument() -> None:
    @step
    def traced(call: Call, text: str) -> str:
        return text

    assert steps_of(lambda: traced(text="a"))["traced"].with_ == {"text": "a"}  # type: ignore[call-arg]


# ------------------------------------------------------------------------------------------------------------------- maps


def test_map_runs_a_step_for_every_element() -> None:
    def wf(urls: list[str]) -> list[Page]:
        return fetch.map(urls, depth=3)

    declared = declare(wf)
    (mapped,) = declared.workflow.steps.values()
    assert mapped.for_each == (Loop("item", Ref("inputs", ("urls",))),)
    assert mapped.with_ == {"url": Ref("item"), "depth": 3}
    assert declared.workflow.outputs["result"].type.kind == "list"


def test_map_takes_a_plain_list_with_values_in_it() -> None:
    def wf(url: str) -> list[Page]:
        return fetch.map([url, "b"])

    assert steps_of(wf)["fetch"].for_each == (Loop("item", [Ref("inputs", ("url",)), "b"]),)


def test_maps_nest_through_flatten_and_each() -> None:
    def wf(urls: list[str]) -> list[str]:
        pages = fetch.map(urls)
        titles = each(pages, lambda page: page.title)
        links = flatten(each(pages, lambda page: page.links))
        deeper = fetch.with_options(name="deeper").map(links)
        return join.map([titles, each(deeper, lambda page: page.title)])

    found = steps_of(wf)
    assert found["deeper"].for_each[0].over == Ref("fetch", (WILD, "links", WILD))
    assert found["join"].for_each[0].over == [Ref("fetch", (WILD, "title")), Ref("deeper", (WILD, "title"))]


# ---------------------------------------------------------------------------------------------------------------- options


def test_options_become_fields_of_the_step() -> None:
    @step(
        name="get", retry=3, timeout=5, effect="read", cache=True, on_error="skip", max_parallel=4, executor="python",
        knobs={"a": 1}, description="Gets.", after=["other"],
    )  # fmt: skip
    def load(url: str) -> str:
        return url

    assert steps_of(lambda: load("a"))["get"] == Step(
        "get",
        call=f"{__name__}:{load.function.__qualname__}",
        with_={"url": "a"},
        max_parallel=4,
        after=("other",),
        retry=Retry(attempts=3),
        timeout=5,
        on_error=OnError(Rescue.SKIP),
        cache=CachePolicy(),
        effect=Effect.READ,
        executor="python",
        knobs={"a": 1},
        description="Gets.",
    )


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"retry": Retry(2, delay=0)}, "retry", Retry(2, delay=0)),
        ({"cache": False}, "cache", None),
        ({"cache": 60}, "cache", CachePolicy(60.0)),
        ({"cache": CachePolicy(1)}, "cache", CachePolicy(1)),
        ({"on_error": "fail"}, "on_error", OnError()),
        ({"on_error": default_to([1, None])}, "on_error", OnError(Rescue.DEFAULT, default=[1, None])),
        ({"on_error": fallback_to("other")}, "on_error", OnError(Rescue.FALLBACK, fallback="other")),
        ({"effect": Effect.PURE}, "effect", Effect.PURE),
        ({"when": "1 < 2"}, "when", "1 < 2"),
    ],
)
def test_an_option_has_several_forms(options: Any, name: str, value: object) -> None:
    assert getattr(steps_of(lambda: shout.with_options(**options)("a"))["shout"], name) == value


def test_options_of_a_call_win_over_those_of_the_function_and_leave_it_alone() -> None:
    @step(retry=2, timeout=1.0)
    def load(url: str) -> str:
        return url

    patient = load.with_options(timeout=9.0)
    found = steps_of(lambda: (patient("a"), load("a")))
    assert (found["load"].timeout, found["load"].retry.attempts) == (9.0, 2)
    assert found["load_2"].timeout == 1.0


def test_after_takes_values_and_names() -> None:
    def wf() -> None:
        page = fetch("a")
        shout.with_options(after=[page, page.title, "fetch"])("b")

    assert steps_of(wf)["shout"].after == ("fetch", "fetch", "fetch")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"retries": 3}, "unknown-option", "there is no option 'retries'"),
        ({"retry": "3"}, "wrong-form", "retry='3' is not int"),
        ({"retry": True}, "wrong-form", "retry=True is not int"),
        ({"timeout": "5s"}, "wrong-form", "timeout='5s' is not int or float"),
        ({"effect": "none"}, "bad-choice", "effect='none'"),
        ({"on_error": "ignore"}, "bad-choice", "on_error='ignore'"),
        ({"name": "two words"}, "bad-name", "'two words'"),
        ({"after": [3]}, "unknown-step", "after=3"),
        ({"knobs": [1]}, "wrong-form", "knobs=[1]"),
        ({"when": True}, "condition-decided", "this condition is True"),
        ({"when": 3.5}, "condition-type", "float is not a condition"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused_at_once(options: Any, code: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        shout.with_options(**options)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert found.message.startswith(message)
    assert found.place is not None
    assert found.place.file == HERE


def test_every_wrong_option_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        step(retry="a", timeout="b")  # type: ignore[call-overload]
    assert [d.code for d in caught.value.diagnostics] == ["wrong-form", "wrong-form"]


# ----------------------------------------------------------------------------------------------------------- capabilities


def test_a_capability_becomes_a_step_that_uses_it() -> None:
    def wf(audio: File) -> str:
        return speech_to_text(audio)

    declared = declare(wf)
    assert declared.workflow.steps["speech_to_text"] == Step(
        "speech_to_text", uses="speech-to-text", with_={"audio": Ref("inputs", ("audio",)), "language": "en"}
    )
    assert declared.capabilities == {"speech-to-text": speech_to_text.capability}
    assert not declared.functions


def test_a_capability_describes_itself() -> None:
    found = speech_to_text.capability
    assert (found.name, found.description, found.result) == ("speech-to-text", "Words spoken.", STR)
    assert [(p.name, p.required, p.default) for p in found.inputs] == [
        ("audio", True, None),
        ("language", False, "en"),
        ("beam", False, None),
    ]


def test_a_capability_has_nothing_to_call_outside_of_a_workflow() -> None:
    with pytest.raises(SpecError, match=r"'speech-to-text' has no code to call; call it in a function with @workflow"):
        speech_to_text(File("a.wav"))
    with pytest.raises(SpecError, match="has no code to call"):
        speech_to_text.map([File("a.wav")])
    with pytest.raises(SpecError, match="has no function"):
        _ = speech_to_text.function


def test_a_capability_is_mapped_and_optioned_like_a_step() -> None:
    def wf(audio: list[File]) -> list[str]:
        return speech_to_text.with_options(executor="whisper", name="heard").map(audio, language="de")

    heard = steps_of(wf)["heard"]
    assert (heard.executor, heard.with_) == ("whisper", {"audio": Ref("item"), "language": "de"})


# ------------------------------------------------------------------------------------------------------------- conditions


def test_a_block_gives_its_condition_to_its_steps() -> None:
    def wf(limit: int) -> str:
        page = fetch("a")
        with when(page.words > limit):
            with when((size(page.links) >= 2) & (page.title != "x")):
                long = shout.with_options(when="inputs.limit < 9")("long")
            middle = shout("middle")
        return first(long, middle, shout("short"))

    found = steps_of(wf)
    assert found["shout"].when == '(fetch.words > inputs.limit) && ((size(fetch.links) >= 2) && (fetch.title != "x")) && (inputs.limit < 9)'
    assert found["shout_2"].when == "fetch.words > inputs.limit"
    assert found["shout_3"].when == ""


def test_a_block_ends_when_it_is_left_by_an_error() -> None:
    def wf(flag: bool) -> str:
        with pytest.raises(ZeroDivisionError), when(flag):
            _ = 1 / 0
        return shout("a")

    assert steps_of(wf)["shout"].when == ""


def test_branches_meet_in_first() -> None:
    def wf(flag: bool) -> str:
        with when(flag):
            a = shout("a")
        with when(~flag):  # type: ignore[arg-type, unused-ignore]
            b = shout("b")
        return first(a, b)

    declared = declare(wf)
    assert [s.when for s in declared.workflow.steps.values()] == ["inputs.flag", "!(inputs.flag)"]
    assert declared.workflow.outputs["result"] == Output(First((Ref("shout"), Ref("shout_2"))), STR)


def test_when_outside_of_a_workflow_is_refused() -> None:
    with pytest.raises(SpecError, match="use a plain if"), when("true"):
        pass


# ----------------------------------------------------------------------------------------------------- inputs and outputs


def test_parameters_become_inputs() -> None:
    def wf(
        urls: Annotated[list[str], "what to read"], page: Page, depth: int = 2, tags: tuple[str, ...] = ("a",), note: str | None = None
    ) -> None:
        """Read pages.

        More words.
        """

    workflow = declare(wf).workflow
    assert (workflow.name, workflow.description, workflow.outputs) == ("wf", "Read pages.", {})
    assert workflow.inputs["urls"] == Input(list_of(STR), description="what to read")
    assert workflow.inputs["depth"] == Input(INT, 2, required=False)
    assert workflow.inputs["tags"] == Input(list_of(STR), ["a"], required=False)
    assert workflow.inputs["note"] == Input(optional(STR), None, required=False)
    assert [f.optional for f in workflow.inputs["page"].type.fields] == [False, False, False]


def test_name_description_goal_and_deadline_can_be_given() -> None:
    goal = Goal(("energy",), {"latency": 60.0})
    workflow = declare(lambda: None, name="mine", description="Does.", goal=goal, timeout=9.0).workflow
    assert (workflow.name, workflow.description, workflow.goal, workflow.timeout) == ("mine", "Does.", goal, 9.0)


def test_a_single_value_is_the_output_result() -> None:
    def wf() -> Any:
        return {"a": 1}["a"]

    assert declare(wf).workflow.outputs == {"result": Output(1)}
    assert declare(lambda: [shout("a"), "b"]).workflow.outputs == {"result": Output([Ref("shout"), "b"])}


class Summary(NamedTuple):
    text: str
    note: str | None


class Report(TypedDict):
    text: str
    note: str | None


@dataclass
class Result:
    text: str
    note: str | None


@pytest.mark.parametrize("record", [Summary, Report, Result])
def test_a_record_is_one_output_for_each_field(record: Any) -> None:
    def wf() -> record:
        return record(text=shout("a"), note=shout("b"))

    declared = declare(wf)
    assert declared.workflow.outputs == {
        "text": Output(Ref("shout"), STR),
        "note": Output(Ref("shout_2"), optional(STR), optional=True),
    }
    assert declared.returns.record is (None if record is Report else record)


def test_a_plain_dict_is_one_output_for_each_key() -> None:
    declared = declare(lambda: {"a": shout("x"), "b": 2})
    assert declared.workflow.outputs == {"a": Output(Ref("shout"), STR), "b": Output(2)}


def test_without_annotations_the_types_of_steps_are_used() -> None:
    outputs = declare(lambda page: (fetch(page),)).workflow.outputs
    assert outputs["result"].type == ANY
    assert declare(lambda: fetch("a").words).workflow.outputs["result"].type == INT


def test_a_file_is_one_value() -> None:
    assert list(declare(lambda: File("a")).workflow.outputs) == ["result"]


def test_nothing_returned_is_no_output() -> None:
    def wf() -> None:
        shout("a")

    declared = declare(wf)
    assert (declared.workflow.outputs, declared.returns.form) == ({}, "nothing")
    assert declare(anything_returned).workflow.outputs["result"].type == NULL


def anything_returned():  # type: ignore[no-untyped-def]
    return anything(a=1)


def test_a_template_is_handed_to_steps() -> None:
    def wf(name: str) -> str:
        return shout(template("Hello {}!", name))

    assert steps_of(wf)["shout"].with_ == {"text": Template(("Hello ", Ref("inputs", ("name",)), "!"))}


# --------------------------------------------------------------------------------------------------------------- mistakes


def test_all_mistakes_are_reported_at_once_and_at_their_lines() -> None:
    def wf(url: str) -> str:
        page = fetch(link=url)  # type: ignore[call-arg]  # first
        join([object()])  # type: ignore[list-item]  # second
        return shout(page.titel)  # type: ignore[attr-defined]  # third

    found = mistakes_of(wf)
    assert [(d.code, d.place.file if d.place else "", d.place.line if d.place else 0) for d in found] == [
        ("wrong-arguments", HERE, line_of(wf, "# first")),
        ("not-json", HERE, line_of(wf, "# second")),
        ("no-such-field", HERE, line_of(wf, "# third")),
    ]
    assert found[0].message == "fetch: missing a required argument: 'url'"
    assert found[2].hint == "it has title, links, words"


def test_a_mistake_points_to_the_column() -> None:
    def wf() -> str:
        return shout(fetch("a").titel)  # type: ignore[attr-defined]

    (found,) = mistakes_of(wf)
    assert found.place is not None
    line = inspect.getsourcelines(wf)[0][1]
    assert line[found.place.column - 1 :].startswith('fetch("a").titel')


def test_a_mistake_in_a_function_that_builds_a_part_is_placed_there() -> None:
    def part(page: Page) -> str:
        return "a" + page.title  # here

    (found,) = mistakes_of(lambda: part(fetch("a")))
    assert found.place is not None
    assert (found.code, found.place.line) == ("not-there-yet", line_of(part, "# here"))


def test_an_ordinary_error_in_the_body_is_left_alone() -> None:
    def wf() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        declare(wf)
    assert shout("a") == "A"


@pytest.mark.parametrize("kind", ["async", "generator", "async generator"])
def test_the_body_must_be_a_plain_function(kind: str) -> None:
    async def asynchronous() -> None: ...

    def generator() -> Any:
        yield 1

    async def both() -> Any:
        yield 1

    wf = {"async": asynchronous, "generator": generator, "async generator": both}[kind]
    (found,) = mistakes_of(wf)
    assert found.message == "the body of a workflow is a plain function"
    assert found.place is not None
    assert found.place.line == inspect.getsourcelines(wf)[1]


def test_parameters_without_a_name_are_refused() -> None:
    def wf(a: int, /, *rest: int, **more: int) -> None: ...

    assert [d.message.split(" cannot")[0] for d in mistakes_of(wf)] == [
        "the parameter a: int",
        "the parameter *rest: int",
        "the parameter **more: int",
    ]
    with pytest.raises(SpecError, match=r"the parameter \*texts cannot be given by name"):
        step(lambda *texts: texts)
    with pytest.raises(SpecError, match="Python does not know the parameters"):
        step(dict)


def test_a_default_that_is_not_data_is_refused() -> None:
    def wf(a: Any = object()) -> None: ...  # noqa: B008

    (found,) = mistakes_of(wf)
    assert (found.code, found.message) == ("not-json", "the default of 'a': object is not JSON data")


def test_an_output_needs_a_name_that_can_be_written() -> None:
    (found,) = mistakes_of(lambda: {"two words": shout("a")})
    assert (found.code, found.message) == ("bad-name", "'two words' is no name for an output")


def test_a_step_is_not_decorated_twice() -> None:
    with pytest.raises(SpecError, match="is a step already"):
        step(shout)


def test_mistakes_found_later_get_the_place_of_their_step() -> None:
    def wf() -> str:
        return shout("a")

    declared = declare(wf)
    later = SpecError(
        [Diagnostic("type-mismatch", "no", path=("steps", "shout", "with", "text")), Diagnostic("unknown-goal", "no", path=("goal",))]
    )
    lines = [d.place.line if d.place else 0 for d in declared.placed(later).diagnostics]
    assert lines == [line_of(wf, 'shout("a")'), line_of(wf, "def wf")]


def test_a_declaration_without_python_has_no_places() -> None:
    declared = Declared(declare(lambda: None).workflow)
    assert declared.placed(SpecError([Diagnostic("x", "y")])).diagnostics[0].place is None


def test_a_value_of_another_workflow_is_refused() -> None:
    """It was taken for the step of the same name in the workflow at hand."""
    kept: list[int] = []

    @step
    def inc(x: int) -> int:
        return x + 1

    def first_one(x: int) -> int:
        kept.append(inc(x))
        return kept[0]

    def second_one() -> int:
        inc(5)
        return inc(kept[0])

    declare(first_one)
    with pytest.raises(SpecError, match="a value of another workflow is used here"):
        declare(second_one)
