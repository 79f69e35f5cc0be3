"""driver: where output goes. Results to standard output, as JSON data; progress, tables and remarks to standard error."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.highlighter import JSONHighlighter
from rich.segment import Segment

from murakkab.cli.streams import results
from murakkab.cli.visible import json_text, visible
from murakkab.errors import ConflictError, InputError

#: How wide a table may be where there is no terminal to ask.
_PAGE: Final = 132


class _Screen(Console):
    """A console on which no text from outside does anything but be read."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of *renderable*: what rich itself says to the terminal as it is, and text as it can be seen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control or segment.text.isprintable() else Segment(visible(segment.text), segment.style)


def console_of(*, stderr: bool = False) -> Console:
    """Return a console on standard error, or on what results are written to. Its width is that of its terminal; else COLUMNS, or 132."""
    stream = sys.stderr if stderr else results()
    return _Screen(file=stream, width=_width_of(stream))


def _width_of(stream: TextIO) -> int:
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _PAGE
    except (OSError, ValueError, AttributeError):
        return _PAGE


def write_to(file: Path | None, text: str, *, is_new: bool = False) -> None:
    """Write *text* to a file, or without one to standard output. Raises `InputError`, `ConflictError` for one that is there."""
    if file is None:
        results().write(text)
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
        sys.stderr.write(f"{visible(line)}\n")


def answer(data: Any, *, plain: bool) -> None:
    """Print JSON data as a result, in colour where people read it."""
    stream = results()
    if plain or not stream.isatty():
        stream.write(json_text(data, stream.encoding))
    else:
        console_of().print(JSONHighlighter()(json_text(data, stream.encoding).rstrip()), soft_wrap=True)
