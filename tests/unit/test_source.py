"""A workflow as Python source declares exactly that workflow, and reads as a person would write it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from murakkab.api import WorkflowHandle
from murakkab.document import from_document, to_document
from murakkab.errors import SpecError
from murakkab.load import parse
from murakkab.options import RESERVED_NAMES
from murakkab.running import yaml_of
from murakkab.source import to_python
from murakkab.source.layout import Brackets, Text, called, joined, laid_out, mapping, quoted, several
from murakkab.source.layout import given as named
from murakkab.spec import WILD, Approve, Block, First, Input, Loop, Need, Output, Ref, Step, Template, Wait, Workflow
from murakkab.types import ANY, INT, STR, Type, list_of
from tests.strategies import workflows

ROOT = Path(__file__).resolve().parents[2]


def declared(text: str) -> Workflow:
    """Return what the last function of a module declares."""
    module: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, "generated.py", "exec"), module)
    handles = [one for one in module.values() if isinstance(one, WorkflowHandle)]
    return handles[-1].definition


def body_of(workflow: Workflow) -> str:
    """Return the lines of the last function, and see that the text declares the workflow."""
    text = to_python(workflow)
    assert declared(text) == workflow
    return text.rpartition("\n\n\n")[2]


def check_the_round(workflow: Workflow) -> None:
    text = to_python(workflow)
    back = declared(text)
    assert back == workflow, text
    assert yaml_of(back) == yaml_of(workflow), text
    assert max(map(len, text.split("\n"))) <= 120, text


# ------------------------------------------------------------------------------------------------------------ there and back


def _names(workflow: Workflow) -> list[str]:
    """Return what references may begin with, wherever it stands."""
    found = ["item", "loop", "result", "error", "job", *workflow.steps, *workflow.finally_]
    agenda = [*workflow.steps.values(), *workflow.finally_.values()]
    while agenda:
        step = agenda.pop()
        found += [name for loop in step.for_each for name, _ in loop.lists()]
        if step.block is not None:
            found += step.block.steps
            agenda += step.block.steps.values()
    return found


def _linked(data: Any, heads: Any) -> Any:
    """Return *data*, a workflow or a part of it, with the next of *heads* as the beginning of every other reference."""
    if isinstance(data, Ref):
        head = next(heads)
        return dataclasses.replace(data, source=head[0], path=(*head[1:], *data.path)) if head else data
    if dataclasses.is_dataclass(data) and not isinstance(data, type | Type):
        return dataclasses.replace(data, **{f.name: _linked(getattr(data, f.name), heads) for f in dataclasses.fields(data)})
    if isinstance(data, dict):
        return {name: _linked(inner, heads) for name, inner in data.items()}
    return type(data)(_linked(inner, heads) for inner in data) if isinstance(data, list | tuple) else data


@st.composite
def linked(draw: st.DrawFn) -> Workflow:
    """Return a workflow whose references lead to steps, inputs, secrets and loop variables, of which some are out of sight."""
    workflow = draw(workflows)
    heads: list[tuple[str, ...]] = [(name,) for name in _names(workflow)]
    heads += [("inputs", name) for name in workflow.inputs] + [("secrets", name) for name in workflow.secrets]
    random = draw(st.randoms(use_true_random=False))
    return _linked(workflow, iter(lambda: random.choice([(), *heads]), None))  # type: ignore[no-any-return]


def _is_writable(workflow: Workflow) -> bool:
    """A step with a reserved name is a mistake, which Python cannot even write down."""
    return not RESERVED_NAMES & {*_names(workflow)[5:]} and all(map(_is_writable, workflow.workflows.values()))


@given(workflows | linked())
@settings(deadline=None, max_examples=150, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@pytest.mark.timeout(120)
def test_the_source_declares_exactly_the_workflow(workflow: Workflow) -> None:
    if _is_writable(workflow):
        check_the_round(workflow)


FILES = sorted((*(ROOT / "examples").rglob("*.yaml"), *(ROOT / "workflows").rglob("*.yaml")))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_that_ship_go_to_python_and_back(file: Path) -> None:
    workflow = parse(file.read_bytes(), str(file), read=lambda path: Path(path).read_bytes()).workflow
    assert workflow is not None
    check_the_round(workflow)


def test_a_workflow_reads_as_a_person_would_write_it() -> None:
    page = Ref("fetch", ("page",))
    workflow = Workflow(
        "page-report",
        "Report on pages.",
        "2",
        inputs={"urls": Input(list_of(STR), description="what to read"), "words": Input(INT, 100, required=False)},
        steps={
            "fetch": Step("fetch", uses="fetch", with_={"url": Ref("item")}, for_each=(Loop("item", Ref("inputs", ("urls",))),)),
            "write": Step("write", call="desk:write", with_={"pages": Ref("fetch", (WILD, "page")), "words": Ref("inputs", ("words",))}),
            "ok": Step("ok", approve=Approve(Template(("Send ", Ref("write", ("title",)), "?")), {"note": Input(STR)}), timeout=60.0),
            "first": Step("first", call="desk:send", with_={"text": First((Ref("write", ("text",)), page))}),
        },
        outputs={"result": Output(Ref("ok", ("note",)), STR)},
        finally_={"tidy": Step("tidy", call="desk:tidy", with_={"status": Ref("job", ("status",))})},
        secrets={"token": "env:TOKEN"},
    )
    assert (
        to_python(workflow)
        == '''\
from typing import Annotated

from murakkab import approve, call, each, finally_, first, item, job, ref, secret, use, workflow


@workflow(version="2")
def page_report(urls: Annotated[list[str], "what to read"], words: int = 100) -> str:
    """Report on pages."""
    secret("token", env="TOKEN")
    fetch = use("fetch").map(urls, url=item)
    write = call("desk:write")(pages=each(fetch, lambda one: one.page), words=words)
    ok = approve("Send {}?", write.title, form={"note": "str"}, name="ok", timeout=60)
    call("desk:send", name="first")(text=first(write.text, ref("${fetch.page}")))
    with finally_():
        call("desk:tidy")(status=job.status)
    return ok.note
'''
    )
    check_the_round(workflow)


def test_blocks_stand_as_with() -> None:
    inner = {"draft": Step("draft", call="m:draft", with_={"last": Ref("loop", ("last",)), "topic": Ref("inputs", ("topic",))})}
    block = Block(inner, {"text": Output(Ref("draft", ("text",)))})
    workflow = Workflow(
        "w",
        inputs={"topic": Input(STR)},
        steps={
            "group": Step("group", block=block, need=Need(2)),
            "empty": Step("empty", block=Block()),
            "send": Step("send", call="m:send", with_={"text": Ref("group", ("text",))}),
        },
    )
    assert (
        body_of(workflow)
        == """\
@workflow
def w(topic: str) -> None:
    with block(name="group", need=2) as group:
        draft = call("m:draft")(last=loop.last, topic=topic)
        group.outputs(text=draft.text)
    with block(name="empty"):
        pass
    call("m:send")(text=group.text)
"""
    )


def test_workflows_that_are_used_are_functions_too() -> None:
    shorten = Workflow("shorten", inputs={"text": Input(STR)}, steps={}, outputs={"result": Output(Ref("inputs", ("text",)), STR)})
    count = Workflow("count", inputs={"text": Input(STR)}, outputs={"n": Output(1, INT), "m": Output(2)})
    workflow = Workflow(
        "main",
        inputs={"texts": Input(list_of(STR))},
        steps={
            "shorten": Step("shorten", workflow="shorten", with_={"text": "long"}),
            "each": Step("each", workflow="shorten", with_={"text": Ref("item")}, for_each=(Loop("item", Ref("inputs", ("texts",))),)),
            "count": Step("count", workflow="count", with_={"text": Ref("shorten", ("result",))}),
            "odd": Step("odd", workflow="count", with_={"words": 1}),
        },
        outputs={"n": Output(Ref("count", ("n",)), INT), "all": Output(Ref("each", (WILD, "result")), list_of(STR))},
        workflows={"shorten": shorten, "count": count},
    )
    assert (
        to_python(workflow).partition("\n\n\n")[2]
        == """\
@workflow
def shorten(text: str) -> str:
    return text


@workflow
def count(text: str) -> dict[str, Any]:
    return {"n": output(1, "int"), "m": 2}


@workflow
def main(texts: list[str]) -> dict[str, Any]:
    shorten_2 = shorten(text="long")
    each_2 = shorten.with_options(name="each").map(texts)
    count_2 = count(text=shorten_2)
    subworkflow(count, name="odd")(words=1)
    return {"n": count_2.n, "all": each_2}
"""
    )
    check_the_round(workflow)


def test_other_keys_of_workflows_are_said() -> None:
    one, other = Workflow("part", steps={}), Workflow("part", version="2")
    steps = {name: Step(name, workflow=name) for name in ("b", "a", "gone")}
    workflow = Workflow("main", steps=steps, workflows={"a": one, "b": other, "c": one})
    text = body_of(workflow)
    assert '@workflow(workflows={"a": part, "b": part_2, "c": part})' in text
    assert 'subworkflow("gone")' in text
    twice = Workflow(
        "main", steps={"a": Step("a", workflow="part~2"), "b": Step("b", workflow="part")}, workflows={"part": one, "part~2": other}
    )
    assert "workflows=" in body_of(twice)
    usual = Workflow(
        "main", steps={"a": Step("a", workflow="part"), "b": Step("b", workflow="part~2")}, workflows={"part": one, "part~2": other}
    )
    assert "workflows=" not in body_of(usual)


def test_what_python_cannot_name_stands_in_options() -> None:
    workflow = Workflow(
        "two words",
        'says "hello"',
        inputs={"template": Input(STR), "class": Input(STR, description="x"), "b": Input(ANY, Ref("a"), required=False)},
        steps={
            "a-b": Step(
                "a-b", call="m:f", with_={"in": Ref("inputs", ("class",)), "x": Template(("<", Ref("inputs", ("template",)), ">"))}
            ),
            "use": Step("use", call="m:f", with_={"x": Ref("a-b", ("two words",)), "y": Ref("a-b", (WILD, WILD, "two words"))}),
        },
        outputs={"result": Output(None)},
        secrets={"s": "somewhere"},
    )
    assert (
        to_python(workflow)
        == """\
from typing import Any

from murakkab import Input, call, ref, template as template_, workflow
from murakkab.spec import WILD, Ref
from murakkab.types import parse_type


@workflow(
    name="two words",
    description='says "hello"',
    inputs={
        "class": Input(parse_type("str"), description="x"),
        "b": Input(parse_type("any"), default=Ref("a"), required=False),
    },
    secrets={"s": "somewhere"},
)
def two_words(template: str) -> dict[str, Any]:
    a_b = call("m:f", name="a-b")(**{"in": ref("${inputs.class}"), "x": template_("<{}>", template)})
    call("m:f", name="use")(x=a_b["two words"], y=Ref("a-b", (WILD, WILD, "two words")))
    return {"result": None}
"""
    )
    check_the_round(workflow)


def test_a_value_out_of_sight_is_named_as_in_files() -> None:
    """A step of the same name inside of a block hides the one outside, also when it comes later."""
    inside = {"b": Step("b", call="m:f", with_={"x": Ref("a")}), "a": Step("a", call="m:f", with_={"x": Ref("b")})}
    steps = {
        "a": Step("a", call="m:f", with_={"x": Ref("z")}),
        "block": Step("block", block=Block(inside)),
        "z": Step("z", call="m:f", with_={"x": Ref("b")}),
    }
    text = body_of(Workflow("w", steps=steps))
    given_x = [line.rpartition("(x=")[2] for line in text.splitlines() if "x=" in line]
    assert given_x == ['ref("${z}"))', 'ref("${a}"))', "b)", 'ref("${b}"))']


@pytest.mark.parametrize("step", [Step("a"), Step("a", uses="u", call="m:f"), Step("a", wait=Wait()), Step("a", wait=Wait(1, 2))])
def test_a_step_without_one_work_is_refused(step: Step) -> None:
    with pytest.raises(SpecError, match="cannot be written") as caught:
        to_python(Workflow("w", steps={"a": step}))
    assert caught.value.diagnostics[0].code == "no-work"


def test_a_description_that_no_docstring_says_is_an_option() -> None:
    for text in ("two\n\nparagraphs", "back\\slash", 'ends with "', " begins with space", 'has """ inside'):
        assert "description=" in body_of(Workflow("w", text))
    long = body_of(Workflow("w", "many words " * 40 + "end"))
    assert '    """many words' in long
    assert max(map(len, long.splitlines())) <= 120


def test_a_document_read_back_is_the_document() -> None:
    workflow = Workflow("w", steps={"a": Step("a", call="m:f", with_={"x": "${not a reference}"})})
    assert from_document(to_document(declared(to_python(workflow)))).workflow == workflow


# ------------------------------------------------------------------------------------------------------------------ layout


def test_what_does_not_fit_is_broken_from_outside() -> None:
    words = Brackets("[", tuple(quoted("word" * 5) for _ in range(6)), "]")
    code = joined("x = ", called("call", named("a", words), named("b", several(("1",)))))
    lines = ["x = call(", "    a=[", *['        "wordwordwordwordword",'] * 6, "    ],", "    b=(1,),", ")"]
    assert laid_out(code).split("\n") == lines
    assert laid_out(several(("1", "2"))) == "(1, 2)"
    assert laid_out(mapping({})) == "{}"


@given(st.text(max_size=300), st.integers(0, 60))
@settings(deadline=None)
def test_a_text_of_any_length_stays_the_text(text: str, level: int) -> None:
    source = laid_out(called("f", Text(text), mapping({"key": Text(text)})), level)
    found = eval(source, {"f": lambda one, other: (one, other)})
    assert found == (text, {"key": text})
    if text.isascii():
        assert max(map(len, source.split("\n"))) <= 120


@pytest.mark.parametrize("text", ["", "it's", 'say "a"', "'\"", "\\", "\n", "\ud800", "é"])
def test_a_literal_means_the_text(text: str) -> None:
    assert eval(quoted(text)) == text
