"""driver: one attempt of one task - from the command that starts it to the event that tells how it ended."""

import math
from typing import Any, Final, NamedTuple

from murakkab.ports import Call, Report
from murakkab.runtime.guarding import facts_of, guarded, is_for_others, refuse_misfit
from murakkab.runtime.messages import StartTask, TaskFailed, TaskSucceeded
from murakkab.runtime.way import Desk, Outside, Way, way_of

__all__ = ["Desk", "Outside", "Way", "attempt", "bill_of", "way_of"]


class Bill(NamedTuple):
    """What an attempt took."""

    usd: float = 0.0
    joules: float | None = None
    tokens: int = 0


_NOTHING: Final = Bill()


def bill_of(report: Report | None, price: float = 0.0) -> Bill:
    """Return what an attempt has spent by its own account; *price* is what it costs when it says nothing of dollars."""
    if report is None:
        return Bill(price) if price else _NOTHING
    joules = _amount(report.joules)
    usd = _amount(report.usd)
    return Bill(price if usd is None else usd, joules, int(_amount(report.tokens) or 0))


def _amount(said: Any) -> float | None:
    """Return an amount that an executor named, None where it is none: a wrong figure must not break the books."""
    return said if isinstance(said, int | float) and math.isfinite(said) and said >= 0 else None


async def attempt(job: str, start: StartTask, way: Way, outside: Outside, desk: Desk) -> TaskSucceeded | TaskFailed:
    """Run it and return how it ended. Raises nothing but cancellation and Ctrl-C; what it spent until then is on the desk."""
    began = desk.began = outside.clock()
    cached = False
    try:
        knobs = way.knobs if start.knobs is None else {**way.knobs, **{k: v for k, v in start.knobs.items() if k in way.knobs}}
        if way.is_silent:
            value = await way.executor.run(Call(start.task, start.attempt, start.inputs, knobs, outside.artifacts, way.target))
            if way.check is not None:
                refuse_misfit(way.check(value))
        else:
            report = desk.report = Report()
            call = Call(start.task, start.attempt, start.inputs, knobs, outside.artifacts, way.target, report)
            value, cached = await _with_report(job, call, way, outside, desk)
    except BaseException as exc:
        if is_for_others(exc, desk.worker):
            raise
        # `sys.exit` in a step ends the step, not the process and its other jobs.
        reason, message, retryable = facts_of(exc)
        bill = bill_of(desk.report)
        desk.report = None
        return TaskFailed(outside.clock(), start.task, reason, message, retryable, began, way.name, *bill)
    if desk.report is None:
        return TaskSucceeded(outside.clock(), start.task, value, began, cached, way.usd, None, way.name)
    bill, units = bill_of(desk.report, 0.0 if cached else way.usd), _amount(desk.report.units)
    desk.report = None
    return TaskSucceeded(outside.clock(), start.task, value, began, cached, bill.usd, bill.joules, way.name, bill.tokens, units)


async def _with_report(job: str, call: Call, way: Way, outside: Outside, desk: Desk) -> tuple[Any, bool]:
    if not way.is_plain:
        return await guarded(job, call, way, outside, desk)
    value = await way.executor.run(call)
    if way.check is not None:
        refuse_misfit(way.check(value))
    return value, False
