"""policy: text as words and sentences - what summaries, searches and answers have in common. English works best."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

STOP_WORDS: Final = frozenset(
    """
    a an the and or but if of at by for with about into through to from in out on
    off over under above below near next behind beside between is are was were be
    been being am has have had do does did it its this that these those there here
    he she they we you i him her them us me his their our your my not no so as than
    then too very can will just what which who when where why how
    """.split()  # noqa: SIM905
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"')\]])\s+|\n\s*\n")
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?")
_VOWEL: Final = re.compile("[aeiouy]")


def sentences_of(text: str) -> list[str]:
    """Return the sentences of *text*: cut after . ! ? and at empty lines, with single blanks."""
    return [" ".join(sentence.split()) for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def words_in(text: str) -> list[str]:
    """Return the words and numbers of *text* in lower case, in order."""
    return _WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def terms_of(text: str) -> list[str]:
    """Return the stems of the words of *text* that are no stop words, in order, as often as they come."""
    return [stem(word) for word in words_in(text) if word not in STOP_WORDS]


def stem(word: str) -> str:
    """Return *word* without the endings of plurals and verb forms: cities -> citi, city -> citi, planned -> plan. Not always a word."""
    word = word.removesuffix("'s")
    if len(word) < 4 or not word.isalpha():
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif re.search(r"(s|x|z|ch|sh)es$", word):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return _without_e(_without_verb_ending(word))


def _without_verb_ending(word: str) -> str:
    for ending in ("ing", "ed"):
        left = word.removesuffix(ending)
        if left != word and len(left) > 2 and _VOWEL.search(left):
            is_doubled = left[-1] == left[-2] and left[-1] not in "lsz"
            return left[:-1] if is_doubled else left
    return word


def _without_e(word: str) -> str:
    if word.endswith("y") and len(word) > 3:
        return word[:-1] + "i"
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def rarity(bags: Iterable[Iterable[str]]) -> dict[str, float]:
    """Return for every term how telling it is among *bags* of terms: ln(1 + (N - n + 0.5) / (n + 0.5)), as BM25 has it."""
    counted, whole = Counter[str](), 0
    for bag in bags:
        counted.update(set(bag))
        whole += 1
    return {term: math.log(1 + (whole - count + 0.5) / (count + 0.5)) for term, count in counted.items()}


def weighted(terms: Iterable[str], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the vector of *terms* of length one: the root of how often each comes, times its weight. Without weight, empty."""
    vector = {term: count**0.5 * weights.get(term, 0.0) for term, count in Counter(terms).items()}
    length = math.sqrt(sum(value * value for value in vector.values()))
    return {term: value / length for term, value in vector.items() if value} if length else {}


def cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return how alike two vectors of length one are."""
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    return sum(value * large[term] for term, value in small.items() if term in large)


def best_first(scores: Sequence[float], count: int) -> list[int]:
    """Return the places of the *count* highest scores, highest first; of equal ones the earlier. Scores of zero are left out."""
    places = [place for place, score in enumerate(scores) if score > 0]
    return sorted(places, key=lambda place: (-scores[place], place))[:count]
