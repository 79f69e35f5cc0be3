"""data: what the user asked - Workflow, Step, Goal. No model, no device, no position in a file.

Everything here is frozen. `with_`, conditions and outputs are *expressions*: JSON data in which `Ref`, `Template` and `First` may stand
anywhere. A reference is a value, never text pasted into text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

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
    """One level of `for_each`: `name` takes each element of the list `over`; `beside`: further names, each with a list of equal length."""

    name: str
    over: Expr
    beside: Mapping[str, Expr] = field(default_factory=dict)

    def lists(self) -> Iterator[tuple[str, Expr]]:
        """Yield every loop variable of this level with the list that it goes through."""
        yield self.name, self.over
        yield from self.beside.items()


class Otherwise(StrEnum):
    """What a loop gives that has used up its rounds while its condition never held."""

    FAIL = "fail"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Repeat:
    """Do the work of a step again until a condition holds: at most `at_most` rounds, `delay` seconds apart.

    Inside the step `loop` is `{index, last, history}`: the number of the round from zero, the result of the round before (null in the
    first), and the results of all rounds before. `until` (CEL) also sees `result`, that of the round just done; without it every round
    is done. The result of the step is that of its last round.
    """

    at_most: int = 0
    until: str = ""
    otherwise: Otherwise = Otherwise.FAIL
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Need:
    """How many must succeed: `count` of them, or (where that is zero) the part `share` of all, rounded up. `of`: how many there are.

    Once as many have succeeded, the rest is cancelled; once as many cannot succeed any more, the step fails.
    """

    count: int = 0
    share: float = 0.0
    of: int = 0


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
class Approve:
    """A question to a person. The result is `{approved, by}` and what `form` asks for; a "no" fails the task with the reason `rejected`."""

    message: Expr = ""
    form: "Mapping[str, Input]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for one thing: `seconds` (a number or a duration as text), the time `until` (ISO 8601, or seconds of the epoch), or an `event`.

    The result is null, or what came with the event, a value of type `type`.
    """

    seconds: Expr = None
    until: Expr = None
    event: Expr = None
    type: Type = ANY


@dataclass(frozen=True, slots=True)
class Prefer:
    """Constraints on what may be chosen: the kind of `device`, and the `model` (the executor must have a knob `model` that takes it)."""

    device: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Steps inside a step. They see everything around them; nobody outside sees them, but for the `outputs` of the block.

    `gives`: the value of the block is that of this step. Never written by anybody: the planner makes such blocks of compositions.
    """

    steps: "Mapping[str, Step]" = field(default_factory=dict)
    outputs: "Mapping[str, Output]" = field(default_factory=dict)
    gives: str = ""


#: How often the work of a composition may be done at once, and how many rounds a debate may have.
MOST_AT_ONCE: Final = 64
MOST_ROUNDS: Final = 16


@dataclass(frozen=True, slots=True)
class Pick:
    """How one of several results is kept: that which the `judge` gives, that of the highest `score`, else the most frequent.

    Both are steps that an executor does. The judge sees all results as `candidates`; a score is made for each, which is `candidate` there.
    `accuracy`: of how many cases in one (0-1) a good result is kept where there is one; None: by what is known of who judges.
    """

    judge: "Step | None" = None
    score: "Step | None" = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class BestOf:
    """Do the work of a step `n` times at once, and keep one of the results; in the work, `attempt` counts from zero.

    `n`: the numbers that may be chosen, the usual one first. With one attempt nothing is left of it but the work.
    """

    n: tuple[int, ...] = ()
    pick: Pick = Pick()


@dataclass(frozen=True, slots=True)
class Debate:
    """Let several `participants` do the work of a step at once, then in `rounds` again with what the others gave; keep one of the results.

    In the work, `debate` is `{seat, round, mine, others}`: which participant, the round (zero: nobody has answered yet), and what it and
    the others gave in the round before (null and empty in round zero). Both are the numbers that may be chosen, the usual one first. With
    one participant or no round nothing is left of it but the work.
    """

    participants: tuple[int, ...] = ()
    rounds: tuple[int, ...] = ()
    pick: Pick = Pick()


@dataclass(frozen=True, slots=True)
class Optional:
    """A step that may be left out, and with it whatever only it needs: whoever uses its result has the `default` then.

    `done`: 1 where it is done and 0 where it is left out, the usual one first. It is left out only where that costs no more quality than a
    limit allows; it counts with the quality 0 then, and so does each step inside of it and each that only it needs.
    """

    default: Expr = None
    done: tuple[int, ...] = (1, 0)


#: Where the functions are that the steps of compositions call.
PICKING: Final = "murakkab.picking:"


@dataclass(frozen=True, slots=True)
class Composed:
    """What becomes of the results of a step in a composition. Never written by anybody: the planner puts it there.

    One `among` so many is kept (0: the step gives none of them, it only helps to keep one), after so many `rounds` of debate. `judge`: the
    step that decides, "" where the most frequent is kept, whose `accuracy` is None where only the one who does it tells. `alike`: the work
    is told nothing that tells its results apart, so that they differ only where who does it gives other results for the same inputs.
    """

    among: int = 0
    rounds: int = 0
    judge: str = ""
    accuracy: float | None = None
    alike: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A declared node. Its work is exactly one of these.

    `uses` (a capability), `call` (a Python function, `module:function`), `workflow` (a key of `Workflow.workflows`), `block`, `approve`,
    `wait`, or `does` alone (plain language, to be mapped to one of the others; beside `uses` or `call` it is a remark).
    """

    name: str
    uses: str = ""
    call: str = ""
    does: str = ""
    workflow: str = ""
    block: Block | None = None
    approve: Approve | None = None
    wait: Wait | None = None
    with_: Mapping[str, Expr] = field(default_factory=dict)
    for_each: tuple[Loop, ...] = ()
    max_parallel: int | None = None
    repeat: Repeat | None = None
    best_of: BestOf | None = None
    debate: Debate | None = None
    optional: Optional | None = None
    need: Need | None = None
    when: str = ""
    after: tuple[str, ...] = ()
    retry: Retry = Retry()
    timeout: float | None = None
    on_error: OnError = OnError()
    cache: CachePolicy | None = None
    effect: Effect | None = None
    executor: str = ""
    prefer: Prefer = Prefer()
    knobs: Mapping[str, Expr] = field(default_factory=dict)
    description: str = ""
    #: Never written by anybody.
    composed: Composed | None = None


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


class QualityRule(StrEnum):
    """How the quality of steps makes that of a job: their mean, or their product, where each works on what the one before it left."""

    MEAN = "mean"
    PRODUCT = "product"


#: What can be minimised, and what can be limited.
MEASURES: Final = ("latency", "energy", "cost", "quality")
LIMITS: Final = ("latency", "latency_p90", "energy", "cost", "quality")
#: The names of tiers, from the hardest to reach to the easiest.
TIERS: Final = ("best", "good", "fair", "basic")


@dataclass(frozen=True, slots=True)
class Goal:
    """What to minimise, most important first, the limits, and of what the quality of a job is made (`QualityRule`).

    Limits are on `latency` (s, as expected), `latency_p90` (s, nine times out of ten), `cost` (USD), `energy` (J) and `quality` (0-1).
    `tiers`: further measures, limited by a name of `TIERS`; what it stands for is known when a job is to run (`optimizer.tiers`).
    """

    minimize: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    quality: str = QualityRule.MEAN.value
    tiers: Mapping[str, str] = field(default_factory=dict)


def limited(goal: Goal, limits: Mapping[str, float | str]) -> Goal:
    """Return *goal* with these limits laid over its own: numbers, and names of tiers."""
    numbers = {name: float(limit) for name, limit in limits.items() if not isinstance(limit, str)}
    names = {name: limit for name, limit in limits.items() if isinstance(limit, str)}
    kept = {name: limit for name, limit in goal.limits.items() if name not in names}
    others = {name: tier for name, tier in goal.tiers.items() if name not in numbers}
    return replace(goal, limits={**kept, **numbers}, tiers={**others, **names})


@dataclass(frozen=True, slots=True)
class Workflow:
    """What is declared: typed inputs, steps, outputs and a goal. Says nothing about models or devices.

    `timeout` is the job's deadline in seconds: past it everything running is cancelled and the job fails. `budget` (`cost` USD, `energy` J,
    `tokens`, `time` s) pauses the job instead. `finally_`: steps that run when everything else has ended, however it ended; they also see
    `job`. `secrets`: where each is kept, `env:NAME` or `file:PATH`. `workflows`: the definitions that steps use as a whole.
    `profiles`: parts of a document by name, to be laid over this one (`dev`, `prod`).
    """

    name: str
    description: str = ""
    version: str = ""
    inputs: Mapping[str, Input] = field(default_factory=dict)
    steps: Mapping[str, Step] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    finally_: Mapping[str, Step] = field(default_factory=dict)
    goal: Goal = Goal()
    timeout: float | None = None
    budget: Mapping[str, float] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    workflows: "Mapping[str, Workflow]" = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
