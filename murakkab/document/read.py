"""policy: JSON data -> Workflow, with every mistake by its path. Reads on after a mistake, so that all are found at once."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from murakkab.document.fields import (
    Problems,
    Reader,
    WrongField,
    flag,
    joules,
    mapping,
    names,
    number,
    read_fields,
    seconds,
    text,
    type_,
    usd,
)
from murakkab.document.read_step import expr, read_step
from murakkab.errors import Diagnostic, Path
from murakkab.spec import Goal, Input, Output, Step, Workflow


class Read(NamedTuple):
    """What was read: the workflow, without what is wrong, and every mistake. No workflow where the data is no mapping."""

    workflow: Workflow | None
    diagnostics: list[Diagnostic]


def from_document(data: Any) -> Read:
    """Return the workflow that *data* (of `to_document`, YAML or JSON) declares, and what is wrong about its form.

    Names, types and references are the business of `planner.check`.
    """
    problems: Problems = []
    try:
        found = read_fields(data, (), problems, fields=WORKFLOW)
    except WrongField as wrong:
        hint = "a workflow begins with `workflow: its-name`"
        return Read(None, [Diagnostic(wrong.code, wrong.message, hint)])
    if not found.get("name") and not any(p.path == ("workflow",) for p in problems):
        problems.append(Diagnostic("missing-field", "the workflow has no name", "begin with `workflow: its-name`"))
    return Read(Workflow(**{"name": "", **found}), problems)


def steps(data: Any, path: Path, problems: Problems) -> dict[str, Step]:
    """Return the steps by name."""
    found: dict[str, Step] = {}
    for name, value in mapping(data, path, problems).items():
        try:
            found[name] = read_step(name, value, (*path, name), problems)
        except WrongField as wrong:
            problems.append(wrong.at((*path, name)))
            found[name] = Step(name)
    return found


def inputs(data: Any, path: Path, problems: Problems) -> dict[str, Input]:
    """Return the inputs by name; text alone is a type."""
    found: dict[str, Input] = {}
    for name, value in mapping(data, path, problems).items():
        at = (*path, name)
        try:
            form = value if isinstance(value, Mapping) else {}
            found[name] = Input(**read_fields(form, at, problems, fields=INPUT), required="default" not in form)
            if not isinstance(value, Mapping):
                found[name] = Input(type_(value, at, problems))
        except WrongField as wrong:
            problems.append(wrong.at(at))
            found[name] = Input()
    return found


def outputs(data: Any, path: Path, problems: Problems) -> dict[str, Output]:
    """Return the outputs by name. A mapping is the long form, `{value, type, optional, description}`, or an operator."""
    found: dict[str, Output] = {}
    for name, value in mapping(data, path, problems).items():
        at = (*path, name)
        if not isinstance(value, Mapping) or any(str(k).startswith("$") for k in value):
            found[name] = Output(expr(value, at, problems))
            continue
        fields = read_fields(value, at, problems, fields=OUTPUT)
        if "value" not in value:
            problems.append(Diagnostic("missing-field", f"the output {name!r} has no value", "write value: ${step.field}", at))
        found[name] = Output(**{"value": None, **fields})
    return found


def goal(data: Any, path: Path, problems: Problems) -> Goal:
    """Return the goal."""
    return Goal(**read_fields(data, path, problems, fields=GOAL))


def limits(data: Any, path: Path, problems: Problems) -> dict[str, float]:
    """Return the limits, in seconds, dollars, joules and parts of one."""
    return read_fields(data, path, problems, fields=LIMITS)


WORKFLOW: Final[dict[str, tuple[str, Reader]]] = {
    "workflow": ("name", text),
    "description": ("description", text),
    "inputs": ("inputs", inputs),
    "steps": ("steps", steps),
    "outputs": ("outputs", outputs),
    "goal": ("goal", goal),
    "timeout": ("timeout", seconds),
}
INPUT: Final[dict[str, tuple[str, Reader]]] = {"type": ("type", type_), "default": ("default", expr), "description": ("description", text)}
OUTPUT: Final[dict[str, tuple[str, Reader]]] = {
    "value": ("value", expr),
    "type": ("type", type_),
    "optional": ("optional", flag),
    "description": ("description", text),
}
GOAL: Final[dict[str, tuple[str, Reader]]] = {"minimize": ("minimize", names), "limits": ("limits", limits)}
LIMITS: Final[dict[str, tuple[str, Reader]]] = {
    "latency": ("latency", seconds),
    "cost": ("cost", usd),
    "energy": ("energy", joules),
    "quality": ("quality", number),
}
