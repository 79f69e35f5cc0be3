"""policy: the JSON Schema (2020-12) of the document form, for editors that complete and check YAML files."""

from typing import Any, Final

from murakkab.spec import Effect

SCHEMA_ID: Final = "urn:murakkab:workflow"
_NAME: Final = "^[A-Za-z_][A-Za-z0-9_-]*$"


def json_schema() -> dict[str, Any]:
    """Return the schema. It is as strict as a schema can be; names, types and references are checked by `murakkab validate`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Murakkab workflow",
        **_object("What is to be done, and what matters; not how.", _workflow(), required=["workflow"]),
        "$defs": {
            "expression": _expression(),
            "reference": {"type": "string", "pattern": r"^\$\{\s*[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*|\[(\d+|\*)\])*\s*\}$"},
            "type": _type(),
            "duration": {
                "description": "Seconds, or a number with ms, s, m, h or d.",
                "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|min|h|d)?\s*$"}],
            },
            "input": _input(),
            "output": _output(),
            "step": _step(),
            "retry": _retry(),
            "goal": _goal(),
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _object(description: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties, "additionalProperties": False, **more}


def _map(description: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": description, "propertyNames": {"pattern": _NAME}, "additionalProperties": values}


def _workflow() -> dict[str, Any]:
    return {
        "workflow": _text("The name of the workflow.", minLength=1),
        "description": _text("What it is for, for people."),
        "inputs": _map("What a job is given, by name.", _ref("input")),
        "steps": _map("What is done, by name. A step starts as soon as what it mentions is ready.", _ref("step")),
        "outputs": _map("What a job gives, by name.", _ref("output")),
        "goal": _ref("goal"),
        "timeout": _ref("duration"),
    }


def _expression() -> dict[str, Any]:
    operators = [
        _object(
            "A reference: a JSON pointer into a step's result.",
            {"$ref": {"type": "string"}, "path": {"type": "string"}},
            required=["$ref"],
        ),
        _object("Text with holes: `Hello ${inputs.name}`.", {"$template": {"type": "string"}}, required=["$template"]),
        _object(
            "The first of these that was not skipped.",
            {"$first": {"type": "array", "minItems": 1, "items": _ref("expression")}},
            required=["$first"],
        ),
    ]
    data = {"type": "object", "propertyNames": {"pattern": r"^([^$]|\$\$|$)"}, "additionalProperties": _ref("expression")}
    return {
        "description": "JSON data in which `${step.field}` may stand for a value.",
        "anyOf": [
            {"type": ["null", "boolean", "number"]},
            {"anyOf": [_ref("reference"), {"type": "string", "not": {"pattern": r"(^|[^$])(\$\$)*\$\{"}}]},
            {"type": "array", "items": _ref("expression")},
            {"type": "object", "anyOf": [*operators, data]},
        ],
    }


def _type() -> dict[str, Any]:
    return {
        "description": "any, null, bool, int, float, str, file, list[T], map[T], {name: T}; a ? behind it allows null.",
        "anyOf": [{"type": ["string", "null"]}, {"type": "object", "additionalProperties": _ref("type")}],
    }


def _input() -> dict[str, Any]:
    fields = {
        "type": _ref("type"),
        "default": {**_ref("expression"), "description": "Its value when a job gives none; without a default it must be given."},
        "description": _text("What it is, for people."),
    }
    return {"anyOf": [{"type": "string"}, _object("An input.", fields)]}


def _output() -> dict[str, Any]:
    fields = {
        "value": _ref("expression"),
        "type": _ref("type"),
        "optional": {"type": "boolean", "description": "Null where its source was skipped; otherwise the job fails then."},
        "description": _text("What it is, for people."),
    }
    operator = {"type": "object", "propertyNames": {"pattern": r"^(\$.*|path)$"}, "minProperties": 1}
    plain = {"not": {"type": "object"}}
    return {
        "anyOf": [
            {"allOf": [plain, _ref("expression")]},
            {"allOf": [operator, _ref("expression")]},
            _object("An output.", fields, required=["value"]),
        ]
    }


def _step() -> dict[str, Any]:
    exprs = {"type": "object", "additionalProperties": _ref("expression")}
    level = _map("A loop variable and what it goes over.", _ref("expression"))
    fields = {
        "uses": _text("The capability that the step needs."),
        "call": _text("A Python function.", pattern="^[^:]+:[^:]+$"),
        "with": {**exprs, "description": "The inputs of the capability, by name."},
        "for_each": {
            "description": "A list; the step runs once for each element, called `item`. A mapping names the loop variables.",
            "anyOf": [
                _ref("reference"),
                {"type": "array", "items": _ref("expression")},
                {"type": "object", "minProperties": 1, "anyOf": [level, _ref("expression")]},
                _object("Nested levels whose order survives.", {"$levels": {"type": "array", "items": level}}, required=["$levels"]),
            ],
        },
        "max_parallel": {"type": "integer", "minimum": 1, "description": "How many elements run at a time."},
        "when": _text("A CEL condition; the step is skipped when it is false.", minLength=1),
        "after": {
            "description": "Steps to wait for, though nothing of theirs is used.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        "retry": _ref("retry"),
        "timeout": {**_ref("duration"), "description": "How long one attempt may take."},
        "on_error": _on_error(),
        "cache": _cache(),
        "effect": {"enum": [str(e) for e in Effect], "description": "What the step does to the world."},
        "executor": _text("The executor to use, instead of the one that the goal chooses."),
        "knobs": {**exprs, "description": "Settings of the executor."},
        "description": _text("What it does, for people."),
    }
    return _object("One thing to do.", fields, oneOf=[{"required": ["uses"]}, {"required": ["call"]}])


def _retry() -> dict[str, Any]:
    fields = {
        "attempts": {"type": "integer", "minimum": 1, "description": "How many attempts in all."},
        "delay": {**_ref("duration"), "description": "The wait before the second attempt."},
        "backoff": {"type": "number", "minimum": 1, "description": "What each further wait is multiplied with."},
        "max_delay": {**_ref("duration"), "description": "The longest wait."},
        "jitter": {"type": "number", "minimum": 0, "maximum": 1, "description": "The part of a wait that is left to chance."},
    }
    return {"anyOf": [{"type": "integer", "minimum": 1}, _object("How often to try.", fields)], "description": "How often to try."}


def _on_error() -> dict[str, Any]:
    return {
        "description": "What to do when the last attempt has failed; `fail` ends the job.",
        "anyOf": [
            {"enum": ["fail", "skip"]},
            _object("Take this value instead.", {"default": _ref("expression")}, required=["default"]),
            _object("Try this executor once.", {"fallback": {"type": "string"}}, required=["fallback"]),
        ],
    }


def _cache() -> dict[str, Any]:
    return {
        "description": "Whether, or how long, a result may be used again for the same inputs.",
        "anyOf": [{"type": "boolean"}, _ref("duration"), _object("How long.", {"ttl": _ref("duration")})],
    }


def _goal() -> dict[str, Any]:
    measures = {"enum": ["latency", "energy", "cost", "quality"]}
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}
    limits = {
        "latency": {**_ref("duration"), "description": "How long the job may take."},
        "cost": {**amount, "description": "Dollars."},
        "energy": {**amount, "description": "Joules, or an amount with J, kJ, Wh or kWh."},
        "quality": {"type": "number", "minimum": 0, "maximum": 1, "description": "The least quality, 0 to 1."},
    }
    fields = {
        "minimize": {"description": "What to keep small, most important first.", "anyOf": [measures, {"type": "array", "items": measures}]},
        "limits": _object("What must hold in any case.", limits),
    }
    return _object("What matters.", fields)
