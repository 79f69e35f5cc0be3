"""policy: a version of the tiers of a workflow as JSON data, and back. Reading checks: files can be damaged."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from murakkab.catalog import Device, Needs
from murakkab.devices import Allowance
from murakkab.errors import InputError
from murakkab.figures import Figure, Provenance, Source
from murakkab.optimizer.configurations import Taken
from murakkab.optimizer.resources import Footprint
from murakkab.optimizer.tiers import Choices, Held, HeldPool, Tiers, Version
from murakkab.spec import TIERS

#: The version of the form below; a file with a later one is not read.
_FORM: Final = 2


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
        {name: _pool(pool) for name, pool in data["pools"].items()},
        [Allowance(str(one["of"]), _maybe(one["requests"]), _maybe(one["tokens"])) for one in data.get("allowances", ())],
        {path: int(count) for path, count in data["ways"].items()},
        {measure: int(count) for measure, count in data["counted"].items()},
    )


def _choices(data: Mapping[str, Any]) -> Choices:
    return {path: _held(one) for path, one in data.items()}


def _held(data: Mapping[str, Any]) -> Held:
    needs = Needs(float(data["needs"]["cores"]), {name: float(amount) for name, amount in data["needs"]["slots"].items()})
    concurrency = None if data["concurrency"] is None else int(data["concurrency"])
    loads = tuple((int(load), _taken(taken)) for load, taken in data.get("loads", ()))
    # The first form had the number of devices alone.
    footprint = _footprint(data["footprint"]) if "footprint" in data else Footprint(int(data.get("devices", 1)))
    words = str(data["executor"]), str(data["label"])
    return Held(*words, _taken(data["taken"]), str(data["pool"]), needs, concurrency, footprint, loads)


def _taken(data: Mapping[str, Any]) -> Taken:
    joules, quality, startup = (None if data.get(name) is None else _figure(data[name]) for name in ("joules", "quality", "startup"))
    return Taken(_figure(data["seconds"]), float(data["p90"]), _figure(data["usd"]), joules, quality, startup)


def _footprint(data: Mapping[str, Any]) -> Footprint:
    return Footprint(
        int(data["devices"]),
        str(data["engine"]),
        str(data["resides"]),
        float(data["resident"]),
        int(data["across"]),
        _maybe(data["busy"]),
        {name: float(amount) for name, amount in data["calls"].items()},
    )


def _pool(data: Mapping[str, Any]) -> HeldPool:
    if "value" in data:
        # In the first form only the base watts of pools that had to be woken were kept.
        return HeldPool(is_on=False, base_watts=_figure(data))
    watts = None if data["base_watts"] is None else _figure(data["base_watts"])
    return HeldPool(Device(data["device"]), float(data["count"]), bool(data["is_on"]), bool(data["is_engine"]), watts)


def _maybe(data: Any) -> float | None:
    return None if data is None else float(data)


def _figure(data: Mapping[str, Any]) -> Figure:
    value, low, high = (float(data[name]) for name in ("value", "low", "high"))
    of = data["of"]
    return Figure(value, low, high, Provenance(Source(of["source"]), str(of["where"]), str(of["date"]), int(of["count"])))
