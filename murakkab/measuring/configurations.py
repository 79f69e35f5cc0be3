"""policy: which configurations of an executor there are to measure - its default first, then what its knobs can be."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, Final

from murakkab.catalog import ExecutorCard, Parameter

#: Every combination is measured where there are no more than this; else each knob alone is turned.
MOST: Final = 12


def configurations(card: ExecutorCard, *, most: int = MOST, only_trades: bool = False) -> list[dict[str, Any]]:
    """Return values for the knobs of *card* that have a domain: the defaults first, no configuration twice.

    All combinations where there are at most *most*; otherwise those in which one knob differs from its default. *only_trades*: knobs that
    do not trade stay at their defaults.
    """
    default = {knob.name: knob.default for knob in card.knobs}
    values = {knob.name: values_of(knob) if knob.trades or not only_trades else [knob.default] for knob in card.knobs}
    if math.prod(map(len, values.values())) <= most:
        return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    return [default, *({**default, name: value} for name, several in values.items() for value in several[1:])]


def values_of(knob: Parameter) -> list[Any]:
    """Return what to try for a knob, its default first: every choice; or both ends of a range and its middle; or nothing else.

    Of a knob that is said not to be tunable the default alone: other values give another kind of result.
    """
    if not getattr(knob, "tunable", True):
        return [knob.default]
    if knob.choices:
        return _first(knob.default, knob.choices)
    if knob.type.kind == "bool":
        return _first(knob.default, (False, True))
    if knob.low is None or knob.high is None:
        return [knob.default]
    points = (knob.low, _middle(knob.low, knob.high), knob.high)
    return _first(knob.default, [round(point) for point in points] if knob.type.kind == "int" else points)


def _middle(low: float, high: float) -> float:
    """Return the middle of a range; of one over several powers of ten the geometric one."""
    return math.sqrt(low * high) if low > 0 and high / low > 20 else (low + high) / 2


def _first(default: Any, values: Sequence[Any]) -> list[Any]:
    found = [default]
    for value in values:
        if value not in found:
            found.append(value)
    return found
