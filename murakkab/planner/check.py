"""policy: every mistake in a workflow that can be known before it runs, and the type of every step's result."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from murakkab.catalog import Capability, Catalog
from murakkab.diagnostics import MAX_TOLD
from murakkab.errors import Diagnostic, Path
from murakkab.planner.check_compositions import composition_problems, keeping_problems
from murakkab.planner.check_depth import depth_problems
from murakkab.planner.check_scopes import expression_problems, output_problems
from murakkab.planner.check_steps import step_problems
from murakkab.planner.check_types import dotted
from murakkab.planner.check_use import unreachable_steps, unused_parts, unused_steps
from murakkab.planner.check_workflow import heading_problems, size_problems
from murakkab.planner.compositions import expanded, has_compositions, least
from murakkab.planner.declared import as_declared
from murakkab.planner.frames import Frame
from murakkab.planner.rings import rings
from murakkab.planner.standing import Standing
from murakkab.planner.survey import Survey, survey
from murakkab.planner.walk import every_step
from murakkab.spec import Workflow
from murakkab.types import Type

_SECTIONS: Final = ("workflow", "inputs", "secrets", "workflows", "steps", "finally", "outputs", "goal", "timeout", "budget")


def check(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> list[Diagnostic]:
    """Return what is wrong with *workflow* by its path, in the order of its parts. When there are only warnings, it can be compiled.

    *functions* are the interfaces of the functions that `call` names. Linear in the size of the workflow; each sub-workflow is looked at
    once, and what is wrong with it is told where it stands first. At most `MAX_TOLD` mistakes are told.
    """
    if too_deep := list(islice(depth_problems(workflow), MAX_TOLD)):
        return too_deep
    problems = list(composition_problems(workflow))
    # With all parts of every composition there, whatever will be chosen.
    facts = survey(expanded(workflow, least), catalog, functions)
    # A definition may be there for one that stands inside of another.
    used = frozenset(step.workflow for _, step in every_step(workflow) if step.workflow)
    problems += size_problems(facts)
    for path, part in _definitions(facts):
        if len(problems) > MAX_TOLD:
            break
        found = _check_one(part, used, is_part=bool(path) and path[-1] in used)
        problems += (replace(problem, path=(*path, *problem.path)) for problem in found) if path else found
    if len(problems) > MAX_TOLD:
        more = Diagnostic("too-many", f"these are the first {MAX_TOLD:,} mistakes; there may be more", "mend them first")
        problems = [more, *problems[:MAX_TOLD]]
    return _in_order(as_declared(problems, workflow) if has_compositions(workflow) else problems, workflow)


def result_types(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> Mapping[str, Type]:
    """Return the type of every step's result; that of a `for_each` is a list, once per level; `any` where nothing is known."""
    facts = survey(expanded(workflow), catalog, functions)
    return {name: facts.root.scope[name] for name in workflow.steps}


def _definitions(facts: Survey) -> Iterator[tuple[Path, Survey]]:
    """Yield the workflow and every one that it uses, each once, with the way there."""
    seen = {id(facts)}
    agenda: list[tuple[Path, Survey]] = [((), facts)]
    while agenda:
        path, part = agenda.pop()
        yield path, part
        for key, inner in part.parts.items():
            if id(inner) not in seen:
                seen.add(id(inner))
                agenda.append(((*path, "workflows", key), inner))


def _check_one(facts: Survey, used: Iterable[str], *, is_part: bool) -> list[Diagnostic]:
    """Return what is wrong with one workflow. What nobody uses is told when all else is right: a misspelt name leaves something unused."""
    problems: list[Diagnostic] = []
    heading_problems(facts, problems, inside=is_part)
    frames = [facts.root, *([facts.finally_] if facts.finally_ else [])]
    elsewhere = _elsewhere(frames)
    root = Standing(facts, facts.root, elsewhere)
    last = facts.finally_ and Standing(facts, facts.finally_, elsewhere, outer=root)
    for standing in (root, last) if last else (root,):
        _check_frame(standing, problems)
    if all(problem.is_warning for problem in problems):
        problems += unused_parts(facts, used)
        problems += unused_steps(root, facts.finally_.free.names if facts.finally_ else ())
    return problems


def _elsewhere(frames: Iterable[Frame]) -> dict[str, str]:
    """Return hints about the names that are known in one place alone: loop variables, and steps inside of steps."""
    found: dict[str, str] = {}
    _, *last = agenda = list(frames)
    found.update((name, f"{name!r} is one of the last steps, and nothing can use what it gives") for frame in last for name in frame.steps)
    while agenda:
        frame = agenda.pop()
        for step in frame.steps.values():
            for name in (name for loop in step.for_each for name, _ in loop.lists()):
                found[name] = f"{name!r} is a loop variable of the step {step.name!r} and is known only there"
        for owner, inner in frame.inner.items():
            found.update(
                (name, f"{name!r} stands inside of {owner!r}: make it one of its outputs, ${{{owner}.{name}}}") for name in inner.steps
            )
            agenda.append(inner)
    return found


def _check_frame(at: Standing, problems: list[Diagnostic]) -> None:
    """Check the steps of a frame, those inside of them, and its outputs."""
    frame = at.frame
    problems += _rings(frame)
    for step in frame.steps.values():
        if len(problems) > MAX_TOLD:
            return
        problems += islice(step_problems(step, at), MAX_TOLD + 1)
        problems += keeping_problems(step, at)
        expression_problems(step, at, problems)
        inner = frame.inner.get(step.name)
        if inner is not None:
            racing = dotted((*at.path(step), "need")) if step.need is not None else at.racing
            _check_frame(Standing(at.facts, inner, at.elsewhere, at, step, racing), problems)
    output_problems(at, problems)
    problems += unreachable_steps(at)


def _rings(frame: Frame) -> Iterator[Diagnostic]:
    for ring in rings(frame.waits):
        shown = " -> ".join(ring if len(ring) <= 12 else [*ring[:10], "...", ring[-1]])
        hint = "each waits for the next; take one reference, `after` or condition away"
        yield Diagnostic("cycle", f"steps wait for each other: {shown}", hint, (*frame.path, ring[0]))


def _in_order(problems: Iterable[Diagnostic], workflow: Workflow) -> list[Diagnostic]:
    steps = {name: i for i, name in enumerate(workflow.steps)}

    def key(problem: Diagnostic) -> tuple[int, int]:
        section = problem.path[0] if problem.path else ""
        rank = _SECTIONS.index(section) if section in _SECTIONS else -1
        return rank, steps.get(str(problem.path[1]), -1) if section == "steps" and len(problem.path) > 1 else -1

    return sorted(problems, key=key)
