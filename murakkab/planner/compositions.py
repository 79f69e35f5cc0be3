"""policy: compositions - best of n, debate - as blocks of plain steps, so that nothing behind the planner needs to know of them.

`answer: {uses: x, best_of: 3}` becomes a block `answer` whose step `candidates` does the work three times, and whose step `best` keeps one
of the results. With one attempt, one participant or no round nothing is left but the plain step. What somebody has written keeps its name:
where that is one of these, the part of the composition is called otherwise (`parts`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from murakkab.planner.filling import filled, told
from murakkab.planner.mentions import ATTEMPT, CANDIDATE, CANDIDATES, DEBATE, names_asked, names_in_work, told_in
from murakkab.planner.parts import Parts, parts_of
from murakkab.planner.rewrite import renamed
from murakkab.planner.walk import every_step
from murakkab.spec import (
    PICKING,
    BestOf,
    Block,
    Composed,
    Debate,
    Effect,
    Expr,
    Loop,
    OnError,
    Optional,
    Pick,
    Ref,
    Repeat,
    Rescue,
    Step,
    Workflow,
)

#: What an attempt and a participant are told where there is one alone.
_ALONE: Final[Mapping[str, Any]] = {ATTEMPT: 0, DEBATE: {"seat": 0, "round": 0, "mine": None, "others": []}}

_NOTHING: Final[Mapping[str, Any]] = {}
#: Where a step stands in its definition: `steps` or `finally`, and the names of the steps around it and its own.
_Place = tuple[str, ...]

#: Chooses one of the numbers that may be chosen; the least that makes a composition of it stands beside them.
Choose = Callable[[tuple[int, ...], int], int]


def usual(numbers: tuple[int, ...], _least: int) -> int:
    """Return the number that holds where nobody has chosen one: the first."""
    return numbers[0]


def least(_numbers: tuple[int, ...], least_: int) -> int:
    """Return the least number with which all parts of a composition are there."""
    return least_


def alone(numbers: tuple[int, ...], least_: int) -> int:
    """Return the number with which nothing is left of a composition but its work; what may be left out is as it usually is."""
    # Only the numbers of attempts and of participants are at least two.
    return numbers[0] if least_ < 2 else 1


def has_compositions(workflow: Workflow) -> bool:
    """Return whether any step of *workflow*, or of those inside of it, is a composition or may be left out."""
    return any(composition_of(step) is not None or step.optional is not None for _, step in every_step(workflow))


def composition_of(step: Step) -> BestOf | Debate | None:
    """Return the composition that *step* is, None where it is done once."""
    return step.best_of or step.debate


def field_of(step: Step) -> str:
    """Return the field that says which composition *step* is."""
    return "best_of" if step.best_of is not None else "debate"


def expanded(workflow: Workflow, choose: Choose = usual) -> Workflow:
    """Return *workflow* with every composition as a block of plain steps; itself where there is none. What is there already is kept."""
    return _Expansion(choose).workflow(workflow) if has_compositions(workflow) else workflow


@dataclass(slots=True)
class _Expansion:
    choose: Choose
    #: Each definition is expanded once, for it is looked at once.
    done: dict[int, Workflow] = field(default_factory=dict)
    #: By where a composition stands in its definition, what its parts are called: by how it is written, whatever is left out of it.
    parts: Mapping[_Place, Parts] = field(default_factory=dict)

    def workflow(self, one: Workflow) -> Workflow:
        if id(one) not in self.done:
            # One that contains itself is refused later on.
            self.done[id(one)] = one
            inner = {key: self.workflow(part) for key, part in one.workflows.items()}
            self.parts = dict([*_parts_in(one.steps, ("steps",)), *_parts_in(one.finally_, ("finally",))])
            steps, gone = self.steps(one.steps, ("steps",))
            last, _ = self.steps(one.finally_, ("finally",), gone)
            outputs = {name: replace(output, value=filled(output.value, gone)) for name, output in one.outputs.items()}
            self.done[id(one)] = replace(one, steps=steps, finally_=last, outputs=outputs, workflows=inner)
        return self.done[id(one)]

    def steps(
        self, steps: Mapping[str, Step], at: _Place, around: Mapping[str, Any] = _NOTHING
    ) -> tuple[dict[str, Step], Mapping[str, Any]]:
        """Return *steps* without those that are left out, and what stands in the place of these, and of those *around*."""
        left = {name: one.optional.default for name, one in steps.items() if one.optional is not None and self.is_out(one.optional)}
        gone = {**around, **left}
        kept = {name: told(step, gone) if gone else step for name, step in steps.items() if name not in left}
        return {name: self.step(step, (*at, name)) for name, step in kept.items()}, gone

    def is_out(self, optional: Optional) -> bool:
        return self.choose(optional.done, 1) == 0

    def step(self, step: Step, at: _Place) -> Step:
        if step.block is not None:
            inner, gone = self.steps(step.block.steps, at)
            outputs = {name: replace(output, value=filled(output.value, gone)) for name, output in step.block.outputs.items()}
            step = replace(step, block=replace(step.block, steps=inner, outputs=outputs))
        if step.best_of is not None:
            n = self.choose(step.best_of.n, 2)
            if n < 2:
                return _plain(step)
            parts = self.parts[at]
            return _around(step, _attempts(step, n, parts), _composed(step, step.best_of.pick, n, parts=parts), step.best_of.pick, parts)
        if step.debate is not None:
            participants, rounds = self.choose(step.debate.participants, 2), self.choose(step.debate.rounds, 1)
            if participants < 2 or rounds < 1:
                return _plain(step)
            parts = self.parts[at]
            composed = _composed(step, step.debate.pick, participants, rounds, parts=parts)
            return _around(step, _rounds(step, participants, rounds, parts), composed, step.debate.pick, parts)
        return step


def _parts_in(steps: Mapping[str, Step], at: _Place) -> Iterator[tuple[_Place, Parts]]:
    """Yield the names of the parts of every composition among *steps* and inside of them, by where it stands."""
    for name, step in steps.items():
        here = (*at, name)
        if composition_of(step) is not None:
            yield here, parts_of(step)
        if step.block is not None:
            yield from _parts_in(step.block.steps, here)


def _composed(step: Step, pick: Pick, among: int, rounds: int = 0, *, parts: Parts) -> Composed:
    judge = parts.judge if pick.judge is not None else parts.scores if pick.score is not None else ""
    return Composed(among, rounds, judge, pick.accuracy, alike=not told_in(step) & names_in_work(step))


def _around(step: Step, candidates: Step, composed: Composed, pick: Pick, names: Parts) -> Step:
    """Return *step* as a block in which *candidates* are made, and one of them is kept."""
    parts = [replace(candidates, composed=composed), *_keeping(pick, names)]
    block = Block({one.name: one for one in parts}, gives=parts[-1].name)
    return Step(
        step.name,
        block=block,
        for_each=step.for_each,
        max_parallel=step.max_parallel,
        need=step.need,
        when=step.when,
        after=step.after,
        on_error=OnError() if step.on_error.action is Rescue.FALLBACK else step.on_error,
        optional=step.optional,
        description=step.description,
    )


def _keeping(pick: Pick, names: Parts) -> Iterator[Step]:
    """Yield the steps that keep one of the candidates, the last of which gives it."""
    made = Ref(names.candidates)
    helps = Composed()
    if pick.judge is not None:
        yield replace(_judging(pick.judge, names), name=names.judge, composed=helps)
    elif pick.score is not None:
        score = replace(_judging(pick.score, names), name=names.scores, for_each=(Loop(CANDIDATE, made),), composed=helps)
        yield score
        given: dict[str, Expr] = {"candidates": made, "scores": Ref(names.scores)}
        yield Step(names.best, call=f"{PICKING}highest", with_=given, effect=Effect.PURE, composed=helps)
    else:
        yield Step(names.best, call=f"{PICKING}majority", with_={"candidates": made}, effect=Effect.PURE, composed=helps)


def _judging(one: Step, names: Parts) -> Step:
    """Return a judge or a score that calls the candidates as they are called beside it."""
    if names.candidates == CANDIDATES:
        return one
    new = {CANDIDATES: names.candidates}
    given, knobs = ({name: renamed(expr, new) for name, expr in each.items()} for each in (one.with_, one.knobs))
    return replace(one, with_=given, knobs=knobs)


def _work(step: Step, name: str) -> Step:
    """Return the work of *step*, and how it is done, as a step of its own; what is asked before it stays outside."""
    on_error = step.on_error if step.on_error.action is Rescue.FALLBACK else OnError()
    alone = replace(step, name=name, best_of=None, debate=None, for_each=(), max_parallel=None, need=None, optional=None, description="")
    return replace(alone, when="", after=(), on_error=on_error)


def _attempts(step: Step, n: int, parts: Parts) -> Step:
    # One composition may stand in another: only what is used takes the name.
    name = ATTEMPT if ATTEMPT in names_in_work(step) | names_asked(step) else f"{ATTEMPT}_of_{step.name}"
    return replace(_work(step, parts.candidates), for_each=(Loop(name, list(range(n))),))


def _rounds(step: Step, participants: int, rounds: int, parts: Parts) -> Step:
    """Return the step that gives what the participants gave in the last round."""
    told: dict[str, Expr] = {"participants": participants, "round": Ref("loop", ("index",)), "before": Ref("loop", ("last",))}
    views = Step(parts.views, call=f"{PICKING}views", with_=told, effect=Effect.PURE)
    name = DEBATE if DEBATE in names_in_work(step) else f"{DEBATE}_of_{step.name}"
    # Beside the seats, so that everybody sees how many there are before anything has run.
    seats = Loop(f"seat_of_{step.name}", list(range(participants)), {name: Ref(parts.views)})
    answers = replace(_work(step, parts.answers), for_each=(seats,))
    # First everybody answers alone.
    block = Block({views.name: views, answers.name: answers}, gives=answers.name)
    return Step(parts.candidates, block=block, repeat=Repeat(rounds + 1))


# ------------------------------------------------------------------------------------------------------------ one alone


def _plain(step: Step) -> Step:
    """Return *step* done once: what an attempt, or a participant, is told stands there as it is for one alone."""
    name = ATTEMPT if step.best_of is not None else DEBATE
    one = replace(step, best_of=None, debate=None)
    return told(one, {name: _ALONE[name]}) if name in names_in_work(step) else one
