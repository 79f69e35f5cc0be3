"""policy: everything that a step or an output mentions, each where its names are known."""

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from murakkab.diagnostics import MAX_TOLD
from murakkab.document.fields import WrongField, seconds
from murakkab.errors import Diagnostic, Path
from murakkab.expressions import check_condition, names_in
from murakkab.planner.check_choice import knob_problems
from murakkab.planner.check_steps import NAME_HINT, bad_name
from murakkab.planner.check_types import Surroundings, dotted, fit, name_hint, type_of
from murakkab.planner.frames import maps_of
from murakkab.planner.providers import is_plain
from murakkab.planner.standing import Standing
from murakkab.references import refs_in
from murakkab.spec import Approve, Expr, Rescue, Step, Wait
from murakkab.types import ANY, INT, STR, Field, Type

#: What is known of a failure in the value that takes its place.
ERROR = Type("record", fields=(Field("reason", STR), Field("message", STR), Field("attempt", INT), Field("task", STR)), name="error")
#: A reference; names stand bare in conditions.
_BRACES = re.compile(r"\$\{([^}]*)\}")
#: What the result of an approval has beside what its form asks for.
_ANSWER = ("approved", "by")


def expression_problems(step: Step, at: Standing, problems: list[Diagnostic]) -> None:
    """Check everything that *step* mentions, what is inside of its block aside."""
    path, scope = at.path(step), at.frame.scope
    variables = _variables(step, at, problems)
    outside: Mapping[str, Type] = ChainMap(variables, *maps_of(scope)) if variables else scope
    inside = at.around(at.frame.inside[step.name], problems, step)
    inside.takes_secrets = is_plain(step)
    interface = at.interface(step)
    for name, value in step.with_.items():
        parameter = interface.input(name) if interface else None
        fit(parameter.type if parameter else ANY, value, (*path, "with", name), inside)
    inside.takes_secrets = False
    problems += knob_problems(step, at, inside)
    if step.approve is not None:
        _question(step.approve, (*path, "approve"), inside)
    if step.wait is not None:
        _pause(step.wait, (*path, "wait"), inside)
    if step.on_error.action is Rescue.DEFAULT:
        _default(step, at, outside, problems)
    if step.when:
        problems += _condition(step.when, (*path, "when"), at.around(outside, [], step))
    if step.repeat is not None and step.repeat.until:
        result = {"result": at.frame.results[step.name]}
        problems += _condition(step.repeat.until, (*path, "repeat", "until"), at.around(ChainMap(result, *maps_of(inside.scope)), [], step))


def _variables(step: Step, at: Standing, problems: list[Diagnostic]) -> dict[str, Type]:
    """Check the lists of a loop, each where the variables of the levels before it are known, and return the types of all."""
    found: dict[str, Type] = {}
    for loop in step.for_each:
        scope = ChainMap(dict(found), *maps_of(at.frame.scope)) if found else at.frame.scope
        around = at.around(scope, problems, step)
        later = {name: f"{name!r} is known in the levels behind its own" for name, _ in at.variables(step) if name not in found}
        around.elsewhere = ChainMap(later, at.elsewhere)
        level = {name: _element(over, (*at.path(step), "for_each", name), around) for name, over in loop.lists()}
        found |= level
    return found


def _element(over: Expr, path: Path, around: Surroundings) -> Type:
    """Return the type of the elements that a loop goes over."""
    found = type_of(over, path, around)
    if found.kind == "list":
        return found.item or ANY
    if found.kind != "any":
        hint = "take the list inside it: ${step.field}" if found.kind == "record" else ""
        around.add("not-a-list", f"for_each goes over a list, and this is {found}", hint, path)
    return ANY


def _default(step: Step, at: Standing, outside: Mapping[str, Type], problems: list[Diagnostic]) -> None:
    """A default takes the place of one task's result; where only some of a list are needed, of the whole list."""
    path = (*at.path(step), "on_error", "default")
    whole = step.need is not None and bool(step.for_each)
    scope = ChainMap({"error": ERROR}, *maps_of(at.frame.scope if whole else outside))
    want = at.frame.scope[step.name] if whole else at.frame.results[step.name]
    fit(want, step.on_error.default, path, at.around(scope, problems, step))


def _condition(text: str, path: Path, around: Surroundings) -> Iterator[Diagnostic]:
    names = names_in(text)
    if own := sorted(name for name in names if name in around.open and name not in ("item", "result")):
        yield Diagnostic("self-reference", f"the condition of {own[0]!r} asks for its own result", "", path)
        return
    if "secrets" in names:
        hint = "let a step decide, and test its result"
        yield Diagnostic("secret-leak", "a condition is shown to whoever looks at the job", hint, path)
        return
    for problem in check_condition(text, around.scope, around.known):
        hint = problem.hint
        if problem.code == "unknown-name" and not hint.startswith("did you mean"):
            missing = next((name for name in sorted(names) if f"{name!r}" in problem.message), "")
            hint = _BRACES.sub(r"\1", name_hint(missing, around)) if missing else hint
        yield replace(problem, path=path, hint=hint)


def _question(approve: Approve, path: Path, around: Surroundings) -> None:
    type_of(approve.message, (*path, "message"), around)
    for name, field in approve.form.items():
        at = (*path, "form", name)
        if name in _ANSWER:
            around.add("bad-name", f"{name!r} is what the answer itself says", "give the field another name", at)
        elif reason := bad_name(name):
            around.add("bad-name", reason, NAME_HINT, at)
        if not field.required:
            literal(field.default, field.type, (*at, "default"), around.problems)


def literal(value: Expr, of: Type, path: Path, problems: list[Diagnostic]) -> None:
    """Check that a default of type *of* is data, and fits."""
    if next(refs_in(value), None) is not None:
        problems.append(Diagnostic("not-a-literal", "a default cannot mention other values", "compute it in a step", path))
    else:
        fit(of, value, path, Surroundings({}, problems))


def _pause(wait: Wait, path: Path, around: Surroundings) -> None:
    given = {key: value for key, value in (("for", wait.seconds), ("until", wait.until), ("event", wait.event)) if value is not None}
    if len(given) != 1:
        both = f"`{'` and `'.join(given)}` stand together" if given else "there is nothing to wait for"
        around.add("wrong-form", both, "a step waits for one of `for`, `until` and `event`", path)
        return
    key, value = next(iter(given.items()))
    here = (*path, key)
    if key == "event":
        fit(STR, value, here, around)
    else:
        _time(key, value, here, around)
    if key != "event" and wait.type != ANY:
        around.add("wrong-form", "only an event brings a value, so only it has a type", "leave `type` out", (*path, "type"))


def _time(key: str, value: Expr, path: Path, around: Surroundings) -> None:
    found = type_of(value, path, around)
    if found.kind not in ("int", "float", "str", "any"):
        wanted = "a number of seconds, or text like 30s" if key == "for" else "a time as text, or seconds since the epoch"
        around.add("type-mismatch", f"{dotted(path)} wants {wanted}, but {found} is given", "", path)
    elif isinstance(value, str):
        _time_text(key, value, path, around)
    elif isinstance(value, int | float) and value < 0:
        around.add("out-of-range", f"{dotted(path)} cannot be {value:g}", "it is at least 0", path)


def _time_text(key: str, value: str, path: Path, around: Surroundings) -> None:
    try:
        if key == "for":
            seconds(value, path, around.problems)
        else:
            datetime.fromisoformat(value)
    except WrongField as wrong:
        around.problems.append(wrong.at(path))
    except ValueError:
        around.add("bad-quantity", f"{value[:60]!r} is not a time", "write 2030-01-31T09:00:00Z", path)


def output_problems(at: Standing, problems: list[Diagnostic]) -> None:
    """Check the outputs of a frame."""
    around = at.around(at.frame.scope, problems)
    for name, output in at.frame.outputs.items():
        if len(problems) > MAX_TOLD:
            return
        path = (*at.frame.path[:-1], "outputs", name)
        if reason := bad_name(name):
            problems.append(Diagnostic("bad-name", reason, NAME_HINT, path))
        fit(output.type, output.value, path, around)
