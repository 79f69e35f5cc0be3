"""data: what the user asked - Workflow, Step, Goal. No model, no device, no position in a file.

Everything here is frozen. `with_`, conditions and outputs are *expressions*: JSON data in which `Ref`, `Template` and `First` may stand
anywhere. A reference is a value, never text pasted into text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from murakkab.types import ANY, Type


class Wild:
    """The path element `[*]`: every element of a list, flattened into the list of matches."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the way it is written."""
        return "[*]"

    def __reduce__(self) -> str:
        """Keep it a singleton under copy and pickle."""
        return "WILD"


WILD: Final = Wild()


@dataclass(frozen=True, slots=True)
class Maybe:
    """A path element that may lead to nothing, by the type of the data: it gives null then, and `[*]` no elements.

    Never written by anybody: the compiler puts it in the place of elements below optional fields.
    """

    item: str | int | Wild


PathItem = str | int | Wild | Maybe


class Effect(StrEnum):
    """What a task does to the world; decides what may be repeated, cached, merged or dropped."""

    PURE = "pure"
    READ = "read"
    WRITE = "write"
    IRREVERSIBLE = "irreversible"

    @property
    def is_free(self) -> bool:
        """True when running it once, twice or never leaves the world the same."""
        return self in (Effect.PURE, Effect.READ)


@dataclass(frozen=True, slots=True)
class Ref:
    """A value taken from elsewhere: a step's result, `inputs`, or a loop variable, and the path inside it."""

    source: str
    path: tuple[PathItem, ...] = ()

    def __str__(self) -> str:
        """Return the YAML form, `${source.path[0][*]}`."""
        path = (p.item if isinstance(p, Maybe) else p for p in self.path)
        steps = "".join(f".{p}" if isinstance(p, str) else "[*]" if isinstance(p, Wild) else f"[{p}]" for p in path)
        return f"${{{self.source}{steps}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """Text with holes: the parts joined in order, each `Ref` as text. What is filled in is never scanned again."""

    parts: "tuple[str | Ref, ...]"


@dataclass(frozen=True, slots=True)
class First:
    """The first of the options that was not skipped: how the branches of a condition meet again."""

    options: "tuple[Expr, ...]"


Expr = None | bool | int | float | str | Ref | Template | First | list["Expr"] | dict[str, "Expr"]


@dataclass(frozen=True, slots=True)
class Loop:
    """One level of `for_each`: `name` takes each element of the list `over`."""

    name: str
    over: Expr


@dataclass(frozen=True, slots=True)
class Retry:
    """How often to try, and how long to wait between: `delay * backoff**n` seconds, at most `max_delay`, spread by `jitter` (0-1)."""

    attempts: int = 1
    delay: float = 0.5
    backoff: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.1


class Rescue(StrEnum):
    """What to do when the last attempt of a task has failed."""

    FAIL = "fail"
    SKIP = "skip"
    DEFAULT = "default"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class OnError:
    """`fail` the job, `skip` the task, take `default` as its value, or try once more with the `fallback` executor."""

    action: Rescue = Rescue.FAIL
    default: Expr = None
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Keep successful results by inputs, executor and code version, for `ttl` seconds or (None) for good. Failures are never kept."""

    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A declared node. Exactly one of `uses` (a capability) and `call` (a Python function, `module:function`) is given."""

    name: str
    uses: str = ""
    call: str = ""
    with_: Mapping[str, Expr] = field(default_factory=dict)
    for_each: tuple[Loop, ...] = ()
    max_parallel: int | None = None
    when: str = ""
    after: tuple[str, ...] = ()
    retry: Retry = Retry()
    timeout: float | None = None
    on_error: OnError = OnError()
    cache: CachePolicy | None = None
    effect: Effect | None = None
    executor: str = ""
    knobs: Mapping[str, Expr] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """A typed input of the workflow; `required` unless it has a default."""

    type: Type = ANY
    default: Expr = None
    required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """A named output. When its source was skipped the job fails, unless it is `optional` (then it is null)."""

    value: Expr
    type: Type = ANY
    optional: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """What to minimise, most important first, and the limits (`latency` s, `cost` USD, `energy` J, `quality` 0-1)."""

    minimize: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workflow:
    """What is declared: typed inputs, steps, outputs and a goal. Says nothing about models or devices.

    `timeout` is the job's deadline in seconds: past it everything running is cancelled and the job fails.
    """

    name: str
    description: str = ""
    inputs: Mapping[str, Input] = field(default_factory=dict)
    steps: Mapping[str, Step] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    goal: Goal = Goal()
    timeout: float | None = None
