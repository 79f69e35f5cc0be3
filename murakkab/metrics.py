"""policy: how good a result is - pure functions of a result and a label, between 0 and 1, more is better; `METRICS` has them by name.

A result is what a step gives, as JSON data: text, a record that holds it (`{"text": ...}`), a list of names or of records that have them.
A label has the same forms. What has no such form raises `InputError`.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from murakkab.errors import InputError

#: Takes a result and its label, and returns a number between 0 and 1.
Metric = Callable[[Any, Any], float]

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
#: Where a record keeps its text, and its names.
_TEXTS: Final = ("text", "summary", "answer")
_NAMES: Final = ("objects", "names", "labels")
#: Where an element of a list keeps what it is called by.
_NAME: Final = ("label", "name", "document", "id")

# ------------------------------------------------------------------------------------------------------------------- texts


def word_accuracy(result: Any, label: Any) -> float:
    """Return 1 - WER, at least 0: the words that must be replaced, left out or put in, over the number of words of the label.

    Case and punctuation do not count. Where nothing is to be heard, 1 for nothing and 0 for anything else.
    """
    heard, spoken = words_of(text_of(result)), words_of(text_of(label))
    return max(0.0, 1.0 - edits(heard, spoken) / len(spoken)) if spoken else float(not heard)


def exact_match(result: Any, label: Any) -> float:
    """Return 1 where the texts are the same after SQuAD's normalisation (`normalised`), else 0; of several labels the best counts."""
    given = normalised(text_of(result))
    return max(float(given == normalised(one)) for one in _answers(label))


def token_f1(result: Any, label: Any) -> float:
    """Return the F1 of the tokens of two texts after SQuAD's normalisation; of several labels the best counts.

    Rajpurkar et al. 2016, "SQuAD", section 6.1. Without tokens in one of the two: 1 where both have none, else 0.
    """
    given = normalised(text_of(result)).split()
    return max(_overlap(given, normalised(one).split()) for one in _answers(label))


def contains(result: Any, label: Any) -> float:
    """Return 1 where the normalised text holds a normalised label as whole words, else 0; an empty label is held by no text."""
    given = f" {normalised(text_of(result))} "
    return max(float(f" {wanted} " in given) if (wanted := normalised(one)) else 0.0 for one in _answers(label))


def rouge_l(result: Any, label: Any) -> float:
    """Return the F1 of the longest common subsequence of words (ROUGE-L, Lin 2004, section 3.1, beta 1); of several labels the best."""
    given = words_of(text_of(result))
    return max(_rouge(given, words_of(one)) for one in _answers(label))


def rouge_1(result: Any, label: Any) -> float:
    """Return the F1 of single words, however ordered (ROUGE-1, Lin 2004, section 2); of several labels the best."""
    given = words_of(text_of(result))
    return max(_overlap(given, words_of(one)) for one in _answers(label))


# -------------------------------------------------------------------------------------------------------------------- sets


def set_precision(result: Any, label: Any) -> float:
    """Return the share of the names given that the label has; 1 where none are given."""
    given, wanted = names_of(result), names_of(label)
    return len(given & wanted) / len(given) if given else 1.0


def set_recall(result: Any, label: Any) -> float:
    """Return the share of the label's names that are given; 1 where it has none."""
    given, wanted = names_of(result), names_of(label)
    return len(given & wanted) / len(wanted) if wanted else 1.0


def set_f1(result: Any, label: Any) -> float:
    """Return the harmonic mean of precision and recall of two sets of names; 1 where both are empty."""
    given, wanted = names_of(result), names_of(label)
    return 2 * len(given & wanted) / (len(given) + len(wanted)) if given or wanted else 1.0


def recall_at(k: int) -> Metric:
    """Return the metric recall@k: the share of the label's names among the first *k* different names of the result, in its order."""

    def recall(result: Any, label: Any) -> float:
        first = set(list(dict.fromkeys(_listed(result)))[:k])
        wanted = names_of(label)
        return len(first & wanted) / len(wanted) if wanted else 1.0

    recall.__name__, recall.__doc__ = f"recall_at_{k}", f"Return the share of the label's names among the first {k} of the result."
    return recall


def reciprocal_rank(result: Any, label: Any) -> float:
    """Return 1 over the place of the first name of the result that the label has; 0 where it has none of them."""
    wanted = names_of(label)
    places = (place for place, name in enumerate(dict.fromkeys(_listed(result)), start=1) if name in wanted)
    return 1.0 / next(places, float("inf"))


# ------------------------------------------------------------------------------------------------------------------- times


def segment_overlap(result: Any, label: Any) -> float:
    """Return how well pieces of time fit those of the label: intersection over union of each with its best, averaged over both sides.

    Both are lists of `{start, end}` or of pairs, in seconds.
    """
    given, wanted = _spans(result), _spans(label)
    if not given or not wanted:
        return float(not given and not wanted)
    return (_fit(given, wanted) + _fit(wanted, given)) / 2


def _fit(ones: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]) -> float:
    """Return the mean over *ones* of what each shares with the best of *others*, weighed by its length."""
    whole = sum(end - start for start, end in ones)
    return sum((end - start) * max(_shared((start, end), other) for other in others) for start, end in ones) / whole if whole else 0.0


def _shared(one: tuple[float, float], other: tuple[float, float]) -> float:
    both = min(one[1], other[1]) - max(one[0], other[0])
    return both / (max(one[1], other[1]) - min(one[0], other[0])) if both > 0 else 0.0


def _spans(value: Any) -> list[tuple[float, float]]:
    if not isinstance(value, list | tuple):
        raise _unfit(value, "a list of {start, end}")
    try:
        pairs = [(one["start"], one["end"]) if isinstance(one, Mapping) else (one[0], one[1]) for one in value]
        return [(float(start), float(end)) for start, end in pairs]
    except (KeyError, IndexError, TypeError, ValueError):
        raise _unfit(value, "a list of {start, end}") from None


# ------------------------------------------------------------------------------------------------------- parts of the above


def normalised(text: str) -> str:
    """Return *text* as SQuAD's evaluation compares it: lower case, without ASCII punctuation and articles, with single blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def words_of(text: str) -> list[str]:
    """Return the words of *text* in lower case; punctuation is left out, an apostrophe inside of a word is kept."""
    return _WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def edits(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the fewest replacements, deletions and insertions that make *one* of *other* (Levenshtein distance of words)."""
    row = list(range(len(one) + 1))
    for number, wanted in enumerate(other, start=1):
        above, row = row, [number]
        for at, given in enumerate(one, start=1):
            row.append(min(above[at] + 1, row[at - 1] + 1, above[at - 1] + (given != wanted)))
    return row[-1]


def common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest sequence that can be left of both by leaving elements out."""
    row = [0] * (len(one) + 1)
    for wanted in other:
        above, row = row, [0]
        for at, given in enumerate(one, start=1):
            row.append(above[at - 1] + 1 if given == wanted else max(above[at], row[at - 1]))
    return row[-1]


def _rouge(given: Sequence[str], wanted: Sequence[str]) -> float:
    if not given or not wanted:
        return float(not given and not wanted)
    return 2 * common_subsequence(given, wanted) / (len(given) + len(wanted))


def _overlap(given: Sequence[str], wanted: Sequence[str]) -> float:
    if not given or not wanted:
        return float(not given and not wanted)
    return 2 * (Counter(given) & Counter(wanted)).total() / (len(given) + len(wanted))


def text_of(value: Any) -> str:
    """Return the text that *value* is or holds. Raises `InputError`."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        found = next((value[key] for key in _TEXTS if isinstance(value.get(key), str)), None)
        if found is not None:
            return str(found)
    raise _unfit(value, "text, or a record with a 'text'")


def names_of(value: Any) -> set[str]:
    """Return the names that *value* lists, each once, in lower case. Raises `InputError`."""
    return set(_listed(value))


def _listed(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = next((value[key] for key in _NAMES if key in value), None)
    if not isinstance(value, list | tuple | set | frozenset):
        raise _unfit(value, "a list of names, or a record with 'objects'")
    return [_name(one) for one in value]


def _name(one: Any) -> str:
    if isinstance(one, Mapping):
        one = next((one[key] for key in _NAME if key in one), None)
    if not isinstance(one, str):
        raise _unfit(one, "a name, or a record with a 'label' or 'name'")
    return one.lower()


def _answers(label: Any) -> list[str]:
    """Return the texts that are right: *label* itself, or each of a list. There is at least one."""
    if isinstance(label, list | tuple) and label:
        return [text_of(one) for one in label]
    return [text_of(label)]


def _unfit(value: Any, wanted: str) -> InputError:
    shown = repr(value)
    return InputError(f"{shown[:60]}{'...' if len(shown) > 60 else ''} cannot be scored", hint=f"give {wanted}")


METRICS: Final[Mapping[str, Metric]] = {
    "word_accuracy": word_accuracy,
    "exact_match": exact_match,
    "token_f1": token_f1,
    "contains": contains,
    "rouge_l": rouge_l,
    "rouge_1": rouge_1,
    "set_precision": set_precision,
    "set_recall": set_recall,
    "set_f1": set_f1,
    "recall_at_1": recall_at(1),
    "recall_at_3": recall_at(3),
    "recall_at_5": recall_at(5),
    "reciprocal_rank": reciprocal_rank,
    "segment_overlap": segment_overlap,
}
