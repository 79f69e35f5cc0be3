"""driver: the steps of the crash test - each leaves a line in a record and a file of its own - and what they must return."""

import asyncio
import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

#: Steps of one round: links of a chain, one that spreads, its items, one that joins them.
LINKS: Final = 8
ITEMS: Final = 20
ROUND: Final = LINKS + 1 + ITEMS + 1
#: What a person says that the payment in doubt has returned.
PAID: Final = 4711
_HERE: Final = "benchmarks.crash_steps"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """One of the elements that are worked on side by side."""

    at: int
    value: int


# ------------------------------------------------------------------------------------------------------------------- steps


def link(folder: str, name: str, value: int) -> int:
    """The step of a chain; a plain function, so it runs in a thread."""
    _begin(folder, name)
    time.sleep(_seconds(name))
    return _done(folder, name, _linked(value))


async def spread(folder: str, name: str, value: int) -> list[Piece]:
    """Make the list that decides how many items there are."""
    _begin(folder, name)
    pieces = _pieces(value)
    _done(folder, name, [{"at": piece.at, "value": piece.value} for piece in pieces])
    return pieces


async def item(folder: str, name: str, value: int) -> int:
    """One of many side by side."""
    _begin(folder, name)
    await asyncio.sleep(_seconds(name))
    return _done(folder, name, _linked(value))


def join(folder: str, name: str, values: list[int]) -> int:
    """Bring side branches together."""
    _begin(folder, name)
    return _done(folder, name, _joined(values))


async def pay(folder: str, name: str, value: int) -> int:
    """Pay once and for all: hangs the first time, until its process is killed; nobody can know then whether the money is gone."""
    _begin(folder, name)
    if recorded(Path(folder)).count(name) == 1:
        await asyncio.sleep(600.0)
    return _done(folder, name, _linked(value))


def _begin(folder: str, name: str) -> None:
    """Append the name to the record; the line is there when this returns, whatever happens to the process."""
    record = os.open(Path(folder, "record"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(record, f"{name}\n".encode())
    os.close(record)


def _done(folder: str, name: str, value: T) -> T:
    """Write the result file, whole or not at all, and return the value."""
    results = Path(folder, "results")
    results.mkdir(parents=True, exist_ok=True)
    part = Path(folder, f"{name}.part")
    part.write_text(json.dumps(value))
    part.replace(results / f"{name}.json")
    return value


def _seconds(name: str) -> float:
    """Return how long a step takes: 0 to 5 ms."""
    return zlib.crc32(name.encode()) % 6 / 1000


def _linked(value: int) -> int:
    return (31 * value + 7) % 1_000_003


def _pieces(value: int) -> list[Piece]:
    return [Piece(at, value + at) for at in range(ITEMS)]


def _joined(values: list[int]) -> int:
    return sum(values) % 1_000_003


def recorded(folder: Path) -> list[str]:
    """Return the names in the record, in the order in which the executions began."""
    try:
        return (folder / "record").read_text().splitlines()
    except FileNotFoundError:
        return []


def results_in(folder: Path) -> dict[str, Any]:
    """Return what the result files hold, by name."""
    return {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in (folder / "results").glob("*")}


# --------------------------------------------------------------------------------------------------------------- workflows


@dataclass(frozen=True, slots=True)
class Plan:
    """A workflow as JSON data; the value of each of its tasks, and the tasks that must have succeeded before each begins."""

    document: Mapping[str, Any]
    values: Mapping[str, Any]
    needs: Mapping[str, Sequence[str]]


class Sketch:
    """A plan as it grows."""

    def __init__(self) -> None:
        self.steps: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.needs: dict[str, Sequence[str]] = {}

    def link(self, name: str, before: str) -> str:
        """Add a link behind the step *before*, "" for the start of the workflow."""
        self._add(name, "link", value=_value_of(before))
        self.values[name] = _linked(self._before(before))
        self.needs[name] = [before] if before else []
        return name

    def side_by_side(self, number: int, before: str) -> str:
        """Add a list, its items and what joins them."""
        spread, items, join = f"spread{number}", f"item{number}", f"join{number}"
        pieces = _pieces(self._before(before))
        self._add(spread, "spread", value=_value_of(before))
        self.values[spread] = [{"at": piece.at, "value": piece.value} for piece in pieces]
        self._add(items, "item", value="${item.value}")
        self.steps[items] |= {"for_each": f"${{{spread}}}", "max_parallel": 8}
        self.steps[items]["with"]["name"] = {"$template": f"{items}[${{item.at}}]"}
        self.needs[spread] = [before] if before else []
        ids = [f"{items}[{piece.at}]" for piece in pieces]
        self.values |= {name: _linked(piece.value) for name, piece in zip(ids, pieces, strict=True)}
        self.needs |= {key: [spread] for key in ids}
        self._add(join, "join", values=f"${{{items}}}")
        self.values[join] = _joined([_linked(piece.value) for piece in pieces])
        self.needs[join] = ids
        return join

    def total(self, *before: str) -> None:
        """Add the last step, which joins the ends of all lanes."""
        self._add("total", "join", values=[_value_of(end) for end in before])
        self.values["total"] = _joined([self._before(end) for end in before])
        self.needs["total"] = [end for end in before if end]

    def payment(self, before: str) -> str:
        """Add a step that can never be undone."""
        self._add("pay", "pay", value=_value_of(before))
        self.steps["pay"]["effect"] = "irreversible"
        self.values["pay"] = _linked(self._before(before))
        self.needs["pay"] = [before]
        return "pay"

    def plan(self, last: str) -> Plan:
        """Return the plan, with the value of the step *last* as its output."""
        inputs = {"folder": "str", "start": "int"}
        document = {"workflow": "crash", "inputs": inputs, "steps": self.steps, "outputs": {last: f"${{{last}}}"}}
        return Plan(document, self.values, self.needs)

    def _add(self, name: str, function: str, **inputs: Any) -> None:
        given = {"folder": "${inputs.folder}", "name": name, **inputs}
        self.steps[name] = {"call": f"{_HERE}:{function}", "with": given, "effect": "write"}

    def _before(self, name: str) -> int:
        value = self.values[name] if name else START
        assert isinstance(value, int)
        return value


#: The input `start` of every job.
START: Final = 1


def _value_of(step: str) -> str:
    return f"${{{step}}}" if step else "${inputs.start}"


def mixed(steps: int) -> Plan:
    """Return a workflow that makes exactly so many tasks: chains and lists, in two lanes."""
    sketch = Sketch()
    ends = ["", ""]
    rounds, rest = divmod(steps - 1, ROUND)
    for number in range(rounds):
        before = ends[number % 2]
        for place in range(LINKS):
            before = sketch.link(f"link{number}-{place}", before)
        ends[number % 2] = sketch.side_by_side(number, before)
    for place in range(rest):
        ends[rounds % 2] = sketch.link(f"rest{place}", ends[rounds % 2])
    sketch.total(*ends)
    assert len(sketch.values) == steps
    return sketch.plan("total")


def payment() -> Plan:
    """Return a workflow with an irreversible step between two others."""
    sketch = Sketch()
    sketch.link("after", sketch.payment(sketch.link("before", "")))
    return sketch.plan("after")


def after_payment(paid: int) -> int:
    """Return what the step behind the payment returns."""
    return _linked(paid)
