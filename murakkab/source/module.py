"""policy: `to_python` - a workflow, and those that it uses, as the functions of a Python module."""

from murakkab.outputs import ONE_VALUE
from murakkab.source.annotations import annotation
from murakkab.source.head import docstring, head_text, parameters_of, secret_of
from murakkab.source.layout import Code, called, given, joined, mapping, quoted
from murakkab.source.names import TAKEN, Imports, Level, Variable, free
from murakkab.source.outputs import is_said_by_value, output_code
from murakkab.source.parts import known_parts, with_parts
from murakkab.source.statements import Statement, With
from murakkab.source.steps import Function, Part, statements
from murakkab.source.values import Scene, value
from murakkab.spec import Workflow
from murakkab.types import STR


def to_python(workflow: Workflow) -> str:
    """Return the text of a Python module that declares exactly *workflow*, as the last of its functions.

    Functions and capabilities are used by their names. Raises `SpecError` for a step without work, or with several kinds of it.
    """
    used = list(with_parts(workflow))
    inputs = {name for one in used for name in one.inputs}
    imports = Imports(inputs)
    parts: list[Part] = []
    texts: list[str] = []
    for one in used:
        if all(part.workflow != one for part in parts):
            name = free(one.name.replace("-", "_"), {*TAKEN, *inputs, *(part.name for part in parts)})
            part, text = _function(one, name, imports, parts)
            parts.append(part)
            texts.append(text)
    return "\n\n".join([imports.text(), *texts])


def _function(workflow: Workflow, name: str, imports: Imports, parts: list[Part]) -> tuple[Part, str]:
    parameters = parameters_of(workflow)
    known = known_parts(workflow, parts)
    function = Function({*TAKEN, *workflow.inputs, *(part.name for part in parts), name}, known)
    scene = Scene(
        imports,
        Level(frozenset(workflow.steps)),
        {one: Variable(one, workflow.inputs[one].type, (one,)) for one in parameters},
        _secrets(workflow, function),
    )
    body = [*_secret_statements(workflow, scene), *statements(workflow.steps, scene, function), *_ending(workflow, scene, function)]
    returns_value = list(workflow.outputs) == [ONE_VALUE] and is_said_by_value(workflow.outputs[ONE_VALUE], scene)
    body += _return(workflow, scene, returns_value=returns_value)
    head = head_text(workflow, name, imports, result=_result(workflow, imports, returns_value=returns_value), parts=known)
    said = docstring(workflow)
    lines = "".join(one.text(4) for one in body) or ("" if said else "    pass\n")
    required = frozenset(one for one in parameters if workflow.inputs[one].required)
    order = parameters if len(parameters) == len(workflow.inputs) else None
    return Part(name, workflow, order, required, returns_value), head + said + lines


def _secrets(workflow: Workflow, function: Function) -> dict[str, Variable]:
    if not all(secret_of(*one) for one in workflow.secrets.items()):
        return {}
    found = {name: function.variable(name) for name in workflow.secrets}
    for name, variable in found.items():
        variable.type, variable.path = STR, (name,)
    return found


def _secret_statements(workflow: Workflow, scene: Scene) -> list[Statement]:
    found: list[Statement] = []
    for name, variable in scene.secrets.items():
        kind, where = secret_of(name, workflow.secrets[name]) or ("", "")
        found.append(Statement(called(scene.imports["secret"], quoted(name), given(kind, quoted(where))), variable))
    return found


def _ending(workflow: Workflow, scene: Scene, function: Function) -> list[With]:
    if not workflow.finally_:
        return []
    level = Level(frozenset(workflow.finally_), scene.level)
    ending = Scene(scene.imports, level, scene.inputs, scene.secrets)
    return [With(called(scene.imports["finally_"]), statements(workflow.finally_, ending, function))]


def _return(workflow: Workflow, scene: Scene, *, returns_value: bool) -> list[Statement]:
    if not workflow.outputs:
        return []
    if returns_value:
        return [Statement(joined("return ", value(workflow.outputs[ONE_VALUE].value, scene)))]
    return [Statement(joined("return ", mapping({name: output_code(one, scene) for name, one in workflow.outputs.items()})))]


def _result(workflow: Workflow, imports: Imports, *, returns_value: bool) -> Code:
    if returns_value:
        return annotation(workflow.outputs[ONE_VALUE].type, imports)
    return f"dict[str, {imports['Any']}]" if workflow.outputs else "None"
