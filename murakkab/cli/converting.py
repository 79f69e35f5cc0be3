"""driver: writes a workflow file in another form."""

import re
from pathlib import Path
from typing import Final

from murakkab import app
from murakkab.cli.printing import answer, write_to
from murakkab.cli.visible import json_text
from murakkab.diagnostics import did_you_mean
from murakkab.document import to_document
from murakkab.errors import InputError
from murakkab.running import yaml_of
from murakkab.source import to_python
from murakkab.spec import Workflow

_FORMS: Final = ("yaml", "json", "python")


def convert(file: Path, to: str, output: Path | None, *, profile: str, as_json: bool) -> None:
    """Write a workflow file in another form."""
    if to not in _FORMS:
        raise InputError(f"nothing is written as {to!r}", hint=did_you_mean(to, _FORMS, others="there are"))
    text = _text_of(app.load_file(file, profile=profile).graph.workflow, to)
    if as_json:
        answer({"file": str(file), "form": to, "text": text}, plain=True)
    else:
        write_to(output, text)


def _text_of(workflow: Workflow, form: str) -> str:
    if form == "python":
        return _runnable(to_python(workflow))
    return yaml_of(workflow) if form == "yaml" else json_text(to_document(workflow))


def _runnable(text: str) -> str:
    """Return a module with what makes it run by itself, but where the names that this takes are taken."""
    names = _FUNCTIONS.findall(text)
    if not names or {"inputs", "json", "sys"} & set(names):
        return text
    return f"{text}\n\n{_MAIN.format(name=names[-1])}"


_FUNCTIONS: Final = re.compile(r"^(?:async )?def (\w+)\(", re.MULTILINE)
_MAIN: Final = """\
if __name__ == "__main__":
    import json
    import sys

    # The inputs are one JSON object, the first argument.
    inputs = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {{}}
    print(json.dumps({name}.run_job(**inputs).raise_for_status().outputs, indent=2, ensure_ascii=False))
"""
