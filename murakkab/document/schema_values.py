"""policy: the JSON Schema of values - expressions, types, durations, what is given and what is returned."""

from typing import Any, Final

_NAME: Final = "^[A-Za-z_][A-Za-z0-9_-]*$"
_REFERENCE: Final = r"^\$\{\s*[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*|\[(\d+|\*)\])*\s*\}$"
_DURATION: Final = r"^\s*\d+(\.\d+)?\s*(ms|s|m|min|h|d)?\s*$"


def ref(name: str, description: str = "") -> dict[str, str]:
    """Return a reference to the definition *name*, with a description of its own where there is one."""
    found = {"$ref": f"#/$defs/{name}"}
    return {**found, "description": description} if description else found


def text(description: str, **more: Any) -> dict[str, Any]:
    """Return the schema of text."""
    return {"type": "string", "description": description, **more}


def whole(description: str, *, low: int = 1, high: int | None = None) -> dict[str, Any]:
    """Return the schema of a whole number from *low* to *high*."""
    return {"type": "integer", "minimum": low, "description": description} | ({} if high is None else {"maximum": high})


def number(description: str, *, low: float = 0, high: float | None = None) -> dict[str, Any]:
    """Return the schema of a number from *low* to *high*."""
    return {"type": "number", "minimum": low, "description": description} | ({} if high is None else {"maximum": high})


def mapping(description: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of a mapping with these fields and no others."""
    return {"type": "object", "description": description, "properties": properties, "additionalProperties": False, **more}


def named(description: str, values: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of a mapping from names to *values*."""
    return {"type": "object", "description": description, "propertyNames": {"pattern": _NAME}, "additionalProperties": values, **more}


def value_schemas() -> dict[str, Any]:
    """Return the definitions of values, by name."""
    return {
        "expression": _expression(),
        "reference": {"type": "string", "pattern": _REFERENCE, "description": "A value from elsewhere: ${step.field}."},
        "operator": _operator(),
        "type": _type(),
        "duration": {
            "description": "Seconds, or a number with ms, s, m, h or d.",
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _DURATION}],
        },
        "energy": {
            "description": "Joules, or an amount with J, kJ, Wh or kWh.",
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([jJ]|[kK][jJ]|[wW][hH]|[kK][wW][hH])?\s*$"},
            ],
        },
        "money": {
            "description": "Dollars.",
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*\$?\s*\d+(\.\d+)?\s*([uU][sS][dD])?\s*$"}],
        },
        "input": _input(),
        "output": _output(),
    }


def _expression() -> dict[str, Any]:
    data = {"type": "object", "propertyNames": {"pattern": r"^([^$]|\$\$|$)"}, "additionalProperties": ref("expression")}
    return {
        "description": "JSON data in which `${step.field}` may stand for a value.",
        "anyOf": [
            {"type": ["null", "boolean", "number"]},
            {"anyOf": [ref("reference"), {"type": "string", "not": {"pattern": r"(^|[^$])(\$\$)*\$\{"}}]},
            {"type": "array", "items": ref("expression")},
            {"type": "object", "anyOf": [ref("operator"), data]},
        ],
    }


def _operator() -> dict[str, Any]:
    reference = {
        "$ref": text("The step, or `inputs`, or a loop variable."),
        "path": text("A JSON pointer into it: /0/audio, with * for every element."),
    }
    options = {"type": "array", "minItems": 1, "items": ref("expression"), "description": "What to try, in order."}
    return {
        "description": "A value that is put together: $ref, $template or $first.",
        "anyOf": [
            mapping("A reference: a JSON pointer into a step's result.", reference, required=["$ref"]),
            mapping(
                "Text with holes: `Hello ${inputs.name}`.", {"$template": text("The text, with ${...} in it.")}, required=["$template"]
            ),
            mapping("The first of these that was not skipped.", {"$first": options}, required=["$first"]),
        ],
    }


def _type() -> dict[str, Any]:
    return {
        "description": "any, null, bool, int, float, str, file, list[T], map[T], {name: T}; a ? behind it allows null.",
        "anyOf": [{"type": ["string", "null"]}, {"type": "object", "additionalProperties": ref("type")}],
    }


def _input() -> dict[str, Any]:
    fields = {
        "type": ref("type", "Its type; anything when it says none."),
        "default": ref("expression", "Its value when none is given; without a default it must be given."),
        "description": text("What it is, for people."),
    }
    return {"description": "A type, or a mapping with a default.", "anyOf": [{"type": "string"}, mapping("An input.", fields)]}


def _output() -> dict[str, Any]:
    fields = {
        "value": ref("expression", "What it is made of: ${step.field}."),
        "type": ref("type", "Its type; checked against that of the value."),
        "optional": {"type": "boolean", "description": "Null where its source was skipped; otherwise the job fails then."},
        "description": text("What it is, for people."),
    }
    return {
        "description": "A value, or a mapping that also has a type.",
        "anyOf": [
            {"allOf": [{"not": {"type": "object"}}, ref("expression")]},
            ref("operator"),
            mapping("An output.", fields, required=["value"]),
        ],
    }
