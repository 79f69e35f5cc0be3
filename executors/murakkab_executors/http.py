"""driver: HTTP requests as steps. httpx is imported with the first one: a program that only loads the cards does not pay for it."""

import json as json_text
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.values import File
from murakkab_executors import capabilities
from murakkab_executors.capabilities import HttpResponse
from murakkab_executors.function import Knob, executor
from murakkab_executors.web import client_of_loop, refusal, shown

if TYPE_CHECKING:
    import httpx

_CONNECT_SECONDS: Final = 10.0
#: Seconds without a byte before giving up.
_SILENT_SECONDS: Final = 120.0
_TEXTUAL: Final = ("json", "xml", "javascript", "x-www-form-urlencoded", "yaml", "x-ndjson", "graphql")
_SHOWN: Final = 500

MaxBytes = Annotated[int, Knob("refuse longer answers", low=0)]
OkStatus = Annotated[list[int], Knob("statuses from 400 up that are no failure here")]


@executor(capabilities.http, name="http", effect="write", device="remote", cores=0.0)
async def http(  # noqa: PLR0913 - the inputs of the capability, and knobs
    url: str,
    *,
    method: str,
    headers: dict[str, str],
    query: dict[str, Any],
    json: Any,
    body: str,
    call: Call,
    ok_status: OkStatus = [],  # noqa: B006 - read only
    max_bytes: MaxBytes = 16_777_216,
) -> HttpResponse:
    """Send a request over HTTP or HTTPS."""
    if json is not None and body:
        raise ExecutorError("both 'json' and 'body' are given", hint="a request has one body", reason="bad-input", retryable=False)
    content = {"json": json} if json is not None else {"content": body} if body else {}
    request = {"method": method, "url": url, "headers": headers, "params": query or None, **content}
    return await _answered(request, call, ok_status=ok_status, max_bytes=max_bytes)


@executor(capabilities.http_get, name="http-get", effect="read", device="remote", cores=0.0)
async def http_get(
    url: str,
    *,
    headers: dict[str, str],
    query: dict[str, Any],
    call: Call,
    ok_status: OkStatus = [],  # noqa: B006 - read only
    max_bytes: MaxBytes = 16_777_216,
) -> HttpResponse:
    """Fetch a URL over HTTP or HTTPS."""
    request = {"method": "GET", "url": url, "headers": headers, "params": query or None}
    return await _answered(request, call, ok_status=ok_status, max_bytes=max_bytes)


async def _answered(request: Mapping[str, Any], call: Call, *, ok_status: list[int], max_bytes: int) -> HttpResponse:
    if reason := refusal(request["url"]):
        raise ExecutorError(f"{shown(request['url'])} may not be requested: {reason}", reason="bad-input", retryable=False)
    client = await client_of_loop()
    import httpx

    try:
        async with client.stream(**request, timeout=httpx.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)) as response:
            content = await _content(response, max_bytes)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects, UnicodeEncodeError) as error:
        raise ExecutorError(f"{shown(request['url'])}: {error}", reason="bad-input", retryable=False) from error
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise ExecutorError(f"{shown(request['url'])} cannot be reached: {reason}", reason="unreachable") from error
    if response.status_code >= 400 and response.status_code not in ok_status:
        raise _failed(response, content)
    return _response(response, content, call)


async def _content(response: "httpx.Response", limit: int) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > limit:
            message = f"{shown(str(response.url))} answers with more than {limit} bytes"
            raise ExecutorError(message, hint="raise the knob max_bytes", reason="too-large", retryable=False)
    return bytes(content)


def _response(response: "httpx.Response", content: bytes, call: Call) -> HttpResponse:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    headers = dict(response.headers.items())
    if not _is_text(media_type):
        file = call.artifacts.put(content, media_type=media_type) if content else None
        return HttpResponse(response.status_code, headers, file=File(**file) if file else None)
    text = content.decode(response.charset_encoding or "utf-8", "replace")
    parsed = _parsed(text) if media_type.endswith("json") else None
    return HttpResponse(response.status_code, headers, text, parsed)


def _is_text(media_type: str) -> bool:
    return not media_type or media_type.startswith("text/") or media_type.endswith(_TEXTUAL)


def _parsed(text: str) -> Any:
    """Return what the JSON text says, or None where it is none; the text itself is in `body` either way."""
    try:
        return json_text.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _failed(response: "httpx.Response", content: bytes) -> ExecutorError:
    status = response.status_code
    is_passing = status >= 500 or status in (408, 425, 429)
    tail = content[:_SHOWN].decode("utf-8", "replace").strip()
    message = f"{shown(str(response.url))} answers {status} {response.reason_phrase}{': ' if tail else ''}{tail}"
    hint = "put the status into the knob ok_status where it is no failure"
    if is_passing:
        wait = response.headers.get("retry-after", "")
        hint = f"the server asks to wait {wait}{' s' if wait.isdigit() else ''}: set retry.delay" if wait else "it may pass: set retry"
    return ExecutorError(message, hint=hint, reason=f"http-{status}", retryable=is_passing)


EXECUTORS: Final = (http, http_get)
