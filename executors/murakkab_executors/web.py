"""driver: the one HTTP client of an event loop, its connections kept between requests and closed with the loop.

httpx is imported with the first request.
"""

import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio.lowlevel import RunVar

from murakkab.errors import ExecutorError

if TYPE_CHECKING:
    import httpx

_clients: RunVar[tuple[AsyncGenerator["httpx.AsyncClient", None], "httpx.AsyncClient"]] = RunVar("murakkab-http")


def refusal(url: str) -> str:
    """Return why *url* may not be requested, or "". Asked before every request, redirected ones too."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "only http:// and https:// addresses are"
    return "" if has_host else "it names no host"


async def _allow(request: "httpx.Request") -> None:
    if reason := refusal(str(request.url)):
        raise ExecutorError(f"{shown(str(request.url))} may not be requested: {reason}", reason="bad-input", retryable=False)


async def _open_client() -> AsyncGenerator["httpx.AsyncClient", None]:
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    client = httpx.AsyncClient(follow_redirects=True, limits=limits, event_hooks={"request": [_allow]})
    try:
        yield client
    finally:
        await client.aclose()


async def client_of_loop() -> "httpx.AsyncClient":
    """Return the client of this loop. An asynchronous generator holds it, because a loop closes those before it ends."""
    held = _clients.get(None)
    if held is None:
        generator = _open_client()
        held = (generator, await anext(generator))
        _clients.set(held)
    return held[1]


def shown(url: str) -> str:
    """Return *url* without what may be secret: user, password, query and fragment."""
    scheme, slashes, rest = url.partition("://")
    where = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = where.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}" if slashes else "the address"
