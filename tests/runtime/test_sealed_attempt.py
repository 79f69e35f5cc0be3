"""Attempts that are given secrets: the executor sees them, and nobody else."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from murakkab.errors import BackendError, ExecutorError
from murakkab.plan import Node
from murakkab.ports import Call
from murakkab.runtime.attempt import Desk, attempt, way_of
from murakkab.runtime.cache import MemoryResultCache
from murakkab.runtime.messages import StartTask, TaskFailed, TaskSucceeded
from murakkab.runtime.secrets import SealedText, Secret
from murakkab.types import INT
from tests.attempts import CACHED, emits, heard, node_of, outside_of, tried
from tests.fakes import FakeExecutor, does

TEXT = 's3cr"et/value+1'


def sealed(**parts: Any) -> Node:
    return replace(node_of(**parts), has_secrets=True)


async def kept(behave: Any, node: Node | None = None, into: list[Any] | None = None, **outside: Any) -> TaskSucceeded | TaskFailed:
    """Return how an attempt ended whose executor was given a secret."""
    inputs = {"x": {"deep": [Secret("token", "env:TOKEN")]}, "header": SealedText(("Bearer ", Secret("token", "env:TOKEN")))}
    world = outside_of(secret={"env:TOKEN": TEXT}.__getitem__, **outside)
    event = await heard(FakeExecutor(behave), node or sealed(), world, [] if into is None else into, inputs=inputs)
    shown = repr((event, into))
    assert TEXT not in shown
    assert json.dumps(TEXT)[1:-1] not in shown
    return event


async def test_an_executor_is_given_the_secret_and_nobody_else_sees_it() -> None:
    seen: list[Any] = []

    async def behave(call: Call) -> Any:
        seen.append(call.inputs)
        return {"nested": [f"it is {TEXT}", {TEXT: "in a key"}], "json": json.dumps({"x": TEXT})}

    event = await kept(behave)

    assert seen == [{"x": {"deep": [TEXT]}, "header": f"Bearer {TEXT}"}]
    assert isinstance(event, TaskSucceeded)
    assert event.value == {"nested": ["it is [secret token]", {"[secret token]": "in a key"}], "json": '{"x": "[secret token]"}'}


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (ValueError(f"no {TEXT}"), "exception", "ValueError: no [secret token]"),
        (KeyError(TEXT), "exception", "KeyError: '[secret token]'"),
        (ExecutorError(f"no {TEXT}", hint=f"not {TEXT}", reason="http-500"), "http-500", "no [secret token]; not [secret token]"),
        (BackendError(f"cut: {TEXT[:10]}"), "backend-unavailable", "cut: [secret token]"),
        (SystemExit(TEXT), "exception", "SystemExit: [secret token]"),
        (ExceptionGroup("x", [ValueError(TEXT)]), "exception", "ValueError: [secret token]"),
    ],
)
async def test_a_failure_does_not_tell_the_secret(error: BaseException, reason: str, message: str, limit: float | None) -> None:
    event = await kept(does(error), sealed(timeout=limit))

    assert isinstance(event, TaskFailed)
    assert (event.reason, event.message) == (reason, message)


async def test_elements_do_not_tell_the_secret() -> None:
    into: list[Any] = []
    event = await kept(emits(1, TEXT), replace(sealed(), streams=True), into)

    assert [element.value for element in into] == [1, "[secret token]"]
    assert isinstance(event, TaskSucceeded)
    assert event.value == [1, "[secret token]"]


async def test_the_result_is_checked_as_it_is_told() -> None:
    event = await kept(does(TEXT), replace(sealed(), result=INT))

    assert isinstance(event, TaskFailed)
    assert event.message == "its result is not what the step promises: int is wanted, str is given"


async def test_the_cache_neither_knows_nor_keeps_the_secret() -> None:
    class Cache(MemoryResultCache):
        def put(self, key: str, value: Any, expires: float | None) -> None:
            written.append((key, value))
            super().put(key, value, expires)

    written: list[Any] = []
    cache = Cache()
    first = await kept(does(f"got {TEXT}"), sealed(cache=CACHED), cache=cache)
    again = await kept(does("not asked"), sealed(cache=CACHED), cache=cache)

    assert [value for _, value in written] == ["got [secret token]"]
    assert isinstance(first, TaskSucceeded)
    assert isinstance(again, TaskSucceeded)
    assert again.cached


async def test_a_secret_that_is_not_there_fails_the_attempt_for_good() -> None:
    event = await tried(FakeExecutor(), sealed(), outside_of(), inputs={"x": Secret("token", "env:NO_SUCH_TOKEN")})

    assert isinstance(event, TaskFailed)
    assert (event.reason, event.retryable) == ("invalid-input", False)
    assert "NO_SUCH_TOKEN is not set" in event.message


async def test_what_is_left_behind_does_not_tell_the_secret() -> None:
    async def behave(call: Call) -> None:
        call.report.left = f"the session of {TEXT}"
        await asyncio.Event().wait()

    outside, node = outside_of(secret=lambda source: TEXT), sealed()
    desk = Desk(1.0, lambda event: None)
    prepared = way_of(node, FakeExecutor(behave), knobs={}, target=None, needs={}, outside=outside)
    work = asyncio.ensure_future(attempt("j1", StartTask("s", node, {"x": Secret("token")}), prepared, outside, desk))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert desk.report is not None
    assert desk.report.left == "the session of [secret token]"
