"""policy: the workflows that a workflow runs as steps - in its own text, in files beside it - each read once and put inside.

The result is closed: every definition holds those that it uses, so nothing is looked up in files or surroundings any more.
"""

import os.path
import re
from collections.abc import Mapping
from itertools import chain, count
from pathlib import PurePath
from typing import Any, Final

from murakkab.diagnostics import did_you_mean
from murakkab.document.compose import composed, each_step, weight, written
from murakkab.document.read import MAX_NESTED, from_document
from murakkab.errors import Diagnostic, Path
from murakkab.load.places import Places
from murakkab.load.scope import MAX_TOTAL, Definition, Loading, ReadFile, Scope, address
from murakkab.load.text import decode
from murakkab.load.tree import read_tree
from murakkab.references import NAME
from murakkab.spec import Workflow

#: How many definitions there may be in all, each counted wherever it is put.
MAX_DEFINITIONS: Final = 1000

_VERSIONED: Final = re.compile(r"(.+)@(\d[\w.-]*)")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+|^(?=[0-9-])", re.ASCII)
_SUFFIXES: Final = (".yaml", ".yml", ".json")


def definition(data: Any, places: Places, loading: Loading, *, at: Path = (), outer: Scope | None = None) -> Definition | None:
    """Return the workflow that *data*, which stands at *at* of a text, declares, with all the definitions that it uses inside."""
    if not isinstance(data, Mapping):
        loading.note(from_document(data).diagnostics, places, at)
        return None
    found = composed(data, profile=loading.profile, must=len(loading.chain) == 1)
    places.origins.update({(*at, *here): (*at, *there) for here, there in found.origins.items()})
    declared = found.data.get("workflows")
    scope = Scope(places, at, declared if isinstance(declared, Mapping) else {}, outer)
    if len(scope.declared) > MAX_DEFINITIONS:
        loading.refuse(f"there are more than {MAX_DEFINITIONS:,} workflows", places, (*at, "workflows"))
        return None
    for key in scope.declared:
        if isinstance(scope.declared[key], str):
            scope.keys.setdefault(_path(scope.declared[key], scope), key)
        _declared(key, scope, loading, at=(*at, "workflows", key))
    for path, step in each_step(found.data):
        if isinstance(step.get("workflow"), str):
            _point(step, (*at, *path, "workflow"), scope, loading)
    if scope.found:
        unread = {key: value for key, value in scope.declared.items() if not isinstance(value, str | Mapping)}
        found.data["workflows"] = unread | {key: one.workflow for key, one in scope.found.items() if one is not None}
    read = from_document(found.data)
    loading.note([*found.problems, *read.diagnostics], places, at)
    return None if read.workflow is None else _measured(read.workflow, data, scope, loading)


def _measured(workflow: Workflow, data: Mapping[str, Any], scope: Scope, loading: Loading) -> Definition | None:
    """Return the workflow with its measures, None when it is too much."""
    inside = [one for one in scope.found.values() if one is not None]
    depth, total = max((one.depth + 1 for one in inside), default=0), 1 + sum(one.total for one in inside)
    size = sum(one.size for one in inside)
    if inside or len(loading.chain) > 1:
        size += weight({key: value for key, value in data.items() if key != "workflows"})
    if depth > MAX_NESTED:
        problem = Diagnostic("too-deep", f"workflows stand more than {MAX_NESTED} deep inside of each other", path=("workflows",))
        loading.note([problem], scope.places, scope.at)
        return None
    if total > MAX_DEFINITIONS or size > MAX_TOTAL:
        message = f"there are more than {MAX_DEFINITIONS:,} workflows, or {MAX_TOTAL:,} characters, inside of this one"
        loading.refuse(message, scope.places, (*scope.at, "workflows"), hint="each is counted as often as it is used")
        return None
    return Definition(workflow, depth, total, size)


# --------------------------------------------------------------------------------------------------------------- by name


def _declared(key: str, scope: Scope, loading: Loading, *, at: Path) -> Definition | None:
    """Return the definition that *scope* declares as *key*; *at* is what asks for it."""
    if key in scope.found:
        return scope.found[key]
    entry, here = scope.declared[key], (*scope.at, "workflows", key)
    if isinstance(entry, str):
        scope.found[key] = _included(_path(entry, scope), key, scope, loading, at=here)
    elif isinstance(entry, Mapping):
        with loading.reading((scope.places.file, here), key, scope.places, at) as goes:
            data = {"workflow": key, **entry}
            scope.found[key] = definition(data, scope.places, loading, at=here, outer=scope) if goes else None
    return scope.found.get(key)


def _point(step: dict[str, Any], at: Path, scope: Scope, loading: Loading) -> None:
    """Make the step name its workflow by the key of a definition; without one it names none."""
    text = step["workflow"]
    versioned = _VERSIONED.fullmatch(text)
    name, version = versioned.groups() if versioned else (text, "")
    if "://" in name:
        hint = "write the definition into a file beside this one"
        loading.note(
            [Diagnostic("unknown-workflow", f"{name[:60]!r} is an address, and workflows are read from files", hint, at)], scope.places
        )
        del step["workflow"]
        return
    key = _key_of_file(name, at, scope, loading) if _is_file(name) else _key(name, at, scope, loading)
    one = scope.found.get(key)
    if one is None:
        del step["workflow"]
        loading.broken.add(address(scope.places, at))
        return
    step["workflow"] = key
    there = one.workflow.version
    if version and there != version and not there.startswith(f"{version}."):
        message = f"version {version} of {name!r} is wanted, and {f'version {there}' if there else 'one without a version'} is there"
        loading.note([Diagnostic("wrong-version", message, f"write {name}@{there}" if there else f"write {name}", at)], scope.places)


def _key(name: str, at: Path, scope: Scope, loading: Loading) -> str:
    """Return *name*, after what it means has been put among the definitions of *scope*."""
    owner = scope.owner(name)
    if owner is None:
        loading.note([_unknown(name, at, scope, loading)], scope.places)
        return ""
    found = _declared(name, owner, loading, at=at)
    if owner is not scope:
        scope.found[name] = found
        scope.places.origins[*scope.at, "workflows", name] = (*owner.at, "workflows", name)
    return name


def _unknown(name: str, at: Path, scope: Scope, loading: Loading) -> Diagnostic:
    hint = "declare it below `workflows`, or name a file"
    if loading.guesses > 0:
        loading.guesses -= 1
        hint = did_you_mean(name, {known for one in scope.around() for known in one.declared}, others="there are") or hint
        beside = next((f"./{name}{end}" for end in _SUFFIXES if _exists(_path(f"{name}{end}", scope), loading.read)), "")
        if beside and NAME.fullmatch(name):
            hint = f"there is a file beside this one: write workflow: {beside}"
    return Diagnostic("unknown-workflow", f"there is no workflow {name[:60]!r}", hint, at)


# --------------------------------------------------------------------------------------------------------------- by file


def _is_file(name: str) -> bool:
    return "/" in name or "\\" in name or name.endswith(_SUFFIXES)


def _path(text: str, scope: Scope) -> str:
    return os.path.normpath(PurePath(scope.places.file).parent / text)


def _exists(path: str, read: ReadFile | None) -> bool:
    try:
        return read is not None and bool(read(path))
    except OSError:
        return False


def _key_of_file(name: str, at: Path, scope: Scope, loading: Loading) -> str:
    """Return what the file that a step names is called among the definitions of *scope*: as it is declared, or after its name."""
    path = _path(name, scope)
    if path not in scope.keys and path not in loading.files and len(loading.files) >= MAX_DEFINITIONS:
        loading.refuse(f"there are more than {MAX_DEFINITIONS:,} files", scope.places, at)
        return ""
    if path not in scope.keys:
        stem = _NO_NAME.sub("_", PurePath(path).stem) or "_"
        free = chain((stem,), (f"{stem}_{i}" for i in count(2)))
        key = scope.keys[path] = next(name for name in free if name not in scope.found and scope.owner(name) is None)
        scope.found[key] = _included(path, key, scope, loading, at=at)
    return scope.keys[path]


def _included(path: str, key: str, scope: Scope, loading: Loading, *, at: Path) -> Definition | None:
    """Return what the file *path*, named at *at*, declares."""
    if loading.read is None:
        problem = Diagnostic("unknown-workflow", f"{path[:60]!r} is a file, and only files can name files", "put the definition here", at)
        loading.note([problem], scope.places)
        return None
    if path not in loading.files:
        with loading.reading((path, ()), path, scope.places, at) as goes:
            if not goes:
                return None
            loading.files[path] = _read_file(loading.read, path, scope, loading, at=at)
    found, places = loading.files[path]
    scope.places.files[written((*scope.at, "workflows", key), scope.places.origins)] = places
    return found


def _read_file(read: ReadFile, path: str, scope: Scope, loading: Loading, *, at: Path) -> tuple[Definition | None, Places]:
    places = Places(path)
    try:
        text = read(path)
    except (OSError, ValueError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f" that can be read: {getattr(error, 'strerror', None) or error}"
        problem = Diagnostic("unknown-workflow", f"there is no file {path!r}{reason}", "a path is relative to the file that names it", at)
        loading.note([problem], scope.places)
        return None, places
    values, characters = loading.room
    loading.room = values, characters - len(text)
    if loading.room[1] < 0:
        loading.refuse(f"all files together have more than {MAX_TOTAL:,} bytes", scope.places, at)
        return None, places
    data, places, problems = tree_of(text, path, loading)
    loading.note(problems, places)
    whole = all(p.code == "duplicate-key" for p in problems)
    return definition(data, places, loading) if whole else None, places


def tree_of(text: str | bytes, file: str, loading: Loading) -> tuple[Any, Places, list[Diagnostic]]:
    """Return the data of *text*, where everything is, and what is wrong with it as YAML."""
    decoded = decode(text, file)
    if isinstance(decoded, Diagnostic):
        return None, Places(file), [decoded]
    values, characters = loading.room
    data, places, problems = read_tree(decoded, file, most=values)
    loading.room = values - len(places.values), characters
    return data, places, problems
