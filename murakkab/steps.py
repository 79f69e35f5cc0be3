"""driver: what the code of a step may say and ask while it runs - `spend` for its bill, `check_cancelled` for whether to go on.

Both find the attempt by the context that they are called in, so they work wherever the step's own calls lead: in coroutines and in the
tasks that these begin, in plain functions, and in threads that are given the context. Where no attempt runs they do nothing.
"""

import asyncio
import math
from contextvars import ContextVar
from typing import Final

from murakkab.ports import Report


class CurrentAttempt:
    """The attempt that runs in a context. Whoever runs attempts one after the other uses one for all of them, until one is cut short."""

    __slots__ = ("grace", "has_asked", "is_stopped", "report")

    def __init__(self, report: Report | None = None, grace: float = 0.0) -> None:
        #: Made when it is first needed, and taken away when the attempt has ended.
        self.report = report
        #: Seconds that it has to end once it was stopped, before it is left behind.
        self.grace = grace
        #: It was cancelled, or its time is up.
        self.is_stopped = False
        #: Its code asks whether that is so.
        self.has_asked = False


CURRENT: Final[ContextVar[CurrentAttempt | None]] = ContextVar("murakkab_attempt", default=None)


def spend(*, usd: float | None = None, tokens: int = 0, joules: float | None = None, units: float | None = None) -> None:
    """Put on the bill of the running step what it has just spent. Amounts add up, and count however the attempt ends.

    `usd` takes the place of the price that the executor's card names. `units` costs nothing: it says how much work the step was given, in
    whatever grows with its input (seconds of sound, images, characters), so that what it takes can be foretold for other inputs.
    Raises `ValueError` for what is no amount.
    """
    for amount in (usd, tokens, joules, units):
        if amount is not None and not (math.isfinite(amount) and amount >= 0):
            raise ValueError(f"{amount} cannot be spent")
    current = CURRENT.get()
    if current is None:
        return
    report = current.report
    if report is None:
        report = current.report = Report()
    if usd is not None:
        report.usd = (report.usd or 0.0) + usd
    if joules is not None:
        report.joules = (report.joules or 0.0) + joules
    if units is not None:
        report.units = (report.units or 0.0) + units
    report.tokens += tokens


def check_cancelled() -> None:
    """Raise `CancelledError` (no `Exception`: let it pass) once the step that runs here was cancelled or its time is up.

    A plain function runs in a thread, which nothing can stop from outside: one that takes long asks now and then. Coroutines need not ask.
    """
    current = CURRENT.get()
    if current is None:
        return
    current.has_asked = True
    if current.is_stopped:
        raise asyncio.CancelledError("the step was cancelled, or its time is up")
