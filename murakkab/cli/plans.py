"""policy: how a workflow would run, as a table, as sentences and as plain data - choices, forecasts and where these come from."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from murakkab.cli.places import kind_of, nodes_of
from murakkab.cli.tables import KINDS, new_table, seconds_text, step_name, usd_text
from murakkab.figures import Figure, Source
from murakkab.optimizer.reasons import amount
from murakkab.plan import Choice, Deployment, Estimate, Node, TaskGraph
from murakkab.spec import Goal

_STATUS: Mapping[str, str] = {
    "separate": "each step by itself: nothing binds them together",
    "optimal": "all steps together, proven best",
    "feasible": "all steps together",
    "heuristic": "all steps together, unproven: the solver ran out of time",
}


def aim_text(goal: Goal) -> str:
    """Return what matters: `minimizes energy, then cost, within latency 60 s`."""
    aim = f"minimizes {', then '.join(goal.minimize)}" if goal.minimize else "minimizes nothing in particular"
    limits = " and ".join(f"{name} {amount(name, limit)}" for name, limit in goal.limits.items())
    return f"{aim}, within {limits}" if limits else aim


def tasks_text(node: Node, choice: Choice | None = None) -> str:
    """Return how many tasks a step becomes: as many as are expected; else one, as many as a list has elements (n), or rounds."""
    if choice is not None and choice.estimate is not None:
        return f"{choice.tasks:.3g}"
    each = "n" if node.loops else ""
    rounds = f"≤{node.again.at_most}" if node.again is not None else ""
    return "·".join(part for part in (each, rounds) if part) or "1"


def plan_table(graph: TaskGraph, deployment: Deployment, *, with_reasons: bool) -> Table:
    """Return a line per step, those inside of a step behind it. Seconds are of one task, money and energy of all of them."""
    table = new_table()
    table.add_column("step", no_wrap=True, overflow="ellipsis", min_width=10)
    table.add_column("executor", overflow="fold", min_width=8)
    for name in ("tasks", "a task", "cost", "energy", "quality"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("figures", no_wrap=True)
    if with_reasons:
        table.add_column("why", overflow="fold")
    for path, node in nodes_of(graph).items():
        choice = deployment.choices.get(path)
        if choice is None:
            table.add_row(step_name(path), Text(KINDS.get(kind_of(node), ""), "dim"), tasks_text(node))
        else:
            table.add_row(*_cells(path, node, choice), *([choice.why] if with_reasons else []))
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
    if deployment.critical:
        yield f"critical path: {' → '.join(deployment.critical)}"
    gap = f", within {deployment.gap:.1%} of the best" if deployment.status == "feasible" else ""
    yield f"chosen: {_STATUS.get(deployment.status, deployment.status)}{gap}"
    for path, choice in deployment.choices.items():
        if choice.runner_up is not None:
            yield f"next best for {path}: {choice.runner_up.label} - {choice.runner_up.lost}"


def _amounts(estimate: Estimate) -> Iterator[str]:
    seconds = estimate.seconds
    spread = f"{seconds_text(seconds.low)} - {seconds_text(seconds.high)}, nine times out of ten below {seconds_text(estimate.p90)}"
    yield f"{seconds_text(seconds.value)} ({spread}; {seconds.of.source})"
    yield usd_text(estimate.usd.value)
    yield f"energy {_figure_text(estimate.joules, 'J')}"
    yield f"quality {_figure_text(estimate.quality)}"


def _figure_text(figure: Figure | None, unit: str = "") -> str:
    if figure is None:
        return "not known"
    unit = f" {unit}" if unit else ""
    spread = "" if figure.is_exact else f"{figure.low:.3g} - {figure.high:.3g}; "
    return f"{figure.value:.3g}{unit} ({spread}{figure.of.source})"


def _cells(path: str, node: Node, choice: Choice) -> tuple[Any, ...]:
    quote, estimate = choice.executor.quote, choice.estimate
    seconds = quote.seconds if estimate is None else estimate.seconds.value
    usd = quote.usd if estimate is None else estimate.usd.value
    joules = quote.joules if estimate is None else None if estimate.joules is None else estimate.joules.value
    quality = quote.quality if estimate is None else None if estimate.quality is None else estimate.quality.value
    source = quote.source if estimate is None else str(estimate.seconds.of.source)
    shown = Text(source, "" if source == Source.MEASURED else "dim")
    energy = "-" if joules is None else f"{joules:.3g} J"
    good = "-" if quality is None else f"{quality:.2f}"
    return step_name(path), who_text(choice), tasks_text(node, choice), seconds_text(seconds), usd_text(usd), energy, good, shown


def who_text(choice: Choice) -> str:
    """Return an executor and its knobs, as far as they are known."""
    knobs = ", ".join(f"{name}={value}" for name, value in choice.knobs.items() if isinstance(value, str | int | float | bool))
    where = f" on {choice.pool}" if choice.pool not in ("", "cpu") else ""
    return f"{choice.executor.name} ({knobs}){where}" if knobs else f"{choice.executor.name}{where}"


# --------------------------------------------------------------------------------------------------------------- plain data


def plan_json(graph: TaskGraph, deployment: Deployment) -> dict[str, Any]:
    """Return the plan as plain data."""
    return {
        "workflow": graph.workflow.name,
        "digest": graph.digest,
        "goal": {"minimize": list(deployment.goal.minimize), "limits": dict(deployment.goal.limits)},
        "steps": [_step_json(path, node, deployment.choices) for path, node in nodes_of(graph).items()],
        "expected": estimate_json(deployment.estimate),
        "critical_path": list(deployment.critical),
        "chosen": {"status": deployment.status, "gap": deployment.gap, "bound": deployment.bound, "beyond": list(deployment.beyond)},
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
        found |= {"executor": choice.executor.name, "device": str(choice.executor.device), "pool": choice.pool, "why": choice.why}
        found["knobs"] = {name: value for name, value in choice.knobs.items() if isinstance(value, str | int | float | bool | None)}
        found["expected"] = estimate_json(choice.estimate)
        found["runner_up"] = None if other is None else {"label": other.label, "lost": other.lost, "job": estimate_json(other.estimate)}
    return found
