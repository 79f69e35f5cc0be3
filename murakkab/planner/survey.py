"""policy: what is known of a workflow before any of it is judged - interfaces, result types, who waits for whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from murakkab.catalog import Capability, Catalog, ExecutorCard
from murakkab.expressions import names_in
from murakkab.references import refs_in
from murakkab.spec import Effect, Expr, Rescue, Step, Workflow
from murakkab.types import ANY, Field, Type, list_of

#: The capability of the executors that run the function of a `call` step.
PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Survey:
    """A workflow with what it is checked against. `scope` holds the type of `inputs` and of every step's result."""

    workflow: Workflow
    catalog: Catalog
    functions: Mapping[str, Capability]
    scope: dict[str, Type]

    def interface(self, step: Step) -> Capability | None:
        """Return what *step* takes and gives, or None where that is unknown."""
        return interface_of(step, self.catalog, self.functions)

    def candidates(self, step: Step) -> tuple[ExecutorCard, ...]:
        """Return the executors that may do *step*: the one it names, else every provider."""
        if step.executor:
            card = self.catalog.executors.get(step.executor)
            return (card,) if card else ()
        return self.catalog.providers(capability_of(step))

    def effect(self, step: Step) -> Effect | None:
        """Return the declared effect, else the worst among the candidates and the fallback, None where there are none."""
        if step.effect is not None:
            return step.effect
        order = list(Effect)
        fallback = self.catalog.executors.get(step.on_error.fallback)
        cards = (*self.candidates(step), *([fallback] if fallback else []))
        return max((card.effect for card in cards), key=order.index, default=None)


def survey(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> Survey:
    """Return what is known of *workflow*."""
    inputs = Type("record", fields=tuple(Field(name, one.type) for name, one in workflow.inputs.items()), name="inputs")
    return Survey(workflow, catalog, functions, {**results_of(workflow, catalog, functions), "inputs": inputs})


def capability_of(step: Step) -> str:
    """Return the capability that an executor of *step* must provide."""
    return step.uses or (PYTHON if step.call else "")


def interface_of(step: Step, catalog: Catalog, functions: Mapping[str, Capability]) -> Capability | None:
    """Return what *step* takes and gives, or None where its capability or function is not known."""
    return catalog.capabilities.get(step.uses) if step.uses else functions.get(step.call)


def results_of(workflow: Workflow, catalog: Catalog, functions: Mapping[str, Capability]) -> dict[str, Type]:
    """Return the type of every step's result; each level of `for_each` makes a list of it."""
    found: dict[str, Type] = {}
    for name, step in workflow.steps.items():
        interface = interface_of(step, catalog, functions)
        result = interface.result if interface else ANY
        for _ in step.for_each:
            result = list_of(result)
        found[name] = result
    return found


def expressions_of(step: Step) -> Iterator[Expr]:
    """Yield every expression of *step*, conditions aside."""
    yield from step.with_.values()
    yield from step.knobs.values()
    yield from (loop.over for loop in step.for_each)
    if step.on_error.action is Rescue.DEFAULT:
        yield step.on_error.default


def waits_for(step: Step, workflow: Workflow) -> list[str]:
    """Return the steps that must be settled before *step* starts, itself left out."""
    named = {ref.source for expr in expressions_of(step) for ref in refs_in(expr)}
    if step.when:
        named |= names_in(step.when)
    named -= {loop.name for loop in step.for_each}
    named = {*named, *step.after} - {step.name}
    return sorted(name for name in named if name in workflow.steps)


def rings(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return one ring of names for each group of names that lead to each other. Linear in the size of *edges*; nothing recurses."""
    return [_ring(group, edges) for group in _groups(edges) if len(group) > 1]


def _groups(edges: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """Return the strongly connected groups (Tarjan)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    groups: list[set[str]] = []
    for root in edges:
        agenda = [] if root in number else [(root, iter(edges[root]))]
        while agenda:
            name, rest = agenda[-1]
            if name not in number:
                number[name] = low[name] = len(number)
                stack.append(name)
                on_stack.add(name)
            for next_ in rest:
                if next_ not in number:
                    agenda.append((next_, iter(edges[next_])))
                    break
                if next_ in on_stack:
                    low[name] = min(low[name], number[next_])
            else:
                agenda.pop()
                if agenda:
                    low[agenda[-1][0]] = min(low[agenda[-1][0]], low[name])
                if low[name] == number[name]:
                    groups.append(_popped(stack, on_stack, name))
    return groups


def _popped(stack: list[str], on_stack: set[str], last: str) -> set[str]:
    group: set[str] = set()
    while last not in group:
        group.add(stack.pop())
    on_stack -= group
    return group


def _ring(group: set[str], edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a ring within *group*, closed: its first name stands at its end again."""
    first = next(name for name in edges if name in group)
    path, seen = [first], {first: 0}
    while True:
        next_ = next(n for n in edges[path[-1]] if n in group)
        if next_ in seen:
            return [*path[seen[next_] :], next_]
        seen[next_] = len(path)
        path.append(next_)
