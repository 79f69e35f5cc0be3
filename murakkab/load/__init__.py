"""policy: YAML or JSON text -> Workflow, with `file:line:column` for every mistake. Reads no file: text in, result out."""

from collections.abc import Iterable
from dataclasses import dataclass

from murakkab.document import from_document
from murakkab.errors import Diagnostic, Path
from murakkab.load.places import Places
from murakkab.load.text import decode
from murakkab.load.tree import read_tree
from murakkab.spec import Workflow

__all__ = ["Parsed", "Places", "parse"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text declares. `workflow` leaves out what is wrong, so that the rest can be checked; None where nothing could be read."""

    workflow: Workflow | None
    diagnostics: list[Diagnostic]
    places: Places

    def report(self, more: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Return the mistakes of reading and, with their places, those of checking (*more*), in the order of the text.

        What is wrong only because something there could not be read is left out.
        """
        broken = {d.path for d in self.diagnostics if d.path}
        true = [d for d in more if not _follows(d, broken)]
        return self.places.placed([*self.diagnostics, *true])


def parse(text: str | bytes, file: str = "workflow") -> Parsed:
    """Return the workflow that *text* declares, and every mistake in its form, with its place in *file*.

    Time and memory are bounded whatever the text: what is too large, too deep or not plain YAML is refused with one diagnostic.
    """
    decoded = decode(text, file)
    if isinstance(decoded, Diagnostic):
        return Parsed(None, [decoded], Places(file))
    data, places, problems = read_tree(decoded, file)
    if any(p.code != "duplicate-key" for p in problems):
        return Parsed(None, places.placed(problems), places)
    workflow, more = from_document(data)
    return Parsed(workflow, places.placed([*problems, *more]), places)


def _follows(diagnostic: Diagnostic, broken: set[Path]) -> bool:
    """Return whether *diagnostic* is about something that could not be read, a missing piece of what holds that, or its value."""
    path = diagnostic.path
    if any(path[:i] in broken for i in range(1, len(path) + 1)):
        return True
    if diagnostic.code == "type-mismatch":
        return any(other[:-1] == path and str(other[-1]).startswith(("$", "path")) for other in broken)
    missing = diagnostic.code in ("no-work", "missing-input")
    return missing and any(other[: len(path)] == path for other in broken)
