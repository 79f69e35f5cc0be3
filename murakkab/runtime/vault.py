"""driver: where secrets are kept - in the environment, or in files. What is kept there is told to nobody but the attempt that needs it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from murakkab.errors import InputError
from murakkab.runtime.secrets import SHORTEST
from murakkab.spec import Workflow

_LONGEST: Final = 1_048_576


def read_secret(source: str) -> str:
    """Return what is kept at *source*, `env:NAME` or `file:PATH` (without the line's end). Raises `InputError` when nothing is."""
    kind, _, where = source.partition(":")
    read = _READERS.get(kind)
    if read is None or not where:
        raise InputError(f"{source!r} is no place for a secret", hint="write env:NAME or file:PATH")
    return read(where)


def _from_environment(name: str) -> str:
    text = os.environ.get(name, "")
    if not text:
        raise InputError(f"the environment variable {name} is {'empty' if name in os.environ else 'not set'}", hint=f"export {name}=...")
    return text


def _from_file(name: str) -> str:
    text, wrong = "", ""
    try:
        text, wrong = _content_of(Path(name).expanduser())
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        wrong = "is not text in UTF-8"
    if wrong or not text:
        raise InputError(f"the file {name} {wrong or 'is empty'}", hint="it holds a secret of the workflow")
    return text


def _content_of(path: Path) -> tuple[str, str]:
    """Return the text of a file, or what is wrong with that: a pipe or a device may never end."""
    if path.exists() and not path.is_file():
        return "", "is no file"
    with path.open("rb") as file:
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        return "", f"is longer than {_LONGEST} bytes"
    return content.decode().removesuffix("\n").removesuffix("\r"), ""


_READERS: Final[dict[str, Callable[[str], str]]] = {"env": _from_environment, "file": _from_file}


def missing_secrets(workflow: Workflow) -> list[str]:
    """Return why secrets that a workflow or its sub-workflows declare cannot be had, a line for each; none when all are there."""
    return list(dict.fromkeys(f"the secret {name!r} is missing: {error}" for name, _, error in _looked_up(workflow) if error))


def short_secrets(workflow: Workflow) -> list[str]:
    """Return a line for each secret that is too short to be taken out of results and messages."""
    lines = (
        f"the secret {name!r} has {length} character{'' if length == 1 else 's'}: too short to be masked where it turns up in results, "
        f"messages and the journal (from {SHORTEST} on it is)"
        for name, length, error in _looked_up(workflow)
        if not error and length < SHORTEST
    )
    return list(dict.fromkeys(lines))


def _looked_up(workflow: Workflow) -> Iterator[tuple[str, int, str]]:
    """Yield the name of each secret, its length, and why it cannot be had."""
    for name, source in workflow.secrets.items():
        try:
            yield name, len(read_secret(source)), ""
        except InputError as error:
            yield name, 0, str(error)
    for inner in workflow.workflows.values():
        yield from _looked_up(inner)
