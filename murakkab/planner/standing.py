"""data: where a step stands while it is checked - its frame, what is around that, and how paths lead there."""

from collections import ChainMap
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab.catalog import Capability, ExecutorCard, Parameter
from murakkab.diagnostics import Vocabulary
from murakkab.errors import Diagnostic, Path
from murakkab.planner.check_types import Surroundings, dotted
from murakkab.planner.frames import Frame
from murakkab.planner.providers import candidates, capability_of, interface_of, is_plain
from murakkab.planner.survey import Survey
from murakkab.references import refs_in
from murakkab.spec import Step
from murakkab.types import ANY, Type, mismatch


def _seen_as_step(step: Step) -> set[str]:
    """Return the name of *step*, unless a loop variable hides it inside."""
    return {step.name}.difference(_variables_of(step))


def _variables_of(step: Step) -> set[str]:
    return {name for loop in step.for_each for name, _ in loop.lists()}


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A frame of the workflow that `facts` are about. `owner`: the step whose block it is, which stands in `outer`.

    `racing`: the step that may stop what happens here half-way, because it needs only some of it. `elsewhere`: hints about names.
    """

    facts: Survey
    frame: Frame
    elsewhere: dict[str, str]
    outer: "Standing | None" = None
    owner: Step | None = None
    racing: str = ""
    #: name -> where it is from: the steps of this frame, and what is seen of those around it.
    origins: ChainMap[str, str] = field(default_factory=ChainMap[str, str])
    #: What stands in the place of the steps that may be left out and are seen here, where it is data that fits.
    defaults: dict[str, Any] = field(default_factory=dict)
    #: The names of the steps, sorted when the first hint is wanted.
    _sorted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note where names are from, and what may stand in their place."""
        own = {name: dotted((*self.frame.path, name)) for name in self.frame.steps}
        if self.outer is not None:
            around = dict(self.outer.variables(self.owner)) if self.owner is not None else {}
            self.origins.maps[:] = [own, around, *self.outer.origins.maps]
        else:
            self.origins.maps[:] = [own]
        for name, value in self.outer.defaults.items() if self.outer is not None else ():
            if name not in self.frame.steps and (self.owner is None or name not in _variables_of(self.owner)):
                self.defaults[name] = value
        self.defaults.update((name, step.optional.default) for name, step in self.frame.steps.items() if step.optional and self._fits(step))

    def _fits(self, step: Step) -> bool:
        default = step.optional.default if step.optional is not None else None
        is_data = default is not None and next(refs_in(default), None) is None
        return is_data and not mismatch(self.frame.scope.get(step.name, ANY), default)

    def path(self, step: Step) -> Path:
        """Return where *step* is written."""
        return (*self.frame.path, step.name)

    def variables(self, step: Step) -> Iterator[tuple[str, str]]:
        """Yield the loop variables of *step*, and where each is from."""
        for loop in step.for_each:
            for name, _ in loop.lists():
                yield name, f"an element of {dotted((*self.path(step), 'for_each', name))}"

    def open(self) -> frozenset[str]:
        """Return the names of the steps that this frame is part of, but for those that mean something nearer here."""
        found: set[str] = set()
        nearer: list[Container[str]] = []
        for standing in self.outwards():
            nearer.append(standing.frame.steps)
            if standing.owner is not None:
                found.update(name for name in _seen_as_step(standing.owner) if not any(name in names for names in nearer))
                nearer.append(_variables_of(standing.owner))
        return frozenset(found)

    def outwards(self) -> "Iterator[Standing]":
        """Yield this frame and those around it."""
        standing: Standing | None = self
        while standing is not None:
            yield standing
            standing = standing.outer

    def steps(self) -> list[str]:
        """Return the names of the steps, in order."""
        if not self._sorted:
            self._sorted.extend(sorted(self.frame.steps))
        return self._sorted

    def known(self, step: Step | None, scope: Mapping[str, Type]) -> Vocabulary:
        """Return the names that an expression of *step* may have meant, where those of *scope* are known."""
        special = [name for name in ("inputs", "loop", "result", "error", "job") if name in scope]
        own = [name for loop in step.for_each for name, _ in loop.lists()] if step is not None else []
        around = [name for at in self.outwards() if at.owner is not None for loop in at.owner.for_each for name, _ in loop.lists()]
        return Vocabulary(sorted([*own, *around, *special]), *(at.steps() for at in self.outwards()))

    def around(self, scope: Mapping[str, Type], problems: list[Diagnostic], step: Step | None = None) -> Surroundings:
        """Return the surroundings of an expression of *step*, or of an output of the frame."""
        if step is None:
            known = self.known(None, scope)
            return Surroundings(scope, problems, self.open(), self.elsewhere, self.origins, known, defaults=self.defaults)
        origins = self.origins.new_child(dict(self.variables(step))) if step.for_each else self.origins
        open_, known = (self.open() - _variables_of(step)) | _seen_as_step(step), self.known(step, scope)
        return Surroundings(scope, problems, open_, self.elsewhere, origins, known, defaults=self.defaults)

    def interface(self, step: Step) -> Capability | None:
        """Return what *step* takes and gives, or None where that is unknown."""
        if step.workflow:
            part = self.facts.parts.get(step.workflow)
            if part is None:
                return None
            inputs = (Parameter(name, one.type, one.default, one.required, one.description) for name, one in part.workflow.inputs.items())
            return Capability(step.workflow, "", tuple(inputs), part.result)
        return interface_of(step, self.facts.catalog, self.facts.functions) if is_plain(step) else None

    def candidates(self, step: Step) -> tuple[ExecutorCard, ...]:
        """Return the executors that may do *step*: the one it names, else every provider."""
        return candidates(capability_of(step), step.executor, self.facts.catalog)
