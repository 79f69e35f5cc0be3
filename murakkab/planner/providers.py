"""policy: who may do a step, what that takes and gives, and what it may do to the world."""

from collections.abc import Mapping
from typing import Final

from murakkab.catalog import Capability, Catalog, ExecutorCard
from murakkab.spec import Effect, Step

#: The capability of the executors that run the function of a `call` step.
PYTHON: Final = "python"
_HARM: Final = {effect: i for i, effect in enumerate(Effect)}


def is_plain(step: Step) -> bool:
    """Return whether an executor does the step: its work is no graph of its own, and neither an approval nor a wait."""
    return not step.workflow and step.block is None and step.approve is None and step.wait is None


def capability_of(step: Step) -> str:
    """Return the capability that an executor of *step* must provide, "" where it needs none."""
    return step.uses or (PYTHON if step.call else "")


def interface_of(step: Step, catalog: Catalog, functions: Mapping[str, Capability]) -> Capability | None:
    """Return what *step* takes and gives, or None where its capability or function is not known."""
    return catalog.capabilities.get(step.uses) if step.uses else functions.get(step.call)


def candidates(capability: str, pinned: str, catalog: Catalog) -> tuple[ExecutorCard, ...]:
    """Return the executors that may do a step: the pinned one, else every provider of its capability."""
    if pinned:
        card = catalog.executors.get(pinned)
        return (card,) if card is not None else ()
    return catalog.providers(capability)


def known_effect(step: Step, catalog: Catalog) -> Effect | None:
    """Return the declared effect, else the worst among the executors that may be chosen or fallen back to; None where there are none."""
    if step.effect is not None:
        return step.effect
    cards = list(candidates(capability_of(step), step.executor, catalog))
    if step.on_error.fallback in catalog.executors:
        cards.append(catalog.executors[step.on_error.fallback])
    return max((card.effect for card in cards), key=_HARM.__getitem__, default=None)


def effect_of(step: Step, catalog: Catalog) -> Effect:
    """Return what the plain *step* may do to the world; unknown code may write."""
    return known_effect(step, catalog) or Effect.WRITE


def worst(*effects: Effect) -> Effect:
    """Return the effect of what does all of *effects*."""
    return max(effects, key=_HARM.__getitem__, default=Effect.PURE)
