"""policy: how a step is done, as options in Python source. What is as usual is left out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from murakkab.options import need_of
from murakkab.source.layout import Brackets, Code, Text, called, given, joined, mapping, quoted, several
from murakkab.source.names import Imports, Level, Variable
from murakkab.source.values import Scene, arguments, value
from murakkab.spec import BestOf, CachePolicy, Debate, Loop, Need, OnError, Optional, Otherwise, Pick, Prefer, Repeat, Rescue, Retry, Step

#: A share that options can be given as text.
_SHARE: Final = re.compile(r"\d{1,3}(\.\d{1,6})?%")


def options_of(step: Step, scene: Scene, *, name: bool, loops: bool) -> tuple[Code, ...]:
    """Return the options of *step*; its *name* and *loops* only where they are asked for."""
    found: dict[str, Code] = {"name": quoted(step.name)} if name else {}
    if step.does and (step.uses or step.call):
        found["does"] = Text(step.does)
    if step.for_each and loops:
        found["for_each"] = _loops(step.for_each, scene)
    for option, (usual, write) in _WRITERS.items():
        if (way := getattr(step, option)) != usual:
            found[option] = write(way, scene)
    order = [one.name for one in fields(Step)]
    return tuple(given(option, found[option]) for option in sorted(found, key=order.index))


def number(of: float) -> str:
    """Return the source of a number; whole ones have no point."""
    return repr(of) if of % 1 or abs(of) >= 1e15 else str(int(of))


def _loops(loops: tuple[Loop, ...], scene: Scene) -> Code:
    if len(loops) == 1 and loops[0].name == "item" and not loops[0].beside and not isinstance(loops[0].over, dict):
        return value(loops[0].over, scene)
    if not any(loop.beside for loop in loops):
        return mapping({loop.name: value(loop.over, scene) for loop in loops})
    levels = tuple(called(scene.imports["zipped"], *arguments(dict(loop.lists()), scene)) for loop in loops)
    return levels[0] if len(levels) == 1 else several(levels)


def _need(need: Need, scene: Scene) -> Code:
    if need.count and not need.share:
        return quoted(f"{need.count} of {need.of}") if need.of else repr(need.count)
    percent = f"{need.share * 100:.10g}%"
    if _SHARE.fullmatch(percent) and need_of(percent) == need:
        return quoted(percent)
    return _numbers("Need", need, Need(), scene.imports)


def _repeat(repeat: Repeat, scene: Scene) -> Code:
    parts: list[Code] = [repr(repeat.at_most)]
    if repeat.until:
        parts.append(given("until", Text(repeat.until)))
    if repeat.otherwise is not Otherwise.FAIL:
        parts.append(f"otherwise={scene.imports['Otherwise']}.{repeat.otherwise.name}")
    if repeat.delay:
        parts.append(f"delay={number(repeat.delay)}")
    return called(scene.imports["Repeat"], *parts)


def _best_of(best: BestOf, scene: Scene) -> Code:
    if best.pick == Pick():
        return _choices(best.n)
    return called(scene.imports["best_of"], _choices(best.n), *_pick(best.pick, scene))


def _debate(debate: Debate, scene: Scene) -> Code:
    numbers = (_choices(debate.participants), _choices(debate.rounds))
    return called(scene.imports["debate"], *numbers, *_pick(debate.pick, scene))


def _optional(optional: Optional, scene: Scene) -> Code:
    if len(optional.done) == 1:
        return called(scene.imports["Optional"], value(optional.default, scene), repr(optional.done))
    return "True" if optional.default is None else called(scene.imports["instead"], value(optional.default, scene))


def _choices(numbers: tuple[int, ...]) -> Code:
    return repr(numbers[0]) if len(numbers) == 1 else Brackets("[", tuple(map(repr, numbers)), "]")


def _pick(pick: Pick, scene: Scene) -> tuple[Code, ...]:
    judging = {"judge": (pick.judge, "candidates"), "score": (pick.score, "candidate")}
    steps = tuple(given(name, _judging(one, seen, scene)) for name, (one, seen) in judging.items() if one is not None)
    return (*steps, *(() if pick.accuracy is None else (f"accuracy={number(pick.accuracy)}",)))


def _judging(step: Step, seen: str, scene: Scene) -> Code:
    """Return the function that calls the step which compares results: it sees them under the name *seen*."""
    inside = replace(scene, level=Level(frozenset((seen,)), scene.level, variables={seen: Variable(seen)}))
    word, said = ("call", step.call) if step.call else ("use", step.uses)
    head = called(scene.imports[word], quoted(said), *options_of(step, inside, name=False, loops=False))
    return joined(f"lambda {seen}: ", called(head, *arguments(step.with_, inside)))


def _retry(retry: Retry, scene: Scene) -> Code:
    return repr(retry.attempts) if retry == Retry(retry.attempts) else _numbers("Retry", retry, Retry(), scene.imports)


def _numbers(kind: str, one: Any, usual: Any, imports: Imports) -> Code:
    """Return the source of a record of numbers."""
    names = [field.name for field in fields(one) if getattr(one, field.name) != getattr(usual, field.name)]
    return called(imports[kind], *(f"{name}={number(getattr(one, name))}" for name in names))


def _on_error(on_error: OnError, scene: Scene) -> Code:
    if on_error.action is Rescue.DEFAULT:
        return called(scene.imports["default_to"], value(on_error.default, scene))
    if on_error.action is Rescue.FALLBACK:
        return called(scene.imports["fallback_to"], quoted(on_error.fallback))
    return quoted(str(on_error.action))


def _cache(cache: CachePolicy, scene: Scene) -> Code:
    return "True" if cache.ttl is None else number(cache.ttl)


def _prefer(prefer: Prefer, scene: Scene) -> Code:
    wanted = {"device": prefer.device, "model": prefer.model}
    return mapping({name: Text(one) for name, one in wanted.items() if one})


def _knobs(knobs: Mapping[str, Any], scene: Scene) -> Code:
    return mapping({name: value(one, scene) for name, one in knobs.items()})


def _names(names: tuple[str, ...], scene: Scene) -> Code:
    return Brackets("[", tuple(quoted(name) for name in names), "]")


#: option -> what it usually is, and how another value is written
_WRITERS: Final[Mapping[str, tuple[Any, Callable[[Any, Scene], Code]]]] = {
    "when": ("", lambda when, _: Text(when)),
    "after": ((), _names),
    "max_parallel": (None, lambda most, _: repr(most)),
    "repeat": (None, _repeat),
    "best_of": (None, _best_of),
    "debate": (None, _debate),
    "optional": (None, _optional),
    "need": (None, _need),
    "retry": (Retry(), _retry),
    "timeout": (None, lambda timeout, _: number(timeout)),
    "on_error": (OnError(), _on_error),
    "cache": (None, _cache),
    "effect": (None, lambda effect, _: quoted(str(effect))),
    "executor": ("", lambda executor, _: quoted(executor)),
    "prefer": (Prefer(), _prefer),
    "knobs": ({}, _knobs),
    "description": ("", lambda description, _: Text(description)),
}
