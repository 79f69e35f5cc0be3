"""data: a workflow that was written down, and what Python knows beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from murakkab.catalog import Capability
from murakkab.errors import Diagnostic, Path, Place, SpecError
from murakkab.spec import Workflow


class Returns(NamedTuple):
    """How the outputs of a job become what the function returns: `nothing`, one `value`, or the `fields` of `record` (None: a dict)."""

    form: str
    annotation: Any
    record: type | None = None


AS_DICT: Final = Returns("fields", dict[str, Any])


@dataclass(frozen=True, slots=True)
class Declared:
    """A workflow, the functions behind `call` and their interfaces, and where each step was written, by its path in the document."""

    workflow: Workflow
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    places: Mapping[Path, Place] = field(default_factory=dict)
    returns: Returns = AS_DICT

    def placed(self, error: SpecError) -> SpecError:
        """Return *error* with the place in the user's file for each diagnostic that has none."""
        return SpecError([d if d.place else replace(d, place=self._place(d)) for d in error.diagnostics])

    def _place(self, diagnostic: Diagnostic) -> Place | None:
        """Return the place of the innermost thing on the way to the mistake."""
        ways = (diagnostic.path[:end] for end in range(len(diagnostic.path), -1, -1))
        return next((place for way in ways if (place := self.places.get(way))), None)
