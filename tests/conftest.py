"""What every test gets: one event loop, no network beyond this machine, no journal outside its own folder."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from murakkab import app

# The same examples each time, so that what fails has been broken; with EXPLORE=1 others, to find what has been broken all along.
settings.register_profile("murakkab", deadline=None, print_blob=True, derandomize=os.environ.get("EXPLORE") != "1")
settings.load_profile("murakkab")

_connect = socket.socket.connect


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _connect_here(self: socket.socket, address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else ""
    if host not in ("", "localhost", "::1") and not host.startswith("127."):
        pytest.fail(f"a test tried to reach {address}: tests never leave this machine")
    _connect(self, address)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """One switch: no test can reach a paid model, a download or anything else outside."""
    monkeypatch.setattr(socket.socket, "connect", _connect_here)


@pytest.fixture(autouse=True)
def _nothing_is_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plan depends on what other tests have run in this process."""
    monkeypatch.setattr(app, "_warm", set())


@pytest.fixture
def root() -> Path:
    """The folder that holds `tests/`, `workflows/` and `examples/`: the checkout, or its copy beside a wheel."""
    return Path(__file__).resolve().parent.parent
