"""policy: the knobs of a workflow that change its graph - how many attempts, participants, rounds - and the workflow with them set.

A knob is named by its step and what it sets: `answer.n`, `review/answer.rounds` inside of a block, `digest:short.n` in the workflow that is
defined as `digest`. What is set becomes the only number that may be chosen, so that a workflow says itself what was set in it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError
from murakkab.spec import BestOf, Debate, Optional, Step, Workflow

#: The knobs of a composition, and the least at which anything is left of it.
_LEAST: Final = {"n": 2, "participants": 2, "rounds": 1, "done": 1}
#: The knob of a step that may be left out: 1 where it is done, else 0.
DONE: Final = "done"

Value = int
Settings = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class GraphKnob:
    """What changes the graph: its name, and what it may be, the usual first. One choice alone: it is set."""

    name: str
    choices: tuple[Value, ...]


def graph_knobs(workflow: Workflow) -> tuple[GraphKnob, ...]:
    """Return every knob that changes the graph of *workflow*, in the order of its steps."""
    found: dict[str, GraphKnob] = {}

    def noted(step: Step, name: str) -> Step:
        for field, numbers in _fields(step):
            found[f"{name}.{field}"] = GraphKnob(f"{name}.{field}", numbers)
        return step

    _changed(workflow, noted)
    return tuple(found.values())


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


def left_out(workflow: Workflow) -> tuple[tuple[str, Step], ...]:
    """Return the steps that are left out, by their names."""
    found: list[tuple[str, Step]] = []

    def noted(step: Step, name: str) -> Step:
        if step.optional is not None and not step.optional.done[0]:
            found.append((name, step))
        return step

    _changed(workflow, noted)
    return tuple(found)


def variants(knobs: tuple[GraphKnob, ...]) -> Iterator[Settings]:
    """Yield the settings of the open *knobs* that make different graphs, the usual ones first."""
    open_ = [knob for knob in knobs if len(knob.choices) > 1]
    seen: set[tuple[tuple[str, Any], ...]] = set()
    for values in product(*(knob.choices for knob in open_)):
        settings = {knob.name: value for knob, value in zip(open_, values, strict=True)}
        made = _effect(knobs, settings)
        if made not in seen:
            seen.add(made)
            yield settings


def _effect(knobs: tuple[GraphKnob, ...], settings: Settings) -> tuple[tuple[str, Any], ...]:
    """Return what settings come to: below the least of one knob, those beside it at the same step make no difference."""
    values = {knob.name: settings.get(knob.name, knob.choices[0]) for knob in knobs}
    gone = {name.rpartition(".")[0] for name, value in values.items() if value < _LEAST[name.rpartition(".")[2]]}
    return tuple((name, value) for name, value in values.items() if name.rpartition(".")[0] not in gone)


def _fields(step: Step) -> Iterator[tuple[str, tuple[int, ...]]]:
    if step.optional is not None:
        yield DONE, step.optional.done
    if step.best_of is not None:
        yield "n", step.best_of.n
    elif step.debate is not None:
        yield "participants", step.debate.participants
        yield "rounds", step.debate.rounds


def _set(step: Step, name: str, settings: Settings) -> Step:
    numbers = {field: (settings[key],) if (key := f"{name}.{field}") in settings else found for field, found in _fields(step)}
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
