"""policy: how a workflow would run, as a table and as plain data - choices, expectations and where these come from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table
from rich.text import Text

from murakkab.cli.places import kind_of, nodes_of
from murakkab.cli.tables import KINDS, narrowed, new_table, seconds_text, step_name, usd_text
from murakkab.plan import Choice, Deployment, Node, TaskGraph

if TYPE_CHECKING:
    from rich.console import JustifyMethod, OverflowMethod


class Expectation(NamedTuple):
    """What decides how long a job takes, as far as that is known before it runs: each list counts as one element."""

    path: tuple[str, ...]
    seconds: float


def expected_of(graph: TaskGraph) -> Expectation:
    """Return the longest path of expected work through the steps of *graph*."""
    current = max(graph.nodes.values(), key=lambda node: node.rank, default=None)
    seconds = current.rank if current is not None else 0.0
    path: list[str] = []
    while current is not None:
        path.append(current.name)
        after = [graph.nodes[name] for name in (*current.consumers, *current.feeds)]
        current = max(after, key=lambda node: node.rank, default=None)
    return Expectation(tuple(path), seconds)


def tasks_text(node: Node) -> str:
    """Return how many tasks a step becomes: one, as many as a list has elements (n), or rounds."""
    each = "n" if node.loops else ""
    rounds = f"≤{node.again.at_most}" if node.again is not None else ""
    return "·".join(part for part in (each, rounds) if part) or "1"


def plan_table(graph: TaskGraph, deployment: Deployment, *, with_reasons: bool, width: int = 10_000) -> Table:
    """Return a line per step, those inside of a step behind it; where *width* is too little, without the columns that matter least."""
    names = ("step", "executor", "device", "tasks", "expected", "cost", "energy", "source")
    nodes = nodes_of(graph)
    lines = [_cells(path, node, deployment.choices.get(path)) for path, node in nodes.items()]
    columns = {name: [*found] for name, *found in zip(names, *lines, strict=True)}
    if not with_reasons:
        narrowed(columns, width, ("device", "energy", "cost", "source", "executor"))
    table = new_table()
    for name in columns:
        overflow: OverflowMethod = "fold" if name == "executor" else "ellipsis"
        justify: JustifyMethod = "right" if name in ("tasks", "expected", "cost", "energy") else "left"
        table.add_column(name, justify=justify, no_wrap=overflow != "fold", overflow=overflow, min_width=10 if name == "step" else 5)
    if with_reasons:
        table.add_column("why", overflow="fold")
    for i, path in enumerate(nodes):
        choice = deployment.choices.get(path)
        faint = {"source"} if choice is None or choice.executor.quote.source != "measured" else set()
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


def _cells(path: str, node: Node, choice: Choice | None) -> tuple[str, ...]:
    if choice is None:
        return step_name(path), KINDS.get(kind_of(node), ""), "", tasks_text(node), "", "", "", ""
    quote = choice.executor.quote
    energy = "-" if quote.joules is None else f"{quote.joules:.3g} J"
    knobs = ", ".join(f"{name}={value}" for name, value in choice.knobs.items() if isinstance(value, str | int | float | bool))
    who = f"{choice.executor.name} ({knobs})" if knobs else choice.executor.name
    device = str(choice.executor.device)
    return step_name(path), who, device, tasks_text(node), seconds_text(quote.seconds), usd_text(quote.usd), energy, quote.source


def plan_json(graph: TaskGraph, deployment: Deployment) -> dict[str, Any]:
    """Return the plan as plain data."""
    expected = expected_of(graph)
    return {
        "workflow": graph.workflow.name,
        "digest": graph.digest,
        "goal": {"minimize": list(deployment.goal.minimize), "limits": dict(deployment.goal.limits)},
        "steps": [_step_json(path, node, deployment.choices) for path, node in nodes_of(graph).items()],
        "critical_path": list(expected.path),
        "expected_seconds": expected.seconds,
        "rewrites": list(graph.rewrites),
    }


def _step_json(path: str, node: Node, choices: Mapping[str, Choice]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "step": path,
        "kind": kind_of(node),
        "uses": node.uses,
        "call": node.call,
        "needs": list(node.needs),
        "tasks": tasks_text(node),
        "effect": str(node.effect),
        "result": str(node.result),
    }
    choice = choices.get(path)
    if choice is not None:
        quote = choice.executor.quote
        found |= {"executor": choice.executor.name, "device": str(choice.executor.device), "why": choice.why}
        found["knobs"] = {name: value for name, value in choice.knobs.items() if isinstance(value, str | int | float | bool | None)}
        found["expected"] = {
            "seconds": quote.seconds,
            "usd": quote.usd,
            "joules": quote.joules,
            "tokens": quote.tokens,
            "quality": quote.quality,
            "source": quote.source,
        }
    return found


def exceeded(graph: TaskGraph, deployment: Deployment) -> list[str]:
    """Return which limits of the goal the expectations go beyond, in words."""
    limit = deployment.goal.limits.get("latency")
    seconds = expected_of(graph).seconds
    if limit is None or seconds <= limit:
        return []
    return [f"the job is expected to take {seconds_text(seconds)} or more, and its limit is {seconds_text(limit)}"]
