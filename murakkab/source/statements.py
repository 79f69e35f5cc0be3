"""data: the statements of a function while it is written. A value that nobody uses gets no variable; that is known at the end."""

from dataclasses import dataclass

from murakkab.source.layout import Code, joined, laid_out
from murakkab.source.names import Variable


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of code, whose value goes into the variable."""

    code: Code
    variable: Variable | None = None

    def text(self, level: int) -> str:
        """Return the lines, in the column *level*."""
        start = f"{self.variable.name} = " if self.variable is not None and self.variable.is_used else ""
        return " " * level + laid_out(joined(start, self.code), level) + "\n"


@dataclass(frozen=True, slots=True)
class With:
    """A `with`, and the statements in it."""

    code: Code
    inside: "tuple[Statement | With, ...]"
    variable: Variable | None = None

    def text(self, level: int) -> str:
        """Return the lines, in the column *level*."""
        end = f" as {self.variable.name}:" if self.variable is not None and self.variable.is_used else ":"
        inside = "".join(one.text(level + 4) for one in self.inside) or " " * (level + 4) + "pass\n"
        return " " * level + laid_out(joined("with ", self.code, end), level) + "\n" + inside
