"""driver: `murakkab tiers` and `murakkab plan --tiers` - what best, good, fair and basic stand for."""

from collections.abc import Sequence
from pathlib import Path

from murakkab import app
from murakkab.choosing import tiered
from murakkab.cli.inputs import read_inputs
from murakkab.cli.printing import answer, console_of, tell
from murakkab.cli.tier_tables import remarks_of, tiers_json, tiers_table


def tiers(file: Path, words: Sequence[str], *, profile: str, renew: bool, home: Path, as_json: bool) -> None:
    """Print the tiers of a workflow file, for the inputs in *words* or for any; with *renew* set them anew first."""
    work = app.load_file(file, profile=profile)
    workflow = work.graph.workflow
    inputs = app.check_inputs(workflow, read_inputs(words, workflow.inputs)) if words else None
    version, amounts = tiered(work, app.Settings(home=home), inputs=inputs, renew=renew)
    if as_json:
        answer(tiers_json(version, amounts), plain=True)
        return
    tell(*map(str, work.warnings))
    console = console_of()
    console.print(f"{workflow.name}: tiers", markup=False, highlight=False, style="bold")
    console.print(tiers_table(amounts))
    for remark in remarks_of(version, for_any=inputs is None):
        console.print(f"- {remark}", markup=False, highlight=False, style="dim")
