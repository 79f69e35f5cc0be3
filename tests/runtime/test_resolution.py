"""What an expression is worth, given what is known."""

from typing import Any

import pytest

from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed, matches, select, value_of
from murakkab.spec import WILD, Ref
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
