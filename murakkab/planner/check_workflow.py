"""policy: whether the heading of a workflow is right - its name, inputs, secrets, goal, limits, size - and what it uses as a whole."""

import re
from collections.abc import Iterator
from typing import Final, TypeGuard

from murakkab.diagnostics import did_you_mean
from murakkab.errors import Diagnostic
from murakkab.planner.check_scopes import literal
from murakkab.planner.check_steps import NAME_HINT, bad_name
from murakkab.planner.frames import MAX_NESTING
from murakkab.planner.survey import Survey, measures_of_step
from murakkab.spec import LIMITS, MEASURES, TIERS, Goal, QualityRule, Workflow

#: How many nodes a workflow may have, those of everything that it uses counted wherever it is used.
MAX_NODES: Final = 100_000

_BUDGET: Final = ("cost", "energy", "tokens", "time")
#: The shortest deadline of a job, in seconds.
_SHORTEST: Final = 0.001
_SECRET: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", re.ASCII)

Found = Iterator[Diagnostic]


def heading_problems(facts: Survey, problems: list[Diagnostic], *, inside: bool) -> None:
    """Check everything of a workflow but its steps, their number, and its outputs. *inside*: another workflow uses it as a step."""
    workflow = facts.workflow
    problems += _name(workflow)
    if not workflow.steps:
        which = f"workflow {workflow.name!r}" if workflow.name else "workflow"
        problems.append(
            Diagnostic("no-work", f"the {which} has no steps", "in a file they are written steps: {name: {uses: ...}}", ("steps",))
        )
    _inputs(workflow, problems)
    problems += _secrets(workflow)
    problems += _goal(workflow.goal)
    problems += _limits(workflow)
    problems += _cycles(facts)
    if inside:
        problems += _without_effect(workflow)


def _name(workflow: Workflow) -> Found:
    name = workflow.name
    if name and (len(name) > 200 or not name.isprintable() or not name.strip()):
        yield Diagnostic("bad-name", "the name of the workflow is not one line of up to 200 characters", "", ("workflow",))


def _inputs(workflow: Workflow, problems: list[Diagnostic]) -> None:
    for name, declared in workflow.inputs.items():
        path = ("inputs", name)
        if reason := bad_name(name):
            problems.append(Diagnostic("bad-name", reason, NAME_HINT, path))
        if not declared.required:
            literal(declared.default, declared.type, (*path, "default"), problems)


def _secrets(workflow: Workflow) -> Found:
    for name, source in workflow.secrets.items():
        path = ("secrets", name)
        if reason := bad_name(name):
            yield Diagnostic("bad-name", reason, NAME_HINT, path)
        if not _SECRET.fullmatch(source):
            # What is written is not repeated: it may be the secret itself.
            hint = "write env:NAME, for a variable of the environment, or file:PATH"
            yield Diagnostic("bad-secret", f"the secret {name!r} does not say where it is kept", hint, path)


def _goal(goal: Goal) -> Found:
    given: object = goal.minimize
    if isinstance(given, str):
        # Python takes it for one measure per letter.
        yield Diagnostic("unknown-goal", f"minimize={given!r} is not a tuple", f"write minimize=({given!r},)", ("goal", "minimize"))
    for i, name in enumerate(() if isinstance(given, str) else goal.minimize):
        if name not in MEASURES:
            hint = did_you_mean(name, MEASURES, others="there are")
            yield Diagnostic("unknown-goal", f"{name!r} cannot be minimised", hint, ("goal", "minimize", i))
        elif name in goal.minimize[:i]:
            yield Diagnostic("contradiction", f"{name} is minimised more than once", "name it once", ("goal", "minimize", i))
    rules = [str(rule) for rule in QualityRule]
    if goal.quality not in rules:
        hint = did_you_mean(str(goal.quality), rules, others="there are")
        yield Diagnostic("unknown-goal", f"no quality of a job is the {goal.quality!r} of its steps", hint, ("goal", "quality"))
    elif goal.quality != QualityRule.MEAN and "quality" not in {*goal.limits, *goal.minimize}:
        message = f"quality: {goal.quality} says nothing: quality is neither minimised nor limited"
        yield Diagnostic("unused", message, "limit it, or take this away", ("goal", "quality"), is_warning=True)
    yield from _tiers(goal)
    for name, value in goal.limits.items():
        yield from limit_flaws(name, value)
    most, usual = goal.limits.get("latency_p90"), goal.limits.get("latency")
    if _is_number(most) and _is_number(usual) and usual >= most:
        message = f"the limit latency of {usual:g} s says nothing: with latency_p90 of {most:g} s the job is quicker anyway"
        yield Diagnostic("unused", message, "lower it, or take it away", ("goal", "limits", "latency"), is_warning=True)


def limit_flaws(name: str, value: object) -> Found:
    """Find what is wrong with one limit of a goal."""
    path = ("goal", "limits", name)
    if name not in LIMITS:
        hint = "write latency: the time that is expected" if name == "latency_p50" else did_you_mean(name, LIMITS, others="there are")
        yield Diagnostic("unknown-goal", f"{name!r} cannot be limited", hint, path)
    elif isinstance(value, str):
        hint = f"write tiers={{{name!r}: {value!r}}}" if value in TIERS else "it is a number: seconds, USD, joules, or a quality"
        yield Diagnostic("wrong-form", f"the limit of {name} cannot be {value!r}", hint, path)
    elif not _is_number(value):
        yield Diagnostic(
            "out-of-range", f"the limit of {name} cannot be {value!r}", "it is a number: seconds, USD, joules, or a quality", path
        )
    elif not 0 <= value <= (1 if name == "quality" else 1e15) or (value == 0 and name.startswith("latency")):
        hint = "quality is between 0 and 1" if name == "quality" else "limits are positive"
        yield Diagnostic("out-of-range", f"the limit of {name} cannot be {value:g}", hint, path)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tiers(goal: Goal) -> Found:
    for name, tier in goal.tiers.items():
        path = ("goal", "limits", name)
        if name not in MEASURES:
            yield Diagnostic("unknown-goal", f"{name!r} has no tiers", did_you_mean(name, MEASURES, others="there are"), path)
        elif tier not in TIERS:
            yield Diagnostic("bad-choice", f"there is no tier {tier!r}", did_you_mean(str(tier), TIERS, others="there are"), path)
        elif name in goal.limits:
            yield Diagnostic("contradiction", f"{name} is limited by a number and by a tier", "leave one of them out", path)


def _limits(workflow: Workflow) -> Found:
    timeout, budget = workflow.timeout, workflow.budget
    if timeout is not None and not timeout >= _SHORTEST:
        yield Diagnostic("out-of-range", f"timeout cannot be {timeout:g}", f"it is at least {_SHORTEST:g}", ("timeout",))
    for name, value in budget.items():
        path = ("budget", name)
        if name not in _BUDGET:
            yield Diagnostic("unknown-goal", f"there is no budget of {name!r}", did_you_mean(name, _BUDGET, others="there are"), path)
        elif not 0 < value <= 1e15:
            yield Diagnostic("out-of-range", f"the budget of {name} cannot be {value:g}", "budgets are positive", path)
        elif name == "time" and timeout is not None and value >= timeout > 0:
            message = f"the job would be paused after {value:g} s, and is over after {timeout:g} s"
            yield Diagnostic("contradiction", message, "shorten the budget or lengthen the timeout", path)
        elif 0 <= value < workflow.goal.limits.get(name, 0):
            message = f"the goal allows a {name} of {workflow.goal.limits[name]:g}, and the budget only {value:g}"
            yield Diagnostic("contradiction", message, "lower the limit or raise the budget", path)


def _cycles(facts: Survey) -> Found:
    for key in facts.cyclic:
        hint = "a workflow that uses itself never ends: use `repeat`, with a bound"
        yield Diagnostic("cycle", f"the workflow {key!r} contains itself", hint, ("workflows", key))


def size_problems(facts: Survey) -> Found:
    """Yield what is too large or too deep about a workflow with everything that it uses."""
    measures, steps = facts.measures, facts.workflow.steps
    if measures.nodes > MAX_NODES:
        message = f"with everything that is used there are {measures.nodes:,} steps; {MAX_NODES:,} are allowed"
        yield Diagnostic("too-large", message, "let a `for_each` go over the data instead", ("steps",))
    if measures.height > MAX_NESTING:
        heights = {name: measures_of_step(step, facts.root, facts.parts, facts.catalog).height for name, step in steps.items()}
        deepest = max(heights, key=heights.__getitem__, default="")
        message = f"blocks and workflows lie more than {MAX_NESTING} deep inside of each other"
        yield Diagnostic("too-deep", message, "put some of the steps beside the block or workflow that they are in", ("steps", deepest))


def _without_effect(workflow: Workflow) -> Found:
    """Some things are about a whole job, and say nothing about a step of another workflow."""
    if workflow.finally_:
        message = f"the workflow {workflow.name!r} is used as a step, and only a whole job has last steps"
        yield Diagnostic("misplaced", message, "put `finally` into the outermost workflow", ("finally",))
    if workflow.budget:
        message = f"the workflow {workflow.name!r} is used as a step, where its budget means nothing"
        yield Diagnostic("misplaced", message, "the budget of the outermost workflow holds", ("budget",), is_warning=True)
