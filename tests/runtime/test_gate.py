"""Whoever waits is told as soon as there is room, and as soon as a start rate lets it."""

import asyncio
from typing import Any

import pytest

from murakkab.runtime.gate import Gate
from murakkab.runtime.slots import SlotTable


class Job:
    """Writes down what it is told, and when."""

    def __init__(self) -> None:
        self.admitted: list[str] = []
        self.times: list[float] = []
        self.heard = asyncio.Event()

    def admit(self, task: str) -> None:
        self.admitted.append(task)
        self.times.append(asyncio.get_running_loop().time())
        self.heard.set()

    async def told(self, count: int) -> None:
        """Return when *count* tasks have been admitted."""
        async with asyncio.timeout(10):
            while len(self.admitted) < count:
                self.heard.clear()
                await self.heard.wait()


def gate(capacity: dict[str, float], rates: dict[str, float] | None = None, **parts: Any) -> Gate:
    """Return a gate on the current loop and its clock."""
    return Gate(SlotTable(capacity, rates), parts.get("clock", asyncio.get_running_loop().time))


async def test_what_is_given_back_goes_to_the_most_critical_whichever_job_it_belongs_to() -> None:
    one, other = Job(), Job()
    door = gate({"cores": 1.0})
    assert door.ask(one, "a", {"cores": 1.0}, 0.0)
    assert not door.ask(one, "b", {"cores": 1.0}, 1.0)
    assert not door.ask(other, "b", {"cores": 1.0}, 2.0)

    door.give_back(one, "a")
    assert (one.admitted, other.admitted) == ([], ["b"])
    door.give_back(other, "b")
    assert one.admitted == ["b"]
    door.give_back(one, "b")
    assert door.slots.is_idle()


async def test_one_that_withdrew_is_told_nothing() -> None:
    job = Job()
    door = gate({"cores": 1.0})
    door.ask(job, "a", {"cores": 1.0}, 0.0)
    door.ask(job, "b", {"cores": 1.0}, 0.0)

    assert door.withdraw(job, "b")
    assert not door.withdraw(job, "b")
    assert not door.withdraw(job, "a")
    door.give_back(job, "a")
    assert job.admitted == []
    assert door.slots.is_idle()


async def test_starts_are_spaced_by_a_rate_and_no_timer_is_left() -> None:
    job = Job()
    door = gate({"api": 10.0}, {"api": 50.0})
    began = asyncio.get_running_loop().time()
    assert door.ask(job, "0", {"api": 1.0}, 0.0)
    for task in "123":
        assert not door.ask(job, task, {"api": 1.0}, 0.0)
    await job.told(3)

    assert job.admitted == ["1", "2", "3"]
    assert all(at >= began + (i + 1) / 50 - 1e-6 for i, at in enumerate(job.times))
    assert door.slots.due() is None


@pytest.mark.parametrize("slow_first", [True, False])
async def test_a_quick_rate_does_not_wait_for_a_slow_one(*, slow_first: bool) -> None:
    job = Job()
    door = gate({"slow": 10.0, "quick": 10.0}, {"slow": 0.01, "quick": 100.0})
    for name in ("slow", "quick") if slow_first else ("quick", "slow"):
        assert door.ask(job, f"{name} 0", {name: 1.0}, 0.0)
        assert not door.ask(job, f"{name} 1", {name: 1.0}, 0.0)
    await job.told(1)

    assert job.admitted == ["quick 1"]
    assert door.withdraw(job, "slow 1")


async def test_one_that_has_room_by_a_rate_but_no_slot_is_admitted_when_there_is_one() -> None:
    job = Job()
    door = gate({"api": 1.0}, {"api": 1000.0})
    door.ask(job, "a", {"api": 1.0}, 0.0)
    door.ask(job, "b", {"api": 1.0}, 0.0)
    await asyncio.sleep(0.01)
    assert job.admitted == []

    door.give_back(job, "a")
    assert job.admitted == ["b"]


async def test_the_clock_decides_and_not_the_timer_of_the_loop() -> None:
    now = 100.0
    job = Job()
    door = gate({"api": 2.0}, {"api": 1000.0}, clock=lambda: now)
    door.ask(job, "a", {"api": 1.0}, 0.0)
    door.ask(job, "b", {"api": 1.0}, 0.0)
    await asyncio.sleep(0.02)
    assert job.admitted == []

    now += 0.001
    await job.told(1)
