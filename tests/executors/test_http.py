"""HTTP requests as steps, against a server in this process."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab_executors.function import FunctionExecutor
from murakkab_executors.http import http, http_get, refusal

ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/text": (200, {"Content-Type": "text/plain; charset=latin-1", "X-Note": "yes"}, "grüß".encode("latin-1")),
    "/json": (200, {"Content-Type": "application/problem+json"}, b'{"a": [1, null]}'),
    "/not-json": (200, {"Content-Type": "application/json"}, b'{"a": NaN}'),
    "/picture": (200, {"Content-Type": "image/png"}, b"\x89PNG\r\n"),
    "/nothing": (204, {}, b""),
    "/long": (200, {"Content-Type": "text/plain"}, b"x" * 100_000),
    "/moved": (302, {"Location": "/text"}, b""),
    "/away": (302, {"Location": "ftp://127.0.0.1/x"}, b""),
    "/round": (302, {"Location": "/round"}, b""),
    "/absent": (404, {"Content-Type": "text/plain"}, b"no such page"),
    "/busy": (503, {"Retry-After": "17"}, b""),
    "/many": (429, {}, b"slow down"),
}


@dataclass
class Server:
    address: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append({"method": self.command, "path": self.path, "headers": headers, "body": sent})
            state.connections.add(self.client_address)
            if self.path == "/stuck":
                state.reached.set()
                state.release.wait(10)
            if self.path == "/cut":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
                self.close_connection = True
                return
            status, extra, content = ANSWERS.get(self.path.partition("?")[0], (200, {}, b""))
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away is part of the tests."""

    with Quiet(("127.0.0.1", 0), Handler) as listening:
        state = Server(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        state.release.set()
        listening.shutdown()
        thread.join()


async def asked(
    one: FunctionExecutor[..., Any], url: str, knobs: dict[str, Any] | None = None, *, artifacts: Path | None = None, **inputs: Any
) -> Any:
    return await one.run(Call("t", 1, {"url": url, **inputs}, knobs or {}, LocalArtifacts(artifacts or "unused")))


async def failure(url: str, knobs: dict[str, Any] | None = None, **inputs: Any) -> ExecutorError:
    with pytest.raises(ExecutorError) as caught:
        await asked(http if inputs else http_get, url, knobs, **inputs)
    return caught.value


async def test_text_comes_as_text(server: Server) -> None:
    answer = await asked(http_get, f"{server.address}/text")

    assert (answer["status"], answer["body"], answer["json"], answer["file"]) == (200, "grüß", None, None)
    assert answer["headers"]["x-note"] == "yes"


async def test_json_comes_as_data_too(server: Server) -> None:
    answer = await asked(http_get, f"{server.address}/json")

    assert answer["json"] == {"a": [1, None]}
    assert answer["body"] == '{"a": [1, null]}'


async def test_what_claims_to_be_json_and_is_none_comes_as_text(server: Server) -> None:
    answer = await asked(http_get, f"{server.address}/not-json")

    assert (answer["json"], answer["body"]) == (None, '{"a": NaN}')


async def test_anything_else_comes_as_a_file(server: Server, tmp_path: Path) -> None:
    answer = await asked(http_get, f"{server.address}/picture", artifacts=tmp_path)

    assert (answer["body"], answer["file"]["media_type"]) == ("", "image/png")
    assert LocalArtifacts(tmp_path).get(answer["file"]) == b"\x89PNG\r\n"


async def test_an_empty_answer_is_empty(server: Server) -> None:
    answer = await asked(http, f"{server.address}/nothing", method="DELETE")

    assert (answer["status"], answer["body"], answer["file"]) == (204, "", None)


async def test_the_request_is_what_was_asked_for(server: Server) -> None:
    await asked(http, f"{server.address}/x?a=0", method="POST", headers={"X-Key": "k"}, json={"b": [1]})
    await asked(http, f"{server.address}/x", method="POST", query={"q": "a b", "n": 2}, body="grüß")
    first, second = server.requests

    assert (first["method"], first["path"], json.loads(first["body"])) == ("POST", "/x?a=0", {"b": [1]})
    assert (first["headers"]["x-key"], first["headers"]["content-type"]) == ("k", "application/json")
    assert (second["path"], second["body"]) == ("/x?q=a+b&n=2", "grüß")


async def test_a_request_has_one_body(server: Server) -> None:
    error = await failure(server.address, method="POST", json={}, body="x")

    assert (error.reason, error.retryable, server.requests) == ("bad-input", False, [])


async def test_redirects_are_followed_but_only_to_the_web(server: Server) -> None:
    assert (await asked(http_get, f"{server.address}/moved"))["body"] == "grüß"
    error = await failure(f"{server.address}/away")
    assert (error.reason, error.retryable) == ("bad-input", False)
    assert (await failure(f"{server.address}/round")).retryable is False


async def test_connections_are_kept(server: Server) -> None:
    for _ in range(5):
        await asked(http_get, f"{server.address}/text")

    assert len(server.connections) == 1


def test_every_loop_has_its_own_connections_and_closes_them(server: Server) -> None:
    for _ in range(2):
        assert anyio.run(asked, http_get, f"{server.address}/text")["status"] == 200

    assert len(server.connections) == 2


async def test_a_long_answer_is_refused(server: Server) -> None:
    error = await failure(f"{server.address}/long", {"max_bytes": 99_999})
    assert (error.reason, error.retryable) == ("too-large", False)

    assert len((await asked(http_get, f"{server.address}/long", {"max_bytes": 100_000}))["body"]) == 100_000


@pytest.mark.parametrize(
    ("path", "reason", "is_retryable", "hint"),
    [
        ("/absent", "http-404", False, "ok_status"),
        ("/busy", "http-503", True, "asks to wait 17 s"),
        ("/many", "http-429", True, "set retry"),
    ],
)
async def test_a_bad_status_is_a_failure(server: Server, path: str, reason: str, is_retryable: bool, hint: str) -> None:
    error = await failure(server.address + path)

    assert (error.reason, error.retryable) == (reason, is_retryable)
    assert hint in error.hint
    assert ANSWERS[path][2].decode() in error.message


async def test_a_status_that_is_expected_is_no_failure(server: Server) -> None:
    answer = await asked(http_get, f"{server.address}/absent", {"ok_status": [404]})

    assert (answer["status"], answer["body"]) == (404, "no such page")


async def test_a_server_that_cannot_be_reached_may_be_tried_again(server: Server) -> None:
    for url in ("http://127.0.0.1:1/x", f"{server.address}/cut"):
        error = await failure(url)
        assert (error.reason, error.retryable) == ("unreachable", True)


@pytest.mark.parametrize("url", ["", "example.org", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://", "http://[::1", "http://a:99999/"])
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    error = await failure(url)

    assert (error.reason, error.retryable) == ("bad-input", False)


def test_web_addresses_are_allowed() -> None:
    assert refusal("https://example.org/a?b#c") == ""


async def test_secrets_in_an_address_are_not_shown(server: Server) -> None:
    url = server.address.replace("http://", "http://user:secret@") + "/absent?key=secret"

    assert "secret" not in str(await failure(url))


async def test_cancelling_gives_up_the_request(server: Server) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked, http_get, f"{server.address}/stuck")
        await anyio.to_thread.run_sync(server.reached.wait)
        tasks.cancel_scope.cancel()
    server.release.set()

    assert (await asked(http_get, f"{server.address}/text"))["status"] == 200


class Patient:
    """A server that sends a part of an answer, or nothing, and then waits for its client to go away."""

    def __init__(self, first: bytes) -> None:
        self.reached, self.left = threading.Event(), threading.Event()
        self._first = first
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._socket, self._socket.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(self._first)
            self.reached.set()
            connection.settimeout(10)
            with suppress(OSError):
                if connection.recv(1) == b"":
                    self.left.set()


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"], ids=["before", "amid the answer"])
@pytest.mark.parametrize("by", ["task", "timeout"])
async def test_cancelling_closes_the_connection(server: Server, first: bytes, by: str) -> None:
    """The other side must hear of it: a model that nobody listens to goes on costing money."""
    patient = Patient(first)
    work = asyncio.ensure_future(asked(http_get, patient.address))
    await anyio.to_thread.run_sync(patient.reached.wait, 10)
    if by == "task":
        work.cancel()
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await asyncio.wait_for(work, None if by == "task" else 0.01)

    assert await anyio.to_thread.run_sync(patient.left.wait, 10)
