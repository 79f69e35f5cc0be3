"""policy: which functions of a module a workflow can call for the workflows that it uses, and under which keys that puts them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from murakkab.source.steps import Part
from murakkab.spec import Step, Workflow


def with_parts(workflow: Workflow) -> Iterator[Workflow]:
    """Yield the workflows that *workflow* uses, each after those that it uses itself, then *workflow*."""
    for part in workflow.workflows.values():
        yield from with_parts(part)
    yield workflow


def known_parts(workflow: Workflow, parts: Sequence[Part]) -> dict[str, Part]:
    """Return the functions behind the keys of `workflows`; of several keys for one definition a call gives the first."""
    found: dict[str, Part] = {}
    for key, definition in workflow.workflows.items():
        part = next(part for part in parts if part.workflow == definition)
        is_second = any(one.workflow == definition for one in found.values())
        found[key] = replace(part, by_key=is_second)
    return found


def are_keys_usual(workflow: Workflow) -> bool:
    """Return whether calls of the functions, as they stand, give all `workflows` the keys that they have, in their order."""
    known: dict[str, Workflow] = {}
    for step in _every_step(workflow):
        definition = workflow.workflows.get(step.workflow)
        if definition is None:
            continue
        key, number = next((one for one, other in known.items() if other == definition), definition.name), 2
        while known.setdefault(key, definition) != definition:
            key, number = f"{definition.name}~{number}", number + 1
        if key != step.workflow:
            return False
    return list(known) == list(workflow.workflows)


def _every_step(workflow: Workflow) -> Iterator[Step]:
    agenda = [*workflow.steps.values(), *workflow.finally_.values()][::-1]
    while agenda:
        step = agenda.pop()
        yield step
        if step.block is not None:
            agenda += [*step.block.steps.values()][::-1]
