"""policy: the form of `murakkab.yaml` - which keys it has, what they become, and how each is read."""

from collections.abc import Mapping
from typing import Any, Final

from murakkab.catalog import Device
from murakkab.document.fields import Problems, WrongField, flag, mapping, names, shown
from murakkab.errors import Diagnostic, Path
from murakkab_cluster.site_fields import (
    address,
    amount,
    environment_name,
    fields_of,
    positive,
    share,
    text_of,
    whole_of,
)

_PER_MILLION: Final = 1e-6
_GIGA: Final = 1e9
_TERA: Final = 1e12


def _each(what: str, form: Mapping[str, Any]) -> Any:
    """Return the reader of a mapping of names to *form*."""

    def read(data: Any, path: Path, problems: Problems) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name, value in mapping(data, path, problems, hint=f"write the name of {what}, then its fields").items():
            try:
                found[name] = fields_of(value, (*path, name), problems, form)
            except WrongField as wrong:
                problems.append(wrong.at((*path, name)))
        return found

    return read


def _within(form: Mapping[str, Any]) -> Any:
    return lambda data, path, problems: fields_of(data, path, problems, form)


def _prices(data: Any, path: Path, problems: Problems) -> tuple[dict[str, Any], ...]:
    if not isinstance(data, list):
        raise WrongField(
            "wrong-form", f"a list is wanted here, not {shown(data)}", "write - {model: ..., provider: ..., in: ..., out: ...}"
        )
    found = []
    for i, entry in enumerate(data):
        at = (*path, i)
        try:
            fields = fields_of(entry, at, problems, _PRICE)
        except WrongField as wrong:
            problems.append(wrong.at(at))
            continue
        lacking = [key for key in ("model", "provider", "in", "out") if key not in entry]
        if lacking:
            message = f"this price does not say {', '.join(lacking)}"
            problems.append(Diagnostic("missing-field", message, "in and out are USD per million tokens", at))
        elif {"model", "provider", "usd_in", "usd_out"} <= set(fields):
            found.append(fields)
    return tuple(found)


def _endpoint(data: Any, path: Path, problems: Problems) -> dict[str, Any]:
    fields = {"url": data} if isinstance(data, str) else data
    found = fields_of(fields, path, problems, _ENDPOINT)
    if "url" not in fields:
        problems.append(Diagnostic("missing-field", "this endpoint does not say where it is", "write url: http://host:8000/v1", path))
    return found


def _endpoints(data: Any, path: Path, problems: Problems) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in mapping(data, path, problems, hint="write name: http://host:8000/v1").items():
        try:
            if isinstance(value, str):
                found[name] = {"url": address(value, (*path, name), problems)}
            else:
                found[name] = _endpoint(value, (*path, name), problems)
        except WrongField as wrong:
            # It is there, and that it is wrong has been said.
            found[name] = {}
            problems.append(wrong.at((*path, name)))
    return found


def _names(data: Any, path: Path, problems: Problems) -> frozenset[str]:
    return frozenset(names(data, path, problems))


def _qualities(data: Any, path: Path, problems: Problems) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in mapping(data, path, problems, hint="write benchmark: 0.8").items():
        try:
            found[name] = share(value, (*path, name), problems)
        except WrongField as wrong:
            problems.append(wrong.at((*path, name)))
    return found


def _device_word(data: Any, _path: Path, _problems: Problems) -> Device:
    words = [str(one) for one in Device]
    if data not in words:
        raise WrongField("bad-choice", f"{shown(data)} is no device", f"there are {', '.join(words)}")
    return Device(data)


#: key -> the attribute that it becomes, and how it is read
_SITE: Final = {"carbon": ("carbon", amount()), "electricity": ("usd_per_kwh", amount()), "pue": ("overhead", positive(1.0, least=1.0))}
_ALLOWANCE: Final = {
    "requests_per_minute": ("requests_per_minute", positive(1.0)),
    "tokens_per_minute": ("tokens_per_minute", positive(1.0)),
}
_ENDPOINT: Final = {"url": ("url", address), "key": ("key", environment_name), **_ALLOWANCE}
_POOL: Final = {
    "kind": ("kind", text_of),
    "count": ("count", positive(1.0)),
    "base_watts": ("base_watts", amount()),
    "on": ("is_on", flag),
    "models": ("models", names),
    "endpoint": ("endpoint", text_of),
    "tensor_parallel": ("tensor_parallel", whole_of),
    "startup": ("startup", amount()),
    "capacity": ("capacity", positive(1.0)),
}
_PRICE: Final = {
    "model": ("model", text_of),
    "provider": ("provider", text_of),
    "in": ("usd_in", positive(_PER_MILLION, least=0.0)),
    "out": ("usd_out", positive(_PER_MILLION, least=0.0)),
    "cached": ("usd_cached", positive(_PER_MILLION, least=0.0)),
    **_ALLOWANCE,
    "key": ("key", environment_name),
}
_DEVICE: Final = {
    "device": ("device", _device_word),
    "memory": ("memory", positive(_GIGA)),
    "bandwidth": ("bandwidth", positive(_GIGA)),
    "flops": ("flops", positive(_TERA)),
    "idle_watts": ("idle_watts", amount()),
    "peak_watts": ("peak_watts", amount()),
    "usd_per_hour": ("usd_per_hour", amount()),
    "memory_share": ("memory_share", share),
    "flops_share": ("flops_share", share),
}
_MODEL: Final = {
    "like": ("like", text_of),
    "parameters": ("parameters", positive(_GIGA)),
    "active": ("active", positive(_GIGA)),
    "weight_bytes": ("weight_bytes", positive(1.0)),
    "layers": ("layers", whole_of),
    "heads": ("heads", whole_of),
    "head_size": ("head_size", whole_of),
    "kv_bytes": ("kv_bytes", positive(1.0)),
    "context": ("context", whole_of),
    "modalities": ("modalities", _names),
    "aliases": ("aliases", _names),
    "quality": ("quality", _qualities),
}
_DISCOVER: Final = {key: (key, flag) for key in ("cpu", "gpus", "engines", "keys")}
FORM: Final = {
    "site": ("site", _within(_SITE)),
    "endpoints": ("endpoints", _endpoints),
    "pools": ("pools", _each("a pool", _POOL)),
    "prices": ("prices", _prices),
    "devices": ("devices", _each("a kind of device", _DEVICE)),
    "models": ("models", _each("a model", _MODEL)),
    "discover": ("discover", _within(_DISCOVER)),
}
