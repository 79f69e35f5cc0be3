"""How models lie on single devices: exact for what a job uses, and never too little."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.optimizer.packing import fullest, longest_first, memory_used

PARTS = st.lists(st.tuples(st.integers(1, 9).map(float), st.integers(1, 3)), max_size=5)


def brute_force(parts: list[tuple[float, int]], devices: int) -> float:
    best = float("inf")
    for chosen in itertools.product(*(itertools.combinations(range(devices), min(width, devices)) for _, width in parts)):
        loads = [0.0] * devices
        for (size, _), places in zip(parts, chosen, strict=True):
            for place in places:
                loads[place] += size
        best = min(best, max(loads))
    return best


@given(PARTS, st.integers(3, 4))
@settings(max_examples=60, deadline=None)
def test_the_fullest_device_is_that_of_brute_force(parts: list[tuple[float, int]], devices: int) -> None:
    assert fullest(parts, devices) == pytest.approx(brute_force(parts, devices))
    assert longest_first(parts, devices) >= fullest(parts, devices) * (1 - 1e-9)


@pytest.mark.parametrize(
    ("sizes", "split", "devices", "needed"),
    [
        # One of 60 GB on a device of its own, beside an empty one; or in two halves.
        ({"a": 60.0}, {"a": 1}, 2, 120.0),
        ({"a": 60.0}, {"a": 2}, 2, 60.0),
        # 3 x 26 fit into 2 x 40 by their sum, and two of them into no device.
        ({"a": 26.0, "b": 26.0, "c": 26.0}, {"a": 1, "b": 1, "c": 1}, 2, 104.0),
        # Longest first puts 3, 2 and 2 on one device; 3 and 3 beside the rest is better.
        ({"a": 3.0, "b": 3.0, "c": 2.0, "d": 2.0, "e": 2.0}, dict.fromkeys("abcde", 1), 2, 12.0),
        # What lies on all devices alike is added up, and so is everything where nobody knows how many there are.
        ({"a": 5.0, "b": 4.0}, {"a": 1}, 3, 19.0),
        ({"a": 5.0, "b": 4.0}, {"a": 1}, None, 9.0),
        ({}, {"a": 1}, 2, 0.0),
    ],
)
def test_memory_is_that_of_the_fullest_device_times_all(
    sizes: dict[str, float], split: dict[str, int], devices: int | None, needed: float
) -> None:
    assert memory_used(sizes, split, devices) == pytest.approx(needed)


def test_of_very_many_the_answer_is_never_too_little_and_comes_soon() -> None:
    parts = [(float(size), 1 + size % 3) for size in range(1, 60)]
    least = sum(size * width for size, width in parts) / 64
    assert least <= fullest(parts, 64) <= 2 * least
    assert fullest(parts[:30], 8) >= sum(size * width for size, width in parts[:30]) / 8
