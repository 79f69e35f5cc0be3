import time
from typing import Any

import pytest
from hypothesis import given

from murakkab.errors import Diagnostic
from murakkab.references import (
    RefSyntaxError,
    parse_expr,
    parse_pointer,
    parse_ref,
    refs_in,
    type_at,
    write_expr,
    write_pointer,
)
from murakkab.spec import WILD, First, Ref, Template
from murakkab.types import ANY, INT, STR, Type, list_of, optional, parse_type
from tests.strategies import exprs, hole_refs, refs


def read(data: Any) -> tuple[Any, list[Diagnostic]]:
    problems: list[Diagnostic] = []
    return parse_expr(data, problems=problems), problems


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("${scenes}", Ref("scenes")),
        ("${inputs.name}", Ref("inputs", ("name",))),
        ("${scenes[0].audio}", Ref("scenes", (0, "audio"))),
        ("${scenes[*][*].audio-track}", Ref("scenes", (WILD, WILD, "audio-track"))),
        ("${ inputs.n }", Ref("inputs", ("n",))),
    ],
)
def test_a_reference_is_read(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref


@pytest.mark.parametrize(
    "text", ["", "${}", "${1a}", "${a.}", "${a[-1]}", "${a[x]}", "${a b}", "${a}}", "${a", "x${a}", "${a[9999999999]}"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(RefSyntaxError):
        parse_ref(text)


def test_two_braces_are_named_as_the_mistake() -> None:
    with pytest.raises(RefSyntaxError) as caught:
        parse_ref("${{ inputs.x }}")
    assert "single braces" in caught.value.hint


@given(hole_refs)
def test_a_reference_reads_back_from_its_yaml_form(ref: Ref) -> None:
    assert parse_ref(str(ref)) == ref


@given(refs)
def test_a_path_reads_back_from_its_pointer(ref: Ref) -> None:
    assert parse_pointer(write_pointer(ref.path)) == ref.path


@given(exprs)
def test_an_expression_reads_back_from_what_was_written(expr: Any) -> None:
    assert read(write_expr(expr)) == (expr, [])


@pytest.mark.parametrize(
    ("data", "expr"),
    [
        ("plain $ and {}", "plain $ and {}"),
        ("$${x}", "${x}"),
        ("a $${x} b", "a ${x} b"),
        ("$$$${x}", "$${x}"),
        ({"$ref": "a", "path": "/0/*/b~1c"}, Ref("a", (0, WILD, "b/c"))),
        ({"$ref": "a"}, Ref("a")),
        ({"$template": "a ${b.c}$$${d} $${e} $"}, Template(("a ", Ref("b", ("c",)), "$", Ref("d"), " ${e} $"))),
        ({"$template": ""}, Template(())),
        ({"$first": ["${a}", 1]}, First((Ref("a"), 1))),
        ({"$$ref": "a"}, {"$ref": "a"}),
        ({"a": ["${b}"]}, {"a": [Ref("b")]}),
    ],
)
def test_expressions_are_read(data: Any, expr: Any) -> None:
    assert read(data) == (expr, [])


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        ("a ${b}", "bad-reference", ()),
        ("${a}${b}", "bad-reference", ()),
        ("$$${a}", "bad-reference", ()),
        ({"x": ["${a.}"]}, "bad-reference", ("x", 0)),
        ({"$template": "a ${b"}, "bad-reference", ("$template",)),
        ({"$template": 3}, "bad-reference", ("$template",)),
        ({"$first": []}, "bad-reference", ("$first",)),
        ({"$first": [1, "x${a}"]}, "bad-reference", ("$first", 1)),
        ({"$ref": "a b"}, "bad-reference", ("$ref",)),
        ({"$ref": "a", "path": "x"}, "bad-reference", ("path",)),
        ({"$ref": "a", "path": 3}, "bad-reference", ("path",)),
        ({"$frist": [1]}, "unknown-operator", ("$frist",)),
        ({"$ref": "a", "more": 1}, "unknown-operator", ("more",)),
        (float("inf"), "not-json", ()),
        ({1: 2}, "not-json", ()),
        ({"a": {1, 2}}, "not-json", ("a",)),
    ],
)
def test_mistakes_are_named_by_their_path(data: Any, code: str, path: tuple[Any, ...]) -> None:
    _, problems = read(data)
    assert [(p.code, p.path) for p in problems] == [(code, path)]


@pytest.mark.parametrize("operator", ["$zip", "$levels"])
def test_an_operator_of_loops_is_told_where_it_stands(operator: str) -> None:
    _, problems = read({operator: []})
    assert [(p.code, p.hint) for p in problems] == [("unknown-operator", f"{operator} stands at the top of for_each")]


def test_text_around_a_reference_hints_at_templates() -> None:
    _, problems = read("Hello ${inputs.name}")
    assert "{$template: 'Hello ${inputs.name}'}" in problems[0].hint


def test_data_nested_without_end_is_refused() -> None:
    data: Any = 1
    for _ in range(500):
        data = [data]
    assert [p.code for p in read(data)[1]] == ["too-deep"]


def test_reading_long_text_takes_linear_time() -> None:
    start = time.perf_counter()
    for text in ("$" * 200_000, "${" * 100_000, "$${" * 60_000, "${a" + "[0]" * 60_000):
        read(text)
        read({"$template": text})
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("expr", [Ref("a", ("0",)), Ref("a", ("*",)), float("nan"), Template((Ref("a", ("b c",)),)), object()])
def test_what_has_no_json_form_is_refused(expr: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        write_expr(expr)


def test_refs_in_finds_every_reference_in_order() -> None:
    a, b, c, d = (Ref(name) for name in "abcd")
    assert list(refs_in({"x": [a, Template(("t", b))], "y": First((c, {"z": d}))})) == [a, b, c, d]


SCENE = parse_type("{audio: file, note?: str, tags: list[str]}")


@pytest.mark.parametrize(
    ("of", "path", "found"),
    [
        (list_of(SCENE), (0, "audio"), parse_type("file")),
        (list_of(SCENE), (WILD, "audio"), parse_type("list[file]")),
        (list_of(list_of(SCENE)), (WILD, WILD), list_of(SCENE)),
        (list_of(SCENE), (WILD, "tags", WILD), list_of(STR)),
        (list_of(SCENE), (WILD, "tags"), list_of(list_of(STR))),
        (SCENE, ("note",), optional(STR)),
        (optional(SCENE), ("tags",), optional(list_of(STR))),
        (optional(list_of(INT)), (WILD,), list_of(INT)),
        (ANY, ("a", 0, "b"), ANY),
        (ANY, (WILD, "b"), list_of(ANY)),
        (Type("map", INT), ("x",), INT),
        (parse_type("file"), ("size",), optional(INT)),
    ],
)
def test_type_at_follows_a_path(of: Type, path: tuple[Any, ...], found: Type) -> None:
    assert type_at(of, path) == found


@pytest.mark.parametrize(
    ("of", "path", "reason"),
    [
        (list_of(SCENE), ("audio",), "[*].audio"),
        (SCENE, ("audoi",), "did you mean 'audio'?"),
        (SCENE, (0,), "not a list"),
        (STR, (WILD,), "[*] finds nothing"),
        (INT, ("x",), "no field 'x'"),
    ],
)
def test_type_at_says_why_there_is_nothing(of: Type, path: tuple[Any, ...], reason: str) -> None:
    found = type_at(of, path)
    assert isinstance(found, str)
    assert reason in found


def test_a_hole_may_follow_an_escaped_one_at_once() -> None:
    """A template whose text ends in `${` was read as one long escaped hole."""
    template = Template(("${", Ref("A")))
    assert parse_expr(write_expr(template), problems=[]) == template
