"""policy: the text of a condition -> its tree, for checking it before anything runs. Running it is the business of the CEL library.

The subset of CEL that is read here is CEL without structs, bytes and optional chaining.
"""

from dataclasses import dataclass
from typing import Final

from murakkab.expressions.tokens import ConditionSyntaxError, Token, tokens

MAX_NESTING: Final = 40
#: Each level multiplies the time by the length of a list.
MAX_LOOPS: Final = 2
_IN_A_STEP: Final = "let a step decide, and test its result"

#: Reserved words of CEL but one: `loop` is what the rounds of a step are called.
_RESERVED: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let"),
        *("namespace", "null", "package", "return", "true", "var", "void", "while"),
    )
)
_LITERALS: Final = {"true": "bool", "false": "bool", "null": "null"}
#: Binary operators, weakest first; `&&` and `||` take any number of operands.
_LEVELS: Final = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
#: How often each macro may be given arguments behind the list.
_MACROS: Final = {"all": (2,), "exists": (2,), "exists_one": (2,), "existsOne": (2,), "filter": (2,), "map": (2, 3)}
_PYTHON: Final = {"and": "&&", "or": "||", "not": "!", "is": "==", "AND": "&&", "OR": "||", "NOT": "!"}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a condition.

    `op` says what it is: `literal` (`text` is its type), `name`, `field`, `index`, `call` (of the function `text`, a receiver first),
    `has`, `loop` (the macro `text`), `list`, `map`, or an operator. `word` is the variable of a loop, what a text literal holds ("" where
    it has escapes), or another literal as it is written.
    """

    op: str
    at: int
    text: str = ""
    kids: "tuple[Node, ...]" = ()
    word: str = ""


def parse_condition(text: str) -> Node:
    """Return the tree of *text*. Raises `ConditionSyntaxError`."""
    parser = _Parser(tokens(text))
    found = parser.ternary()
    parser.words.end()
    return found


class _Words:
    """The tokens of one condition, and how far they have been read."""

    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._next = 0

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self._words[self._next]

    def mark(self) -> str:
        """Return the text of the next token where it is a mark or a name, else ""."""
        return self.next.text if self.next.kind in ("mark", "name") else ""

    def take(self) -> Token:
        """Return the next token and go on behind it; the end stays."""
        word = self.next
        self._next += word.kind != "end"
        return word

    def want(self, mark: str) -> Token:
        """Take *mark*, or say that it is missing."""
        word = self.take()
        if word.kind == "mark" and word.text == mark:
            return word
        raise self.wrong(f"{mark!r} is missing before", word)

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self.next.kind != "end":
            raise ConditionSyntaxError(f"{self.next.text!r} cannot stand here", self.next.at, self._hint(self.next))

    def wrong(self, missing: str, word: Token) -> ConditionSyntaxError:
        """Return the error that something is *missing* before *word*."""
        shown = repr(word.text) if word.kind != "end" else "the end"
        return ConditionSyntaxError(f"{missing} {shown}", word.at, self._hint(word))

    def _hint(self, word: Token) -> str:
        before = self._words[max(0, self._next - 1)].text
        for text in (word.text, before):
            if text in _PYTHON:
                return f"{text!r} is written {_PYTHON[text]}"
        return "join conditions with && or ||" if word.kind == "name" else ""


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, words: list[Token]) -> None:
        self.words = _Words(words)
        self._depth = 0
        self._loops = 0

    def ternary(self) -> Node:
        """Return `a`, or `a ? b : c`."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise ConditionSyntaxError(f"nested more than {MAX_NESTING} deep", self.words.next.at, _IN_A_STEP)
        found = self._binary(0)
        if self.words.mark() == "?":
            at = self.words.take().at
            yes = self._binary(0)
            self.words.want(":")
            found = Node("?:", at, kids=(found, yes, self.ternary()))
        self._depth -= 1
        return found

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        links = 0
        while self.words.mark() in _LEVELS[level]:
            op = self.words.take()
            right = self._binary(level + 1)
            links += 1
            if links > MAX_NESTING and level > 1:
                raise ConditionSyntaxError(f"more than {MAX_NESTING} operators in a row", op.at, _IN_A_STEP)
            kids = (*left.kids, right) if left.op == op.text and level < 2 and links > 1 else (left, right)
            left = Node(op.text, op.at, kids=kids)
        return left

    def _unary(self) -> Node:
        marks: list[Token] = []
        while self.words.mark() in ("!", "-"):
            marks.append(self.words.take())
        if len(marks) > MAX_NESTING:
            raise ConditionSyntaxError(f"more than {MAX_NESTING} signs in a row", marks[0].at)
        if len({mark.text for mark in marks}) > 1:
            raise ConditionSyntaxError("'!' and '-' follow each other", marks[1].at, "write parentheses between them")
        found = self._member()
        for mark in reversed(marks):
            found = Node("!" if mark.text == "!" else "negate", mark.at, kids=(found,))
        return found

    def _member(self) -> Node:
        found = self._primary()
        links = 0
        while (mark := self.words.mark()) in (".", "["):
            links += 1
            at = self.words.take().at
            if links > MAX_NESTING:
                raise ConditionSyntaxError(f"more than {MAX_NESTING} fields in a row", at)
            if mark == "[":
                found = Node("index", at, kids=(found, self.ternary()))
                self.words.want("]")
            else:
                found = self._field(found)
        return found

    def _field(self, of: Node) -> Node:
        word = self.words.take()
        if word.kind != "name" or word.text in ("in", "true", "false", "null"):
            hint = "a field that is not a name is written step['the field']"
            raise ConditionSyntaxError("the name of a field is missing behind '.'", word.at, hint)
        if self.words.mark() != "(":
            return Node("field", word.at, word.text, (of,))
        if word.text in _MACROS:
            return self._loop(of, word)
        return Node("call", word.at, word.text, (of, *self._arguments()))

    def _arguments(self) -> tuple[Node, ...]:
        self.words.want("(")
        return self._until(")", trailing=False)

    def _until(self, close: str, *, trailing: bool) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.words.mark() != close:
            found.append(self.ternary())
            if self.words.mark() != ",":
                break
            comma = self.words.take()
            if self.words.mark() == close and not trailing:
                raise ConditionSyntaxError("something is missing behind ','", comma.at)
        self.words.want(close)
        return tuple(found)

    def _loop(self, of: Node, word: Token) -> Node:
        self._loops += 1
        if self._loops > MAX_LOOPS:
            raise ConditionSyntaxError(f"{word.text!r} is nested more than {MAX_LOOPS} deep", word.at, _IN_A_STEP)
        arguments = self._arguments()
        self._loops -= 1
        if len(arguments) not in _MACROS[word.text] or arguments[0].op != "name":
            raise ConditionSyntaxError(f"{word.text!r} is not written so", word.at, f"write list.{word.text}(x, x.field > 0)")
        return Node("loop", word.at, word.text, (of, *arguments[1:]), arguments[0].text)

    def _primary(self) -> Node:
        word = self.words.take()
        if word.kind == "number":
            is_float = not word.text.startswith("0x") and any(c in word.text for c in ".eE")
            return Node("literal", word.at, "float" if is_float else "uint" if word.text[-1] in "uU" else "int", word=word.text)
        if word.kind == "string":
            return Node("literal", word.at, "str", word=_unquoted(word.text))
        if word.text in _LITERALS and word.kind == "name":
            return Node("literal", word.at, _LITERALS[word.text], word=word.text)
        if word.kind == "name":
            return self._name(word)
        if word.kind == "mark" and word.text in ("(", "[", "{"):
            return self._bracket(word)
        raise self.words.wrong("a value is missing before", word)

    def _name(self, word: Token) -> Node:
        if word.text in _RESERVED:
            raise ConditionSyntaxError(f"{word.text!r} is a reserved word of CEL", word.at, "give the step or variable another name")
        if self.words.mark() != "(":
            return Node("name", word.at, word.text)
        arguments = self._arguments()
        if word.text != "has":
            return Node("call", word.at, word.text, arguments)
        if len(arguments) != 1 or arguments[0].op != "field":
            raise ConditionSyntaxError("'has' asks for a field", word.at, "write has(step.field)")
        return Node("has", word.at, kids=arguments)

    def _bracket(self, word: Token) -> Node:
        if word.text == "(":
            found = self.ternary()
            self.words.want(")")
            return found
        if word.text == "[":
            return Node("list", word.at, kids=self._until("]", trailing=True))
        pairs: list[Node] = []
        while self.words.mark() != "}":
            key = self.ternary()
            self.words.want(":")
            pairs += [key, self.ternary()]
            if self.words.mark() != ",":
                break
            self.words.take()
        self.words.want("}")
        return Node("map", word.at, kids=tuple(pairs))


def _unquoted(text: str) -> str:
    """Return what a simple string literal holds; one with escapes gives "", which no field is called."""
    quote = 3 if text.lstrip("rR")[:3] in ('"""', "'''") else 1
    start = len(text) - len(text.lstrip("rR"))
    return "" if "\\" in text else text[start + quote : -quote]
