"""driver: throws away what is old, or says what would go."""

from pathlib import Path

from murakkab import app
from murakkab.cli.options import seconds_of
from murakkab.cli.printing import answer, tell


def clean(older_than: str | None, keep: int | None, *, home: Path, dry_run: bool, as_json: bool) -> None:
    """Throw away old jobs and what nothing needs any more."""
    age = None if older_than is None else seconds_of(older_than, "--older-than")
    found = app.clean(app.Settings(home=home), older_than=age, keep=keep, dry_run=dry_run)
    if as_json:
        document = {"jobs": list(found.jobs), "files": found.artifacts, "bytes": found.bytes, "cached_results": found.cache_entries}
        answer({**document, "dry_run": dry_run}, plain=True)
        return
    verb = "would go" if dry_run else "are gone"
    amount = f"{found.bytes / 1e6:.1f} MB" if found.bytes >= 1e5 else f"{found.bytes} bytes"
    tell(f"{len(found.jobs)} jobs, {found.artifacts} files ({amount}) and {found.cache_entries} cached results {verb}")
    if older_than is None and keep is None:
        tell("hint: jobs are thrown away by --older-than 30d or --keep 100")
