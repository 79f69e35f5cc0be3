"""driver: the commands that make jobs go on: run, resume, approve, send, cancel, fork."""

from typing import Annotated

import typer

from murakkab.cli import root
from murakkab.cli.root import HERE, app, load, reported, style_of

_Verdict = Annotated[str | None, typer.Option(metavar="done|retry", help="What became of a task in doubt.", show_default=False)]
_Value = Annotated[str | None, typer.Option("--value", metavar="JSON", help="What comes with it, as JSON.", show_default=False)]


@app.command()
def run(
    file: root.File,
    *,
    inputs: root.Inputs = None,
    profile: root.Profile = "",
    minimize: root.Goal = None,
    limits: root.Limits = None,
    budget: root.Budget = None,
    knobs: root.Knobs = None,
    journal: root.Journal = HERE,
    no_journal: Annotated[bool, typer.Option("--no-journal", help="Keep nothing: the job cannot be resumed.")] = False,
    as_json: root.Json = False,
    quiet: root.Quiet = False,
) -> None:
    """Run a workflow and print its outputs.

    Example: murakkab run workflows/video_understanding.yaml -i videos=a.mp4,b.mp4

    Example: murakkab run review.yaml -i topic=tea --profile dev --budget cost=2,time=10m

    On a terminal, questions of the workflow are put to you when nothing else is left to do. Elsewhere the job ends as waiting, and the
    command to answer with is told. Ctrl-C once lets running tasks finish and leaves the job to be resumed; twice stops at once.
    """
    with reported(as_json=as_json):
        style = style_of(as_json=as_json, quiet=quiet)
        wishes = load("wishes").Wishes(profile, minimize, limits or (), budget, knobs or ())
        load("running_jobs").run(file, inputs or [], wishes, home=journal, durable=not no_journal, style=style)


@app.command()
def resume(
    job: root.Job,
    *,
    budget: root.Budget = None,
    task: Annotated[str | None, typer.Option(metavar="ID", help="The task in doubt that the verdict is about.", show_default=False)] = None,
    verdict: _Verdict = None,
    value: _Value = None,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
    quiet: root.Quiet = False,
) -> None:
    """Go on with a job that was stopped, failed, waits, is held or has spent its budget.

    What it completed is not run again. The workflow and the inputs are those it began with: a file that was changed since is not read.

    Example: murakkab resume 3f9a

    Example: murakkab resume 3f9a --budget cost=10

    Example: murakkab resume 3f9a --task send --verdict done --value '{"id": 7}'
    """
    with reported(as_json=as_json):
        style = style_of(as_json=as_json, quiet=quiet)
        load("running_jobs").resume(job, (task, verdict, value), budget, home=journal, style=style)


@app.command()
def approve(
    job: root.Job,
    task: Annotated[
        str | None,
        typer.Argument(metavar="[TASK]", help="The task that asks; may be left out when only one does.", show_default=False),
    ] = None,
    *,
    reject: Annotated[bool, typer.Option("--reject", help="Say no: the task fails with the reason `rejected`.")] = False,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A field of its form.", show_default=False)
    ] = None,
    by: root.By = None,
    no_resume: root.NoResume = False,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
    quiet: root.Quiet = False,
) -> None:
    """Answer a question that a job asks, and go on with it.

    A job that another process runs hears of it there. What was done before the question is not done again.

    Example: murakkab approve 3f9a

    Example: murakkab approve 3f9a 'pay[2]' --set amount=12.5 --set note='as agreed'

    Example: murakkab approve 3f9a --reject --by Ann
    """
    with reported(as_json=as_json):
        style = style_of(as_json=as_json, quiet=quiet)
        answer = (not reject, values or [], by)
        load("requests").approve(job, task, answer, home=journal, no_resume=no_resume, style=style)


@app.command()
def send(
    job: root.Job,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The name of the event.", show_default=False)],
    *,
    value: _Value = None,
    no_resume: root.NoResume = False,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
    quiet: root.Quiet = False,
) -> None:
    """Send a job an event that one of its steps waits for, or will, and go on with it.

    Example: murakkab send 3f9a paid --value '{"amount": 12.5}'
    """
    with reported(as_json=as_json):
        style = style_of(as_json=as_json, quiet=quiet)
        load("requests").send(job, event, value, home=journal, no_resume=no_resume, style=style)


@app.command()
def cancel(
    job: root.Job,
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="A task or step to pass over; without it the job ends.", show_default=False)
    ] = None,
    *,
    branch: Annotated[bool, typer.Option("--branch", help="Pass over everything that comes after the step as well.")] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the journal.", show_default=False)] = "",
    journal: root.Journal = HERE,
    as_json: root.Json = False,
) -> None:
    """Cancel a job for good, or pass over one task or step of it.

    It reaches what runs: processes are ended, requests closed, functions asked to stop. The last steps (`finally`) of a job still run.

    Example: murakkab cancel 3f9a

    Example: murakkab cancel 3f9a 'pages[7]' --reason 'takes too long'

    Example: murakkab cancel 3f9a translate --branch
    """
    with reported(as_json=as_json):
        load("requests").cancel(job, task, branch=branch, reason=reason, home=journal, as_json=as_json)


@app.command()
def fork(
    job: root.Job,
    *,
    step: Annotated[
        str, typer.Option("--from", metavar="STEP", help="The first step to do again, with all that depends on it.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do irreversible tasks once more without asking.")] = False,
    budget: root.Budget = None,
    no_resume: root.NoResume = False,
    journal: root.Journal = HERE,
    as_json: root.Json = False,
    quiet: root.Quiet = False,
) -> None:
    """Make a new job of an old one that does everything from a step on again, and run it.

    What the old job completed before is taken over and costs nothing. The old job stays as it is.

    Example: murakkab fork 3f9a --from review

    Example: murakkab fork 3f9a --from review --no-resume
    """
    with reported(as_json=as_json):
        style = style_of(as_json=as_json, quiet=quiet)
        load("requests").fork(job, (step, budget), home=journal, no_resume=no_resume, sure=yes, style=style)
