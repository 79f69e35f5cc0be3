"""driver: files of this machine - what a path or file:// URI stands for, its facts, and writing one whole or not at all."""

import mimetypes
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from murakkab.errors import NotFoundError

_UNKNOWN: Final = "application/octet-stream"


def path_of(uri: str) -> Path | None:
    """Return the local path that a plain path or file:// URI stands for, or None for any other URI."""
    if "://" not in uri:
        return Path(uri).expanduser()
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None


def existing(path: Path) -> Path:
    """Return *path* if it is a file. Raises `NotFoundError` that says what is there instead."""
    if path.is_file():
        return path
    what = "is a folder, not a file" if path.is_dir() else "does not exist"
    raise NotFoundError(f"{path} {what}", hint="" if path.is_absolute() else f"looked for it from {Path.cwd()}")


def file_value(where: str) -> dict[str, Any]:
    """Return the `file` value of a path or URI: of a local file with its size and media type. Raises `NotFoundError`."""
    path = path_of(where)
    if path is None:
        return {"uri": where, "media_type": media_type_of(urlsplit(where).path)}
    found = existing(path).absolute()
    return {"uri": found.as_uri(), "media_type": media_type_of(found.name), "size": found.stat().st_size}


def media_type_of(name: str) -> str:
    """Return the media type that the suffix of a file name tells."""
    return mimetypes.guess_type(name)[0] or _UNKNOWN


def file_stamps(uris: Iterable[str]) -> dict[str, str]:
    """Return size and time of change of every local file among *uris*; nothing for the others."""
    stamps = {}
    for uri in uris:
        path = path_of(uri)
        if path is not None and path.exists():
            facts = path.stat()
            stamps[uri] = f"{facts.st_size}-{facts.st_mtime_ns}"
    return stamps


def write_whole(path: Path, content: bytes) -> None:
    """Write *content* to *path* whole or not at all, also when the machine stops: a part file is written, flushed and renamed.

    An existing file keeps its permissions, and a link its target's place.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
