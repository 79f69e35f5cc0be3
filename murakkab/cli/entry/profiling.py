"""driver: the commands about profiles: profile measures them, profiles lists them."""

from pathlib import Path
from typing import Annotated

import typer

from murakkab.cli import root
from murakkab.cli.root import HERE, app, load, reported


@app.command()
def profile(
    what: Annotated[
        str | None, typer.Argument(metavar="[CAPABILITY|FILE]", help="A capability, or a workflow file.", show_default=False)
    ] = None,
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What to measure with: rows of {inputs: {...}, label: ...}, JSON Lines, JSON or YAML; or a folder.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME|MODULE:FUNCTION", help="How results are scored against labels.", show_default=False)
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, metavar="N", help="How often each row is measured at most.")] = 3,
    load_levels: Annotated[str, typer.Option("--load", metavar="N,N", help="How many tasks run at a time.")] = "1",
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Stop after that time: 5m.", show_default=False)] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="LIMITS", help="Drop what misses it: latency=2s,quality=0.7.", show_default=False),
    ] = None,
    executor: Annotated[
        list[str] | None, typer.Option("--executor", metavar="NAME", help="Only this executor; may be repeated.", show_default=False)
    ] = None,
    trades: Annotated[bool, typer.Option("--trades", help="Turn only the knobs that the optimizer may turn.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure anew what was measured with this data.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Only show what is known.")] = False,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all profiles to a file.", show_default=False)] = None,
    take: Annotated[Path | None, typer.Option("--import", metavar="FILE", help="Take in profiles of a file.", show_default=False)] = None,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """Measure how long the executors of a capability take, what energy they use and how good they are; or a workflow as a whole.

    Configurations that are certain to lose are dropped early. Whatever was measured is kept: stop with Ctrl-C, and the same command goes
    on. Later runs of workflows keep the profiles up to date.

    Example: murakkab profile text-summary --data texts.jsonl --metric rouge_l

    Example: murakkab profile speech-to-text --data clips.yaml --budget 5m --limit latency=2s

    Example: murakkab profile workflows/video_understanding.yaml --data videos.yaml --repeat 2

    Example: murakkab profile --export profiles.json
    """
    with reported(as_json=as_json):
        module = load("profiling")
        if export is not None:
            module.export(journal, export)
        elif take is not None:
            module.take_in(journal, take)
        elif show or what is None:
            module.profiles(journal, None, as_json=as_json)
        else:
            wish = module.Wish(
                data,
                metric,
                repeat,
                load_levels,
                budget,
                limits=tuple(limit or ()),
                again=again,
                executors=tuple(executor or ()),
                trades=trades,
            )
            module.profile(what, wish, home=journal, as_json=as_json)


@app.command()
def profiles(
    executor: Annotated[str | None, typer.Argument(metavar="[EXECUTOR]", help="Only of this one.", show_default=False)] = None,
    *,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """List what was measured, with where it is from and since when, and what has changed.

    Example: murakkab profiles

    Example: murakkab profiles pagerank-summary --json
    """
    with reported(as_json=as_json):
        load("profiling").profiles(journal, executor, as_json=as_json)
