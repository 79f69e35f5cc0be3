"""policy: whether a step says what can be done - the names that it gives, and whom it waits for. The other judges are called from here."""

from collections.abc import Callable, Iterator
from typing import Final

from murakkab.diagnostics import Vocabulary, did_you_mean
from murakkab.errors import Diagnostic, Path
from murakkab.planner.check_choice import choice_problems
from murakkab.planner.check_effects import effect_problems
from murakkab.planner.check_limits import limit_problems
from murakkab.planner.check_work import work_problems
from murakkab.planner.check_zip import zip_problems
from murakkab.planner.standing import Standing
from murakkab.references import NAME
from murakkab.spec import Rescue, Step

NAME_HINT: Final = "letters a-z or A-Z, digits, _ and -, the first a letter or _"
_OTHER: Final = "give it another name"
_LONGEST: Final = 200
_STEPS: Final = ("inputs", "item", "secrets", "loop", "result", "error", "job", "finally")
_VARIABLES: Final = ("inputs", "secrets", "loop", "result", "error", "job")

Found = Iterator[Diagnostic]


def step_problems(step: Step, at: Standing) -> Found:
    """Yield what is wrong with *step*, its expressions and what is inside of it aside."""
    for judge in _JUDGES:
        yield from judge(step, at)


def bad_name(name: str) -> str:
    """Return why nothing can be called *name*, or ""."""
    if len(name) > _LONGEST:
        return f"the name {name[:40]!r}... has more than {_LONGEST} characters"
    return "" if NAME.fullmatch(name) else f"{name[:60]!r} cannot be written in a reference"


def _reserved(name: str, path: Path, reserved: tuple[str, ...]) -> Diagnostic | None:
    if name in reserved:
        return Diagnostic("bad-name", f"{name!r} is a reserved name", _OTHER, path)
    return Diagnostic("bad-name", reason, NAME_HINT, path) if (reason := bad_name(name)) else None


def _names(step: Step, at: Standing) -> Found:
    path = at.path(step)
    if wrong := _reserved(step.name, path, _STEPS):
        yield wrong
    elif other := at.origins.parents.get(step.name, ""):
        message = f"the step {step.name!r} has the name of {other}, which is seen here too"
        yield Diagnostic("shadowed-name", message, _OTHER, path)
    seen: set[str] = set()
    for name in (name for loop in step.for_each for name, _ in loop.lists()):
        here = (*path, "for_each", name)
        if wrong := _reserved(name, here, _VARIABLES):
            yield wrong
        elif name in seen or (name in at.origins and name != "item"):
            other = "another loop variable" if name in seen or at.origins[name].startswith("an element") else "a step"
            yield Diagnostic("shadowed-name", f"the loop variable {name!r} has the name of {other}", _OTHER, here)
        seen.add(name)


def _after(step: Step, at: Standing) -> Found:
    for i, name in enumerate(step.after):
        path = (*at.path(step), "after", i)
        if name == step.name:
            yield Diagnostic("self-reference", f"the step {name!r} waits for itself", "", path)
        elif name not in at.frame.steps:
            yield Diagnostic("unknown-step", f"there is no step {name!r} to wait for", _step_hint(name, at), path)
        else:
            yield from _ungated(step, at.frame.steps[name], at, i)


def _step_hint(name: str, at: Standing) -> str:
    for standing in at.outwards():
        if standing.owner is not None and standing.outer is not None and name in standing.outer.frame.steps:
            return f"{name!r} stands outside: say after: {name} at the step {standing.owner.name!r}"
    return did_you_mean(name, Vocabulary(at.steps()), others="there are")


def _ungated(step: Step, gate: Step, at: Standing, i: int) -> Found:
    """A "no" that is only waited for stops nobody."""
    passes = gate.approve is not None and gate.on_error.action in (Rescue.SKIP, Rescue.DEFAULT)
    if passes and not step.when and gate.name not in at.frame.mentions[step.name].hard:
        message = f"{step.name!r} waits for the answer of {gate.name!r}, and is done whatever the answer is"
        hint = f"write when: {gate.name}.approved, or leave on_error out at {gate.name!r}"
        yield Diagnostic("ungated", message, hint, (*at.path(step), "after", i), is_warning=True)


_JUDGES: Final[tuple[Callable[[Step, Standing], Found], ...]] = (
    *(_names, work_problems, choice_problems, limit_problems, effect_problems, zip_problems, _after),
)
