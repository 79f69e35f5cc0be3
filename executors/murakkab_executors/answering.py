"""driver: answers taken from the passages found for a question, word for word. No model is needed. English only."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

from murakkab.catalog import Quote
from murakkab.steps import spend
from murakkab_executors import capabilities
from murakkab_executors.capabilities import Answer, Passage
from murakkab_executors.function import Knob, executor
from murakkab_executors.words import STOP_WORDS, rarity, sentences_of, stem, terms_of, words_in

_NUMBERS: Final = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety|hundred"
_NUMBER: Final = rf"(?:\b\d[\d.,:]*\d|\b\d|\b(?:{_NUMBERS})\b)"
_NAME: Final = r"[A-Z][\w'-]+(?: (?:of |the |de |van )?[A-Z][\w'-]+)*"
_MONTHS: Final = "January|February|March|April|May|June|July|August|September|October|November|December"
#: What a question begins with, and what its answer looks like; the first that fits counts.
_KINDS: Final[Sequence[tuple[re.Pattern[str], re.Pattern[str]]]] = (
    (
        re.compile(r"\b(when|what (year|time|day|month)|which (year|day|month)|how often)\b", re.IGNORECASE),
        re.compile(
            rf"\b(?:\d{{1,2}} )?(?:{_MONTHS})(?: \d{{1,2}})?(?:,? \d{{4}})?\b|\b(?:1[5-9]|20)\d\d\b|\b\d{{1,2}}[:.]\d\d\b"
            rf"|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b|\b(?:every|twice|once) [a-z]+(?: [a-z]+)?\b|\b(?:midnight|noon)\b"
        ),
    ),
    (
        re.compile(r"\bhow (many|much|old|long|far|high|tall|deep|wide|heavy|fast|large|big)\b", re.IGNORECASE),
        re.compile(rf"{_NUMBER}(?:[ -](?:{_NUMBERS}|thousand|million|per cent|[a-z]+)\b)?", re.IGNORECASE),
    ),
    (re.compile(r"\bwho(se|m)?\b", re.IGNORECASE), re.compile(_NAME)),
    (
        re.compile(r"\bwhere\b", re.IGNORECASE),
        re.compile(
            rf"\b(?:in|at|on|under|behind|above|below|beside|near|from|next to|to) (?:the |a |an )?(?:{_NAME}|[a-z-]+(?: [a-z-]+)?)"
        ),
    ),
)
#: Any other answer: some words on end without a comma between.
_ANY: Final = re.compile(r"[^\s,;:.!?()]+(?: [^\s,;:.!?()]+)*")
_COUNT: Final = re.compile(r"\bhow many\b", re.IGNORECASE)
#: So many sentences, best first, are searched for an answer of the right kind.
_SEARCHED: Final = 3


@executor(capabilities.answering, name="span-answer", effect="pure", quote=Quote(seconds=0.001, quality=0.575, source="measured"))
def span_answer(
    question: str,
    passages: list[Passage],
    *,
    sentences: Annotated[int, Knob("sentences in which an answer is looked for, best first", low=1, high=10)] = _SEARCHED,
) -> Answer:
    """Answer with the words of the best sentences that look like an answer to such a question: a number, a time, a name, a place.

    To other questions, what the best sentence says beyond them; where no words look like an answer, that whole sentence. Measured for
    4 passages of 600 characters.
    """
    spend(units=sum(len(passage.text) for passage in passages))
    ranked = _ranked(question, passages)[:sentences]
    for document, sentence in ranked:
        if text := _span(question, sentence):
            return Answer(question, text, [document])
    return Answer(question, ranked[0][1], [ranked[0][0]]) if ranked else Answer(question, "", [])


@executor(capabilities.answering, name="passage-answer", effect="pure", quote=Quote(seconds=5e-05, quality=0.045, source="measured"))
def passage_answer(question: str, passages: list[Passage]) -> Answer:
    """Answer with the whole of the best passage, whatever in it is the answer."""
    spend(units=sum(len(passage.text) for passage in passages))
    return Answer(question, passages[0].text, [passages[0].document]) if passages else Answer(question, "", [])


def _ranked(question: str, passages: Sequence[Passage]) -> list[tuple[str, str]]:
    """Return document and text of the sentences that share words with the question, best first; questions and headings answer none."""
    found = [
        (passage.document, sentence, frozenset(terms_of(sentence)), 1 / place)
        for place, passage in enumerate(passages, start=1)
        for sentence in sentences_of(passage.text)
        if not sentence.endswith("?") and len(sentence.split()) > 3
    ]
    rare = rarity(bag for _, _, bag, _ in found)
    wanted = frozenset(terms_of(question))
    # That a passage was found first is worth a little: it breaks ties, and helps a sentence that says "it" for what was asked about.
    scores = [sum(rare[term] for term in sorted(wanted & bag)) * (1 + 0.2 * early) for _, _, bag, early in found]
    order = sorted(range(len(found)), key=lambda at: (-scores[at], at))
    return [found[at][:2] for at in order if scores[at] > 0]


def _span(question: str, sentence: str) -> str:
    """Return the part of *sentence* that can answer *question* and lies nearest to the words of it; "" where there is none."""
    asked = set(terms_of(question))
    places = [word.start() for word in re.finditer(r"[\w']+", sentence) if stem(word[0].lower()) in asked]
    looks_like = next((answer for cue, answer in _KINDS if cue.search(question)), None)
    if looks_like is None:
        return max(_runs(sentence, asked), key=len, default="")
    spans = [span for span in looks_like.finditer(sentence) if not set(terms_of(span[0])) <= asked]

    is_count = _COUNT.search(question) is not None

    def far(span: re.Match[str]) -> tuple[int, int]:
        # "17 pupils" answers "how many pupils" though "one classroom" is nearer to the rest.
        fitting = len(asked.intersection(terms_of(span[0]))) if is_count else 0
        return -fitting, sum(abs(span.start() - place) for place in places)

    best = min(spans, key=far, default=None)
    return best[0].strip(" ,.;") if best else ""


def _runs(sentence: str, asked: set[str]) -> list[str]:
    """Return the runs of words of *sentence* that are not asked about, without stop words at their ends."""
    runs: list[list[str]] = [[]]
    for clause in _ANY.findall(sentence):
        for word in clause.split():
            if stem(word.lower()) in asked:
                runs.append([])
            else:
                runs[-1].append(word)
        runs.append([])
    return [" ".join(bare) for run in runs if (bare := _bare(run))]


def _bare(run: Sequence[str]) -> Sequence[str]:
    told = [at for at, word in enumerate(run) if words_in(word) and not set(words_in(word)) <= STOP_WORDS]
    return run[told[0] : told[-1] + 1] if told else ()


EXECUTORS: Final = (span_answer, passage_answer)
