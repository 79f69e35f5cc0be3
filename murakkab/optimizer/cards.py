"""policy: which executors may do a step - those that provide its capability and have the knobs, the device and the model it asks for."""

from collections.abc import Sequence

from murakkab.catalog import Catalog, ExecutorCard
from murakkab.errors import PlanError
from murakkab.plan import Node


def cards_for(node: Node, catalog: Catalog) -> list[ExecutorCard]:
    """Return the executors that may do *node*, the earlier registered first; the pinned one alone where one is pinned.

    Raises `PlanError` when no executor provides the capability, when none that does has the knobs, the device or the model that the step
    asks for, or when the pinned one is missing.
    """
    if node.executor:
        card = catalog.executors.get(node.executor)
        if card is None:
            raise PlanError(f"step {node.path!r} needs executor {node.executor!r}, which is not installed")
        return _allowed([card], node)
    cards = catalog.providers(node.uses)
    if not cards:
        raise PlanError(
            f"no executor provides {node.uses!r}, which step {node.path!r} needs", hint="`murakkab executors` lists what is installed"
        )
    return _allowed(cards, node)


def _allowed(cards: Sequence[ExecutorCard], node: Node) -> list[ExecutorCard]:
    """Return those that have all the knobs, the device and the model that *node* asks for. Raises `PlanError` when there are none."""
    prefer = node.prefer
    found = list(cards) if node.executor else [card for card in cards if all(map(card.knob, node.knobs))]
    if not found:
        message = f"no executor of {node.uses!r} has all the knobs of step {node.path!r}: {', '.join(node.knobs)}"
        raise PlanError(message, hint="pin one executor")
    left = [card for card in found if prefer.device in ("", card.device)]
    if not left:
        there = ", ".join(sorted({str(card.device) for card in found}))
        raise _none_has(f"the device {prefer.device}", node, hint=f"there is {there}")
    fitting = [card for card in left if not prefer.model or card.admits("model", prefer.model)]
    if not fitting:
        hint = f"there are {', '.join(known)}" if (known := _models(left)) else "no model can be chosen"
        raise _none_has(f"the model {prefer.model!r}", node, hint=hint)
    return fitting


def _none_has(wanted: str, node: Node, *, hint: str) -> PlanError:
    who = f"its executor {node.executor!r} does not have it" if node.executor else f"no executor of {node.uses!r} has it"
    return PlanError(f"step {node.path!r} prefers {wanted}, and {who}", hint=hint)


def _models(cards: Sequence[ExecutorCard]) -> list[str]:
    return [str(choice) for card in cards if (knob := card.knob("model")) for choice in knob.choices][:12]
