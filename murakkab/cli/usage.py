"""driver: the group of all commands. A command line that cannot be understood is one JSON document for who asks for JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.core import TyperGroup

from murakkab.cli.report import error_json
from murakkab.cli.streams import results
from murakkab.cli.visible import json_text
from murakkab.errors import InputError

#: What is raised for words that no command takes: newer versions of the library have it at another place than older ones.
_UsageError: Final[Any] = typer.BadParameter.__bases__[0]
_WORDS: Final = "murakkab.words"


class Commands(TyperGroup):
    """Every command, by name."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return what the words before the name of the command mean. Raises `typer.Exit` where that was told as JSON."""
        words = tuple(args)
        with _told(words):
            made = super().make_context(info_name, args, parent, **extra)
        made.meta[_WORDS] = words
        return made

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is named. Raises `typer.Exit` where the words behind it were told, as JSON, to be wrong."""
        with _told(ctx.meta.get(_WORDS, ())):
            return super().invoke(ctx)


@contextmanager
def _told(words: tuple[str, ...]) -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        if "--json" not in words:
            raise
        path = error.ctx.command_path if error.ctx is not None else "murakkab"
        wrong = InputError(error.format_message(), hint=f"{path} --help tells what it takes")
        stream = results()
        stream.write(json_text(error_json(wrong), stream.encoding))
        raise typer.Exit(InputError.exit_status) from None
