"""The architecture is what the linter refuses; these tests hold the lists that it is given complete."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "murakkab": ROOT / "murakkab",
    "murakkab_executors": ROOT / "executors/murakkab_executors",
    "murakkab_cluster": ROOT / "cluster/murakkab_cluster",
}
PURE = ("data", "policy", "state")


def _modules() -> dict[str, Path]:
    found = {}
    for package, folder in SOURCES.items():
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = file
    return found


def _contracts(kind: str) -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == kind]


def _kind(file: Path) -> str:
    """Return what kind of file it says to be; "" for an empty `__init__`."""
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    found = re.match(r"^(data|policy|state|driver): ", docstring)
    if found is None and file.name == "__init__.py":
        found = re.search(r"^(data|policy|state|driver): ", docstring, re.MULTILINE)
    return found.group(1) if found else ""


def _is_under(module: str, listed: set[str]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in listed)


MODULES = _modules()
PURE_LISTED = set(next(one for one in _contracts("forbidden") if "asyncio" in one["forbidden_modules"])["source_modules"])
FLOORS = {name.strip(" ()") for line in _contracts("layers")[0]["layers"] for name in re.split(r"[|:]", line)}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_says_its_kind_and_is_held_to_it(module: str) -> None:
    file = MODULES[module]
    kind = _kind(file)
    if file.name == "__init__.py" and (not kind or module in SOURCES):
        return
    assert kind, "the first line of the docstring begins with data:, policy:, state: or driver:"
    if kind in PURE:
        assert _is_under(module, PURE_LISTED), "list it in the contract of pure modules in pyproject.toml"
    else:
        assert not _is_under(module, PURE_LISTED), "a driver is listed as a pure module in pyproject.toml"


def test_every_module_has_a_floor() -> None:
    packages = {module for module, file in MODULES.items() if file.name == "__init__.py"}
    assert [module for module in sorted(set(MODULES) - packages) if not _is_under(module, FLOORS)] == []


def test_every_listed_module_exists() -> None:
    families = set(_contracts("independence")[0]["modules"])
    assert sorted((PURE_LISTED | FLOORS | families) - set(MODULES)) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_file_is_short_enough_to_be_read(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 600
