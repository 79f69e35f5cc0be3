"""Documents of a folder, pieces of them, what is found in these, and answers taken from that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.errors import ExecutorError
from murakkab_executors.answering import passage_answer, span_answer
from murakkab_executors.capabilities import Answer, Chunk, Document, Passage
from murakkab_executors.documents import clean_documents, plain_documents, sentence_chunks, window_chunks, without_markup
from murakkab_executors.retrieval import bm25, fused, latent_scores, word_match
from murakkab_executors.words import stem, terms_of

# --------------------------------------------------------------------------------------------------------------- documents


def test_the_documents_of_a_folder_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, text in (("b.md", "# *Big*\n\nA [link](x)."), ("deep/a.txt", "# kept"), ("c.json", "{}"), ("photo.jpg", "")):
        (tmp_path / name).write_text(text)

    assert clean_documents(str(tmp_path)) == [Document("b.md", "Big.\n\nA link."), Document("deep/a.txt", "# kept")]
    assert plain_documents(str(tmp_path)) == [Document("b.md", "# *Big*\n\nA [link](x)."), Document("deep/a.txt", "# kept")]


@pytest.mark.parametrize("load", [clean_documents, plain_documents])
def test_a_folder_without_documents_and_documents_that_cannot_be_read_are_refused(load: Any, tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="is not a folder"):
        load(str(tmp_path / "nowhere"))
    with pytest.raises(ExecutorError, match="holds no document"):
        load(str(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe broken")
    with pytest.raises(ExecutorError, match=r"a\.txt is not text in UTF-8") as caught:
        load(str(tmp_path))
    assert not caught.value.retryable
    with pytest.raises(ExecutorError, match=r"longer than 3 bytes; raise the knob max_bytes"):
        load(str(tmp_path), max_bytes=3)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("---\ntitle: x\n---\n# Head #\nText", "Head.\n\nText"),
        ("- one\n- **two**.\n1. three;", "one.\ntwo.\nthree."),
        ("| a | b |\n| --- | --- |\n| c | 4 |", "a: b.\nc: 4."),
        ("```py\ncode_with_name = 1\n```", "code_with_name = 1"),
        ("![a cat](cat.png) <!-- hidden --> a_b `x` _so_ 2 * 3", "a_b x so 2  3"),
        ("> said", "said"),
    ],
)
def test_markdown_loses_its_markup_and_not_its_text(markup: str, text: str) -> None:
    assert [line.strip() for line in without_markup(markup).splitlines()] == text.splitlines()


# ------------------------------------------------------------------------------------------------------------------ chunks

documents = st.text(alphabet="ab .\n", min_size=1, max_size=300).map(lambda text: Document("d", text))


@given(documents, st.integers(5, 60))
def test_chunks_keep_to_their_size_and_lose_nothing(document: Document, size: int) -> None:
    for cut in (sentence_chunks, window_chunks):
        chunks = cut([document], size)
        assert all(0 < len(chunk.text) <= size for chunk in chunks)
        assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(document.text.split())
        assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)


def test_sentences_stay_whole_and_can_be_repeated() -> None:
    document = Document("d", "One is here. Two is there.  Three is gone.")

    assert sentence_chunks([document], 30) == [Chunk("d", 0, "One is here. Two is there."), Chunk("d", 28, "Three is gone.")]
    assert [chunk.text for chunk in sentence_chunks([document], 30, repeated=1)] == [
        "One is here. Two is there.",
        "Two is there. Three is gone.",
    ]
    assert [chunk.text for chunk in window_chunks([document], 30)] == ["One is here. Two is there.", "Three is gone."]
    with pytest.raises(ExecutorError, match="size is 0"):
        sentence_chunks([document], 0)


# --------------------------------------------------------------------------------------------------------------- retrieval

CHUNKS = [
    Chunk("ferry.md", 0, "The ferry sails every hour. The ferry is old, and the ferry is slow."),
    Chunk("mill.md", 0, "The mill grinds flour for the baker."),
    Chunk("light.md", 0, "A lamp on the cliff warns ships."),
    Chunk("inn.md", 0, "The innkeeper sells bread."),
]
SEARCHES = [bm25, word_match, fused]


@pytest.mark.parametrize("search", SEARCHES)
def test_what_answers_best_comes_first_and_what_shares_nothing_is_left_out(search: Any) -> None:
    first, nothing = search(["Who grinds the flour?", "xyzzy?"], CHUNKS, 2)

    assert (first.question, first.passages[0].document) == ("Who grinds the flour?", "mill.md")
    assert nothing.passages == []
    assert all(1 <= len(found.passages) <= 2 for found in search(["When does the ferry sail?"], CHUNKS, 2))
    assert search(["x"], [], 3)[0].passages == []
    with pytest.raises(ExecutorError, match="count is 0"):
        search(["x"], CHUNKS, 0)


def test_bm25_is_that_of_its_formula() -> None:
    [found] = bm25(["mill"], CHUNKS, 1)
    lengths = [len(terms_of(chunk.text)) for chunk in CHUNKS]
    rare = 0.8472978603872037 + 0.3566749439387324  # ln(1 + 3.5 / 1.5)
    expected = rare * 2.2 / (1 + 1.2 * (0.25 + 0.75 * lengths[1] / (sum(lengths) / 4)))
    assert found.passages[0].score == pytest.approx(expected, abs=1e-4)


def test_stems_are_matched_by_bm25_and_not_by_words_as_they_stand() -> None:
    assert bm25(["grinding mills"], CHUNKS, 1)[0].passages[0].document == "mill.md"
    assert word_match(["grinding mills"], CHUNKS, 1)[0].passages == []


def test_meaning_finds_what_shares_no_word_with_the_question() -> None:
    chunks = [Chunk("a", 0, "doctor hospital nurse"), Chunk("b", 0, "hospital nurse ward"), Chunk("c", 0, "boat sail harbour")]
    scores = latent_scores(chunks, 2)("doctor")
    assert scores[1] > 0.5 > scores[2]
    assert latent_scores([Chunk("a", 0, "the of")], 2)("doctor") == [0.0]


@pytest.mark.parametrize(
    ("words", "same"),
    [(("plan", "plans", "planned", "planning"), True), (("city", "cities"), True), (("bus", "buses"), True), (("bed", "bee"), False)],
)
def test_forms_of_a_word_have_one_stem(words: tuple[str, ...], same: bool) -> None:
    assert (len({stem(word) for word in words}) == 1) is same


# ---------------------------------------------------------------------------------------------------------------- answers

TOLD = "The mill stands at the harbour. It was built by Elin Brandt in 1790, and it has two wheels. Flour is sold on Tuesday."


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Who built the mill?", "Elin Brandt"),
        ("When was it built?", "1790"),
        ("How many wheels has it?", "two wheels"),
        ("On what day is flour sold?", "Tuesday"),
        ("Where does the mill stand?", "at the harbour"),
    ],
)
def test_an_answer_looks_like_one_to_such_a_question(question: str, text: str) -> None:
    assert span_answer(question, [Passage("a.md", TOLD, 1.0)]) == Answer(question, text, ["a.md"])


@pytest.mark.parametrize("answer", [span_answer, passage_answer])
def test_where_nothing_was_found_the_answer_is_empty(answer: Callable[[str, list[Passage]], Answer]) -> None:
    assert answer("Who?", []) == Answer("Who?", "", [])


def test_a_whole_passage_answers_with_all_it_says() -> None:
    found = [Passage("a.md", "One.", 2.0), Passage("b.md", "Two.", 1.0)]
    assert passage_answer("Who?", found) == Answer("Who?", "One.", ["a.md"])
