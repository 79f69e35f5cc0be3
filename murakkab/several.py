"""policy: workflows written in Python - several results of which one is kept: `best_of`, `debate`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from murakkab.options import numbers_of
from murakkab.placeholders import Placeholder, mistake
from murakkab.recording import writing
from murakkab.scopes import ANYWHERE, Scope
from murakkab.spec import BestOf, Debate, Pick, Ref, Step
from murakkab.types import ANY

#: Makes the step that compares results of a value that stands for them.
Judge = Callable[[Any], object]


def best_of(n: int | Sequence[int], /, *, judge: Judge | None = None, score: Judge | None = None, accuracy: float | None = None) -> BestOf:
    """Return the option that lets a step be done *n* times at once, and keeps one result: the most frequent, unless somebody judges.

    It is written `answer.with_options(best_of=best_of([1, 3, 5], judge=lambda candidates: pick(candidates, question)))(question)`:
    *judge* calls the step that gives the best of all results; *score* one that gives a number for one of them, of which the highest is
    kept. Several numbers: those that may be chosen, the usual one first. In the arguments of the step `var("attempt")` counts from zero.
    *accuracy*: in how many cases of one a good result is kept where there is one.
    """
    return BestOf(numbers_of("best_of", n), _pick("best_of", judge, score, accuracy))


def debate(
    participants: int | Sequence[int],
    rounds: int | Sequence[int],
    /,
    *,
    judge: Judge | None = None,
    score: Judge | None = None,
    accuracy: float | None = None,
) -> Debate:
    """Return the option that lets several do a step at once, then for some rounds again with what the others gave; one result is kept.

    In the arguments of the step `var("debate")` has `mine`, `others`, `round` and `seat`. The rest is as for `best_of`.
    """
    return Debate(numbers_of("participants", participants), numbers_of("rounds", rounds), _pick("debate", judge, score, accuracy))


def _pick(of: str, judge: Judge | None, score: Judge | None, accuracy: float | None) -> Pick:
    if accuracy is not None and (isinstance(accuracy, bool) or not isinstance(accuracy, int | float)):
        raise mistake("wrong-form", f"accuracy={accuracy!r} is not a number", "it is between 0 and 1")
    made = judge and _step(of, "judge", judge, "candidates"), score and _step(of, "score", score, "candidate")
    return Pick(*made, accuracy if accuracy is None else float(accuracy))


def _step(of: str, name: str, judge: Judge, given: str) -> Step:
    """Return the one step that *judge* calls."""
    recording = writing(f"{of}(..., {name}=...)", instead="outside, compare the results yourself")
    outer = recording.scope
    scope = Scope(outer, (*outer.path, of, name))
    with recording.inside(scope):
        made = judge(Placeholder(Ref(given), ANY, home=ANYWHERE))
    steps = list(scope.steps.values())
    if len(steps) != 1 or not isinstance(made, Placeholder) or made.expr__ != Ref(steps[0].name):
        hint = f"write {name}=lambda {given}: a_step({given})"
        raise mistake("wrong-form", f"{name} does not give what one step gives", hint)
    return replace(steps[0], name=name)
