"""A loop of our own is over when its coroutine is, whatever else is on it."""

import asyncio
import subprocess
import sys
import time
from concurrent.futures import CancelledError

import pytest

from murakkab import own_loop

DEAF = """
import asyncio

async def deaf():
    while True:
        try:
            await asyncio.sleep(5)
        except {caught}:
            pass

async def main():
    task = asyncio.get_running_loop().create_task(deaf())
    await asyncio.sleep(0.01)
    return 3
"""


@pytest.mark.parametrize("caught", ["asyncio.CancelledError", "BaseException"])
def test_a_coroutine_that_will_not_be_cancelled_is_left_behind_without_noise(caught: str) -> None:
    script = DEAF.format(caught=caught) + "\nfrom murakkab import own_loop\nprint(own_loop.run(main(), grace=0.1))\n"
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, timeout=15, check=False)
    assert time.monotonic() - begin < 5
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert done.stderr == "1 coroutine would not be cancelled, and is left behind\n"


def test_what_lets_itself_be_cancelled_gets_to_clean_up() -> None:
    seen: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            seen.append("tidy")

    async def main() -> None:
        seen.append(str(asyncio.get_running_loop().create_task(tidy()).done()))
        await asyncio.sleep(0.01)

    own_loop.run(main())
    assert seen == ["False", "tidy"]


def test_what_the_coroutine_raises_is_raised() -> None:
    async def main() -> None:
        raise LookupError("nothing")

    with pytest.raises(LookupError, match="nothing"):
        own_loop.run(main())


def test_beside_the_caller_it_is_cancelled_when_the_block_is_left() -> None:
    async def main() -> None:
        await asyncio.sleep(60)

    with own_loop.beside(main) as future:
        assert not future.done()
    with pytest.raises((CancelledError, asyncio.CancelledError)):
        future.result()
