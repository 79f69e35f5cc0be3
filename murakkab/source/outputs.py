"""policy: what a workflow or a block gives out, as Python source."""

from murakkab.source.layout import Code, Text, called, given
from murakkab.source.values import Scene, typed_value
from murakkab.spec import Output
from murakkab.types import ANY, type_text


def output_code(output: Output, scene: Scene) -> Code:
    """Return the source of *output*: the bare value where that says it all."""
    code, known = typed_value(output.value, scene)
    if output == Output(output.value, known):
        return code
    parts: list[Code] = [code]
    if output.type != ANY:
        parts.append(Text(type_text(output.type)))
    if output.optional:
        parts.append("optional=True")
    if output.description:
        parts.append(given("description", Text(output.description)))
    return called(scene.imports["output"], *parts)


def is_said_by_value(output: Output, scene: Scene) -> bool:
    """Return whether a function that returns the value says all of *output*, its type being the annotation."""
    if output.description or output.value is None or isinstance(output.value, dict):
        return False
    if output.type == ANY:
        return typed_value(output.value, scene)[1] == ANY and not output.optional
    return output.optional == (output.type.kind in ("optional", "null"))
