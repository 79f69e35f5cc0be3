"""policy: whether an expression fits where it stands - unknown names, missing fields, types of producer and consumer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from murakkab.diagnostics import MAX_TOLD, Vocabulary, did_you_mean
from murakkab.errors import Diagnostic, Path
from murakkab.references import forgiving, type_at
from murakkab.runtime.resolution import ReferenceFailed, select
from murakkab.spec import Expr, First, Ref, Template
from murakkab.types import ANY, BOOL, FLOAT, INT, NULL, STR, Field, Type, field_type, list_of, mismatch, why_not

_LITERALS: Final = ((bool, BOOL), (int, INT), (float, FLOAT), (str, STR))
_SHOWN: Final = 160
#: Behind so many mistakes no more names are compared.
_HINTED: Final = 300


@dataclass(slots=True)
class Surroundings:
    """What an expression may mention, and where mistakes go. `open`: the steps that it is part of, which have no result yet."""

    scope: Mapping[str, Type]
    problems: list[Diagnostic]
    open: Collection[str] = ()
    #: name -> where it is known, for hints about names that are not known here
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    #: name -> where it is from, for messages
    origins: Mapping[str, str] = field(default_factory=dict)
    #: The names that hints choose from, where these are not those of the scope.
    known: Vocabulary | None = None
    #: Nobody hears of mistakes.
    is_quiet: bool = False
    #: Secrets may stand here.
    takes_secrets: bool = False
    #: What stands in the place of steps that may be left out.
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def add(self, code: str, message: str, hint: str, path: Path) -> None:
        """Write a mistake down."""
        self.problems.append(Diagnostic(code, message, hint, path))


def dotted(path: Path) -> str:
    """Return *path* as messages name it."""
    return ".".join(map(str, path))


def type_of(expr: Expr, path: Path, around: Surroundings) -> Type:
    """Return the type of *expr*, ANY where it is wrong; what is wrong is written down."""
    if isinstance(expr, Ref):
        return _type_of_ref(expr, path, around)
    if isinstance(expr, Template):
        for part in expr.parts:
            if isinstance(part, Ref):
                _type_of_ref(part, path, around)
        return STR
    if isinstance(expr, First):
        return _common([type_of(option, (*path, "$first", i), around) for i, option in enumerate(expr.options)])
    if isinstance(expr, Mapping):
        return Type("record", fields=tuple(Field(k, type_of(v, (*path, k), around)) for k, v in expr.items()))
    if isinstance(expr, list | tuple):
        return list_of(_common([type_of(v, (*path, i), around) for i, v in enumerate(expr)]))
    return next((type_ for kind, type_ in _LITERALS if isinstance(expr, kind)), NULL)


def _common(types: list[Type]) -> Type:
    return types[0] if types and all(t == types[0] for t in types) else ANY


def _type_of_ref(ref: Ref, path: Path, around: Surroundings) -> Type:
    if len(around.problems) > MAX_TOLD:
        return ANY
    if ref.source in around.open:
        around.add("self-reference", f"the step {ref.source!r} refers to its own result", "a step sees only steps before it", path)
        return ANY
    if ref.source == "secrets":
        return _type_of_secret(ref, path, around)
    of = around.scope.get(ref.source)
    if of is None and around.is_quiet:
        return ANY
    if of is None:
        around.add("unknown-name", f"there is no {ref.source!r} that {_shown(ref)} could mean", name_hint(ref.source, around), path)
        return ANY
    found = type_at(of, ref.path)
    if isinstance(found, str):
        inner = _inner_hint(ref, around) if of.kind == "record" else ""
        around.add("no-such-field", f"{_shown(ref)}: {found.partition(';')[0] if inner else found}", inner, path)
        return ANY
    if ref.path and ref.source in around.defaults and not around.is_quiet:
        _path_into_default(ref, of, path, around)
    return found


def _path_into_default(ref: Ref, of: Type, path: Path, around: Surroundings) -> None:
    """A path must lead somewhere in what takes the place of a step, as it must in what the step gives."""
    try:
        select(around.defaults[ref.source], forgiving(of, ref.path))
    except ReferenceFailed as failed:
        message = f"{_shown(ref)} finds nothing in the default of {ref.source!r}, which may be left out: {failed}"
        around.add("no-such-field", message, "give the default what is asked for", path)


def _inner_hint(expr: Expr, around: Surroundings) -> str:
    """Return what to do about a step inside of a block that is taken for one of its outputs."""
    name = expr.path[0] if isinstance(expr, Ref) and expr.path else None
    hint = around.elsewhere.get(name, "") if isinstance(name, str) else ""
    return hint if isinstance(expr, Ref) and hint.startswith(f"{name!r} stands inside of {expr.source!r}:") else ""


def _type_of_secret(ref: Ref, path: Path, around: Surroundings) -> Type:
    declared = around.scope["secrets"].fields if "secrets" in around.scope else ()
    if not around.takes_secrets:
        hint = "give it to a step with `uses` or `call`, in its `with`: it is written down nowhere on the way there"
        around.add("secret-leak", f"{_shown(ref)} stands where it would be shown or kept", hint, path)
    elif len(ref.path) != 1:
        around.add("secret-leak", f"{_shown(ref)} is not one secret", "write ${secrets.name}", path)
    elif ref.path[0] not in {one.name for one in declared}:
        name = str(ref.path[0])
        hint = did_you_mean(name, [one.name for one in declared]) or f"declare it: secrets: {{{name}: env:{name.upper()}}}"
        around.add("unknown-name", f"there is no secret {name!r}", hint, path)
    else:
        return STR
    return ANY


#: Names that mean something in a few places alone.
_SPECIAL: Final = {
    "item": "`item` is known in steps whose `for_each` gives no other name",
    "loop": "`loop` is known in the work of a step with `repeat`",
    "result": "`result` is known in the condition `until`",
    "error": "`error` is known in `on_error: {default: ...}`",
    "job": "`job` is known in the steps of `finally`",
    "attempt": "`attempt` is known in the work of a step with `best_of`",
    "debate": "`debate` is known in the work of a step with `debate`",
    "candidates": "`candidates` is known in the judge of `best_of` and `debate`",
    "candidate": "`candidate` is known in the score of `best_of` and `debate`",
}


def name_hint(name: str, around: Surroundings) -> str:
    """Return what to do about a *name* that is not known."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name in around.elsewhere:
        return around.elsewhere[name]
    if len(around.problems) > _HINTED:
        return ""
    inputs = around.scope.get("inputs")
    if inputs and inputs.field(name):
        return f"write ${{inputs.{name}}}"
    known = [known for known in around.scope if known != "secrets"] if around.known is None else around.known
    return did_you_mean(name, known, others="there are")


def fit(want: Type, expr: Expr, path: Path, around: Surroundings) -> None:
    """Check that *expr* gives what is wanted at *path*; lists and mappings part by part, so that the very part is named."""
    if want.kind == "optional" and want.item is not None and not isinstance(expr, Ref | First):
        if expr is None:
            return
        want = want.item
    if isinstance(expr, First):
        for i, option in enumerate(expr.options):
            fit(want, option, (*path, "$first", i), around)
    elif isinstance(expr, list | tuple) and want.kind == "list":
        for i, element in enumerate(expr):
            fit(want.item or ANY, element, (*path, i), around)
    elif isinstance(expr, Mapping) and want.kind in ("map", "record", "file"):
        _fit_mapping(want, expr, path, around)
    else:
        _fit_whole(want, expr, path, around)


def _fit_whole(want: Type, expr: Expr, path: Path, around: Surroundings) -> None:
    if isinstance(expr, Ref | Template | Mapping | list | tuple):
        got = type_of(expr, path, around)
        if reason := why_not(want, got):
            around.add(
                "type-mismatch",
                _message(path, want, f"{_shown(expr)}{_origin(expr, around)} gives {_cut(got)}"),
                _hint(want, got, reason, path) + _unless(expr, got, around),
                path,
            )
    elif reason := mismatch(want, expr):
        hint = "give it as an input of type file, or write {uri: ...}" if want.kind == "file" else ""
        around.add("type-mismatch", _message(path, want, reason.removeprefix(f"{want} is wanted, ")), hint, path)


def _unless(expr: Expr, got: Type, around: Surroundings) -> str:
    """Return how the result of a step in a block is always there."""
    if got.kind != "optional" or not isinstance(expr, Ref) or not _inner_hint(expr, around):
        return ""
    return f", unless it is one of the `outputs` of {expr.source!r}"


def _fit_mapping(want: Type, expr: Mapping[str, Expr], path: Path, around: Surroundings) -> None:
    for key, value in expr.items():
        fit(field_type(want, key) or ANY, value, (*path, key), around)
    names = ("uri",) if want.kind == "file" else tuple(f.name for f in want.fields if not f.optional)
    for name in names:
        if name not in expr:
            around.add("type-mismatch", _message(path, want, f"the field {name!r} is missing"), "", path)


def _message(path: Path, want: Type, given: str) -> str:
    return f"{dotted(path)} wants {_cut(want)}, but {given}"


def _hint(want: Type, got: Type, reason: str, path: Path) -> str:
    if got.kind == "list" and got.item and not why_not(want, got.item):
        if "outputs" in (*path[:1], *path[-2:-1]):
            return "[*] goes through a list, and flattens it" if want.kind == "list" else "[0] takes the first element"
        return "`for_each` runs a step for every element"
    if want.kind == "list" and want.item and not why_not(want.item, got):
        return "put [...] around it for a list of one"
    if got.kind == "optional" and got.item and not why_not(want, got.item):
        return "it may be null or missing"
    return "" if reason == f"{want} is wanted, {got} is given" else reason


def _origin(expr: Expr, around: Surroundings) -> str:
    """Return where the value comes from, where its reference does not say so itself."""
    if not isinstance(expr, Ref) or expr.source not in around.origins:
        return ""
    return f" ({around.origins[expr.source]}{str(expr)[len(expr.source) + 2 : -1]})"[:_SHOWN]


def _cut(type_: Type) -> str:
    text = str(type_)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _shown(expr: Expr) -> str:
    if isinstance(expr, Ref):
        return str(expr)[:_SHOWN]
    if isinstance(expr, Template):
        return "the template"
    return "the mapping" if isinstance(expr, Mapping) else "the list"
