"""policy: the knobs of a workflow that change its graph - how many attempts, participants, rounds - and the workflow with them set.

A knob is named by its step and what it sets: `answer.n`, `review/answer.rounds` inside of a block, `digest:short.n` in the workflow that is
defined as `digest`. What is set becomes the only number that may be chosen, so that a workflow says itself what was set in it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Final

from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError
from murakkab.planner.walk import definitions
from murakkab.spec import BestOf, Debate, Optional, Step, Workflow

#: The knobs of a composition, and the least at which anything is left of it.
_LEAST: Final = {"n": 2, "participants": 2, "rounds": 1, "done": 1}
#: The knob of a step that may be left out: 1 where it is done, else 0.
DONE: Final = "done"

Value = int
Settings = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class GraphKnob:
    """What changes the graph: its name, and what it may be, the usual first. One choice alone: it is set.

    `uses`: which steps use the workflows of the whole, by what the names of those in them begin with.
    """

    name: str
    choices: tuple[Value, ...]
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)


def graph_knobs(workflow: Workflow) -> tuple[GraphKnob, ...]:
    """Return every knob that changes the graph of *workflow*, in the order of its steps."""
    found: dict[str, GraphKnob] = {}
    uses = _uses(workflow)

    def noted(step: Step, name: str) -> Step:
        for key, numbers in _fields(step):
            found[f"{name}.{key}"] = GraphKnob(f"{name}.{key}", numbers, uses)
        return step

    _changed(workflow, noted)
    return tuple(found.values())


def _uses(workflow: Workflow) -> Mapping[str, tuple[str, ...]]:
    """Return which steps use each workflow inside of *workflow*, by what the names of the steps in that begin with."""
    prefixes: dict[int, str] = {}
    found: dict[str, tuple[str, ...]] = {}

    def named(one: Workflow, prefix: str) -> None:
        if id(one) not in prefixes:
            prefixes[id(one)] = prefix
            for key, part in one.workflows.items():
                named(part, f"{prefix}{key}:")

    def look(one: Workflow, steps: Mapping[str, Step], prefix: str) -> None:
        for name, step in steps.items():
            if step.workflow in one.workflows:
                of = prefixes[id(one.workflows[step.workflow])]
                found[of] = (*found.get(of, ()), f"{prefix}{name}")
            if step.block is not None:
                look(one, step.block.steps, f"{prefix}{name}/")

    named(workflow, "")
    for _, one in definitions(workflow):
        look(one, one.steps, prefixes[id(one)])
        look(one, one.finally_, f"{prefixes[id(one)]}finally/")
    return found


def with_settings(workflow: Workflow, settings: Settings) -> Workflow:
    """Return *workflow* with its knobs set. Raises `InputError` for one that it does not have, and for what one cannot be."""
    if not settings:
        return workflow
    known = {knob.name: knob for knob in graph_knobs(workflow)}
    for name, value in settings.items():
        if name not in known:
            raise InputError(f"the workflow has no knob {name!r}", hint=did_you_mean(name, known, others="there are") or "there are none")
        if value not in known[name].choices:
            listed = ", ".join(map(str, known[name].choices))
            raise InputError(f"the knob {name} cannot be {value}", hint=f"there {'are' if ',' in listed else 'is'} {listed}")
    return _changed(workflow, partial(_set, settings=settings))


def without_leaving_out(knobs: tuple[GraphKnob, ...]) -> tuple[GraphKnob, ...]:
    """Return the *knobs*, of which those that leave something out are as they usually are: nothing says what that may cost."""
    return tuple(replace(knob, choices=knob.choices[:1]) if knob.name.endswith(f".{DONE}") else knob for knob in knobs)


def left_out(workflow: Workflow) -> tuple[str, ...]:
    """Return the steps that are left out, by their paths: those of a workflow once for each use, none inside of what is left out itself."""
    found: list[str] = []

    def look(steps: Mapping[str, Step], within: Workflow, prefix: str) -> None:
        for name, step in steps.items():
            path = f"{prefix}{name}"
            if step.optional is not None and not step.optional.done[0]:
                found.append(path)
            elif step.block is not None:
                look(step.block.steps, within, f"{path}/")
            elif step.workflow:
                part = within.workflows[step.workflow]
                look(part.steps, part, f"{path}/")

    look(workflow.steps, workflow, "")
    look(workflow.finally_, workflow, "finally/")
    return tuple(found)


def all_done(workflow: Workflow) -> Workflow:
    """Return *workflow* with every step that may be left out done."""

    def done(step: Step, _: str) -> Step:
        return replace(step, optional=Optional(step.optional.default, (1,))) if step.optional is not None else step

    return _changed(workflow, done)


def variants(knobs: tuple[GraphKnob, ...]) -> Iterator[Settings]:
    """Yield the settings of the open *knobs* that make different graphs, the usual ones first."""
    open_ = [knob for knob in knobs if len(knob.choices) > 1]
    seen: set[tuple[tuple[str, Value], ...]] = set()
    for values in product(*(knob.choices for knob in open_)):
        settings = {knob.name: value for knob, value in zip(open_, values, strict=True)}
        made = tuple(in_force(knobs, settings).items())
        if made not in seen:
            seen.add(made)
            yield settings


def in_force(knobs: tuple[GraphKnob, ...], settings: Settings) -> Settings:
    """Return what settings come to: the values of the knobs that make a difference beside the others.

    Below the least of one knob of a composition none of it makes any; nor does what stands in a step that is left out, or in a workflow
    that no other step uses.
    """
    values = {knob.name: settings.get(knob.name, knob.choices[0]) for knob in knobs}
    low = {name for name, value in values.items() if value < _LEAST[_split(name)[1]]}
    out = {step for step, field_ in map(_split, low) if field_ == DONE}
    few = {step for step, field_ in map(_split, low) if field_ != DONE}
    found: dict[str, bool] = {}

    def has_place(step: str, uses: Mapping[str, tuple[str, ...]]) -> bool:
        """Return whether all is there that *step* stands in."""
        if step not in found:
            # Of a workflow that contains itself nobody makes a graph.
            found[step] = False
            of, colon, local = step.rpartition(":")
            around = (f"{of}{colon}{local[:at]}" for at, letter in enumerate(local) if letter == "/")
            users = uses.get(f"{of}{colon}", ())
            found[step] = out.isdisjoint(around) and (not colon or any(one not in out and has_place(one, uses) for one in users))
        return found[step]

    def counts(knob: GraphKnob) -> bool:
        step, field_ = _split(knob.name)
        return has_place(step, knob.uses) and (field_ == DONE or step not in out | few)

    return {knob.name: values[knob.name] for knob in knobs if counts(knob)}


def in_place(knobs: tuple[GraphKnob, ...], settings: Settings) -> tuple[GraphKnob, ...]:
    """Return the knobs of what is there with these settings: without those in a step that is left out."""
    most = {knob.name: max(knob.choices) for knob in knobs if _split(knob.name)[1] != DONE}
    there = in_force(knobs, {**settings, **most})
    return tuple(knob for knob in knobs if knob.name in there)


def _split(name: str) -> tuple[str, str]:
    """Return the step of the knob *name*, and what it sets there."""
    step, _, field_ = name.rpartition(".")
    return step, field_


def _fields(step: Step) -> Iterator[tuple[str, tuple[int, ...]]]:
    if step.optional is not None:
        yield DONE, step.optional.done
    if step.best_of is not None:
        yield "n", step.best_of.n
    elif step.debate is not None:
        yield "participants", step.debate.participants
        yield "rounds", step.debate.rounds


def _set(step: Step, name: str, settings: Settings) -> Step:
    numbers = {one: (settings[key],) if (key := f"{name}.{one}") in settings else found for one, found in _fields(step)}
    if step.optional is not None:
        step = replace(step, optional=Optional(step.optional.default, numbers[DONE]))
    if step.best_of is not None:
        return replace(step, best_of=BestOf(numbers["n"], step.best_of.pick))
    if step.debate is not None:
        return replace(step, debate=Debate(numbers["participants"], numbers["rounds"], step.debate.pick))
    return step


def _changed(workflow: Workflow, change: Callable[[Step, str], Step]) -> Workflow:
    """Return *workflow* with every step as *change* makes it of the step and its name; each definition is gone through once."""
    done: dict[int, Workflow] = {}

    def of_workflow(one: Workflow, prefix: str) -> Workflow:
        if id(one) not in done:
            done[id(one)] = one
            parts = {key: of_workflow(part, f"{prefix}{key}:") for key, part in one.workflows.items()}
            last = of_steps(one.finally_, f"{prefix}finally/")
            done[id(one)] = replace(one, steps=of_steps(one.steps, prefix), finally_=last, workflows=parts)
        return done[id(one)]

    def of_steps(steps: Mapping[str, Step], prefix: str) -> dict[str, Step]:
        found: dict[str, Step] = {}
        for name, step in steps.items():
            made = change(step, f"{prefix}{name}")
            if made.block is not None:
                made = replace(made, block=replace(made.block, steps=of_steps(made.block.steps, f"{prefix}{name}/")))
            found[name] = made
        return found

    return of_workflow(workflow, "")
