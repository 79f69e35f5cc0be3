"""driver: where output goes. Results to standard output, as JSON data; progress, tables and remarks to standard error."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from murakkab.errors import ConflictError, InputError

#: How wide a table may be where there is no terminal to ask.
_PAGE: Final = 132


def console_of(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _PAGE)


def write_to(file: Path | None, text: str, *, is_new: bool = False) -> None:
    """Write *text* to a file, or without one to standard output. Raises `InputError`, `ConflictError` for one that is there."""
    if file is None:
        sys.stdout.write(text)
        return
    try:
        with file.open("x" if is_new else "w", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise ConflictError(f"there is a file {str(file)!r} already", hint="nothing was written; choose another name") from None
    except OSError as error:
        raise InputError(f"{str(file)!r} cannot be written: {error.strerror}") from None


def tell(*lines: str) -> None:
    """Write remarks to standard error."""
    for line in lines:
        sys.stderr.write(f"{line}\n")


def answer(data: Any, *, plain: bool) -> None:
    """Print JSON data to standard output, in colour where people read it."""
    if plain or not sys.stdout.isatty():
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        console_of().print_json(data=data)
