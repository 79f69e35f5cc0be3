"""policy: what a step may do to the world against how often it may happen - kept results, further attempts, races that are called off."""

from collections.abc import Iterator

from murakkab.errors import Diagnostic, Path
from murakkab.planner.check_types import dotted
from murakkab.planner.providers import is_plain, known_effect
from murakkab.planner.standing import Standing
from murakkab.spec import Effect, Rescue, Step

Found = Iterator[Diagnostic]


def effect_problems(step: Step, at: Standing) -> Found:
    """Yield where the effect of *step* forbids what is asked of it."""
    racing = at.racing or (dotted((*at.path(step), "need")) if step.need is not None and step.for_each else "")
    if is_plain(step):
        effect = known_effect(step, at.facts.catalog)
        if effect is not None:
            yield from _cached(step, effect, at)
            yield from _repeated(step, effect, at)
            yield from _raced(effect, racing, at.path(step))
    elif step.workflow and step.workflow in at.facts.parts:
        yield from _raced(at.facts.parts[step.workflow].measures.harm, racing, at.path(step))


def _source(step: Step) -> str:
    return "as declared" if step.effect else f"as {step.executor!r} is" if step.executor else "as its executors may be"


def _cached(step: Step, effect: Effect, at: Standing) -> Found:
    if step.cache is not None and not effect.is_free:
        message = f"the step has the effect {effect} ({_source(step)}), and a cached result would leave it out"
        hint = "leave cache out, or say effect: pure or read if that is true"
        yield Diagnostic("unsafe-cache", message, hint, (*at.path(step), "cache"))


def _repeated(step: Step, effect: Effect, at: Standing) -> Found:
    if effect is not Effect.IRREVERSIBLE:
        return
    hint = "leave it out, or say effect: write if doing it twice is the same as doing it once"
    if step.retry.attempts > 1:
        message = f"the step is irreversible ({_source(step)}) and would be tried again"
        yield Diagnostic("unsafe-retry", message, hint, (*at.path(step), "retry"))
    if step.on_error.action is Rescue.FALLBACK:
        message = f"the step is irreversible ({_source(step)}) and its fallback would do it a second time"
        yield Diagnostic("unsafe-retry", message, hint, (*at.path(step), "on_error"))


def _raced(effect: Effect, racing: str, path: Path) -> Found:
    """Once enough have succeeded the rest is cancelled: what has begun may or may not have happened."""
    if not racing or effect.is_free:
        return
    message = f"{dotted(path)} has the effect {effect}, and {racing} cancels it as soon as enough others have succeeded"
    if effect is Effect.IRREVERSIBLE:
        hint = "do it in a step behind, once it is known who came first"
        yield Diagnostic("unsafe-race", message, hint, path)
    else:
        hint = "do it in a step behind, or say effect: read if that is true"
        yield Diagnostic("unsafe-race", message, hint, path, is_warning=True)
