"""How a list becomes tasks, and their results a list again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.runtime.expansion import elements_arrived, elements_of, nested, task_id
from murakkab.runtime.resolution import SKIPPED, InputSkipped, ReferenceFailed
from murakkab.spec import WILD, Loop, Maybe, Ref

A, B, C = Loop("a", Ref("xs")), Loop("b", Ref("a")), Loop("c", Ref("b"))


def test_one_level() -> None:
    assert list(elements_of([A], {"xs": ["p", "q"]})) == [(((0,),), {"a": "p"}), (((1,),), {"a": "q"})]
    assert list(elements_of([A], {"xs": []})) == []


def test_inner_levels_see_outer_variables_and_branches_are_said_first() -> None:
    assert [(key, dict(scope)) for key, scope in elements_of([A, B], {"xs": [[1], []]})] == [
        (((0,),), {"a": [1]}),
        (((0,), (0,)), {"a": [1], "b": 1}),
        (((1,),), {"a": []}),
    ]


def test_what_has_arrived_takes_its_place_from_where_it_came() -> None:
    arrived = list(elements_arrived([A], (WILD, "x"), ((3,), [{"x": 1}, {"x": 2}]), {}))

    assert arrived == [(((3, 0),), {"a": 1}), (((3, 1),), {"a": 2})]
    assert list(elements_arrived([A], (), ((3,), "all"), {})) == [(((3,),), {"a": "all"})]


@pytest.mark.parametrize(("value", "said"), [(5, "int"), ("text", "str"), ({"a": 1}, "a record"), (None, "null")])
def test_only_a_list_has_elements(value: Any, said: str) -> None:
    with pytest.raises(ReferenceFailed, match=rf"a list is needed; \$\{{xs\}} is {said}"):
        list(elements_of([A], {"xs": value}))


def test_a_loop_over_something_skipped_has_no_elements_at_all() -> None:
    with pytest.raises(InputSkipped):
        list(elements_of([A, Loop("b", Ref("gone"))], {"xs": [1], "gone": SKIPPED}))
    assert list(elements_of([A, Loop("b", Ref("gone"))], {"xs": [], "gone": SKIPPED})) == []


def test_the_id_of_a_task_names_its_places() -> None:
    assert task_id("frames", ((0, 2), (1,))) == "frames[0.2][1]"
    assert task_id("frames", ()) == "frames"


def test_results_are_ordered_by_place_and_not_by_text_or_arrival() -> None:
    results = [(((i,),), i) for i in (10, 2, 0, 1)]

    assert nested(results, [], 1) == [0, 1, 2, 10]


@given(st.lists(st.lists(st.lists(st.integers(), max_size=3), max_size=3), max_size=4), st.randoms(use_true_random=False))
def test_results_nest_like_the_lists_they_came_from_whatever_their_order(xs: list[list[list[int]]], random: Any) -> None:
    for levels, loops in ((1, [A]), (2, [A, B]), (3, [A, B, C])):
        elements = list(elements_of(loops, {"xs": xs}))
        branches = [key for key, _ in elements if len(key) < levels]
        results = [(key, scope[loops[-1].name]) for key, scope in elements if len(key) == levels]
        random.shuffle(results)
        random.shuffle(branches)

        assert nested(results, branches, levels) == xs


@given(st.lists(st.lists(st.lists(st.integers(), max_size=3), max_size=3), max_size=4), st.randoms(use_true_random=False))
def test_elements_that_arrive_one_by_one_are_those_of_the_whole_list(xs: list[list[list[int]]], random: Any) -> None:
    whole = [element for xss in xs for element in xss]
    arrivals = [((i,), value) for i, value in enumerate(xs)]
    random.shuffle(arrivals)
    arrived = [one for arrival in arrivals for one in elements_arrived([A, B], (WILD,), arrival, {})]
    results = [(key, scope["b"]) for key, scope in arrived if len(key) == 2]

    assert nested(results, [key for key, _ in arrived if len(key) == 1], 2) == whole


def test_a_loop_over_a_value_that_was_written_down_goes_over_it() -> None:
    assert [scope["a"] for _, scope in elements_of([Loop("a", [1, Ref("xs")])], {"xs": [2]})] == [1, [2]]
    with pytest.raises(ReferenceFailed, match="a list is needed; its value is a record"):
        list(elements_of([Loop("a", {"b": 1})], {}))


def test_text_that_looks_like_a_reference_is_an_element_like_any_other() -> None:
    assert [scope["a"] for _, scope in elements_of([A], {"xs": ["${xs}", "$${x}"]})] == ["${xs}", "$${x}"]


def test_an_inner_level_may_go_over_a_list_of_its_own() -> None:
    keys = [key for key, _ in elements_of([A, Loop("b", Ref("ys"))], {"xs": [1, 2], "ys": ["p", "q"]}) if len(key) == 2]

    assert keys == [((0,), (0,)), ((0,), (1,)), ((1,), (0,)), ((1,), (1,))]


def test_what_a_loop_goes_into_must_be_there() -> None:
    with pytest.raises(ReferenceFailed, match="there is no field 'parts'; there is other"):
        list(elements_of([A, Loop("b", Ref("a", ("parts",)))], {"xs": [{"other": 1}]}))
    with pytest.raises(ReferenceFailed, match=r"\[\*\] needs a list, not null"):
        list(elements_arrived([A], (WILD,), ((0,), None), {}))


def test_an_optional_list_that_did_not_arrive_has_no_elements() -> None:
    assert list(elements_arrived([A], (Maybe("parts"), Maybe(WILD)), ((0,), {}), {})) == []


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_nothing_nests_to_an_empty_list(levels: int) -> None:
    assert nested([], [], levels) == []


def test_results_that_were_skipped_are_left_out_and_their_branch_stays() -> None:
    branches = [((0,),), ((1,),)]

    assert nested([(((0,), (0,)), "a"), (((0,), (2,)), "c")], branches, 2) == [["a", "c"], []]
