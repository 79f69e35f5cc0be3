"""driver: the data to measure with - rows of inputs and labels from JSON Lines, JSON or YAML. Files are named relative to it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from murakkab.errors import InputError, NotFoundError
from murakkab.local_files import file_value, path_of
from murakkab.types import ANY, Type, mismatch

_SUFFIXES: Final = (".jsonl", ".json", ".yaml", ".yml")
_MISTAKES: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """Inputs and, where there is one, what a good result is. `name`: where it stands."""

    inputs: Mapping[str, Any]
    label: Any = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """All rows, and a digest of what is in them (of files that they name: the content)."""

    rows: tuple[Row, ...]
    digest: str

    @property
    def is_labelled(self) -> bool:
        """True when any row has a label."""
        return any(row.label is not None for row in self.rows)


def read_data(path: Path, types: Mapping[str, Type], required: frozenset[str]) -> Data:
    """Return the rows of a file, or of all files of a folder in the order of their names.

    A row is `{inputs: {...}, label: ...}`, or with all inputs beside the label. Raises one `InputError` with every mistake, or
    `NotFoundError`.
    """
    rows: list[Row] = []
    wrong: list[str] = []
    for file in _files(path):
        for place, given in _entries(file):
            try:
                rows.append(_row(given, place, types, required, folder=file.parent))
            except InputError as error:
                wrong.append(f"{place}: {error.message}")
    if wrong:
        more = f"\nand {len(wrong) - _MISTAKES} more" if len(wrong) > _MISTAKES else ""
        inputs = ", ".join(f"{name}: {kind}" for name, kind in types.items())
        raise InputError("\n".join(wrong[:_MISTAKES]) + more, hint=f"a row is {{inputs: {{...}}, label: ...}}; the inputs are {inputs}")
    if not rows:
        raise InputError(f"there are no rows in {path}", hint="a row is {inputs: {...}, label: ...}")
    return Data(tuple(rows), _digest(rows))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    if not path.is_file():
        raise NotFoundError(f"there is no file or folder {str(path)!r}", hint="--data names a .jsonl, .json or .yaml file")
    return [path]


def _entries(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    yield f"{file}:{number}", json.loads(line)
            return
        found = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise NotFoundError(f"{str(file)!r} cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    for number, one in enumerate(found if isinstance(found, list) else [found], 1):
        yield f"{file}, row {number}", one


def _row(given: Any, place: str, types: Mapping[str, Type], required: frozenset[str], *, folder: Path) -> Row:
    if not isinstance(given, Mapping):
        raise InputError(f"a row is an object, not {type(given).__name__}")
    inputs = given.get("inputs", {name: value for name, value in given.items() if name != "label"})
    if not isinstance(inputs, Mapping):
        raise InputError("inputs is an object")
    if missing := sorted(required - set(inputs)):
        raise InputError(f"the input {missing[0]!r} is missing")
    ready = {}
    for name, value in inputs.items():
        if name not in types:
            raise InputError(f"there is no input {name!r}")
        ready[name] = _with_files(value, types[name], folder)
        if reason := mismatch(types[name], ready[name]):
            raise InputError(f"input {name!r}: {reason}")
    return Row(ready, given.get("label"), place)


def _with_files(value: Any, want: Type, folder: Path) -> Any:
    """Return *value* with `file` values in the place of paths, where files are wanted."""
    if want.kind == "optional" and value is not None:
        return _with_files(value, want.item or ANY, folder)
    if want.kind == "file":
        return _file(value, folder)
    if want.kind == "list" and isinstance(value, list):
        return [_with_files(one, want.item or ANY, folder) for one in value]
    if want.kind == "map" and isinstance(value, Mapping):
        return {key: _with_files(one, want.item or ANY, folder) for key, one in value.items()}
    if want.kind == "record" and isinstance(value, Mapping):
        return {key: _with_files(one, field.type if (field := want.field(key)) else ANY, folder) for key, one in value.items()}
    return value


def _file(value: Any, folder: Path) -> Any:
    uri = value if isinstance(value, str) else value.get("uri") if isinstance(value, Mapping) else None
    path = path_of(uri) if isinstance(uri, str) else None
    where = uri if path is None or path.is_absolute() else str(folder / path)
    try:
        return file_value(where) if isinstance(where, str) else value
    except NotFoundError as error:
        raise InputError(error.message) from None


def _digest(rows: list[Row]) -> str:
    text = json.dumps([[_content(row.inputs), row.label] for row in rows], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _content(value: Any) -> Any:
    """Return *value* with the content of local files in the place of where they lie."""
    if isinstance(value, Mapping):
        path = path_of(value["uri"]) if isinstance(value.get("uri"), str) else None
        if path is not None and path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
        return {key: _content(one) for key, one in value.items()}
    return [_content(one) for one in value] if isinstance(value, list) else value
