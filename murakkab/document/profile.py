"""policy: a workflow with one of its profiles laid over it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from murakkab.document.compose import Origins, composed, written
from murakkab.document.read import from_document
from murakkab.document.write import to_document
from murakkab.errors import Diagnostic, Path, SpecError
from murakkab.spec import Workflow


def with_profile(workflow: Workflow, name: str) -> Workflow:
    """Return *workflow* as its profile *name* changes it, and with it the workflows inside that have one of that name.

    The result has no profiles. Raises `SpecError` when there is no such profile, or what it says cannot be read.
    """
    origins: Origins = {}
    problems: list[Diagnostic] = []
    data = _chosen(to_document(workflow), name, (), origins, problems)
    read = from_document(data)
    found = (replace(d, path=written(d.path, origins)) for d in (*problems, *read.diagnostics))
    told = list(dict.fromkeys(found))
    if told or read.workflow is None:
        raise SpecError(told)
    return read.workflow


def _chosen(data: Mapping[str, Any], name: str, at: Path, origins: Origins, problems: list[Diagnostic]) -> dict[str, Any]:
    found = composed(data, profile=name, must=not at)
    origins.update({(*at, *here): (*at, *there) for here, there in found.origins.items()})
    problems += (replace(d, path=(*at, *d.path)) for d in found.problems)
    inner = found.data.get("workflows")
    if isinstance(inner, Mapping):
        found.data["workflows"] = {
            key: _chosen(value, name, (*at, "workflows", key), origins, problems) if isinstance(value, Mapping) else value
            for key, value in inner.items()
        }
    return found.data
