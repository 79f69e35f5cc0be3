"""driver: which extras of this installation are complete. Reads package metadata, imports nothing."""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from murakkab.catalog import ExecutorCard

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def missing_extras(cards: Iterable[ExecutorCard]) -> dict[str, str]:
    """Return, by executor, the extra that must still be installed before it can run."""
    wanted = _requirements()
    incomplete = {extra for extra, names in wanted.items() if not all(map(_is_installed, names))}
    return {card.name: card.extra for card in cards if card.extra in incomplete}


def _requirements() -> dict[str, list[str]]:
    """Return the distributions that each extra asks for."""
    found: dict[str, list[str]] = {}
    for line in requires("murakkab") or ():
        extra, name = _EXTRA.search(line), _NAME.match(line)
        if extra and name and name.group() != "murakkab":
            found.setdefault(extra.group(1), []).append(name.group())
    return found


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
