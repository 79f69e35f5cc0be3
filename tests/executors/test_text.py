"""Nouns in what was said, and the sentences that tell most."""

from collections.abc import Callable

import pytest

from murakkab.errors import ExecutorError
from murakkab.values import File
from murakkab_executors.capabilities import Box, Detection, ObjectListing, Transcript
from murakkab_executors.summary import distinct_summary, distinct_texts, join_texts, lead_summary, page_rank, pagerank_summary
from murakkab_executors.text import exact_nouns, noun_list, nouns_in, vocabulary
from murakkab_executors.words import sentences_of


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("The men saw a bear, and two mice bear it.", ["man", "bear", "mouse"]),
        ("You can like the time and stand well.", []),
        ("The buses, boxes and the child's toys", ["bus", "box", "child", "toy"]),
        ("people in cars near the city\u2019s old bridges", ["person", "car", "bridge"]),
        ("The CAT sat. The cat!", ["cat", "cat"]),
        ("", []),
    ],
)
def test_the_nouns_of_a_text(text: str, nouns: list[str]) -> None:
    assert list(nouns_in(text)) == nouns


def test_the_vocabulary_is_read_without_its_notices() -> None:
    known = vocabulary()
    assert {"cat", "garden", "person"} <= known.plain
    assert {"bear", "telescope"} <= known.guarded
    assert known.irregular["children"] == "child"
    assert all(noun.isalpha() and noun.islower() for noun in (*known.plain, *known.guarded))
    assert not known.plain & known.guarded


def seen(label: str, score: float = 0.5) -> Detection:
    return Detection(label, score, Box(0, 0, 1, 1), File("a.jpg"))


def test_a_listing_holds_each_object_once_and_sorted() -> None:
    scenes = [[seen("person"), seen("cat"), seen("cat")], [], [seen("cat")]]
    heard = [Transcript("the dogs see the cat."), Transcript(""), Transcript("a dog and a ball.")]

    assert noun_list(scenes, heard) == ObjectListing(["ball", "cat", "dog", "person"], ["cat", "person"], ["ball", "cat", "dog"])
    assert noun_list([], []) == ObjectListing([], [], [])


def test_a_listing_can_leave_out_weak_detections() -> None:
    assert noun_list([[seen("cat", 0.3), seen("person", 0.9)]], [], min_score=0.5).shown == ["person"]


def test_exact_nouns_miss_plurals_and_take_verbs_for_things() -> None:
    heard = [Transcript("The dogs bear it. A cat!")]
    assert exact_nouns([[seen("person")]], heard) == ObjectListing(["bear", "cat", "person"], ["person"], ["bear", "cat"])
    assert noun_list([], heard).mentioned == ["cat", "dog"]


TEXT = "Rain fell. The cat sat on the mat.  A dog barks! The cat and the dog saw the mat? Nothing else."


def test_the_most_central_sentences_are_kept_in_their_order() -> None:
    assert pagerank_summary(TEXT, 1) == "The cat and the dog saw the mat?"
    assert pagerank_summary(TEXT, 2) == "The cat sat on the mat. The cat and the dog saw the mat?"
    assert pagerank_summary(TEXT, 99) == " ".join(TEXT.split())
    assert pagerank_summary("", 2) == pagerank_summary("The and of.", 2) == ""


def test_the_first_sentences_are_kept() -> None:
    assert lead_summary(TEXT, 2) == "Rain fell. The cat sat on the mat."


@pytest.mark.parametrize("summary", [pagerank_summary, lead_summary, distinct_summary])
def test_a_summary_needs_room_for_a_sentence(summary: Callable[[str, int], str]) -> None:
    with pytest.raises(ExecutorError, match="sentences is 0"):
        summary("A cat.", 0)


def test_what_was_said_is_not_said_again() -> None:
    twice = "The ferry sails to the island at noon. The ferry sails to the island at noon daily. A lamp warns the ferry of rocks."
    assert distinct_summary(twice, 2, centrality=0.4).endswith("A lamp warns the ferry of rocks.")
    assert distinct_summary(twice, 9) == twice
    assert distinct_summary("", 2) == ""


def test_texts_are_put_together_with_and_without_repetition() -> None:
    texts = ["The ferry is old. It sails.", " ", "The old ferry. A lamp shines."]
    assert join_texts(texts) == "The ferry is old. It sails.\n\nThe old ferry. A lamp shines."
    assert distinct_texts(texts) == "The ferry is old. It sails.\n\nA lamp shines."
    assert distinct_texts(texts, alike=1.0) == join_texts(texts)


def test_sentences_end_at_marks_and_empty_lines() -> None:
    assert sentences_of('He said "go!" Then\nhe went.\n\nA title\n\n1.5 is a number.') == [
        'He said "go!"',
        "Then he went.",
        "A title",
        "1.5 is a number.",
    ]


def test_page_rank_is_where_the_walk_comes_to_rest() -> None:
    # A star: the middle links to all, all to the middle. middle = (1 - d) / n + d * (n - 1) * leaf, and all ranks add up to 1.
    links: dict[int | str, list[int | str]] = {0: [1, 2, 3], 1: [0], 2: [0], 3: [0]}
    middle = (0.15 / 4 + 0.85) / 1.85
    leaf = (1 - middle) / 3

    assert page_rank(links) == pytest.approx({0: middle, 1: leaf, 2: leaf, 3: leaf}, abs=1e-7)
    assert page_rank({}) == {}
