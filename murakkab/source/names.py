"""state: the names of a module while it is written: what it imports, and the variables of each function."""

import keyword
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from murakkab.spec import PathItem
from murakkab.types import ANY, Type

#: Where names come from that are not `murakkab`'s own.
_HOMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("Annotated", "Any"), "typing"),
    **dict.fromkeys(("First", "Optional", "Otherwise", "Ref", "Template", "WILD"), "murakkab.spec"),
    "parse_type": "murakkab.types",
}
_OWN: Final = (
    *("File", "Goal", "Input", "Need", "Repeat", "Retry", "TypeText", "approve", "best_of", "block", "call", "debate", "default_to"),
    *("does", "each", "error"),
    *("fallback_to", "finally_", "first", "flatten", "instead", "item", "job", "loop", "output", "ref", "result", "secret", "subworkflow"),
    *("template", "use", "var", "wait", "wait_for", "workflow", "zipped"),
)
_BUILTINS: Final = ("bool", "dict", "float", "int", "list", "str")
#: Names that nothing else in a module may have.
TAKEN: Final = frozenset((*_HOMES, *_OWN, *_BUILTINS))


def is_name(text: str) -> bool:
    """Return whether a parameter or variable can be called *text*."""
    return text.isidentifier() and not keyword.iskeyword(text) and text != "__debug__"


def free(wish: str, taken: Collection[str]) -> str:
    """Return a name after *wish* that is none of *taken*."""
    base = "".join(c if c.isascii() and c.isalnum() else "_" for c in wish) or "_"
    base = f"_{base}" if base[0].isdigit() else base
    base = base if is_name(base) else f"{base}_"
    number, name = 1, base
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


class Imports:
    """What a module imports. A name that is a parameter too gets a bar: `from murakkab import template as template_`."""

    def __init__(self, parameters: Iterable[str] = ()) -> None:
        self._parameters = frozenset(parameters)
        self._names: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return what *name*, which is imported from now on, is called in the module."""
        if name not in self._names:
            alias = name
            while alias in self._parameters:
                alias += "_"
            self._names[name] = alias
        return self._names[name]

    def text(self) -> str:
        """Return the lines that import what was asked for."""
        homes: dict[str, list[str]] = {}
        for name, alias in sorted(self._names.items(), key=lambda pair: (not pair[0].isupper(), pair[0][0].islower(), pair[0])):
            homes.setdefault(_HOMES.get(name, "murakkab"), []).append(name if name == alias else f"{name} as {alias}")
        lines = [_import(home, homes[home]) for home in sorted(homes, key=lambda home: (home != "typing", home))]
        if "typing" in homes and len(lines) > 1:
            lines.insert(1, "")
        return "\n".join(lines) + "\n"


def _import(home: str, names: list[str]) -> str:
    line = f"from {home} import {', '.join(names)}"
    inside = "".join(f"    {name},\n" for name in names)
    return line if len(line) <= 120 else f"from {home} import (\n{inside})"


@dataclass(slots=True, eq=False)
class Variable:
    """A variable that holds the value of a step or input, or the part of it at `path`; `spread`: it holds all matches of `path`."""

    name: str
    type: Type = ANY
    path: tuple[PathItem, ...] = ()
    spread: bool = False
    is_used: bool = False


@dataclass(slots=True, eq=False)
class Level:
    """One level of steps in a function: what its steps are called, the variables of those that are written, and its loop variables."""

    names: frozenset[str] = frozenset()
    around: "Level | None" = None
    loops: frozenset[str] = frozenset()
    variables: dict[str, Variable] = field(default_factory=dict)

    def find(self, name: str) -> Variable | None:
        """Return the variable of the step *name* as this level sees it, None where none holds it."""
        if name in self.names or self.around is None:
            return self.variables.get(name)
        return self.around.find(name)

    def hides(self, name: str) -> bool:
        """Return whether *name* is a step of a level around this one."""
        return self.around is not None and (name in self.around.names or self.around.hides(name))

    def is_loop(self, name: str) -> bool:
        """Return whether *name* is a loop variable here."""
        return name in self.loops or (self.around is not None and self.around.is_loop(name))
