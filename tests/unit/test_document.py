import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings

from murakkab.document import digest, from_document, json_schema, to_document
from murakkab.errors import SpecError
from murakkab.load import parse
from murakkab.spec import CachePolicy, Effect, Goal, Input, Loop, OnError, Output, Ref, Rescue, Retry, Step, Workflow
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


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
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
    ],
)
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
        ({"after": ["${b}"]}, [("wrong-form", ("after",))]),
        ({"when": "  "}, [("bad-condition", ("when",))]),
        ({"when": True}, [("wrong-form", ("when",))]),
        ({"cache": "x"}, [("bad-quantity", ("cache",))]),
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
    ],
)
def test_mistakes_around_steps(document: Any, mistakes: list[tuple[str, tuple[Any, ...]]]) -> None:
    assert wrong(document) == mistakes


def test_hints_name_what_was_meant() -> None:
    found = from_document({"workflow": "w", "steps": {"a": {"use": "x", "effect": "writ"}}}).diagnostics
    assert [d.hint for d in found] == ["did you mean 'uses'?", "did you mean 'write'?"]


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


@pytest.mark.parametrize(
    "change",
    [
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
