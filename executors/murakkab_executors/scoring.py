"""driver: a metric by its name, or a user's own scorer as `module:function`."""

import math
from typing import Any

from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError
from murakkab.metrics import METRICS, Metric
from murakkab_executors.binding import name_of
from murakkab_executors.python import load_function


def metric(name: str) -> Metric:
    """Return the metric of that name, or the function `module:function`, which is given a result and its label.

    What a function of the user returns is held to lie between 0 and 1 (True and False are 1 and 0), else the call raises `InputError`.
    Raises `InputError` for an unknown name, `NotFoundError` for a function that cannot be found.
    """
    if name in METRICS:
        return METRICS[name]
    if ":" not in name:
        hint = did_you_mean(name, METRICS, others="write module:function, or one of")
        raise InputError(f"there is no metric {name!r}", hint=hint)
    function = load_function(name)

    def scored(result: Any, label: Any) -> float:
        found = function(result, label)
        if not isinstance(found, int | float) or not math.isfinite(found) or not 0 <= found <= 1:
            raise InputError(f"{name} returned {found!r}", hint="return a number between 0 and 1, where more is better")
        return float(found)

    scored.__name__ = name_of(function)
    return scored
