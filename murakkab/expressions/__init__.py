"""policy: conditions (`when`), in CEL: checked before anything runs, then run by the CEL library. Never `eval`.

The library is written in Rust: a condition takes microseconds, and an expression of a workflow cannot reach Python. It has no tree to
check, hence `syntax` and `kinds`. It is imported when the first condition is compiled, for it takes a tenth of a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

from murakkab.diagnostics import Vocabulary
from murakkab.errors import Diagnostic, ExecutorError, SpecError
from murakkab.expressions.folding import folded
from murakkab.expressions.kinds import problems_of
from murakkab.expressions.syntax import Node, parse_condition
from murakkab.expressions.tokens import ConditionSyntaxError, tokens
from murakkab.types import Type

__all__ = ["Condition", "check_condition", "compile_condition", "constant_of", "names_in", "reads_in"]


_LOOP: Final = "loop"
_ALIAS: Final = "loop__"


class _Program(Protocol):
    def execute(self, context: dict[str, Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. `names` are the steps, inputs and loop variables that it mentions."""

    source: str
    #: name -> the fields that are read of it, or None where the whole value is
    reads: Mapping[str, frozenset[str] | None]
    program: _Program

    @property
    def names(self) -> frozenset[str]:
        """The names that `evaluate` takes from its environment."""
        return frozenset(self.reads)

    def evaluate(self, env: Mapping[str, Any]) -> bool:
        """Return whether the condition holds. Raises `ExecutorError` with the reason `bad-condition` when *env* does not fit it."""
        try:
            seen = {name: _part(env[name], fields) for name, fields in self.reads.items() if name in env}
            if _LOOP in seen:
                seen[_ALIAS] = seen.pop(_LOOP)
            found = self.program.execute(seen)
        except Exception as error:
            raise _failed(self.source, _reason(error)) from None
        if found is not True and found is not False:
            raise _failed(self.source, f"it gives {found!r:.80}, not true or false")
        return found


@lru_cache(maxsize=2000)
def _tree(text: str) -> Node:
    """Return the tree of *text*, which is asked for several times while a workflow is checked and compiled."""
    return parse_condition(text)


def reads_in(text: str) -> Mapping[str, frozenset[str] | None]:
    """Return the names that the condition *text* mentions, none where it cannot be read, each with the fields that are read of it.

    None stands for the whole value.
    """
    try:
        return _reads(_tree(text))
    except ConditionSyntaxError:
        return {}


def names_in(text: str) -> frozenset[str]:
    """Return the names that the condition *text* mentions, none where it cannot be read."""
    return frozenset(reads_in(text))


def constant_of(text: str) -> bool | None:
    """Return what the condition *text* always gives, None where that depends on values or it cannot be read."""
    try:
        found = folded(_tree(text))
    except ConditionSyntaxError:
        return None
    return found if isinstance(found, bool) else None


def check_condition(text: str, scope: Mapping[str, Type], known: Vocabulary | None = None) -> list[Diagnostic]:
    """Return what is wrong with the condition *text* where the names of *scope* are known; the column stands in the message.

    Hints choose from the names *known*, else from those of *scope* that a condition can mention.
    """
    try:
        tree = _tree(text)
    except ConditionSyntaxError as error:
        return [_syntax(error)]
    return problems_of(text, tree, scope, [name for name in scope if "-" not in name] if known is None else known)


def compile_condition(text: str) -> Condition:
    """Return the condition that *text* writes. Raises `SpecError`."""
    from cel import compile as compile_cel  # a tenth of a second that most jobs need not pay

    try:
        reads = _reads(_tree(text))
        return Condition(text, reads, compile_cel(_for_library(text) if _LOOP in reads else text))
    except ConditionSyntaxError as error:
        raise SpecError([_syntax(error)]) from None
    except ValueError as error:
        raise SpecError([Diagnostic("bad-condition", str(error).split("\n", maxsplit=1)[0])]) from None


def _for_library(text: str) -> str:
    """Return the condition with the name `loop`, which is a reserved word of CEL, replaced."""
    pieces: list[str] = []
    end, before = 0, ""
    for word in tokens(text):
        if word.kind == "name" and word.text == _LOOP and before != ".":
            pieces += [text[end : word.at], _ALIAS]
            end = word.at + len(_LOOP)
        before = word.text
    return "".join([*pieces, text[end:]])


def _syntax(error: ConditionSyntaxError) -> Diagnostic:
    return Diagnostic("bad-condition", f"column {error.at + 1}: {error}", error.hint)


def _part(value: Any, fields: frozenset[str] | None) -> Any:
    """Return what the condition reads of *value*: handing over a long list that nobody looks at would cost more than the condition."""
    if fields is None or type(value) is not dict:
        return value
    return {name: value[name] for name in fields if name in value}


def _failed(source: str, reason: str) -> ExecutorError:
    hint = "test optional fields with has(step.field), and null with != null"
    return ExecutorError(f"the condition {source[:200]!r} cannot be decided: {reason}", hint=hint, reason="bad-condition", retryable=False)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no field {error}"
    return str(error).split(".", maxsplit=1)[0]


def _reads(tree: Node, bound: frozenset[str] = frozenset()) -> dict[str, frozenset[str] | None]:
    """Return the free names of *tree*, each with the fields that are read of it."""
    found: dict[str, frozenset[str] | None] = {}
    if tree.op == "name":
        return {} if tree.text in bound else {tree.text: None}
    inner = bound | {tree.word} if tree.op == "loop" else bound
    if tree.op == "field" and tree.kids[0].op == "name":
        name = tree.kids[0].text
        return {} if name in bound else {name: frozenset((tree.text,))}
    for i, kid in enumerate(tree.kids):
        for name, fields in _reads(kid, inner if i else bound).items():
            known = found.get(name, frozenset())
            found[name] = None if known is None or fields is None else known | fields
    return found
