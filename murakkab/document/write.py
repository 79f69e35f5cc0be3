"""policy: Workflow -> canonical JSON data, and its digest. Defaults are left out; what is written reads back as the same workflow."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from murakkab.document.fields import WrongField, json_data
from murakkab.document.write_step import steps
from murakkab.document.write_values import inputs, outputs, put
from murakkab.errors import Diagnostic, Path, SpecError
from murakkab.spec import Goal, QualityRule, Workflow


def to_document(workflow: Workflow) -> dict[str, Any]:
    """Return the canonical JSON data of *workflow*. Raises `SpecError` naming the first value that has no JSON form."""
    document: dict[str, Any] = {"workflow": workflow.name}
    put(document, "description", workflow.description)
    put(document, "version", workflow.version)
    put(document, "inputs", inputs(workflow.inputs, ("inputs",)))
    put(document, "secrets", dict(workflow.secrets))
    put(document, "workflows", {name: _definition(value, ("workflows", name)) for name, value in workflow.workflows.items()})
    put(document, "steps", steps(workflow.steps, ("steps",)))
    put(document, "finally", steps(workflow.finally_, ("finally",)))
    put(document, "outputs", outputs(workflow.outputs, ("outputs",)))
    put(document, "goal", _goal(workflow.goal))
    put(document, "timeout", None if workflow.timeout is None else float(workflow.timeout))
    put(document, "budget", {name: float(value) for name, value in workflow.budget.items()})
    put(document, "profiles", _plain(workflow.profiles, ("profiles",)))
    return document


def digest(workflow: Workflow) -> str:
    """Return the SHA-256 of the canonical JSON, in hex: equal for workflows that mean the same, in whatever order their names stand."""
    text = json.dumps(to_document(workflow), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _definition(workflow: Workflow, path: Path) -> dict[str, Any]:
    try:
        return to_document(workflow)
    except SpecError as error:
        raise SpecError([replace(d, path=(*path, *d.path)) for d in error.diagnostics]) from None


def _goal(goal: Goal) -> dict[str, Any]:
    document: dict[str, Any] = {}
    put(document, "minimize", list(goal.minimize))
    put(document, "limits", {**{name: float(value) for name, value in goal.limits.items()}, **goal.tiers})
    if goal.quality != QualityRule.MEAN:
        document["quality"] = str(goal.quality)
    return document


def _plain(data: Any, path: Path) -> Any:
    problems: list[Diagnostic] = []
    try:
        copy = json_data(data, path, problems)
    except WrongField as wrong:
        raise SpecError([wrong.at(path)]) from None
    if problems:
        raise SpecError(problems)
    return copy
