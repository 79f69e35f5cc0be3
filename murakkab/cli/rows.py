"""policy: what a job did, one row per step, from a row per ended attempt. Knows nothing of terminals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from murakkab.cli.places import kind_of, nodes_of
from murakkab.drawing.timeline import Track, timeline_of
from murakkab.plan import Choice
from murakkab.runtime.result import JobResult, TaskRow


class Row(NamedTuple):
    """One step, by its path. `start` and `seconds` are of its whole span; `joules` is the sum of what was measured, None where nothing was.

    `metered` says how many of its attempts were measured. `kind` other than task: no executor does it, and it takes nothing of its own.
    `failed` and `cancelled` count attempts that ended so; of a step that no executor does, its tasks.
    """

    step: str
    executor: str
    device: str
    done: int
    attempts: int
    cached: int
    start: float | None
    seconds: float | None
    joules: float | None
    metered: int
    usd: float
    tokens: int = 0
    kind: str = "task"
    failed: int = 0
    cancelled: int = 0


def rows_of_steps(tasks: Iterable[TaskRow], choices: Mapping[str, Choice], *, begin: float) -> list[Row]:
    """Return one row per step of *choices*, in their order. `start` counts from the time *begin*."""
    attempts: dict[str, list[TaskRow]] = {step: [] for step in choices}
    for task in tasks:
        attempts.setdefault(task.step, []).append(task)
    return [_row(step, found, choices.get(step), begin) for step, found in attempts.items()]


def _row(step: str, attempts: Sequence[TaskRow], choice: Choice | None, begin: float) -> Row:
    executors = dict.fromkeys(task.executor for task in attempts) or ([choice.executor.name] if choice else [])
    start = min((task.started for task in attempts), default=None)
    end = max((task.finished for task in attempts), default=None)
    joules = [task.joules for task in attempts if task.joules is not None]
    return Row(
        step=step,
        executor=", ".join(executors),
        device=attempts[0].device if attempts else str(choice.executor.device) if choice else "",
        done=sum(task.status == "succeeded" for task in attempts),
        attempts=len(attempts),
        cached=sum(task.cached for task in attempts),
        start=None if start is None else max(0.0, start - begin),
        seconds=None if start is None or end is None else end - start,
        joules=sum(joules) if joules else None,
        metered=len(joules),
        usd=sum(task.usd for task in attempts),
        tokens=sum(task.tokens for task in attempts),
        failed=sum(task.status == "failed" for task in attempts),
        cancelled=sum(task.status == "cancelled" for task in attempts),
    )


def total_of(rows: Sequence[Row], *, seconds: float) -> Row:
    """Return the bill of the whole job, which took *seconds*. Its counts are the sums of those of *rows*; `attempts` are of executors."""
    measured = [row.joules for row in rows if row.joules is not None]
    return Row(
        step="total",
        executor="",
        device="",
        done=sum(row.done for row in rows),
        attempts=sum(row.attempts for row in rows if row.kind == "task"),
        cached=sum(row.cached for row in rows),
        start=None,
        seconds=seconds,
        joules=sum(measured) if measured else None,
        metered=sum(row.metered for row in rows),
        usd=sum(row.usd for row in rows),
        tokens=sum(row.tokens for row in rows),
        failed=sum(row.failed for row in rows),
        cancelled=sum(row.cancelled for row in rows),
    )


def bill_of(result: JobResult) -> tuple[list[Row], Row]:
    """Return a row per step of a job, those inside of a step behind it, and their total."""
    begin = result.history[0].time if result.history else 0.0
    seconds = result.history[-1].time - begin if result.history else 0.0
    rows = rows_of_steps(result.tasks, result.deployment.choices, begin=begin)
    return _with_others(rows, result, begin), total_of(rows, seconds=seconds)


def _with_others(rows: list[Row], result: JobResult, begin: float) -> list[Row]:
    """Return *rows* in the order of the graph, with a row for each step that no executor does."""
    if result.graph is None:
        return rows
    nodes = nodes_of(result.graph)
    others = {path: kind for path, node in nodes.items() if (kind := kind_of(node)) != "task"}
    known = {row.step: row for row in rows}
    if others:
        tracks: dict[str, list[Track]] = {}
        for track in timeline_of(result.graph, result.history).tracks:
            if track.path in others:
                tracks.setdefault(track.path, []).append(track)
        for path, kind in others.items():
            known[path] = _other(path, kind, tracks.get(path, ()), begin)
    order = {path: i for i, path in enumerate(nodes)}
    return sorted(known.values(), key=lambda row: order.get(row.step, len(order)))


def _other(path: str, kind: str, tracks: Sequence[Track], begin: float) -> Row:
    start = min((one.begin for one in tracks), default=None)
    end = max((one.end for one in tracks), default=None)
    return Row(
        step=path,
        executor="",
        device="",
        done=sum(one.status == "succeeded" for one in tracks),
        attempts=len(tracks),
        cached=0,
        start=None if start is None else max(0.0, start - begin),
        seconds=None if start is None or end is None else end - start,
        joules=None,
        metered=0,
        usd=0.0,
        kind=kind,
        failed=sum(one.status == "failed" for one in tracks),
        cancelled=sum(one.status == "cancelled" for one in tracks),
    )
