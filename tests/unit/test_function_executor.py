"""How a typed function becomes an executor, and what passes between JSON and Python on the way."""

import importlib
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
import pytest
from pydantic import BaseModel

from murakkab.catalog import Capability, Device, Limits, Needs, Parameter, Quote
from murakkab.dsl import capability
from murakkab.errors import ExecutorError, SpecError
from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.spec import Effect
from murakkab.types import FLOAT, INT, STR
from murakkab.values import File
from murakkab_executors.function import FunctionExecutor, Knob, executor, require


@dataclass(frozen=True)
class Clip:
    source: File
    start: float = 0.0


@dataclass(frozen=True)
class Text:
    text: str
    words: list[str] = field(default_factory=list)


@capability("hear")
def hear(clip: Clip, language: str = "en") -> Text:  # type: ignore[empty-body]
    """Write down what is said."""


ANYTHING = Capability("anything", "", (Parameter("value"),))


def call_of(inputs: Mapping[str, Any], artifacts: LocalArtifacts | None = None, **knobs: Any) -> Call:
    return Call("t", 1, inputs, knobs, artifacts or LocalArtifacts("unused"))


async def ran(one: FunctionExecutor[..., Any], value: Any, **knobs: Any) -> Any:
    return await one.run(call_of({"value": value}, **knobs))


# ----------------------------------------------------------------------------------------------------------------- cards


def test_the_card_says_what_the_decorator_and_the_signature_say() -> None:
    @executor(
        hear,
        name="ears",
        effect="pure",
        cores=2,
        slots={"gpu-memory-mb": 800},
        device="gpu",
        limits=Limits(concurrency=3),
        quote=Quote(seconds=9),
        version="7",
        extra="audio",
    )
    def ears(clip: Clip, language: str, *, beam: Annotated[float, Knob("width", low=0.1, high=2.0)] = 1.0, call: Call) -> Text:
        """Hear well.

        More of it.
        """
        return Text("")

    card = ears.card
    assert (card.name, card.capability, card.description, card.version, card.extra) == ("ears", "hear", "Hear well.", "7", "audio")
    assert (card.effect, card.device) == (Effect.PURE, Device.GPU)
    assert card.needs == Needs(2, {"gpu-memory-mb": 800})
    assert (card.limits, card.quote) == (Limits(concurrency=3), Quote(seconds=9))
    assert card.knobs == (Parameter("beam", FLOAT, 1.0, required=False, description="width", low=0.1, high=2.0),)


def test_a_knob_needs_no_description_and_an_enum_shows_its_value() -> None:
    class Size(Enum):
        SMALL = "small"

    @executor(ANYTHING, name="x")
    def x(value: Any, *, steps: int = 3, size: Annotated[Size, Knob(choices=("small",))] = Size.SMALL) -> Any: ...

    assert x.card.knobs == (
        Parameter("steps", INT, 3, required=False),
        Parameter("size", STR, "small", required=False, choices=("small",)),
    )


def test_work_on_the_loop_needs_no_core_unless_it_says_so() -> None:
    @executor(ANYTHING, name="x")
    async def on_loop(value: Any) -> Any: ...

    @executor(ANYTHING, name="x")
    def in_thread(value: Any) -> Any: ...

    @executor(ANYTHING, name="x", run_in="loop")
    def short(value: Any) -> Any: ...

    assert [one.card.needs.cores for one in (on_loop, in_thread, short)] == [0.0, 1.0, 0.0]


def test_everything_that_does_not_fit_the_capability_is_said_at_once() -> None:
    with pytest.raises(SpecError) as caught:

        @executor(hear, name="x")
        def wrong(clip: int, beam: float, *, depth: int) -> list[str]: ...

    messages = [d.message.partition(": ")[2] for d in caught.value.diagnostics]
    assert messages == [
        "its parameter 'clip' does not fit hear: int is wanted, Clip is given",
        "the input 'language' of hear is not among its parameters",
        "its parameter 'beam' is no input of hear; knobs are keyword-only: put it behind '*'",
        "its knob 'depth' has no default",
        "its result does not fit hear: Text is wanted, list[str] is given",
    ]
    assert all(d.place is not None and d.place.file == __file__ and d.place.line for d in caught.value.diagnostics)


def test_keywords_may_take_the_inputs_it_does_not_name() -> None:
    @executor(hear, name="x")
    def x(**inputs: Any) -> Text:
        return Text("")

    assert x.card.knobs == ()


def test_calling_an_executor_calls_its_function() -> None:
    @executor(ANYTHING, name="x")
    def x(value: Any, *, times: int = 2) -> Any:
        """Repeat."""
        return [value] * times

    assert x((1,), times=1) == [(1,)]
    assert (x.__name__, x.__doc__) == ("x", "Repeat.")


# -------------------------------------------------------------------------------------------------------------- arguments


async def test_json_becomes_the_annotated_types_and_back(tmp_path: Path) -> None:
    seen: list[Any] = []

    @executor(hear, name="x")
    def x(clip: Clip, language: str, *, call: Call) -> Text:
        seen.append((clip, language, call.task))
        return Text("hello", [language])

    result = await x.run(call_of({"clip": {"source": {"uri": "a.wav"}, "start": 1}}))

    assert seen == [(Clip(File("a.wav"), 1.0), "en", "t")]
    assert result == {"text": "hello", "words": ["en"]}


async def test_given_inputs_and_knobs_win_over_defaults() -> None:
    @executor(hear, name="x", run_in="loop")
    def x(clip: Clip, language: str = "xx", *, beam: int = 1) -> Text:
        return Text(language, [str(beam)])

    clip = {"source": {"uri": "a"}}
    assert await x.run(call_of({"clip": clip})) == {"text": "en", "words": ["1"]}
    assert await x.run(call_of({"clip": clip, "language": "ar"}, beam=5)) == {"text": "ar", "words": ["5"]}


async def test_a_default_list_is_the_calls_own() -> None:
    wanted = Capability("collect", "", (Parameter("into", default=[], required=False),))

    @executor(wanted, name="x", run_in="loop")
    def x(into: list[int]) -> list[int]:
        into.append(1)
        return into

    assert await x.run(call_of({})) == [1]
    assert await x.run(call_of({})) == [1]


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    name: str
    inner: Clip | None = None


@pytest.mark.parametrize(
    ("annotation", "given", "python", "json"),
    [
        (Path, "/a/b", Path("/a/b"), "/a/b"),
        (Colour, "red", Colour.RED, "red"),
        (list[Clip], [{"source": {"uri": "u"}}], [Clip(File("u"))], None),
        (dict[str, Colour], {"a": "red"}, {"a": Colour.RED}, {"a": "red"}),
        (dict[int, str], {"1": "a"}, {1: "a"}, None),
        (tuple[int, str], [1, "a"], (1, "a"), [1, "a"]),
        (set[int], [1], {1}, [1]),
        (Clip | None, None, None, None),
        (Model, {"name": "n", "inner": {"source": {"uri": "u"}}}, Model(name="n", inner=Clip(File("u"))), None),
        (Literal["a", "b"], "a", "a", "a"),
        (Annotated[Path, "where"], "x", Path("x"), "x"),
        (Any, {"a": [1.5, None, True]}, {"a": [1.5, None, True]}, {"a": [1.5, None, True]}),
    ],
)
async def test_every_kind_of_value_passes_in_and_out(annotation: Any, given: Any, python: Any, json: Any) -> None:
    seen: list[Any] = []

    def function(value: Any) -> Any:
        seen.append(value)
        return value

    function.__annotations__ = {"value": annotation, "return": annotation}
    result = await ran(executor(ANYTHING, name="x", run_in="loop")(function), given)

    assert seen == [python]
    assert type(seen[0]) is type(python)
    if json is not None:
        assert result == json


async def test_an_input_that_does_not_fit_says_where_and_is_not_tried_again() -> None:
    @executor(hear, name="x")
    def x(clip: Clip, language: str) -> Text: ...  # type: ignore[empty-body]

    with pytest.raises(
        ExecutorError, match=r"the input 'clip' does not fit: source\.uri: Field required; start: Input should be"
    ) as caught:
        await x.run(call_of({"clip": {"source": {}, "start": "soon"}}))
    assert (caught.value.reason, caught.value.retryable) == ("bad-input", False)


async def test_an_unknown_knob_is_named() -> None:
    @executor(ANYTHING, name="x")
    def x(value: Any) -> Any: ...

    with pytest.raises(ExecutorError, match="unexpected keyword argument 'beam'") as caught:
        await ran(x, 1, beam=2)
    assert (caught.value.reason, caught.value.retryable) == ("bad-input", False)


async def test_an_annotation_that_json_cannot_serve_is_named() -> None:
    @executor(ANYTHING, name="x")
    def x(value: threading.Lock) -> Any: ...  # type: ignore[valid-type]

    with pytest.raises(ExecutorError, match=r"the parameter 'value': .* cannot be made from JSON data") as caught:
        await ran(x, 1)
    assert (caught.value.reason, caught.value.retryable) == ("bad-signature", False)


# ---------------------------------------------------------------------------------------------------------------- results


class Thing:
    pass


def endless() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("value", "where", "cure"),
    [
        (Thing(), "result is Thing", "annotate the function"),
        ({"a": [1, Thing()]}, r"result\.a\[1\] is Thing", "annotate the function"),
        (float("nan"), "result is nan", "return None"),
        ([0.5, float("inf")], r"result\[1\] is inf", "return None"),
        (b"bytes", "result is bytes", r"write them to a file and return its path"),
        ({"a": {1}}, r"result\.a is set", "sorted"),
        ({1: "a"}, "result has the key 1", "use '1'"),
        (endless(), r"nested more than 200 deep", "does it contain itself"),
    ],
)
async def test_a_result_that_is_no_json_says_where_and_what_to_do(value: Any, where: str, cure: str) -> None:
    @executor(ANYTHING, name="x", run_in="loop")
    def x(value: Any) -> Any:
        return value

    with pytest.raises(ExecutorError, match=where) as caught:
        await ran(x, value)
    assert (caught.value.reason, caught.value.retryable) == ("bad-result", False)
    assert re.search(cure, caught.value.hint)


async def test_tuples_and_subclasses_of_json_types_become_plain() -> None:
    class Words(dict[str, Any]):
        pass

    class Name(str):
        __slots__ = ()

    @executor(ANYTHING, name="x", run_in="loop")
    def x(value: Any) -> Any:
        return Words({Name("a"): (1, Name("b"))})

    result = await ran(x, None)

    assert result == {"a": [1, "b"]}
    assert [type(result), type(next(iter(result))), type(result["a"]), type(result["a"][1])] == [dict, str, list, str]


async def test_a_result_unlike_its_annotation_is_refused() -> None:
    @executor(hear, name="x")
    def x(clip: Clip, language: str) -> Text:
        return {"words": "none"}  # type: ignore[return-value]

    with pytest.raises(ExecutorError, match="returned something else than it declares: text: Field required; words") as caught:
        await x.run(call_of({"clip": {"source": {"uri": "u"}}}))
    assert caught.value.reason == "bad-result"


# ------------------------------------------------------------------------------------------------------------ where it runs


async def test_a_plain_function_runs_beside_the_loop_and_a_short_one_on_it() -> None:
    def where(value: Any) -> Any:
        return threading.current_thread() is threading.main_thread()

    async def where_async(value: Any) -> Any:
        return threading.current_thread() is threading.main_thread()

    assert await ran(executor(ANYTHING, name="x")(where), 0) is False
    assert await ran(executor(ANYTHING, name="x", run_in="loop")(where), 0) is True
    assert await ran(executor(ANYTHING, name="x")(where_async), 0) is True


async def test_cancelling_abandons_a_thread() -> None:
    started, release = threading.Event(), threading.Event()

    @executor(ANYTHING, name="x")
    def x(value: Any) -> Any:
        started.set()
        release.wait(10)

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ran, x, 1)
            await anyio.to_thread.run_sync(started.wait)
            tasks.cancel_scope.cancel()
        assert not release.is_set()
    finally:
        release.set()


ELSEWHERE = """
import os
from dataclasses import dataclass
from pathlib import Path
from murakkab.catalog import Capability, Parameter
from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.values import File
from murakkab_executors.function import executor

@dataclass
class Found:
    process: int
    text: str

@executor(Capability("read", "", (Parameter("file"),)), name="elsewhere", run_in="process")
def elsewhere(file: File, *, shout: bool = False, call: Call) -> Found:
    if not file.uri:
        raise ExecutorError("no uri", hint="give one", reason="bad-uri", retryable=False)
    text = Path(call.artifacts.local_path({"uri": file.uri})).read_text()
    return Found(os.getpid(), text.upper() if shout else text)
"""


async def test_a_process_of_its_own_gets_and_gives_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere_module.py").write_text(ELSEWHERE)
    monkeypatch.syspath_prepend(tmp_path)
    one = importlib.import_module("elsewhere_module").elsewhere
    file = LocalArtifacts(tmp_path / "artifacts").put(b"hello")

    result = await one.run(call_of({"file": file}, LocalArtifacts(tmp_path / "artifacts"), shout=True))

    assert result["text"] == "HELLO"
    assert result["process"] != os.getpid()
    with pytest.raises(ExecutorError) as caught:
        await one.run(call_of({"file": {"uri": ""}}))
    assert (str(caught.value), caught.value.reason, caught.value.retryable) == ("no uri; give one", "bad-uri", False)


async def test_a_function_that_a_process_cannot_find_is_refused() -> None:
    @executor(ANYTHING, name="x", run_in="process")
    def x(value: Any) -> Any: ...

    with pytest.raises(ExecutorError, match="is defined inside a function") as caught:
        await ran(x, 1)
    assert caught.value.retryable is False


# ---------------------------------------------------------------------------------------------------------------- libraries


async def test_a_missing_library_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(ExecutorError) as caught:
        require("no_such_library", "video")
    assert str(caught.value) == "the library 'no_such_library' is not installed; pip install 'murakkab[video]'"
    assert (caught.value.reason, caught.value.retryable) == ("missing-extra", False)

    @executor(ANYTHING, name="x", extra="audio")
    def x(value: Any) -> Any:
        import no_such_library.part  # type: ignore[import-not-found]

        return no_such_library.part

    with pytest.raises(ExecutorError, match=r"'no_such_library' is not installed; pip install 'murakkab\[audio\]'"):
        await ran(x, 1)


def test_a_library_that_is_there_is_returned() -> None:
    assert require("json", "video").loads("1") == 1
