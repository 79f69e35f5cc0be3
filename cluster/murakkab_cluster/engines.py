"""driver: asks engines that speak the OpenAI protocol which models they serve - all at once, for a short time, and never with an error."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import httpx

from murakkab.devices import Endpoint

#: Seconds for all of an answer.
TIMEOUT: Final = 1.0
#: An answer is no longer; thousands of models take less.
_LONGEST: Final = 1_000_000
_REFUSED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class Engine:
    """What an engine answered: the models that it serves, by its own names, or why it cannot be used now."""

    models: tuple[str, ...] = ()
    trouble: str = ""


def ask_engines(endpoints: Iterable[Endpoint], environment: Mapping[str, str], *, timeout: float = TIMEOUT) -> dict[str, Engine]:
    """Return, for each endpoint by its name, what `GET /models` of it answers within *timeout* seconds.

    Blocks that long at most; call it in a thread where an event loop runs. Raises nothing: what is wrong is the `trouble` of an engine.
    """
    return anyio.run(_ask_all, tuple(endpoints), environment, timeout)


async def _ask_all(endpoints: tuple[Endpoint, ...], environment: Mapping[str, str], timeout: float) -> dict[str, Engine]:  # noqa: ASYNC109
    found: dict[str, Engine] = {}

    async def ask(client: httpx.AsyncClient, endpoint: Endpoint) -> None:
        found[endpoint.name] = Engine(trouble=f"no answer from {endpoint.url} within {timeout:g} s")
        with anyio.move_on_after(timeout):
            found[endpoint.name] = await _answer(client, endpoint, environment)

    async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client, anyio.create_task_group() as group:
        for endpoint in endpoints:
            group.start_soon(ask, client, endpoint)
    return {endpoint.name: found[endpoint.name] for endpoint in endpoints}


async def _answer(client: httpx.AsyncClient, endpoint: Endpoint, environment: Mapping[str, str]) -> Engine:
    headers = {}
    if endpoint.key:
        key = environment.get(endpoint.key, "")
        if not key:
            return Engine(trouble=f"its key is not there: set {endpoint.key}")
        headers["Authorization"] = f"Bearer {key}"
    try:
        async with client.stream("GET", f"{endpoint.url}/models", headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                return Engine(trouble=_refusal(endpoint, response.status_code))
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _LONGEST:
                    return Engine(trouble=f"the answer of {endpoint.url} is longer than {_LONGEST:,} bytes")
    except httpx.TimeoutException:
        return Engine(trouble=f"no answer from {endpoint.url} within {client.timeout.read:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
        # A key that cannot stand in a header would be in the message.
        what = type(error).__name__ if not isinstance(error, httpx.HTTPError) else str(error) or type(error).__name__
        return Engine(trouble=f"{endpoint.url} cannot be reached: {what}")
    return _engine(endpoint, bytes(body))


def _refusal(endpoint: Endpoint, status: int) -> str:
    if status in _REFUSED:
        whose = f"the key in {endpoint.key}" if endpoint.key else "to answer without a key: write key: env:NAME"
        return f"{endpoint.url} refuses {whose} (status {status})"
    hint = "; most engines want /v1 at the end of the address" if status == httpx.codes.NOT_FOUND else ""
    return f"{endpoint.url}/models answers with status {status}{hint}"


def _engine(endpoint: Endpoint, body: bytes) -> Engine:
    """Return the models of an answer `{"data": [{"id": ...}, ...]}`."""
    try:
        data: Any = json.loads(body)["data"]
        return Engine(tuple(str(one["id"]) for one in data))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Engine(trouble=f"{endpoint.url}/models does not answer as OpenAI's protocol has it")
