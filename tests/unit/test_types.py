from typing import Any

import pytest
from hypothesis import given

from murakkab.types import (
    ANY,
    BOOL,
    FILE,
    FLOAT,
    INT,
    NULL,
    STR,
    Field,
    Type,
    TypeSyntaxError,
    checker,
    field_type,
    list_of,
    mismatch,
    optional,
    parse_type,
    type_text,
    why_not,
)
from tests.strategies import types


@given(types)
def test_a_type_reads_back_from_its_text(of: Type) -> None:
    assert parse_type(type_text(of)) == of


@given(types)
def test_every_type_fits_itself_any_and_its_optional(of: Type) -> None:
    assert why_not(of, of) == ""
    assert why_not(ANY, of) == ""
    assert why_not(of, ANY) == ""
    assert why_not(optional(of), of) == ""


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("str", STR),
        (" list [ file ] ", list_of(FILE)),
        ("list", list_of(ANY)),
        ("map[int]?", optional(Type("map", INT))),
        ("{a: int, b?: list[str]?,}", Type("record", fields=(Field("a", INT), Field("b", optional(list_of(STR)), optional=True)))),
        ("{}", Type("record")),
        ("{a-b: any?}", Type("record", fields=(Field("a-b", ANY),))),
    ],
)
def test_types_are_read(text: str, of: Type) -> None:
    assert parse_type(text) == of


@pytest.mark.parametrize(
    "text", ["", "string", "list[", "list[int", "int]", "{a}", "{a: int b: int}", "{a: int, a: int}", "{1: int}", "int??", "{é: int}"]
)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(TypeSyntaxError):
        parse_type(text)


@pytest.mark.parametrize("text", ["list[" * 30 + "int" + "]" * 30, "{a: int, " * 3000, "x" * 10_000])
def test_hostile_types_are_refused(text: str) -> None:
    with pytest.raises(TypeSyntaxError):
        parse_type(text)


def test_the_name_of_a_record_is_for_messages_alone() -> None:
    named = Type("record", fields=(Field("a", INT),), name="thing")
    assert str(list_of(named)) == "list[thing]"
    assert type_text(list_of(named)) == "list[{a: int}]"
    assert named == Type("record", fields=(Field("a", INT),))


@pytest.mark.parametrize(
    ("want", "got", "reason"),
    [
        ("float", "int", ""),
        ("int", "float", "int is wanted, float is given"),
        ("str?", "null", ""),
        ("str", "str?", "str is wanted, str? is given"),
        ("list[float]", "list[int]", ""),
        ("list[int]", "list[str]", "its elements: int is wanted, str is given"),
        ("{a: int}", "{a: int, b: str}", ""),
        ("{a: int, b: str}", "{a: int}", "field 'b' of {a: int, b: str} may be missing in {a: int}"),
        ("{a: int}", "{a?: int}", "field 'a' of {a: int} may be missing in {a?: int}"),
        ("{a?: int}", "{}", ""),
        ("{a?: int}", "{a: str}", "field 'a': int is wanted, str is given"),
        ("map[int]", "{a: int, b: str}", "field b: int is wanted, str is given"),
        ("file", "str", "file is wanted, str is given"),
    ],
)
def test_why_not_says_why_one_type_cannot_stand_for_another(want: str, got: str, reason: str) -> None:
    assert why_not(parse_type(want), parse_type(got)) == reason


@pytest.mark.parametrize(
    ("want", "value", "reason"),
    [
        ("float", 3, ""),
        ("int", True, "int is wanted, bool is given"),
        ("bool", True, ""),
        ("null", None, ""),
        ("str?", None, ""),
        ("any", object(), ""),
        ("list[int]", (1, 2), ""),
        ("list[{score: float}]", [{"score": 1}, {"score": "x"}], "[1].score: float is wanted, str is given"),
        ("map[int]", {"a": None}, ".a: int is wanted, null is given"),
        ("{a: int}", {}, "field 'a' of {a: int} is missing"),
        ("{a?: int}", {}, ""),
        ("file", {"uri": "x"}, ""),
        ("file", {"path": "x"}, "a file is wanted: it has a text field 'uri'"),
        ("file", "x", "file is wanted, str is given"),
        ("list[int]", {}, "list[int] is wanted, a record is given"),
    ],
)
def test_mismatch_says_where_a_value_does_not_fit(want: str, value: Any, reason: str) -> None:
    assert mismatch(parse_type(want), value) == reason


@pytest.mark.parametrize("of", [STR, INT, BOOL, FLOAT, list_of(INT)])
@pytest.mark.parametrize("value", ["x", 1, 1.5, True, None, [1], ["x"]])
def test_a_checker_says_what_mismatch_says(of: Type, value: Any) -> None:
    check = checker(of)
    assert check is not None
    assert check(value) == mismatch(of, value)


def test_nothing_is_checked_where_everything_fits() -> None:
    assert checker(ANY) is None


@pytest.mark.parametrize(
    ("of", "name", "found"),
    [
        (FILE, "uri", STR),
        (FILE, "sha256", optional(STR)),
        (FILE, "name", None),
        (ANY, "x", ANY),
        (Type("map", INT), "x", INT),
        (parse_type("{a?: int}"), "a", optional(INT)),
        (NULL, "a", None),
    ],
)
def test_field_type(of: Type, name: str, found: Type | None) -> None:
    assert field_type(of, name) == found


def test_a_type_that_stops_short_says_so() -> None:
    with pytest.raises(TypeSyntaxError, match="a type is missing at the end"):
        parse_type("list[")
