"""driver: the journal in memory - for tests, and for jobs that need not outlive their process. States the port's contract in few lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from murakkab.errors import ConflictError, NotFoundError
from murakkab.ports import JobHeader, JobSummary
from murakkab.runtime.codec import decoded, decoded_header, encoded, encoded_header
from murakkab.runtime.messages import Event


@dataclass
class _Kept:
    header: JobHeader
    lines: list[tuple[str, str]] = field(default_factory=list)
    status: str = "running"
    finished: float | None = None
    owned: bool = True
    #: Status and end before it was claimed.
    before: tuple[str, float | None] = ("running", None)


class MemoryJournal:
    """Jobs of this process. Stores text, as a journal on disk does, so that what cannot be written fails here too."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Kept] = {}

    def create(self, header: JobHeader, *, is_fresh: bool = False) -> None:
        """See `ports.Journal`."""
        if header.job in self._jobs:
            raise ConflictError(f"job {header.job!r} exists already")
        self._jobs[header.job] = _Kept(decoded_header(encoded_header(header, ""), header.workflow))

    def append(self, job: str, event: Event) -> None:
        """See `ports.Journal`."""
        self._jobs[job].lines.append((type(event).__name__, encoded(event)))

    def flush(self) -> None:
        """See `ports.Journal`. There is nothing that could be lost later than now."""

    def finish(self, job: str, status: str, time: float) -> None:
        """See `ports.Journal`."""
        kept = self._jobs[job]
        kept.owned = False
        kept.status, kept.finished = (status, time) if status else kept.before

    def claim(self, job: str) -> None:
        """See `ports.Journal`."""
        kept = self._kept(job)
        if kept.owned:
            raise ConflictError(f"job {job!r} is running")
        if kept.status == "succeeded":
            raise ConflictError(f"job {job!r} has succeeded; there is nothing to resume")
        kept.before = kept.status, kept.finished
        kept.owned, kept.status, kept.finished = True, "running", None

    def read(self, job: str) -> tuple[JobHeader, Sequence[Event]]:
        """See `ports.Journal`."""
        kept = self._kept(job)
        return kept.header, [decoded(kind, text) for kind, text in kept.lines]

    def jobs(self) -> Sequence[JobSummary]:
        """See `ports.Journal`."""
        kept = sorted(self._jobs.values(), key=lambda one: one.header.created, reverse=True)
        return [
            JobSummary(k.header.job, str(k.header.workflow.get("workflow", "")), k.status, k.header.created, k.finished, len(k.lines))
            for k in kept
        ]

    def close(self) -> None:
        """See `ports.Journal`."""
        for kept in self._jobs.values():
            if kept.owned:
                kept.owned, kept.status = False, "interrupted"

    def _kept(self, job: str) -> _Kept:
        if job not in self._jobs:
            raise NotFoundError(f"there is no job {job!r}", hint="`murakkab jobs` lists them")
        return self._jobs[job]
