"""data: the codes of mistakes in a declaration, each with what it means, and the hints that name the closest thing known."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final

#: code -> what it means. A code never changes its meaning; each is produced by a test.
CODES: Final[dict[str, str]] = {
    # the text of a file
    "too-large": "the text, or the workflow with everything that it uses, is larger than one may be",
    "too-many": "there are more mistakes than are told",
    "too-deep": "mappings, lists, blocks or sub-workflows are nested too deep",
    "not-text": "the bytes are not UTF-8 text",
    "syntax": "the text is not YAML, or uses a part of YAML that is refused: tags, several documents, tabs",
    "too-many-aliases": "anchors and aliases expand to too much",
    "duplicate-key": "a mapping has the same key twice",
    # the form of a document
    "unknown-field": "the document form has no such field",
    "missing-field": "a field that must be there is not",
    "wrong-form": "a field holds the wrong kind of data: a list where text is wanted, say",
    "bad-type": "a type is not written as types are",
    "bad-quantity": "a duration, an amount or its unit cannot be read",
    "bad-choice": "a field takes one of a few words, and this is not one",
    "misplaced": "a field stands where it means nothing",
    "not-json": "a value has no JSON form",
    "bad-reference": "a reference, template or choice is not written as they are",
    "unknown-operator": "a key that begins with '$' is no operator",
    # parts of a workflow in other places
    "unknown-profile": "the profile that was chosen is not there",
    "unknown-workflow": "a step names a workflow, or a file of one, that is not there",
    "wrong-version": "a step names a version of a workflow that is not the one that is there",
    # the names of things
    "bad-name": "a step, input or loop variable has a name that is reserved or cannot be written in a reference",
    "shadowed-name": "a step or loop variable has the name of another that is seen where it stands",
    "unknown-capability": "the catalog has no such capability",
    "unknown-executor": "the catalog has no such executor",
    "unknown-function": "the function to call was not found",
    "unknown-knob": "the executor has no such knob",
    "unknown-input": "the capability or function takes no such input",
    "unknown-step": "`after` names a step that is not there",
    "unknown-name": "a reference or condition begins with a name that is not there",
    # what a step does
    "no-work": "a step says none or several of `uses`, `call`, `workflow`, `steps`, `approve` and `wait`; or there is no step at all",
    "unmapped": "a step says in plain language alone what it does",
    "missing-input": "an input that the capability or function needs is not given",
    "wrong-executor": "the executor does not provide the capability of the step",
    "same-fallback": "the fallback is the executor that has just failed",
    "unmet-preference": "no executor runs on the device or has the model that a step prefers",
    "not-a-loop": "`max_parallel` stands on a step without `for_each`",
    "unbounded-loop": "nothing says how often a step may be repeated at most",
    "out-of-range": "a number is outside of what it may be",
    "contradiction": "two things that are said cannot both hold, or one of them can never matter",
    "unsafe-cache": "results of a step that changes the world would be kept in place of the change",
    "unsafe-retry": "a step that must not happen twice would be tried again",
    "unsafe-attempts": "a step that must not happen twice would be done several times, to keep one of the results",
    "unsafe-race": "a step that changes the world may be cancelled half-way, because enough others have succeeded",
    "ungated": "a step waits for an approval and is done whatever the answer is (a warning)",
    "unknown-goal": "the goal or the budget names something that is not measured",
    # secrets
    "bad-secret": "a secret does not say where it is kept",
    "secret-leak": "a secret stands where it would be shown or kept",
    # how steps fit together
    "type-mismatch": "a value does not have the type that is wanted where it goes",
    "no-such-field": "a path leads to a field or element that the value does not have",
    "not-a-list": "`for_each` goes over something that is not a list",
    "not-a-literal": "a default mentions other values",
    "self-reference": "a step refers to itself",
    "cycle": "steps wait for each other, or workflows contain each other, in a ring",
    "may-misalign": "of lists that are gone through side by side one may have lost elements",
    # what does nothing (warnings)
    "unreachable": "a step is never done, or an output never has a value",
    "unused-input": "nothing uses an input",
    "unused": "nothing uses a secret, a workflow, or the result of a step that has no effect",
    # conditions
    "bad-condition": "a condition is not a CEL expression, or is larger than one may be",
    "unknown-condition-function": "a condition calls a function that CEL does not have",
    "condition-type": "a condition compares or joins values that do not go together, or does not give true or false",
    # workflows written in Python
    "bad-function": "a function cannot be a step or a workflow",
    "wrong-arguments": "the arguments of a step are not the parameters of its function",
    "unknown-option": "a step, a workflow or its jobs have no such option",
    "not-there-yet": "something is done that needs the value itself, while the workflow is written down",
    "part-of-many": "a part is taken of a list of parts, or an element leaves its each(...)",
    "condition-decided": "a condition is decided before anything has run",
    "outside-workflow": "something that only a workflow can do is done outside of one",
    "nested-workflow": "a workflow is called or run while another one is written down",
}

#: So many mistakes are told; nobody reads more, and a file that is nothing but mistakes is done with soon.
MAX_TOLD: Final = 1_000
#: Comparing is slow; a file of a thousand mistakes must not take seconds.
_MAX_COMPARED: Final = 30
_LISTED: Final = 12


class Vocabulary:
    """Names in order, in one or more layers: to find those that are close to one takes no longer where there are many."""

    __slots__ = ("_layers",)

    def __init__(self, *layers: Sequence[str]) -> None:
        """Take *layers*, each of which is sorted."""
        self._layers = layers

    def near(self, name: str) -> list[str]:
        """Return the neighbours of *name* in each layer."""
        found: list[str] = []
        for layer in self._layers:
            at = bisect_left(layer, name)
            start = max(0, min(at - _MAX_COMPARED // 2, len(layer) - _MAX_COMPARED))
            found += layer[start : start + _MAX_COMPARED]
            # A name with one letter too many at its end stands far behind the one that is meant.
            shorter = bisect_left(layer, name[:-1])
            found += layer[shorter : shorter + 1]
        return found

    def __len__(self) -> int:
        """Return how many names there are."""
        return sum(map(len, self._layers))

    def first(self, count: int) -> list[str]:
        """Return the first names of all."""
        return sorted(name for layer in self._layers for name in layer[:count])[:count]


def did_you_mean(name: str, known: Collection[str] | Vocabulary, *, others: str = "") -> str:
    """Return a hint that names the closest of *known*, else one that lists them behind *others* (`there are`)."""
    near = known.near(name) if isinstance(known, Vocabulary) else _alike(name, known)
    close = get_close_matches(name[:80], [n for n in near if abs(len(n) - len(name)) <= 3 + len(name) // 3], n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not known or not others:
        return ""
    first = known.first(_LISTED) if isinstance(known, Vocabulary) else sorted(known)[:_LISTED]
    return f"{others} {', '.join(first)}{', ...' if len(known) > _LISTED else ''}"


def _alike(name: str, known: Collection[str]) -> Collection[str]:
    """Return those of *known* that may be meant: all, or where there are many those that begin alike."""
    for letters in range(1, len(name)):
        head = name[:letters]
        alike = [n for n in known if n[:letters] == head] if len(known) > _MAX_COMPARED else []
        if not alike:
            break
        known = alike
    return list(known)[:_MAX_COMPARED]
