"""policy: whether the numbers of a step are what they may be, and agree with each other."""

from collections.abc import Iterator
from typing import Final

from murakkab.errors import Diagnostic
from murakkab.expressions import constant_of
from murakkab.planner.check_choice import between, range_hint
from murakkab.planner.standing import Standing
from murakkab.spec import Need, Otherwise, Step

_MAX_ATTEMPTS: Final = 1000
_MAX_PARALLEL: Final = 1_000_000
_MAX_ROUNDS: Final = 10_000

Found = Iterator[Diagnostic]


def limit_problems(step: Step, at: Standing) -> Found:
    """Yield what is wrong with the numbers of *step*."""
    yield from _bounds(step, at)
    yield from _rounds(step, at)
    yield from _times(step, at)
    yield from _zipped(step, at)
    if step.need is not None and (step.for_each or step.block is not None):
        yield from _needed(step, step.need, at)


def _bounds(step: Step, at: Standing) -> Found:
    retry, ttl = step.retry, step.cache.ttl if step.cache else None
    bounds: tuple[tuple[float | None, float, float | None, tuple[str, ...]], ...] = (
        (step.max_parallel, 1, _MAX_PARALLEL, ("max_parallel",)),
        (step.timeout, 0.001, None, ("timeout",)),
        (ttl, 0.001, None, ("cache",)),
        (retry.attempts, 1, _MAX_ATTEMPTS, ("retry", "attempts")),
        (retry.delay, 0, None, ("retry", "delay")),
        (retry.backoff, 1, 100, ("retry", "backoff")),
        (retry.max_delay, 0, None, ("retry", "max_delay")),
        (retry.jitter, 0, 1, ("retry", "jitter")),
        (step.repeat.delay if step.repeat else None, 0, None, ("repeat", "delay")),
    )
    path = at.path(step)
    for value, low, high, field in bounds:
        if value is not None and not between(value, low, high):
            yield Diagnostic("out-of-range", f"{'.'.join(field)} cannot be {value:g}", range_hint(low, high), (*path, *field))
    if step.max_parallel is not None and not step.for_each:
        hint = "add for_each, or leave max_parallel out"
        yield Diagnostic("not-a-loop", "max_parallel stands on a step that runs once", hint, (*path, "max_parallel"))


def _rounds(step: Step, at: Standing) -> Found:
    repeat, path = step.repeat, (*at.path(step), "repeat")
    if repeat is None:
        return
    if repeat.at_most == 0:
        yield Diagnostic("unbounded-loop", "at_most, the number of rounds there may be, is missing or 0", "write at_most: 5", path)
    elif not between(repeat.at_most, 1, _MAX_ROUNDS):
        hint = range_hint(1, _MAX_ROUNDS)
        yield Diagnostic("out-of-range", f"repeat.at_most cannot be {repeat.at_most}", hint, (*path, "at_most"))
    if repeat.until and constant_of(repeat.until) is False and repeat.otherwise is Otherwise.FAIL:
        hint = "mend the condition, or write otherwise: last"
        yield Diagnostic("contradiction", "the condition never holds, so the step always fails", hint, (*path, "until"))


def _times(step: Step, at: Standing) -> Found:
    path, retry, timeout = at.path(step), step.retry, step.timeout
    if retry.attempts > 1 and 0 <= retry.max_delay < retry.delay:
        message = f"retry.delay is {retry.delay:g} s, and retry.max_delay {retry.max_delay:g} s"
        yield Diagnostic("contradiction", message, "say max_delay too, at least as long as delay", (*path, "retry", "delay"))
    whole = at.facts.workflow.timeout
    if timeout is not None and whole is not None and timeout > whole > 0:
        message = f"the step may take {timeout:g} s, and the whole workflow only {whole:g} s"
        yield Diagnostic("contradiction", message, "shorten the one or lengthen the other", (*path, "timeout"))
    pause = step.wait.seconds if step.wait is not None else None
    limit = min((t for t in (timeout, whole) if t is not None), default=None)
    if limit is not None and isinstance(pause, int | float) and pause > limit > 0:
        message = f"the step waits {pause:g} s, and may take only {limit:g} s"
        yield Diagnostic("contradiction", message, "shorten the one or lengthen the other", (*path, "wait"))


def _zipped(step: Step, at: Standing) -> Found:
    for loop in step.for_each:
        lengths = {name: len(over) for name, over in loop.lists() if isinstance(over, list | tuple)}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            path = (*at.path(step), "for_each", next(iter(loop.beside)))
            yield Diagnostic("contradiction", f"lists side by side are equally long, but {told} elements", "", path)


def _needed(step: Step, need: Need, at: Standing) -> Found:
    path, total = (*at.path(step), "need"), _total(step, at)
    if need.count and need.share:
        yield Diagnostic("contradiction", "`need` has a count and a share", "say one of them", path)
    elif need.count == 0 and not 0 < need.share <= 1:
        share = f"{need.share:.10g} of all" if need.share else "0"
        yield Diagnostic("out-of-range", f"need cannot be {share}", "write need: 3, need: 60% or need: 3 of 5", path)
    elif need.count < 0 or need.of < 0:
        yield Diagnostic("out-of-range", f"need cannot be {min(need.count, need.of)}", "it is at least 1", path)
    elif need.of and need.count > need.of:
        yield Diagnostic("contradiction", f"{need.count} of {need.of} are more than there are", "", path)
    elif total is not None and need.of not in (0, total):
        yield Diagnostic("contradiction", f"`need` speaks of {need.of}, and there are {total}", f"write {need.count} of {total}", path)
    elif total is not None and need.count > total:
        yield Diagnostic("contradiction", f"{need.count} must succeed, and there are {total}", f"write need: {total}, or less", path)


def _total(step: Step, at: Standing) -> int | None:
    """Return how many there are to succeed, None where that is not written down."""
    if step.for_each:
        over = step.for_each[0].over
        return len(over) if isinstance(over, list | tuple) and len(step.for_each) == 1 else None
    inner = at.frame.inner.get(step.name)
    return None if inner is None or not inner.steps else len(inner.sinks)
