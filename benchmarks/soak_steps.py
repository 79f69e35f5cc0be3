"""driver: the steps of the job that `benchmarks.soak` kills; each writes down when it begins and when it has ended."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from murakkab.ports import Call

#: A workflow that uses the whole language; every result is known beforehand.
DOCUMENT: dict[str, Any] = {
    "workflow": "soak",
    "inputs": {"folder": "str", "ids": "list[int]"},
    "workflows": {
        "part": {
            "workflow": "part",
            "inputs": {"folder": "str", "n": "int"},
            "steps": {
                "up": {"call": "benchmarks.soak_steps:add", "with": {"folder": "${inputs.folder}", "n": "${inputs.n}", "by": 1}},
                "up2": {"call": "benchmarks.soak_steps:add", "with": {"folder": "${inputs.folder}", "n": "${up}", "by": 10}},
            },
            "outputs": {"n": "${up2}"},
        }
    },
    "steps": {
        "numbers": {"call": "benchmarks.soak_steps:numbers", "with": {"folder": "${inputs.folder}", "ids": "${inputs.ids}"}},
        "doubled": {
            "call": "benchmarks.soak_steps:double",
            "for_each": "${numbers}",
            "with": {"folder": "${inputs.folder}", "n": "${item}"},
        },
        "parts": {
            "workflow": "part",
            "for_each": "${doubled}",
            "max_parallel": 3,
            "with": {"folder": "${inputs.folder}", "n": "${item}"},
        },
        "rounds": {
            "call": "benchmarks.soak_steps:add",
            "with": {"folder": "${inputs.folder}", "n": "${loop.index}", "by": {"$ref": "numbers", "path": "/0"}},
            "repeat": {"at_most": 6, "until": "result >= 4"},
        },
        "group": {
            "repeat": {"at_most": 2},
            "steps": {
                "a": {"call": "benchmarks.soak_steps:double", "with": {"folder": "${inputs.folder}", "n": "${rounds}"}},
                "b": {"call": "benchmarks.soak_steps:add", "with": {"folder": "${inputs.folder}", "n": "${a}", "by": "${loop.index}"}},
            },
            "outputs": {"b": "${b}"},
        },
        "vote": {
            "call": "benchmarks.soak_steps:double",
            "for_each": "${inputs.ids}",
            "need": 3,
            "with": {"folder": "${inputs.folder}", "n": "${item}"},
        },
        "flaky": {
            "call": "benchmarks.soak_steps:flaky",
            "for_each": "${inputs.ids}",
            "with": {"folder": "${inputs.folder}", "n": "${item}"},
            "retry": {"attempts": 3, "delay": 0.001},
            "on_error": {"default": -1},
        },
        "ask": {"for_each": "${inputs.ids}", "approve": {"message": {"$template": "Use ${item}?"}, "form": {"by_how_much": "int"}}},
        "pay": {
            "call": "benchmarks.soak_steps:pay",
            "with": {"folder": "${inputs.folder}", "n": "${ask[0].by_how_much}"},
            "effect": "irreversible",
        },
        "pause": {"wait": 0.002, "after": "pay"},
        "total": {
            "call": "benchmarks.soak_steps:total",
            "with": {
                "folder": "${inputs.folder}",
                "found": {
                    "parts": "${parts[*].n}",
                    "more": ["${group.b}", "${pay}"],
                    "asked": "${ask[*].by_how_much}",
                    "flaky": "${flaky}",
                    "votes": "${vote}",
                },
            },
            "after": "pause",
        },
    },
    "finally": {"clean": {"call": "benchmarks.soak_steps:clean", "with": {"folder": "${inputs.folder}", "how": "${job.status}"}}},
    "outputs": {"total": "${total}"},
}
IDS = [0, 1, 2, 3, 4]
#: What `total` gives, votes aside: of those any three may win.
EXPECTED = {"parts": [11, 13, 15, 17, 19], "more": [9, 70], "asked": [7, 7, 7, 7, 7], "flaky": [0, -1, 2, -1, 4]}
#: Every task that must have succeeded once a job has.
TASKS = frozenset(
    [
        "numbers",
        *(f"doubled[{i}]" for i in IDS),
        *(f"parts[{i}]/{name}" for i in IDS for name in ("up", "up2")),
        *(f"rounds#{i}" for i in range(5)),
        *(f"group#{i}/{name}" for i in range(2) for name in ("a", "b")),
        *(f"flaky[{i}]" for i in (0, 2, 4)),
        "pay",
        "total",
        "finally/clean",
    ]
)


def write(folder: str, line: str) -> None:
    """Add a line to the record of what was done; it survives the death of this process."""
    handle = os.open(Path(folder) / "record", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


async def _do(folder: str, call: Call) -> None:
    write(folder, f"begin {call.task}")
    await asyncio.sleep(random.choice((0.0, 0.0, 0.0005, 0.002)))


async def numbers(folder: str, ids: list[int], call: Call) -> AsyncIterator[int]:
    """Give the ids one by one."""
    write(folder, f"begin {call.task}")
    for one in ids:
        await asyncio.sleep(0.0005)
        yield one


async def double(folder: str, n: int, call: Call) -> int:
    """Return twice *n*."""
    await _do(folder, call)
    return 2 * n


async def add(folder: str, n: int, by: int, call: Call) -> int:
    """Return the sum."""
    await _do(folder, call)
    return n + by


async def flaky(folder: str, n: int, call: Call) -> int:
    """Fail always for odd numbers, and once for even ones."""
    await _do(folder, call)
    if n % 2 or call.attempt == 1:
        raise ValueError(f"{n} is odd, or it is the first time")
    return n


async def pay(folder: str, n: int, call: Call) -> int:
    """Do what must never happen twice."""
    await _do(folder, call)
    write(folder, f"paid {call.task}")
    await asyncio.sleep(0.001)
    return 10 * n


async def total(folder: str, found: dict[str, list[int]], call: Call) -> dict[str, list[int]]:
    """Return everything that was given."""
    await _do(folder, call)
    return found


async def clean(folder: str, how: str, call: Call) -> str:
    """Write down how the job ended."""
    await _do(folder, call)
    write(folder, f"cleaned {how}")
    return how
