"""driver: what an installation has - what its file says, and what is found: cores, GPUs, engines that answer, keys of providers."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from murakkab.catalog import Device
from murakkab.devices import Allowance, ClusterView, DeviceKind, Endpoint, Pool
from murakkab.errors import InputError, InstallationError, NotFoundError
from murakkab.known import Known, driver_kind
from murakkab_cluster import figures
from murakkab_cluster.machine import Gpu, nvidia_gpus, usable_cores
from murakkab_cluster.site_form import Declared, DeclaredPool, read_site

#: Where an installation says what it has, and the environment variable that names another file.
FILE: Final = "murakkab.yaml"
VARIABLE: Final = "MURAKKAB_SITE"


@dataclass(frozen=True, slots=True)
class Installation:
    """What there is: the view that plans are made on, the figures behind it, endpoints by name, and what is to be said about it.

    `file`: what was read, "" where nothing was. `key_names`: for each provider that can be used the environment variable with its key.
    """

    view: ClusterView
    known: Known
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    key_names: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    file: str = ""


def installation(file: str | Path | None = None, environment: Mapping[str, str] | None = None) -> Installation:
    """Return what this installation has, by *file*, else by what `MURAKKAB_SITE` names, else by `murakkab.yaml` here, if there is one.

    Blocks for about a second where an engine does not answer. Raises `NotFoundError` for a file that is not there, `InstallationError` with
    every mistake in it.
    """
    environment = os.environ if environment is None else environment
    path = _file(file, environment)
    known = figures.shipped()
    if path is None:
        declared, remarks = Declared(known), []
    else:
        declared, told = read_site(_read(path), str(path), known)
        if any(not one.is_warning for one in told):
            raise InstallationError(told)
        remarks = [str(one) for one in told]
    return _found(declared, environment, remarks, "" if path is None else str(path))


def _file(file: str | Path | None, environment: Mapping[str, str]) -> Path | None:
    named = file or environment.get(VARIABLE)
    if named:
        return Path(named)
    return Path(FILE) if Path(FILE).is_file() else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        hint = f"name another with --site, or with {VARIABLE}"
        raise NotFoundError(f"there is no file {str(path)!r} that says what this installation has", hint=hint) from None
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def _found(declared: Declared, environment: Mapping[str, str], remarks: list[str], file: str) -> Installation:
    pools = dict(_declared_pools(declared))
    if declared.looks.cpu:
        _look_for_cores(pools, declared)
    if declared.looks.gpus:
        _look_for_gpus(pools, declared, remarks)
    if declared.looks.engines and declared.endpoints:
        _look_for_engines(pools, declared, environment, remarks)
    pools = {name: replace(pool, count=pool.count or 1.0) for name, pool in pools.items()}
    names = dict(_key_names(declared, environment)) if declared.looks.keys else {}
    prices = tuple(price for price in declared.known.prices if price.provider in names)
    view = ClusterView(pools, prices, declared.site)
    return Installation(view, declared.known, declared.endpoints, names, tuple(remarks), file)


# --------------------------------------------------------------------------------------------------------------------- pools


def _declared_pools(declared: Declared) -> Iterator[tuple[str, Pool]]:
    """Yield the pools that are declared; a count of zero is one that is to be found. An endpoint that none has is a pool of its own."""
    for name, pool in declared.pools.items():
        yield name, _pool(pool, declared)
    used = {pool.endpoint for pool in declared.pools.values()}
    for name, endpoint in declared.endpoints.items():
        if name not in used and name not in declared.pools:
            yield name, _at(Pool(name, declared.known.devices["remote"]), endpoint, declared)


def _pool(pool: DeclaredPool, declared: Declared) -> Pool:
    kind = declared.known.device(pool.kind or "remote") or declared.known.devices["remote"]
    models = tuple(_model_name(declared.known, model) for model in pool.models)
    made = Pool(pool.name, kind, pool.count or 0.0, pool.is_on, pool.base_watts, models)
    made = replace(made, tensor_parallel=pool.tensor_parallel, startup=pool.startup, capacity=pool.capacity)
    return _at(made, declared.endpoints[pool.endpoint], declared) if pool.endpoint else made


def _at(pool: Pool, endpoint: Endpoint, declared: Declared) -> Pool:
    """Return the pool whose engine listens at *endpoint*."""
    requests, tokens = endpoint.requests_per_minute, endpoint.tokens_per_minute
    allowance = None if requests is None and tokens is None else Allowance(endpoint.name, requests, tokens)
    provider = _provider(endpoint, declared)
    return replace(pool, endpoint=endpoint.url, key=endpoint.key, allowance=allowance, provider=provider)


def _provider(endpoint: Endpoint, declared: Declared) -> str:
    """Return the provider that is called like *endpoint*, or whose key opens it; "" where none is."""
    candidates = {**figures.provider_keys(), **declared.own_keys}
    if endpoint.name in {price.provider for price in declared.known.prices}:
        return endpoint.name
    return next((name for name, keys in candidates.items() if endpoint.key and endpoint.key in keys), "")


def _model_name(known: Known, name: str) -> str:
    card = known.model(name)
    return name if card is None else card.name


def _look_for_cores(pools: dict[str, Pool], declared: Declared) -> None:
    """Give the CPU pools of this machine their cores; where none is declared, make one."""
    here = [pool for pool in pools.values() if pool.kind.device is Device.CPU and not pool.endpoint]
    if not here:
        pools[_free("cpu", pools)] = Pool(_free("cpu", pools), declared.known.devices["cpu"], usable_cores())
    for pool in here:
        if not pool.count:
            pools[pool.name] = replace(pool, count=usable_cores())


def _look_for_gpus(pools: dict[str, Pool], declared: Declared, remarks: list[str]) -> None:
    """Give the GPU pools of this machine their devices; where none of a kind is declared, make one."""
    gpus = nvidia_gpus()
    if gpus.remark:
        remarks.append(gpus.remark)
    by_kind: dict[str, list[Gpu]] = {}
    for gpu in gpus.found:
        kind = driver_kind(declared.known, gpu.name, gpu.memory)
        by_kind.setdefault(gpu.name if kind is None else kind.name, []).append(gpu)
    for name, found in by_kind.items():
        kind = declared.known.devices.get(name)
        here = [pool for pool in pools.values() if pool.kind.name == name and not pool.endpoint]
        for pool in here:
            if pool.count > len(found):
                remarks.append(f"the pool {pool.name!r} is said to have {pool.count:g} {name}, and the driver tells of {len(found)}")
            pools[pool.name] = replace(pool, count=pool.count or float(len(found)))
        # The devices of an engine that listens here are those of its pool.
        if not here and not any(pool.kind.name == name for pool in pools.values()):
            pools[_free(name, pools)] = Pool(_free(name, pools), kind or _unknown_kind(name, found[0], remarks), float(len(found)))


def _unknown_kind(name: str, gpu: Gpu, remarks: list[str]) -> DeviceKind:
    remarks.append(f"nothing is known of {name!r} but its memory: declare it below `devices`, with bandwidth and flops")
    return DeviceKind(name, memory=gpu.memory, peak_watts=gpu.capped)


def _free(name: str, pools: Mapping[str, Pool]) -> str:
    return name if name not in pools else f"{name}-here"


def _look_for_engines(pools: dict[str, Pool], declared: Declared, environment: Mapping[str, str], remarks: list[str]) -> None:
    """Ask the engines what they serve. A pool whose engine does not answer, or lacks what it is said to have, says so."""
    # Half of the time of all that is done here would go into importing it.
    from murakkab_cluster.engines import ask_engines

    answers = ask_engines(declared.endpoints.values(), environment)
    by_url = {declared.endpoints[name].url: engine for name, engine in answers.items()}
    for pool in list(pools.values()):
        engine = by_url.get(pool.endpoint)
        if engine is None:
            continue
        if engine.trouble:
            remarks.append(f"the pool {pool.name!r} cannot be used now: {engine.trouble}")
            pools[pool.name] = replace(pool, trouble=engine.trouble)
            continue
        served = {_model_name(declared.known, model): model for model in reversed(engine.models)}
        lacking = [model for model in pool.models if model not in served]
        remarks += (f"the engine of the pool {pool.name!r} does not serve {model!r}" for model in lacking)
        models = tuple(model for model in pool.models if model in served) if pool.models else tuple(reversed(served))
        pools[pool.name] = replace(pool, models=models, served=served)


def _key_names(declared: Declared, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the providers that there is a key for, and the environment variable that holds it."""
    candidates = {**figures.provider_keys(), **declared.own_keys}
    for provider in dict.fromkeys(price.provider for price in declared.known.prices):
        names = candidates.get(provider, ())
        name = next((name for name in names if environment.get(name)), None)
        # A provider of one's own that asks for no key can be used as it is.
        if name is not None or provider not in candidates:
            yield provider, name or ""
