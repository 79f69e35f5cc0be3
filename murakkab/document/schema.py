"""policy: the JSON Schema (2020-12) of the document form, for editors that complete and check YAML files."""

from typing import Any, Final

from murakkab.document.forms import DEFAULTS, KEYS, THE_WORKFLOW
from murakkab.document.read import FIXED
from murakkab.document.schema_step import step_schemas
from murakkab.document.schema_values import mapping, named, number, ref, text, value_schemas
from murakkab.spec import MEASURES, TIERS, QualityRule

SCHEMA_ID: Final = "urn:murakkab:workflow"


def json_schema() -> dict[str, Any]:
    """Return the schema. It is as strict as a schema can be; names, types and references are checked by `murakkab validate`."""
    step = step_schemas()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Murakkab workflow",
        **mapping("What is to be done, and what matters; not how.", _workflow(), required=["workflow"]),
        "$defs": {
            **value_schemas(),
            **step,
            "definition": mapping("A workflow inside of this one.", _workflow()),
            "defaults": _defaults(step["step"]["properties"]),
            "profile": _profile(),
            "goal": _goal(),
            "budget": _budget(),
        },
    }


def _workflow() -> dict[str, Any]:
    definition = {"description": "A file, relative to this one, or a whole definition.", "anyOf": [{"type": "string"}, ref("definition")]}
    secret = text("Where it is kept: env:NAME or file:PATH.", pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*)$")
    return {
        "workflow": text("The name of the workflow.", minLength=1),
        "description": text("What it is for, for people."),
        "version": text('Its version, in quotes: "2.1".'),
        "inputs": named("What a job is given, by name.", ref("input")),
        "secrets": named("Where each secret is kept; used as ${secrets.name} in `with`.", secret),
        "workflows": named("Workflows that steps run as a whole, by name.", definition),
        "defaults": ref("defaults"),
        "profiles": {
            "type": "object",
            "description": "Parts of a workflow to lay over this one, by name: dev, prod.",
            "additionalProperties": ref("profile"),
        },
        "steps": named("What is done, by name. A step starts as soon as what it mentions is ready.", ref("step")),
        "finally": named("Steps that run when all others have ended, however they ended; they also see `job`.", ref("step")),
        "outputs": named("What a job gives, by name.", ref("output")),
        "goal": ref("goal"),
        "timeout": ref("duration", "How long a job may take; past it, it fails."),
        "budget": ref("budget"),
    }


def _defaults(step: dict[str, Any]) -> dict[str, Any]:
    return mapping("What holds for every step of this file that does not say otherwise.", {key: step[key] for key in DEFAULTS})


def _profile() -> dict[str, Any]:
    keys = [key for key in KEYS[THE_WORKFLOW] if key not in FIXED]
    return mapping(
        "Laid over the workflow when it is chosen: mappings are merged, all else replaced, and null takes away.",
        {key: {"description": f"Changes to `{key}`."} for key in keys},
    )


def _goal() -> dict[str, Any]:
    measures = {"enum": list(MEASURES)}
    tier = {"enum": list(TIERS)}
    amounts = {
        "latency": ref("duration", "How long the job may take, as expected."),
        "cost": ref("money", "How many dollars it may cost."),
        "energy": ref("energy", "How much energy it may use."),
        "quality": number("The least quality, 0 to 1.", high=1),
    }
    limits: dict[str, Any] = {
        name: {"description": f"{amount.pop('description')} Or a tier, as `murakkab tiers` lists them.", "anyOf": [amount, tier]}
        for name, amount in amounts.items()
    }
    limits["latency_p90"] = ref("duration", "How long it may take nine times out of ten.")
    fields = {
        "minimize": {"description": "What to keep small, most important first.", "anyOf": [measures, {"type": "array", "items": measures}]},
        "limits": mapping("What must hold in any case.", limits),
        "quality": {"description": "How the quality of the steps makes that of the job.", "enum": [str(one) for one in QualityRule]},
    }
    return mapping("What matters.", fields)


def _budget() -> dict[str, Any]:
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKmM]|tokens)?\s*$"}]}
    fields = {
        "cost": ref("money", "How many dollars it may cost."),
        "energy": ref("energy", "How much energy it may use."),
        "tokens": {**amount, "description": "How many tokens it may use: 100000, 100k, 2M."},
        "time": ref("duration", "How long it may run."),
    }
    return mapping("What a job may use up; it is paused when one of these is spent.", fields)
