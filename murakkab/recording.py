"""state: a workflow while it is written down - calls of steps in, `Step`s out. One `Recording` per traced workflow; nothing runs."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from murakkab.catalog import Capability
from murakkab.composition import as_expr
from murakkab.declared import Declared
from murakkab.embedding import renamed
from murakkab.errors import Diagnostic, Path, Place, SpecError
from murakkab.options import RESERVED_NAMES, DefaultOptions, StepFields
from murakkab.placeholders import RESERVED, Placeholder, caller, mistake
from murakkab.scopes import WRITING, Scope
from murakkab.spec import WILD, Expr, Loop, PathItem, Ref, Step, Workflow
from murakkab.types import ANY, Type, field_type, list_of

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: What the lists of `map` and `map_zip` call their elements.
_ITEM: Final = re.compile(r"item(?:_\d+)?", re.ASCII)

#: Positional and named arguments of a call.
Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """What a step runs: the `function` that the interface in `capability` was read from, the workflow `part`, or what `work` says.

    `pick`: the field of the result that a call stands for; empty means all of it.
    """

    name: str
    capability: Capability
    signature: inspect.Signature
    function: Callable[..., Any] | None = None
    part: Declared | None = None
    work: Mapping[str, str] = field(default_factory=dict)
    pick: str = ""

    @property
    def may_fill_in(self) -> bool:
        """True when the defaults of the signature are given to whoever does it: they may have others."""
        return self.function is None and self.part is None


@dataclass(slots=True)
class Recording:
    """What has been written down so far. Mistakes after which the writing can go on are collected in `diagnostics`.

    `function` is what writes it, perhaps while the one `around` it is written. `scope`: the level that is written at, `root` or one
    inside of it. `own`: the options that could come from defaults and that a step says itself, by its path.
    """

    function: Callable[..., Any] | None = None
    around: "Recording | None" = None
    own: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    root: Scope = field(default_factory=Scope)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    capabilities: dict[str, Capability] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    scope: Scope = field(init=False)
    ending: Scope = field(init=False)

    def __post_init__(self) -> None:
        self.scope = self.root
        self.ending = Scope(self.root, ("finally",))

    @property
    def is_inside_itself(self) -> bool:
        """True when the function is already writing the workflow around this one, or one around that."""
        outer = self.around
        while outer is not None and outer.function is not self.function:
            outer = outer.around
        return outer is not None

    def record(self, target: Target, fields: StepFields, given: Arguments) -> Placeholder:
        """Return the value-to-be of a new step."""
        with_ = self._or_noted(lambda: _arguments(target, *given), {})
        name = self.free_name(fields, target.name)
        self.write(name, {**self._work_of(target), "with_": with_, **fields})
        return self.value_of(name, target.capability.result, pick=target.pick)

    def record_map(self, target: Target, fields: StepFields, lists: Sequence[object], given: Arguments) -> Placeholder:
        """Return the list-to-be of a new step that runs for every element of the *lists*, given before the other arguments."""
        args, kwargs = given
        overs = self._or_noted(lambda: [as_expr(one) for one in lists], [[] for _ in lists])
        names = ["item", *(f"item_{i}" for i in range(2, len(overs) + 1))]
        loop = Loop("item", overs[0], dict(zip(names[1:], overs[1:], strict=True)))
        elements = [Placeholder(Ref(name), ANY) for name in names]
        # A step that is used by its name has no order of inputs: what goes where is said with `item`.
        first = () if _is_open(target.signature) else elements
        return self.record(target, fields | {"for_each": (loop,)}, ((*first, *args), kwargs))

    def write(self, name: str, fields: StepFields) -> None:
        """Write the step *name* down, under the conditions of this level."""
        rest = {key: value for key, value in fields.items() if key != "name"}
        conditions = [*self.scope.conditions, *([rest.pop("when")] if rest.get("when") else [])]
        rest["when"] = conditions[0] if len(conditions) == 1 else " && ".join(f"({c})" for c in conditions)
        path = (*self.scope.path, name)
        self.places.setdefault(path, caller())
        if own := tuple(key for key in rest if key in DefaultOptions.__annotations__):
            self.own[path] = own
        self.scope.steps[name] = Step(name, **rest)

    def value_of(self, name: str, result: Type, *, pick: str = "") -> Placeholder:
        """Return the value-to-be of the step *name*, or of the field *pick* of it."""
        levels = len(self.scope.steps[name].for_each)
        path: tuple[PathItem, ...] = ()
        spread = False
        if pick and levels <= 1:
            path, spread = ((WILD, pick), True) if levels else ((pick,), False)
            result = field_type(result, pick) or ANY
        for _ in range(levels):
            result = list_of(result)
        return Placeholder(Ref(name, path), result, spread=spread)

    @contextmanager
    def under(self, condition: str) -> Iterator[None]:
        """Give *condition* to every step that is recorded inside the block."""
        conditions = self.scope.conditions
        conditions.append(condition)
        try:
            yield
        finally:
            conditions.pop()

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[None]:
        """Write at the level *scope*."""
        outer, self.scope = self.scope, scope
        token = WRITING.set(scope)
        try:
            yield
        finally:
            WRITING.reset(token)
            self.scope = outer

    def embed(self, part: Declared, key: str = "") -> str:
        """Return the name under which the workflow *part* is used here, *key* where it is given; its functions become known."""
        names = {call: self.call_of(function, call) for call, function in part.functions.items()}
        workflow = renamed(part.workflow, {old: new for old, new in names.items() if old != new})
        known = next((one for one, other in self.workflows.items() if other == workflow), "")
        base, number = key or workflow.name, 2
        key = key or known or base
        while self.workflows.setdefault(key, workflow) != workflow:
            key, number = f"{base}~{number}", number + 1
        self.capabilities |= {names.get(call, call): interface for call, interface in part.capabilities.items()}
        self.places |= {("workflows", key, *path): place for path, place in part.places.items()}
        return key

    def free_name(self, fields: StepFields, usual: str) -> str:
        """Return the name of the next step of this level: the one wished for, else after *usual*, with a number where it is taken."""
        scope, wish = self.scope, fields.get("name", "")
        base = f"{wish}_" if wish in RESERVED_NAMES else wish or usual_name(usual)
        hides = scope.around.sees if scope.around is not None and not wish else scope.steps.__contains__
        name = base
        while not scope.is_free(name) or hides(name):
            # Counted on from the last time: a workflow may call one step thousands of times.
            scope.numbers[base] = number = scope.numbers.get(base, 1) + 1
            name = f"{base}_{number}"
        return name

    def call_of(self, function: Callable[..., Any], wish: str) -> str:
        """Return *wish*, the `module:qualname` of a function, with a number where two functions share it, as those of one factory do."""
        number, name = 2, wish
        while self.functions.setdefault(name, function) is not function:
            name, number = f"{wish}~{number}", number + 1
        return name

    def _work_of(self, target: Target) -> StepFields:
        if target.part is not None:
            return {"workflow": self.embed(target.part)}
        if target.work:
            return dict(target.work)
        uses, call = target.capability.name, ""
        if target.function is not None:
            uses, call = "", self.call_of(target.function, _qualified(target.function))
        self.capabilities[uses or call] = target.capability
        return {"uses": uses, "call": call}

    def _or_noted(self, make: Callable[[], Any], instead: Any) -> Any:
        """Return what *make* returns, or *instead* where it finds mistakes, which are noted."""
        try:
            return make()
        except SpecError as error:
            self.diagnostics += error.diagnostics
            return instead


def usual_name(usual: str) -> str:
    """Return a name after *usual* that can be written in conditions and means nothing else."""
    base = re.sub(r"\W+", "_", usual, flags=re.ASCII).strip("_") if not _NAME.fullmatch(usual) else usual
    base = base if _NAME.fullmatch(base) else f"step_{base}"
    return f"{base}_" if base in RESERVED_NAMES | RESERVED or _ITEM.fullmatch(base) else base


def _qualified(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def _is_open(signature: inspect.Signature) -> bool:
    """Return whether nothing can be given without its name."""
    return all(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _arguments(target: Target, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Expr]:
    """Return the arguments of a call by name, as expressions. Raises `SpecError` where they do not fit the signature."""
    try:
        bound = target.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise mistake("wrong-arguments", f"{target.name}: {error}", f"it is called {target.name}{target.signature}") from None
    if target.may_fill_in:
        _fill_in_defaults(bound)
    given: dict[str, Expr] = {}
    for name, value in bound.arguments.items():
        is_rest = target.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        given |= {k: as_expr(v) for k, v in (value if is_rest else {name: value}).items()}
    return given


def _fill_in_defaults(bound: inspect.BoundArguments) -> None:
    """Add the defaults that a capability's stub declares: whoever provides it may have others. None and `...` mean "not given"."""
    for name, parameter in bound.signature.parameters.items():
        if name not in bound.arguments and not any(parameter.default is absent for absent in (parameter.empty, None, ...)):
            bound.arguments[name] = parameter.default


_ACTIVE: Final[ContextVar[Recording | None]] = ContextVar("murakkab_recording", default=None)


def active() -> Recording | None:
    """Return the recording of the workflow that is being written down, None outside of one."""
    return _ACTIVE.get()


def writing(what: str, *, instead: str) -> Recording:
    """Return the active recording. Raises `SpecError` when *what* stands outside of a workflow."""
    recording = active()
    if recording is None:
        raise mistake("outside-workflow", f"{what} stands outside of a workflow", instead)
    return recording


@contextmanager
def recording_into(recording: Recording) -> Iterator[None]:
    """Make *recording* the active one inside the block."""
    token = _ACTIVE.set(recording)
    try:
        with recording.inside(recording.root):
            yield
    finally:
        _ACTIVE.reset(token)
