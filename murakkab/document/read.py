"""policy: JSON data -> Workflow, with every mistake by its path. Reads on after a mistake, so that all are found at once."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from murakkab.diagnostics import did_you_mean
from murakkab.document.fields import (
    Problems,
    Reader,
    WrongField,
    choice,
    joules,
    json_data,
    mapping,
    names,
    number,
    seconds,
    shown,
    text,
    tokens,
    usd,
)
from murakkab.document.forms import KEYS, THE_WORKFLOW, Form, read_fields, unknown_field
from murakkab.document.read_step import steps
from murakkab.document.read_values import inputs, outputs
from murakkab.errors import Diagnostic, Path
from murakkab.spec import TIERS, Goal, QualityRule, Workflow, limited

#: How deep workflows may be defined inside of workflows.
MAX_NESTED: Final = 20
#: What a profile cannot change.
FIXED: Final = ("workflow", "profiles")


class Read(NamedTuple):
    """What was read: the workflow, without what is wrong, and every mistake. No workflow where the data is no mapping."""

    workflow: Workflow | None
    diagnostics: list[Diagnostic]


def from_document(data: Any) -> Read:
    """Return the workflow that *data* (of `to_document`, YAML or JSON) declares, and what is wrong about its form.

    Names, types and references are the business of `planner.check`; files, defaults and the choice of a profile that of `load`. A
    definition that has been read already stands for itself.
    """
    return _read(data, depth=0)


def _read(data: Any, *, depth: int) -> Read:
    problems: Problems = []
    form = Form(THE_WORKFLOW, {**WORKFLOW.fields, "workflows": ("workflows", partial(_definitions, depth=depth + 1))})
    try:
        found = read_fields(data, (), problems, form=form)
    except WrongField as wrong:
        hint = "a workflow begins with `workflow: its-name`"
        return Read(None, [Diagnostic(wrong.code, wrong.message, hint)])
    if not found.get("name") and not any(p.path == ("workflow",) for p in problems):
        problems.append(Diagnostic("missing-field", "the workflow has no name", "begin with `workflow: its-name`"))
    return Read(Workflow(**{"name": "", **found}), problems)


def _definitions(data: Any, path: Path, problems: Problems, *, depth: int) -> dict[str, Workflow]:
    if depth > MAX_NESTED:
        raise WrongField("too-deep", f"workflows are defined more than {MAX_NESTED} deep inside of each other")
    found: dict[str, Workflow] = {}
    for name, value in mapping(data, path, problems).items():
        if isinstance(value, Workflow):
            found[name] = value
            continue
        if not isinstance(value, Mapping):
            hint = "only a file can name files; put the whole definition here"
            hint = hint if isinstance(value, str) else "write name: {steps: ...}, or in a file name: ./file.yaml"
            problems.append(Diagnostic("wrong-form", f"a definition is wanted here, not {shown(value)}", hint, (*path, name)))
            continue
        inner = _read({"workflow": name, **value}, depth=depth)
        problems += (replace(d, path=(*path, name, *d.path)) for d in inner.diagnostics)
        if inner.workflow is not None:
            found[name] = inner.workflow
    return found


def limit_from(name: str, value: Any) -> tuple[Goal, tuple[Diagnostic, ...]]:
    """Return a goal with this limit alone, read as in a document, and what is wrong with it."""
    read = from_document({"workflow": "limit", "steps": {}, "goal": {"limits": {name: value}}})
    flaws = tuple(one for one in read.diagnostics if one.path[:1] == ("goal",))
    return (read.workflow.goal if read.workflow is not None else Goal()), flaws


def _goal(data: Any, path: Path, problems: Problems) -> Goal:
    fields = read_fields(data, path, problems, form=GOAL)
    limits = fields.pop("limits", {})
    return limited(Goal(**fields), limits)


def _limits(data: Any, path: Path, problems: Problems) -> dict[str, float | str]:
    return read_fields(data, path, problems, form=LIMITS)


def _quality(data: Any, path: Path, problems: Problems) -> str:
    if isinstance(data, int | float) and not isinstance(data, bool):
        raise WrongField(
            "wrong-form", f"how the quality of steps is put together stands here, not {shown(data)}", "write limits: {quality: 0.8}"
        )
    return choice(QualityRule)(data, path, problems).value


_TIER_HINT: Final = f"write an amount, or one of {', '.join(TIERS)}"


def _or_tier(read_number: Reader) -> Reader:
    """Return the reader of a limit: what *read_number* reads, or the name of a tier."""

    def read_limit(data: Any, path: Path, problems: Problems) -> float | str:
        if not isinstance(data, str) or not data.strip().isalpha():
            return read_number(data, path, problems)  # type: ignore[no-any-return]
        if data in TIERS:
            return data
        raise WrongField("bad-quantity", f"{data[:60]!r} is neither an amount nor a tier", did_you_mean(data, TIERS) or _TIER_HINT)

    return read_limit


def _budget(data: Any, path: Path, problems: Problems) -> dict[str, float]:
    return read_fields(data, path, problems, form=BUDGET)


def _secrets(data: Any, path: Path, problems: Problems) -> dict[str, str]:
    """Return where each secret is kept. What is written is not repeated in messages: it may be the secret itself."""
    found: dict[str, str] = {}
    for name, value in mapping(data, path, problems).items():
        found[name] = value if isinstance(value, str) else ""
        if not isinstance(value, str):
            hint = "write env:NAME, for a variable of the environment, or file:PATH"
            problems.append(Diagnostic("bad-secret", f"the secret {name!r} does not say where it is kept", hint, (*path, name)))
    return found


def _defaults(_data: Any, _path: Path, _problems: Problems) -> Any:
    raise WrongField("misplaced", "only a file has defaults", "write them into the steps")


def _profiles(data: Any, path: Path, problems: Problems) -> dict[str, dict[str, Any]]:
    """Return the profiles as they are written; what they say is read when one is chosen."""
    known = tuple(key for key in KEYS[THE_WORKFLOW] if key not in FIXED)
    found: dict[str, dict[str, Any]] = {}
    for name, value in mapping(data, path, problems).items():
        at = (*path, name)
        try:
            profile = mapping(value, at, problems)
            problems += (unknown_field(key, at, what="a profile", known=known) for key in profile if key not in known)
            found[name] = {key: json_data(part, (*at, key), problems) for key, part in profile.items() if key in known}
        except WrongField as wrong:
            problems.append(wrong.at(at))
    return found


WORKFLOW: Final = Form(
    THE_WORKFLOW,
    {
        "workflow": ("name", text),
        "description": ("description", text),
        "version": ("version", text),
        "inputs": ("inputs", inputs),
        "steps": ("steps", steps),
        "outputs": ("outputs", outputs),
        "finally": ("finally_", steps),
        "goal": ("goal", _goal),
        "timeout": ("timeout", seconds),
        "budget": ("budget", _budget),
        "secrets": ("secrets", _secrets),
        "workflows": ("workflows", partial(_definitions, depth=1)),
        "defaults": ("defaults", _defaults),
        "profiles": ("profiles", _profiles),
    },
)
GOAL: Final = Form("`goal`", {"minimize": ("minimize", names), "limits": ("limits", _limits), "quality": ("quality", _quality)})
LIMITS: Final = Form(
    "`goal.limits`",
    {
        "latency": ("latency", _or_tier(seconds)),
        "latency_p90": ("latency_p90", seconds),
        "cost": ("cost", _or_tier(usd)),
        "energy": ("energy", _or_tier(joules)),
        "quality": ("quality", _or_tier(number)),
    },
)
BUDGET: Final = Form(
    "`budget`",
    {
        "cost": ("cost", usd),
        "energy": ("energy", joules),
        "tokens": ("tokens", tokens),
        "time": ("time", seconds),
    },
)
