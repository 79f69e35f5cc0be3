"""driver: the chain on Burr - a state machine, so a chain is all that it can run of the cases.

python -m benchmarks.peers.burr_async chain       (in an environment with apache-burr)
"""

import asyncio
import itertools
import sys
import time
from typing import Any

from burr.core import Application, ApplicationBuilder, State, action  # type: ignore[import-not-found,unused-ignore]  # pyright: ignore[reportMissingImports]

from benchmarks.cases import STEPS
from benchmarks.timing import MOST_PAIRS, Subject, beside_floor, hand_over


@action(reads=["ran"], writes=["ran"])  # type: ignore[untyped-decorator,unused-ignore]
async def one_more(state: State[Any]) -> State[Any]:
    """The action that does nothing but count."""
    return state.update(ran=state["ran"] + 1)


def chain() -> Application[Any]:
    """Return an application; it can be run to its end once."""
    names = [f"n{number}" for number in range(STEPS)]
    builder = ApplicationBuilder().with_actions(**dict.fromkeys(names, one_more))
    return builder.with_transitions(*itertools.pairwise(names)).with_state(ran=0).with_entrypoint(names[0]).build()


async def main(case: str) -> None:
    """Build, check, time, and hand over the row."""
    if case != "chain":
        raise SystemExit(f"Burr runs the chain alone, not {case}")
    began = time.perf_counter()
    waiting = [chain()]
    seconds = time.perf_counter() - began
    waiting += [chain() for _ in range(MOST_PAIRS)]

    async def run() -> int:
        _, _, state = await waiting.pop().arun(halt_after=[f"n{STEPS - 1}"])
        return int(state["ran"])

    if (ran := await run()) != STEPS:
        raise AssertionError(f"{ran} actions ran")
    hand_over(await beside_floor(Subject("Burr", case, "", run, seconds)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
