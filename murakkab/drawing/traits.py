"""policy: a step in a few words - what it does, how often, and under which conditions."""

from collections.abc import Iterator
from typing import Final

from murakkab.drawing.picture import Badge
from murakkab.drawing.words import shown, span_text
from murakkab.spec import CachePolicy, Effect, Expr, First, Loop, Need, OnError, Otherwise, Ref, Repeat, Rescue, Step, Template, Wait

_LONG: Final = 60


def kind_of(step: Step) -> str:
    """Return the kind of a step's box."""
    if step.block is not None:
        return "block"
    if step.workflow:
        return "workflow"
    if step.approve is not None:
        return "approve"
    if step.wait is not None:
        return "wait"
    return "task" if step.uses or step.call else "plain"


def work_of(step: Step) -> str:
    """Return what a step does: its capability, function or workflow, its question, or what it waits for."""
    if step.approve is not None:
        asked = f" + {', '.join(step.approve.form)}" if step.approve.form else ""
        return shown(f"asks: {expr_text(step.approve.message)}{asked}", _LONG)
    if step.wait is not None:
        return shown(wait_text(step.wait), _LONG)
    if step.workflow:
        return shown(f"workflow {step.workflow}", _LONG)
    return shown(step.uses or step.call or step.does, _LONG)


def wait_text(wait: Wait) -> str:
    """Return what a step waits for."""
    if wait.event is not None:
        return f"waits for the event {expr_text(wait.event)}"
    if wait.until is not None:
        return f"waits until {expr_text(wait.until)}"
    seconds = wait.seconds
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return f"waits {span_text(float(seconds)) if is_number else expr_text(seconds)}"  # type: ignore[arg-type]


def badges_of(step: Step) -> tuple[Badge, ...]:
    """Return what is worth knowing of a step beside its work."""
    return tuple(Badge(kind, shown(text, _LONG)) for kind, text in _badges(step))


def _badges(step: Step) -> Iterator[tuple[str, str]]:
    if step.when:
        yield "when", f"if {step.when}"
    if step.for_each:
        at_once = f", {step.max_parallel} at a time" if step.max_parallel else ""
        yield "each", f"each {', then '.join(map(loop_text, step.for_each))}{at_once}"
    yield from (("repeat", text) for text in _again(step))
    if step.optional is not None:
        yield "need", "may be left out"
    if step.need is not None:
        yield "need", need_text(step.need)
    if step.retry.attempts > 1:
        yield "retry", f"{step.retry.attempts} tries"
    if step.timeout is not None:
        yield "limit", f"≤ {span_text(step.timeout)}"
    if step.on_error.action is not Rescue.FAIL:
        yield "rescue", rescue_text(step.on_error)
    if step.cache is not None:
        yield "cache", cache_text(step.cache)
    if step.effect is Effect.IRREVERSIBLE:
        yield "effect", "irreversible"


def _again(step: Step) -> Iterator[str]:
    """Yield how often the work of a step is done: again and again, or several times at once."""
    if step.repeat is not None:
        yield repeat_text(step.repeat)
    if step.best_of is not None:
        yield f"best of {_numbers_text(step.best_of.n)}"
    if step.debate is not None:
        yield f"debate of {_numbers_text(step.debate.participants)}, {_numbers_text(step.debate.rounds)} rounds"


def _numbers_text(numbers: tuple[int, ...]) -> str:
    return " or ".join(map(str, numbers))


def loop_text(loop: Loop) -> str:
    """Return what one level of a map goes over: `scenes[*]`, or `xs + ys` side by side."""
    return " + ".join(expr_text(over) for _, over in loop.lists())


def repeat_text(repeat: Repeat) -> str:
    """Return how often a step is done again."""
    until = f" until {repeat.until}" if repeat.until else ""
    every = f", {span_text(repeat.delay)} apart" if repeat.delay else ""
    rest = ", else the last" if repeat.until and repeat.otherwise is Otherwise.LAST else ""
    return f"≤ {repeat.at_most} rounds{until}{every}{rest}"


def need_text(need: Need) -> str:
    """Return how many must succeed."""
    if need.count:
        return f"needs {need.count}" + (f" of {need.of}" if need.of else "")
    return f"needs {need.share * 100:.3g} %"


def rescue_text(rule: OnError) -> str:
    """Return what becomes of a failure."""
    if rule.action is Rescue.FALLBACK:
        return f"else {rule.fallback}"
    return "else skipped" if rule.action is Rescue.SKIP else "else a default"


def cache_text(policy: CachePolicy) -> str:
    """Return how long results are kept."""
    return "cached" if policy.ttl is None else f"cached {span_text(policy.ttl)}"


def expr_text(expr: Expr) -> str:
    """Return an expression as one would say it: `inputs.xs` for a reference, the text of a template with its holes."""
    if isinstance(expr, Ref):
        return str(expr)[2:-1]
    if isinstance(expr, Template):
        return "".join(part if isinstance(part, str) else f"{{{expr_text(part)}}}" for part in expr.parts)
    if isinstance(expr, First):
        return " or ".join(map(expr_text, expr.options[:3]))
    if isinstance(expr, list):
        return f"of {len(expr)}"
    return "{…}" if isinstance(expr, dict) else "null" if expr is None else str(expr)
