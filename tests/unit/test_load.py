import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.document import to_document
from murakkab.errors import Diagnostic
from murakkab.load import parse
from murakkab.load.scalars import plain_value
from murakkab.load.text import MAX_CHARACTERS
from murakkab.planner.check import check
from murakkab.spec import WILD, Goal, Input, Loop, Ref, Step, Workflow
from murakkab.types import FILE, INT, STR, Type, list_of, parse_type
from tests.catalogs import VIDEO_WORKFLOW, small_catalog
from tests.strategies import workflows


def found(text: str | bytes) -> list[str]:
    """Return `line:column code` for every mistake in *text*."""
    return [f"{d.place.line}:{d.place.column} {d.code}" for d in parse(text, "f.yaml").diagnostics if d.place]


def only(text: str | bytes) -> Diagnostic:
    diagnostics = parse(text, "f.yaml").diagnostics
    assert len(diagnostics) == 1, diagnostics
    return diagnostics[0]


def with_of(yaml: str) -> Any:
    """Return what YAML *yaml* gives as the input `x` of a step."""
    parsed = parse(f"workflow: w\nsteps:\n  a:\n    uses: u\n    with:\n      x: {yaml}\n")
    assert parsed.diagnostics == []
    assert parsed.workflow is not None
    return parsed.workflow.steps["a"].with_["x"]


def test_the_video_workflow_is_read() -> None:
    parsed = parse(VIDEO_WORKFLOW)
    assert parsed.diagnostics == []
    assert parsed.workflow is not None
    assert parsed.workflow.name == "video-understanding"
    assert parsed.workflow.inputs == {"videos": Input(list_of(FILE))}
    assert parsed.workflow.steps["speech"] == Step(
        "speech",
        uses="speech-to-text",
        for_each=(Loop("item", Ref("scenes", (WILD, WILD))),),
        with_={"audio": Ref("item", ("audio",))},
    )
    assert parsed.workflow.goal == Goal(("energy",), {"latency": 60.0})


@settings(max_examples=25)
@given(workflows)
def test_json_is_read_as_yaml(workflow: Workflow) -> None:
    for text in (json.dumps(to_document(workflow)), json.dumps(to_document(workflow), indent=2)):
        parsed = parse(text)
        assert (parsed.workflow, parsed.diagnostics) == (workflow, [])


def test_json_may_be_indented_with_tabs_and_hold_any_character() -> None:
    text = json.dumps({"workflow": "w", "description": 'é \U0001f600 \\ud83d \\\\ " / \t'}, indent="\t")
    parsed = parse(text)
    assert parsed.workflow == Workflow("w", 'é \U0001f600 \\ud83d \\\\ " / \t')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("+12", 12),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("1.2.3", "1.2.3"),
        (".inf", float("inf")),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_bare_words_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


@given(st.text(max_size=8))
def test_every_bare_word_has_a_value(text: str) -> None:
    plain_value(text)


def test_quoted_words_are_text() -> None:
    assert with_of('"3"') == "3"
    assert with_of("'true'") == "true"
    assert with_of('{a: [1, "2", null], b: no}') == {"a": [1, "2", None], "b": "no"}


def test_anchors_stand_for_what_they_name() -> None:
    assert with_of("[&a {n: [1]}, *a, *a]") == [{"n": [1]}] * 3


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("{type: list[file]}", list_of(FILE)),
        ("{type: map[list[{a: int, b?: str}]]}", Type("map", list_of(parse_type("{a: int, b?: str}")))),
        ("list[{a: int}]", list_of(parse_type("{a: int}"))),
        ("{type: {a: int, b: list[str]}}", parse_type("{a: int, b: list[str]}")),
        ('{type: "list[file]", description: "a list[x, y] of {things}"}', list_of(FILE)),
        ("{type: list[int], default: [1, 2]}", list_of(INT)),
    ],
)
def test_types_need_no_quotes(text: str, of: Type) -> None:
    parsed = parse(f"workflow: w\ninputs:\n  a: {text}\n")
    assert parsed.diagnostics == []
    assert parsed.workflow is not None
    assert parsed.workflow.inputs["a"].type == of


def test_text_that_looks_like_a_type_stays_as_it_is() -> None:
    for text in ("a list[x, y]: {z}?", "list[", "map[a]b]", "the map[int] and \ue000"):
        assert with_of(json.dumps(text)) == text
    assert with_of("a list[x, y] of map[z]") == "a list[x, y] of map[z]"


def test_every_mistake_is_reported_at_once_with_its_place() -> None:
    text = """\
workflow: w
stesp: {}
inputs: {n: int, s: strin}
steps:
  a: {uses: x, retrry: 3, timeout: soon}
  b: 4
  c:
    uses: x
    with:
      y: a ${b}
    for_each:
    - 1
    - ${z z}
goal: {limits: {latency: fast}}
"""
    assert found(text) == [
        "2:1 unknown-field",
        "3:21 bad-type",
        "5:16 unknown-field",
        "5:36 bad-quantity",
        "6:6 wrong-form",
        "10:10 bad-reference",
        "13:7 bad-reference",
        "14:26 bad-quantity",
    ]


def test_equal_keys_are_an_error_at_the_second() -> None:
    text = "workflow: w\nsteps:\n  a: {uses: x}\n  a: {uses: y, with: {n: {m: 1, m: 2}}}\n"
    assert found(text) == ["4:3 duplicate-key"]
    assert "line 3" in only(text).hint
    workflow = parse(text).workflow
    assert workflow is not None
    assert workflow.steps["a"].uses == "x"


def test_places_are_not_moved_by_types_before_them() -> None:
    assert found("workflow: w\ninputs: {a: {type: list[file]}, b: {typ: str}}\n") == ["2:37 unknown-field"]


def test_report_adds_places_and_leaves_out_what_follows_from_a_mistake() -> None:
    parsed = parse("workflow: w\nsteps:\n  a: {usess: x, with: {y: 'a${b}'}}\n  b: {uses: x}\n", "f.yaml")
    more = [
        Diagnostic("no-work", "", path=("steps", "a")),
        Diagnostic("type-mismatch", "", path=("steps", "a", "with", "y")),
        Diagnostic("unknown-capability", "", path=("steps", "b", "uses")),
        Diagnostic("cycle", "", path=("steps", "a")),
        Diagnostic("unknown-input", "", path=("steps", "a", "with", "y", 3, "z")),
    ]
    assert [str(d).partition(": ")[0] + " " + d.code for d in parsed.report(more)] == [
        "f.yaml:3:3 cycle",
        "f.yaml:3:7 unknown-field",
        "f.yaml:3:27 bad-reference",
        "f.yaml:4:13 unknown-capability",
    ]


@pytest.mark.parametrize(
    ("text", "place", "code", "words"),
    [
        ("a: !!python/object:os.system x", "1:4", "syntax", "tag"),
        ("a: !local x", "1:4", "syntax", "tag"),
        ("workflow: w\n---\nworkflow: v\n", "2:1", "syntax", "second document"),
        ("steps:\n\ta: 1", "2:1", "syntax", "tab"),
        ("a: [1, 2", "1:4", "syntax", "flow sequence"),
        ("a: {b: ${x}}", "1:9", "syntax", "quotes"),
        ("a: *nope", "1:4", "syntax", "no anchor"),
        ("a: &a [*a]", "1:8", "too-many-aliases", "inside"),
        ("? [a, b]\n: 1", "1:3", "syntax", "key"),
        ("&x {}: 1", "1:1", "syntax", "key"),
        ("a: &x {}\n*x : 1", "2:1", "syntax", "key"),
        ("a: \x00", "1:4", "syntax", "character"),
        ("[" * 100, "1:61", "too-deep", "60 deep"),
        ("a: \ud800", "1:4", "not-text", "half"),
        (b"a: \xff", "1:4", "not-text", "UTF-8"),
        (b"workflow: w\n\xe9: 1", "2:1", "not-text", "UTF-8"),
        ("", "1:1", "wrong-form", "mapping"),
        ("- a", "1:1", "wrong-form", "mapping"),
        ("just text", "1:1", "wrong-form", "mapping"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_one_diagnostic(text: str | bytes, place: str, code: str, words: str) -> None:
    diagnostic = only(text)
    assert diagnostic.code == code
    assert f"f.yaml:{place}" == str(diagnostic.place)
    assert words in f"{diagnostic.message} {diagnostic.hint}"
    assert parse(text).workflow is None


def _bomb() -> str:
    return "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "x" * MAX_CHARACTERS, "too-large"),
        (b"a: " + b"x" * MAX_CHARACTERS, "too-large"),
        (_bomb(), "too-many-aliases"),
        ("[" * 400_000, "too-deep"),
        ("{a: " * 200_000, "too-deep"),
        ("- " * 400_000, "too-deep"),
        ("".join(" " * i + "a:\n" for i in range(1200)), "too-deep"),
        ("a: " + "list[" * 150_000, "wrong-form"),
        ("? " * 300_000, "syntax"),
    ],
)
def test_hostile_text_is_refused_in_bounded_time(text: str | bytes, code: str) -> None:
    start = time.perf_counter()
    codes = {d.code for d in parse(text).diagnostics}
    assert codes & {code, "syntax", "unknown-field"}
    assert time.perf_counter() - start < 5


def test_thousands_of_mistakes_take_seconds_at_most_and_a_thousand_are_told() -> None:
    start = time.perf_counter()
    text = "workflow: w\nsteps:\n" + "".join(f"  s{i}: {{usess: x}}\n" for i in range(3_000))
    first, *rest = parse(text).diagnostics
    assert (first.code, len(rest), rest[0].place and rest[0].place.line) == ("too-many", 1_000, 3)
    assert time.perf_counter() - start < 5


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse("\ufeffworkflow: w\n".encode()).workflow == Workflow("w")


@given(st.text("ab:-[]{},#&*!|>'\"%@`?\n \t$0.", max_size=40))
def test_any_text_gives_a_result_with_places(text: str) -> None:
    parsed = parse(text, "f")
    assert parsed.workflow is not None or parsed.diagnostics
    assert all(d.place and d.place.line >= 1 and d.place.column >= 1 for d in parsed.diagnostics)


def test_numbers_that_json_lacks_are_named() -> None:
    assert found("workflow: w\nsteps:\n  a: {uses: x, with: {n: .inf}}\n") == ["3:26 not-json"]


def test_a_string_stays_of_type_text() -> None:
    parsed = parse("workflow: w\ninputs: {a: {type: str, default: yes}}\n")
    assert parsed.workflow is not None
    assert parsed.workflow.inputs["a"] == Input(STR, "yes", required=False)


def test_what_a_broken_operator_would_give_is_no_mistake_of_its_own() -> None:
    """Every reference that could not be read was also told to be null where text is wanted."""
    for broken in ("{$template: 'x ${'}", "{$first: []}", "{$tmpl: x}", "{$ref: a, path: foo}"):
        parsed = parse(f"workflow: w\nsteps:\n  a: {{uses: text-summary, with: {{text: {broken}}}}}\n")
        assert len(parsed.diagnostics) == 1
        assert parsed.workflow is not None
        assert parsed.report(check(parsed.workflow, small_catalog(), {})) == parsed.diagnostics
