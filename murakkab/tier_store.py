"""driver: the tiers of workflows as files below `home`, one for each version; a version that is there is never changed."""

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from murakkab.errors import InputError
from murakkab.optimizer.tier_codec import version_from, version_text
from murakkab.optimizer.tiers import Version

_PLAIN: Final = re.compile(r"[a-z0-9_][a-z0-9_-]{0,99}", re.ASCII)
_FILE: Final = re.compile(r"(\d{1,9})\.json", re.ASCII)


class TierStore:
    """The versions of tiers in *folder*, shared by the processes of one machine. What cannot be read or written is an `InputError`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def latest(self, workflow: str) -> Version | None:
        """Return the version that holds, None where none was ever set. Raises `InputError` for one that is damaged."""
        numbers = self._numbers(workflow)
        return self._read(workflow, max(numbers)) if numbers else None

    def add(self, workflow: str, made: Callable[[int], Version]) -> Version:
        """Keep a new version and return it: *made* of its number. Where another process was quicker, its version is the answer."""
        number = max(self._numbers(workflow), default=0) + 1
        path = self._path(workflow, number)
        part = path.with_name(f".part-{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("x", encoding="utf-8") as file:
                    file.write(version_text(made(number)))
                    file.flush()
                    os.fsync(file.fileno())
                # A link, unlike a new name, never takes the place of what is there.
                os.link(part, path)
            except FileExistsError:
                pass
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"the tiers cannot be kept in {str(path.parent)!r}: {error.strerror}") from error
        return self._read(workflow, number)

    def _read(self, workflow: str, number: int) -> Version:
        path = self._path(workflow, number)
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the tiers in {str(path)!r} cannot be read: {error}") from error
        return version_from(text, str(path))

    def _numbers(self, workflow: str) -> list[int]:
        try:
            names = [path.name for path in self._of(workflow).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"the tiers in {str(self._folder)!r} cannot be read: {error.strerror}") from error
        return [int(found[1]) for name in names if (found := _FILE.fullmatch(name))]

    def _path(self, workflow: str, number: int) -> Path:
        return self._of(workflow) / f"{number}.json"

    def _of(self, workflow: str) -> Path:
        # Names of workflows may be anything, and on some disks `A` and `a` are one.
        return self._folder / (workflow if _PLAIN.fullmatch(workflow) else hashlib.sha256(workflow.encode()).hexdigest()[:32])
