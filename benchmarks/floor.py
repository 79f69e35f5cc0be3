"""driver: the floor - each case written by hand on asyncio, one asyncio task per step and nothing else. Standard library only."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from benchmarks.cases import NAP, STEPS, base_of, naps, random_dag, successors

Run = Callable[[], Awaitable[Any]]


async def quick(value: int) -> int:
    """The step that does nothing."""
    return value


async def nap(value: int) -> int:
    """The step that waits as long as all its like."""
    await asyncio.sleep(NAP)
    return value


async def wait_own_time(step: int) -> int:
    """The step of `dag_sleep`."""
    await asyncio.sleep(naps()[step])
    return step


def floor_of(case: str, n: int = STEPS) -> Run:
    """Return what runs the case once."""
    if base_of(case) == "dag":
        return dag(wait_own_time if case == "dag_sleep" else quick)
    if base_of(case) == "fanout":
        return fanout(nap if case == "fanout_sleep" else quick, n)
    return chain(n) if case == "chain" else diamonds(n)


def chain(n: int) -> Run:
    """Return one task after the other."""

    async def run() -> int:
        value = 0
        for step in range(n):
            value = await asyncio.create_task(quick(step))
        return value

    return run


def fanout(step: Callable[[int], Coroutine[Any, Any, int]], n: int) -> Run:
    """Return a group of tasks, and the step that joins them."""

    async def run() -> int:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(step(number)) for number in range(n)]
        return await quick(len(tasks))

    return run


def dag(step: Callable[[int], Coroutine[Any, Any, int]]) -> Run:
    """Return the random graph, where the end of a task starts those that waited for nothing else."""
    missing = [len(before) for before in random_dag()]
    after = successors()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        everything: asyncio.Future[None] = loop.create_future()
        waiting_for = list(missing)
        alive: dict[asyncio.Task[int], int] = {}
        left = len(waiting_for)

        def start(number: int) -> None:
            task = loop.create_task(step(number))
            alive[task] = number
            task.add_done_callback(ended)

        def ended(task: asyncio.Task[int]) -> None:
            nonlocal left
            left -= 1
            task.result()
            for follower in after[alive.pop(task)]:
                waiting_for[follower] -= 1
                if waiting_for[follower] == 0:
                    start(follower)
            if left == 0:
                everything.set_result(None)

        for number, count in enumerate(missing):
            if count == 0:
                start(number)
        await everything

    return run


def diamonds(n: int) -> Run:
    """Return n graphs of five tasks at once."""

    async def one() -> int:
        top = await asyncio.create_task(quick(1))
        async with asyncio.TaskGroup() as group:
            sides = [group.create_task(quick(top)) for _ in "bcd"]
        return await asyncio.create_task(quick(sum(side.result() for side in sides)))

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(n):
                group.create_task(one())

    return run
