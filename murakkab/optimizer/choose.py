"""policy: choose(graph, catalog, goal) -> Deployment. Picks per step by the quotes on the executors' cards; frozen in, frozen out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from murakkab.catalog import Catalog, ExecutorCard, Quote
from murakkab.errors import PlanError
from murakkab.plan import Choice, Deployment, Node, TaskGraph
from murakkab.spec import Goal

_WORST: Final = float("inf")
_MEASURES: Final[Mapping[str, Callable[[Quote], float]]] = {
    "latency": lambda quote: quote.seconds,
    "cost": lambda quote: quote.usd,
    "energy": lambda quote: _WORST if quote.joules is None else quote.joules,
    "quality": lambda quote: _WORST if quote.quality is None else -quote.quality,
}


def choose(graph: TaskGraph, catalog: Catalog, goal: Goal | None = None) -> Deployment:
    """Return one choice per step that an executor does: the pinned one, else of those that the step allows the one whose quote is best.

    One that lacks a library or a setting, or leaves its work undone, is chosen only where it is pinned or there is no other.

    Under equal quotes the earlier registered. Raises `PlanError` when no executor provides a capability, when none that does has the
    knobs, the device or the model that the step asks for, or when a pinned one is missing.
    """
    goal = graph.workflow.goal if goal is None else goal
    nodes = [node for node in graph.every_node() if node.is_plain]
    return Deployment({node.path: _choice(node, catalog, goal) for node in reversed(nodes)}, goal)


def _choice(node: Node, catalog: Catalog, goal: Goal) -> Choice:
    if node.executor:
        card = catalog.executors.get(node.executor)
        if card is None:
            raise PlanError(f"step {node.path!r} needs executor {node.executor!r}, which is not installed")
        _allowed([card], node)
        return Choice(node.path, card, _knobs(node), "asked for by the step")
    cards = catalog.providers(node.uses)
    if not cards:
        raise PlanError(
            f"no executor provides {node.uses!r}, which step {node.path!r} needs", hint="`murakkab executors` lists what is installed"
        )
    left = _ready(_allowed(cards, node), catalog)
    if len(left) == 1:
        return Choice(node.path, left[0], _knobs(node), f"the only executor for {node.uses}{_asked(node)}")
    best = min(left, key=lambda card: _score(card, goal))
    why = f"best {', then '.join(goal.minimize)} of {len(left)} by its quote" if goal.minimize else f"registered first of {len(left)}"
    return Choice(node.path, best, _knobs(node), why)


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


def _ready(cards: Sequence[ExecutorCard], catalog: Catalog) -> list[ExecutorCard]:
    """Return those that do the work and can run here; where there are none, all: what is lacking is told when the job begins."""
    return [card for card in cards if not card.leaves_undone and card.name not in catalog.lacking] or list(cards)


def _none_has(wanted: str, node: Node, *, hint: str) -> PlanError:
    who = f"its executor {node.executor!r} does not have it" if node.executor else f"no executor of {node.uses!r} has it"
    return PlanError(f"step {node.path!r} prefers {wanted}, and {who}", hint=hint)


def _models(cards: Sequence[ExecutorCard]) -> list[str]:
    return [str(choice) for card in cards if (knob := card.knob("model")) for choice in knob.choices][:12]


def _knobs(node: Node) -> dict[str, Any]:
    return {**node.knobs, "model": node.prefer.model} if node.prefer.model else dict(node.knobs)


def _asked(node: Node) -> str:
    prefer = node.prefer
    asked = [
        *(["these knobs"] if node.knobs else []),
        *([f"the device {prefer.device}"] if prefer.device else []),
        *([f"the model {prefer.model}"] if prefer.model else []),
    ]
    return f" with {' and '.join(asked)}" if asked else ""


def _score(card: ExecutorCard, goal: Goal) -> tuple[float, ...]:
    return tuple(_MEASURES[measure](card.quote) for measure in goal.minimize)
