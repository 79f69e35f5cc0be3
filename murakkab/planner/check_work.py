"""policy: whether the work of a step is there to be done, has what it needs, and is not told what means nothing for it."""

import re
from collections.abc import Iterator
from typing import Final

from murakkab.catalog import Capability, Catalog
from murakkab.diagnostics import did_you_mean
from murakkab.errors import Diagnostic
from murakkab.planner.check_choice import of_steps
from murakkab.planner.providers import is_plain
from murakkab.planner.standing import Standing
from murakkab.spec import Prefer, Rescue, Retry, Step

_WORD: Final = re.compile(r"[a-z]{3,}")
#: Words that say nothing about what is to be done.
_EMPTY: Final = frozenset(("the", "and", "for", "with", "from", "into", "that", "this", "all", "are", "every", "each"))

Found = Iterator[Diagnostic]


def work_problems(step: Step, at: Standing) -> Found:
    """Yield what is wrong with the work of *step*, what is inside of it aside."""
    kinds = kinds_of(step)
    if len(kinds) == 1:
        yield from _unknown(step, at)
        if step.block is not None and not step.block.steps:
            message = f"the block {step.name!r} has no steps"
            yield Diagnostic("no-work", message, "put steps into it, or take it away", (*at.path(step), "steps"))
        yield from _given(step, at)
        yield from _misplaced(step, at)
    elif kinds:
        both = "both " if len(kinds) == 2 else ""
        message = f"the step {step.name!r} has {both}{' and '.join(f'`{kind}`' for kind in kinds)}"
        yield Diagnostic("no-work", message, "a step has one of them", at.path(step))
    elif step.does:
        yield _unmapped(step, at)
    else:
        message = f"the step {step.name!r} has neither `uses` nor `call`, nor other work"
        yield Diagnostic("no-work", message, "other work is `workflow`, `steps`, `approve` or `wait`", at.path(step))


def kinds_of(step: Step) -> list[str]:
    """Return the kinds of work that *step* has; one, when it is right."""
    kinds = {
        "uses": bool(step.uses),
        "call": bool(step.call),
        "workflow": bool(step.workflow),
        "steps": step.block is not None,
        "approve": step.approve is not None,
        "wait": step.wait is not None,
    }
    return [kind for kind, there in kinds.items() if there]


def _unmapped(step: Step, at: Standing) -> Diagnostic:
    close = _capabilities_like(step.does, at.facts.catalog)
    hint = f"say what does it: uses: {' or '.join(close)}" if close else "say what does it, with `uses` or `call`"
    return Diagnostic("unmapped", f"nothing maps {step.does[:60]!r} to work", hint, (*at.path(step), "does"))


def _capabilities_like(text: str, catalog: Catalog) -> list[str]:
    """Return the capabilities whose name and description share most words with *text*, the best first."""
    wanted = _words(text)
    shared = {name: len(wanted & _words(f"{name} {one.description}")) for name, one in catalog.capabilities.items()}
    return sorted((name for name, count in shared.items() if count), key=lambda name: -shared[name])[:3]


def _words(text: str) -> set[str]:
    # "summaries" and "summarize" mean the same here: what words begin with is compared.
    return {word[:5] for word in _WORD.findall(text[:4000].lower()) if word not in _EMPTY}


def _unknown(step: Step, at: Standing) -> Found:
    path, facts = at.path(step), at.facts
    if step.uses and step.uses not in facts.catalog.capabilities:
        hint = did_you_mean(step.uses, facts.catalog.capabilities, others="there are")
        yield Diagnostic("unknown-capability", f"there is no capability {step.uses!r}", hint, (*path, "uses"))
    elif step.call and step.call not in facts.functions:
        hint = "" if ":" in step.call else "write call: module:function"
        hint = hint or did_you_mean(step.call, facts.functions) or "the module must be importable where the job runs"
        yield Diagnostic("unknown-function", f"there is no function {step.call!r}", hint, (*path, "call"))
    elif step.workflow and step.workflow not in facts.workflow.workflows:
        hint = did_you_mean(step.workflow, facts.workflow.workflows, others="there are") or "declare it below `workflows`"
        yield Diagnostic("unknown-workflow", f"there is no workflow {step.workflow[:60]!r}", hint, (*path, "workflow"))


def _given(step: Step, at: Standing) -> Found:
    interface = at.interface(step)
    if interface is None:
        return
    path, what = at.path(step), f"{_KINDS[kinds_of(step)[0]]} {step.uses or step.call or step.workflow!r}"
    names = {p.name for p in interface.inputs}
    for name in step.with_:
        if name not in names and not interface.open_inputs:
            hint = of_steps(name) or did_you_mean(name, names, others="it takes" if names else "") or "it takes none"
            yield Diagnostic("unknown-input", f"{what} takes no input {name!r}", hint, (*path, "with", name))
    yield from _missing(step, interface, what, at)


_KINDS: Final = {"uses": "the capability", "call": "the function", "workflow": "the workflow"}


def _missing(step: Step, interface: Capability, what: str, at: Standing) -> Found:
    for parameter in interface.inputs:
        if parameter.required and parameter.name not in step.with_:
            message = f"{what} needs the input {parameter.name!r} ({parameter.type})"
            hint = parameter.description or f"write with: {{{parameter.name}: ...}}"
            yield Diagnostic("missing-input", message, hint, at.path(step))


def _misplaced(step: Step, at: Standing) -> Found:
    """What is said about executors means something only where there is one."""
    path = at.path(step)
    if not is_plain(step):
        yield from _about_executors(step, at)
    if step.with_ and (step.block or step.approve or step.wait):
        hint = "the steps inside see everything around them" if step.block else "the message or time may hold references itself"
        yield Diagnostic("misplaced", f"`with` means nothing beside `{kinds_of(step)[0]}`", hint, (*path, "with"))
    if step.repeat is not None and (step.approve or step.wait):
        hint = "repeat a step with `steps`, and put this one inside"
        yield Diagnostic("misplaced", f"`repeat` means nothing beside `{kinds_of(step)[0]}`", hint, (*path, "repeat"))
    if step.need is not None and not step.for_each and step.block is None:
        hint = "it says how many of a `for_each`, or of the steps of a block, must succeed"
        yield Diagnostic("misplaced", "`need` stands on a step that is one task", hint, (*path, "need"))
    if step.need is not None and step.block is not None and not step.for_each and step.block.outputs:
        hint = "leave them out: the result is the record of the steps that succeeded, each a field that may be missing"
        yield Diagnostic("misplaced", "a block that needs only some of its steps has no `outputs`", hint, (*path, "outputs"))


def _about_executors(step: Step, at: Standing) -> Found:
    kind = kinds_of(step)[0]
    gate = step.approve is not None or step.wait is not None
    hint = f"a step with `{kind}` has no executor" if gate else "put it on the steps inside"
    given: dict[tuple[str, ...], bool] = {
        ("retry",): step.retry != Retry(),
        ("cache",): step.cache is not None,
        ("effect",): step.effect is not None,
        ("executor",): bool(step.executor),
        ("prefer",): step.prefer != Prefer(),
        ("knobs",): bool(step.knobs),
        ("on_error", "fallback"): step.on_error.action is Rescue.FALLBACK,
    }
    for field, there in given.items():
        if there:
            message = f"`{'.'.join(field)}` means nothing beside `{kind}`"
            yield Diagnostic("misplaced", message, hint, (*at.path(step), *field))
