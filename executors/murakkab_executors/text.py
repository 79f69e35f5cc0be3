"""driver: text - which things it names, by a list of nouns that ships here, and its most telling sentences. No model is needed."""

import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Final

from murakkab.catalog import Quote
from murakkab.errors import ExecutorError
from murakkab_executors import capabilities
from murakkab_executors.capabilities import Detection, ObjectListing, Transcript
from murakkab_executors.function import Knob, executor

_DETERMINERS: Final = frozenset(
    """
    a an the this that these those my your his her its our their some any no every
    each another one two three four five six seven eight nine ten many few several
    """.split()  # noqa: SIM905
)
_STOP_WORDS: Final = frozenset(
    """
    a an the and or but if of at by for with about into through to from in out on
    off over under above below near next behind beside between is are was were be
    been being am has have had do does did it its this that these those there here
    he she they we you i him her them us me his their our your my not no so as than
    then too very can will just what which who when where why how
    """.split()  # noqa: SIM905
)
_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"')\]])\s+|\n\s*\n")
#: PageRank: how often a walk goes on rather than begins anew.
_DAMPING: Final = 0.85


# ----------------------------------------------------------------------------------------------------------------- objects


@executor(capabilities.object_listing, name="noun-list", effect="pure", quote=Quote(seconds=0.002, source="measured"))
def noun_list(
    seen: list[list[Detection]],
    heard: list[Transcript],
    *,
    min_score: Annotated[float, Knob("leave out what was seen with a lower score", low=0.0, high=1.0)] = 0.0,
) -> ObjectListing:
    """Shown is every label seen; mentioned is every noun of the speech that names something one can see, in the singular.

    The nouns, about 4,800 common ones, are from WordNet. English only.
    """
    shown = {detection.label for scene in seen for detection in scene if detection.score >= min_score}
    mentioned = {noun for transcript in heard for noun in nouns_in(transcript.text)}
    return ObjectListing(sorted(shown | mentioned), sorted(shown), sorted(mentioned))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names of things. `guarded` ones count right after a determiner only: "a bear", but not "to bear"."""

    plain: frozenset[str]
    guarded: frozenset[str]
    irregular: Mapping[str, str]


@functools.cache
def vocabulary() -> Vocabulary:
    """Return the nouns that ship with this package; the file itself says how it is written."""
    text = (files("murakkab_executors") / "data" / "concrete_nouns.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = dict(line.split(" ", 1) for line in lines if " " in line)
    single = [line for line in lines if " " not in line]
    guarded = frozenset(line[1:] for line in single if line.startswith("~"))
    return Vocabulary(frozenset(single) - {f"~{noun}" for noun in guarded}, guarded, pairs)


def nouns_in(text: str) -> Iterator[str]:
    """Yield the singular of every noun of *text* that names something one can see, as often as it does."""
    known, before = vocabulary(), ""
    for word in _WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        for form in _singulars(re.sub(r"'s?$", "", word), known.irregular):
            if form in known.plain or (form in known.guarded and before in _DETERMINERS):
                yield form
                break
        before = word


def _singulars(word: str, irregular: Mapping[str, str]) -> list[str]:
    """Return what *word* may be a form of, likeliest first."""
    if word in irregular:
        return [irregular[word]]
    forms = [word]
    if word.endswith("ies") and len(word) > 4:
        forms.append(word[:-3] + "y")
    if re.search(r"(s|x|z|ch|sh|o)es$", word):
        forms.append(word[:-2])
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        forms.append(word[:-1])
    return forms


# ----------------------------------------------------------------------------------------------------------------- summary


@executor(capabilities.text_summary, name="pagerank-summary", effect="pure", quote=Quote(seconds=0.02, source="measured"))
def pagerank_summary(text: str, sentences: int) -> str:
    """Keep the sentences whose words are the most central to the whole text by PageRank, in their order. English works best."""
    _check(sentences)
    split = sentences_of(text)
    bags = [frozenset(re.findall(r"[^\W\d_]+(?:'\w+)?", sentence.lower())) - _STOP_WORDS for sentence in split]
    links: dict[int | str, list[int | str]] = defaultdict(list)
    for number, bag in enumerate(bags):
        for word in sorted(bag):
            links[number].append(word)
            links[word].append(number)
    ranks = page_rank(links)
    # By the root: a sentence must not win by its length alone, nor a single word by its brevity.
    values = {number: sum(ranks[word] for word in sorted(bag)) / len(bag) ** 0.5 for number, bag in enumerate(bags) if bag}
    chosen = sorted(values, key=lambda number: (-values[number], number))[:sentences]
    return " ".join(split[number] for number in sorted(chosen))


@executor(capabilities.text_summary, name="lead-summary", effect="pure", quote=Quote(seconds=0.001, source="measured"))
def lead_summary(text: str, sentences: int) -> str:
    """Keep the first sentences: hard to beat for news, in any language that ends a sentence with a full stop."""
    _check(sentences)
    return " ".join(sentences_of(text)[:sentences])


def _check(sentences: int) -> None:
    if sentences < 1:
        raise ExecutorError(f"sentences is {sentences}, and must be at least 1", reason="bad-input", retryable=False)


def sentences_of(text: str) -> list[str]:
    """Return the sentences of *text*: cut after . ! ? and at empty lines, with single blanks."""
    return [" ".join(sentence.split()) for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def page_rank(links: Mapping[int | str, Sequence[int | str]]) -> dict[int | str, float]:
    """Return the PageRank of every node; each must link to at least one, and all are keys. networkx's own needs SciPy."""
    if not links:
        return {}
    ranks = dict.fromkeys(links, 1 / len(links))
    for _ in range(100):
        fresh = dict.fromkeys(links, (1 - _DAMPING) / len(links))
        for node, others in links.items():
            for other in others:
                fresh[other] += _DAMPING * ranks[node] / len(others)
        change = sum(abs(fresh[node] - ranks[node]) for node in links)
        ranks = fresh
        if change < 1e-9:
            break
    return ranks


EXECUTORS: Final = (noun_list, pagerank_summary, lead_summary)
