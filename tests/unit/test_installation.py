"""What an installation has: what its file says, laid over what is found - against engines that answer, refuse, babble or hang."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from murakkab.catalog import Device
from murakkab.cli.catalog_tables import pools_table
from murakkab.devices import Endpoint
from murakkab.errors import InputError, InstallationError, NotFoundError
from murakkab_cluster.engines import ask_engines
from murakkab_cluster.machine import usable_cores
from murakkab_cluster.site import Installation, installation

KEY = "sk-a-key-that-nobody-prints"
SLY = json.dumps({"data": [{"id": "[/red]"}, {"id": "\x1b[2J"}, {"id": ""}, {"id": "x" * 300}]}).encode()
MODELS = json.dumps({"data": [{"id": "meta-llama/Llama-3.1-8B-Instruct"}, {"id": "own/model"}]}).encode()


class Engine(BaseHTTPRequestHandler):
    """An engine that does at each path what the path says."""

    stop = threading.Event()

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "hangs":
            self.stop.wait(10)
            return
        if kind == "locked" and self.headers.get("Authorization") != f"Bearer {KEY}":
            self._answer(401, b"")
            return
        bodies = {"good": MODELS, "locked": MODELS, "babbles": b"<html>", "odd": b'{"data": 3}', "long": b"x" * 1_100_000, "sly": SLY}
        if kind == "drips":
            self.send_response(200)
            self.end_headers()
            while not self.stop.wait(0.05):
                self.wfile.write(b" ")
        elif kind == "moved":
            self.send_response(302)
            self.send_header("Location", "/good/models")
            self.end_headers()
        else:
            self._answer(200 if kind in bodies else 404, bodies.get(kind, b""))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Those that ask may go away."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    Engine.stop.clear()
    server = Server(("127.0.0.1", 0), Engine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Engine.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Installation]:
    """Return what an installation has that says so, in an environment."""

    def found(text: str, **environment: str) -> Installation:
        file = tmp_path / "murakkab.yaml"
        file.write_text(f"{text}\ndiscover: {{gpus: false}}" if "discover" not in text else text)
        return installation(file, environment)

    return found


# ------------------------------------------------------------------------------------------------------------------ engines


def test_an_engine_tells_what_it_serves(site: Callable[..., Installation], url: str) -> None:
    found = site(f"endpoints: {{e: {url}/good}}\npools: {{p: {{kind: h100, endpoint: e}}}}")
    assert found.view.pools["p"].models == ("llama-3.1-8b", "own/model")
    assert found.view.pools["p"].trouble == ""
    assert found.view.pools["p"].endpoint == f"{url}/good"
    assert found.remarks == ()


def test_an_endpoint_that_no_pool_has_is_a_pool(site: Callable[..., Installation], url: str) -> None:
    pool = site(f"endpoints: {{e: {url}/good}}").view.pools["e"]
    assert (pool.kind.device, pool.models) == (Device.REMOTE, ("llama-3.1-8b", "own/model"))


def test_names_that_would_do_something_to_a_terminal_are_left_out(site: Callable[..., Installation], url: str) -> None:
    found = site(f"endpoints: {{e: {url}/sly}}")
    assert found.view.pools["e"].models == ("[/red]",)
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(pools_table(found.view, found.key_names))
    assert "[/red]" in capture.get()


def test_what_an_engine_does_not_serve_is_remarked(site: Callable[..., Installation], url: str) -> None:
    text = f"endpoints: {{e: {url}/good}}\npools: {{p: {{kind: h100, endpoint: e, models: [qwen3-8b, llama-3.1-8b]}}}}"
    found = site(text)
    assert found.view.pools["p"].models == ("llama-3.1-8b",)
    assert found.remarks == ("the engine of the pool 'p' does not serve 'qwen3-8b'",)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("babbles", "does not answer as OpenAI's protocol has it"),
        ("odd", "does not answer as OpenAI's protocol has it"),
        ("long", "is longer than 1,000,000 bytes"),
        ("nothing", "answers with status 404; most engines want /v1 at the end of the address"),
        ("moved", "answers with status 302"),
        ("locked", "refuses to answer without a key: write key: env:NAME (status 401)"),
    ],
)
def test_what_is_wrong_with_an_engine_is_said_and_is_no_error(site: Callable[..., Installation], url: str, path: str, says: str) -> None:
    found = site(f"endpoints: {{e: {url}/{path}}}\npools: {{p: {{kind: h100, endpoint: e, models: [qwen3-8b]}}}}")
    pool = found.view.pools["p"]
    assert says in pool.trouble
    assert pool.models == ("qwen3-8b",)
    assert found.remarks == (f"the pool 'p' cannot be used now: {pool.trouble}",)


def test_engines_that_hang_or_drip_are_given_up_all_at_once(url: str) -> None:
    endpoints = [Endpoint(f"e{i}", f"{url}/{kind}") for i, kind in enumerate(["hangs"] * 6 + ["drips"] * 2 + ["good"])]
    began = time.perf_counter()
    found = ask_engines(endpoints, {}, timeout=0.8)
    assert time.perf_counter() - began < 3.0
    assert [one.name for one in endpoints] == list(found)
    assert all("within 0.8 s" in found[f"e{i}"].trouble for i in range(8))
    assert found["e8"].models


def test_nobody_there_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = ask_engines([Endpoint("e", f"http://127.0.0.1:{port}/v1")], {})
    assert f"http://127.0.0.1:{port}/v1 cannot be reached" in found["e"].trouble


def test_a_key_comes_from_the_environment_and_is_never_shown(site: Callable[..., Installation], url: str) -> None:
    text = f"endpoints: {{e: {{url: {url}/locked, key: env:ENGINE_KEY}}}}"
    assert site(text, ENGINE_KEY=KEY).view.pools["e"].models
    wrong = site(text, ENGINE_KEY="another-key")
    assert "refuses the key in ENGINE_KEY (status 401)" in wrong.view.pools["e"].trouble
    assert site(text).view.pools["e"].trouble == "its key is not there: set ENGINE_KEY"
    assert "another-key" not in repr(wrong)
    assert KEY not in repr(site(text, ENGINE_KEY=KEY))


def test_a_key_that_cannot_be_sent_is_not_shown(site: Callable[..., Installation], url: str) -> None:
    found = site(f"endpoints: {{e: {{url: {url}/locked, key: env:ENGINE_KEY}}}}", ENGINE_KEY="kéy\nof two lines")
    assert "cannot be reached" in found.view.pools["e"].trouble
    assert "two lines" not in repr(found)


def test_engines_are_not_asked_where_that_is_not_wanted(site: Callable[..., Installation], url: str) -> None:
    found = site(f"endpoints: {{e: {url}/nothing}}\ndiscover: {{engines: false, gpus: false}}")
    assert found.view.pools["e"].trouble == ""


# -------------------------------------------------------------------------------------------------------------------- pools


def test_without_a_file_there_are_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = installation(environment={})
    assert found.file == ""
    assert found.view.pools["cpu"].count == usable_cores()
    assert found.view.prices == ()


def test_the_file_here_is_found_and_another_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "murakkab.yaml").write_text("site: {pue: 1.5}")
    (tmp_path / "other.yaml").write_text("site: {pue: 1.1}")
    assert installation(environment={}).view.site.overhead == 1.5
    assert installation(environment={"MURAKKAB_SITE": "other.yaml"}).view.site.overhead == 1.1
    assert installation("murakkab.yaml", {"MURAKKAB_SITE": "other.yaml"}).file == "murakkab.yaml"


def test_a_declared_pool_of_cores_stands_for_those_found(site: Callable[..., Installation]) -> None:
    pools = site("pools: {mine: {kind: cpu}}").view.pools
    assert {name: pool.count for name, pool in pools.items()} == {"mine": usable_cores()}
    assert site("pools: {mine: {kind: cpu, count: 3}}").view.pools["mine"].count == 3


def test_nothing_is_looked_for_that_is_not_wanted(site: Callable[..., Installation]) -> None:
    assert site("discover: {cpu: false, gpus: false}").view.pools == {}


def test_a_pool_that_is_off_and_has_watts_says_so(site: Callable[..., Installation]) -> None:
    pool = site("pools: {p: {kind: h100, count: 2, on: false, base_watts: 150}}").view.pools["p"]
    assert (pool.is_on, pool.count, pool.base_watts and pool.base_watts.value) == (False, 2, 150)


# ----------------------------------------------------------------------------------------------------------- keys and errors


def test_prices_are_those_of_providers_with_a_key(site: Callable[..., Installation]) -> None:
    found = site("", OPENAI_API_KEY=KEY, GOOGLE_API_KEY=KEY, ANTHROPIC_API_KEY="")
    assert {price.provider for price in found.view.prices} == {"openai", "google"}
    assert found.key_names == {"openai": "OPENAI_API_KEY", "google": "GOOGLE_API_KEY"}
    assert KEY not in repr(found)
    assert site("discover: {keys: false}", OPENAI_API_KEY=KEY).view.prices == ()


def test_own_prices_have_own_keys_or_none(site: Callable[..., Installation]) -> None:
    text = "prices: [{model: x, provider: me, in: 1, out: 2, key: env:MY_KEY}, {model: y, provider: free, in: 0, out: 0}]"
    assert {price.model for price in site(text).view.prices} == {"y"}
    assert {price.model for price in site(text, MY_KEY=KEY).view.prices} == {"x", "y"}


def test_mistakes_and_missing_files_are_errors(site: Callable[..., Installation], tmp_path: Path) -> None:
    with pytest.raises(InstallationError, match="h1000"):
        site("pools: {p: {kind: h1000}}")
    with pytest.raises(NotFoundError, match="nowhere"):
        installation(tmp_path / "nowhere.yaml", {})
    with pytest.raises(InputError, match="cannot be read"):
        installation(tmp_path, {})


def test_nothing_heavy_is_imported_where_there_are_no_engines(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom murakkab_cluster.site import installation\ninstallation(environment={})\n"
        "print([m for m in ('anyio', 'asyncio', 'httpx', 'numpy', 'pydantic', 'scipy', 'socket') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
