"""How good a result is: between 0 and 1, 1 for the label itself, and what each metric is known for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.errors import InputError, NotFoundError
from murakkab.metrics import METRICS, common_subsequence, edits, segment_overlap
from murakkab_executors.scoring import metric

texts = st.text(alphabet="ab cde.'", max_size=30)
name_lists = st.lists(st.sampled_from(["cat", "dog", "ball", "bed"]), max_size=5)
OF_TEXTS = ("word_accuracy", "exact_match", "token_f1", "contains", "rouge_l", "rouge_1")
OF_SETS = ("set_precision", "set_recall", "set_f1", "recall_at_1", "recall_at_3", "recall_at_5", "reciprocal_rank")
words = st.lists(st.sampled_from("abc"), max_size=8)


@given(texts, texts)
def test_texts_are_scored_between_0_and_1_and_a_text_itself_with_1(one: str, other: str) -> None:
    for name in OF_TEXTS:
        assert 0 <= METRICS[name](one, other) <= 1
        if name != "contains":
            assert METRICS[name](one, one) == 1


@given(name_lists, name_lists)
def test_sets_are_scored_between_0_and_1_and_a_set_itself_with_1(one: list[str], other: list[str]) -> None:
    for name in OF_SETS:
        assert 0 <= METRICS[name](one, other) <= 1
    assert all(METRICS[name](one, one) == 1 for name in ("set_precision", "set_recall", "set_f1", "recall_at_5"))
    assert METRICS["set_f1"](one, other) == METRICS["set_f1"](other, one)


@given(words, words)
def test_edits_and_what_is_in_common_are_those_of_the_slow_definition(one: list[str], other: list[str]) -> None:
    def slow_edits(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return len(a) + len(b)
        if a[0] == b[0]:
            return slow_edits(a[1:], b[1:])
        return 1 + min(slow_edits(a[1:], b), slow_edits(a, b[1:]), slow_edits(a[1:], b[1:]))

    def slow_common(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return 0
        return 1 + slow_common(a[1:], b[1:]) if a[0] == b[0] else max(slow_common(a[1:], b), slow_common(a, b[1:]))

    assert edits(one[:5], other[:5]) == slow_edits(one[:5], other[:5])
    assert common_subsequence(one, other) == slow_common(one, other)


@pytest.mark.parametrize(
    ("name", "result", "label", "score"),
    [
        ("word_accuracy", "the cat sits", "The cat sat.", 2 / 3),
        ("word_accuracy", {"text": "a b c d e f g"}, "x", 0.0),
        ("word_accuracy", "", "", 1.0),
        ("word_accuracy", "noise", "", 0.0),
        ("exact_match", "The Cat!", ["a dog", "cat"], 1.0),
        ("exact_match", "cats", "cat", 0.0),
        ("token_f1", "in the red boathouse", ["boathouse", "mill"], 0.5),
        ("contains", "it was 35 minutes long", "35 minutes", 1.0),
        ("contains", "it was 135 minutes long", "35 minutes", 0.0),
        ("rouge_l", "police killed the gunman", "police kill the gunman", 0.75),
        ("rouge_l", "the gunman kill police", "police kill the gunman", 0.5),
        ("rouge_1", "the gunman kill police", "police kill the gunman", 1.0),
        ("set_precision", ["cat", "dog"], ["cat"], 0.5),
        ("set_recall", {"objects": ["cat", "dog"]}, ["cat", "ball"], 0.5),
        ("set_f1", [{"label": "Cat", "score": 0.5}], ["cat", "ball"], 2 / 3),
        ("set_f1", [], [], 1.0),
        ("recall_at_1", [{"document": "a.md"}, {"document": "b.md"}], ["b.md"], 0.0),
        ("recall_at_3", ["a", "a", "a", "b"], ["b"], 1.0),
        ("reciprocal_rank", ["a", "b", "c"], ["c", "b"], 0.5),
        ("segment_overlap", [{"start": 0, "end": 4}], [[0, 2], [2, 4]], 0.5),
    ],
)
def test_scores_by_hand(name: str, result: Any, label: Any, score: float) -> None:
    assert METRICS[name](result, label) == pytest.approx(score)


@given(st.lists(st.floats(0.1, 9.0), min_size=1, max_size=5), st.lists(st.floats(0.1, 9.0), min_size=1, max_size=5))
def test_pieces_of_time_fit_themselves_best_whichever_comes_first(one: list[float], other: list[float]) -> None:
    def pieces(lengths: list[float]) -> list[tuple[float, float]]:
        return [(sum(lengths[:at]), sum(lengths[: at + 1])) for at in range(len(lengths))]

    mine, theirs = pieces(one), pieces(other)
    assert 0 <= segment_overlap(mine, theirs) <= 1 + 1e-9
    assert segment_overlap(mine, mine) == pytest.approx(1)
    assert segment_overlap(mine, theirs) == pytest.approx(segment_overlap(theirs, mine))


@pytest.mark.parametrize(
    ("name", "result"), [("token_f1", 7), ("rouge_l", {"words": []}), ("set_f1", "cat"), ("set_f1", [1]), ("segment_overlap", [{"a": 1}])]
)
def test_what_has_no_such_form_is_refused(name: str, result: Any) -> None:
    with pytest.raises(InputError, match=r"cannot be scored; give "):
        METRICS[name](result, "x" if name in OF_TEXTS else ["x"])


# ------------------------------------------------------------------------------------------------------------ by their name


def test_a_metric_is_found_by_its_name_and_a_scorer_by_its_place() -> None:
    assert metric("set_f1") is METRICS["set_f1"]
    assert metric("operator:eq")("a", "a") == 1.0
    assert metric("operator:eq")("a", "b") == 0.0


@pytest.mark.parametrize(
    ("name", "kind", "complaint"),
    [
        ("token_f", InputError, "there is no metric 'token_f'; did you mean 'token_f1'?"),
        ("nothing_like_it", InputError, "write module:function, or one of contains, "),
        ("no_such_module_here:score", NotFoundError, "no_such_module_here"),
    ],
)
def test_an_unknown_metric_is_told_of(name: str, kind: type[Exception], complaint: str) -> None:
    with pytest.raises(kind) as caught:
        metric(name)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("scorer", ["builtins:max", "operator:concat"])
def test_a_scorer_that_leaves_its_range_is_told_of(scorer: str) -> None:
    one = metric(scorer)
    with pytest.raises(InputError, match="return a number between 0 and 1"):
        one([2.0], [3.0])
