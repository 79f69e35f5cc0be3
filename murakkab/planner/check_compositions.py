"""policy: whether a composition can be what it says - its numbers, what keeps one of its results, what may be done several times."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from murakkab.errors import Diagnostic, Path
from murakkab.expressions import names_in
from murakkab.planner.check_scopes import literal
from murakkab.planner.check_types import dotted
from murakkab.planner.compositions import composition_of, field_of, has_compositions
from murakkab.planner.mentions import ATTEMPT, DEBATE, names_asked, names_in_work, told_in
from murakkab.planner.providers import is_plain
from murakkab.planner.standing import Standing
from murakkab.planner.survey import measures_of_step
from murakkab.planner.walk import definitions
from murakkab.spec import MOST_AT_ONCE, MOST_ROUNDS, Effect, Need, OnError, Pick, Step, Workflow
from murakkab.types import ANY, FLOAT, why_not

Found = Iterator[Diagnostic]

#: What a step that compares results cannot have, and what it usually is.
_NOT_OF_JUDGES: Final = {
    "for_each": (),
    "max_parallel": None,
    "repeat": None,
    "best_of": None,
    "debate": None,
    "need": None,
    "when": "",
    "after": (),
    "on_error": OnError(),
}


class _Seen(NamedTuple):
    """What a name means that somebody has written: a step or a loop variable, and whether it may be left out."""

    what: str
    is_optional: bool = False


_TOLD: Final = _Seen("what a composition tells its work")


def composition_problems(workflow: Workflow) -> Found:
    """Yield what is wrong with the compositions of *workflow* as they are written."""
    if not has_compositions(workflow):
        return
    for at, one in definitions(workflow):
        steps = (*at, "steps")
        yield from _of_steps(one.steps, steps, ChainMap())
        # The last steps see what all others gave.
        yield from _of_steps(one.finally_, (*at, "finally"), ChainMap(_seen_in(one.steps, steps)))


def _seen_in(steps: Mapping[str, Step], path: Path) -> dict[str, _Seen]:
    return {name: _Seen(dotted((*path, name)), step.optional is not None) for name, step in steps.items()}


def _of_steps(steps: Mapping[str, Step], path: Path, around: ChainMap[str, _Seen]) -> Found:
    """Yield what is wrong with *steps* and those inside of them; *around*: what else is seen there, by its name."""
    seen = around.new_child(_seen_in(steps, path))
    for name, step in steps.items():
        here = (*path, name)
        variables = {variable: _Seen("a loop variable") for loop in step.for_each for variable, _ in loop.lists()}
        inside = seen.new_child(variables) if variables else seen
        yield from _asks_for(step, here, inside)
        if composition_of(step) is not None:
            yield from _numbers(step, here)
            yield from _pick(step, here)
            yield from _place(step, here)
            yield from _names(step, here)
            yield from _hidden(step, here, inside)
        if step.block is not None:
            # What the work is told is nothing that somebody has written.
            known = inside.new_child(dict.fromkeys(told_in(step), _TOLD)) if told_in(step) else inside
            yield from _of_steps(step.block.steps, (*here, "steps"), known)


def _asks_for(step: Step, path: Path, seen: Mapping[str, _Seen]) -> Found:
    """A condition has no place for data: what it asks for must be there."""
    for key, text in (("when", step.when), ("repeat", step.repeat.until if step.repeat else "")):
        for name in sorted(names_in(text)) if text else ():
            if name in seen and seen[name].is_optional:
                hint = "let a step look at it, and ask for the result of that"
                yield Diagnostic("contradiction", f"a condition asks for {name!r}, which may be left out", hint, (*path, key))


def _numbers(step: Step, path: Path) -> Found:
    if step.best_of is not None:
        yield from _domain(step.best_of.n, (*path, "best_of", "n"), low=1, high=MOST_AT_ONCE)
    if step.debate is not None:
        yield from _domain(step.debate.participants, (*path, "debate", "participants"), low=1, high=MOST_AT_ONCE)
        yield from _domain(step.debate.rounds, (*path, "debate", "rounds"), low=0, high=MOST_ROUNDS)


def _domain(numbers: tuple[int, ...], path: Path, *, low: int, high: int) -> Found:
    name = str(path[-1])
    if not numbers:
        yield Diagnostic(
            "missing-field", f"nothing says how many `{name}` there may be", f"write {name}: 3, or {name}: [1, 3, 5]", path[:-1]
        )
    for number in numbers:
        if not low <= number <= high:
            yield Diagnostic("out-of-range", f"{path[-2]}.{name} cannot be {number}", f"it is between {low} and {high}", path)
    if len(set(numbers)) < len(numbers):
        yield Diagnostic("contradiction", f"{path[-2]}.{name} names a number twice", "name each once, the usual one first", path)


def _pick(step: Step, path: Path) -> Found:
    made = composition_of(step)
    pick = made.pick if made is not None else Pick()
    field = (*path, field_of(step))
    if pick.judge is not None and pick.score is not None:
        yield Diagnostic("contradiction", "a judge and a score both keep one of the results", "have one of them", (*field, "score"))
    for name, one in (("judge", pick.judge), ("score", pick.score)):
        if one is None:
            continue
        if not is_plain(one) or not (one.uses or one.call):
            hint = f"write {name}: {{uses: a capability, with: {{...}}}}"
            yield Diagnostic("no-work", f"the {name} is no step that an executor does", hint, (*field, name))
        for key, usual in _NOT_OF_JUDGES.items():
            if getattr(one, key) != usual:
                yield Diagnostic(
                    "misplaced", f"`{key}` means nothing at a {name}", "it is done once for what it compares", (*field, name, key)
                )
    if pick.accuracy is not None:
        if not 0 <= pick.accuracy <= 1:
            yield Diagnostic("out-of-range", f"accuracy cannot be {pick.accuracy:g}", "it is between 0 and 1", (*field, "accuracy"))
        if pick.judge is None and pick.score is None:
            hint = "name a judge or a score, or leave it out"
            yield Diagnostic(
                "misplaced", "`accuracy` is that of a judge or a score, and the most frequent is kept", hint, (*field, "accuracy")
            )


def _place(step: Step, path: Path) -> Found:
    if step.best_of is not None and step.debate is not None:
        yield Diagnostic("contradiction", "`best_of` and `debate` stand together", "put one step inside of the other", (*path, "debate"))
    field = field_of(step)
    if step.approve is not None or step.wait is not None:
        kind = "approve" if step.approve is not None else "wait"
        yield Diagnostic("misplaced", f"`{field}` means nothing beside `{kind}`", "put it on the work that comes before", (*path, field))
    if step.need is not None and not step.for_each and step.need != Need():
        hint = "put the block into a step of its own, and this around it"
        yield Diagnostic("misplaced", f"`need` means nothing beside `{field}` on a step without `for_each`", hint, (*path, "need"))


def _names(step: Step, path: Path) -> Found:
    own, field = ATTEMPT if step.best_of is not None else DEBATE, field_of(step)
    asked, mentioned = names_asked(step), names_in_work(step)
    if own in asked:
        hint = "give it to a step, and ask for the result of that"
        yield Diagnostic("unknown-name", f"{own!r} is known in the values that the work is given, not in conditions", hint, (*path, field))
    if step.debate is not None and step.repeat is None and "loop" in mentioned | asked:
        message = "'loop' means the rounds of the debate here"
        yield Diagnostic(
            "bad-name", message, "use `debate.round`; what is repeated around it, a step before it can hand on", (*path, field)
        )
    if step.best_of is not None and step.cache is not None and ATTEMPT not in mentioned and max(step.best_of.n, default=1) > 1:
        message = "the attempts have the same inputs, so that later jobs find one kept result in the place of all"
        yield Diagnostic("contradiction", message, "give them ${attempt}, or leave cache out", (*path, "cache"), is_warning=True)


def _hidden(step: Step, path: Path, seen: Mapping[str, _Seen]) -> Found:
    """What the work is told hides whatever else has that name."""
    own = ATTEMPT if step.best_of is not None else DEBATE
    if own in {name for loop in step.for_each for name, _ in loop.lists()}:
        message = f"the loop variable {own!r} has the name of what `{field_of(step)}` tells the work"
        yield Diagnostic("shadowed-name", message, "give it another name", (*path, "for_each", own))
    elif seen.get(own, _TOLD) is not _TOLD and own in names_in_work(step):
        message = f"what `{field_of(step)}` tells the work has the name of {seen[own].what}, which is seen here too"
        yield Diagnostic("shadowed-name", message, f"give that another name than {own!r}", (*path, field_of(step)))


def keeping_problems(step: Step, at: Standing) -> Found:
    """Yield what is wrong with the types and effects in a composition, and with what stands in the place of a step that is left out.

    *step* is as it is expanded: a composition is the block that the planner made of it.
    """
    problems: list[Diagnostic] = []
    if step.optional is not None and step.optional.default is not None:
        literal(step.optional.default, at.frame.scope[step.name], (*at.path(step), "optional", "default"), problems)
    yield from problems
    inner = at.frame.inner.get(step.name)
    if step.block is None or not step.block.gives or inner is None:
        return
    candidates = next((one for one in inner.steps.values() if one.composed is not None and one.composed.among), None)
    if candidates is None or candidates.composed is None:
        return
    path, judge = (*inner.path, candidates.name), candidates.composed.judge
    if measures_of_step(candidates, inner, at.facts.parts, at.facts.catalog).effect is Effect.IRREVERSIBLE:
        hint = "do it once, with what was kept"
        yield Diagnostic("unsafe-attempts", "what is irreversible would be done several times", hint, path)
    of = inner.scope[candidates.name].item or ANY
    # A judge gives the one that is kept itself; a score tells how good each is.
    is_judge = judge == step.block.gives
    if is_judge and (reason := why_not(of, inner.results[judge])):
        message = f"the judge gives {inner.results[judge]}, and the results that it chooses from are {of}: {reason}"
        yield Diagnostic("type-mismatch", message, "let it give the best of `candidates`, or use `score`", (*inner.path, judge))
    if judge and not is_judge and (reason := why_not(FLOAT, inner.results[judge])):
        message = f"a score is a number, and this gives {inner.results[judge]}: {reason}"
        yield Diagnostic("type-mismatch", message, "let it give the number alone", (*inner.path, judge))
