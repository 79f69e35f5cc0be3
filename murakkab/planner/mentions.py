"""policy: the names that a step mentions - those whose being skipped skips it too, and those that it can do without."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from murakkab.expressions import names_in
from murakkab.references import refs_in
from murakkab.spec import Expr, First, Ref, Rescue, Step

#: What a step may use in its work, by the composition that it has.
ATTEMPT: Final = "attempt"
DEBATE: Final = "debate"
#: What the results are called of which a composition keeps one, and what the score of one of them may use.
CANDIDATES: Final = "candidates"
CANDIDATE: Final = "candidate"
_OF_JUDGES: Final = frozenset((CANDIDATES, CANDIDATE))

_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Mentions:
    """`hard`: names whose value must be there. `soft`: those that stand in `$first`, or in what takes the place of a failure."""

    hard: set[str] = field(default_factory=set)
    soft: set[str] = field(default_factory=set)

    def add(self, expr: Expr, known: Collection[str] = _NOTHING) -> None:
        """Take in what *expr* mentions beside the names that are *known* where it stands."""
        self.soft.update(ref.source for first in _firsts(expr) for ref in refs_in(first) if ref.source not in known)
        self.hard.update(ref.source for ref in _refs_outside_first(expr) if ref.source not in known)

    def join(self, other: "Mentions", known: Collection[str] = _NOTHING) -> None:
        """Take in what *other* mentions beside the names that are *known* there."""
        self.soft.update(name for name in other.soft if name not in known)
        self.hard.update(name for name in other.hard if name not in known)

    @property
    def names(self) -> set[str]:
        """Every name."""
        return self.hard | self.soft


def mentions_of(step: Step, inside: Mentions | None = None, *, skip_first_list: bool = False) -> Mentions:
    """Return what *step* mentions that is not its own; *inside* is what its block does, *skip_first_list* leaves out the outermost list."""
    found = Mentions()
    own: set[str] = set()
    for level, loop in enumerate(step.for_each):
        for _, over in loop.lists():
            if level or not skip_first_list:
                found.add(over, own)
        own.update(name for name, _ in loop.lists())
    if step.when:
        found.hard.update(names_in(step.when) - own)
    if step.on_error.action is Rescue.DEFAULT:
        found.soft.update(ref.source for ref in refs_in(step.on_error.default) if ref.source not in own and ref.source != "error")
    _work(step, inside, own, found)
    found.soft -= found.hard
    return found


def _work(step: Step, inside: Mentions | None, own: set[str], found: Mentions) -> None:
    if step.repeat is not None:
        own = {*own, "loop"}
        found.hard.update(names_in(step.repeat.until) - own - {"result"})
    if (made := step.best_of or step.debate) is not None:
        for one in (made.pick.judge, made.pick.score):
            for expr in work_of(one) if one is not None else ():
                found.add(expr, {*own, *_OF_JUDGES})
        own = {*own, *told_in(step)}
    for expr in work_of(step):
        found.add(expr, own)
    if inside is not None:
        found.join(inside, own)


def work_of(step: Step) -> Iterator[Expr]:
    """Yield the expressions that the work of *step* itself is made of, not those in its block."""
    yield from step.with_.values()
    yield from step.knobs.values()
    if step.approve is not None:
        yield step.approve.message
    if step.wait is not None:
        yield from (step.wait.seconds, step.wait.until, step.wait.event)


def told_in(step: Step) -> frozenset[str]:
    """Return what the composition that *step* is tells its work."""
    return frozenset(name for name, made in ((ATTEMPT, step.best_of), (DEBATE, step.debate)) if made is not None)


def names_in_work(step: Step) -> frozenset[str]:
    """Return the names that the work of *step* mentions in its values, those aside that something inside of it gives a meaning itself."""
    found = {ref.source for expr in work_of(step) for ref in refs_in(expr)}
    if step.block is not None:
        inside = {name for one in step.block.steps.values() for name in _names_of(one)}
        inside.update(ref.source for output in step.block.outputs.values() for ref in refs_in(output.value))
        found |= inside - step.block.steps.keys()
    return frozenset(found)


def names_asked(step: Step) -> frozenset[str]:
    """Return the names that conditions in the work of *step* mention, those aside that something inside of it gives a meaning itself."""
    found = set(names_in(step.repeat.until)) if step.repeat is not None and step.repeat.until else set[str]()
    if step.block is not None:
        for one in step.block.steps.values():
            inner = names_asked(one) - told_in(one) - ({"loop", "result"} if one.repeat is not None else set())
            own = {name for loop in one.for_each for name, _ in loop.lists()}
            found |= (inner | names_in(one.when) if one.when else inner) - own - step.block.steps.keys()
    return frozenset(found)


def _names_of(step: Step) -> set[str]:
    """Return the names around *step* that it mentions in its values, wherever in it that is."""
    found = set(names_in_work(step)) - told_in(step) - ({"loop"} if step.repeat is not None else set())
    if (made := step.best_of or step.debate) is not None:
        found.update(name for one in (made.pick.judge, made.pick.score) if one is not None for name in names_in_work(one) - _OF_JUDGES)
    found.update(ref.source for ref in refs_in(step.on_error.default))
    own: set[str] = set()
    lists: set[str] = set()
    for loop in step.for_each:
        lists.update(ref.source for _, over in loop.lists() for ref in refs_in(over) if ref.source not in own)
        own.update(name for name, _ in loop.lists())
    return (found - own) | lists


def mentions_of_frame(steps: Iterable[Mentions], outputs: Iterable[Expr], own: Collection[str]) -> Mentions:
    """Return what *steps* and *outputs* mention beside their *own* names."""
    found = Mentions()
    for one in steps:
        found.join(one, own)
    for expr in outputs:
        found.add(expr, own)
    found.soft -= found.hard
    return found


def _refs_outside_first(expr: Expr) -> Iterator[Ref]:
    if isinstance(expr, First):
        return
    if isinstance(expr, Mapping):
        for inner in expr.values():
            yield from _refs_outside_first(inner)
    elif isinstance(expr, list | tuple):
        for inner in expr:
            yield from _refs_outside_first(inner)
    else:
        yield from refs_in(expr)


def _firsts(expr: Expr) -> Iterator[First]:
    agenda = [expr]
    while agenda:
        expr = agenda.pop()
        if isinstance(expr, First):
            yield expr
        elif isinstance(expr, Mapping):
            agenda.extend(expr.values())
        elif isinstance(expr, list | tuple):
            agenda.extend(expr)
