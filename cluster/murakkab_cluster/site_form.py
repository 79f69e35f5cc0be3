"""policy: the text of `murakkab.yaml` -> what an installation says that it has, with `file:line:column` for every mistake.

site:       {carbon: 350, electricity: 0.15, pue: 1.2}
endpoints:  {engine: {url: "http://gpu1:8000/v1", key: env:ENGINE_KEY}}
pools:      {big: {kind: h100, count: 4, endpoint: engine, models: [llama-3.1-8b]}}
prices:     [{model: my-model, provider: mine, in: 0.2, out: 0.4, key: env:MY_KEY}]
devices:    {h100: {usd_per_hour: 2.1}}
models:     {my-model: {like: llama-3.1-8b, aliases: [me/my-model]}}
discover:   {cpu: true, gpus: true, engines: true, keys: true}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from murakkab.catalog import Device
from murakkab.devices import DeviceKind, Endpoint, ModelCard, Price, Site
from murakkab.diagnostics import did_you_mean
from murakkab.document.fields import Problems, WrongField
from murakkab.errors import Diagnostic
from murakkab.known import Known
from murakkab.load.places import Places
from murakkab.load.text import decode
from murakkab.load.tree import read_tree
from murakkab_cluster.site_fields import fields_of, figure_from
from murakkab_cluster.site_keys import FORM


@dataclass(frozen=True, slots=True)
class DeclaredPool:
    """A pool as it is declared. What is None is to be discovered, or follows from the kind."""

    name: str
    kind: str = ""
    count: float | None = None
    base_watts: Any = None
    is_on: bool = True
    models: tuple[str, ...] = ()
    endpoint: str = ""
    tensor_parallel: int | None = None
    startup: Any = None
    capacity: float | None = None


@dataclass(frozen=True, slots=True)
class Looks:
    """What is to be looked for beside what is declared."""

    cpu: bool = True
    gpus: bool = True
    engines: bool = True
    keys: bool = True


@dataclass(frozen=True, slots=True)
class Declared:
    """What an installation says that it has. `known` are the figures that ship, with its own laid over them.

    `own_keys`: for each provider of its own prices the environment variables one of which holds the key.
    """

    known: Known
    site: Site = field(default_factory=Site)
    pools: Mapping[str, DeclaredPool] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    own_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    looks: Looks = Looks()


def read_site(text: str | bytes, file: str, known: Known) -> tuple[Declared, list[Diagnostic]]:
    """Return what *text* declares, *known* being the figures that it builds on, and every mistake and remark with its place in *file*."""
    decoded = decode(text, file)
    if isinstance(decoded, Diagnostic):
        return Declared(known), [decoded]
    data, places, problems = read_tree(decoded, file)
    if any(one.code != "duplicate-key" for one in problems):
        return Declared(known), places.told(problems)
    declared = _declared({} if data is None else data, places, known, problems)
    return declared, places.told(problems)


def _declared(data: Any, places: Places, known: Known, problems: Problems) -> Declared:
    try:
        found = fields_of(data, (), problems, FORM)
    except WrongField as wrong:
        problems.append(wrong.at(()))
        return Declared(known)
    own = _Own(known, places.file, problems)
    merged = replace(known, devices=own.devices(found.get("devices", {})), models=own.models(found.get("models", {})))
    prices, keys = own.prices(found.get("prices", ()))
    endpoints = {name: Endpoint(name, **one) for name, one in found.get("endpoints", {}).items() if one.get("url")}
    pools = {name: DeclaredPool(name, **one) for name, one in found.get("pools", {}).items()}
    _check_pools(pools, found.get("endpoints", {}), merged, problems)
    return Declared(
        replace(merged, prices=prices),
        own.site(found.get("site", {})),
        {name: own.pool(one) for name, one in pools.items()},
        endpoints,
        keys,
        Looks(**found.get("discover", {})),
    )


def _check_pools(pools: Mapping[str, DeclaredPool], endpoints: Mapping[str, Any], known: Known, problems: Problems) -> None:
    """Note pools of kinds and endpoints that are not there."""
    for name, pool in pools.items():
        at = ("pools", name)
        if not pool.kind and not pool.endpoint:
            hint = f"write kind: one of {', '.join(sorted(known.devices))}"
            problems.append(Diagnostic("missing-field", f"the pool {name!r} does not say what it is of", hint, at))
        elif pool.kind and known.device(pool.kind) is None:
            hint = did_you_mean(pool.kind, known.devices, others="declare it below `devices`; there are")
            problems.append(Diagnostic("bad-choice", f"there is no kind of device {pool.kind!r}", hint, (*at, "kind")))
        if pool.endpoint and pool.endpoint not in endpoints:
            hint = did_you_mean(pool.endpoint, endpoints, others="there are") or "declare it below `endpoints`"
            problems.append(Diagnostic("bad-choice", f"there is no endpoint {pool.endpoint!r}", hint, (*at, "endpoint")))
        if pool.tensor_parallel is not None and pool.count is not None and pool.tensor_parallel > pool.count:
            message = f"the pool {name!r} has {pool.count:g} devices, and an engine cannot run on {pool.tensor_parallel} of them"
            problems.append(Diagnostic("contradiction", message, "give it more devices, or fewer", (*at, "tensor_parallel")))
        kind = known.device(pool.kind) if pool.kind else None
        is_elsewhere = kind.device is Device.REMOTE if kind is not None else not pool.kind
        if pool.capacity is not None and is_elsewhere:
            message = f"the pool {name!r} is elsewhere, where nobody counts device-seconds"
            hint = "limit requests_per_minute or tokens_per_minute of its endpoint"
            problems.append(Diagnostic("misplaced", message, hint, (*at, "capacity")))
        for i, model in enumerate(pool.models):
            if known.model(model) is None:
                hint = did_you_mean(model, known.models) or "declare it below `models`, with its size"
                remark = f"nothing is known of the model {model!r}: no plan can count on it"
                problems.append(Diagnostic("unknown-name", remark, hint, (*at, "models", i), is_warning=True))


class _Own:
    """What a file says itself, laid over what ships."""

    def __init__(self, known: Known, file: str, problems: Problems) -> None:
        self._known = known
        self._file = file
        self._problems = problems

    def site(self, found: Mapping[str, Any]) -> Site:
        """Return the site."""
        figures = {key: figure_from(found[key], self._file) for key in ("carbon", "usd_per_kwh") if key in found}
        return Site(**figures, overhead=found.get("overhead", 1.0))

    def pool(self, pool: DeclaredPool) -> DeclaredPool:
        """Return the pool with its watts and the seconds that it takes to start as figures."""
        watts, startup = (None if one is None else figure_from(one, self._file) for one in (pool.base_watts, pool.startup))
        return replace(pool, base_watts=watts, startup=startup)

    def devices(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, DeviceKind]:
        """Return the kinds of devices."""
        merged = dict(self._known.devices)
        for name, entry in found.items():
            own: dict[str, Any] = {k: figure_from(v, self._file) if isinstance(v, Mapping) else v for k, v in entry.items()}
            base = self._known.device(name) or DeviceKind(name, of=figure_from({"value": 0.0}, self._file).of)
            merged[base.name] = replace(base, **own)
        return merged

    def models(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, ModelCard]:
        """Return the models."""
        merged = dict(self._known.models)
        for name, entry in found.items():
            base = self._base(name, entry)
            quality = {key: figure_from(value, self._file) for key, value in entry.get("quality", {}).items()}
            own = {key: value for key, value in entry.items() if key not in ("like", "quality")}
            if "parameters" in own:
                own.setdefault("active", own["parameters"])
            # Another model of the same size has neither the names nor the qualities of the one that it is like.
            is_same = base.name == name
            merged[name] = replace(base, name=name, **{"aliases": base.aliases if is_same else frozenset()} | own)
            merged[name] = replace(merged[name], quality={**base.quality, **quality} if is_same else quality)
        return merged

    def _base(self, name: str, entry: Mapping[str, Any]) -> ModelCard:
        like = entry.get("like", name)
        base = self._known.model(like)
        if base is None and "like" in entry:
            hint = did_you_mean(like, self._known.models, others="there are")
            self._problems.append(Diagnostic("bad-choice", f"there is no model {like!r}", hint, ("models", name, "like")))
        return base or ModelCard(name, 0.0, 0.0, of=figure_from({"value": 0.0}, self._file).of)

    def prices(self, found: tuple[Mapping[str, Any], ...]) -> tuple[tuple[Price, ...], dict[str, tuple[str, ...]]]:
        """Return all prices, the file's own first, and the environment variables of its own providers."""
        of = figure_from({"value": 0.0}, self._file).of
        own = [Price(**{key: value for key, value in entry.items() if key != "key"}, of=of) for entry in found]
        replaced = {(one.model, one.provider) for one in own}
        rest = [one for one in self._known.prices if (one.model, one.provider) not in replaced]
        keys: dict[str, tuple[str, ...]] = {}
        for entry in found:
            if "key" in entry:
                keys[entry["provider"]] = (*keys.get(entry["provider"], ()), entry["key"])
        return (*own, *rest), keys
