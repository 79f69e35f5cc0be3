"""Events as text: what goes in comes out, and what would not is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.errors import ExecutorError
from murakkab.runtime.codec import decoded, encoded
from murakkab.runtime.messages import CancelRequested, Event, TaskFailed, TaskSucceeded

#: As the names of files are that are not UTF-8.
undecodable = st.binary(max_size=6).map(lambda name: name.decode(errors="surrogateescape"))
numbers = st.one_of(st.integers(-(2**200), 2**200), st.floats(allow_nan=False, allow_infinity=False))
json_data = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(), undecodable),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text() | undecodable, inner, max_size=4)),
    max_leaves=20,
)


def again(event: Event) -> Event:
    """Return the event that was written and read, and is a line of UTF-8 on the way."""
    text = encoded(event)
    assert "\n" not in text
    return decoded(type(event).__name__, text.encode().decode())


@given(json_data)
def test_all_json_data_is_read_back_as_it_was(value: Any) -> None:
    event = TaskSucceeded(1.5, "a[0.1]", value, 1.0, cached=True, usd=0.1, joules=None, executor="fake")

    assert again(event) == event
    assert repr(again(event)) == repr(event)


def test_what_was_written_before_events_told_the_work_is_read() -> None:
    old = '[1.5,"a",1,1.0,false,0.1,null,"fake",7]'
    assert decoded("TaskSucceeded", old) == TaskSucceeded(1.5, "a", 1, 1.0, usd=0.1, executor="fake", tokens=7)
    event = TaskSucceeded(1.5, "a", 1, 1.0, units=12.5)
    assert again(event) == event


@given(st.text() | undecodable)
def test_messages_are_read_back_as_they_were(message: str) -> None:
    failed = TaskFailed(1.0, "a", "exception", message, retryable=True, started=0.5)

    assert again(failed) == failed
    assert again(CancelRequested(1.0, message)) == CancelRequested(1.0, message)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": [{1: 2}]}, "the key 1 is not text"),
        ({None: 1}, "the key None is not text"),
        (float("nan"), "not JSON compliant"),
        ([float("inf")], "not JSON compliant"),
        (b"bytes", "not JSON serializable"),
        ([object()], "not JSON serializable"),
        ({"x": "\ud83d\ude00"}, "a surrogate pair in two halves"),
        ("\ud83d\ude00", "a surrogate pair in two halves"),
    ],
)
def test_what_would_be_read_back_otherwise_is_refused(value: Any, why: str) -> None:
    with pytest.raises(ExecutorError, match=why) as caught:
        encoded(TaskSucceeded(1.0, "a", value, 0.0))

    assert (caught.value.reason, caught.value.retryable) == ("bad-result", False)


def test_data_that_is_nested_too_deep_or_in_itself_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    circle: dict[str, Any] = {}
    circle["again"] = circle
    for value in (deep, circle):
        with pytest.raises(ExecutorError, match="nested more than 200 deep"):
            encoded(TaskSucceeded(1.0, "a", value, 0.0))


def test_data_of_a_hundred_levels_is_not_too_deep() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [{"x": deep}] if _ % 2 else deep

    assert again(TaskSucceeded(1.0, "a", deep, 0.0)) == TaskSucceeded(1.0, "a", deep, 0.0)
