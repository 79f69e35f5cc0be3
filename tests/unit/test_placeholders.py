"""What can be done with a value that is not there yet, and what says clearly that it cannot."""

import operator
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.diagnostics import CODES
from murakkab.errors import SpecError
from murakkab.expressions import compile_condition
from murakkab.placeholders import Formula, Placeholder, condition_text, every, literal
from murakkab.spec import WILD, First, Ref
from murakkab.types import ANY, BOOL, FLOAT, INT, STR, Field, Type, list_of, optional

PAGE = Type("record", fields=(Field("title", STR), Field("in", INT), Field("links", list_of(STR))), name="Page")


def placeholder(type_: Type = ANY, *path: str | int) -> Any:
    return Placeholder(Ref("step", path), type_)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(SpecError) as caught:
        act()
    (found,) = caught.value.diagnostics
    assert found.hint
    assert found.code in CODES
    assert found.place is not None
    assert found.place.file == __file__
    return found.code


def test_parts_extend_the_path_and_know_their_type() -> None:
    page = placeholder(PAGE)
    assert (page.title.expr__, page.title.type__) == (Ref("step", ("title",)), STR)
    assert (page["links"][0].expr__, page["links"][0].type__) == (Ref("step", ("links", 0)), STR)
    assert placeholder(Type("map", INT))["any key"].type__ == INT
    assert placeholder(ANY).a.b[1].type__ == ANY


def test_a_part_of_what_may_be_null_may_be_null() -> None:
    assert placeholder(optional(PAGE)).title.type__ == optional(STR)


@pytest.mark.parametrize(
    ("code", "act"),
    [
        ("no-such-field", lambda: placeholder(PAGE).titel),
        ("no-such-field", lambda: placeholder(PAGE)[0]),
        ("no-such-field", lambda: placeholder(list_of(STR))["a"]),
        ("no-such-field", lambda: placeholder(STR).upper()),
        ("no-such-field", lambda: placeholder(optional(PAGE)).titel),
        ("no-such-field", lambda: placeholder(list_of(STR))[-1]),
        ("no-such-field", lambda: placeholder(list_of(STR))[0:2]),
        ("no-such-field", lambda: placeholder()[True]),
        ("no-such-field", lambda: placeholder()[placeholder()]),
        ("no-such-field", lambda: placeholder()["0"]),
        ("no-such-field", lambda: placeholder()["*"]),
        ("part-of-many", lambda: Placeholder(Ref("s", (WILD,)), list_of(PAGE), spread=True)[0]),
        ("part-of-many", lambda: Placeholder(First((1, 2)), PAGE).title),
        ("part-of-many", lambda: every(Placeholder(First((1, 2)), list_of(PAGE)))),
        ("not-a-list", lambda: every(placeholder(STR))),
    ],
)
def test_a_part_that_is_not_there_is_refused(code: str, act: Callable[[], object]) -> None:
    assert code_of(act) == code


@pytest.mark.parametrize(
    "act",
    [
        bool,
        lambda p: not p,
        lambda p: p and 1,
        lambda p: 1 < p < 3,
        list,
        lambda p: [*p],
        len,
        lambda p: 1 in p,
        str,
        lambda p: f"{p}",
        lambda p: f"{p:>3}",
        "{}".format,
        int,
        float,
        round,
        lambda p: [1][p],
        lambda p: {p: 1},
        lambda p: p(),
        lambda p: operator.setitem(p, "a", 1),
        lambda p: p + 1,
        lambda p: 1 + p,
        lambda p: p * p,
        lambda p: "a" + p,
        lambda p: -p,
        abs,
        lambda p: p**2,
        lambda p: True & p,
        lambda p: p ^ p,
        lambda p: p.__await__(),
    ],
)
def test_what_needs_the_value_itself_is_refused(act: Callable[[Any], object]) -> None:
    assert code_of(lambda: act(placeholder())) == "not-there-yet"
    assert code_of(lambda: act(Formula("a == 1", BOOL))) == "not-there-yet"


def test_a_placeholder_can_be_looked_at() -> None:
    assert repr(placeholder(PAGE).title) == "<placeholder ${step.title}: str>"
    assert repr(placeholder() == 1) == "<condition step == 1>"
    assert not hasattr(placeholder(), "__dataclass_fields__")


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("step == 1", lambda p: p == 1),
        ("step != null", lambda p: p != None),  # noqa: E711
        ("step.a < 1.5", lambda p: p.a < 1.5),
        ("step[0] <= -3", lambda p: p[0] <= -3),
        ('step["in"] > "x"', lambda p: p["in"] > "x"),
        ('step["two words"] >= true', lambda p: p["two words"] >= True),
        ("step > 3", lambda p: 3 < p),  # noqa: SIM300
        ("step.a == step.b", lambda p: p.a == p.b),
        ("(step == 1) == (step == 2)", lambda p: (p == 1) == (p == 2)),
        ("((step == 1) && (step.ok)) || (!(step == 2))", lambda p: (p == 1) & p.ok | ~(p == 2)),
    ],
)
def test_operators_write_a_condition(text: str, build: Callable[[Any], object]) -> None:
    assert condition_text(build(placeholder())) == text


def test_a_bool_value_is_a_condition_and_another_is_not() -> None:
    assert condition_text(placeholder(BOOL, "ok")) == "step.ok"
    assert code_of(lambda: condition_text(placeholder(INT))) == "condition-type"
    assert code_of(lambda: condition_text(Formula("size(a)", INT))) == "condition-type"
    assert code_of(lambda: placeholder(STR) & placeholder(BOOL)) == "condition-type"


def test_a_condition_that_python_has_decided_is_refused() -> None:
    assert code_of(lambda: condition_text(placeholder() is None)) == "condition-decided"


@pytest.mark.parametrize("constant", [[1], object(), float("nan"), float("inf"), 2**63, -(2**63)])
def test_a_constant_that_conditions_cannot_hold_is_refused(constant: object) -> None:
    assert code_of(lambda: placeholder() == constant) == "condition-type"


def test_a_list_of_parts_is_not_compared() -> None:
    assert code_of(lambda: Placeholder(Ref("s", (WILD,)), list_of(INT), spread=True) == 1) == "condition-type"
    assert code_of(lambda: Placeholder(First((1, 2)), INT) == 1) == "condition-type"


def test_an_enum_is_compared_by_its_value() -> None:
    class Colour(Enum):
        RED = "red"

    assert condition_text(placeholder() == Colour.RED) == 'step == "red"'


@given(st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text())
def test_a_constant_means_itself_in_a_condition(constant: Any) -> None:
    try:
        constant.encode() if isinstance(constant, str) else None
    except UnicodeEncodeError:
        return
    condition = compile_condition(condition_text(placeholder() == constant))
    assert condition.evaluate({"step": constant})
    assert not condition.evaluate({"step": [constant]})
    assert literal(constant) in condition.source


@given(st.text(min_size=1).filter(lambda name: not name.isdigit() and name != "*"), st.integers())
def test_any_field_can_be_reached_in_a_condition(name: str, value: int) -> None:
    condition = compile_condition(condition_text(placeholder()["record"][name] == 1))
    assert condition.evaluate({"step": {"record": {name: 1, f"{name}2": value}}})


def test_numbers_compare_by_value_whatever_their_type() -> None:
    assert compile_condition(condition_text(placeholder(FLOAT) == 3)).evaluate({"step": 3.0})
