"""policy: whether somebody can do a step as it asks - its executor, its fallback, its knobs, its device and model."""

from collections.abc import Iterator
from typing import Final

from murakkab.catalog import Device, Parameter
from murakkab.diagnostics import did_you_mean
from murakkab.document.forms import A_STEP, KEYS
from murakkab.errors import Diagnostic, Path
from murakkab.planner.check_types import Surroundings, fit
from murakkab.planner.providers import capability_of, is_plain
from murakkab.planner.standing import Standing
from murakkab.spec import Expr, Rescue, Step

_DEVICES: Final = tuple(map(str, Device))

Found = Iterator[Diagnostic]


def choice_problems(step: Step, at: Standing) -> Found:
    """Yield what is wrong with whom *step* asks for; nothing about steps that no executor does."""
    if not is_plain(step):
        return
    if step.executor:
        yield from _provider(step.executor, step, at, (*at.path(step), "executor"))
    yield from _fallback(step, at)
    yield from _device(step, at)
    yield from _model(step, at)


def _fallback(step: Step, at: Standing) -> Found:
    if step.on_error.action is not Rescue.FALLBACK:
        return
    fallback, path = step.on_error.fallback, (*at.path(step), "on_error", "fallback")
    if fallback == step.executor and fallback:
        hint = "name another executor, or use retry"
        yield Diagnostic("same-fallback", f"{fallback!r} is both the executor and its fallback", hint, path)
    else:
        yield from _provider(fallback, step, at, path)


def _provider(name: str, step: Step, at: Standing, path: Path) -> Found:
    catalog, wanted = at.facts.catalog, capability_of(step)
    providers = [card.name for card in catalog.providers(wanted)]
    card = catalog.executors.get(name)
    if card is None:
        who = f"{wanted} is provided by {', '.join(providers[:12])}" if providers else ""
        hint = did_you_mean(name, providers) or who or did_you_mean(name, catalog.executors, others="there are")
        yield Diagnostic("unknown-executor", f"there is no executor {name!r}", hint, path)
    elif wanted and card.capability != wanted and (step.call or wanted in catalog.capabilities):
        hint = f"{wanted} is provided by {', '.join(providers[:12])}" if providers else ""
        yield Diagnostic("wrong-executor", f"the executor {name!r} provides {card.capability}, not {wanted}", hint, path)


def _device(step: Step, at: Standing) -> Found:
    wanted, path = step.prefer.device, (*at.path(step), "prefer", "device")
    if not wanted:
        return
    if wanted not in _DEVICES:
        hint = did_you_mean(wanted, _DEVICES, others="there are")
        yield Diagnostic("bad-choice", f"{wanted[:60]!r} is no kind of device", hint, path)
        return
    cards = at.candidates(step)
    if cards and all(card.device != wanted for card in cards):
        there = ", ".join(sorted({str(card.device) for card in cards}))
        hint = f"write device: {there}, or take one of them away" if step.executor else f"there is {there}"
        yield from _unmet(f"runs on {there}", f"runs on {wanted}", step, path, hint=hint)


def _model(step: Step, at: Standing) -> Found:
    wanted, path = step.prefer.model, (*at.path(step), "prefer", "model")
    if not wanted:
        return
    if (told := step.knobs.get("model", wanted)) != wanted:
        hint = "say it in one place"
        yield Diagnostic("contradiction", f"`prefer` says the model {wanted!r}, and `knobs` say {told!r:.60}", hint, path)
        return
    cards = [card for card in at.candidates(step) if step.prefer.device in ("", card.device)]
    if cards and not any(card.admits("model", wanted) for card in cards):
        known = [str(choice) for card in cards if (knob := card.knob("model")) for choice in knob.choices]
        hint = did_you_mean(wanted, known, others="there are") or "no model can be chosen for it"
        yield from _unmet(f"does not have the model {wanted!r}", f"has the model {wanted!r}", step, path, hint=hint)


def _unmet(pinned: str, any_: str, step: Step, path: Path, *, hint: str) -> Found:
    if step.executor:
        yield Diagnostic("contradiction", f"the executor {step.executor!r} {pinned}", hint, path)
    else:
        yield Diagnostic("unmet-preference", f"no executor of {capability_of(step)} {any_}", hint, path)


def knob_problems(step: Step, at: Standing, around: Surroundings) -> Found:
    """Yield what is wrong with the knobs of *step*; their types go to *around*."""
    cards = at.candidates(step) if is_plain(step) else ()
    for name, value in step.knobs.items():
        path = (*at.path(step), "knobs", name)
        known = [knob for card in cards if (knob := card.knob(name))]
        if known:
            fit(known[0].type, value, path, around)
            yield from _knob_range(known[0], value, path)
        elif cards:
            names = {knob.name for card in cards for knob in card.knobs}
            owner = f"the executor {step.executor!r}" if step.executor else f"no executor of {capability_of(step)}"
            message = f"{owner} has {'no' if step.executor else 'a'} knob {name!r}"
            hint = of_steps(name) or did_you_mean(name, names, others="there are") or "there are none"
            yield Diagnostic("unknown-knob", message, hint, path)


def _knob_range(knob: Parameter, value: Expr, path: Path) -> Found:
    if not isinstance(value, bool | int | float | str):
        return
    if knob.choices and value not in knob.choices:
        hint = did_you_mean(str(value), [str(c) for c in knob.choices], others="there are")
        yield Diagnostic("out-of-range", f"the knob {knob.name!r} cannot be {value!r}", hint, path)
    elif not isinstance(value, str) and not between(value, knob.low, knob.high):
        yield Diagnostic("out-of-range", f"the knob {knob.name!r} cannot be {value}", range_hint(knob.low, knob.high), path)


def of_steps(name: str) -> str:
    """Return a hint when *name*, which stands inside of a step, is a field of the step itself."""
    return f"{name} is a field of the step: write it beside `with`" if name in KEYS[A_STEP] else ""


def between(value: float, low: float | None, high: float | None) -> bool:
    """Return whether *value* lies between the bounds, where there are any."""
    return (low is None or value >= low) and (high is None or value <= high)


def range_hint(low: float | None, high: float | None) -> str:
    """Return what a number may be, in words."""
    if high is None:
        return f"it is at least {low:g}"
    return f"it is at most {high:g}" if low is None else f"it is between {low:,.10g} and {high:,.10g}"
