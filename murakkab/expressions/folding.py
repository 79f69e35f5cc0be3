"""policy: what a condition gives whatever the values are - literals, and what is made of literals alone."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from murakkab.expressions.syntax import Node


class _Unknown:
    """The value of what depends on the values of names, or that only the CEL library can tell."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return how it is shown."""
        return "<unknown>"


UNKNOWN: Final = _Unknown()

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ADD: Final[Mapping[str, Callable[[Any, Any], Any]]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
#: Beyond this a whole number has no place in CEL, and the condition fails.
_LARGEST: Final = 2**63


def folded(node: Node) -> Any:
    """Return the value of *node* as Python data, `UNKNOWN` where it is not the same whatever the values are."""
    if node.op == "literal":
        return _literal(node)
    if node.op in ("&&", "||"):
        return _joined(node)
    if node.op == "?:":
        test = folded(node.kids[0])
        return UNKNOWN if type(test) is not bool else folded(node.kids[1 if test else 2])
    if node.op == "!":
        value = folded(node.kids[0])
        return not value if type(value) is bool else UNKNOWN
    if node.op == "negate":
        value = folded(node.kids[0])
        return -value if type(value) in (int, float) else UNKNOWN
    if node.op == "list":
        values = [folded(kid) for kid in node.kids]
        return UNKNOWN if any(value is UNKNOWN for value in values) else values
    if node.op in _COMPARE or node.op in _ADD or node.op == "in":
        return _operation(node)
    return UNKNOWN


def _literal(node: Node) -> Any:
    if node.text == "bool":
        return node.word == "true"
    if node.text == "int":
        return int(node.word, 0 if node.word.startswith("0x") else 10)
    if node.text == "float":
        return float(node.word)
    if node.text == "str" and node.word:
        return node.word
    return UNKNOWN


def _joined(node: Node) -> Any:
    """One side decides `&&` and `||`, even where the other is not known."""
    decides = node.op == "||"
    values = [folded(kid) for kid in node.kids]
    if any(value is decides for value in values):
        return decides
    return not decides if all(value is (not decides) for value in values) else UNKNOWN


def _operation(node: Node) -> Any:
    left, right = (folded(kid) for kid in node.kids)
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if node.op == "in":
        return left in right if isinstance(right, list) and all(type(left) is type(one) for one in right) else UNKNOWN
    if type(left) is not type(right) or type(left) not in (int, float, str, bool):
        return UNKNOWN
    if node.op in _COMPARE:
        return _COMPARE[node.op](left, right)
    if type(left) is bool or (type(left) is str and node.op != "+"):
        return UNKNOWN
    value = _ADD[node.op](left, right)
    return value if type(value) is not int or -_LARGEST <= value < _LARGEST else UNKNOWN
