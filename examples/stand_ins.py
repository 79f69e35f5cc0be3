"""Functions that the YAML examples call. Each stands in the place of something that a laptop does not have: a model, a shop, a bank."""

from collections import Counter

import anyio

ANSWERS = {"ada": "blue", "bob": "green", "cyd": "blue"}
_looks: Counter[str] = Counter()


async def ask(model: str, question: str) -> str:
    """A function stands in the place of five models here: three answer, one is down, and one takes for ever."""
    if model == "dan":
        raise ConnectionError("dan does not answer")
    if model == "eve":
        await anyio.sleep_forever()
    return ANSWERS[model]


async def order(thing: str) -> str:
    """Order something from a shop, and return the number of the order."""
    return f"{thing}-7"


async def state_of(order: str) -> str:
    """Ask how far the shop is: it is done at the third look."""
    _looks[order] += 1
    return "ready" if _looks[order] >= 3 else "in work"


async def ship(order: str, payer: str) -> str:
    """Send it."""
    return f"{order} goes to {payer}"
