"""Values put together while a workflow is written down, and with real values."""

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from murakkab.composition import as_expr, contains, each, fields_of, first, flatten, size, template
from murakkab.errors import SpecError
from murakkab.expressions import compile_condition
from murakkab.placeholders import Placeholder, condition_text
from murakkab.spec import WILD, First, Ref, Template
from murakkab.types import ANY, INT, STR, Field, Type, list_of

ROW = Type("record", fields=(Field("name", STR), Field("tags", list_of(STR))), name="Row")


def placeholder(type_: Type = ANY, source: str = "step") -> Any:
    return Placeholder(Ref(source), type_)


# ---------------------------------------------------------------------------------------------------------------- as_expr


@dataclass
class Box:
    inner: Any


class Model(BaseModel):
    text: str


def test_values_become_exact_json_data() -> None:
    found = as_expr({"a": (1, 2.5, None, True), "b": Box(placeholder()), "c": Model(text="x")})
    assert found == {"a": [1, 2.5, None, True], "b": {"inner": Ref("step")}, "c": {"text": "x"}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"x", "bytes is not JSON data; put bytes into a file"),
        ({1, 2}, "set is not JSON data"),
        ({1: 2}, "the key 1 is not text"),
        (float("nan"), "nan is not a JSON number"),
        (print, "'print' is a function, not a value; call it"),
        (placeholder() == 1, "a condition cannot be handed to a step"),
        ([Box(b"x")], "bytes is not JSON data"),
    ],
)
def test_what_is_not_json_data_is_refused(value: object, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        as_expr(value)
    assert message in str(caught.value)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(SpecError, match="nested more than 60 deep"):
        as_expr(loop)


def test_only_records_have_fields() -> None:
    assert fields_of(Box(1)) == {"inner": 1}
    assert fields_of(Model(text="x")) == {"text": "x"}
    assert [fields_of(v) for v in (Box, Model, {}, [], (), "x", placeholder())] == [None] * 7


# ------------------------------------------------------------------------------------------------------------------ first


def test_first_takes_what_was_not_skipped() -> None:
    found: Any = first(placeholder(STR), "a", placeholder(STR, "other"))
    assert (found.expr__, found.type__) == (First((Ref("step"), "a", Ref("other"))), ANY)
    same: Any = first(placeholder(STR), placeholder(STR, "other"))
    assert same.type__ == STR


def test_first_of_real_values_is_the_first_that_is_there() -> None:
    assert first(None, 0, 1) == 0
    assert first(None, None) is None
    with pytest.raises(SpecError, match="nothing to choose from"):
        first()


# --------------------------------------------------------------------------------------------------------------- template


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (lambda p: template("a {} b", p), ("a ", Ref("step"), " b")),
        (lambda p: template("{x}{x}", x=p.name), (Ref("step", ("name",)), Ref("step", ("name",)))),
        (lambda p: template("{1}-{0}", p, "{p}"), ("{p}-", Ref("step"))),
        (lambda p: template("{{}} {}", p), ("{} ", Ref("step"))),
        (lambda p: template("{} {}", 1.5, p), ("1.5 ", Ref("step"))),
        (lambda p: template("<{}>", template("[{}]", p)), ("<[", Ref("step"), "]>")),
    ],
)
def test_a_template_keeps_its_holes(made: Any, parts: tuple[object, ...]) -> None:
    found = made(placeholder())
    assert (found.expr__, found.type__) == (Template(parts), STR)  # type: ignore[arg-type]


def test_a_template_of_real_values_is_text() -> None:
    assert template("Hello {name}, {}", [1, None], name="{you}") == "Hello {you}, [1, null]"


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("{", (), "cannot be read"),
        ("{}", (), "no value for the hole {0}"),
        ("{a}", (), "no value for the hole {a}"),
        ("{0.name}", (1,), "no value for the hole {0.name}"),
        ("{:>3}", (1,), "has a format"),
        ("{!r}", (1,), "has a format"),
        ("x", (1,), "nothing in the text takes the value '0'"),
        ("{}", (b"x",), "bytes is not JSON data"),
        ("{}", (first(placeholder(), 1),), "first(...) cannot be filled in"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(text: str, values: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        template(text, *values)
    assert message in str(caught.value)


# ------------------------------------------------------------------------------------------------------- each and flatten


def test_each_takes_a_part_of_every_element() -> None:
    names: Any = each(placeholder(list_of(ROW)), lambda row: row.name)
    assert (names.expr__, names.type__, names.spread__) == (Ref("step", (WILD, "name")), list_of(STR), True)


def test_flatten_makes_one_list_of_lists() -> None:
    rows: Any = flatten(placeholder(list_of(list_of(ROW))))
    assert (rows.expr__, rows.type__) == (Ref("step", (WILD, WILD)), list_of(ROW))
    tags: Any = flatten(each(rows, lambda row: row.tags))
    assert (tags.expr__, tags.type__) == (Ref("step", (WILD, WILD, "tags", WILD)), list_of(STR))


def test_with_real_values_they_do_the_real_thing() -> None:
    assert flatten([[1], [2, 3]]) == [1, 2, 3]
    assert each([Box(1), Box(2)], lambda box: box.inner) == [1, 2]


@pytest.mark.parametrize("pick", [lambda row: 1, lambda row: placeholder(), lambda row: each(row.tags, lambda tag: tag)])
def test_each_takes_nothing_but_a_part(pick: Any) -> None:
    with pytest.raises(SpecError, match="may only take a part of its element"):
        each(placeholder(list_of(ROW)), pick)


def test_an_element_does_not_leave_its_each() -> None:
    with pytest.raises(SpecError, match="used outside of its each"):
        each(placeholder(list_of(ROW)), lambda row: as_expr(row.name))


def test_each_and_flatten_take_lists_only() -> None:
    with pytest.raises(SpecError, match="str is not a list"):
        each(placeholder(STR), lambda letter: letter)
    with pytest.raises(SpecError, match="Row is not a list"):
        flatten(placeholder(list_of(ROW)))


# ---------------------------------------------------------------------------------------------------- size and contains


def test_size_and_contains_are_conditions() -> None:
    p = placeholder
    assert condition_text(size(p(list_of(INT))) > 3) == "size(step) > 3"
    assert condition_text(contains(p(list_of(STR)), "a")) == '"a" in step'
    assert condition_text(contains(p(STR), p(STR, "other"))) == "step.contains(other)"
    assert condition_text(contains(p(), "a")) == '"a" in step'


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (size(placeholder()) == 2, [1, 2]),
        (contains(placeholder(list_of(STR)), "a"), ["a"]),
        (contains(placeholder(Type("map", INT)), "a"), {"a": 1}),
        (contains(placeholder(STR), 'q"'), 'a q" b'),
    ],
)
def test_size_and_contains_hold_at_run_time(condition: object, value: object) -> None:
    assert compile_condition(condition_text(condition)).evaluate({"step": value})


def test_size_and_contains_of_real_values() -> None:
    assert size([1, 2]) == 2
    assert contains("abc", "b")


def test_a_list_of_parts_has_no_size_in_a_condition() -> None:
    with pytest.raises(SpecError, match="compute what you need in a step"):
        size(each(placeholder(list_of(ROW)), lambda row: row.name))
