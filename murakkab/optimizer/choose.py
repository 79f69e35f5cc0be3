"""policy: choose(graph, catalog, goal) -> Deployment. Picks per step by the quotes on the executors' cards; frozen in, frozen out."""

from collections.abc import Callable, Mapping
from typing import Final

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
    """Return one choice per step: the pinned executor, else the provider whose quote is best under the goal, earlier registered first.

    Raises `PlanError` when no executor provides a capability, none that does has the knobs that the step sets, or a pinned one is missing.
    """
    goal = graph.workflow.goal if goal is None else goal
    return Deployment({name: _choice(node, catalog, goal) for name, node in graph.nodes.items()}, goal)


def _choice(node: Node, catalog: Catalog, goal: Goal) -> Choice:
    if node.executor:
        card = catalog.executors.get(node.executor)
        if card is None:
            raise PlanError(f"step {node.name!r} needs executor {node.executor!r}, which is not installed")
        return Choice(node.name, card, node.knobs, "asked for by the step")
    cards = catalog.providers(node.uses)
    if not cards:
        raise PlanError(
            f"no executor provides {node.uses!r}, which step {node.name!r} needs", hint="`murakkab executors` lists what is installed"
        )
    cards = tuple(card for card in cards if all(map(card.knob, node.knobs)))
    if not cards:
        raise PlanError(
            f"no executor of {node.uses!r} has all the knobs of step {node.name!r}: {', '.join(node.knobs)}", hint="pin one executor"
        )
    if len(cards) == 1:
        return Choice(node.name, cards[0], node.knobs, f"the only executor for {node.uses}" + (" with these knobs" if node.knobs else ""))
    best = min(cards, key=lambda card: _score(card, goal))
    why = f"best {', then '.join(goal.minimize)} of {len(cards)} by its quote" if goal.minimize else f"registered first of {len(cards)}"
    return Choice(node.name, best, node.knobs, why)


def _score(card: ExecutorCard, goal: Goal) -> tuple[float, ...]:
    return tuple(_MEASURES[measure](card.quote) for measure in goal.minimize)
