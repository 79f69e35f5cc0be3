"""What every executor promises, over those that ship; those that need no media are run."""

import copy
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
import pytest

from murakkab.catalog import ExecutorCard
from murakkab.errors import MurakkabError
from murakkab.ports import Call, Executor, Report
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.types import mismatch
from murakkab_executors.capabilities import CAPABILITIES

FAMILIES = [
    f"murakkab_executors.{name}"
    for name in (
        *("python", "shell", "http", "file", "video", "detection", "audio", "text"),
        *("summary", "documents", "retrieval", "answering", "llm"),
    )
]
EXECUTORS: dict[str, Executor] = {
    one.card.name: one for family in FAMILIES if find_spec(family) is not None for one in import_module(family).EXECUTORS
}
BY_NAME = {capability.name: capability for capability in CAPABILITIES}


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_card_is_complete_and_constant(name: str) -> None:
    one = EXECUTORS[name]
    card = one.card

    assert isinstance(card, ExecutorCard)
    assert one.card == card
    assert card.capability in BY_NAME
    assert card.description.endswith(".")
    assert card.needs.cores >= 0
    assert card.quote.seconds > 0


@pytest.mark.parametrize("name", EXECUTORS)
def test_knobs_are_typed_bounded_and_no_inputs(name: str) -> None:
    card = EXECUTORS[name].card
    for knob in card.knobs:
        assert BY_NAME[card.capability].input(knob.name) is None
        assert mismatch(knob.type, knob.default) == ""
        assert not knob.choices or knob.default in knob.choices
        assert knob.low is None or knob.default >= knob.low
        assert knob.high is None or knob.default <= knob.high
        assert json.loads(json.dumps(knob.default)) == knob.default


def test_no_heavy_library_is_imported_for_the_cards() -> None:
    import os
    import subprocess

    families = [family for family in FAMILIES if find_spec(family) is not None]
    heavy = ("pydantic", "httpx", "cv2", "av", "scenedetect", "pocketsphinx", "numpy", "fsspec")
    program = f"import {', '.join(families)}, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=dict(os.environ))

    assert done.stdout == "[]\n"


# ------------------------------------------------------------------------------------------------------------- running them


class Sample(NamedTuple):
    """An executor at work: its name, inputs for the n-th run, whether the result belongs to that run, and inputs that are wrong."""

    name: str
    inputs: Callable[[Path, int], Mapping[str, Any]]
    belongs: Callable[[Any, int], bool]
    wrong: Mapping[str, Any]
    target: Any = None


async def later(n: int) -> dict[str, int]:
    await anyio.lowlevel.checkpoint()
    return {"n": n}


def threaded(n: int) -> dict[str, int]:
    return {"n": n}


def one_by_one(n: int) -> Iterator[dict[str, int]]:
    yield {"n": n}


async def later_one_by_one(n: int) -> AsyncIterator[dict[str, int]]:
    await anyio.lowlevel.checkpoint()
    yield {"n": n}


def written(folder: Path, n: int) -> str:
    path = folder / f"{n}.json"
    path.write_text(json.dumps({"n": n}))
    return str(path)


SAMPLES = [
    Sample("python", lambda folder, n: {"n": n}, lambda value, n: value == {"n": n}, {"m": 1}, later),
    Sample("python", lambda folder, n: {"n": n}, lambda value, n: value == {"n": n}, {"m": 1}, threaded),
    Sample("python", lambda folder, n: {"n": n}, lambda value, n: value == [{"n": n}], {"m": 1}, one_by_one),
    Sample("python", lambda folder, n: {"n": n}, lambda value, n: value == [{"n": n}], {"m": 1}, later_one_by_one),
    Sample("shell", lambda folder, n: {"argv": ["echo", str(n)]}, lambda value, n: value["stdout"] == f"{n}\n", {"argv": []}),
    Sample("file-read", lambda folder, n: {"path": written(folder, n)}, lambda value, n: value == {"n": n}, {"path": ""}),
    Sample(
        "file-write",
        lambda folder, n: {"path": str(folder / f"{n}.txt"), "content": str(n)},
        lambda value, n: value["uri"].endswith(f"/{n}.txt"),
        {"path": ""},
    ),
]
IDS = ["python-async", "python-thread", "python-generator", "python-async-generator", "shell", "file-read", "file-write"]


def call_of(sample: Sample, folder: Path, inputs: Mapping[str, Any], report: Report | None = None) -> Call:
    return Call("task", 1, inputs, {}, LocalArtifacts(folder / "artifacts"), sample.target, report or Report())


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
async def test_the_result_is_json_of_the_type_that_is_promised(sample: Sample, tmp_path: Path) -> None:
    one = EXECUTORS[sample.name]

    value = await one.run(call_of(sample, tmp_path, sample.inputs(tmp_path, 7)))

    assert sample.belongs(value, 7)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert mismatch(BY_NAME[one.card.capability].result, value) == ""


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
async def test_many_runs_at_once_do_not_meet(sample: Sample, tmp_path: Path) -> None:
    values: dict[int, Any] = {}

    async def run(n: int) -> None:
        values[n] = await EXECUTORS[sample.name].run(call_of(sample, tmp_path, sample.inputs(tmp_path, n)))

    async with anyio.create_task_group() as tasks:
        for n in range(20):
            tasks.start_soon(run, n)

    assert all(sample.belongs(values[n], n) for n in range(20))


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
async def test_inputs_are_left_as_they_were(sample: Sample, tmp_path: Path) -> None:
    inputs = sample.inputs(tmp_path, 1)
    before = copy.deepcopy(inputs)

    await EXECUTORS[sample.name].run(call_of(sample, tmp_path, inputs))

    assert inputs == before


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
async def test_wrong_inputs_are_said_to_be_wrong_and_not_tried_again(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(MurakkabError) as caught:
        await EXECUTORS[sample.name].run(call_of(sample, tmp_path, sample.wrong))

    assert getattr(caught.value, "retryable", False) is False


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
async def test_a_cancelled_run_ends_at_once(sample: Sample, tmp_path: Path) -> None:
    call = call_of(sample, tmp_path, sample.inputs(tmp_path, 1))
    with anyio.fail_after(5), anyio.CancelScope() as scope:
        scope.cancel()
        await EXECUTORS[sample.name].run(call)

    assert scope.cancelled_caught


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
async def test_what_is_told_element_by_element_is_the_beginning_of_the_result(sample: Sample, tmp_path: Path) -> None:
    told: list[Any] = []

    value = await EXECUTORS[sample.name].run(call_of(sample, tmp_path, sample.inputs(tmp_path, 1), Report(told.append)))

    assert told == (value[: len(told)] if isinstance(value, list) else [])


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
async def test_who_says_to_be_silent_leaves_the_report_alone(sample: Sample, tmp_path: Path) -> None:
    """Such a call may have the report of another."""
    one, report = EXECUTORS[sample.name], Report()
    await one.run(call_of(sample, tmp_path, sample.inputs(tmp_path, 1), report))

    if one.is_silent(sample.target):  # type: ignore[attr-defined]  # those that ship all say it
        assert (report.usd, report.joules, report.tokens, report.left) == (None, None, 0, "")
        assert sample.target is not one_by_one
