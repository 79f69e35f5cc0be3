"""Steps of the tests of what users demand. They note what is done with them, and wait for one another where a test is about order."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, TypedDict

import murakkab


class Draft(TypedDict):
    text: str
    score: float


class Export(TypedDict):
    ready: bool
    looked: int


class State:
    """What happened, in this test."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.stopped: list[str] = []
        self.broken: set[str] = set()
        self.begun = asyncio.Semaphore(0)
        self.released = asyncio.Event()
        self.running = 0
        self.most = 0


state = State()


async def note(name: str, given: Any = None) -> str:
    """Do something that can be seen from outside."""
    state.done.append(name)
    return name


async def fails_when_broken(name: str, given: Any = None) -> str:
    state.done.append(name)
    if name in state.broken:
        raise ConnectionError(f"{name} cannot be reached")
    return name


async def hold(name: str) -> str:
    """Take until somebody calls `release`."""
    await state.released.wait()
    state.done.append(name)
    return name


async def release(name: str) -> str:
    state.done.append(name)
    state.released.set()
    return name


async def listing(count: int) -> list[str]:
    return [f"doc{i}" for i in range(count)]


async def measured(name: str) -> int:
    """Count how many of these run at once."""
    state.running += 1
    state.most = max(state.most, state.running)
    for _ in range(5):
        await asyncio.sleep(0)
    state.running -= 1
    state.done.append(name)
    return len(name)


async def total(sizes: list[int]) -> int:
    return sum(sizes)


async def spends(name: str, tokens: int) -> str:
    murakkab.spend(usd=tokens / 1000, tokens=tokens)
    state.done.append(name)
    return name


async def draft(topic: str, round_: int, before: Draft | None = None) -> Draft:
    state.done.append(f"draft {round_}")
    return {"text": f"{topic}, take {round_}", "score": 0.3 * (round_ + 1)}


async def look(name: str, looked: int) -> Export:
    """Ask a slow service how far it is."""
    await fails_when_broken(f"look {looked}")
    return {"ready": looked == 3, "looked": looked}


async def hangs_once(name: str) -> str:
    state.done.append(name)
    if len(state.done) == 1:
        await asyncio.sleep(60)
    return name


async def words(text: str) -> AsyncIterator[str]:
    """Give word after word; the second only when somebody has used the first."""
    for number, word in enumerate(text.split()):
        if number == 1:
            await state.released.wait()
        state.done.append(f"said {word}")
        yield word


async def heard(word: str) -> str:
    state.done.append(f"heard {word}")
    state.released.set()
    return word.upper()


async def coroutine() -> None:
    state.begun.release()
    try:
        await asyncio.sleep(60)
    finally:
        state.stopped.append("coroutine")


def thread() -> None:
    state.done.append("thread")
    try:
        while True:
            murakkab.check_cancelled()
            time.sleep(0.005)
    finally:
        state.stopped.append("thread")
