"""driver: shorter texts - the sentences that tell most - and texts put together. No model is needed."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from murakkab.catalog import Quote
from murakkab.errors import ExecutorError
from murakkab.steps import spend
from murakkab_executors import capabilities
from murakkab_executors.function import Knob, executor
from murakkab_executors.words import STOP_WORDS, cosine, rarity, sentences_of, terms_of, weighted

#: PageRank: how often a walk goes on rather than begins anew.
_DAMPING: Final = 0.85


@executor(capabilities.text_summary, name="pagerank-summary", effect="pure", quote=Quote(seconds=0.0065, quality=0.509, source="measured"))
def pagerank_summary(text: str, sentences: int) -> str:
    """Keep the sentences whose words are the most central to the whole text by PageRank, in their order. English works best."""
    _check(sentences)
    spend(units=len(text))
    split = sentences_of(text)
    bags = [frozenset(re.findall(r"[^\W\d_]+(?:'\w+)?", sentence.lower())) - STOP_WORDS for sentence in split]
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


@executor(capabilities.text_summary, name="lead-summary", effect="pure", quote=Quote(seconds=0.0001, quality=0.443, source="measured"))
def lead_summary(text: str, sentences: int) -> str:
    """Keep the first sentences: hard to beat for news, in any language that ends a sentence with a full stop."""
    _check(sentences)
    spend(units=len(text))
    return " ".join(sentences_of(text)[:sentences])


@executor(capabilities.text_summary, name="distinct-summary", effect="pure", quote=Quote(seconds=0.0008, quality=0.468, source="measured"))
def distinct_summary(
    text: str,
    sentences: int,
    *,
    centrality: Annotated[float, Knob("how much being central counts, against saying something new", low=0.0, high=1.0)] = 0.5,
) -> str:
    """Keep sentences that are near to what the whole text is about and far from those already kept, in their order.

    Maximal marginal relevance (Carbonell and Goldstein 1998) over TF-IDF vectors. It pays where a text says things twice, as one does
    that was put together from several.
    """
    _check(sentences)
    spend(units=len(text))
    split = sentences_of(text)
    terms = [terms_of(sentence) for sentence in split]
    rare = rarity(terms)
    vectors = [weighted(bag, rare) for bag in terms]
    whole = weighted([term for bag in terms for term in bag], rare)
    near = [cosine(vector, whole) for vector in vectors]
    left, chosen = [number for number, vector in enumerate(vectors) if vector], list[int]()
    while left and len(chosen) < sentences:
        said = {number: max((cosine(vectors[number], vectors[other]) for other in chosen), default=0.0) for number in left}
        best = max(left, key=lambda number: (centrality * near[number] - (1 - centrality) * said[number], -number))
        left.remove(best)
        chosen.append(best)
    return " ".join(split[number] for number in sorted(chosen))


# ------------------------------------------------------------------------------------------------------------------- merge


@executor(capabilities.text_merge, name="join-texts", effect="pure", quote=Quote(seconds=0.0001, quality=0.24, source="measured"))
def join_texts(texts: list[str]) -> str:
    """Put the texts one after the other, an empty line between them."""
    spend(units=sum(map(len, texts)))
    return "\n\n".join(text.strip() for text in texts if text.strip())


@executor(capabilities.text_merge, name="distinct-texts", effect="pure", quote=Quote(seconds=0.002, quality=0.302, source="measured"))
def distinct_texts(
    texts: list[str],
    *,
    alike: Annotated[float, Knob("sentences that share more than this part of their words say the same", low=0.3, high=1.0)] = 0.6,
) -> str:
    """Put the texts one after the other without the sentences that say again what an earlier one has said."""
    spend(units=sum(map(len, texts)))
    kept: list[frozenset[str]] = []
    merged = []
    for text in texts:
        new = []
        for sentence in sentences_of(text):
            bag = frozenset(terms_of(sentence))
            if bag and any(len(bag & other) > alike * len(bag | other) for other in kept):
                continue
            kept.append(bag)
            new.append(sentence)
        merged.append(" ".join(new))
    return "\n\n".join(text for text in merged if text)


# -------------------------------------------------------------------------------------------------------- parts of the above


def _check(sentences: int) -> None:
    if sentences < 1:
        raise ExecutorError(f"sentences is {sentences}, and must be at least 1", reason="bad-input", retryable=False)


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


EXECUTORS: Final = (pagerank_summary, lead_summary, distinct_summary, join_texts, distinct_texts)
