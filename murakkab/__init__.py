"""Murakkab: say what an AI workflow does and what matters; it decides how it runs.

data: the public names, and nothing else.
"""

from murakkab.api import WorkflowHandle, load_workflow, workflow
from murakkab.composition import contains, each, first, flatten, size, template
from murakkab.dsl import CapabilityHandle, StepFunction, capability, default_to, fallback_to, step, when
from murakkab.errors import (
    BackendError,
    ConflictError,
    ExecutorError,
    InputError,
    InvalidTransition,
    JobCancelled,
    JobError,
    JobFailed,
    JobHeld,
    JobInterrupted,
    MurakkabError,
    NotFoundError,
    PlanError,
    SpecError,
)
from murakkab.spec import CachePolicy, Effect, Goal, OnError, Retry
from murakkab.steps import check_cancelled, spend
from murakkab.values import File

__all__ = [
    "BackendError",
    "CachePolicy",
    "CapabilityHandle",
    "ConflictError",
    "Effect",
    "ExecutorError",
    "File",
    "Goal",
    "InputError",
    "InvalidTransition",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobHeld",
    "JobInterrupted",
    "MurakkabError",
    "NotFoundError",
    "OnError",
    "PlanError",
    "Retry",
    "SpecError",
    "StepFunction",
    "WorkflowHandle",
    "capability",
    "check_cancelled",
    "contains",
    "default_to",
    "each",
    "fallback_to",
    "first",
    "flatten",
    "load_workflow",
    "size",
    "spend",
    "step",
    "template",
    "when",
    "workflow",
]
