"""driver: the events of a job, a line for each - those that are there, and with --follow those that come."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from murakkab.cli.event_lines import event_json, event_text
from murakkab.cli.history import full_id, looked_at
from murakkab.cli.streams import results
from murakkab.cli.visible import json_text
from murakkab.errors import NotFoundError
from murakkab.ports import Records
from murakkab.runtime.messages import Event
from murakkab.runtime.records import path_of

#: Seconds between two looks at a job that runs.
_EVERY: Final = 0.3


def logs(job: str, task: str | None, *, home: Path, follow: bool, as_json: bool) -> None:
    """Print the events of a job, or of one task or step."""
    with looked_at(home) as records:
        job = full_id(records, job)
        told = 0
        while True:
            # Its status first: what ends the job is not missed then.
            runs = follow and _runs(records, job)
            _, past = records.read(job)
            _print(past, told, task, as_json=as_json)
            told = len(past)
            if not runs:
                break
            time.sleep(_EVERY)
    if task is not None and not any(is_about(event, task) for event in past):
        raise NotFoundError(f"no event of job {job} is about {task!r}", hint=f"murakkab show {job} lists its steps and tasks")


def _runs(records: Records, job: str) -> bool:
    return any(one.job == job and one.status == "running" for one in records.jobs())


def _print(past: Sequence[Event], told: int, task: str | None, *, as_json: bool) -> None:
    begin, out = past[0].time if past else 0.0, results()
    for number, event in enumerate(past[told:], told + 1):
        if task is None or is_about(event, task):
            one = event_json(event, number, begin)
            out.write(json_text(one, out.encoding, indent=None) if as_json else f"{event_text(event, begin)}\n")
    out.flush()


def is_about(event: Event, task: str) -> bool:
    """True when an event is about a task, a task of the step of that name, or one that lies inside."""
    name = getattr(event, "task", "")
    if not name:
        return False
    return bool(name == task or path_of(name) == task or name.startswith((f"{task}/", f"{task}[", f"{task}#", f"{task}~")))
