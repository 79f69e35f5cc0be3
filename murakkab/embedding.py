"""policy: a workflow as part of another one - its functions under the names that they have there."""

from collections.abc import Mapping
from dataclasses import replace

from murakkab.spec import Step, Workflow


def renamed(workflow: Workflow, names: Mapping[str, str]) -> Workflow:
    """Return *workflow* with the functions that its steps, also those inside of others, call under their new *names*."""
    if not names:
        return workflow
    return replace(
        workflow,
        steps=_steps(workflow.steps, names),
        finally_=_steps(workflow.finally_, names),
        workflows={key: renamed(inner, names) for key, inner in workflow.workflows.items()},
    )


def _steps(steps: Mapping[str, Step], names: Mapping[str, str]) -> dict[str, Step]:
    return {name: _step(step, names) for name, step in steps.items()}


def _step(step: Step, names: Mapping[str, str]) -> Step:
    block = step.block and replace(step.block, steps=_steps(step.block.steps, names))
    return replace(step, call=names.get(step.call, step.call), block=block)
