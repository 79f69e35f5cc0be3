"""policy: what is written down and does nothing - parts that nobody uses, steps that are never done. All of these are warnings."""

from collections.abc import Iterable, Iterator

from murakkab.errors import Diagnostic
from murakkab.expressions import constant_of, reads_in
from murakkab.planner.frames import Frame
from murakkab.planner.mentions import Mentions, work_of
from murakkab.planner.standing import Standing
from murakkab.planner.survey import Survey, measures_of_step
from murakkab.references import refs_in
from murakkab.spec import Expr, Rescue, Step

Found = Iterator[Diagnostic]


def unused_parts(facts: Survey, used_workflows: Iterable[str]) -> Found:
    """Yield the inputs, secrets and definitions of a workflow that nothing in it uses."""
    workflow = facts.workflow
    frames = [facts.root, *([facts.finally_] if facts.finally_ else [])]
    if workflow.inputs:
        used = _fields_of("inputs", frames)
        for name in workflow.inputs if used is not None else ():
            if name not in (used or ()):
                yield _unused("unused-input", f"nothing uses the input {name!r}", ("inputs", name))
    if workflow.secrets:
        used = _fields_of("secrets", frames) or set()
        for name in workflow.secrets:
            if name not in used:
                yield _unused("unused", f"nothing uses the secret {name!r}", ("secrets", name))
    known = set(used_workflows)
    for name in workflow.workflows:
        if name not in known:
            yield _unused("unused", f"no step uses the workflow {name!r}", ("workflows", name))


def _unused(code: str, message: str, path: tuple[str, ...]) -> Diagnostic:
    return Diagnostic(code, message, "use it, or take it away", path, is_warning=True)


def _fields_of(source: str, frames: Iterable[Frame]) -> set[str] | None:
    """Return the fields of *source* that are used anywhere, None where it is used as a whole."""
    found: set[str] = set()
    for frame in _with_inner(frames):
        for expr in _expressions(frame):
            for ref in refs_in(expr):
                if ref.source == source and not ref.path:
                    return None
                if ref.source == source:
                    found.add(str(ref.path[0]))
        for text in _conditions(frame):
            fields = reads_in(text).get(source, frozenset())
            if fields is None:
                return None
            found |= fields
    return found


def _with_inner(frames: Iterable[Frame]) -> Iterator[Frame]:
    agenda = list(frames)
    while agenda:
        frame = agenda.pop()
        yield frame
        agenda.extend(frame.inner.values())


def _expressions(frame: Frame) -> Iterator[Expr]:
    for step in frame.steps.values():
        yield from work_of(step)
        for loop in step.for_each:
            yield from (over for _, over in loop.lists())
        if step.on_error.action is Rescue.DEFAULT:
            yield step.on_error.default
    yield from (output.value for output in frame.outputs.values())


def _conditions(frame: Frame) -> Iterator[str]:
    for step in frame.steps.values():
        if step.when:
            yield step.when
        if step.repeat is not None and step.repeat.until:
            yield step.repeat.until


def unused_steps(at: Standing, used: Iterable[str]) -> Found:
    """Yield the steps that do nothing to the world and whose results neither the outputs of their frame use nor, in this one, *used*."""
    facts = at.facts
    for frame in _with_inner([at.frame]):
        if not frame.outputs:
            continue
        for name in _unused_in(frame, facts, used if frame is at.frame else ()):
            message = f"nothing uses the result of {name!r}, and it has no effect"
            hint = "use it in an output or a step, or say effect: write if it changes something"
            yield Diagnostic("unused", message, hint, (*frame.path, name), is_warning=True)


def _unused_in(frame: Frame, facts: Survey, used: Iterable[str]) -> list[str]:
    wanted = [ref.source for output in frame.outputs.values() for ref in refs_in(output.value)]
    wanted += used
    wanted += [name for name, step in frame.steps.items() if not _is_free(step, frame, facts)]
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in kept and name in frame.steps:
            kept.add(name)
            wanted.extend(frame.waits[name])
    return [name for name in frame.steps if name not in kept]


def _is_free(step: Step, frame: Frame, facts: Survey) -> bool:
    return measures_of_step(step, frame, facts.parts, facts.catalog).effect.is_free


def unreachable_steps(at: Standing) -> Found:
    """Yield the steps of a frame that are never done, whatever the values are: by their condition, or for want of what they need."""
    frame = at.frame
    never = {name: "its condition is always false" for name, step in frame.steps.items() if step.when and constant_of(step.when) is False}
    if not never:
        return
    for name in never:
        yield _unreachable(f"{name!r} is never done: {never[name]}", (*frame.path, name, "when"))
    needed = _needed_by(frame)
    agenda = list(never)
    while agenda:
        gone = agenda.pop()
        for name in needed.get(gone, ()):
            if name not in never:
                never[name] = f"it needs {gone!r}, which is never done"
                agenda.append(name)
                yield _unreachable(f"{name!r} is never done: {never[name]}", (*frame.path, name))
    for name, output in frame.outputs.items():
        mentioned = Mentions()
        mentioned.add(output.value)
        if gone := next((source for source in sorted(mentioned.hard) if source in never), ""):
            path = (*frame.path[:-1], "outputs", name)
            yield _unreachable(f"the output {name!r} never has a value: {gone!r} is never done", path)


def _needed_by(frame: Frame) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, mentioned in frame.mentions.items():
        for source in mentioned.hard:
            if source in frame.steps:
                found.setdefault(source, []).append(name)
    return found


def _unreachable(message: str, path: tuple[str | int, ...]) -> Diagnostic:
    return Diagnostic("unreachable", message, "mend the condition, or take it away", path, is_warning=True)
