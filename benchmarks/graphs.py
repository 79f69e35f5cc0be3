"""policy: the cases as a user declares them - in Python with `@workflow`, or as the document that a YAML file holds - and compiled."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from benchmarks import steps
from benchmarks.cases import STEPS, random_dag, successors
from murakkab import app, step, workflow
from murakkab.api import WorkflowHandle
from murakkab.declaring import declare

following, quick, nap, total = step(steps.following), step(steps.quick), step(steps.nap), step(steps.total)
node, node_that_waits, side = step(steps.node), step(steps.node_that_waits), step(steps.side)


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled case: the inputs of each job of one run, and what the jobs must return."""

    work: app.Work
    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Any]
    build_seconds: float


def declared(case: str, n: int = STEPS) -> Plan:
    """Return a case written in Python. The build is timed from the call of the function to the compiled graph."""
    function = _functions(n)[case]
    began = time.perf_counter()
    written = declare(function)
    work = app.prepare(written.workflow, written.functions)
    seconds = time.perf_counter() - began
    if case == "diamond":
        return Plan(work, [{"value": number} for number in range(n)], [3 * number for number in range(n)], seconds)
    return Plan(work, [{}], [_expected(case, n)], seconds)


def loaded(case: str, n: int = STEPS) -> Plan:
    """Return a case written as a YAML document. The build is timed from the text to the compiled graph."""
    text = yaml.safe_dump(_documents(n)[case], sort_keys=False)
    began = time.perf_counter()
    work = app.load_text(text, f"{case}.yaml")
    seconds = time.perf_counter() - began
    inputs = {"items": list(range(n))} if work.graph.workflow.inputs else {}
    return Plan(work, [inputs], [_expected(case, n)], seconds)


def handle_of_chain(n: int = STEPS) -> WorkflowHandle[[], int]:
    """Return the chain as the decorator gives it to a user."""
    chain: Callable[[], int] = _functions(n)["chain"]
    return workflow(chain)


def _expected(case: str, n: int) -> Any:
    if case.startswith("dag"):
        return [number for number, after in enumerate(successors()) if not after]
    return n if case == "chain" else sum(range(n))


def _functions(n: int) -> dict[str, Callable[..., Any]]:
    def chain() -> int:
        value = 0
        for _ in range(n):
            value = following(value)
        return value

    def fanout() -> int:
        return total([quick(number) for number in range(n)])

    def fanout_sleep() -> int:
        return total([nap(number) for number in range(n)])

    def dag() -> list[int]:
        results: list[int] = []
        for number, before in enumerate(random_dag()):
            results.append(node(number, [results[one] for one in before]))
        return [results[number] for number, after in enumerate(successors()) if not after]

    def dag_sleep() -> list[int]:
        results: list[int] = []
        for number, before in enumerate(random_dag()):
            results.append(node_that_waits(number, [results[one] for one in before]))
        return [results[number] for number, after in enumerate(successors()) if not after]

    def diamond(value: int) -> int:
        top = quick(value)
        return total([side(top, name) for name in "bcd"])

    return {one.__name__: one for one in (chain, fanout, fanout_sleep, dag, dag_sleep, diamond)}


def _documents(n: int) -> dict[str, dict[str, Any]]:
    """Return the documents: the chain, the random graph, and the fan-out as one `for_each` step."""
    return {
        "chain": {
            "workflow": "chain",
            "steps": {f"s{i}": {"call": "benchmarks.steps:following", "with": {"value": f"${{s{i - 1}}}" if i else 0}} for i in range(n)},
            "outputs": {"result": f"${{s{n - 1}}}"},
        },
        "dag": {
            "workflow": "dag",
            "steps": {
                f"s{i}": {"call": "benchmarks.steps:node", "with": {"number": i, "before": [f"${{s{p}}}" for p in before]}}
                for i, before in enumerate(random_dag())
            },
            "outputs": {"result": [f"${{s{i}}}" for i, after in enumerate(successors()) if not after]},
        },
        "fanout": _map("quick"),
        "fanout_sleep": _map("nap"),
    }


def _map(function: str) -> dict[str, Any]:
    return {
        "workflow": "fanout",
        "inputs": {"items": "list[int]"},
        "steps": {
            "each": {"call": f"benchmarks.steps:{function}", "for_each": "${inputs.items}", "with": {"value": "${item}"}},
            "join": {"call": "benchmarks.steps:total", "with": {"values": "${each}"}},
        },
        "outputs": {"result": "${join}"},
    }
