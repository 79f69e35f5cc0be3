"""policy: the names that a step mentions - those whose being skipped skips it too, and those that it can do without."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from murakkab.expressions import names_in
from murakkab.references import refs_in
from murakkab.spec import Expr, First, Ref, Rescue, Step

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
                found.add(expr, {*own, "candidates", "candidate"})
        own = {*own, "attempt", "debate"}
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
