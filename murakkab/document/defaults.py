"""policy: options that a workflow made in Python lays under all its steps, as `defaults` do in a file."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from murakkab.document.compose import composed, each_step, takes
from murakkab.document.read import from_document
from murakkab.document.write import to_document
from murakkab.document.write_step import steps
from murakkab.errors import Path, SpecError
from murakkab.spec import Step, Workflow


def with_defaults(workflow: Workflow, defaults: Mapping[str, Any], own: Mapping[Path, Collection[str]]) -> Workflow:
    """Return *workflow* with *defaults*, the fields of a step, under its steps, and profiles that may change them.

    *own*: which fields a step says itself, by its path. Raises `SpecError` when something has no JSON form.
    """
    data = to_document(Workflow(workflow.name, steps=workflow.steps, finally_=workflow.finally_, profiles=workflow.profiles))
    below = steps({"": Step("", **defaults)}, ("defaults",))[""]
    for path, step in each_step(data):
        # What says of a step that it is as it would be without a word would be lost.
        step.update(dict.fromkeys(key for key in own.get(path, ()) if key not in step and key in below and takes(step, key)))
    found = composed({**data, "defaults": below})
    read = from_document(found.data)
    if read.workflow is None or found.problems or read.diagnostics:
        raise SpecError([*found.problems, *read.diagnostics])
    return replace(workflow, steps=read.workflow.steps, finally_=read.workflow.finally_, profiles=read.workflow.profiles)
