"""driver: what is thrown away - jobs that ended long ago, files that nothing needs any more, results that have expired.

Files are found by the hashes that they are named by: whatever a job or a cached result needs is written somewhere in what is kept of it.
Others may go on meanwhile. What they have made, and not yet written down that they need it, is younger than the oldest job that runs.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from murakkab.diagnostics import did_you_mean
from murakkab.errors import ConflictError, InputError, NotFoundError
from murakkab.ports import JobSummary, Journal
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.cache import SqliteResultCache

#: Statuses of jobs that are over, and of those that might go on one day.
OVER: Final = ("succeeded", "failed", "cancelled")
_LEFT: Final = ("held", "waiting", "paused", "interrupted")
#: Seconds for which nothing is thrown away that a job without a journal, say, may need.
_YOUNG: Final = 3600.0
_HASH: Final = re.compile("[0-9a-f]{64}")
_HASH_BYTES: Final = re.compile(rb"[0-9a-f]{64}")
_DIGITS: Final = 64


class Cleaned(NamedTuple):
    """What was thrown away, or would be: jobs by id, files of the artifact store and their bytes, results of the cache."""

    jobs: tuple[str, ...]
    artifacts: int
    bytes: int
    cache_entries: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Which jobs go: those in `statuses` that ended `older_than` seconds ago or more and are not among the newest `keep` of them.

    With neither, none do. Files younger than `older_than` stay, whether or not anything needs them.
    """

    older_than: float | None = None
    keep: int | None = None
    statuses: Collection[str] = OVER

    def check(self) -> None:
        """Raise `InputError` for a rule that makes no sense."""
        for status in self.statuses:
            if status not in (*OVER, *_LEFT):
                hint = did_you_mean(status, (*OVER, *_LEFT), others="there are")
                raise InputError(f"jobs that are {status!r} cannot be cleaned up", hint=hint)
        if (self.older_than is not None and self.older_than < 0) or (self.keep is not None and self.keep < 0):
            raise InputError("neither an age nor a number of jobs to keep can be negative")


def outdated(jobs: Sequence[JobSummary], rule: Rule, now: float) -> list[str]:
    """Return the jobs that go by *rule*, oldest last."""
    if rule.older_than is None and rule.keep is None:
        return []
    ended = sorted((job for job in jobs if job.status in rule.statuses), key=_ended, reverse=True)
    return [job.job for job in ended[rule.keep or 0 :] if now - _ended(job) >= (rule.older_than or 0.0)]


def _ended(job: JobSummary) -> float:
    return job.created if job.finished is None else job.finished


def clean(
    journal: Journal, artifacts: LocalArtifacts, cache: SqliteResultCache | None, *, rule: Rule, now: float, dry_run: bool = False
) -> Cleaned:
    """Throw away what *rule* and the time *now* say, and what nothing needs then; return what that was. Raises `InputError`."""
    rule.check()
    known = journal.jobs()
    chosen = outdated(known, rule, now)
    gone = chosen if dry_run else [job for job in chosen if _is_deleted(journal, job)]
    # A result that has just expired may have been taken just before, by a job whose journal does not say so yet.
    expired = 0 if cache is None else cache.prune(now - _YOUNG, dry_run=dry_run)
    needed = named_in(journal.texts(without=gone if dry_run else ()))
    if cache is not None:
        needed |= named_in(cache.texts())
    _add_inner(needed, artifacts)
    before = min((now - max(_YOUNG, rule.older_than or 0.0), *(job.created for job in known if job.status == "running")))
    files, size = artifacts.sweep(needed, before, dry_run=dry_run)
    if not dry_run:
        journal.compact()
    return Cleaned(tuple(gone), files, size, expired)


def _is_deleted(journal: Journal, job: str) -> bool:
    """Delete a job; False when somebody has just taken it up, or deleted it."""
    try:
        journal.delete(job)
    except (ConflictError, NotFoundError):
        return False
    return True


def named_in(texts: Iterable[str]) -> set[str]:
    """Return every hash that is written in *texts*."""
    found: set[str] = set()
    for text in texts:
        if len(text) >= _DIGITS:
            found.update(_HASH.findall(text))
    return found


def _add_inner(needed: set[str], artifacts: LocalArtifacts) -> None:
    """Add the hashes that are written in needed files of JSON: long events and headers are such files."""
    known = {path.name[:_DIGITS]: path for path in artifacts.stored() if path.suffix == ".json"}
    agenda = [known[name] for name in needed if name in known]
    while agenda:
        try:
            inner = {name.decode() for name in _HASH_BYTES.findall(agenda.pop().read_bytes())} - needed
        except FileNotFoundError:
            continue
        needed |= inner
        agenda += [known[name] for name in inner if name in known]
