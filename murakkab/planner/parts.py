"""policy: what the steps are called that a composition is made of: none has the name of what is written in it, or is meant there."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from murakkab.expressions import names_in
from murakkab.planner.mentions import CANDIDATE, CANDIDATES, work_of
from murakkab.references import refs_in
from murakkab.spec import Expr, Step

#: What parts are called where nothing else is: those beside the work, and those of the rounds of a debate.
JUDGE, SCORES, BEST, VIEWS, ANSWERS = "judge", "scores", "best", "views", "answers"
_TOLD: Final = frozenset((CANDIDATES, CANDIDATE))


class Parts(NamedTuple):
    """The names of the parts of one composition."""

    candidates: str = CANDIDATES
    judge: str = JUDGE
    scores: str = SCORES
    best: str = BEST
    views: str = VIEWS
    answers: str = ANSWERS


def parts_of(step: Step) -> Parts:
    """Return what the parts of the composition that *step* is are called, as it is written: each as usual, unless that is taken in it."""
    made = step.best_of or step.debate
    taken = set(_in_work(step))
    for one in (made.pick.judge, made.pick.score) if made is not None else ():
        if one is not None:
            taken.update(_in_judging(one))
    return Parts(*(_free(name, taken) for name in Parts()))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _in_work(step: Step) -> Iterator[str]:
    """Yield every name that the work of *step* mentions or gives, wherever in it that is."""
    yield from _mentioned(work_of(step))
    if step.repeat is not None and step.repeat.until:
        yield from names_in(step.repeat.until)
    if step.block is None:
        return
    yield from _mentioned(output.value for output in step.block.outputs.values())
    for name, one in step.block.steps.items():
        yield name
        yield from _around(one)
        yield from _in_work(one)


def _around(step: Step) -> Iterator[str]:
    """Yield what stands at *step* around its work."""
    yield from step.after
    if step.when:
        yield from names_in(step.when)
    yield from _mentioned([step.on_error.default])
    for loop in step.for_each:
        for name, over in loop.lists():
            yield name
            yield from _mentioned([over])
    made = step.best_of or step.debate
    for one in (made.pick.judge, made.pick.score) if made is not None else ():
        if one is not None:
            yield from _in_judging(one)


def _in_judging(one: Step) -> Iterator[str]:
    """Yield what a judge or a score mentions; what it calls the results that it is given is theirs, whatever they are called beside it."""
    yield from (name for name in _in_work(one) if name not in _TOLD)


def _mentioned(exprs: Iterable[Expr]) -> Iterator[str]:
    for expr in exprs:
        yield from (ref.source for ref in refs_in(expr))
