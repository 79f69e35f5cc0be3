"""policy: what the commands print with --json, as plain data."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from murakkab.catalog import Capability, Catalog, ExecutorCard, Parameter
from murakkab.cli.predictions import predicted_json
from murakkab.cli.rows import Row
from murakkab.drawing.timeline import Track
from murakkab.ports import JobSummary
from murakkab.runtime.result import JobResult

#: Statuses in which a job has come to its end.
_OVER: Final = ("succeeded", "failed", "cancelled")


def job_json(result: JobResult, rows: Sequence[Row], total: Row, statuses: Mapping[str, str]) -> dict[str, Any]:
    """Return a job: status, outputs, failures, and what each step took."""
    return {
        "job": result.job,
        "status": result.status,
        "outputs": dict(result.outputs),
        "failures": [{"task": f.task, "reason": f.reason, "message": f.message, "attempt": f.attempt} for f in result.failures],
        "seconds": total.seconds,
        "usd": total.usd,
        "joules": total.joules,
        "tokens": total.tokens,
        "steps": [{**_measured(row), "status": statuses.get(row.step, "")} for row in rows],
        "predicted": predicted_json(result),
    }


def _measured(row: Row) -> dict[str, Any]:
    return {
        "step": row.step,
        "kind": row.kind,
        "executor": row.executor,
        "device": row.device,
        "done": row.done,
        "attempts": row.attempts,
        "failed": row.failed,
        "cancelled": row.cancelled,
        "cached": row.cached,
        "start": row.start,
        "seconds": row.seconds,
        "joules": row.joules,
        "usd": row.usd,
        "tokens": row.tokens,
    }


def tasks_json(result: JobResult, statuses: Mapping[str, str], *, only: str = "") -> list[dict[str, Any]]:
    """Return the tasks of a job, or *only* one: where each is, and its attempts."""
    attempts: dict[str, list[dict[str, Any]]] = {task: [] for task in statuses}
    for row in result.tasks:
        if only and row.task != only:
            continue
        facts = row._asdict()
        attempts.setdefault(facts.pop("task"), []).append(facts)
    return [{"task": task, "status": statuses.get(task, ""), "attempts": found} for task, found in attempts.items()]


def track_json(track: Track, begin: float) -> dict[str, Any]:
    """Return what a task did when, in seconds since the job began."""
    spans = [{"kind": span.kind, "begin": span.begin - begin, "end": span.end - begin} for span in track.spans]
    return {"task": track.task, "step": track.path, "status": track.status, "critical": track.is_critical, "spans": spans}


def summary_json(job: JobSummary) -> dict[str, Any]:
    """Return one line of the list of jobs: `finished` when it is over for good, `stopped` when nothing runs in it any more."""
    return {**job._asdict(), "finished": job.finished if job.status in _OVER else None, "stopped": job.finished}


def catalog_json(catalog: Catalog, missing: Collection[str]) -> dict[str, Any]:
    """Return capabilities and executors; those in *missing* lack the libraries of their extra."""
    return {
        "capabilities": [_capability(one) for one in catalog.capabilities.values()],
        "executors": [_executor(card, is_ready=card.name not in missing) for card in catalog.executors.values()],
    }


def _capability(one: Capability) -> dict[str, Any]:
    return {
        "name": one.name,
        "description": one.description,
        "inputs": [_parameter(p) for p in one.inputs],
        "open_inputs": one.open_inputs,
        "result": str(one.result),
    }


def _executor(card: ExecutorCard, *, is_ready: bool) -> dict[str, Any]:
    return {
        "name": card.name,
        "capability": card.capability,
        "description": card.description,
        "device": str(card.device),
        "effect": str(card.effect),
        "version": card.version,
        "knobs": [_parameter(p) for p in card.knobs],
        "quote": {
            "seconds": card.quote.seconds,
            "usd": card.quote.usd,
            "joules": card.quote.joules,
            "quality": card.quote.quality,
            "source": card.quote.source,
        },
        "extra": card.extra,
        "ready": is_ready,
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    found = {
        "name": one.name,
        "type": str(one.type),
        "required": one.required,
        "default": one.default,
        "description": one.description,
        "choices": list(one.choices) or None,
        "low": one.low,
        "high": one.high,
    }
    return {key: value for key, value in found.items() if value is not None and value != ""}
