"""policy: parts of a workflow that are written down with `with`: under a condition, as a block of steps, at the very end."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack, cast

from murakkab.options import BlockOptions, step_fields
from murakkab.outputs import output_of
from murakkab.placeholders import Formula, Placeholder, condition_text, mistake
from murakkab.recording import writing
from murakkab.references import NAME
from murakkab.scopes import ANYWHERE, WRITING, Scope
from murakkab.spec import Block, Output, Ref
from murakkab.types import ANY, STR, Field, Type, optional


class Group(Placeholder):
    """A block of steps: once it is closed, its value, the record of what it gives out."""

    __slots__ = ("given__", "inside__")

    def __init__(self, name: str) -> None:
        super().__init__(Ref(name), ANY)
        self.given__: dict[str, Output] = {}
        self.inside__: Scope | None = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return an output of the block."""

        def __iter__(self) -> Iterator[Any]:
            """With `for_each` it is a list: what `each(group, ...)` goes over."""
            ...

    def outputs(self, /, **values: object) -> None:
        """Give *values* out: what a block is to the steps around it."""
        if WRITING.get() is not self.inside__:
            raise mistake("outside-workflow", "the outputs of a block are given from elsewhere", "write group.outputs(...) at its end")
        if bad := next((name for name in values if not NAME.fullmatch(name)), ""):
            raise mistake("bad-name", f"{bad!r} is no name for an output", "letters a-z or A-Z, digits, _ and -, the first a letter or _")
        self.given__ |= {name: output_of(value) for name, value in values.items()}


@contextmanager
def when(condition: str | int | Formula, /) -> Iterator[None]:
    """Run the steps of a block if the condition holds, else skip them.

    It is written `with when(page.size > 3):`. Steps that need a value from the block are skipped with it;
    `first(a, b)` takes the branch that ran.
    """
    with writing("when(...)", instead="outside, use a plain if").under(condition_text(condition)):
        yield


@contextmanager
def block(**options: Unpack[BlockOptions]) -> Iterator[Group]:
    """Make the steps of a block one step: to repeat them together, to time them, to map them, or to need only some of them.

    It is written `with block(name="group", timeout=60) as group:`. The steps see everything around them; what is needed of them outside
    is given out with `group.outputs(x=a)` and is then `group.x`. Without, the block gives the results that none of its steps uses.
    """
    recording = writing("block(...)", instead="outside, just write the steps")
    fields = step_fields(options)
    outer = recording.scope
    name = recording.free_name(fields, "block")
    recording.write(name, {**fields, "block": Block()})
    group = Group(name)
    group.inside__ = scope = Scope(outer, (*outer.path, name, "steps"))
    try:
        with recording.inside(scope):
            yield group
    except BaseException:
        del outer.steps[name]
        raise
    finally:
        group.inside__ = None
    outer.steps[name] = dataclasses.replace(outer.steps[name], block=Block(scope.steps, group.given__))
    group.type__ = recording.value_of(name, _record(group.given__)).type__


def _record(outputs: dict[str, Output]) -> Type:
    """Return the type of a block's value; which steps nobody uses is known when everything is."""
    fields = (Field(name, optional(one.type) if one.optional else one.type) for name, one in outputs.items())
    return Type("record", fields=tuple(fields)) if outputs else ANY


@contextmanager
def finally_() -> Iterator[None]:
    """Write the steps that run when everything else has ended, however it ended. They also see `job.status` and `job.failures`."""
    recording = writing("finally_()", instead="outside, use try and finally")
    if recording.scope is not recording.root or recording.root.conditions:
        raise mistake("misplaced", "finally_() stands inside of a block or a condition", "write it at the end of the workflow")
    with recording.inside(recording.ending):
        yield


def secret(name: str, /, *, env: str = "", file: str = "") -> str:
    """Return the secret *name*, to be handed to steps: it is read from an environment variable or a file just before a step runs.

    Neither the journal nor any message ever shows it.
    """
    recording = writing("secret(...)", instead="outside, read it yourself")
    if bool(env) == bool(file):
        raise mistake("wrong-form", f"where is the secret {name!r}?", 'write env="API_TOKEN" or file="/run/secrets/token"')
    if not NAME.fullmatch(name):
        raise mistake("bad-name", f"{name!r} is no name for a secret", "letters a-z or A-Z, digits, _ and -, the first a letter or _")
    place = f"env:{env}" if env else f"file:{file}"
    if recording.secrets.setdefault(name, place) != place:
        raise mistake("wrong-form", f"the secret {name!r} is in two places", "give the second another name")
    return cast("str", Placeholder(Ref("secrets", (name,)), STR, home=ANYWHERE))
