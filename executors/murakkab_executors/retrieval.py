"""driver: the chunks that answer a question - by the words they share, by BM25, by latent semantic analysis. No model is needed."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from murakkab.catalog import Quote
from murakkab.errors import ExecutorError
from murakkab.steps import check_cancelled, spend
from murakkab_executors import capabilities
from murakkab_executors.capabilities import Chunk, Finding, Passage
from murakkab_executors.function import Knob, executor
from murakkab_executors.words import STOP_WORDS, best_first, rarity, terms_of, words_in

#: Returns the scores of all chunks for a question.
Score = Callable[[str], Sequence[float]]
#: BM25: how soon a term that comes again counts no more, and how much longer chunks are held back (Robertson and Zaragoza 2009, 3.4).
_SATURATION: Final = 1.2
_BY_LENGTH: Final = 0.75


@executor(capabilities.retrieval, name="bm25", effect="pure", quote=Quote(seconds=0.0035, quality=0.883, source="measured"))
def bm25(questions: list[str], chunks: list[Chunk], count: int) -> list[Finding]:
    """Rank by Okapi BM25 over stems: rare words count more, words that come again less, and long chunks are held back.

    Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework". Measured for 20 questions and 20 chunks of 600 characters.
    """
    return _found(questions, chunks, count, bm25_scores(chunks))


@executor(capabilities.retrieval, name="word-match", effect="pure", quote=Quote(seconds=0.001, quality=0.861, source="measured"))
def word_match(questions: list[str], chunks: list[Chunk], count: int) -> list[Finding]:
    """Rank by how many different words of the question, stop words aside, stand in a chunk as they are. There is no index to make.

    Measured for 20 questions and 20 chunks of 600 characters.
    """
    bags = [frozenset(words_in(chunk.text)) for chunk in chunks]

    def score(question: str) -> list[float]:
        wanted = frozenset(words_in(question)) - STOP_WORDS
        return [float(len(wanted & bag)) for bag in bags]

    return _found(questions, chunks, count, score)


@executor(capabilities.retrieval, name="fused", effect="pure", quote=Quote(seconds=0.013, quality=0.907, source="measured"))
def fused(
    questions: list[str],
    chunks: list[Chunk],
    count: int,
    *,
    topics: Annotated[int, Knob("dimensions of the space of meanings; as many as there are subjects", low=2, high=300)] = 8,
) -> list[Finding]:
    """Rank by BM25 and by latent semantic analysis together, which also finds chunks that put it in other words.

    Deerwester et al. 1990: TF-IDF vectors of the chunks, cut down to their strongest `topics` directions by a singular value decomposition.
    The scores, each over its highest, are added. Measured for 20 questions and 20 chunks of 600 characters.
    """
    by_words, by_meaning = bm25_scores(chunks), latent_scores(chunks, topics)

    def score(question: str) -> list[float]:
        return [one + other for one, other in zip(_relative(by_words(question)), _relative(by_meaning(question)), strict=True)]

    return _found(questions, chunks, count, score)


def bm25_scores(chunks: Sequence[Chunk]) -> Score:
    """Return the function that scores *chunks* by BM25."""
    bags = [Counter(terms_of(chunk.text)) for chunk in chunks]
    rare = rarity(bags)
    lengths = [bag.total() for bag in bags]
    mean = sum(lengths) / len(lengths) if any(lengths) else 1.0
    held = [_SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length / mean) for length in lengths]

    def score(question: str) -> list[float]:
        wanted = [term for term in dict.fromkeys(terms_of(question)) if term in rare]
        return [
            sum(rare[term] * bag[term] * (_SATURATION + 1) / (bag[term] + back) for term in wanted if term in bag)
            for bag, back in zip(bags, held, strict=True)
        ]

    return score


def latent_scores(chunks: Sequence[Chunk], topics: int) -> Score:
    """Return the function that scores *chunks* by the cosine to the question in the space of their *topics* strongest directions."""
    import numpy as np

    bags = [Counter(terms_of(chunk.text)) for chunk in chunks]
    rare = rarity(bags)
    places = {term: place for place, term in enumerate(rare)}

    def vector(bag: Counter[str]) -> Any:
        made = np.zeros(len(places))
        for term, times in bag.items():
            if term in places:
                made[places[term]] = times**0.5 * rare[term]
        length = np.linalg.norm(made)
        return made / length if length else made

    if not places:
        return lambda question: [0.0] * len(chunks)
    _, strengths, directions = np.linalg.svd(np.array([vector(bag) for bag in bags]), full_matrices=False)
    kept = directions[: min(topics, int((strengths > 1e-9).sum()))]
    ones = _unit(np.array([kept @ vector(bag) for bag in bags]))
    return lambda question: np.clip(ones @ _unit((kept @ vector(Counter(terms_of(question))))[None])[0], 0.0, None).tolist()


def _unit(rows: Any) -> Any:
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _relative(scores: Sequence[float]) -> list[float]:
    highest = max(scores, default=0.0)
    return [score / highest for score in scores] if highest > 0 else list(scores)


def _found(questions: Sequence[str], chunks: Sequence[Chunk], count: int, score: Score) -> list[Finding]:
    if count < 1:
        raise ExecutorError(f"count is {count}, and must be at least 1", reason="bad-input", retryable=False)
    spend(units=sum(len(chunk.text) for chunk in chunks))
    found = []
    for question in questions:
        check_cancelled()
        scores = score(question)
        best = best_first(scores, count)
        found.append(Finding(question, [Passage(chunks[at].document, chunks[at].text, round(scores[at], 4)) for at in best]))
    return found


EXECUTORS: Final = (bm25, word_match, fused)
