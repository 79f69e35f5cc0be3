"""policy: the fallback that needs no solver - prices from the Lagrangian, selections from the prices, local search from the selections.

It answers in milliseconds, gives a bound beside its answer, and keeps every limit; that it finds nothing proves nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from murakkab.optimizer.dual import Dual, dual_of
from murakkab.optimizer.form import Columns, Form
from murakkab.optimizer.polish import Local

#: Selections of the prices that local search starts from.
_STARTS: Final = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """The best selection found, None where there is none, its `value` in the measure's row, and the dual whose bound holds for all."""

    value: float
    columns: Columns | None
    dual: Dual
    local: Local


def answer(form: Form, measure: str, *, start: Sequence[int] | None = None, enough: float = 0.0) -> Answer:
    """Return what prices and local search find; *start* is tried as well. It ends early within a part *enough* of the bound.

    *measure* is one with a row in the form, or latency.
    """
    dual = dual_of(form, measure)
    local = Local(form, measure, dual)
    starts = [np.where(form.allowed, dual.mix, -1.0).argmax(axis=1), *dual.seen[:_STARTS]]
    if start is not None:
        starts.insert(0, np.array(start))
    value, columns = math.inf, None
    for each in starts:
        found = local.improved(each)
        if found is not None and found[0] < value:
            value, columns = found
        if value - dual.bound <= enough * abs(value):
            break
    return Answer(value, columns, dual, local)
