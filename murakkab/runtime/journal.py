"""driver: the journal in memory - for tests, and for jobs that need not outlive their process. States the port's contract in few lines."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from murakkab.errors import ConflictError, NotFoundError
from murakkab.ports import JobHeader, JobSummary, Letter
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
        #: Job, kind and text of each letter by its number, and those that were handed out.
        self._letters: dict[int, tuple[str, str, str]] = {}
        self._handed: set[int] = set()
        self._posted = 0
        self._deleted: set[str] = set()

    def create(self, header: JobHeader, *, is_fresh: bool = False) -> None:
        """See `ports.Journal`."""
        if header.job in self._jobs or header.job in self._deleted:
            raise ConflictError(f"job {header.job!r} exists already, or there was one that has been deleted")
        self._jobs[header.job] = _Kept(decoded_header(encoded_header(header, ""), header.workflow))

    def append(self, job: str, event: Event, *, letter: int = 0) -> None:
        """See `ports.Journal`."""
        self._jobs[job].lines.append((type(event).__name__, encoded(event)))
        if letter:
            self.drop(letter)

    def flush(self) -> None:
        """See `ports.Journal`. There is nothing that could be lost later than now."""

    def finish(self, job: str, status: str, time: float) -> None:
        """See `ports.Journal`."""
        kept = self._jobs[job]
        kept.owned = False
        kept.status, kept.finished = (status, time) if status else kept.before
        self._handed -= {letter for letter, (of, _, _) in self._letters.items() if of == job}

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

    def post(self, job: str, event: Event) -> int:
        """See `ports.Journal`."""
        text = encoded(event)
        if not self._kept(job).owned:
            return 0
        self._posted += 1
        self._letters[self._posted] = job, type(event).__name__, text
        return self._posted

    def mail(self) -> Sequence[Letter]:
        """See `ports.Journal`."""
        fresh = [number for number, (job, _, _) in self._letters.items() if number not in self._handed and self._jobs[job].owned]
        self._handed.update(fresh)
        return [Letter(number, job, decoded(kind, text)) for number in fresh for job, kind, text in (self._letters[number],)]

    def drop(self, letter: int) -> None:
        """See `ports.Journal`."""
        self._letters.pop(letter, None)
        self._handed.discard(letter)

    def is_heard(self, letter: int) -> bool | None:
        """See `ports.Journal`."""
        if letter not in self._letters:
            return True
        if self._jobs[self._letters[letter][0]].owned:
            return None
        self.drop(letter)
        return False

    def delete(self, job: str) -> None:
        """See `ports.Journal`."""
        if self._kept(job).owned:
            raise ConflictError(f"job {job!r} is running")
        del self._jobs[job]
        self._deleted.add(job)
        self._letters = {number: one for number, one in self._letters.items() if one[0] != job}

    def texts(self, *, without: Collection[str] = ()) -> Iterator[str]:
        """See `ports.Journal`."""
        for job, kept in self._jobs.items():
            if job not in without:
                yield json.dumps([kept.header, kept.lines, *(text for of, _, text in self._letters.values() if of == job)])

    def compact(self) -> None:
        """See `ports.Journal`. There is no space that could be given back."""

    def close(self) -> None:
        """See `ports.Journal`."""
        for kept in self._jobs.values():
            if kept.owned:
                kept.owned, kept.status = False, "interrupted"

    def _kept(self, job: str) -> _Kept:
        if job not in self._jobs:
            raise NotFoundError(f"there is no job {job!r}", hint="`murakkab jobs` lists them")
        return self._jobs[job]
