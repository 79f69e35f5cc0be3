"""policy: whether the data in a workflow is nested deeper than that of a file may be. Asked before anything else, for the rest recurses."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from murakkab.errors import Diagnostic, Path
from murakkab.planner.walk import definitions, steps_of
from murakkab.references import MAX_DEPTH, is_too_deep
from murakkab.spec import Expr, Input, Output, Step, Workflow

Values = Iterator[tuple[Path, Expr]]


def depth_problems(workflow: Workflow) -> Iterator[Diagnostic]:
    """Yield where the data of *workflow*, and of those inside of it, lies too deep."""
    for at, one in definitions(workflow):
        for path, value in _values(one):
            if is_too_deep(value, path):
                message = f"nested more than {MAX_DEPTH} deep, counted from the workflow"
                yield _short(Diagnostic("too-deep", message, "put the data into a file and pass that", (*at, *path)))


def _short(problem: Diagnostic) -> Diagnostic:
    """The long form of an output is not how most are written."""
    return replace(problem, path=problem.path[:-1]) if problem.path[-1:] == ("value",) else problem


def _values(workflow: Workflow) -> Values:
    yield from _inputs(workflow.inputs, ("inputs",))
    for path, step in steps_of(workflow):
        yield from _of_step(step, path)
    yield from _outputs(workflow.outputs, ("outputs",))


def _of_step(step: Step, path: Path) -> Values:
    yield from (((*path, "with", name), value) for name, value in step.with_.items())
    yield from (((*path, "knobs", name), value) for name, value in step.knobs.items())
    yield from (((*path, "for_each", name), over) for loop in step.for_each for name, over in loop.lists())
    yield (*path, "on_error", "default"), step.on_error.default
    if step.approve is not None:
        yield (*path, "approve", "message"), step.approve.message
        yield from _inputs(step.approve.form, (*path, "approve", "form"))
    if step.wait is not None:
        for key, value in (("for", step.wait.seconds), ("until", step.wait.until), ("event", step.wait.event)):
            yield (*path, "wait", key), value
    if (made := step.best_of or step.debate) is not None:
        for one in (made.pick.judge, made.pick.score):
            if one is not None:
                yield from _of_step(one, (*path, "best_of" if step.best_of else "debate", one.name))
    if step.block is not None:
        yield from _outputs(step.block.outputs, (*path, "outputs"))


def _inputs(declared: Mapping[str, Input], path: Path) -> Values:
    yield from (((*path, name, "default"), one.default) for name, one in declared.items())


def _outputs(declared: Mapping[str, Output], path: Path) -> Values:
    yield from (((*path, name, "value"), one.value) for name, one in declared.items())
