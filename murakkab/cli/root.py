"""driver: what all commands share - the root of the command line, options that mean the same everywhere, and how an error ends.

Nothing heavy is imported here or in `murakkab.cli.entry`: `murakkab --help` loads no event loop, no YAML and no executor. What a
command does lies in the other files of this folder, imported when one runs.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from murakkab.cli.report import error_json, error_lines
from murakkab.cli.streams import ResultLost, results, results_apart
from murakkab.cli.usage import Commands
from murakkab.cli.visible import json_text
from murakkab.errors import MurakkabError

app = typer.Typer(
    name="murakkab",
    cls=Commands,
    help="Say what an AI workflow does and what matters; Murakkab decides how it runs.",
    epilog=(
        "Exit status: 0 done, 1 failed, 2 mistake in file or inputs, 3 no plan, 4 not found, 5 conflict, 6 backend down, 7 held, "
        "8 waiting for a person or event, 9 budget spent, 130 stopped."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: rich would double the time to show it.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

HERE = Path(".murakkab")
#: The status of a process whose reader has gone, as shells know it.
_UNWANTED = 141


def load(module: str) -> Any:
    """Return a module of this folder: the one lazy import; everything heavy comes with it."""
    return import_module(f"murakkab.cli.{module}")


def style_of(*, as_json: bool, quiet: bool) -> str:
    """Return how the end of a job is shown: `json`, `quiet` or `full`."""
    return "json" if as_json else "quiet" if quiet else "full"


@contextmanager
def reported(*, as_json: bool) -> Iterator[None]:
    """Turn an error into what people or programs read, and into the exit status; keep standard output for the result meanwhile."""
    status = 0
    try:
        with results_apart():
            try:
                yield
            except typer.Exit as end:
                status = end.exit_code
            except ResultLost:
                raise
            except MurakkabError as error:
                status = error.exit_status
                if as_json:
                    results().write(json_text(error_json(error), results().encoding))
                else:
                    sys.stderr.write("\n".join(error_lines(error)) + "\n")
    except ResultLost as lost:
        if not lost.is_unwanted:
            sys.stderr.write("\n".join(error_lines(lost)) + "\n")
        status = _UNWANTED if lost.is_unwanted else status or lost.exit_status
    if status:
        raise typer.Exit(status)


def _jobs(incomplete: str) -> list[tuple[str, str]]:
    """Return the ids of jobs for a shell that completes one."""
    try:
        found: list[tuple[str, str]] = load("history").known_jobs(HERE, incomplete)
    except Exception:
        # A shell that completes a word has no use for an error.
        return []
    return found


def _words(*words: str) -> Callable[[str], list[str]]:
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


File = Annotated[Path, typer.Argument(metavar="FILE", help="A workflow file, YAML or JSON.", show_default=False)]
Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Workflow files.", show_default=False)]
Job = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job, or how it begins.", show_default=False, autocompletion=_jobs)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
Journal = Annotated[
    Path,
    typer.Option("--journal", metavar="FOLDER", envvar="MURAKKAB_JOURNAL", help="The folder of jobs, their files and cached results."),
]
Profile = Annotated[
    str,
    typer.Option("--profile", "-p", metavar="NAME", help="Lay one of the profiles of the file over it: dev, prod ...", show_default=False),
]
Goal = Annotated[
    str | None,
    typer.Option(
        "--minimize",
        "--goal",
        metavar="MEASURES",
        help="What to minimize, most important first: latency, energy, cost; quality is maximized.",
        show_default=False,
        autocompletion=_words("latency", "energy", "cost", "quality"),
    ),
]
Knobs = Annotated[
    list[str] | None,
    typer.Option("--knob", metavar="NAME=VALUE", help="Set a knob that changes the graph: answer.n=3.", show_default=False),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="MEASURE=AMOUNT",
        help="A limit on the job: latency=60s, latency_p90=90s, cost=0.5, energy=10kJ, quality=0.8; or a tier: quality=good.",
        show_default=False,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", metavar="NAME=VALUE", help="An input. A list is written a,b; @FILE reads JSON from a file.", show_default=False
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="LIMITS",
        help="What the job may spend before it pauses: cost=5,energy=10kJ,tokens=100k,time=10m.",
        show_default=False,
    ),
]
Task = Annotated[str | None, typer.Option("--task", metavar="ID", help="One task or step.", show_default=False)]
NoResume = Annotated[bool, typer.Option("--no-resume", help="Leave the job where it is; `murakkab resume` goes on with it later.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so.", show_default="the user of this machine")]
Out = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there, not to standard output.", show_default=False)
]
