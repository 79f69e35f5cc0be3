"""policy: `declare` turns a typed function into a workflow. The function is called once, with placeholders for its parameters."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, Unpack, cast

from murakkab.catalog import Capability
from murakkab.composition import as_expr
from murakkab.declared import Declared
from murakkab.document import with_defaults
from murakkab.errors import Diagnostic, Place, SpecError
from murakkab.options import DefaultOptions, default_fields
from murakkab.outputs import outputs_of
from murakkab.placeholders import Placeholder, mistake
from murakkab.recording import Recording, active, recording_into
from murakkab.signature import annotations_of, describe, type_of
from murakkab.spec import Goal, Input, Ref, Workflow


class Budget(TypedDict, total=False):
    """What a job may take before it pauses: dollars, joules, tokens of language models, seconds."""

    cost: float
    energy: float
    tokens: float
    time: float


class WorkflowOptions(TypedDict, total=False):
    """What a workflow is called, says of itself and aims at. Name and description come from the function unless they are given.

    `timeout`: seconds after which a job that still runs has failed. `budget`: what a job may take before it pauses. `defaults`: options
    under those of every step. `profiles`: parts of a document by name, laid over the workflow by `.options(profile=...)`.
    For what has no name in Python: `inputs` beside the parameters, `secrets` (`env:NAME`, `file:PATH`), and `workflows` to be used
    by name.
    """

    name: str
    description: str
    version: str
    goal: Goal
    timeout: float
    budget: Budget
    defaults: DefaultOptions
    profiles: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, Input]
    secrets: Mapping[str, str]
    workflows: Mapping[str, Any]


def declare(function: Callable[..., Any], **options: Unpack[WorkflowOptions]) -> Declared:
    """Return the workflow that *function* writes down. Raises `SpecError` with every mistake found, at its line."""
    place = _place_of(function)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        hint = "write `def`, and call async steps without await"
        raise SpecError([Diagnostic("bad-function", "the body of a workflow is a plain function", hint, place=place)])
    interface, annotations = describe(function), annotations_of(function)
    recording = Recording(function, active())
    try:
        if recording.is_inside_itself:
            raise mistake("cycle", f"the workflow {interface.name!r} is a step of itself", "repeat a step with repeat=Repeat(...)")
        defaults = default_fields(options.get("defaults", {}))
        parameters = _inputs(function, interface, annotations)
        with recording_into(recording):
            for key, part in options.get("workflows", {}).items():
                recording.embed(part.declared, key)
            returned = function(**{n: Placeholder(Ref("inputs", (n,)), one.type) for n, one in parameters.items()})
            outputs, returns = outputs_of(returned, annotations.get("return", Any))
    except SpecError as error:
        found = [d if d.place else dataclasses.replace(d, place=place) for d in error.diagnostics]
        raise SpecError([*recording.diagnostics, *found]) from None
    if recording.diagnostics:
        raise SpecError(recording.diagnostics)
    workflow = Workflow(
        options.get("name") or interface.name.replace("_", "-"),
        options.get("description") or interface.description,
        options.get("version", ""),
        inputs={**parameters, **options.get("inputs", {})},
        steps=recording.root.steps,
        outputs=outputs,
        finally_=recording.ending.steps,
        goal=options.get("goal") or Goal(),
        timeout=options.get("timeout"),
        budget=cast("dict[str, float]", dict(options.get("budget", {}))),
        secrets={**options.get("secrets", {}), **recording.secrets},
        workflows=recording.workflows,
        profiles=options.get("profiles", {}),
    )
    if defaults:
        workflow = with_defaults(workflow, defaults, recording.own)
    return Declared(workflow, recording.functions, recording.capabilities, {**recording.places, (): place}, returns)


def _place_of(function: Callable[..., Any]) -> Place:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Place(code.co_filename, code.co_firstlineno, 1) if code else Place(repr(function))


def _inputs(function: Callable[..., Any], interface: Capability, annotations: Mapping[str, Any]) -> dict[str, Input]:
    problems = [
        Diagnostic("bad-function", f"the parameter {p} cannot be given by name", "leave out /, * and **: inputs have names")
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    found: dict[str, Input] = {}
    for one in interface.inputs:
        try:
            default = as_expr(one.default)
        except SpecError as error:
            problems += [dataclasses.replace(d, message=f"the default of {one.name!r}: {d.message}", place=None) for d in error.diagnostics]
            continue
        found[one.name] = Input(type_of(annotations.get(one.name, Any)), default, one.required, one.description)
    if problems:
        raise SpecError(problems)
    return found
