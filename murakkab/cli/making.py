"""driver: writes a workflow to begin with."""

import re
import shlex
from pathlib import Path
from typing import Final

from murakkab.cli.printing import answer, tell, write_to
from murakkab.cli.templates import STARTERS, Starter
from murakkab.cli.visible import json_text
from murakkab.diagnostics import did_you_mean
from murakkab.document import json_schema
from murakkab.errors import ConflictError, InputError

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_SCHEMA: Final = "workflow.schema.json"


def new(name: str, template: str, *, as_json: bool) -> None:
    """Write NAME.yaml and its steps. Raises `ConflictError` when one of them is there, and `InputError`."""
    folder, stem = Path(name).parent, Path(name).name.removesuffix(".yaml")
    starter = STARTERS.get(template)
    if starter is None:
        raise InputError(f"there is no template {template!r}", hint=did_you_mean(template, STARTERS, others="there are"))
    if not _NAME.fullmatch(stem):
        raise InputError(f"{stem!r} cannot be the name of a workflow", hint="letters a-z or A-Z, digits, - and _, beginning with a letter")
    file, steps = folder / f"{stem}.yaml", folder / f"{stem.replace('-', '_')}_steps.py"
    for path in (file, steps):
        if path.exists():
            raise ConflictError(f"there is a file {str(path)!r} already", hint="nothing was written; choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    write_to(steps, f'"""The steps of {file.name}."""\n\n{starter.steps}', is_new=True)
    write_to(file, _text(stem, steps.stem, starter, file), is_new=True)
    schema = folder / _SCHEMA
    if not schema.exists():
        write_to(schema, json_text(json_schema()))
    made = [str(path) for path in (file, steps, schema)]
    # Functions are found in the folder that one works in.
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    command = f"{there}murakkab run {file.name} {starter.words}".rstrip()
    if as_json:
        answer({"files": made, "run": command}, plain=True)
    else:
        tell(f"{file}: {starter.about}", f"  try it with: {command}", f"  look at it:  {there}murakkab graph {file.name}")


def _text(name: str, steps: str, starter: Starter, file: Path) -> str:
    """Return the text of the workflow."""
    head = [
        f"# yaml-language-server: $schema={_SCHEMA}",
        f"# {name}: {starter.about}.",
        "#",
        f"#   murakkab validate {file.name}",
        f"#   murakkab run {file.name} {starter.words}".rstrip(),
        f"#   murakkab graph {file.name}",
        f"workflow: {name}",
        f"description: {starter.about[0].upper()}{starter.about[1:]}.",
        "",
    ]
    return "\n".join(head) + "\n" + starter.workflow.format(name=name, steps=steps)
