"""driver: the commands about files and this installation: validate, plan, new, convert, executors, schema, completion."""

from pathlib import Path
from typing import Annotated, Final

import typer

from murakkab.cli import root
from murakkab.cli.root import HERE, app, load, reported
from murakkab.errors import InputError

#: Points of a frontier where nobody says how many.
_POINTS: Final = 12


@app.command()
def validate(
    files: root.Files,
    *,
    profile: root.Profile = "",
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as mistakes.")] = False,
    as_json: root.Json = False,
) -> None:
    """Check workflow files: every mistake with its line and column, and what to do about it. Nothing runs.

    Example: murakkab validate workflows/*.yaml

    Example: murakkab validate review.yaml --profile prod --strict
    """
    with reported(as_json=as_json):
        raise typer.Exit(load("files").validate(files, profile=profile, strict=strict, as_json=as_json))


@app.command()
def plan(
    file: root.File,
    *,
    inputs: root.Inputs = None,
    profile: root.Profile = "",
    minimize: root.Goal = None,
    limits: root.Limits = None,
    knobs: root.Knobs = None,
    pareto: Annotated[
        str | None,
        typer.Option("--pareto", metavar="MEASURES", help="Show what two or three measures cost each other.", show_default=False),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option("--points", min=2, max=60, metavar="N", help="How many points at most, for --pareto.", show_default="12"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Draw it there as well, .png or .svg, for --pareto.", show_default=False),
    ] = None,
    tiers: Annotated[bool, typer.Option("--tiers", help="Show what best, good, fair and basic stand for in limits.")] = False,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """Show how a workflow would run: who does each step and why, what the job is expected to take, and the next best. Nothing runs.

    Example: murakkab plan workflows/summarize_texts.yaml

    Example: murakkab plan workflows/video_understanding.yaml --minimize energy --limit quality=0.8 --limit latency=60s

    Example: murakkab plan workflows/video_understanding.yaml --minimize energy --limit quality=good

    With inputs the plan is for a job of them: lists are counted. Figures are those measured here where there are any (`murakkab profile`),
    else published, modelled or assumed ones, and each says which.

    Example: murakkab plan workflows/video_understanding.yaml --pareto energy,quality --output frontier.png

    The points of --pareto are whole choices of which none beats another in both measures, within the limits of the goal.
    """
    with reported(as_json=as_json):
        if tiers:
            for option, given in (("--pareto", pareto), ("--minimize", minimize), ("--limit", limits), ("--knob", knobs)):
                if given is not None:
                    raise InputError(
                        f"{option} says nothing of tiers: they are set for a workflow once", hint=f"leave out --tiers or {option}"
                    )
        _ask_frontier("--points sets how many points a frontier has" if points is not None else "", pareto)
        _ask_frontier("--output draws a frontier" if output is not None else "", pareto)
        if tiers:
            load("tiers").tiers(file, inputs or [], profile=profile, renew=False, home=journal, as_json=as_json)
            return
        wishes = load("wishes").Wishes(profile, minimize, limits or (), knobs=knobs or ())
        wanted = None if pareto is None else load("frontiers").Wanted(pareto, points or _POINTS, output)
        load("files").plan(file, wishes, inputs or [], wanted, home=journal, as_json=as_json)


def _ask_frontier(wish: str, pareto: str | None) -> None:
    if wish and pareto is None:
        raise InputError(f"{wish}, and none is asked for", hint="add --pareto energy,latency")


@app.command()
def tiers(
    file: root.File,
    *,
    inputs: root.Inputs = None,
    profile: root.Profile = "",
    renew: Annotated[bool, typer.Option("--renew", help="Set them anew, by all that is known now.")] = False,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """Show what best, good, fair and basic stand for where they limit a workflow: limits: {quality: good}, or --limit quality=good.

    Example: murakkab tiers workflows/video_understanding.yaml

    Example: murakkab tiers workflows/video_understanding.yaml -i videos=a.mp4,b.mp4

    They are set when they are first asked for, and stay until --renew: what is added or measured later does not move them.
    """
    with reported(as_json=as_json):
        load("tiers").tiers(file, inputs or [], profile=profile, renew=renew, home=journal, as_json=as_json)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it; the file is NAME.yaml.", show_default=False)],
    *,
    template: Annotated[
        str,
        typer.Option(
            "--template",
            "-t",
            metavar="hello|map|approval|loop|agent|sql",
            help="What to begin with.",
            autocompletion=lambda: ["hello", "map", "approval", "loop", "agent", "sql"],
        ),
    ] = "hello",
    as_json: root.Json = False,
) -> None:
    """Write a workflow to begin with: NAME.yaml and its steps in Python. No file is overwritten.

    Example: murakkab new greeting

    Example: murakkab new orders --template approval
    """
    with reported(as_json=as_json):
        load("making").new(name, template, as_json=as_json)


@app.command()
def convert(
    file: root.File,
    *,
    to: Annotated[str, typer.Option("--to", metavar="yaml|json|python", help="The form to write.", show_default=False)],
    output: root.Out = None,
    profile: root.Profile = "",
    as_json: root.Json = False,
) -> None:
    """Write a workflow file in another form, with all that it takes from elsewhere inside: files, defaults, a profile.

    Example: murakkab convert review.yaml --to json -o review.json

    Example: murakkab convert review.yaml --to python -o review.py

    Example: murakkab convert review.yaml --to json --profile prod
    """
    with reported(as_json=as_json):
        load("converting").convert(file, to, output, profile=profile, as_json=as_json)


@app.command()
def executors(
    *,
    capability: Annotated[
        str | None, typer.Option("--for", metavar="CAPABILITY", help="Only those that provide it.", show_default=False)
    ] = None,
    as_json: root.Json = False,
) -> None:
    """List the capabilities that steps can use, and their executors.

    Example: murakkab executors --json

    Example: murakkab executors --for text-summary
    """
    with reported(as_json=as_json):
        load("files").executors(capability, as_json=as_json)


@app.command()
def schema(*, output: root.Out = None, as_json: root.Json = False) -> None:
    """Print the JSON Schema of workflow files, for editors: completion and checks while one types.

    Example: murakkab schema > workflow.schema.json
    """
    with reported(as_json=as_json):
        load("files").schema(output)


@app.command()
def completion(
    shell: Annotated[
        str,
        typer.Argument(
            metavar="bash|zsh|fish", help="The shell to complete in.", show_default=False, autocompletion=lambda: ["bash", "zsh", "fish"]
        ),
    ],
    *,
    as_json: root.Json = False,
) -> None:
    """Print the script that makes a shell complete commands, options and the ids of jobs.

    Example: eval "$(murakkab completion bash)"    # in ~/.bashrc; for zsh the same in ~/.zshrc

    Example: murakkab completion fish > ~/.config/fish/completions/murakkab.fish
    """
    with reported(as_json=as_json):
        load("completing").completion(shell, as_json=as_json)
