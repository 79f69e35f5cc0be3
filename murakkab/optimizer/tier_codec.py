"""policy: a version of the tiers of a workflow as JSON data, and back. Reading checks: files can be damaged."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from murakkab.catalog import Needs
from murakkab.errors import InputError
from murakkab.figures import Figure, Provenance, Source
from murakkab.optimizer.configurations import Taken
from murakkab.optimizer.tiers import Choices, Held, Tiers, Version
from murakkab.spec import TIERS

#: The version of the form below; a file with a later one is not read.
_FORM: Final = 1


def version_text(version: Version) -> str:
    """Return the text of the file of a version."""
    return json.dumps({"form": _FORM, **asdict(version)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def version_from(text: str, where: str) -> Version:
    """Return the version that *text*, of the file *where*, writes. Raises `InputError`."""
    try:
        data = json.loads(text)
        if data["form"] > _FORM:
            raise InputError(f"{where} was written by a later version of Murakkab", hint="update this one")
        return Version(
            str(data["workflow"]),
            int(data["number"]),
            str(data["since"]),
            str(data["why"]),
            _tiers(data["tiers"]),
            {measure: {tier: float(amounts[tier]) for tier in TIERS} for measure, amounts in data["amounts"].items()},
            str(data["software"]),
            int(data["profiles"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where} holds no tiers: {_flaw(error)}", hint="`murakkab tiers FILE --renew` sets them anew") from error


def _flaw(error: Exception) -> str:
    """Return what is wrong with the text, in words of the file."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON, at line {error.lineno}, column {error.colno}"
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error) if isinstance(error, _Flaw) else "something in it has another form than tiers have"


class _Flaw(ValueError):
    """What the text says cannot be, in words."""


def _tiers(data: Mapping[str, Any]) -> Tiers:
    choices = {measure: [_choices(one) for one in each] for measure, each in data["choices"].items()}
    if any(len(each) != len(TIERS) or not all(set(one) == set(data["steps"]) for one in each) for each in choices.values()):
        raise _Flaw("a choice lacks a step")
    return Tiers(
        {path: str(uses) for path, uses in data["steps"].items()},
        choices,
        {name: float(amount) for name, amount in data["capacity"].items()},
        {name: _figure(watts) for name, watts in data["pools"].items()},
        {path: int(count) for path, count in data["ways"].items()},
        {measure: int(count) for measure, count in data["counted"].items()},
    )


def _choices(data: Mapping[str, Any]) -> Choices:
    return {path: _held(one) for path, one in data.items()}


def _held(data: Mapping[str, Any]) -> Held:
    taken = data["taken"]
    joules, quality = (None if taken[name] is None else _figure(taken[name]) for name in ("joules", "quality"))
    needs = Needs(float(data["needs"]["cores"]), {name: float(amount) for name, amount in data["needs"]["slots"].items()})
    concurrency = None if data["concurrency"] is None else int(data["concurrency"])
    startup = None if taken.get("startup") is None else _figure(taken["startup"])
    figures = Taken(_figure(taken["seconds"]), float(taken["p90"]), _figure(taken["usd"]), joules, quality, startup)
    return Held(str(data["executor"]), str(data["label"]), figures, str(data["pool"]), needs, concurrency, int(data.get("devices", 1)))


def _figure(data: Mapping[str, Any]) -> Figure:
    value, low, high = (float(data[name]) for name in ("value", "low", "high"))
    of = data["of"]
    return Figure(value, low, high, Provenance(Source(of["source"]), str(of["where"]), str(of["date"]), int(of["count"])))
