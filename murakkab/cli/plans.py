"""policy: how a workflow would run, as a table, as sentences and as plain data - choices, forecasts and where these come from."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from murakkab.cli.places import kind_of, nodes_of
from murakkab.cli.tables import KINDS, narrowed, new_table, seconds_text, step_name, usd_text
from murakkab.figures import Figure, Source
from murakkab.forecasts import goal_json
from murakkab.optimizer.configurations import UNTOLD
from murakkab.optimizer.reasons import amount, said, unjudged
from murakkab.plan import Choice, Deployment, Estimate, GraphChoice, Node, TaskGraph, TierUse
from murakkab.spec import Goal, QualityRule

if TYPE_CHECKING:
    from rich.console import JustifyMethod, OverflowMethod

_STATUS: Mapping[str, str] = {
    "separate": "each step by itself: nothing binds them together",
    "optimal": "all steps together, proven best",
    "feasible": "all steps together",
    "heuristic": "all steps together, not proven best",
}

if TYPE_CHECKING:
    from rich.console import JustifyMethod, OverflowMethod

#: A bound that is further off than that says nothing.
_TOLD: Final = 1.0
#: What is loaded first is told where it is this part of the job or more.
_LOADING: Final = 0.05
#: Steps of a workflow of which not all may have their next best looked for.
_MANY: Final = 30


def aim_text(goal: Goal) -> str:
    """Return what matters: `minimizes energy, then cost, within latency 60 s`."""
    aim = f"minimizes {', then '.join(goal.minimize)}" if goal.minimize else "minimizes nothing in particular"
    limits = " and ".join(f"{said(name)} {amount(name, limit)}" for name, limit in goal.limits.items())
    rule = f", quality being the {goal.quality} of the steps'" if goal.quality != QualityRule.MEAN else ""
    return f"{aim}{f', within {limits}' if limits else ''}{rule}"


def tasks_text(node: Node, choice: Choice | None = None) -> str:
    """Return how many tasks a step becomes: as many as are expected; else one, as many as a list has elements (n), or rounds."""
    if choice is not None and choice.estimate is not None:
        return f"{choice.tasks:.3g}"
    each = "n" if node.loops else ""
    rounds = f"≤{node.again.at_most}" if node.again is not None else ""
    return "·".join(part for part in (each, rounds) if part) or "1"


def plan_table(graph: TaskGraph, deployment: Deployment, *, with_reasons: bool, width: int = 10_000) -> Table:
    """Return a line per step, those inside of a step behind it; where *width* is too little, without the columns that matter least.

    Seconds are of one task, money and energy of all of them.
    """
    names = ("step", "executor", "tasks", "a task", "cost", "energy", "quality", "figures")
    nodes = nodes_of(graph)
    lines = [_cells(path, node, deployment.choices.get(path)) for path, node in nodes.items()]
    columns = {name: [*found] for name, *found in zip(names, *lines, strict=True)}
    if not with_reasons:
        narrowed(columns, width, ("energy", "quality", "cost", "figures", "executor"))
    table = new_table()
    for name in columns:
        overflow: OverflowMethod = "fold" if name == "executor" else "ellipsis"
        justify: JustifyMethod = "right" if name in ("tasks", "a task", "cost", "energy", "quality") else "left"
        table.add_column(name, justify=justify, no_wrap=overflow != "fold", overflow=overflow, min_width=10 if name == "step" else 5)
    if with_reasons:
        table.add_column("why", overflow="fold")
    for i, path in enumerate(nodes):
        choice = deployment.choices.get(path)
        faint = set() if choice is not None and _source_of(choice) == Source.MEASURED else {"figures"}
        faint |= {"executor"} if choice is None else set()
        row = [Text(found[i], "dim" if name in faint else "") for name, found in columns.items()]
        table.add_row(*row, *([choice.why if choice else ""] if with_reasons else []))
    return table


def reasons_of(deployment: Deployment) -> list[str]:
    """Return why each executor was chosen, once for all steps with the same reason."""
    found: dict[tuple[str, str], int] = {}
    for choice in deployment.choices.values():
        key = choice.executor.name, choice.why
        found[key] = found.get(key, 0) + 1
    return [f"{name}, {count} step{'' if count == 1 else 's'}: {why}" for (name, why), count in found.items()]


def forecast_lines(deployment: Deployment) -> Iterator[str]:
    """Yield what one job is expected to take, how it was chosen, and what the next best way of each step would mean."""
    estimate = deployment.estimate
    if estimate is None:
        return
    yield f"expected: {'; '.join(_amounts(estimate))}"
    loading = {path: choice.startup for path, choice in deployment.choices.items() if choice.startup is not None}
    if shown := {path: one for path, one in loading.items() if one.value >= _LOADING * estimate.seconds.value}:
        waits = (f"{path} waits {_figure_text(one, 's')}" for path, one in shown.items())
        yield f"not warm: {', '.join(waits)}"
    if deployment.held_by:
        yield f"held up by {deployment.held_by}"
    if deployment.critical:
        yield f"critical path: {' → '.join(deployment.critical)}"
    is_bounded = deployment.status == "feasible" or (deployment.status == "heuristic" and deployment.gap < _TOLD)
    gap = f", within {deployment.gap:.1%} of the best" if is_bounded else ""
    yield from map(tier_text, deployment.tiers)
    yield from map(graph_text, deployment.graph)
    yield f"chosen: {_STATUS.get(deployment.status, deployment.status)}{gap}"
    for path, choice in deployment.choices.items():
        if choice.runner_up is not None:
            yield f"next best for {path}: {choice.runner_up.label} - {choice.runner_up.lost}"
    looked = sum(1 for choice in deployment.choices.values() if choice.runner_up is not None)
    if len(deployment.choices) > _MANY and 0 < looked < len(deployment.choices):
        yield f"next best: looked for where it matters most, at {looked} of {len(deployment.choices)} steps"


def graph_text(choice: GraphChoice) -> str:
    """Return what a knob was set to that changes the graph, and what the next best would have meant."""
    if choice.name.endswith(".done"):
        name = choice.name.removesuffix(".done")
        told = f"{name} is {'done' if choice.value else 'left out'}"
        return f"{told}; {'left out' if choice.value else 'done'} instead: {choice.lost}" if choice.lost else told
    if len(choice.choices) == 1:
        return f"{choice.name} is {choice.value}, as set"
    other = f"; next best {choice.other} - {choice.lost}" if choice.other is not None and choice.lost else ""
    return f"{choice.name} is {choice.value} of {', '.join(map(str, choice.choices))}{other}"


def tier_text(use: TierUse) -> str:
    """Return what a limit stands for that was named by a tier."""
    return f"{use.measure} {use.tier} is {amount(use.measure, use.value)} for this job (tiers version {use.version} of {use.day})"


def _amounts(estimate: Estimate) -> Iterator[str]:
    seconds = estimate.seconds
    spread = f"{seconds_text(seconds.low)} - {seconds_text(seconds.high)}, nine times out of ten below {seconds_text(estimate.p90)}"
    yield f"{seconds_text(seconds.value)} ({spread}; {seconds.of.source})"
    yield usd_text(estimate.usd.value)
    least = f", at least {_figure_text(estimate.least_joules, 'J')}" if estimate.least_joules is not None else ""
    yield f"energy {_figure_text(estimate.joules, 'J')}{least}"
    yield f"quality {_figure_text(estimate.quality)}"


def _figure_text(figure: Figure | None, unit: str = "") -> str:
    if figure is None:
        return "not known"
    unit = f" {unit}" if unit else ""
    spread = "" if figure.is_exact else f"{figure.low:.3g} - {figure.high:.3g}; "
    return f"{figure.value:.3g}{unit} ({spread}{figure.of.source})"


def _cells(path: str, node: Node, choice: Choice | None) -> tuple[str, ...]:
    if choice is None:
        return step_name(path), KINDS.get(kind_of(node), ""), tasks_text(node), "", "", "", "", ""
    quote, estimate = choice.executor.quote, choice.estimate
    seconds = quote.seconds if estimate is None else estimate.seconds.value
    usd = quote.usd if estimate is None else estimate.usd.value
    joules = quote.joules if estimate is None else None if estimate.joules is None else estimate.joules.value
    quality = quote.quality if estimate is None else None if estimate.quality is None else estimate.quality.value
    energy = "-" if joules is None else f"{joules:.3g} J"
    good = "-" if quality is None else f"{quality:.2f}"
    who, tasks = who_text(choice), tasks_text(node, choice)
    return step_name(path), who, tasks, seconds_text(seconds), usd_text(usd), energy, good, _source_of(choice)


def _source_of(choice: Choice) -> str:
    return choice.executor.quote.source if choice.estimate is None else str(choice.estimate.seconds.of.source)


def who_text(choice: Choice) -> str:
    """Return an executor and its knobs, as far as they are known."""
    told = {name: value for name, value in choice.knobs.items() if name not in UNTOLD and isinstance(value, str | int | float | bool)}
    knobs = ", ".join(f"{name}={value}" for name, value in told.items())
    where = f" on {choice.pool}" if choice.pool not in ("", "cpu") else ""
    where = f" on {choice.devices} x {choice.pool}" if choice.devices > 1 and choice.pool else where
    return f"{choice.executor.name} ({knobs}){where}" if knobs else f"{choice.executor.name}{where}"


def limit_lines(deployment: Deployment) -> list[str]:
    """Return what is to be said of limits: those that are not kept, and those that are judged without some steps."""
    return [*deployment.beyond, *(unjudged(name, steps) for name, steps in deployment.unjudged.items())]


# --------------------------------------------------------------------------------------------------------------- plain data


def plan_json(graph: TaskGraph, deployment: Deployment) -> dict[str, Any]:
    """Return the plan as plain data."""
    return {
        "workflow": graph.workflow.name,
        "digest": graph.digest,
        "goal": goal_json(deployment.goal),
        "steps": [_step_json(path, node, deployment.choices) for path, node in nodes_of(graph).items()],
        "expected": estimate_json(deployment.estimate),
        "critical_path": list(deployment.critical),
        "chosen": {"status": deployment.status, "gap": deployment.gap, "bound": deployment.bound, "beyond": list(deployment.beyond)},
        "unjudged": {name: list(steps) for name, steps in deployment.unjudged.items()},
        "held_by": deployment.held_by,
        "tiers": [asdict(use) for use in deployment.tiers],
        "graph": [asdict(one) for one in deployment.graph],
        "rewrites": list(graph.rewrites),
    }


def estimate_json(estimate: Estimate | None) -> dict[str, Any] | None:
    """Return an estimate as plain data, each figure with its interval and where it is from."""
    if estimate is None:
        return None
    return {
        "seconds": _figure_json(estimate.seconds),
        "seconds_p90": estimate.p90,
        "usd": _figure_json(estimate.usd),
        "joules": _figure_json(estimate.joules),
        "least_joules": _figure_json(estimate.least_joules),
        "quality": _figure_json(estimate.quality),
    }


def _figure_json(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    of = figure.of
    return {"value": figure.value, "low": figure.low, "high": figure.high, "source": str(of.source), "where": of.where, "date": of.date}


def _step_json(path: str, node: Node, choices: Mapping[str, Choice]) -> dict[str, Any]:
    choice = choices.get(path)
    found: dict[str, Any] = {
        "step": path,
        "kind": kind_of(node),
        "uses": node.uses,
        "call": node.call,
        "needs": list(node.needs),
        "tasks": tasks_text(node, choice),
        "effect": str(node.effect),
        "result": str(node.result),
    }
    if choice is not None:
        other = choice.runner_up
        found |= {
            "executor": choice.executor.name,
            "device": str(choice.executor.device),
            "pool": choice.pool,
            "devices": choice.devices,
            "startup": _figure_json(choice.startup),
            "model": choice.model,
            "why": choice.why,
        }
        found["knobs"] = {name: value for name, value in choice.knobs.items() if isinstance(value, str | int | float | bool | None)}
        found["expected"] = estimate_json(choice.estimate)
        found["runner_up"] = None if other is None else {"label": other.label, "lost": other.lost, "job": estimate_json(other.estimate)}
    return found
