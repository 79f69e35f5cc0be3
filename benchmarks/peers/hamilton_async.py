"""driver: the cases on Hamilton's asynchronous driver. A graph is a module of functions whose parameters name what they come after.

python -m benchmarks.peers.hamilton_async CASE       (in an environment with sf-hamilton)
"""

import asyncio
import sys
import time
from collections import Counter
from typing import Any

from hamilton import ad_hoc_utils, async_driver  # type: ignore[import-not-found,unused-ignore]  # pyright: ignore[reportMissingImports]

from benchmarks.cases import NAP, STEPS, base_of, naps, random_dag, steps_in, successors
from benchmarks.timing import Subject, beside_floor, hand_over

CALLS: Counter[str] = Counter()


def source_of(case: str) -> tuple[str, list[str]]:
    """Return the text of the module, and the names of the results."""
    waits = naps() if case == "dag_sleep" else [NAP] * STEPS if case == "fanout_sleep" else None
    lines = ["import asyncio"]

    def add(name: str, after: list[str], wait: float | None = None) -> None:
        lines.append(f"async def {name}({', '.join(f'{one}: int' for one in after)}) -> int:")
        lines.append(f"    CALLS[{name!r}] += 1")
        lines.extend([f"    await asyncio.sleep({wait!r})"] if wait is not None else [])
        lines.append(f"    return {' + '.join(after)}")

    if case == "diamond":
        add("a", ["given"])
        for name in "bcd":
            add(name, ["a"])
        add("e", list("bcd"))
        return "\n".join(lines), ["e"]
    graphs: dict[str, list[tuple[int, ...]]] = {
        "chain": [() if number == 0 else (number - 1,) for number in range(STEPS)],
        "fanout": [()] * STEPS,
        "dag": list(random_dag()),
    }
    for number, sources in enumerate(graphs[base_of(case)]):
        add(f"n{number}", [f"n{one}" for one in sources] or ["given"], waits[number] if waits else None)
    if base_of(case) == "fanout":
        add("joined", [f"n{number}" for number in range(STEPS)])
        return "\n".join(lines), ["joined"]
    ends = [f"n{number}" for number, after in enumerate(successors()) if not after] if base_of(case) == "dag" else [f"n{STEPS - 1}"]
    return "\n".join(lines), ends


async def main(case: str) -> None:
    """Build, check, time, and hand over the row."""
    sys.setrecursionlimit(50_000)  # the driver walks the graph recursively
    source, results = source_of(case)
    began = time.perf_counter()
    module = ad_hoc_utils.module_from_source(source)
    driver = await async_driver.Builder().with_modules(module).build()
    seconds = time.perf_counter() - began
    vars(module)["CALLS"] = CALLS

    async def run() -> Any:
        if case != "diamond":
            return await driver.execute(results, inputs={"given": 1})
        return await asyncio.gather(*(driver.execute(results, inputs={"given": 1}) for _ in range(STEPS)))

    await run()
    times = STEPS if case == "diamond" else 1
    if CALLS.total() != steps_in(case) or set(CALLS.values()) != {times}:
        raise AssertionError(f"{CALLS.total()} calls of {len(CALLS)} functions")
    hand_over(await beside_floor(Subject("Hamilton async", case, "", run, seconds)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
