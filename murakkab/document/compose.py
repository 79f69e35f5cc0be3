"""policy: one document laid over another - profiles over a workflow, defaults under its steps - and where each part was written.

Mappings are merged, everything else replaces, and null takes away. What is one value though it is written as a mapping (an expression, the
lists of a `for_each`, what to do about an error) is replaced as a whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.document.fields import Problems, WrongField
from murakkab.document.forms import DEFAULTS, Form, read_fields
from murakkab.document.read import FIXED
from murakkab.document.read_step import STEP
from murakkab.document.read_values import is_operator
from murakkab.errors import Diagnostic, Path

#: path in what was put together -> path where that is written
Origins = dict[Path, Path]

#: How much defaults may add to all steps together, as `weight` counts.
MAX_ADDED: Final = 1_000_000
#: How many steps defaults may be laid under for profiles that are not chosen, those of each profile counted.
MAX_SETTLED: Final = 20_000

_STEPS: Final = ("steps", "finally")
_WHOLE: Final = ("for_each", "on_error", "wait")
_ABOUT_STEPS: Final = (*_STEPS, "defaults")
_COMPOSITE: Final = ("workflow", "steps", "approve", "wait")
_DEFAULTS: Final = Form("`defaults`", {key: STEP.fields[key] for key in DEFAULTS})


@dataclass(slots=True)
class Composed:
    """A document put together from its parts: the data, where they come from, and what is wrong with the parts."""

    data: dict[str, Any]
    origins: Origins = field(default_factory=dict)
    problems: Problems = field(default_factory=list)


def composed(data: Mapping[str, Any], *, profile: str = "", must: bool = True) -> Composed:
    """Return *data* with the profile laid over it and its defaults under its steps; the result has neither, but for profiles not chosen.

    Those say by then what they make of the result: the same as they would of *data*, whose defaults they may change. *must*: it is a
    mistake when there is no such profile.
    """
    found = Composed(dict(data))
    if profile:
        _lay_profile(found, profile, must=must)
    defaults = found.data.pop("defaults", None)
    if isinstance(defaults, Mapping):
        whole = {**found.data, "defaults": defaults}
        _lay_defaults(found, defaults)
        _settle_profiles(found, whole)
    elif defaults is not None:
        found.problems.append(Diagnostic("wrong-form", "`defaults` are a mapping", "write defaults: {retry: 3}", ("defaults",)))
    return found


def each_step(document: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every step of *document* with its path, those inside of others after them. Each is a copy that may be changed in place."""
    agenda: list[tuple[Path, dict[str, Any], str]] = [((), document, section) for section in _STEPS]
    while agenda:
        at, parent, section = agenda.pop()
        if not isinstance(parent.get(section), Mapping):
            continue
        steps = parent[section] = dict(parent[section])
        for name, step in steps.items():
            if isinstance(step, Mapping):
                here, copy = (*at, section, name), dict(step)
                steps[name] = copy
                yield here, copy
                agenda.append((here, copy, "steps"))


def written(path: Path, origins: Origins) -> Path:
    """Return where *path* of what was put together is written."""
    end = len(path)
    while end:
        origin = origins.get(path[:end])
        if origin is None:
            end -= 1
        else:
            path = (*origin, *path[end:])
            end = len(path)
    return path


def weight(data: Any) -> int:
    """Return about how many characters *data* has as JSON."""
    found, agenda = 0, [data]
    while agenda:
        value = agenda.pop()
        if isinstance(value, Mapping):
            found += sum(map(len, map(str, value))) + 8
            agenda += value.values()
        elif isinstance(value, list | tuple):
            agenda += value
        found += len(value) + 8 if isinstance(value, str) else 8
    return found


# ---------------------------------------------------------------------------------------------------------------- profiles


def _lay_profile(found: Composed, name: str, *, must: bool) -> None:
    profiles = found.data.pop("profiles", None)
    profiles = profiles if isinstance(profiles, Mapping) else {}
    profile = profiles.get(name)
    if isinstance(profile, Mapping):
        allowed = {key: value for key, value in profile.items() if key not in FIXED}
        found.data = _merged(found.data, allowed, (), ("profiles", name), found.origins)
        found.problems += (_fixed(key, name) for key in profile if key in FIXED)
    elif name in profiles:
        found.problems.append(Diagnostic("wrong-form", f"the profile {name!r} is no mapping", "", ("profiles", name)))
    elif must:
        hint = did_you_mean(name, profiles, others="there are") or "the workflow has no `profiles`"
        found.problems.append(Diagnostic("unknown-profile", f"there is no profile {name[:60]!r}", hint, ("profiles",)))


def _fixed(key: str, name: str) -> Diagnostic:
    return Diagnostic("misplaced", f"a profile cannot change `{key}`", "leave it out", ("profiles", name, key))


def _merged(below: Mapping[str, Any], over: Mapping[str, Any], at: Path, source: Path, origins: Origins) -> dict[str, Any]:
    """Return *over* (written at *source*) laid over *below* (at *at*)."""
    found = dict(below)
    for key, value in over.items():
        here, there = (*at, key), (*source, key)
        if value is None:
            found.pop(key, None)
            continue
        old, new = _alike(here, found.get(key), value)
        merges = isinstance(new, Mapping) and not _is_whole(here, new)
        if merges and isinstance(old, Mapping) and not _is_whole(here, old):
            found[key] = _merged(old, new, here, there, origins)
            continue
        found[key] = _merged({}, new, here, there, {}) if merges else new
        origins[here] = there
    return found


# ------------------------------------------------------------------------------------------- profiles that are not chosen


def _settle_profiles(found: Composed, whole: Mapping[str, Any]) -> None:
    """Make the profiles of *whole*, which has defaults, mean over what was *found* what they mean over *whole*.

    One that has mistakes, which are told when it is chosen, stays as it is.
    """
    profiles = whole.get("profiles")
    if not isinstance(profiles, Mapping):
        return
    kept = {name: one for name, one in profiles.items() if isinstance(one, Mapping) and any(key in one for key in _ABOUT_STEPS)}
    if kept and len(kept) * sum(1 for _ in each_step(dict(whole))) > MAX_SETTLED:
        message = f"there are more than {MAX_SETTLED:,} steps under defaults, those of each profile counted"
        found.problems.append(Diagnostic("too-large", message, "write what profiles change into the steps", ("profiles",)))
        return
    settled = found.data["profiles"] = dict(profiles)
    for name, profile in kept.items():
        chosen = composed({**whole, "profiles": {name: profile}}, profile=name)
        if not chosen.problems:
            settled[name] = _settled(profile, found, chosen, ("profiles", name))


def _settled(profile: Mapping[str, Any], base: Composed, chosen: Composed, at: Path) -> dict[str, Any]:
    """Return what makes the steps of *chosen* of those of *base*, with whatever else the *profile* says."""
    found = {key: value for key, value in profile.items() if key not in _ABOUT_STEPS}
    for path, value in _changes(_sections(base), _sections(chosen), ()):
        parent = found
        for key in path[:-1]:
            parent = parent.setdefault(str(key), {})
        parent[str(path[-1])] = value
        source = written(path, chosen.origins)
        if source not in (path, (*at, *path)):
            base.origins[*at, *path] = source
    return found


def _sections(of: Composed) -> dict[str, Any]:
    return {key: of.data[key] for key in _STEPS if key in of.data}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, Any]]:
    """Yield what has to be laid over *old*, each piece with its path, to make it *new*."""
    for key, value in new.items():
        here = (*at, key)
        if key not in old:
            yield here, value
            continue
        below, over = _alike(here, old[key], value)
        if all(isinstance(one, Mapping) and not _is_whole(here, one) for one in (below, over)):
            yield from _changes(below, over, here)
        # True equals 1 for Python, and means something else.
        elif below is not over and repr(below) != repr(over):
            yield here, over
    yield from (((*at, key), None) for key in old if key not in new)


# ---------------------------------------------------------------------------------------------------------------- defaults


def _lay_defaults(found: Composed, defaults: Mapping[str, Any]) -> None:
    found.problems += _wrong_defaults(defaults)
    weights = {key: weight(value) for key, value in defaults.items() if key in DEFAULTS and value is not None}
    room = MAX_ADDED
    for at, step in each_step(found.data):
        wanted = {key: defaults[key] for key in weights if takes(step, key)}
        room -= sum(weights[key] for key in wanted)
        if room < 0:
            message = f"the defaults of all steps together have more than {MAX_ADDED:,} characters"
            found.problems.append(Diagnostic("too-large", message, "write large values into the steps that need them", ("defaults",)))
            return
        _fill(step, wanted, at, ("defaults",), found.origins)


def _wrong_defaults(defaults: Mapping[str, Any]) -> Problems:
    problems: Problems = []
    try:
        read_fields({k: v for k, v in defaults.items() if v is not None}, ("defaults",), problems, form=_DEFAULTS)
    except WrongField as wrong:
        problems.append(wrong.at(("defaults",)))
    return problems


def takes(step: Mapping[str, Any], key: str) -> bool:
    """Return whether the default *key* means anything for *step*: most are about the work of executors."""
    if key == "max_parallel":
        return "for_each" in step
    return not any(word in step for word in _COMPOSITE)


def _fill(own: dict[str, Any], below: Mapping[str, Any], at: Path, source: Path, origins: Origins) -> None:
    """Add to *own* (at *at*) what it lacks of *below* (written at *source*); null there says that it is to have none."""
    for key, value in below.items():
        here, there = (*at, key), (*source, key)
        if key not in own:
            own[key] = value
            origins[here] = there
        elif own[key] is None:
            del own[key]
        else:
            mine, theirs = _alike(here, own[key], value)
            if all(isinstance(one, Mapping) and not _is_whole(here, one) for one in (mine, theirs)):
                own[key] = dict(mine)
                _fill(own[key], theirs, here, there, origins)


# ---------------------------------------------------------------------------------------------------------------- mappings


def _is_field(path: Path) -> bool:
    """Return whether *path* leads to a field of a step, or of `defaults`."""
    return (len(path) >= 3 and path[-3] in _STEPS) or path[-2:-1] == ("defaults",)


def _is_whole(path: Path, value: Any) -> bool:
    return is_operator(value) or (path[-1] in _WHOLE and _is_field(path))


def _alike(path: Path, old: Any, new: Any) -> tuple[Any, Any]:
    """Return both with `retry: 3` in its long form where the other has that."""
    if path[-1] != "retry" or not _is_field(path) or isinstance(old, Mapping) == isinstance(new, Mapping):
        return old, new
    return _long_retry(old), _long_retry(new)


def _long_retry(value: Any) -> Any:
    return {"attempts": value} if isinstance(value, int) and not isinstance(value, bool) else value
