"""Which annotations JSON data already satisfies, and what is JSON data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict, TypeVar, Union

import pytest
from annotated_types import Gt
from hypothesis import given
from hypothesis import strategies as st

from murakkab.values import File
from murakkab_executors.conversion import is_json, is_plain, json_data, reader, writer
from murakkab_executors.function import Knob

T = TypeVar("T")
Bound = TypeVar("Bound", bound=File)
Seconds = NewType("Seconds", float)


class Note(TypedDict):
    text: str
    tags: NotRequired[list[str]]


class Noted(TypedDict):
    file: File


@pytest.mark.parametrize(
    "annotation",
    [
        *(Any, object, None, type(None), str, int, float, bool, dict, list, "Unknown", T, Seconds, Note),
        *(list[str], dict[str, Any], list[dict[str, list[float]]], Mapping[str, int], Sequence[str], Mapping, Sequence),
        *(Optional[str], Union[int, str], int | None, list[int | None], Annotated[int, "how many"], Annotated[float, Knob("width")]),  # noqa: UP007, UP045
    ],
)
def test_json_data_already_is_what_is_asked_for(annotation: Any) -> None:
    assert is_plain(annotation)
    assert reader(annotation) is writer(annotation) is None


@pytest.mark.parametrize(
    "annotation",
    [File, Path, tuple, set, Bound, Noted, list[File], dict[int, str], File | None, tuple[int, int], Literal["a"], Annotated[int, Gt(0)]],
)
def test_something_has_to_be_done(annotation: Any) -> None:
    assert not is_plain(annotation)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_data_is_given_back_as_it_is(value: Any) -> None:
    assert is_json(value)
    assert json_data(value) is value


@given(JSON)
def test_tuples_become_lists_however_deep(value: Any) -> None:
    def with_tuples(v: Any) -> Any:
        if isinstance(v, list):
            return tuple(map(with_tuples, v))
        return {k: with_tuples(inner) for k, inner in v.items()} if isinstance(v, dict) else v

    assert json_data((with_tuples(value),)) == [value]


@pytest.mark.parametrize(
    "value", [float("nan"), [1, float("inf")], {"a": -float("inf")}, (1,), {1: 2}, {None: 1}, [b""], {"a": {"b": object()}}]
)
def test_anything_else_is_not(value: Any) -> None:
    assert not is_json(value)
