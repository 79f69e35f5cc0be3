"""policy: every mistake in a workflow that can be known before it runs, and the type of every step's result."""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from murakkab.catalog import Capability, Catalog
from murakkab.diagnostics import did_you_mean
from murakkab.errors import Diagnostic, Path
from murakkab.expressions import check_condition, names_in
from murakkab.planner.check_steps import bad_name, knob_problems, step_problems
from murakkab.planner.check_types import Surroundings, fit, type_of
from murakkab.planner.frames import maps_of
from murakkab.planner.rings import rings
from murakkab.planner.survey import Survey, survey
from murakkab.references import refs_in
from murakkab.spec import Expr, Goal, Rescue, Step, Workflow
from murakkab.types import ANY, Type

_MEASURES: Final = ("latency", "energy", "cost", "quality")
#: The shortest deadline of a job, in seconds.
_SHORTEST: Final = 0.001
_SECTIONS: Final = ("workflow", "inputs", "steps", "outputs", "goal")


def check(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> list[Diagnostic]:
    """Return what is wrong with *workflow*, each mistake by its path, in the order of its parts; nothing when it can be compiled.

    *functions* are the interfaces of the functions that `call` names. Linear in the size of the workflow.
    """
    facts = survey(workflow, catalog, functions)
    elsewhere = {loop.name: step.name for step in workflow.steps.values() for loop in step.for_each}
    problems = [*_heading(workflow), *_rings(facts), *_goal(workflow.goal)]
    _inputs(workflow, problems)
    for step in workflow.steps.values():
        problems += step_problems(step, facts)
        _expressions(step, facts, elsewhere, problems)
    around = Surroundings(facts.root.scope, problems, elsewhere=elsewhere)
    for name, output in workflow.outputs.items():
        if reason := bad_name(name, reserved=()):
            problems.append(Diagnostic("bad-name", reason, "", ("outputs", name)))
        fit(output.type, output.value, ("outputs", name), around)
    return _in_order(problems, workflow)


def result_types(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> Mapping[str, Type]:
    """Return the type of every step's result; that of a `for_each` is a list, once per level; `any` where nothing is known."""
    facts = survey(workflow, catalog, functions)
    return {name: facts.root.scope[name] for name in workflow.steps}


def _in_order(problems: Iterable[Diagnostic], workflow: Workflow) -> list[Diagnostic]:
    steps = {name: i for i, name in enumerate(workflow.steps)}

    def key(problem: Diagnostic) -> tuple[int, int]:
        section = problem.path[0] if problem.path else ""
        rank = _SECTIONS.index(section) if section in _SECTIONS else -1
        return rank, steps.get(str(problem.path[1]), -1) if section == "steps" and len(problem.path) > 1 else -1

    return sorted(problems, key=key)


def _heading(workflow: Workflow) -> Iterator[Diagnostic]:
    name = workflow.name
    if name and (len(name) > 200 or not name.isprintable() or not name.strip()):
        yield Diagnostic("bad-name", "the name of the workflow is not one line of up to 200 characters", "", ("workflow",))
    if workflow.timeout is not None and not workflow.timeout >= _SHORTEST:
        yield Diagnostic("out-of-range", f"timeout cannot be {workflow.timeout:g}", f"it is at least {_SHORTEST:g}", ("timeout",))


def _inputs(workflow: Workflow, problems: list[Diagnostic]) -> None:
    around = Surroundings({}, problems)
    for name, declared in workflow.inputs.items():
        path = ("inputs", name)
        if reason := bad_name(name, reserved=()):
            problems.append(Diagnostic("bad-name", reason, "letters, digits, _ and -, the first a letter or _", path))
        if declared.required:
            continue
        default: Path = (*path, "default")
        if next(refs_in(declared.default), None) is not None:
            problems.append(Diagnostic("not-a-literal", "a default cannot mention other values", "compute it in a step", default))
        else:
            fit(declared.type, declared.default, default, around)


def _rings(facts: Survey) -> Iterator[Diagnostic]:
    for ring in rings(facts.root.waits):
        shown = " -> ".join(ring if len(ring) <= 12 else [*ring[:10], "...", ring[-1]])
        hint = "each waits for the next; take one reference, `after` or condition away"
        yield Diagnostic("cycle", f"steps wait for each other: {shown}", hint, ("steps", ring[0]))


def _goal(goal: Goal) -> Iterator[Diagnostic]:
    given: object = goal.minimize
    if isinstance(given, str):
        # Python takes it for one measure per letter.
        yield Diagnostic("unknown-goal", f"minimize={given!r} is not a tuple", f"write minimize=({given!r},)", ("goal", "minimize"))
    for i, name in enumerate(() if isinstance(given, str) else goal.minimize):
        if name not in _MEASURES:
            hint = did_you_mean(name, _MEASURES, others="there are")
            yield Diagnostic("unknown-goal", f"{name!r} cannot be minimised", hint, ("goal", "minimize", i))
    for name, value in goal.limits.items():
        path = ("goal", "limits", name)
        if name not in _MEASURES:
            hint = did_you_mean(name, _MEASURES, others="there are")
            yield Diagnostic("unknown-goal", f"{name!r} cannot be limited", hint, path)
        elif not 0 <= value <= (1 if name == "quality" else 1e15) or (value == 0 and name == "latency"):
            hint = "quality is between 0 and 1" if name == "quality" else "limits are positive"
            yield Diagnostic("out-of-range", f"the limit of {name} cannot be {value:g}", hint, path)


def _expressions(step: Step, facts: Survey, elsewhere: Mapping[str, str], problems: list[Diagnostic]) -> None:
    """Check everything that *step* mentions, each where its loop variables are known."""
    path: Path = ("steps", step.name)
    loops: dict[str, Type] = {}
    around = Surroundings(
        ChainMap(loops, *maps_of(facts.root.scope)) if step.for_each else facts.root.scope, problems, step.name, elsewhere
    )
    for loop in step.for_each:
        loops[loop.name] = _element(loop.over, (*path, "for_each", loop.name), around)
    interface = facts.interface(step)
    for name, value in step.with_.items():
        parameter = interface.input(name) if interface else None
        fit(parameter.type if parameter else ANY, value, (*path, "with", name), around)
    problems += knob_problems(step, facts, around)
    if step.on_error.action is Rescue.DEFAULT:
        fit(interface.result if interface else ANY, step.on_error.default, (*path, "on_error", "default"), around)
    if step.when:
        problems += _condition(step, around.scope)


def _element(over: Expr, path: Path, around: Surroundings) -> Type:
    """Return the type of the elements that a loop goes over."""
    found = type_of(over, path, around)
    if found.kind == "list":
        return found.item or ANY
    if found.kind != "any":
        hint = "take the list inside it: ${step.field}" if found.kind == "record" else ""
        around.add("not-a-list", f"for_each goes over a list, and this is {found}", hint, path)
    return ANY


def _condition(step: Step, scope: Mapping[str, Type]) -> Iterator[Diagnostic]:
    path: Path = ("steps", step.name, "when")
    if step.name in names_in(step.when) and step.name not in {loop.name for loop in step.for_each}:
        yield Diagnostic("self-reference", f"the condition of {step.name!r} asks for its own result", "", path)
        return
    for problem in check_condition(step.when, scope):
        yield replace(problem, path=path)
