"""policy: the head of a workflow in Python source - decorator, parameters, result, docstring."""

import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise

from murakkab.references import NAME
from murakkab.source.annotations import annotation, input_data
from murakkab.source.layout import WIDTH, Brackets, Code, Text, called, given, joined, laid_out, mapping, quoted, several
from murakkab.source.names import Imports, is_name
from murakkab.source.parts import are_keys_usual
from murakkab.source.step_options import number
from murakkab.source.steps import Part
from murakkab.source.values import raw
from murakkab.spec import Goal, QualityRule, Workflow


def parameters_of(workflow: Workflow) -> tuple[str, ...]:
    """Return the inputs that are parameters: all before the first that Python cannot name."""
    names = list(workflow.inputs)
    return tuple(names[: next((i for i, name in enumerate(names) if not is_name(name)), len(names))])


def secret_of(name: str, place: str) -> tuple[str, str] | None:
    """Return where the secret is, as an argument of `secret(...)`, None where that has no word for it."""
    kind, colon, where = place.partition(":")
    return (kind, where) if kind in ("env", "file") and colon and where and NAME.fullmatch(name) else None


def head_text(workflow: Workflow, name: str, imports: Imports, *, result: Code, parts: Mapping[str, Part]) -> str:
    """Return the lines of the decorator and the `def`."""
    options = _options(workflow, name, imports, parts)
    decorator = imports["workflow"]
    first = laid_out(called(f"@{decorator}", *options)) if options else f"@{decorator}"
    parameters = parameters_of(workflow)
    items: list[Code] = [_parameter(workflow, one, imports) for one in parameters]
    needs = [workflow.inputs[one].required for one in parameters]
    if any(later and not earlier for earlier, later in pairwise(needs)):
        items.insert(0, "*")
    return f"{first}\n{laid_out(joined(f'def {name}', Brackets('(', tuple(items), ')'), ' -> ', result, ':'))}\n"


def _parameter(workflow: Workflow, name: str, imports: Imports) -> Code:
    declared = workflow.inputs[name]
    said = joined(f"{name}: ", annotation(declared.type, imports, description=declared.description))
    return said if declared.required else joined(said, " = ", raw(declared.default, imports))


def _options(workflow: Workflow, name: str, imports: Imports, parts: Mapping[str, Part]) -> tuple[Code, ...]:
    """Return what `@workflow(...)` has to say beside the function."""
    found: dict[str, Code] = {}
    if name.replace("_", "-") != workflow.name:
        found["name"] = Text(workflow.name)
    if workflow.description and not docstring(workflow):
        found["description"] = Text(workflow.description)
    if workflow.version:
        found["version"] = quoted(workflow.version)
    if workflow.goal != Goal():
        found["goal"] = _goal(workflow.goal, imports)
    if workflow.timeout is not None:
        found["timeout"] = number(workflow.timeout)
    if workflow.budget:
        found["budget"] = mapping({one: number(most) for one, most in workflow.budget.items()})
    further = list(workflow.inputs)[len(parameters_of(workflow)) :]
    if further:
        found["inputs"] = mapping({one: input_data(workflow.inputs[one], imports) for one in further})
    return tuple(given(option, code) for option, code in (found | _closed_options(workflow, imports, parts)).items())


def _closed_options(workflow: Workflow, imports: Imports, parts: Mapping[str, Part]) -> dict[str, Code]:
    """Return what is said of secrets, other workflows and profiles."""
    found: dict[str, Code] = {}
    if not all(secret_of(*one) for one in workflow.secrets.items()):
        found["secrets"] = mapping({one: Text(place) for one, place in workflow.secrets.items()})
    if not are_keys_usual(workflow):
        found["workflows"] = mapping({key: part.name for key, part in parts.items()})
    if workflow.profiles:
        found["profiles"] = mapping({one: raw(dict(document), imports) for one, document in workflow.profiles.items()})
    return found


def _goal(goal: Goal, imports: Imports) -> Code:
    parts: list[Code] = [several(tuple(quoted(one) for one in goal.minimize))] if goal.minimize else []
    if goal.limits:
        limits = mapping({one: number(most) for one, most in goal.limits.items()})
        parts.append(limits if parts else given("limits", limits))
    if goal.quality != QualityRule.MEAN:
        parts.append(given("quality", quoted(goal.quality)))
    if goal.tiers:
        parts.append(given("tiers", mapping({one: quoted(tier) for one, tier in goal.tiers.items()})))
    return called(imports["Goal"], *parts)


def docstring(workflow: Workflow) -> str:
    """Return the lines of a docstring that says the description, "" where none says it exactly."""
    text = workflow.description
    if not text or not text.isprintable() or "\\" in text or '"""' in text or text.endswith('"'):
        return ""
    lines = textwrap.wrap(text, WIDTH - 10, break_long_words=False, break_on_hyphens=False)
    found = '"""' + "\n    ".join(lines) + ('"""' if len(lines) == 1 else '\n    """')
    said = inspect.cleandoc(found[3:-3])
    return f"    {found}\n" if " ".join(said.split("\n\n")[0].split()) == text else ""
