"""Murakkab: say what an AI workflow does and what matters; it decides how it runs.

data: the public names, which are those of `murakkab.public`. Nothing is loaded before one of them is asked for, so that the command line
begins at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from murakkab.public import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Return a public name, from now on as quickly as any other."""
    if name.startswith("_") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    public = import_module("murakkab.public")
    if name != "__all__" and name not in public.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(public, name)
    return found


def __dir__() -> list[str]:
    """Return the public names, and what else is there."""
    return sorted({*globals(), *__getattr__("__all__")})
