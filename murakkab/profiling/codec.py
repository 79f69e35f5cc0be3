"""policy: settings, profiles, observations and watches as JSON data, and back. Reading checks: a file may come from anywhere."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from murakkab.errors import InputError
from murakkab.figures import Figure, Provenance, Source
from murakkab.profiles import Profile, Setting, Spread
from murakkab.profiling.observation import Drift, Observation, Watch

_SPREADS: Final = ("seconds", "tokens", "tokens_in", "tokens_out")
_FIGURES: Final = ("joules", "usd", "startup")


def setting_key(setting: Setting) -> str:
    """Return the canonical text of a setting: equal for equal settings, in every process."""
    return json.dumps(setting_json(setting), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def setting_json(setting: Setting) -> dict[str, Any]:
    """Return a setting as JSON data, its knobs as an object."""
    return {**asdict(setting), "knobs": dict(setting.knobs)}


def setting_from(data: Any) -> Setting:
    """Return the setting that *data* writes. Raises `InputError`."""
    given = _fields(data, Setting, "a setting")
    knobs = given.get("knobs", {})
    if not isinstance(knobs, Mapping) or not isinstance(given.get("executor"), str):
        raise InputError("a setting needs an executor, and its knobs are an object")
    return Setting(**{**given, "knobs": tuple(sorted(knobs.items()))})


def profile_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON data."""
    return {**asdict(profile), "setting": setting_json(profile.setting)}


def profile_from(data: Any) -> Profile:
    """Return the profile that *data* writes. Raises `InputError` that says what is wrong with it."""
    given = _fields(data, Profile, "a profile")
    made: dict[str, Any] = dict(given)
    made["setting"] = setting_from(given.get("setting"))
    for name in _SPREADS:
        if given.get(name) is not None:
            made[name] = _spread(given[name], name)
    if not isinstance(made.get("seconds"), Spread):
        raise InputError("a profile needs its seconds: mean, p50, p90 and p99")
    for name in _FIGURES:
        if given.get(name) is not None:
            made[name] = _figure(given[name], name)
    quality = given.get("quality", {})
    if not isinstance(quality, Mapping):
        raise InputError("quality is an object: a figure for each metric")
    made["quality"] = {str(name): _figure(one, f"quality.{name}") for name, one in quality.items()}
    made["of"] = _provenance(given.get("of", {}))
    made["revision"] = int(_number(given.get("revision", 1), "revision"))
    for name in ("units", "per_unit"):
        made[name] = _number(given.get(name, 0.0), name)
    return Profile(**made)


def observation_json(one: Observation) -> dict[str, Any]:
    """Return an observation as JSON data, without its setting and what is as usual."""
    usual = {field.name: field.default for field in fields(Observation)}
    data = {name: value for name, value in asdict(one).items() if name != "setting" and value != usual[name]}
    return {name: value for name, value in data.items() if value != {}}


def observation_from(setting: Setting, data: Mapping[str, Any]) -> Observation:
    """Return the observation that `observation_json` wrote."""
    return Observation(setting, **{**data, "energy": Source(data.get("energy", Source.MEASURED))})


def watch_from(data: Mapping[str, Any]) -> Watch:
    """Return the watch that `asdict` wrote."""
    since = {name: tuple(data[name]) for name in ("up_since", "down_since") if name in data}
    return Watch(**{**data, **since})


def drift_json(drift: Drift) -> dict[str, Any]:
    """Return a drift as JSON data."""
    return {**asdict(drift), "setting": setting_json(drift.setting)}


def drift_from(data: Mapping[str, Any]) -> Drift:
    """Return the drift that `drift_json` wrote."""
    return Drift(**{**data, "setting": setting_from(data["setting"])})


def _fields(data: Any, kind: type, what: str) -> dict[str, Any]:
    known = {field.name for field in fields(kind)}
    if not isinstance(data, Mapping):
        raise InputError(f"{what} is an object, not {type(data).__name__}")
    if unknown := sorted(set(map(str, data)) - known):
        raise InputError(f"{what} has no field {unknown[0]!r}", hint=f"there are {', '.join(sorted(known))}")
    return dict(data)


def _spread(data: Any, what: str) -> Spread:
    if not isinstance(data, Mapping):
        raise InputError(f"{what} is an object: mean, p50, p90 and p99")
    return Spread(*(_number(data.get(name), f"{what}.{name}") for name in ("mean", "p50", "p90", "p99")))


def _figure(data: Any, what: str) -> Figure:
    if not isinstance(data, Mapping):
        raise InputError(f"{what} is an object: value, low, high and of")
    value, low, high = (_number(data.get(name), f"{what}.{name}") for name in ("value", "low", "high"))
    return Figure(value, low, high, _provenance(data.get("of", {})))


def _provenance(data: Any) -> Provenance:
    given = _fields(data, Provenance, "a provenance")
    try:
        source = Source(given.get("source", Source.ASSUMED))
    except ValueError:
        raise InputError(f"{given['source']!r} is no source", hint=f"there are {', '.join(Source)}") from None
    return Provenance(source, str(given.get("where", "")), str(given.get("date", "")), int(_number(given.get("count", 0), "count")))


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InputError(f"{what} is no number from 0 up: {value!r}")
    return float(value)
