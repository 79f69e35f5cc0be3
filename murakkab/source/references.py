"""policy: how a part of a value is taken out of the variable that holds it: `pages[0].title`, `each(...)`, `flatten(...)`."""

from dataclasses import dataclass
from typing import Final

from murakkab.placeholders import type_of_part
from murakkab.references import RefSyntaxError, parse_ref
from murakkab.source.layout import quoted
from murakkab.source.names import Imports, Variable, is_name
from murakkab.spec import WILD, PathItem, Ref
from murakkab.types import ANY, Type, list_of

#: Attributes of values-to-be that are no parts of the value.
_NOT_PARTS: Final = ("outputs",)


@dataclass(frozen=True, slots=True)
class Taken:
    """A part of a variable: `base`, or of each of its elements what is `picked`; `flat`: the elements of those as one list."""

    type: Type
    base: str
    picked: str = ""
    flat: bool = False

    def code(self, imports: Imports) -> str:
        """Return the source."""
        many = f"{imports['each']}({self.base}, lambda one: one{self.picked})" if self.picked else self.base
        return f"{imports['flatten']}({many})" if self.flat else many


def is_text(ref: Ref) -> bool:
    """Return whether *ref* can be written as files write it."""
    try:
        return parse_ref(str(ref)) == ref
    except RefSyntaxError:
        return False


def taken(variable: Variable, path: tuple[PathItem, ...]) -> Taken | None:
    """Return how what *path* leads to is taken out of *variable*, None where Python has no words for it."""
    if path[: len(variable.path)] != variable.path:
        return None
    rest = path[len(variable.path) :]
    if not rest:
        return Taken(variable.type, variable.name)
    if variable.spread:
        return _of_each(variable.name, variable.type, rest)
    at = next((i for i, p in enumerate(rest) if p is WILD), None)
    found = _parts(variable.type, rest[:at])
    if found is None:
        return None
    code, of = variable.name + found[0], found[1]
    return Taken(of, code) if at is None else _of_each(code, of, rest[at + 1 :])


def _of_each(base: str, of: Type, path: tuple[PathItem, ...]) -> Taken | None:
    """Return how what *path* leads to in each element of *base*, a value of type *of*, is taken."""
    element = _element(of)
    is_flat = path[-1:] == (WILD,)
    found = None if element is None or not path else _parts(element, path[:-1] if is_flat else path)
    if found is None:
        return None
    picked = _element(found[1]) if is_flat else found[1]
    return None if picked is None else Taken(list_of(picked), base, found[0], is_flat)


def _element(of: Type) -> Type | None:
    return of.item if of.kind == "list" else ANY if of.kind == "any" else None


def _parts(of: Type, path: tuple[PathItem, ...]) -> tuple[str, Type] | None:
    """Return the source that takes the part at *path* out of a value of type *of*, and the type of the part."""
    text = ""
    for key in path:
        if not isinstance(key, str | int) or (isinstance(key, str) and (key.isdigit() or key == "*")):
            return None
        found = type_of_part(of, key)
        if found is None:
            return None
        is_attribute = isinstance(key, str) and is_name(key) and not key.endswith("__") and key not in _NOT_PARTS
        text += f".{key}" if is_attribute else f"[{quoted(key) if isinstance(key, str) else key}]"
        of = found
    return text, of
