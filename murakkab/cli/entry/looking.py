"""driver: the commands that look and change nothing: jobs, show, logs, graph, catalog - and clean, which throws old jobs away."""

from pathlib import Path
from typing import Annotated

import typer

from murakkab.cli import root
from murakkab.cli.root import HERE, app, load, reported


@app.command()
def jobs(
    *,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only those that are running, waiting, failed ...", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.", show_default=False)] = None,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """List the jobs of a journal, newest first.

    Example: murakkab jobs

    Example: murakkab jobs --status waiting
    """
    with reported(as_json=as_json):
        load("history").jobs(journal, (status, limit), as_json=as_json)


@app.command()
def show(
    job: root.Job,
    *,
    task: root.Task = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="N|+TIME", help="As it was after N events, or that long after it began: 40, +12.5s.", show_default=False),
    ] = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="List single attempts too.")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write the timeline as an SVG picture.", show_default=False)
    ] = None,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """Show what a job did: what each step took, when it ran, what decided the time, and what it waits for now.

    Example: murakkab show 3f9a

    Example: murakkab show 3f9a --task 'frames[0.2]'

    Example: murakkab show 3f9a --at +12.5s

    Example: murakkab show 3f9a --svg timeline.svg
    """
    with reported(as_json=as_json):
        load("history").show(job, (task, at), home=journal, tasks=tasks, svg=svg, as_json=as_json)


@app.command()
def logs(
    job: root.Job,
    *,
    task: root.Task = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    journal: root.Journal = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print every event of a job with the time since it began.

    Example: murakkab logs 3f9a

    Example: murakkab logs 3f9a --task review --follow

    Example: murakkab logs 3f9a --json | jq 'select(.event == "TaskFailed")'
    """
    with reported(as_json=as_json):
        load("logs").logs(job, task, home=journal, follow=follow, as_json=as_json)


@app.command()
def graph(
    what: Annotated[str, typer.Argument(metavar="FILE|JOB", help="A workflow file, or the id of a job.", show_default=False)],
    *,
    form: Annotated[str, typer.Option("--format", metavar="text|mermaid|dot|svg", help="How to draw it.")] = "text",
    output: root.Out = None,
    depth: Annotated[int, typer.Option("--depth", min=1, metavar="N", help="How many levels of steps inside of steps to show.")] = 20,
    profile: root.Profile = "",
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """Draw a workflow, or a job with how far each step is.

    Example: murakkab graph workflows/video_understanding.yaml

    Example: murakkab graph review.yaml --format svg -o review.svg

    Example: murakkab graph 3f9a --format mermaid
    """
    with reported(as_json=as_json):
        load("drawings").graph(what, (form, output), depth=depth, profile=profile, home=journal, as_json=as_json)


@app.command()
def catalog(
    part: Annotated[
        str | None, typer.Argument(metavar="pools|devices|models|points|prices", help="One part of it alone.", show_default=False)
    ] = None,
    *,
    site: Annotated[
        Path | None,
        typer.Option(
            "--site",
            metavar="FILE",
            envvar="MURAKKAB_SITE",
            help="The file that says what this installation has.",
            show_default="murakkab.yaml, if there is one",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="One model alone.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="KIND", help="One kind of device alone.", show_default=False)] = None,
    requests: Annotated[
        float, typer.Option("--load", min=1.0, metavar="N", help="Operating points with so many requests at a time.")
    ] = 32.0,
    as_json: root.Json = False,
) -> None:
    """Show what this installation has, and what is known of devices, models, their speed and energy, and prices - with where it is from.

    Example: murakkab catalog pools

    Example: murakkab catalog points --model llama-3.1-8b --load 64

    Example: murakkab catalog --json | jq '.prices'
    """
    with reported(as_json=as_json):
        load("catalog").catalog(part, site, (model, device), load=requests, as_json=as_json)


@app.command()
def clean(
    *,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="TIME", help="Only jobs that ended that long ago: 30d, 12h.", show_default=False)
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, metavar="N", help="Keep the newest N of those that have ended.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """Throw away old jobs, files that nothing needs any more, and results that have expired.

    Jobs that can still go on (failed, waiting, interrupted ...) are kept, and so is all that they need.

    Example: murakkab clean --older-than 30d --keep 100 --dry-run
    """
    with reported(as_json=as_json):
        load("cleaning").clean(older_than, keep, home=journal, dry_run=dry_run, as_json=as_json)
