"""policy: what is wrong with a workflow once one of its profiles is laid over it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from murakkab.catalog import Capability, Catalog
from murakkab.document import with_profile
from murakkab.errors import Diagnostic, Path, SpecError
from murakkab.planner.check import check
from murakkab.spec import Workflow

#: Each profile costs one check of the whole workflow.
MAX_CHECKED = 20


def check_profiles(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> list[Diagnostic]:
    """Return the mistakes that *workflow* has under one of its profiles and not without, each where that profile stands.

    What a profile leaves unused is no mistake, and a function that it alone calls may still be found when it is chosen.
    """
    without = {(one.code, one.path, one.message) for one in check(workflow, catalog, functions)}
    found: list[Diagnostic] = []
    for name in list(workflow.profiles)[:MAX_CHECKED]:
        new = (one for one in _problems(workflow, name, catalog, functions) if (one.code, one.path, one.message) not in without)
        found += (replace(one, message=f"under the profile {name!r}: {one.message}", path=_place(one.path, name, workflow)) for one in new)
    return found


def _problems(workflow: Workflow, name: str, catalog: Catalog, functions: Mapping[str, Capability]) -> list[Diagnostic]:
    try:
        chosen = with_profile(workflow, name)
    except SpecError as error:
        return list(error.diagnostics)
    return [one for one in check(chosen, catalog, functions) if not one.is_warning and one.code != "unknown-function"]


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
