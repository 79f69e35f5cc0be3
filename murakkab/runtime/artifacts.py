"""driver: artifact stores - bytes by reference, on the local disk or wherever fsspec reaches. Content-addressed by SHA-256."""

import hashlib
import os
import re
import tempfile
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from murakkab.errors import InputError, NotFoundError
from murakkab.local_files import existing, file_value, media_type_of, path_of, write_whole

__all__ = ["FsspecArtifacts", "LocalArtifacts", "file_value"]

#: The characters of a hash.
_DIGITS: Final = 64
_SUFFIX: Final = re.compile(r"(\.[A-Za-z0-9_-]{1,16}){0,3}")


class LocalArtifacts:
    """A folder of files named by their content. Written files never change, so they may be read while others write."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).absolute()

    def put(self, content: bytes, *, suffix: str = "", media_type: str = "") -> dict[str, Any]:
        """Store *content* and return its `file` value. Raises `InputError` for a suffix that is not like `.wav`."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / _name(digest, suffix)
        try:
            # What is put is needed from now on, however old it is: see `sweep`. Another user's file is theirs to sweep.
            with suppress(PermissionError):
                os.utime(path)
        except FileNotFoundError:
            write_whole(path, content)
        return _value(path.as_uri(), content, digest, media_type=media_type)

    def get(self, file: Mapping[str, Any]) -> bytes:
        """Return the content of a `file` value. Raises `NotFoundError`."""
        return Path(self.local_path(file)).read_bytes()

    def local_path(self, file: Mapping[str, Any]) -> str:
        """Return the path of a `file` value: a plain path or a file:// URI. Raises `NotFoundError`."""
        uri = _uri(file)
        path = path_of(uri)
        if path is None:
            scheme = urlsplit(uri).scheme
            raise NotFoundError(f"{uri} is not on this machine", hint=f"download it first, or use an artifact store that reads {scheme}://")
        return str(existing(path))

    def stored(self) -> Iterator[Path]:
        """Yield every file, those included whose writing was cut off."""
        for path in self._folder.glob("??/??/*"):
            if path.is_file():
                yield path

    def sweep(self, needed: Container[str], before: float, *, dry_run: bool = False) -> tuple[int, int]:
        """Remove every file last put before the time *before* whose hash is not in *needed*; return how many, and their size."""
        files = size = 0
        for path in self.stored():
            if path.name[:_DIGITS] in needed:
                continue
            with suppress(FileNotFoundError):
                facts = path.stat()
                if facts.st_mtime < before and (dry_run or _is_removed(path, before)):
                    files, size = files + 1, size + facts.st_size
        return files, size


class FsspecArtifacts:
    """Files named by their content below any URI that fsspec reaches (`s3://bucket/prefix`, `memory://...`).

    `local_path` keeps what it downloads in `downloads`, a folder of this machine that may be emptied at any time.
    """

    def __init__(self, uri: str, *, downloads: str | os.PathLike[str] = "", options: Mapping[str, Any] | None = None) -> None:
        self._root = uri.rstrip("/")
        self._options = dict(options or {})
        self._downloads = Path(downloads or Path(tempfile.gettempdir()) / f"murakkab-downloads-{os.getuid()}")

    def put(self, content: bytes, *, suffix: str = "", media_type: str = "") -> dict[str, Any]:
        """Store *content* and return its `file` value. Raises `InputError` for a suffix that is not like `.wav`."""
        digest = hashlib.sha256(content).hexdigest()
        uri = f"{self._root}/{_name(digest, suffix)}"
        system, path = self._open(uri)
        # A half-written file has another size; and nobody is told of a file before it is whole.
        if not system.exists(path) or system.size(path) != len(content):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(path, content)
        return _value(uri, content, digest, media_type=media_type)

    def get(self, file: Mapping[str, Any]) -> bytes:
        """Return the content of a `file` value. Raises `NotFoundError`."""
        uri = _uri(file)
        path = path_of(uri)
        if path is not None:
            return existing(path).read_bytes()
        system, remote = self._open(uri)
        try:
            return bytes(system.cat_file(remote))
        except FileNotFoundError as error:
            raise NotFoundError(f"{uri} does not exist") from error

    def local_path(self, file: Mapping[str, Any]) -> str:
        """Return a path on this machine that holds the content, downloading it when it is remote. Raises `NotFoundError`."""
        uri = _uri(file)
        path = path_of(uri)
        if path is not None:
            return str(existing(path))
        system, remote = self._open(uri)
        try:
            return str(self._downloaded(system, remote, f"{uri} {system.ukey(remote)}"))
        except FileNotFoundError as error:
            raise NotFoundError(f"{uri} does not exist") from error

    def _downloaded(self, system: Any, remote: str, version: str) -> Path:
        """Return the local copy of this *version* of a remote file, which is downloaded once."""
        suffix = Path(remote).suffix
        kept = self._downloads / _name(hashlib.sha256(version.encode()).hexdigest(), suffix if _SUFFIX.fullmatch(suffix) else "")
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
                part = Path(folder) / "part"
                system.get_file(remote, str(part))
                part.replace(kept)
        return kept

    def _open(self, uri: str) -> tuple[Any, str]:
        import fsspec.core  # 60 ms that a program with local files need not pay

        try:
            system, path = fsspec.core.url_to_fs(uri, **(self._options if uri.startswith(self._root) else {}))
        except ImportError as error:
            raise InputError(f"{uri} cannot be reached: {error}", hint="install the library it names") from error
        except ValueError as error:
            raise InputError(f"{uri} cannot be reached: {error}", hint="see the URI schemes that fsspec knows") from error
        return system, path


def _is_removed(path: Path, before: float) -> bool:
    """Remove a file, unless somebody puts the same content in this very moment."""
    aside = path.with_name(f".swept-{path.name}")
    path.replace(aside)
    # From now on who puts it writes it anew; who did so just before has touched it.
    if aside.stat().st_mtime >= before:
        aside.replace(path)
        return False
    aside.unlink(missing_ok=True)
    return True


def _uri(file: Mapping[str, Any]) -> str:
    uri = file.get("uri")
    if not isinstance(uri, str) or not uri:
        raise NotFoundError("a file value without a uri points nowhere")
    return uri


def _name(digest: str, suffix: str) -> str:
    if not _SUFFIX.fullmatch(suffix):
        raise InputError(f"{suffix!r} is not the suffix of a file name", hint="write it like '.wav'")
    return f"{digest[:2]}/{digest[2:4]}/{digest}{suffix}"


def _value(uri: str, content: bytes, digest: str, *, media_type: str) -> dict[str, Any]:
    return {"uri": uri, "media_type": media_type or media_type_of(uri), "size": len(content), "sha256": digest}
