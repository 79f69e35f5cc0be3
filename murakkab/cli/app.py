"""driver: the command line as a whole: every command at its root, and how the process begins and ends."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from murakkab.cli.entry import looking, profiling, running, writing
from murakkab.cli.root import app, load
from murakkab.cli.streams import open_missing

__all__ = ["app", "looking", "main", "profiling", "running", "writing"]

#: Set by the scripts of `murakkab completion` where a shell wants to know how a word may go on.
_COMPLETE = "_MURAKKAB_COMPLETE"


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the form that typer calls
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"murakkab {version('murakkab')}\n")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")] = False,  # noqa: FBT002
) -> None:
    """Say what an AI workflow does and what matters; Murakkab decides how it runs.

    Begin with: murakkab new hello, then murakkab run hello.yaml. Every command has --help with examples.
    """


def main() -> None:
    """Run the command line and end the process."""
    open_missing()
    # Functions of `call` steps may lie in the folder one works in.
    sys.path.append(str(Path.cwd()))
    if _COMPLETE in os.environ:
        load("completing").answer_shells()
    try:
        app(prog_name="murakkab")
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            # Work that was abandoned (a timeout, a second Ctrl-C) cannot be stopped in its thread; nobody waits for it.
            os._exit(end.code if isinstance(end.code, int) else 0)
        raise
