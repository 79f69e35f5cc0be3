"""policy: the JSON Schema of a step."""

from typing import Any, Final

from murakkab.document.schema_values import mapping, named, number, ref, text, whole
from murakkab.spec import MOST_AT_ONCE, MOST_ROUNDS, Effect, Otherwise

_WORK: Final = ("uses", "call", "workflow", "steps", "approve", "wait")
_BOTH: Final = {"required": ["judge", "score"]}
_OF_EXECUTORS: Final = ("retry", "cache", "effect", "executor", "prefer", "knobs")


def step_schemas() -> dict[str, Any]:
    """Return the definitions of a step and its parts, by name."""
    return {
        "step": _step(),
        "for_each": _for_each(),
        "repeat": _repeat(),
        "best_of": _best_of(),
        "debate": _debate(),
        "judging": _judging(),
        "need": _need(),
        "approve": _approve(),
        "wait": _wait(),
        "retry": _retry(),
        "on_error": _on_error(),
        "cache": _cache(),
        "prefer": _prefer(),
        "effect": {"enum": [str(e) for e in Effect], "description": "What the step does to the world."},
    }


def _step() -> dict[str, Any]:
    return mapping(
        "One thing to do.",
        {**_work(), **_way()},
        oneOf=[*({"required": [key]} for key in _WORK), {"required": ["does"], "not": _any_of(*_WORK)}],
        dependentRequired={"max_parallel": ["for_each"], "outputs": ["steps"]},
        allOf=[
            _without(_OF_EXECUTORS, where=_any_of("workflow", "steps", "approve", "wait")),
            _without(("with",), where=_any_of("steps", "approve", "wait")),
            _without(("repeat",), where=_any_of("approve", "wait")),
            _without(("best_of", "debate"), where=_any_of("approve", "wait")),
            {"not": {"required": ["best_of", "debate"]}},
            {"if": {"required": ["need"]}, "then": _any_of("for_each", "steps")},
        ],
    )


def _any_of(*keys: str) -> dict[str, Any]:
    return {"anyOf": [{"required": [key]} for key in keys]}


def _without(keys: tuple[str, ...], *, where: dict[str, Any]) -> dict[str, Any]:
    return {"if": where, "then": {"properties": dict.fromkeys(keys, False)}}


def _work() -> dict[str, Any]:
    return {
        "uses": text("The capability that the step needs."),
        "call": text("A Python function, module:function.", pattern="^[^:]+:[^:]+$"),
        "does": text("In plain language, what the step does."),
        "workflow": text("A workflow to run as a step: a name in `workflows`, name@version, or a file (./part.yaml)."),
        "steps": named("Steps inside of this one; they see everything around them.", ref("step")),
        "outputs": named("What the steps inside give, by name; without it, those that no other uses.", ref("output")),
        "approve": ref("approve"),
        "wait": ref("wait"),
    }


def _way() -> dict[str, Any]:
    exprs = {"type": "object", "additionalProperties": ref("expression")}
    return {
        "with": {**exprs, "description": "What the capability, the function or the workflow is given, by name."},
        "for_each": ref("for_each"),
        "max_parallel": whole("How many elements run at a time."),
        "repeat": ref("repeat"),
        "best_of": ref("best_of"),
        "debate": ref("debate"),
        "optional": {
            "description": "It may be left out where a limit on quality allows it; whoever uses its result has the default then.",
            "anyOf": [{"type": "boolean"}, mapping("What stands in its place.", _optional())],
        },
        "need": ref("need"),
        "when": text("A CEL condition; the step is skipped when it is false.", minLength=1),
        "after": {
            "description": "Steps to wait for, though nothing of theirs is used.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        "retry": ref("retry"),
        "timeout": ref("duration", "How long one attempt may take; of steps with steps inside, all of it; of a question, the answer."),
        "on_error": ref("on_error"),
        "cache": ref("cache"),
        "effect": ref("effect"),
        "executor": text("The executor to use, instead of the one that the goal chooses."),
        "prefer": ref("prefer"),
        "knobs": {**exprs, "description": "Settings of the executor."},
        "description": text("What it does, for people."),
    }


def _for_each() -> dict[str, Any]:
    zip_ = mapping(
        "Lists of equal length, gone over together.",
        {"$zip": named("A loop variable for each of the lists.", ref("expression"), minProperties=1)},
        required=["$zip"],
    )
    level = {"anyOf": [named("A loop variable and what it goes over.", ref("expression"), minProperties=1), zip_]}
    levels = {"type": "array", "items": level, "description": "The outermost level first."}
    return {
        "description": "A list; the step runs once for each element, called `item`. A mapping names the loop variables.",
        "anyOf": [
            ref("reference"),
            {"type": "array", "items": ref("expression")},
            {"type": "object", "anyOf": [*level["anyOf"], ref("operator")]},
            mapping("Nested levels whose order survives.", {"$levels": levels}, required=["$levels"]),
        ],
    }


def _repeat() -> dict[str, Any]:
    fields = {
        "at_most": whole("How many rounds at most.", high=10_000),
        "until": text("A CEL condition on `result`, asked after each round.", minLength=1),
        "otherwise": {"enum": [str(o) for o in Otherwise], "description": "What to do when no round fulfils the condition."},
        "delay": ref("duration", "The wait between two rounds."),
    }
    return {
        "description": "Do it again until a condition holds; inside, `loop` is {index, last, history}.",
        "anyOf": [whole("How many rounds.", high=10_000), mapping("How often, and until when.", fields, required=["at_most"])],
    }


def _numbers(what: str, *, low: int, high: int) -> dict[str, Any]:
    number = {"type": "integer", "minimum": low, "maximum": high}
    several = {"type": "array", "items": number, "minItems": 1, "uniqueItems": True}
    return {"description": f"{what} A list: those that may be chosen, the usual one first.", "anyOf": [number, several]}


def _pick() -> dict[str, Any]:
    return {
        "judge": ref("judging", "The step that gives the best; it sees all results as `candidates`."),
        "score": ref("judging", "The step that gives a number for each result, which is `candidate`; the highest is kept."),
        "accuracy": number("In how many cases of one a good result is kept where there is one.", high=1),
    }


def _judging() -> dict[str, Any]:
    exprs = {"type": "object", "additionalProperties": ref("expression")}
    way = {key: ref(key) for key in ("retry", "cache", "effect", "prefer")}
    fields = {
        **{key: value for key, value in _work().items() if key in ("uses", "call", "does")},
        **{key: {**exprs, "description": value} for key, value in (("with", "What it is given."), ("knobs", "Settings of the executor."))},
        **way,
        "timeout": ref("duration", "How long one attempt may take."),
        "executor": text("The executor to use, instead of the one that the goal chooses."),
        "description": text("What it does, for people."),
    }
    return mapping("A step that compares results.", fields, oneOf=[{"required": ["uses"]}, {"required": ["call"]}])


def _optional() -> dict[str, Any]:
    return {
        "default": {"description": "What its result is when it is left out; null where nothing is said."},
        "done": {"type": "boolean", "description": "Set: true is always done, false always left out."},
    }


def _best_of() -> dict[str, Any]:
    attempts = _numbers("How many attempts.", low=1, high=MOST_AT_ONCE)
    one = mapping("How many attempts, and what keeps one.", {"n": attempts, **_pick()}, required=["n"], **{"not": _BOTH})
    return {
        "description": "Do the work several times at once and keep one result: by a judge, by scores, else the most frequent.",
        "anyOf": [*attempts["anyOf"], one],
    }


def _debate() -> dict[str, Any]:
    fields = {
        "participants": _numbers("How many answer.", low=1, high=MOST_AT_ONCE),
        "rounds": _numbers("How often they answer again, with what the others gave.", low=0, high=MOST_ROUNDS),
        **_pick(),
    }
    said = "Several do the work, then again with what the others gave (`debate`); one result is kept."
    return mapping(said, fields, required=["participants", "rounds"], **{"not": _BOTH})


def _need() -> dict[str, Any]:
    fields = {
        "count": whole("How many must succeed.", low=0),
        "share": number("The part of all that must succeed, 0 to 1.", high=1),
        "of": whole("How many there are.", low=0),
    }
    return {
        "description": "How many must succeed; then the rest is cancelled.",
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*(\d{1,3}(\.\d+)?\s*%|\d+\s+of\s+\d+)\s*$"},
            mapping("How many of how many.", fields),
        ],
    }


def _approve() -> dict[str, Any]:
    fields = {
        "message": ref("expression", "The question."),
        "form": named("What is asked for beside yes and no, by name.", ref("input")),
    }
    return {
        "description": "Ask a person; a no fails the step. The result is {approved, by} and what the form asks for.",
        "anyOf": [{"type": "string"}, ref("operator"), mapping("A question with a form.", fields)],
    }


def _wait() -> dict[str, Any]:
    later = {"anyOf": [ref("duration"), ref("reference"), ref("operator")]}
    fields = {
        "for": {**later, "description": "How long to wait."},
        "until": {
            "description": "When to go on: 2030-01-31T09:00:00Z.",
            "anyOf": [{"type": ["string", "number"]}, ref("operator")],
        },
        "event": {"description": "The event to wait for.", "anyOf": [{"type": "string"}, ref("operator")]},
        "type": ref("type", "The type of what comes with the event."),
    }
    one = mapping(
        "What to wait for.",
        fields,
        oneOf=[{"required": ["for"]}, {"required": ["until"]}, {"required": ["event"]}],
        dependentRequired={"type": ["event"]},
    )
    return {"description": "Wait for a time or an event.", "anyOf": [*later["anyOf"], one]}


def _retry() -> dict[str, Any]:
    fields = {
        "attempts": whole("How many attempts in all."),
        "delay": ref("duration", "The wait before the second attempt."),
        "backoff": number("What each further wait is multiplied with.", low=1),
        "max_delay": ref("duration", "The longest wait."),
        "jitter": number("The part of a wait that is left to chance.", high=1),
    }
    return {"anyOf": [{"type": "integer", "minimum": 1}, mapping("How often to try.", fields)], "description": "How often to try."}


def _on_error() -> dict[str, Any]:
    default = {"default": ref("expression", "The value; `error` is {reason, message, attempt, task}.")}
    return {
        "description": "What to do when the last attempt has failed; `fail` ends the job.",
        "anyOf": [
            {"enum": ["fail", "skip"]},
            mapping("Take this value instead.", default, required=["default"]),
            mapping("Try this executor once.", {"fallback": text("The executor.")}, required=["fallback"]),
        ],
    }


def _cache() -> dict[str, Any]:
    return {
        "description": "Whether, or how long, a result may be used again for the same inputs.",
        "anyOf": [{"type": "boolean"}, ref("duration"), mapping("How long.", {"ttl": ref("duration", "How long a result is kept.")})],
    }


def _prefer() -> dict[str, Any]:
    fields = {
        "device": text("The kind of device: cpu, gpu ..."),
        "model": text("The model; the executor must take one."),
        "executor": text("The executor."),
    }
    return mapping("What alone may be chosen.", fields)
