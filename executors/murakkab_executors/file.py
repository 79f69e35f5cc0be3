"""driver: reading and writing files of this machine as steps."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from murakkab.errors import ExecutorError
from murakkab.local_files import file_value, path_of, write_whole
from murakkab.ports import Call
from murakkab.values import File
from murakkab_executors import capabilities
from murakkab_executors.function import Knob, executor

Format = Literal["auto", "text", "json"]
_JSON: Final = (".json", ".geojson", ".ipynb")


@executor(capabilities.file_read, name="file-read", effect="read")
def file_read(
    path: str,
    *,
    file: File | None,
    call: Call,
    format: Annotated[Format, Knob("auto: JSON where the suffix or media type says so", choices=("auto", "text", "json"))] = "auto",
    max_bytes: Annotated[int, Knob("refuse longer files", low=0)] = 67_108_864,
) -> Any:
    """Read a text or JSON file of this machine, or an artifact."""
    if bool(path) == bool(file):
        raise _wrong("give either 'path' or 'file'")
    found = Path(call.artifacts.local_path({"uri": file.uri if file else path}))
    if found.stat().st_size > max_bytes:
        raise _wrong(f"{found} is longer than {max_bytes} bytes", hint="raise the knob max_bytes, or pass the file on as a file value")
    try:
        text = found.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(f"{found} is not text in UTF-8: {error}", hint="pass it on as a file value") from error
    is_json = format == "json" or (format == "auto" and (found.suffix.lower() in _JSON or (file and file.media_type.endswith("json"))))
    return _parsed(text, found) if is_json else text


@executor(capabilities.file_write, name="file-write", effect="write")
def file_write(path: str, *, content: Any, file: File | None, call: Call) -> File:
    """Write a file on this machine: a part file first, then renamed, so that writing twice is writing once."""
    if not path:
        raise _wrong("'path' is empty")
    if file is not None and content is not None:
        raise _wrong("both 'content' and 'file' are given")
    where = path_of(path)
    if where is None:
        raise _wrong(f"{path} is not on this machine")
    written = _bytes(content) if file is None else call.artifacts.get({"uri": file.uri})
    try:
        write_whole(where, written)
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise _wrong(f"{where} cannot be written: {error.strerror}") from error
    return File(**file_value(str(where)), sha256=hashlib.sha256(written).hexdigest())


def _bytes(content: Any) -> bytes:
    text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return text.encode()


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"{path} is not JSON: {error}", hint="set the knob format to 'text' to read it as it is") from error


def _wrong(message: str, *, hint: str = "") -> ExecutorError:
    return ExecutorError(message, hint=hint, reason="bad-input", retryable=False)


EXECUTORS: Final = (file_read, file_write)
