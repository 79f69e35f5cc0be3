"""policy: what a job waits for, and how a command line answers it."""

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from murakkab.runtime.state import JobState
from murakkab.spec import Input
from murakkab.types import Type


class Question(NamedTuple):
    """What one task asks of a person."""

    task: str
    message: str
    form: Mapping[str, Input]


def questions_of(state: JobState) -> list[Question]:
    """Return what people are asked, the oldest question first."""
    found: list[Question] = []
    for task, gate in state.asking.items():
        approve = state.tasks[task].step.node.approve
        if gate.kind == "person" and approve is not None:
            found.append(Question(task, gate.message, approve.form))
    return found


def events_of(state: JobState) -> dict[str, tuple[str, Type]]:
    """Return the events that are waited for, and their types, by task."""
    found: dict[str, tuple[str, Type]] = {}
    for task, gate in state.asking.items():
        wait = state.tasks[task].step.node.wait
        if gate.kind == "event" and wait is not None:
            found[task] = gate.event, wait.type
    return found


def replies_of(job: str, state: JobState) -> dict[str, str]:
    """Return the words of the command that answers each task that waits."""
    replies: dict[str, str] = {}
    questions = questions_of(state)
    for asked in questions:
        fields = "".join(
            f" --set {name}={example_of(one.type)}" for name, one in asked.form.items() if one.required and one.type.kind != "optional"
        )
        task = f" {shlex.quote(asked.task)}" if len(questions) > 1 else ""
        replies[asked.task] = f"approve {job}{task}{fields}"
    for task, (event, of) in events_of(state).items():
        value = "" if of.kind in ("null", "any", "optional") else f" --value {json_example_of(of)}"
        replies[task] = f"send {job} {shlex.quote(event)}{value}"
    return replies


def example_of(want: Type) -> str:
    """Return a value as one would type it."""
    plain = want.item if want.kind == "optional" and want.item else want
    if plain.kind == "list" and plain.item:
        one = example_of(plain.item)
        return one if one.startswith("'") else f"{one},{one}"
    examples = {"int": "3", "float": "0.5", "bool": "true", "file": "PATH", "null": "null", "record": "'{...}'", "map": "'{...}'"}
    return examples.get(plain.kind, "TEXT")


def json_example_of(want: Type) -> str:
    """Return a value in JSON as one would type it."""
    examples: dict[str, Any] = {"int": "3", "float": "0.5", "bool": "true", "str": "'\"TEXT\"'", "list": "'[...]'"}
    return str(examples.get(want.kind, "'{...}'"))


def question_json(asked: Question) -> dict[str, Any]:
    """Return a question as plain data."""
    return {"task": asked.task, "message": asked.message, "form": {name: _field(one) for name, one in asked.form.items()}}


def _field(one: Input) -> dict[str, Any]:
    return {
        "type": str(one.type),
        "required": one.required,
        "default": None if one.required else one.default,
        "description": one.description,
    }
