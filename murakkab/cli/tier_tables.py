"""policy: the tiers of a workflow as people and programs read them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Table

from murakkab.cli.tables import new_table
from murakkab.cli.trades import value_text
from murakkab.optimizer.limits import FLOORS
from murakkab.optimizer.tiers import Amounts, Version
from murakkab.spec import TIERS


def tiers_table(amounts: Amounts) -> Table:
    """Return a line per measure: what each tier is for a job."""
    table = new_table()
    table.add_column("limit on", no_wrap=True)
    for tier in TIERS:
        table.add_column(tier, justify="right", no_wrap=True)
    for measure, numbers in amounts.items():
        sign = "≥" if measure in FLOORS else "≤"
        table.add_row(measure, *(f"{sign} {value_text(measure, numbers[tier])}" for tier in TIERS))
    return table


def remarks_of(version: Version, *, for_any: bool) -> Iterator[str]:
    """Yield what the table does not say: which version it is, from what, and what it is for."""
    day = version.since.replace("T", " ").removesuffix("Z")
    measured = f" and {version.profiles} profiles measured here" if version.profiles else ""
    most = max(version.tiers.ways.values(), default=0)
    yield f"version {version.number}, set {day} UTC ({version.why}) from up to {most} ways to do a step{measured}"
    counted = ", ".join(f"{count} of {measure}" for measure, count in version.tiers.counted.items())
    yield f"levels that choices on the frontier reached then: {counted}"
    yield "for any job: give inputs (-i) to see them for one" if for_any else "for a job with these inputs"
    yield "they stay when executors, models and profiles are added; --renew sets them anew"


def tiers_json(version: Version, amounts: Amounts) -> dict[str, Any]:
    """Return the tiers as plain data: `amounts` for the job, `then` for any job when they were set, and the choices they stand for."""
    tiers = version.tiers
    return {
        "workflow": version.workflow,
        "version": version.number,
        "since": version.since,
        "why": version.why,
        "software": version.software,
        "profiles": version.profiles,
        "amounts": {measure: dict(numbers) for measure, numbers in amounts.items()},
        "then": {measure: dict(numbers) for measure, numbers in version.amounts.items()},
        "choices": {
            measure: {tier: {path: held.label for path, held in one.items()} for tier, one in zip(TIERS, each, strict=True)}
            for measure, each in tiers.choices.items()
        },
        "ways": dict(tiers.ways),
        "counted": dict(tiers.counted),
        "capacity": dict(tiers.capacity),
        "base_watts": {name: asdict(one.base_watts) for name, one in tiers.pools.items() if one.base_watts is not None and not one.is_on},
    }
