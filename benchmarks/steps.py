"""driver: the functions that the timed workflows call. They do nothing, or wait; no two calls of one run have the same arguments."""

import asyncio

from benchmarks.cases import NAP, naps


async def following(value: int) -> int:
    """The step of a chain."""
    return value + 1


async def quick(value: int) -> int:
    """One of many side by side."""
    return value


async def nap(value: int) -> int:
    """One of many that wait equally long."""
    await asyncio.sleep(NAP)
    return value


async def total(values: list[int]) -> int:
    """Join what came before."""
    return sum(values)


async def node(number: int, before: list[int]) -> int:
    """A step of the random graph."""
    return number


async def node_that_waits(number: int, before: list[int]) -> int:
    """A step of the random graph that takes its time."""
    await asyncio.sleep(naps()[number])
    return number


async def side(value: int, name: str) -> int:
    """One of the three sides of a diamond."""
    return value
