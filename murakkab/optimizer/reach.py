"""policy: which options any selection can take that keeps the limits - each limit by itself, exactly, before anything is solved.

An option is out of reach where a limit is passed even if every other task picks what takes least of it (Savelsbergh, Preprocessing and
probing techniques for mixed integer programming problems, 1994). So a limit that is tiny beside what there is never meets the solver's
arithmetic, whose tolerances are parts of the limit.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from murakkab.optimizer.form import Form
from murakkab.optimizer.model import spans
from murakkab.optimizer.problem import TOLERANCE

#: Nothing is ruled out for less than twice of what counts as met, and for the noise of sums.
_MARGIN: Final = 2 * TOLERANCE
_NOISE: Final = 1e-12
#: The tolerance of a limit of nothing is that of so much.
_LEAST: Final = 1e-12


def within_reach(form: Form) -> Form:
    """Return the form without the options that pass a limit whatever the others are. A task without any left: nothing is feasible."""
    latency = form.problem.bounds.latency
    sums = [(row.coefficients, row.limit, float(row.name == "quality")) for row in form.rows.values() if row.limit < math.inf]
    if latency is not None:
        sums += [(work.coefficients, latency + work.limit, 0.0) for work in form.works]
    allowed = form.allowed
    for coefficients, limit, size in sums:
        if not allowed.any(axis=1).all():
            break
        least = np.where(allowed, coefficients, np.inf).min(axis=1)
        # What the quality's row is a logarithm of is met to a part of itself: that is a sum there.
        room = _loose(limit, size) - float(least.sum()) + _NOISE * float(np.abs(least).sum())
        allowed = allowed & (coefficients - least[:, None] <= room)
    found = replace(form, allowed=allowed)
    if latency is None or not allowed.any(axis=1).all():
        return found
    heads, rests = spans(found, form.line)
    around = np.add(heads, rests)[:, None]
    return replace(form, allowed=allowed & (form.line.whole + around <= _loose(latency, 0.0) + _NOISE * around))


def _loose(limit: float, size: float) -> float:
    return limit + _MARGIN * max(abs(limit), size, _LEAST)
