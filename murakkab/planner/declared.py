"""policy: what is wrong with a workflow whose compositions are blocks, told of the workflow as it is written."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from murakkab.errors import Diagnostic, Path
from murakkab.planner.check_types import dotted
from murakkab.planner.compositions import composition_of, field_of
from murakkab.planner.parts import Parts, parts_of
from murakkab.spec import Step, Workflow

#: What messages need not say of where the work of a composition stands.
_INSIDE: Final = re.compile(rf"\.steps\.{Parts().candidates}_*(\.steps\.{Parts().answers}_*)?")


def as_declared(problems: Iterable[Diagnostic], workflow: Workflow) -> Iterator[Diagnostic]:
    """Yield *problems* of the expanded *workflow* with paths to what is written; those about names that nobody wrote are gone."""
    for problem in problems:
        path, is_own, called = _declared(problem.path, workflow)
        if path == problem.path:
            yield problem
        elif not _is_of_nobody(problem, path, is_own=is_own):
            message = problem.message.replace(dotted(problem.path), dotted(path))
            if called:
                message = re.sub(rf"\$\{{{called}\b", f"${{{Parts().candidates}", message)
            yield replace(problem, path=path, message=_INSIDE.sub("", message))


def _is_of_nobody(problem: Diagnostic, path: Path, *, is_own: bool) -> bool:
    """Return whether a problem is about a name that only the planner has given; what is written at *path*, and mentions it, is told so."""
    if problem.code == "self-reference":
        return any(f"the step {name!r}" in problem.message and name not in path for name in (Parts().candidates, Parts().answers))
    # In compositions inside of each other such names hide one another, and what mentions one from the work waits for itself.
    return problem.code in ("shadowed-name", "cycle") and is_own


def declared_path(path: Path, workflow: Workflow) -> Path:
    """Return where that is written which *path* leads to in the expanded *workflow*."""
    return _declared(path, workflow).path


class _Declared(NamedTuple):
    """Where something is written; whether only the planner has named it; what a judge's candidates are called, where it is in one."""

    path: Path
    is_own: bool = False
    called: str = ""


def _declared(path: Path, workflow: Workflow) -> _Declared:
    """Return where that is written which *path* leads to."""
    at = 0
    while path[at : at + 1] == ("workflows",) and (part := workflow.workflows.get(str(path[at + 1]))) is not None:
        workflow, at = part, at + 2
    found, rest = path[:at], path[at:]
    steps: Mapping[str, Step] = {"steps": workflow.steps, "finally": workflow.finally_}.get(str(rest[0]), {}) if rest else {}
    while len(rest) > 1 and (step := steps.get(str(rest[1]))) is not None:
        found, rest = (*found, *rest[:2]), rest[2:]
        if composition_of(step) is not None and rest[:1] == ("steps",):
            parts = parts_of(step)
            work = _work_of(step, parts)
            judging = {parts.judge: "judge", parts.scores: "score"}
            if (word := judging.get(str(rest[1]) if len(rest) > 1 else "")) is not None:
                return _Declared((*found, field_of(step), word, *rest[2:]), rest[2:3] in ((), ("for_each",)), parts.candidates)
            if rest[: len(work)] != work or rest[len(work) : len(work) + 1] == ("for_each",):
                return _Declared((*found, field_of(step)), is_own=True)
            rest = rest[len(work) :]
            if not rest:
                return _Declared(found, is_own=True)
        steps = step.block.steps if step.block is not None and rest[:1] == ("steps",) else {}
    return _Declared((*found, *rest))


def _work_of(step: Step, parts: Parts) -> Path:
    """Return the way to the work of a composition."""
    return ("steps", parts.candidates) if step.best_of is not None else ("steps", parts.candidates, "steps", parts.answers)
