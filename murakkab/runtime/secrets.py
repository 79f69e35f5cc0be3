"""data: secrets on their way to an executor - marks in the place of values, which nobody but the attempt looks behind."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """Stands for the secret *name*."""

    name: str


@dataclass(frozen=True, slots=True)
class SealedText:
    """Text in which secrets stand: the parts, joined once they are known."""

    parts: tuple[str | Secret, ...]


Sealed = Secret | SealedText
