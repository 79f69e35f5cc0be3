"""driver: what can be done with workflow files without running them, and what this installation has."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from murakkab import app
from murakkab.choosing import chosen
from murakkab.cli.documents import catalog_json
from murakkab.cli.extras import missing_extras
from murakkab.cli.inputs import read_inputs
from murakkab.cli.plans import aim_text, forecast_lines, limit_lines, plan_json, plan_table, reasons_of
from murakkab.cli.printing import answer, console_of, tell, write_to
from murakkab.cli.report import diagnostic_json, error_json, error_lines
from murakkab.cli.streams import results
from murakkab.cli.tables import executors_table
from murakkab.cli.visible import json_text
from murakkab.cli.wishes import Wishes
from murakkab.diagnostics import did_you_mean
from murakkab.document import json_schema
from murakkab.errors import MurakkabError, NotFoundError, SpecError
from murakkab.planner.walk import every_step

if TYPE_CHECKING:
    from murakkab.cli.frontiers import Wanted

#: Columns of a terminal on which a plan gives its reasons beside each step.
_WIDE: Final = 110


def validate(files: Sequence[Path], *, profile: str, strict: bool, as_json: bool) -> int:
    """Print every mistake and warning of every file; return the exit status."""
    status = 0
    reports: list[dict[str, Any]] = []
    for file in files:
        report, found = _validated(file, profile=profile, strict=strict, as_json=as_json)
        reports.append(report)
        status = status or found
    if as_json:
        answer(reports, plain=True)
    return status


def _validated(file: Path, *, profile: str, strict: bool, as_json: bool) -> tuple[dict[str, Any], int]:
    """Return the report of one file, and its exit status."""
    try:
        work = app.load_file(file, profile=profile, with_profiles=True)
    except MurakkabError as error:
        if not as_json:
            tell(*error_lines(error))
        return {"file": str(file), "ok": False, "error": error_json(error), "warnings": []}, error.exit_status
    ok = not (strict and work.warnings)
    if not as_json:
        tell(*map(str, work.warnings))
        steps = sum(1 for _ in every_step(work.graph.workflow))
        warnings = f", {len(work.warnings)} warning{'' if len(work.warnings) == 1 else 's'}" if work.warnings else ""
        results().write(f"{file}: {'ok' if ok else 'not ok'}, {steps} step{'' if steps == 1 else 's'}{warnings}\n")
    report = {"file": str(file), "ok": ok, "error": None, "warnings": [diagnostic_json(one) for one in work.warnings]}
    return report, 0 if ok else SpecError.exit_status


def plan(file: Path, wishes: Wishes, words: Sequence[str], wanted: "Wanted | None" = None, *, home: Path, as_json: bool) -> None:
    """Print how a workflow file would run, for the inputs in *words*, or for any; or, *wanted*, a frontier of it."""
    work = app.with_graph(app.load_file(file, profile=wishes.profile), wishes.settings())
    workflow, warnings = work.graph.workflow, work.warnings
    inputs = app.check_inputs(workflow, read_inputs(words, workflow.inputs)) if words else None
    goal = wishes.goal(workflow.goal)
    if wanted is not None:
        # NumPy and SciPy come with it.
        from murakkab.cli.frontiers import pareto

        pareto(work, wanted, goal, inputs, home=home, as_json=as_json)
        return
    work = chosen(work, app.Settings(home=home), inputs=inputs, goal=goal)
    made = work.deployment
    if as_json:
        answer({**plan_json(work.graph, made), "warnings": [*map(diagnostic_json, warnings)]}, plain=True)
        return
    tell(*map(str, warnings))
    console = console_of()
    console.print(f"{workflow.name}: {aim_text(made.goal)}", markup=False, highlight=False, style="bold")
    is_wide = console.width >= _WIDE
    console.print(plan_table(work.graph, made, with_reasons=is_wide, width=console.width))
    for reason in () if is_wide else reasons_of(made):
        console.print(f"- {reason}", markup=False, highlight=False)
    for line in forecast_lines(made):
        console.print(line, markup=False, highlight=False)
    told = limit_lines(made)
    for line in (*work.graph.rewrites, *told):
        console.print(f"- {line}", markup=False, highlight=False, style="yellow" if line in told else "dim")


def executors(capability: str | None, *, as_json: bool) -> None:
    """Print the catalog, or the part of it that provides *capability*."""
    catalog = app.catalog()
    if capability is not None:
        if capability not in catalog.capabilities:
            hint = did_you_mean(capability, catalog.capabilities, others="there are")
            raise NotFoundError(f"there is no capability {capability!r}", hint=hint)
        cards = {one.name: one for one in catalog.providers(capability)}
        catalog = replace(catalog, capabilities={capability: catalog.capabilities[capability]}, executors=cards)
    missing = missing_extras(catalog.executors.values())
    if as_json:
        answer(catalog_json(catalog, missing), plain=True)
    else:
        console_of().print(executors_table(catalog, missing=missing))


def schema(output: Path | None) -> None:
    """Write the JSON Schema of workflow files."""
    write_to(output, json_text(json_schema()))
