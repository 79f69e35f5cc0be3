"""policy: YAML or JSON text -> Workflow, with `file:line:column` for every mistake. Reads no file itself: text in, result out."""

import os.path
from collections.abc import Iterable, Set
from dataclasses import dataclass

from murakkab.diagnostics import MAX_TOLD
from murakkab.errors import Diagnostic
from murakkab.load.definitions import definition, tree_of
from murakkab.load.places import Places
from murakkab.load.scope import Address, Loading, ReadFile
from murakkab.load.text import MAX_CHARACTERS
from murakkab.spec import Workflow

__all__ = ["MAX_CHARACTERS", "Parsed", "Places", "ReadFile", "parse"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text declares. `workflow` leaves out what is wrong, so that the rest can be checked; None where nothing could be read.

    `broken` are the paths, each with its file, of what was left out.
    """

    workflow: Workflow | None
    diagnostics: list[Diagnostic]
    places: Places
    broken: frozenset[Address] = frozenset()

    def report(self, more: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Return the mistakes of reading and, with their places, those of checking (*more*), in the order of the text.

        What is wrong only because something there could not be read is left out.
        """
        if len(self.diagnostics) > MAX_TOLD:
            return self.diagnostics
        around = {(file, path[:i]) for file, path in self.broken for i in range(len(path))}
        values = {(file, path[:-1]) for file, path in self.broken if str(path[-1]).startswith(("$", "path"))}
        values |= {(d.place.file, d.path[:-1]) for d in self.diagnostics if d.place and d.code == "unknown-operator"}
        true = [d for d in more if not self._follows(d, around, values)]
        return self.places.told([*self.diagnostics, *true])

    def _follows(self, diagnostic: Diagnostic, around: Set[Address], values: Set[Address]) -> bool:
        """Return whether *diagnostic* is about something that could not be read, a missing piece of what holds that, or its value."""
        home, path = self.places.home(diagnostic.path)
        file = home.file
        if any((file, path[:i]) in self.broken for i in range(1, len(path) + 1)):
            return True
        if diagnostic.code == "type-mismatch":
            return (file, path) in values
        if diagnostic.code == "no-work" and path[-1:] == ("steps",):
            # They may be written under another name.
            return path not in home.keys and any((file, path[:-1]) == (other, known[:-1]) for other, known in self.broken)
        return diagnostic.code in ("no-work", "missing-input", "wrong-form") and (file, path) in around


def parse(text: str | bytes, file: str = "workflow", *, profile: str = "", read: ReadFile | None = None) -> Parsed:
    """Return the workflow that *text* declares, and every mistake in its form, with its place in *file*.

    *profile*: which of its profiles to lay over it. *read* gives the bytes of the files that it names, by their path; without it there
    are none. Time and memory are bounded whatever the text: what is too large, too deep or not plain YAML is refused with one diagnostic.
    """
    loading = Loading(read, profile, {(os.path.normpath(file), ()): file})
    data, places, problems = tree_of(text, file, loading)
    loading.note(problems, places)
    if any(p.code != "duplicate-key" for p in problems):
        return Parsed(None, places.told(problems), places)
    found = definition(data, places, loading)
    return Parsed(found and found.workflow, places.told(loading.problems), places, frozenset(p for p in loading.broken if p[1]))
