"""driver: the cases on LangGraph - a state graph whose state counts the nodes that ran; with or without the SQLite checkpointer.

python -m benchmarks.peers.langgraph_async CASE [none|sqlite]       (in an environment with langgraph and langgraph-checkpoint-sqlite)
"""

import asyncio
import operator
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # type: ignore[import-not-found,unused-ignore]  # pyright: ignore[reportMissingImports]
from langgraph.graph import END, START, StateGraph  # type: ignore[import-not-found,unused-ignore]  # pyright: ignore[reportMissingImports]

from benchmarks.cases import NAP, STEPS, base_of, naps, random_dag, steps_in
from benchmarks.timing import Subject, beside_floor, hand_over

#: Diamonds in one run with the checkpointer, which takes milliseconds for each of their steps.
FEW: Final = 100


class State(TypedDict):
    """How many nodes have run."""

    ran: Annotated[int, operator.add]


Node = Callable[[State], Awaitable[dict[str, int]]]


def node_that_waits(seconds: float | None) -> Node:
    """Return a node."""
    if seconds is None:
        return quick

    async def wait(state: State) -> dict[str, int]:
        await asyncio.sleep(seconds)
        return {"ran": 1}

    return wait


async def quick(state: State) -> dict[str, int]:
    """The node that does nothing."""
    return {"ran": 1}


def graph_of(case: str) -> Any:
    """Return the state graph, not yet compiled."""
    graph: Any = StateGraph(State)
    if case == "diamond":
        before: list[tuple[int, ...]] = [(), (0,), (0,), (0,), (1, 2, 3)]
    elif base_of(case) == "dag":
        before = list(random_dag())
    elif case == "chain":
        before = [() if number == 0 else (number - 1,) for number in range(STEPS)]
    else:
        before = [*[()] * STEPS, tuple(range(STEPS))]
    for number in range(len(before)):
        is_join = base_of(case) == "fanout" and number == STEPS
        wait = None if is_join else naps()[number] if case == "dag_sleep" else NAP if case == "fanout_sleep" else None
        graph.add_node(f"n{number}", node_that_waits(wait))
    followed: set[int] = set()
    for number, sources in enumerate(before):
        names = [f"n{one}" for one in sources]
        graph.add_edge(START if not names else names[0] if len(names) == 1 else names, f"n{number}")
        followed.update(sources)
    for number in set(range(len(before))) - followed:
        graph.add_edge(f"n{number}", END)
    return graph


@asynccontextmanager
async def checkpointer(variant: str) -> AsyncIterator[AsyncSqliteSaver | None]:
    """The saver of the variant, None for none."""
    if variant != "sqlite":
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "checkpoints.db")) as saver:
            yield saver


async def main(case: str, variant: str = "none") -> None:
    """Build, check, time, and hand over the row."""
    runs = (FEW if variant == "sqlite" else STEPS) if case == "diamond" else 1
    threads = count()
    async with checkpointer(variant) as saver:
        began = time.perf_counter()
        graph = graph_of(case).compile(checkpointer=saver)
        seconds = time.perf_counter() - began

        async def once() -> Any:
            settings = {"recursion_limit": 5 * STEPS, "configurable": {"thread_id": str(next(threads))}}
            return await graph.ainvoke({"ran": 0}, settings)

        async def run() -> list[Any]:
            return await asyncio.gather(*(once() for _ in range(runs)))

        ran = sum(state["ran"] for state in await run())
        if ran != steps_in(case) * runs // (STEPS if case == "diamond" else 1):
            raise AssertionError(f"{ran} nodes ran")
        scale = runs / STEPS if case == "diamond" else 1.0
        name = "sqlite checkpointer" if saver else "no checkpointer"
        hand_over(await beside_floor(Subject("LangGraph", case, name, run, seconds, scale=scale)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
