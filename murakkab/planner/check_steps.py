"""policy: whether a step says what can be done - its names, its capability, executor and knobs, and how failures are met."""

from collections.abc import Callable, Iterator
from typing import Final

from murakkab.catalog import Capability, Parameter
from murakkab.diagnostics import did_you_mean
from murakkab.errors import Diagnostic
from murakkab.planner.check_types import Surroundings, fit
from murakkab.planner.providers import capability_of
from murakkab.planner.survey import Survey
from murakkab.references import NAME
from murakkab.spec import Effect, Expr, Rescue, Step

_NAME_HINT: Final = "letters, digits, _ and -, the first a letter or _"
_MAX_ATTEMPTS: Final = 1000
_MAX_PARALLEL: Final = 1_000_000

Found = Iterator[Diagnostic]


def step_problems(step: Step, survey: Survey) -> Found:
    """Yield what is wrong with *step*, its expressions aside."""
    for judge in _JUDGES:
        yield from judge(step, survey)


def bad_name(name: str, *, reserved: tuple[str, ...]) -> str:
    """Return why nothing can be called *name*, or ""."""
    if name in reserved:
        return f"{name!r} is a reserved name"
    return "" if NAME.fullmatch(name) else f"{name[:60]!r} cannot be written in a reference"


def _names(step: Step, survey: Survey) -> Found:
    path = ("steps", step.name)
    if reason := bad_name(step.name, reserved=("inputs", "item")):
        yield Diagnostic("bad-name", reason, _NAME_HINT, path)
    seen: set[str] = set()
    for loop in step.for_each:
        at = (*path, "for_each", loop.name)
        if reason := bad_name(loop.name, reserved=("inputs",)):
            yield Diagnostic("bad-name", reason, _NAME_HINT, at)
        elif loop.name in seen or loop.name in survey.workflow.steps:
            other = "an outer loop" if loop.name in seen else "a step"
            yield Diagnostic("shadowed-name", f"the loop variable {loop.name!r} has the name of {other}", "give it another name", at)
        seen.add(loop.name)


def _work(step: Step, survey: Survey) -> Found:
    path = ("steps", step.name)
    if bool(step.uses) == bool(step.call):
        both = "both `uses` and `call`" if step.uses else "neither `uses` nor `call`"
        yield Diagnostic("no-work", f"the step {step.name!r} has {both}", "a step has one of them", path)
    elif step.uses and step.uses not in survey.catalog.capabilities:
        hint = did_you_mean(step.uses, survey.catalog.capabilities, others="there are")
        yield Diagnostic("unknown-capability", f"there is no capability {step.uses!r}", hint, (*path, "uses"))
    elif step.call and step.call not in survey.functions:
        hint = "" if ":" in step.call else "write call: module:function"
        hint = hint or did_you_mean(step.call, survey.functions) or "the module must be importable where the job runs"
        yield Diagnostic("unknown-function", f"there is no function {step.call!r}", hint, (*path, "call"))


def _given(step: Step, survey: Survey) -> Found:
    interface = survey.interface(step)
    if interface is None or bool(step.uses) == bool(step.call):
        return
    path, what = ("steps", step.name), f"{'the capability' if step.uses else 'the function'} {step.uses or step.call!r}"
    names = {p.name for p in interface.inputs}
    for name in step.with_:
        if name not in names and not interface.open_inputs:
            others = "it takes" if names else ""
            hint = did_you_mean(name, names, others=others) or "it takes none"
            yield Diagnostic("unknown-input", f"{what} takes no input {name!r}", hint, (*path, "with", name))
    for parameter in _missing(step, interface):
        message = f"{what} needs the input {parameter.name!r} ({parameter.type})"
        yield Diagnostic("missing-input", message, parameter.description or f"write with: {{{parameter.name}: ...}}", path)


def _missing(step: Step, interface: Capability) -> list[Parameter]:
    return [p for p in interface.inputs if p.required and p.name not in step.with_]


def _executors(step: Step, survey: Survey) -> Found:
    path = ("steps", step.name)
    if step.executor:
        yield from _provider(step.executor, step, survey, at=(*path, "executor"))
    if step.on_error.action is not Rescue.FALLBACK:
        return
    fallback, at = step.on_error.fallback, (*path, "on_error", "fallback")
    if fallback == step.executor and fallback:
        hint = "name another executor, or use retry"
        yield Diagnostic("same-fallback", f"{fallback!r} is both the executor and its fallback", hint, at)
    else:
        yield from _provider(fallback, step, survey, at=at)


def _provider(name: str, step: Step, survey: Survey, *, at: tuple[str | int, ...]) -> Found:
    wanted = capability_of(step)
    providers = [card.name for card in survey.catalog.providers(wanted)]
    card = survey.catalog.executors.get(name)
    if card is None:
        hint = did_you_mean(name, providers) or did_you_mean(name, survey.catalog.executors, others="there are")
        yield Diagnostic("unknown-executor", f"there is no executor {name!r}", hint, at)
    elif wanted and card.capability != wanted and (step.call or wanted in survey.catalog.capabilities):
        hint = f"{wanted} is provided by {', '.join(providers[:12])}" if providers else ""
        yield Diagnostic("wrong-executor", f"the executor {name!r} provides {card.capability}, not {wanted}", hint, at)


def knob_problems(step: Step, survey: Survey, around: Surroundings) -> Found:
    """Yield what is wrong with the knobs of *step*; their types go to *around*."""
    cards = survey.candidates(step)
    for name, value in step.knobs.items():
        at = ("steps", step.name, "knobs", name)
        known = [knob for card in cards if (knob := card.knob(name))]
        if known:
            fit(known[0].type, value, at, around)
            yield from _knob_range(known[0], value, at)
        elif cards:
            names = {knob.name for card in cards for knob in card.knobs}
            owner = f"the executor {step.executor!r}" if step.executor else f"no executor of {capability_of(step)}"
            message = f"{owner} has {'no' if step.executor else 'a'} knob {name!r}"
            yield Diagnostic("unknown-knob", message, did_you_mean(name, names, others="there are"), at)


def _knob_range(knob: Parameter, value: Expr, at: tuple[str | int, ...]) -> Found:
    if not isinstance(value, bool | int | float | str):
        return
    if knob.choices and value not in knob.choices:
        hint = did_you_mean(str(value), [str(c) for c in knob.choices], others="there are")
        yield Diagnostic("out-of-range", f"the knob {knob.name!r} cannot be {value!r}", hint, at)
    elif not isinstance(value, str) and not _between(value, knob.low, knob.high):
        yield Diagnostic("out-of-range", f"the knob {knob.name!r} cannot be {value}", _range_hint(knob.low, knob.high), at)


def _between(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range_hint(low: float | None, high: float | None) -> str:
    if high is None:
        return f"it is at least {low:g}"
    return f"it is at most {high:g}" if low is None else f"it is between {low:,.10g} and {high:,.10g}"


def _numbers(step: Step, _survey: Survey) -> Found:
    path = ("steps", step.name)
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
    )
    for value, low, high, field in bounds:
        if value is not None and not _between(value, low, high):
            yield Diagnostic("out-of-range", f"{'.'.join(field)} cannot be {value:g}", _range_hint(low, high), (*path, *field))
    if step.max_parallel is not None and not step.for_each:
        hint = "add for_each, or leave max_parallel out"
        yield Diagnostic("not-a-loop", "max_parallel stands on a step that runs once", hint, (*path, "max_parallel"))


def _effects(step: Step, survey: Survey) -> Found:
    effect = survey.effect(step)
    if effect is None:
        return
    path = ("steps", step.name)
    source = "as declared" if step.effect else f"as {step.executor!r} is" if step.executor else "as its executors may be"
    if step.cache is not None and not effect.is_free:
        message = f"the step has the effect {effect} ({source}), and a cached result would leave it out"
        yield Diagnostic("unsafe-cache", message, "leave cache out, or say effect: pure or read if that is true", (*path, "cache"))
    if effect is not Effect.IRREVERSIBLE:
        return
    hint = "leave it out, or say effect: write if doing it twice is the same as doing it once"
    if step.retry.attempts > 1:
        yield Diagnostic("unsafe-retry", f"the step is irreversible ({source}) and would be tried again", hint, (*path, "retry"))
    if step.on_error.action is Rescue.FALLBACK:
        message = f"the step is irreversible ({source}) and its fallback would do it a second time"
        yield Diagnostic("unsafe-retry", message, hint, (*path, "on_error"))


def _after(step: Step, survey: Survey) -> Found:
    for i, name in enumerate(step.after):
        at = ("steps", step.name, "after", i)
        if name == step.name:
            yield Diagnostic("self-reference", f"the step {name!r} waits for itself", "", at)
        elif name not in survey.workflow.steps:
            hint = did_you_mean(name, survey.workflow.steps, others="there are")
            yield Diagnostic("unknown-step", f"there is no step {name!r} to wait for", hint, at)


_JUDGES: Final[tuple[Callable[[Step, Survey], Found], ...]] = (_names, _work, _given, _executors, _numbers, _effects, _after)
