"""policy: what is wrong with a workflow once one of its profiles is laid over it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from murakkab.catalog import Capability, Catalog
from murakkab.diagnostics import did_you_mean
from murakkab.document import with_profile
from murakkab.document.compose import weight
from murakkab.errors import Diagnostic, Path, SpecError
from murakkab.planner.check import check
from murakkab.planner.walk import every_step
from murakkab.spec import Workflow

#: Each profile costs one check of the whole workflow: so many steps are looked at in all, and the profiles behind that are not checked.
MAX_CHECKED: Final = 2_000
#: About as many characters of a profile cost what a step does.
_STEP: Final = 100


def check_profiles(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> list[Diagnostic]:
    """Return the mistakes that *workflow* has under one of its profiles and not without, each where that profile stands.

    What a profile leaves unused is no mistake, and a function that it alone calls may still be found when it is chosen.
    """
    without = {(one.code, one.path, one.message) for one in check(workflow, catalog, functions)}
    found: list[Diagnostic] = []
    steps, room = sum(1 for _ in every_step(workflow)), MAX_CHECKED
    for name, profile in workflow.profiles.items():
        room -= steps + weight(profile) // _STEP
        if room < 0:
            break
        new = (one for one in _problems(workflow, name, catalog, functions) if (one.code, one.path, one.message) not in without)
        found += (replace(one, message=f"under the profile {name!r}: {one.message}", path=_place(one.path, name, workflow)) for one in new)
    return found


def _problems(workflow: Workflow, name: str, catalog: Catalog, functions: Mapping[str, Capability]) -> list[Diagnostic]:
    try:
        chosen = with_profile(replace(workflow, profiles={name: workflow.profiles[name]}), name)
    except SpecError as error:
        return list(error.diagnostics)
    found = (one for one in check(chosen, catalog, functions) if not one.is_warning and one.code != "unknown-function")
    return [replace(one, hint=_hint(one, workflow)) for one in found]


def _hint(one: Diagnostic, workflow: Workflow) -> str:
    """A step that the profile alone has is mostly one of the workflow, misspelt."""
    section, *rest = one.path or ("",)
    is_new = one.code == "no-work" and section == "steps" and bool(rest) and rest[0] not in workflow.steps
    return (did_you_mean(str(rest[0]), workflow.steps) if is_new else "") or one.hint


def _place(path: Path, name: str, workflow: Workflow) -> Path:
    """Return the path below the profile where it says what *path* is about, else *path* itself."""
    profile = ("profiles", name)
    if path[:1] == ("profiles",):
        return path
    part: Any = workflow.profiles[name]
    for i, item in enumerate(path):
        if not isinstance(part, Mapping) or item not in part:
            return (*profile, *path[:i]) if i else path
        part = part[item]
    return (*profile, *path)
