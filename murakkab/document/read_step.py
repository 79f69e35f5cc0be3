"""policy: reads the steps of a document, those inside of steps included."""

from collections.abc import Mapping
from typing import Any, Final

from murakkab.diagnostics import MAX_TOLD
from murakkab.document.fields import Problems, WrongField, choice, flag, json_data, mapping, number, seconds, shown, text, whole, wholes
from murakkab.document.forms import A_STEP, Form, read_fields
from murakkab.document.read_gate import approve, prefer, wait
from murakkab.document.read_values import exprs, outputs
from murakkab.document.read_way import after, cache, condition, loops, need, on_error, repeat, retry
from murakkab.errors import Diagnostic, Path
from murakkab.spec import BestOf, Block, Debate, Effect, Optional, Pick, Prefer, Step


def steps(data: Any, path: Path, problems: Problems) -> dict[str, Step]:
    """Return the steps by name."""
    found: dict[str, Step] = {}
    for name, value in mapping(data, path, problems, hint="every step has a name: write steps: {name: {uses: ...}}").items():
        if len(problems) > MAX_TOLD:
            break
        try:
            found[name] = read_step(name, value, (*path, name), problems)
        except WrongField as wrong:
            problems.append(wrong.at((*path, name)))
            found[name] = Step(name)
    return found


def read_step(name: str, data: Any, path: Path, problems: Problems) -> Step:
    """Return the step that *data* declares, without what cannot be read. Raises `WrongField` when it is no mapping."""
    mapping(data, path, [], hint=f"write {name[:60]}: {{uses: a capability, with: {{...}}}}")
    found = read_fields(data, path, problems, form=STEP)
    _join_block(found, data, path, problems)
    _join_preferences(found, path, problems)
    return Step(name=name, **found)


def _workflow(data: Any, path: Path, problems: Problems) -> str:
    if isinstance(data, Mapping):
        raise WrongField("wrong-form", "the name of a workflow is wanted here, not a mapping", "put the definition below `workflows`")
    return text(data, path, problems)


def _join_block(found: dict[str, Any], data: Any, path: Path, problems: Problems) -> None:
    """Put `steps` and `outputs` together; a block whose steps cannot be read is still one."""
    inner, given = found.pop("steps", {}), found.pop("outputs", {})
    if "steps" in data:
        found["block"] = Block(inner, given)
    elif "outputs" in data:
        hint = "the outputs of a workflow stand in its definition" if "workflow" in data else "the result of other work is what it returns"
        problems.append(Diagnostic("misplaced", "only a step with `steps` has `outputs`", hint, (*path, "outputs")))


def _join_preferences(found: dict[str, Any], path: Path, problems: Problems) -> None:
    preferred = found.pop("prefer", None)
    if preferred is None:
        return
    executor = preferred.pop("executor", "")
    if executor and found.setdefault("executor", executor) != executor:
        message = f"`executor` says {found['executor'][:60]!r}, and `prefer` {executor[:60]!r}"
        problems.append(Diagnostic("contradiction", message, "name the executor in one place", (*path, "prefer", "executor")))
    found["prefer"] = Prefer(**preferred)


def _best_of(data: Any, path: Path, problems: Problems) -> BestOf:
    """Return how often it is tried: a number, a list of those that may be chosen, or a mapping."""
    if isinstance(data, int | list | tuple) and not isinstance(data, bool):
        return BestOf(wholes(data, path, problems))
    if not isinstance(data, Mapping):
        message = f"a number of attempts or a mapping is wanted here, not {shown(data)}"
        raise WrongField("wrong-form", message, "write best_of: 3, or best_of: {n: [1, 3, 5], judge: {uses: ...}}")
    found = read_fields(data, path, problems, form=BEST_OF)
    return BestOf(found.get("n", ()), _pick(found))


def _debate(data: Any, path: Path, problems: Problems) -> Debate:
    """Return who debates, and how long."""
    mapping(data, path, [], hint="write debate: {participants: 3, rounds: 2}")
    found = read_fields(data, path, problems, form=DEBATE)
    return Debate(found.get("participants", ()), found.get("rounds", ()), _pick(found))


def _optional(data: Any, path: Path, problems: Problems) -> Optional | None:
    """Return that a step may be left out, and what stands in the place of its result then."""
    if isinstance(data, bool):
        return Optional() if data else None
    if not isinstance(data, Mapping):
        raise WrongField("wrong-form", f"true or a mapping is wanted here, not {shown(data)}", "write optional: {default: []}")
    found = read_fields(data, path, problems, form=OPTIONAL)
    done = (int(found["done"]),) if "done" in found else (1, 0)
    return Optional(found.get("default"), done)


def _pick(found: Mapping[str, Any]) -> Pick:
    return Pick(found.get("judge"), found.get("score"), found.get("accuracy"))


def _judging(data: Any, path: Path, problems: Problems) -> Step:
    return read_step(str(path[-1]), data, path, problems)


_PICK: Final = {"judge": ("judge", _judging), "score": ("score", _judging), "accuracy": ("accuracy", number)}
BEST_OF: Final = Form("`best_of`", {"n": ("n", wholes), **_PICK})
DEBATE: Final = Form("`debate`", {"participants": ("participants", wholes), "rounds": ("rounds", wholes), **_PICK})
OPTIONAL: Final = Form("`optional`", {"default": ("default", json_data), "done": ("done", flag)})
STEP: Final = Form(
    A_STEP,
    {
        "uses": ("uses", text),
        "call": ("call", text),
        "does": ("does", text),
        "workflow": ("workflow", _workflow),
        "steps": ("steps", steps),
        "outputs": ("outputs", outputs),
        "approve": ("approve", approve),
        "wait": ("wait", wait),
        "with": ("with_", exprs),
        "for_each": ("for_each", loops),
        "max_parallel": ("max_parallel", whole),
        "repeat": ("repeat", repeat),
        "best_of": ("best_of", _best_of),
        "debate": ("debate", _debate),
        "optional": ("optional", _optional),
        "need": ("need", need),
        "when": ("when", condition),
        "after": ("after", after),
        "retry": ("retry", retry),
        "timeout": ("timeout", seconds),
        "on_error": ("on_error", on_error),
        "cache": ("cache", cache),
        "effect": ("effect", choice(Effect)),
        "executor": ("executor", text),
        "prefer": ("prefer", prefer),
        "knobs": ("knobs", exprs),
        "description": ("description", text),
    },
)
