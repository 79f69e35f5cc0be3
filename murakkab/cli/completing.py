"""driver: completion in shells - the script that asks for it, and the answers, which the command line gives by itself."""

from importlib import import_module
from typing import Any, Final

from murakkab.cli.printing import answer
from murakkab.cli.streams import results
from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError

#: What a command line is completed with; the library shows it to its own options only.
_LIBRARY: Final[Any] = import_module("typer.completion")
_SHELLS: Final = ("bash", "zsh", "fish")


def completion(shell: str, *, as_json: bool) -> None:
    """Print the script for *shell*. Raises `InputError`."""
    if shell not in _SHELLS:
        raise InputError(f"there is no completion for {shell!r}", hint=did_you_mean(shell, _SHELLS, others="there is"))
    script = _LIBRARY.get_completion_script(prog_name="murakkab", complete_var="_MURAKKAB_COMPLETE", shell=shell)
    if as_json:
        answer({"shell": shell, "script": script}, plain=True)
    else:
        results().write(script + "\n")


def answer_shells() -> None:
    """Let the command line understand the questions of the scripts."""
    _LIBRARY.completion_init()
