"""driver: the commands, their options and their help. What a command does is in `murakkab.cli.commands`, imported when one runs.

So `murakkab --help` loads no event loop, no YAML and no executor. Errors end here: as lines on standard error, or with --json as the
one JSON document on standard output; the exit status is that of `murakkab.errors.EXITS`.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from murakkab.cli.report import error_json, error_lines
from murakkab.errors import MurakkabError

app = typer.Typer(
    name="murakkab",
    help="Say what an AI workflow does and what matters; Murakkab decides how it runs.",
    epilog=(
        "Exit status: 0 done, 1 failed, 2 mistake in file or inputs, 3 no plan, 4 not found, 5 conflict, 6 backend down, 7 held, "
        "130 stopped."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: rich would double the time to show it.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="A workflow file, YAML or JSON.", show_default=False)]
_Job = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job, or how it begins.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
_Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Workflow files.", show_default=False)]
_Journal = Annotated[
    Path,
    typer.Option("--journal", metavar="FOLDER", envvar="MURAKKAB_JOURNAL", help="The folder of jobs, their files and cached results."),
]
_Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", metavar="NAME=VALUE", help="An input. A list is written a,b; @FILE reads JSON from a file.", show_default=False
    ),
]
_Goal = Annotated[
    str | None,
    typer.Option(metavar="MEASURES", help="What to minimize, most important first: latency, energy ...", show_default=False),
]
_HERE = Path(".murakkab")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the form that typer calls
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"murakkab {version('murakkab')}\n")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")] = False,  # noqa: FBT002
) -> None:
    """Say what an AI workflow does and what matters; Murakkab decides how it runs."""


@app.command()
def run(
    file: _File,
    *,
    inputs: _Inputs = None,
    goal: _Goal = None,
    journal: _Journal = _HERE,
    no_journal: Annotated[bool, typer.Option("--no-journal", help="Keep nothing: the job cannot be resumed.")] = False,
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Run a workflow and print its outputs.

    Example: murakkab run workflows/video_understanding.yaml -i videos=a.mp4,b.mp4

    Ctrl-C once lets running tasks finish and leaves the job to be resumed; twice stops at once.
    """
    with _reported(as_json=as_json):
        _commands().run(file, inputs or [], goal, home=journal, durable=not no_journal, style=_style(as_json=as_json, quiet=quiet))


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Workflow files.", show_default=False)], *, as_json: _Json = False
) -> None:
    """Check workflow files: every mistake with its line and column.

    Example: murakkab validate workflows/*.yaml
    """
    with _reported(as_json=as_json):
        raise typer.Exit(_commands().validate(files, as_json=as_json))


@app.command()
def jobs(*, journal: _Journal = _HERE, as_json: _Json = False) -> None:
    """List the jobs of a journal, newest first.

    Example: murakkab jobs
    """
    with _reported(as_json=as_json):
        _commands().jobs(journal, as_json=as_json)


@app.command()
def show(
    job: _Job,
    *,
    task: Annotated[str | None, typer.Option(metavar="ID", help="Tell the story of one task or step.", show_default=False)] = None,
    journal: _Journal = _HERE,
    as_json: _Json = False,
) -> None:
    """Show what a job did: its steps, tasks and bill.

    Example: murakkab show 3f9a --task 'frames[0.2]'
    """
    with _reported(as_json=as_json):
        _commands().show(job, task, home=journal, as_json=as_json)


@app.command()
def resume(
    job: _Job,
    *,
    task: Annotated[str | None, typer.Option(metavar="ID", help="The task in doubt that the verdict is about.", show_default=False)] = None,
    verdict: Annotated[str | None, typer.Option(metavar="done|retry", help="What became of it.", show_default=False)] = None,
    value: Annotated[str | None, typer.Option(metavar="JSON", help="The result of a task that is done.", show_default=False)] = None,
    journal: _Journal = _HERE,
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Go on with a job that was stopped, failed or held.

    What it completed is not run again. The workflow and the inputs are those it began with: a file that was changed since is not read.

    Example: murakkab resume 3f9a

    Example: murakkab resume 3f9a --task send --verdict done --value '{"id": 7}'
    """
    with _reported(as_json=as_json):
        _commands().resume(job, (task, verdict, value), home=journal, style=_style(as_json=as_json, quiet=quiet))


@app.command()
def executors(*, as_json: _Json = False) -> None:
    """List the capabilities that steps can use, and their executors.

    Example: murakkab executors --json
    """
    with _reported(as_json=as_json):
        _commands().executors(as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of workflow files, for editors.

    Example: murakkab schema > workflow.schema.json
    """
    with _reported(as_json=False):
        _commands().schema()


def _commands() -> ModuleType:
    # The one lazy import: everything heavy comes with it.
    from murakkab.cli import commands

    return commands


def _style(*, as_json: bool, quiet: bool) -> str:
    return "json" if as_json else "quiet" if quiet else "full"


@contextmanager
def _reported(*, as_json: bool) -> Iterator[None]:
    """Turn an error into what people or programs read, and into the exit status."""
    try:
        yield
    except MurakkabError as error:
        if as_json:
            sys.stdout.write(json.dumps(error_json(error), indent=2, ensure_ascii=False) + "\n")
        else:
            sys.stderr.write("\n".join(error_lines(error)) + "\n")
        raise typer.Exit(error.exit_status) from None


def main() -> None:
    """Run the command line and end the process."""
    # Functions of `call` steps may lie in the folder one works in.
    sys.path.append(str(Path.cwd()))
    try:
        app()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            # Work that was abandoned (a timeout, a second Ctrl-C) cannot be stopped in its thread; nobody waits for it.
            os._exit(end.code if isinstance(end.code, int) else 0)
        raise
