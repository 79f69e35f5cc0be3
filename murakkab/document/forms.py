"""policy: the fields of one mapping of a document - which there are, and for one that is not there, where it belongs."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from murakkab.diagnostics import MAX_TOLD, did_you_mean
from murakkab.document.fields import Problems, Reader, WrongField, mapping
from murakkab.errors import Diagnostic, Path


class Form(NamedTuple):
    """A kind of mapping: what it is, and for each key the attribute that it becomes and how it is read."""

    what: str
    fields: Mapping[str, tuple[str, Reader]]


A_STEP: Final = "a step"
THE_WORKFLOW: Final = "the workflow"

#: What `defaults` may hold: how the steps that an executor does are done, and how maps are run.
DEFAULTS: Final = ("retry", "timeout", "on_error", "cache", "executor", "effect", "prefer", "max_parallel")

#: what a mapping is -> its keys
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    THE_WORKFLOW: (
        *("workflow", "description", "version", "inputs", "steps", "outputs", "finally", "goal", "timeout", "budget", "secrets"),
        *("workflows", "defaults", "profiles"),
    ),
    A_STEP: (
        *("uses", "call", "does", "workflow", "steps", "outputs", "approve", "wait", "with", "for_each", "max_parallel", "repeat"),
        *("best_of", "debate", "optional", "need", "when", "after", "retry", "timeout", "on_error", "cache", "effect", "executor"),
        *("prefer", "knobs", "description"),
    ),
    "an input": ("type", "default", "description"),
    "an output": ("value", "type", "optional", "description"),
    "`goal`": ("minimize", "limits", "quality"),
    "`goal.limits`": ("latency", "latency_p90", "cost", "energy", "quality"),
    "`budget`": ("cost", "energy", "tokens", "time"),
    "`retry`": ("attempts", "delay", "backoff", "max_delay", "jitter"),
    "`repeat`": ("at_most", "until", "otherwise", "delay"),
    "`best_of`": ("n", "judge", "score", "accuracy"),
    "`debate`": ("participants", "rounds", "judge", "score", "accuracy"),
    "`optional`": ("default", "done"),
    "`need`": ("count", "share", "of"),
    "`on_error`": ("default", "fallback"),
    "`cache`": ("ttl",),
    "`prefer`": ("device", "model", "executor"),
    "`approve`": ("message", "form"),
    "`wait`": ("for", "until", "event", "type"),
}

#: Words that people write elsewhere for what has another name here.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    A_STEP: {
        **dict.fromkeys(("inputs", "input", "args", "arguments", "params", "parameters", "kwargs"), "what is given stands in `with`"),
        **dict.fromkeys(("depends_on", "depends", "requires", "needs"), "write after: [step]; what is mentioned is waited for anyway"),
        **dict.fromkeys(("if", "condition", "only_if"), "write when: a CEL condition"),
        **dict.fromkeys(("foreach", "map", "loop", "items", "matrix"), "write for_each: ${step}"),
        **dict.fromkeys(("while", "max_iterations", "max_rounds"), "write repeat: {at_most: 5, until: condition}"),
        **dict.fromkeys(("concurrency", "max_concurrency", "parallelism", "parallel", "limit"), "write max_parallel beside for_each"),
        **dict.fromkeys(("run", "task", "action", "tool", "function"), "write uses: a capability, or call: module:function"),
        **dict.fromkeys(("model", "device"), "write prefer: {model: ..., device: ...}"),
        **dict.fromkeys(
            ("n", "samples", "self_consistency", "best_of_n", "vote"), "write best_of: 3, or best_of: {n: [1, 3, 5], judge: ...}"
        ),
        **dict.fromkeys(("participants", "debaters", "rounds"), "write debate: {participants: 3, rounds: 2}"),
        "output": "the result of a step is what it returns; a block has `outputs`",
    },
    THE_WORKFLOW: {
        **dict.fromkeys(("name", "id"), "write workflow: its-name"),
        **dict.fromkeys(("jobs", "tasks", "nodes"), "write steps"),
        **dict.fromkeys(("params", "parameters", "args"), "write inputs"),
        **dict.fromkeys(("concurrency", "max_concurrency", "parallelism"), "write max_parallel on a step with for_each"),
        **dict.fromkeys(("always", "on_exit", "cleanup"), "write finally"),
        "env": "write secrets: {token: env:NAME}",
    },
    "`goal.limits`": {
        **dict.fromkeys(("latency_p50", "p50"), "write latency: the time that is expected"),
        **dict.fromkeys(("p90", "latency_p95", "latency_p99"), "write latency_p90: the time that is kept nine times out of ten"),
    },
}


def read_fields(data: Any, path: Path, problems: Problems, *, form: Form) -> dict[str, Any]:
    """Return attribute -> value for each field of *form* that *data* holds and that can be read; the rest goes to *problems*."""
    found: dict[str, Any] = {}
    for key, value in mapping(data, path, problems).items():
        if len(problems) > MAX_TOLD:
            break
        if key not in form.fields:
            problems.append(unknown_field(key, path, what=form.what, known=form.fields))
            continue
        attribute, reader = form.fields[key]
        try:
            found[attribute] = reader(value, (*path, key), problems)
        except WrongField as wrong:
            problems.append(wrong.at((*path, key)))
    return found


def unknown_field(key: str, path: Path, *, what: str, known: Mapping[str, Any] | tuple[str, ...]) -> Diagnostic:
    """Return the mistake of a field *key* that *what* does not have, with what to write instead."""
    return Diagnostic("unknown-field", f"there is no field {key[:60]!r} here", _hint(key, what, known), (*path, key))


def _hint(key: str, what: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    if key == "<<":
        return "a merge key means nothing here: write the fields out, or below `defaults`"
    if word := _WORDS.get(what, {}).get(key):
        return word
    homes = [home for home, keys in KEYS.items() if key in keys and home != what]
    if not homes:
        return did_you_mean(key, known, others="there are")
    below = f"; in a file `defaults: {{{key}: ...}}` holds for every step" if key in DEFAULTS and what == THE_WORKFLOW else ""
    return f"it is a field of {' or '.join(homes[:3])}, not of {what}{below}"
