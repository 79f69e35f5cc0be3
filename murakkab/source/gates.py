"""policy: questions to people, and waiting, as Python source."""

from murakkab.errors import Diagnostic, SpecError
from murakkab.source.annotations import input_data
from murakkab.source.layout import Code, Text, called, given, mapping
from murakkab.source.values import Scene, filled_in, text_with_holes, value
from murakkab.spec import Approve, Input, Step, Wait
from murakkab.types import ANY, BOOL, STR, Field, Type, type_text


def approve_code(approve: Approve, scene: Scene, options: tuple[Code, ...]) -> Code:
    """Return the source of a question with its form."""
    text = text_with_holes(approve.message)
    asked = (value(approve.message, scene),) if text is None else filled_in(text, scene)
    form = {name: _asked_for(one, scene) for name, one in approve.form.items()}
    return called(scene.imports["approve"], *asked, *((given("form", mapping(form)),) if form else ()), *options)


def _asked_for(one: Input, scene: Scene) -> Code:
    return Text(type_text(one.type)) if one == Input(one.type) else input_data(one, scene.imports)


def answer_type(approve: Approve) -> Type:
    """Return the type of the answer."""
    asked = (Field(name, one.type) for name, one in approve.form.items())
    return Type("record", fields=(Field("approved", BOOL), Field("by", STR), *asked))


def wait_code(step: Step, wait: Wait, scene: Scene, options: tuple[Code, ...]) -> Code:
    """Return the source of waiting for one thing. Raises `SpecError` where it is none, or several."""
    if sum(one is not None for one in (wait.seconds, wait.until, wait.event)) != 1:
        path = ("steps", step.name, "wait")
        raise SpecError([Diagnostic("no-work", f"what the step {step.name!r} waits for cannot be written", "it waits for one thing", path)])
    if wait.event is None:
        awaited = value(wait.seconds, scene) if wait.until is None else given("until", value(wait.until, scene))
        return called(scene.imports["wait"], awaited, *options)
    kind = () if wait.type == ANY else (given("type", Text(type_text(wait.type))),)
    return called(scene.imports["wait_for"], value(wait.event, scene), *kind, *options)
