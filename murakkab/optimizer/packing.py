"""policy: how models lie on single devices - each in equal parts on so many of them - and how much memory the fullest device then needs.

Bin packing with items that stand on several bins at once. What a job uses are a few models on a few devices: for these the answer is exact.
Where the search has more to look at than `_NODES`, it is that of the best placement found, longest first (Graham 1969), which is at least
what is needed: a placement that this calls too large may exist, one that it calls good does.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Final

#: So many placements of single models are looked at before the best known one counts.
_NODES: Final = 20_000
#: More ways than that to place one model on devices are not all listed.
_DEVICES: Final = 16
_HAIR: Final = 1e-12

#: Bytes on each of so many devices.
Part = tuple[float, int]


def memory_used(sizes: Mapping[str, float], split: Mapping[str, int], devices: float | None) -> float:
    """Return the bytes that a pool must have in all for models of these *sizes*: those of its fullest device, times its devices.

    *split*: on how many devices a model lies; one that is not named lies on all of them alike, and so does everything where nobody knows
    how many *devices* there are.
    """
    count = int(devices or 0)
    parts = [(size / split[name], split[name]) for name, size in sizes.items() if size and is_split(split, name, count)]
    return sum(size for name, size in sizes.items() if not is_split(split, name, count)) + count * fullest(parts, count)


def is_split(split: Mapping[str, int], name: str, devices: int) -> bool:
    """Return whether a model lies on some of the devices of a pool, and not on all of them alike."""
    return name in split and 0 < split[name] < devices


def fullest(parts: Iterable[Part], devices: int) -> float:
    """Return the bytes on the fullest device where that is least; zero where there are none."""
    return _fullest(tuple(sorted(parts, reverse=True)), devices)


@lru_cache(maxsize=4096)
def _fullest(parts: tuple[Part, ...], devices: int) -> float:
    if not parts:
        return 0.0
    best = longest_first(parts, devices)
    least = max(parts[0][0], sum(size * width for size, width in parts) / devices)
    if best <= least * (1.0 + _HAIR) or devices > _DEVICES:
        return best
    left = _NODES
    seen: set[tuple[int, tuple[float, ...]]] = set()
    agenda = [(0, (0.0,) * devices)]
    while agenda and left > 0 and best > least * (1.0 + _HAIR):
        at, loads = agenda.pop()
        if at == len(parts):
            best = min(best, loads[-1])
            continue
        size, width = parts[at]
        following = {_with(loads, chosen, size) for chosen in combinations(range(devices), width)}
        # The evenest is looked at first.
        for after in sorted(following, key=lambda one: one[-1], reverse=True):
            left -= 1
            if after[-1] < best * (1.0 - _HAIR) and (at + 1, after) not in seen:
                seen.add((at + 1, after))
                agenda.append((at + 1, after))
    return best


def longest_first(parts: Iterable[Part], devices: int) -> float:
    """Return the bytes on the fullest device where each model is put on the emptiest devices, the largest parts first."""
    loads = [0.0] * devices
    for size, width in sorted(parts, reverse=True):
        loads.sort()
        for at in range(min(width, devices)):
            loads[at] += size
    return max(loads, default=0.0)


def _with(loads: tuple[float, ...], chosen: Iterable[int], size: float) -> tuple[float, ...]:
    """Return the loads, in order, with so much more on the *chosen* devices. Devices are all alike: equal ones are the same."""
    made = list(loads)
    for at in chosen:
        made[at] += size
    return tuple(sorted(made))
