"""driver: which things a text names, by a list of nouns that ships here. No model is needed."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Final

from murakkab.catalog import Quote
from murakkab.steps import spend
from murakkab_executors import capabilities
from murakkab_executors.capabilities import Detection, ObjectListing, Transcript
from murakkab_executors.function import Knob, executor

_DETERMINERS: Final = frozenset(
    """
    a an the this that these those my your his her its our their some any no every
    each another one two three four five six seven eight nine ten many few several
    """.split()  # noqa: SIM905
)
_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")


# ----------------------------------------------------------------------------------------------------------------- objects


@executor(capabilities.object_listing, name="noun-list", effect="pure", quote=Quote(seconds=0.0001, quality=1.0, source="measured"))
def noun_list(
    seen: list[list[Detection]],
    heard: list[Transcript],
    *,
    min_score: Annotated[float, Knob("leave out what was seen with a lower score", low=0.0, high=1.0)] = 0.0,
) -> ObjectListing:
    """Shown is every label seen; mentioned is every noun of the speech that names something one can see, in the singular.

    The nouns, about 4,800 common ones, are from WordNet. English only.
    """
    return _listing(seen, heard, min_score, nouns_in)


@executor(capabilities.object_listing, name="exact-nouns", effect="pure", quote=Quote(seconds=5e-05, quality=0.908, source="measured"))
def exact_nouns(
    seen: list[list[Detection]],
    heard: list[Transcript],
    *,
    min_score: Annotated[float, Knob("leave out what was seen with a lower score", low=0.0, high=1.0)] = 0.0,
) -> ObjectListing:
    """Shown is every label seen; mentioned is every word of the speech that is, as it stands, one of the nouns of `noun-list`.

    Plurals are missed, and words that only look like a name of something ("can", "bear") are taken for one. English only.
    """
    return _listing(seen, heard, min_score, exact_nouns_in)


def _listing(
    seen: Iterable[Iterable[Detection]], heard: Iterable[Transcript], min_score: float, nouns: Callable[[str], Iterable[str]]
) -> ObjectListing:
    heard = list(heard)
    spend(units=sum(len(transcript.text) for transcript in heard))
    shown = {detection.label for scene in seen for detection in scene if detection.score >= min_score}
    mentioned = {noun for transcript in heard for noun in nouns(transcript.text)}
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


def exact_nouns_in(text: str) -> set[str]:
    """Return the words of *text* that are nouns of the list as they stand."""
    known, words = vocabulary(), set(_WORD.findall(text.lower()))
    return (words & known.plain) | (words & known.guarded)


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


EXECUTORS: Final = (noun_list, exact_nouns)
