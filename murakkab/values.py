"""data: values that travel between steps and are more than text and numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """A file by reference: where it is, and what is known of it."""

    uri: str
    media_type: str = ""
    size: int = 0
    sha256: str = ""
