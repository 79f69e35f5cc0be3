"""driver: where output goes. Results to standard output, as JSON data; progress, tables and remarks to standard error."""

import json
import sys
from typing import Any, Final

from rich.console import Console

#: How wide a table may be where there is no terminal to ask.
_PAGE: Final = 132


def console_of(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _PAGE)


def answer(data: Any, *, plain: bool) -> None:
    """Print JSON data to standard output, in colour where people read it."""
    if plain or not sys.stdout.isatty():
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        console_of().print_json(data=data)
