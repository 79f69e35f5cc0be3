"""What the tests of the running parts share."""

import asyncio
from collections.abc import AsyncIterator

import pytest


@pytest.fixture
async def nothing_is_left(anyio_backend: str) -> AsyncIterator[None]:
    """No task of the loop outlives a test, but that of the test runner."""
    yield
    assert [task for task in asyncio.all_tasks() if "TestRunner" not in repr(task)] == []
