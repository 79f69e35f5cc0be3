"""driver: the public names, and where each is at home. `murakkab` itself loads this when the first of them is asked for."""

from typing import TYPE_CHECKING, Any

from murakkab.api import WorkflowHandle, load_workflow, workflow
from murakkab.blocks import Group, block, finally_, secret, when
from murakkab.composition import contains, each, error, first, flatten, item, job, loop, ref, result, size, template, var
from murakkab.dsl import CapabilityHandle, NamedStep, StepFunction, WorkflowStep, call, capability, does, step, subworkflow, use
from murakkab.errors import (
    BackendError,
    ConflictError,
    ExecutorError,
    InputError,
    InstallationError,
    InvalidTransition,
    JobCancelled,
    JobError,
    JobFailed,
    JobHeld,
    JobInterrupted,
    JobPaused,
    JobWaiting,
    MurakkabError,
    NotFoundError,
    PlanError,
    SpecError,
)
from murakkab.gates import approve, wait, wait_for
from murakkab.options import default_to, fallback_to, instead, zipped
from murakkab.outputs import output
from murakkab.several import best_of, debate
from murakkab.signature import TypeText
from murakkab.spec import BestOf, CachePolicy, Debate, Effect, Goal, Input, Need, OnError, Prefer, Repeat, Retry
from murakkab.values import File

if TYPE_CHECKING:
    from murakkab.steps import check_cancelled, spend

__all__ = [
    "BackendError",
    "BestOf",
    "CachePolicy",
    "CapabilityHandle",
    "ConflictError",
    "Debate",
    "Effect",
    "ExecutorError",
    "File",
    "Goal",
    "Group",
    "Input",
    "InputError",
    "InstallationError",
    "InvalidTransition",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobHeld",
    "JobInterrupted",
    "JobPaused",
    "JobWaiting",
    "MurakkabError",
    "NamedStep",
    "Need",
    "NotFoundError",
    "OnError",
    "PlanError",
    "Prefer",
    "Repeat",
    "Retry",
    "SpecError",
    "StepFunction",
    "TypeText",
    "WorkflowHandle",
    "WorkflowStep",
    "approve",
    "best_of",
    "block",
    "call",
    "capability",
    "check_cancelled",
    "contains",
    "debate",
    "default_to",
    "does",
    "each",
    "error",
    "fallback_to",
    "finally_",
    "first",
    "flatten",
    "instead",
    "item",
    "job",
    "load_workflow",
    "loop",
    "output",
    "ref",
    "result",
    "secret",
    "size",
    "spend",
    "step",
    "subworkflow",
    "template",
    "use",
    "var",
    "wait",
    "wait_for",
    "when",
    "workflow",
    "zipped",
]


def __getattr__(name: str) -> Any:
    """Import what only the code of a step needs when it is first asked for: it brings the event loop with it."""
    if name not in ("check_cancelled", "spend"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from murakkab import steps

    return getattr(steps, name)
