"""Short ways to make one attempt of one task, and to hear how it ended."""

from dataclasses import replace
from typing import Any, Final

from murakkab.plan import Node
from murakkab.ports import Call
from murakkab.runtime.attempt import Desk, Outside, Way, attempt, way_of
from murakkab.runtime.messages import StartTask, TaskFailed, TaskSucceeded
from murakkab.spec import CachePolicy
from murakkab.steps import CURRENT
from murakkab.types import ANY, Type, list_of
from tests.fakes import FakeClock, FakeExecutor, graph, step

CACHED: Final = CachePolicy(10.0)


def node_of(result: Type = ANY, **parts: Any) -> Node:
    """Return the node of a step."""
    return replace(graph(step("s", **parts)).nodes["s"], result=result)


def outside_of(**parts: Any) -> Outside:
    """Return a world without artifacts."""
    parts.setdefault("clock", FakeClock())
    return Outside(None, **parts)  # type: ignore[arg-type]


def way(executor: FakeExecutor, outside: Outside, node: Node, **parts: Any) -> Way:
    """Return the way to run *node*."""
    return way_of(node, executor, knobs=node.knobs, target=parts.get("target"), needs={}, outside=outside)


async def tried(fake: FakeExecutor, node: Node, outside: Outside, **start: Any) -> TaskSucceeded | TaskFailed:
    """Return how an attempt at *node* ended."""
    return await heard(fake, node, outside, [], **start)


async def heard(fake: Any, node: Node, outside: Outside, into: list[Any], **start: Any) -> TaskSucceeded | TaskFailed:
    """Return how an attempt at *node* ended; the elements it gave go *into* a list."""
    start.setdefault("inputs", {"x": 1})
    target = start.pop("target", None)
    prepared = way_of(node, fake, knobs=node.knobs, target=target, needs={}, outside=outside)
    desk = Desk(outside.grace, into.append)
    CURRENT.set(desk)
    return await attempt("j1", StartTask("s", node, **start), prepared, outside, desk)


async def tells(behave: Any, node: Node | None = None, **outside: Any) -> TaskSucceeded | TaskFailed:
    """Return how an attempt ended whose executor behaves so."""
    return await tried(FakeExecutor(behave), node or node_of(), outside_of(**outside))


def streams(result: Type = ANY, **parts: Any) -> Node:
    """Return the node of a step that gives its result element by element."""
    return replace(node_of(list_of(result), **parts), streams=True)


def emits(*elements: Any, returns: Any = None) -> Any:
    """Return a behaviour that gives elements, and then the list of them, or something else."""

    async def behave(call: Call) -> Any:
        assert call.report.emit is not None
        for element in elements:
            call.report.emit(element)
        return list(elements) if returns is None else returns

    return behave
