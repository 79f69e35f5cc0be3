import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings

from murakkab.document import (
    digest,
    from_document,
    json_schema,
    read,
    read_gate,
    read_step,
    read_values,
    read_way,
    to_document,
    with_profile,
)
from murakkab.document.forms import KEYS, Form
from murakkab.errors import SpecError
from murakkab.load import parse
from murakkab.spec import (
    Approve,
    Block,
    CachePolicy,
    Effect,
    Goal,
    Input,
    Loop,
    Need,
    OnError,
    Otherwise,
    Output,
    Prefer,
    Ref,
    Repeat,
    Rescue,
    Retry,
    Step,
    Template,
    Wait,
    Workflow,
)
from murakkab.types import INT, parse_type
from tests.catalogs import VIDEO_WORKFLOW
from tests.strategies import workflows


def step(**fields: Any) -> tuple[Step, list[tuple[str, tuple[Any, ...]]]]:
    """Return the step `a` read from *fields*, and the codes and paths (inside it) of what is wrong."""
    read = from_document({"workflow": "w", "steps": {"a": fields}})
    assert read.workflow is not None
    return read.workflow.steps["a"], [(d.code, d.path[2:]) for d in read.diagnostics]


def wrong(document: Any) -> list[tuple[str, tuple[Any, ...]]]:
    return [(d.code, d.path) for d in from_document(document).diagnostics]


@settings(max_examples=25)
@given(workflows)
def test_a_workflow_reads_back_from_its_document(workflow: Workflow) -> None:
    document = to_document(workflow)
    assert from_document(document) == (workflow, [])
    assert from_document(json.loads(json.dumps(document))) == (workflow, [])


@settings(max_examples=25)
@given(workflows)
def test_the_digest_does_not_depend_on_the_order_of_names(workflow: Workflow) -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: backwards(v) for k, v in reversed(value.items())}
        return [backwards(v) for v in value] if isinstance(value, list) else value

    turned = from_document(backwards(to_document(workflow))).workflow
    assert turned is not None
    assert digest(turned) == digest(workflow)


def test_the_digest_changes_with_what_is_done() -> None:
    workflow = Workflow("w", steps={"a": Step("a", uses="x", with_={"n": 1})})
    others = [
        replace(workflow, name="v"),
        replace(workflow, steps={"a": Step("a", uses="x", with_={"n": 2})}),
        replace(workflow, steps={"a": Step("a", uses="x", with_={"n": 1}, for_each=(Loop("i", [1]), Loop("j", [1])))}),
        replace(workflow, steps={"a": Step("a", uses="x", with_={"n": 1}, for_each=(Loop("j", [1]), Loop("i", [1])))}),
        replace(workflow, goal=Goal(("cost", "energy"))),
        replace(workflow, goal=Goal(("energy", "cost"))),
    ]
    assert len({digest(w) for w in (workflow, *others)}) == len(others) + 1


def test_the_digest_is_the_same_for_numbers_of_either_kind() -> None:
    whole, real = (Workflow("w", steps={"a": Step("a", timeout=t, retry=Retry(delay=d))}) for t, d in ((30, 1), (30.0, 1.0)))
    assert digest(whole) == digest(real)


@pytest.mark.parametrize(
    "workflow",
    [
        Workflow("w", steps={"a": Step("a", with_={"x": object()})}),  # type: ignore[dict-item]
        Workflow("w", inputs={"a": Input(default=float("nan"), required=False)}),
        Workflow("w", outputs={"a": Output(Ref("a", ("0",)))}),
    ],
)
def test_what_has_no_json_form_is_named_by_its_path(workflow: Workflow) -> None:
    with pytest.raises(SpecError) as caught:
        to_document(workflow)
    assert [d.code for d in caught.value.diagnostics] == ["not-json"]
    assert caught.value.diagnostics[0].path[1] == "a"


#: fields of a step -> the step that they declare
SHORT_FORMS: list[tuple[dict[str, Any], Step]] = [
    ({"for_each": "${x}"}, Step("a", for_each=(Loop("item", Ref("x")),))),
    ({"for_each": [1, 2]}, Step("a", for_each=(Loop("item", [1, 2]),))),
    ({"for_each": {"$ref": "x", "path": "/0"}}, Step("a", for_each=(Loop("item", Ref("x", (0,))),))),
    ({"for_each": {"i": "${x}", "j": "${i}"}}, Step("a", for_each=(Loop("i", Ref("x")), Loop("j", Ref("i"))))),
    ({"for_each": {"$levels": [{"i": "${x}"}, {"j": "${i}"}]}}, Step("a", for_each=(Loop("i", Ref("x")), Loop("j", Ref("i"))))),
    ({"retry": 3}, Step("a", retry=Retry(attempts=3))),
    ({"retry": {"attempts": 2, "delay": "200ms"}}, Step("a", retry=Retry(attempts=2, delay=0.2))),
    ({"timeout": "5m"}, Step("a", timeout=300.0)),
    ({"timeout": 3}, Step("a", timeout=3.0)),
    ({"timeout": "1.5h"}, Step("a", timeout=5400.0)),
    ({"on_error": "skip"}, Step("a", on_error=OnError(Rescue.SKIP))),
    ({"on_error": {"default": []}}, Step("a", on_error=OnError(Rescue.DEFAULT, default=[]))),
    ({"on_error": {"fallback": "x"}}, Step("a", on_error=OnError(Rescue.FALLBACK, fallback="x"))),
    ({"cache": True}, Step("a", cache=CachePolicy())),
    ({"cache": False}, Step("a")),
    ({"cache": "1h"}, Step("a", cache=CachePolicy(3600.0))),
    ({"cache": {"ttl": "1d"}}, Step("a", cache=CachePolicy(86400.0))),
    ({"effect": "pure"}, Step("a", effect=Effect.PURE)),
    ({"after": "b"}, Step("a", after=("b",))),
    ({"after": ["b", "c"]}, Step("a", after=("b", "c"))),
    ({"for_each": {"$zip": {"i": "${x}", "j": "${y}"}}}, Step("a", for_each=(Loop("i", Ref("x"), {"j": Ref("y")}),))),
    (
        {"for_each": {"$levels": [{"i": "${x}"}, {"$zip": {"j": "${y}", "k": [1]}}]}},
        Step("a", for_each=(Loop("i", Ref("x")), Loop("j", Ref("y"), {"k": [1]}))),
    ),
    ({"repeat": 3}, Step("a", repeat=Repeat(3))),
    (
        {"repeat": {"at_most": 5, "until": "result.ok", "otherwise": "last", "delay": "2s"}},
        Step("a", repeat=Repeat(5, "result.ok", Otherwise.LAST, 2.0)),
    ),
    ({"need": 3}, Step("a", need=Need(3))),
    ({"need": "60%"}, Step("a", need=Need(share=0.6))),
    ({"need": "3 of 5"}, Step("a", need=Need(3, of=5))),
    ({"need": {"count": 3, "of": 5}}, Step("a", need=Need(3, of=5))),
    ({"does": "sum it up"}, Step("a", does="sum it up")),
    ({"workflow": "part"}, Step("a", workflow="part")),
    ({"steps": {}}, Step("a", block=Block())),
    (
        {"steps": {"b": {"uses": "x"}}, "outputs": {"o": "${b}"}},
        Step("a", block=Block({"b": Step("b", uses="x")}, {"o": Output(Ref("b"))})),
    ),
    ({"approve": "Send it?"}, Step("a", approve=Approve("Send it?"))),
    ({"approve": {"$template": "${x}?"}}, Step("a", approve=Approve(Template((Ref("x"), "?"))))),
    (
        {"approve": {"message": "Send?", "form": {"n": {"type": "int", "default": 1}, "why": "str?"}}},
        Step("a", approve=Approve("Send?", {"n": Input(INT, 1, required=False), "why": Input(parse_type("str?"))})),
    ),
    ({"wait": "30s"}, Step("a", wait=Wait(30.0))),
    ({"wait": 30}, Step("a", wait=Wait(30.0))),
    ({"wait": "${x}"}, Step("a", wait=Wait(Ref("x")))),
    ({"wait": {"$ref": "x"}}, Step("a", wait=Wait(Ref("x")))),
    ({"wait": {"for": "1m"}}, Step("a", wait=Wait(60.0))),
    ({"wait": {"until": "2030-01-31T09:00:00Z"}}, Step("a", wait=Wait(until="2030-01-31T09:00:00Z"))),
    ({"wait": {"until": "${inputs.at}"}}, Step("a", wait=Wait(until=Ref("inputs", ("at",))))),
    ({"wait": {"event": "paid", "type": {"id": "str"}}}, Step("a", wait=Wait(event="paid", type=parse_type("{id: str}")))),
    ({"prefer": {"device": "gpu", "model": "m", "executor": "x"}}, Step("a", executor="x", prefer=Prefer("gpu", "m"))),
    ({"prefer": {"executor": "x"}, "executor": "x"}, Step("a", executor="x")),
]


@pytest.mark.parametrize(("fields", "expected"), SHORT_FORMS)
def test_the_short_forms_of_a_step(fields: dict[str, Any], expected: Step) -> None:
    assert step(**fields) == (expected, [])


@pytest.mark.parametrize(
    ("fields", "mistakes"),
    [
        ({"usess": "x"}, [("unknown-field", ("usess",))]),
        ({"uses": 3}, [("wrong-form", ("uses",))]),
        ({"with": None}, [("wrong-form", ("with",))]),
        ({"with": {1: 2}}, [("wrong-form", ("with",))]),
        ({"for_each": "scenes"}, [("wrong-form", ("for_each",))]),
        ({"for_each": {}}, [("wrong-form", ("for_each",))]),
        ({"for_each": {"$levels": 3}}, [("wrong-form", ("for_each",))]),
        ({"max_parallel": True}, [("wrong-form", ("max_parallel",))]),
        ({"max_parallel": 1.5}, [("wrong-form", ("max_parallel",))]),
        ({"retry": "3"}, [("wrong-form", ("retry",))]),
        ({"retry": {"atempts": 3, "backoff": "x"}}, [("unknown-field", ("retry", "atempts")), ("wrong-form", ("retry", "backoff"))]),
        ({"timeout": "soon"}, [("bad-quantity", ("timeout",))]),
        ({"timeout": "-3s"}, [("bad-quantity", ("timeout",))]),
        ({"timeout": float("inf")}, [("bad-quantity", ("timeout",))]),
        ({"timeout": 10**400}, [("bad-quantity", ("timeout",))]),
        ({"on_error": "ignore"}, [("bad-choice", ("on_error",))]),
        ({"on_error": {"defualt": 1}}, [("unknown-field", ("on_error", "defualt"))]),
        ({"effect": "pur"}, [("bad-choice", ("effect",))]),
        ({"effect": 1}, [("bad-choice", ("effect",))]),
        ({"after": 3}, [("wrong-form", ("after",))]),
        ({"after": ["b", 3]}, [("wrong-form", ("after", 1))]),
        ({"after": ["${b}"]}, [("wrong-form", ("after", 0))]),
        ({"when": "  "}, [("bad-condition", ("when",))]),
        ({"when": True}, [("wrong-form", ("when",))]),
        ({"cache": "x"}, [("bad-quantity", ("cache",))]),
        ({"for_each": {"$zip": {}}}, [("wrong-form", ("for_each",))]),
        ({"for_each": {"$zip": {"a": [1]}, "b": [2]}}, [("wrong-form", ("for_each",))]),
        ({"repeat": "3"}, [("wrong-form", ("repeat",))]),
        ({"repeat": {"atmost": 3}}, [("unknown-field", ("repeat", "atmost"))]),
        ({"repeat": {"until": " "}}, [("bad-condition", ("repeat", "until"))]),
        ({"repeat": {"otherwise": "fial"}}, [("bad-choice", ("repeat", "otherwise"))]),
        ({"need": 0.5}, [("wrong-form", ("need",))]),
        ({"need": "most"}, [("bad-quantity", ("need",))]),
        ({"need": {"cuont": 1}}, [("unknown-field", ("need", "cuont"))]),
        ({"outputs": {"o": 1}}, [("misplaced", ("outputs",))]),
        ({"steps": []}, [("wrong-form", ("steps",))]),
        ({"steps": {"b": {"usess": "x"}, "c": 3}}, [("unknown-field", ("steps", "b", "usess")), ("wrong-form", ("steps", "c"))]),
        ({"approve": None}, [("wrong-form", ("approve",))]),
        ({"approve": {"mesage": "x"}}, [("unknown-field", ("approve", "mesage"))]),
        ({"approve": {"form": {"a": "strin"}}}, [("bad-type", ("approve", "form", "a"))]),
        ({"wait": None}, [("wrong-form", ("wait",))]),
        ({"wait": "soon"}, [("bad-quantity", ("wait",))]),
        ({"wait": {"for": "soon"}}, [("bad-quantity", ("wait", "for"))]),
        ({"wait": {"until": "tomorrow"}}, [("bad-quantity", ("wait", "until"))]),
        ({"wait": {}}, [("missing-field", ("wait",))]),
        ({"wait": {"for": 1, "event": "x"}}, [("wrong-form", ("wait",))]),
        ({"wait": {"for": 1, "type": "int"}}, [("wrong-form", ("wait", "type"))]),
        ({"prefer": {"gpu": True}}, [("unknown-field", ("prefer", "gpu"))]),
        ({"prefer": {"executor": "x"}, "executor": "y"}, [("contradiction", ("prefer", "executor"))]),
    ],
)
def test_mistakes_in_a_step(fields: dict[str, Any], mistakes: list[tuple[str, tuple[Any, ...]]]) -> None:
    assert step(**fields)[1] == mistakes


def test_what_is_right_is_kept_beside_what_is_wrong() -> None:
    found, mistakes = step(uses="x", timeout="soon", **{"with": {"n": 1}})
    assert found == Step("a", uses="x", with_={"n": 1})
    assert mistakes == [("bad-quantity", ("timeout",))]


@pytest.mark.parametrize(
    ("document", "mistakes"),
    [
        ([], [("wrong-form", ())]),
        ({}, [("missing-field", ())]),
        ({"workflow": 3}, [("wrong-form", ("workflow",))]),
        ({"workflow": "w", "stesp": {}}, [("unknown-field", ("stesp",))]),
        ({"workflow": "w", "steps": []}, [("wrong-form", ("steps",))]),
        ({"workflow": "w", "steps": {"a": 3}}, [("wrong-form", ("steps", "a"))]),
        ({"workflow": "w", "inputs": {"a": "strin"}}, [("bad-type", ("inputs", "a"))]),
        ({"workflow": "w", "inputs": {"a": {"typ": "str"}}}, [("unknown-field", ("inputs", "a", "typ"))]),
        ({"workflow": "w", "inputs": {"a": {"type": {"b": "x"}}}}, [("bad-type", ("inputs", "a", "type", "b"))]),
        ({"workflow": "w", "inputs": {"a": {"type": {"b c": "int"}}}}, [("bad-type", ("inputs", "a", "type", "b c"))]),
        (
            {"workflow": "w", "outputs": {"a": {"valeu": 1}}},
            [("unknown-field", ("outputs", "a", "valeu")), ("missing-field", ("outputs", "a"))],
        ),
        ({"workflow": "w", "outputs": {"a": {"value": 1, "optional": 1}}}, [("wrong-form", ("outputs", "a", "optional"))]),
        ({"workflow": "w", "goal": {"limits": {"latency": "x"}}}, [("bad-quantity", ("goal", "limits", "latency"))]),
        ({"workflow": "w", "goal": {"limits": {"cost": "3 EUR"}}}, [("bad-quantity", ("goal", "limits", "cost"))]),
        ({"workflow": "w", "goal": {"limits": {"latncy": 1}}}, [("unknown-field", ("goal", "limits", "latncy"))]),
        ({"workflow": "w", "goal": {"minimize": 3}}, [("wrong-form", ("goal", "minimize"))]),
        ({"workflow": "w", "version": 2}, [("wrong-form", ("version",))]),
        ({"workflow": "w", "finally": {"a": {"usess": "x"}}}, [("unknown-field", ("finally", "a", "usess"))]),
        (
            {"workflow": "w", "budget": {"cost": "3 EUR", "joules": 1}},
            [("bad-quantity", ("budget", "cost")), ("unknown-field", ("budget", "joules"))],
        ),
        ({"workflow": "w", "secrets": {"a": 3}}, [("bad-secret", ("secrets", "a"))]),
        ({"workflow": "w", "defaults": {}}, [("misplaced", ("defaults",))]),
        ({"workflow": "w", "profiles": {"dev": 3}}, [("wrong-form", ("profiles", "dev"))]),
        ({"workflow": "w", "profiles": {"dev": {"stesp": {}}}}, [("unknown-field", ("profiles", "dev", "stesp"))]),
        ({"workflow": "w", "profiles": {"dev": {"inputs": {"a": float("nan")}}}}, [("not-json", ("profiles", "dev", "inputs", "a"))]),
        ({"workflow": "w", "workflows": {"a": "./a.yaml"}}, [("wrong-form", ("workflows", "a"))]),
        ({"workflow": "w", "workflows": {"a": {"stesp": {}}}}, [("unknown-field", ("workflows", "a", "stesp"))]),
    ],
)
def test_mistakes_around_steps(document: Any, mistakes: list[tuple[str, tuple[Any, ...]]]) -> None:
    assert wrong(document) == mistakes


def test_hints_name_what_was_meant() -> None:
    found = from_document({"workflow": "w", "steps": {"a": {"use": "x", "effect": "writ"}}}).diagnostics
    assert [d.hint for d in found] == ["did you mean 'uses'?", "did you mean 'write'?"]


@pytest.mark.parametrize(
    ("where", "field", "hint"),
    [
        (
            "workflow",
            "max_parallel",
            "it is a field of a step, not of the workflow; in a file `defaults: {max_parallel: ...}` holds for every step",
        ),
        ("workflow", "retry", "it is a field of a step, not of the workflow; in a file `defaults: {retry: ...}` holds for every step"),
        ("workflow", "concurrency", "write max_parallel on a step with for_each"),
        ("workflow", "name", "write workflow: its-name"),
        ("workflow", "fnally", "did you mean 'finally'?"),
        ("step", "budget", "it is a field of the workflow, not of a step"),
        ("step", "secrets", "it is a field of the workflow, not of a step"),
        ("step", "concurrency", "write max_parallel beside for_each"),
        ("step", "inputs", "what is given stands in `with`"),
        ("step", "at_most", "it is a field of `repeat`, not of a step"),
        ("step", "model", "write prefer: {model: ..., device: ...}"),
        ("step", "latency", "it is a field of `goal.limits`, not of a step"),
        ("goal", "timeout", "it is a field of the workflow or a step, not of `goal`"),
        ("goal", "cost", "it is a field of `goal.limits` or `budget`, not of `goal`"),
        ("retry", "timeout", "it is a field of the workflow or a step, not of `retry`"),
        ("input", "required", "there are default, description, type"),
    ],
)
def test_a_field_in_a_wrong_place_is_told_where_it_belongs(where: str, field: str, hint: str) -> None:
    documents: dict[str, dict[str, Any]] = {
        "workflow": {field: 1},
        "step": {"steps": {"a": {field: 1}}},
        "retry": {"steps": {"a": {"retry": {field: 1}}}},
        "goal": {"goal": {field: 1}},
        "input": {"inputs": {"a": {field: 1}}},
    }
    found = from_document({"workflow": "w"} | documents[where]).diagnostics
    assert [(d.code, d.hint) for d in found] == [("unknown-field", hint)]


def test_every_field_has_a_home_that_hints_can_name() -> None:
    modules = (read, read_step, read_values, read_way, read_gate)
    forms = {form.what: form for module in modules for form in vars(module).values() if isinstance(form, Form)}
    assert {what: set(form.fields) for what, form in forms.items()} == {what: set(keys) for what, keys in KEYS.items()}


def test_what_stands_for_a_secret_is_never_repeated() -> None:
    found = from_document({"workflow": "w", "secrets": {"a": 123456}}).diagnostics
    assert "123456" not in "".join(map(str, found))


def test_budgets_have_units() -> None:
    budget = {"cost": "$5", "energy": "10 kJ", "tokens": "100k", "time": "10m"}
    workflow = from_document({"workflow": "w", "budget": budget}).workflow
    assert workflow is not None
    assert workflow.budget == {"cost": 5.0, "energy": 10_000.0, "tokens": 100_000.0, "time": 600.0}


def test_an_inner_workflow_is_called_as_its_key_unless_it_says_otherwise() -> None:
    workflow = from_document({"workflow": "w", "workflows": {"a": {"steps": {}}, "b": {"workflow": "other"}}}).workflow
    assert workflow is not None
    assert workflow.workflows == {"a": Workflow("a"), "b": Workflow("other")}


def test_workflows_nested_without_end_are_refused() -> None:
    data: dict[str, Any] = {}
    for _ in range(400):
        data = {"workflows": {"a": data}}
    found = from_document({"workflow": "w"} | data).diagnostics
    assert [d.code for d in found] == ["too-deep"]
    steps: dict[str, Any] = {"uses": "x"}
    for _ in range(400):
        steps = {"steps": {"a": steps}}
    assert [d.code for d in from_document({"workflow": "w"} | steps).diagnostics] == ["too-deep"]


# ---------------------------------------------------------------------------------------------------------------- profiles

_STEP = {"uses": "x", "retry": {"attempts": 3, "delay": 1}, "with": {"a": 1, "b": {"c": 1}}, "on_error": {"default": 0}}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"executor": "y"}, {"executor": "y"}),
        ({"retry": {"delay": 2}}, {"retry": Retry(3, delay=2)}),
        ({"retry": 5}, {"retry": Retry(5, delay=1)}),
        ({"retry": None}, {"retry": Retry()}),
        ({"with": {"a": None, "d": [2]}}, {"with_": {"b": {"c": 1}, "d": [2]}}),
        ({"with": {"b": {"d": 2}}}, {"with_": {"a": 1, "b": {"c": 1, "d": 2}}}),
        ({"with": {"b": "${z}"}}, {"with_": {"a": 1, "b": Ref("z")}}),
        ({"with": {"b": {"$ref": "z"}}}, {"with_": {"a": 1, "b": Ref("z")}}),
        ({"on_error": {"fallback": "y"}}, {"on_error": OnError(Rescue.FALLBACK, fallback="y")}),
        ({"uses": None, "call": "m:f"}, {"uses": "", "call": "m:f"}),
    ],
)
def test_a_profile_is_laid_over_a_workflow(change: dict[str, Any], fields: dict[str, Any]) -> None:
    workflow = from_document({"workflow": "w", "steps": {"a": _STEP}, "profiles": {"dev": {"steps": {"a": change}}}}).workflow
    assert workflow is not None
    chosen = with_profile(workflow, "dev")
    assert chosen == replace(workflow, profiles={}, steps={"a": replace(workflow.steps["a"], **fields)})


def test_a_profile_reaches_the_workflows_inside_that_have_it() -> None:
    def definition(executor: str) -> dict[str, Any]:
        return {"steps": {"s": {"uses": "x"}}, "profiles": {"dev": {"steps": {"s": {"executor": executor}}}}}

    data = {"workflow": "w", "workflows": {"a": definition("y"), "b": {"steps": {}}}, "profiles": {"dev": {"timeout": "5s"}, "prod": {}}}
    workflow = from_document(data).workflow
    assert workflow is not None
    chosen = with_profile(workflow, "dev")
    assert chosen.timeout == 5.0
    assert chosen.workflows["a"] == Workflow("a", steps={"s": Step("s", uses="x", executor="y")})
    assert not chosen.profiles
    assert with_profile(workflow, "prod").workflows["a"] == Workflow("a", steps={"s": Step("s", uses="x")})


@pytest.mark.parametrize(
    ("name", "code", "path", "hint"),
    [
        ("dve", "unknown-profile", ("profiles",), "did you mean 'dev'?"),
        ("dev", "bad-quantity", ("profiles", "dev", "steps", "a", "timeout"), "write 30s, 5m, 1h or 200ms"),
        ("new", "misplaced", ("profiles", "new", "workflow"), "leave it out"),
        ("bad", "bad-quantity", ("profiles", "bad", "defaults", "timeout"), "write 30s, 5m, 1h or 200ms"),
    ],
)
def test_a_mistake_of_a_profile_is_told_where_the_profile_makes_it(name: str, code: str, path: tuple[str, ...], hint: str) -> None:
    profiles = {
        "dev": {"steps": {"a": {"timeout": "soon"}}},
        "new": {"workflow": "v"},
        "bad": {"defaults": {"timeout": "soon"}},
    }
    workflow = replace(Workflow("w", steps={"a": Step("a", uses="x")}), profiles=profiles)
    with pytest.raises(SpecError) as caught:
        with_profile(workflow, name)
    found = {(d.code, d.path, d.hint) for d in caught.value.diagnostics}
    assert found == {(code, path, hint)}


def test_a_profile_that_is_not_chosen_stays_as_it_is_written() -> None:
    profiles = {"dev": {"steps": {"a": {"with": {"x": "${y", "$frist": None}}}, "defaults": {"retry": 3}}}
    workflow = from_document({"workflow": "w", "profiles": profiles}).workflow
    assert workflow == Workflow("w", profiles=profiles)
    assert to_document(workflow) == {"workflow": "w", "profiles": profiles}


# ------------------------------------------------------------------------------------------------------------------ values


def test_inputs_and_outputs_have_short_forms() -> None:
    read = from_document(
        {
            "workflow": "w",
            "inputs": {"a": "int", "b": {"default": None}, "c": {"type": {"x": "int", "y?": "str"}}},
            "outputs": {"a": "${s}", "b": [1], "c": {"$first": ["${s}"]}, "d": {"value": {"x": 1}, "type": "any"}},
        }
    )
    assert read.diagnostics == []
    assert read.workflow is not None
    assert read.workflow.inputs == {"a": Input(INT), "b": Input(required=False), "c": Input(parse_type("{x: int, y?: str}"))}
    assert read.workflow.outputs["a"] == Output(Ref("s"))
    assert read.workflow.outputs["d"] == Output({"x": 1})


@pytest.mark.parametrize(
    ("limit", "text", "value"),
    [
        ("latency", "60s", 60.0),
        ("latency_p90", "90s", 90.0),
        ("cost", 0.5, 0.5),
        ("cost", "$0.50", 0.5),
        ("cost", "2 USD", 2.0),
        ("energy", "500 J", 500.0),
        ("energy", "0.1 kWh", 360_000.0),
        ("quality", 0.8, 0.8),
    ],
)
def test_limits_have_units(limit: str, text: Any, value: float) -> None:
    read = from_document({"workflow": "w", "goal": {"minimize": "energy", "limits": {limit: text}}})
    assert read.workflow is not None
    assert read.workflow.goal == Goal(("energy",), {limit: value})


@cache
def _validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator
    validator.check_schema(json_schema())
    return validator(json_schema())


def test_the_schema_accepts_the_video_workflow_in_both_forms() -> None:
    import yaml

    workflow = parse(VIDEO_WORKFLOW).workflow
    assert workflow is not None
    _validator().validate(to_document(workflow))
    _validator().validate(yaml.safe_load(VIDEO_WORKFLOW.replace("list[file]", "'list[file]'")))


@settings(max_examples=25)
@given(workflows)
def test_the_schema_accepts_every_document(workflow: Workflow) -> None:
    assert [e.message for e in _validator().iter_errors(to_document(workflow))] == []


_WORK = ("uses", "call", "does", "workflow", "steps", "approve", "wait")


@pytest.mark.parametrize("fields", [fields for fields, _ in SHORT_FORMS])
def test_the_schema_accepts_the_short_forms_of_a_step(fields: dict[str, Any]) -> None:
    work = {} if any(key in fields for key in _WORK) else {"uses": "x"}
    loop = {"for_each": [1]} if "need" in fields else {}
    _validator().validate({"workflow": "w", "steps": {"a": {**work, **loop, **fields}}})


def test_the_schema_accepts_what_only_files_have() -> None:
    defaults = {"retry": 3, "timeout": "30s", "on_error": "skip", "max_parallel": 2}
    profiles = {"dev": {"steps": {"a": None}, "defaults": {"retry": None}}}
    _validator().validate({"workflow": "w", "workflows": {"a": "./a.yaml", "b": {"steps": {}}}, "defaults": defaults, "profiles": profiles})


def test_the_schema_describes_every_field() -> None:
    def bare(schema: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return where a property neither says what it is nor refers to something that does."""
        if isinstance(schema, list):
            return [found for i, one in enumerate(schema) for found in bare(one, (*path, i))]
        if not isinstance(schema, dict):
            return []
        properties = schema.get("properties", {}) if isinstance(schema.get("properties"), dict) else {}
        silent = [(*path, key) for key, one in properties.items() if one is not False and not {"description", "$ref"} & one.keys()]
        return silent + [found for key, one in schema.items() for found in bare(one, (*path, key))]

    assert bare(json_schema()) == []
    assert all("description" in one for one in json_schema()["$defs"].values())


@pytest.mark.parametrize(
    "change",
    [
        {"steps": {"a": {"uses": "x", "max_parallel": 2}}},
        {"steps": {"a": {"uses": "x", "outputs": {}}}},
        {"steps": {"a": {"uses": "x", "need": 2}}},
        {"steps": {"a": {"uses": "x", "for_each": [1], "need": "most"}}},
        {"steps": {"a": {"uses": "x", "repeat": {"until": "true"}}}},
        {"steps": {"a": {"uses": "x", "repeat": 20_000}}},
        {"steps": {"a": {"uses": "x", "for_each": {"$zip": {}}}}},
        {"steps": {"a": {"uses": "x", "workflow": "y"}}},
        {"steps": {"a": {"does": "x", "wait": "30s", "approve": "y"}}},
        {"steps": {"a": {"workflow": "x", "retry": 3}}},
        {"steps": {"a": {"approve": "x", "with": {}}}},
        {"steps": {"a": {"approve": {"mesage": "x"}}}},
        {"steps": {"a": {"wait": "30s", "repeat": 3}}},
        {"steps": {"a": {"wait": "soon"}}},
        {"steps": {"a": {"wait": {"for": 1, "event": "x"}}}},
        {"steps": {"a": {"wait": {"for": 1, "type": "int"}}}},
        {"steps": {"a": {"steps": {"b": {"usess": "x"}}}}},
        {"steps": {"a": {"uses": "x", "prefer": {"gpu": True}}}},
        {"finally": {"a": {"usess": "x"}}},
        {"version": 2},
        {"budget": {"joules": 1}},
        {"budget": {"tokens": "many"}},
        {"secrets": {"a": "hunter2"}},
        {"defaults": {"uses": "x"}},
        {"profiles": {"dev": {"stesp": {}}}},
        {"workflows": {"a": {"stesp": {}}}},
        {"stesp": {}},
        {"workflow": 3},
        {"steps": {"a": {"uses": "x", "call": "m:f"}}},
        {"steps": {"a": {"with": {}}}},
        {"steps": {"a": {"uses": "x", "retrry": 1}}},
        {"steps": {"a": {"uses": "x", "with": {"y": "a ${b}"}}}},
        {"steps": {"a": {"uses": "x", "with": {"y": {"$frist": []}}}}},
        {"steps": {"a": {"uses": "x", "timeout": "soon"}}},
        {"steps": {"a": {"uses": "x", "effect": "none"}}},
        {"steps": {"a b": {"uses": "x"}}},
        {"steps": {"a": {"uses": "x", "on_error": "ignore"}}},
        {"outputs": {"a": {"valeu": 1}}},
        {"inputs": {"a": {"typ": "str"}}},
        {"goal": {"minimize": "time"}},
        {"goal": {"limits": {"quality": 3}}},
        {"goal": {"limits": {"latency_p50": 3}}},
        {"goal": {"quality": "median"}},
    ],
)
def test_the_schema_rejects_mistakes(change: dict[str, Any]) -> None:
    assert list(_validator().iter_errors({"workflow": "w"} | change))


def test_documents_are_read_without_heavy_libraries() -> None:
    program = (
        "import sys; import murakkab.document, murakkab.references;"
        "print([m for m in ('pydantic', 'yaml', 'networkx', 'cel', 'celpy', 'jsonschema') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
