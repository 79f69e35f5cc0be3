"""What an expression is worth, given what is known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.references import forgiving, type_at
from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed, matches, select, value_of
from murakkab.spec import WILD, Maybe, Ref
from murakkab.types import list_of, mismatch, parse_type
from tests.fakes import expr

KNOWN = {
    "inputs": {"name": "Ada", "xs": [1, 2]},
    "scenes": [{"audio": "a0", "words": ["x", "y"]}, {"audio": "a1", "words": []}],
    "gone": SKIPPED,
    "text": "${inputs.name}",
}


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("${inputs.name}", "Ada"),
        ("${scenes[1].audio}", "a1"),
        ("${scenes[*].audio}", ["a0", "a1"]),
        ("${scenes[*].words[*]}", ["x", "y"]),
        ({"a": ["${inputs.xs}", 1, None]}, {"a": [[1, 2], 1, None]}),
        ({"$template": "Hello ${inputs.name}, ${inputs.xs} $${x}"}, "Hello Ada, [1, 2] ${x}"),
        ({"$first": ["${gone}", "${inputs.name}"]}, "Ada"),
        ({"$first": [{"deep": ["${gone}"]}, {"$first": ["${gone.x}", 3]}]}, 3),
        (1.5, 1.5),
        ([], []),
    ],
)
def test_the_value_of_an_expression(data: Any, value: Any) -> None:
    assert value_of(expr(data), {}, KNOWN) == value


def test_substituted_data_is_never_scanned_again() -> None:
    assert value_of(expr("${text}"), {}, KNOWN) == "${inputs.name}"
    assert value_of(expr({"$template": "<${text}>"}), {}, KNOWN) == "<${inputs.name}>"


def test_text_is_filled_in_as_it_is_and_data_as_json() -> None:
    known = {"a": {"t": "ä\n", "n": None, "b": True, "d": {"k": "ü"}}}

    assert value_of(expr({"$template": "${a.t}|${a.n}|${a.b}|${a.d}"}), {}, known) == 'ä\n|null|true|{"k": "ü"}'


def test_loop_variables_come_first() -> None:
    assert value_of(Ref("item", ("x",)), {"item": {"x": 1}}, {"item": {"x": 2}}) == 1


@pytest.mark.parametrize("data", ["${gone}", "${gone.x[0]}", {"a": ["${gone}"]}, {"$template": "${gone}"}, {"$first": ["${gone}"]}])
def test_what_was_skipped_has_no_value(data: Any) -> None:
    with pytest.raises(InputSkipped):
        value_of(expr(data), {}, KNOWN)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("${inputs.age}", "there is no field 'age'; there is name, xs"),
        ("${inputs.xs[2]}", "there is no element 2; the list has 2"),
        ("${inputs.name.x}", ".x needs a record, not str"),
        ("${inputs.xs.x}", ".x needs a record, not a list"),
        ("${inputs[0]}", "[0] needs a list, not a record"),
        ("${inputs[*]}", "[*] needs a list, not a record"),
        ("${scenes[*].audio[*]}", "[*] needs a list, not str"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(data: str, reason: str) -> None:
    with pytest.raises(ReferenceFailed) as caught:
        value_of(expr(data), {}, KNOWN)

    assert str(caught.value) == reason


def test_null_has_no_fields() -> None:
    with pytest.raises(ReferenceFailed, match=r"\.x needs a record, not null"):
        select(None, ("x",))


def test_matches_tell_the_places_that_their_wildcards_took() -> None:
    assert list(matches([[1, 2], [], [3]], (WILD, WILD))) == [((0, 0), 1), ((0, 1), 2), ((2, 0), 3)]
    assert list(matches({"a": 1}, ("a",))) == [((), 1)]


def test_a_value_is_handed_on_and_not_copied_or_changed() -> None:
    assert value_of(expr("${scenes}"), {}, KNOWN) is KNOWN["scenes"]


def test_data_without_a_json_form_does_not_fit_into_a_template() -> None:
    with pytest.raises(ReferenceFailed, match="a template takes text and JSON data"):
        value_of(expr({"$template": "${a}"}), {}, {"a": object()})


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({}, (Maybe("x"),), None),
        ({"x": None}, (Maybe("x"), Maybe("y"), Maybe(3)), None),
        ({"x": {"y": [1, 2]}}, (Maybe("x"), Maybe("y"), Maybe(1)), 2),
        (None, (Maybe(WILD),), []),
        ({}, (Maybe("x"), Maybe(WILD), "y"), []),
        ({"x": [{"y": 1}]}, (Maybe("x"), Maybe(WILD), "y"), [1]),
        ([{}, {"x": None}, {"x": 1}], (WILD, Maybe("x")), [None, None, 1]),
        ([{}, {"x": [1, 2]}], (WILD, Maybe("x"), Maybe(WILD)), [1, 2]),
    ],
)
def test_where_something_may_be_missing_null_is_found(value: Any, path: Any, found: Any) -> None:
    assert select(value, path) == found


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"x": {}}, (Maybe("x"), "y"), "there is no field 'y'"),
        ({"x": None}, (Maybe("x"), "y"), ".y needs a record, not null"),
        ([1], (Maybe(1),), "there is no element 1"),
        ("text", (Maybe("x"),), ".x needs a record, not str"),
        (3, (Maybe(WILD),), r"\[\*\] needs a list, not int"),
    ],
)
def test_what_may_be_missing_is_no_excuse_for_what_may_not(value: Any, path: Any, reason: str) -> None:
    with pytest.raises(ReferenceFailed, match=reason):
        select(value, path)


OPTIONAL = parse_type("{a?: {b: int?, c?: list[{d?: str, e: int}], m?: map[int]}, f: file, g: list[{h?: list[int]}]}")
INNER = st.fixed_dictionaries({"e": st.integers()}, optional={"d": st.text()})
VALUES = st.fixed_dictionaries(
    {
        "f": st.fixed_dictionaries({"uri": st.text()}, optional={"size": st.none() | st.integers(), "sha256": st.text()}),
        "g": st.lists(st.fixed_dictionaries({}, optional={"h": st.none() | st.lists(st.integers())})),
    },
    optional={
        "a": st.fixed_dictionaries(
            {"b": st.none() | st.integers()}, optional={"c": st.lists(INNER), "m": st.dictionaries(st.text(), st.integers())}
        )
    },
)


@given(
    st.lists(VALUES, max_size=3),
    st.sampled_from(
        ["a", "a.b", "a.c", "a.c[*]", "a.c[*].d", "a.c[*].e", "a.m", "f", "f.uri", "f.size", "f.sha256", "g[*].h", "g[*].h[*]"]
    ),
)
def test_a_path_through_optional_fields_leads_to_what_its_type_promises(values: list[Any], written: str) -> None:
    """Whatever is missing: no failure, and a value of the type that the checker told whoever takes it."""
    ref = expr(f"${{s[*].{written}}}")
    assert isinstance(ref, Ref)
    for of, value, path in ((list_of(OPTIONAL), values, ref.path), *((OPTIONAL, one, ref.path[1:]) for one in values)):
        promised = type_at(of, path)
        assert not isinstance(promised, str)
        try:
            found = select(value, forgiving(of, path))
        except ReferenceFailed as exc:
            pytest.fail(f"{path} of {value}: {exc}")
        assert mismatch(promised, found) == ""
