"""What a Python signature says, in the words of the catalog."""

import functools
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict, TypeVar, Union

import pytest
from pydantic import BaseModel

from murakkab.catalog import Parameter
from murakkab.signature import describe, type_of
from murakkab.types import ANY, BOOL, FILE, FLOAT, INT, NULL, STR, Field, Type, list_of, optional
from murakkab.values import File


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Mixed(Enum):
    A = 1
    B = "b"


@dataclass
class Scene:
    start: float
    labels: list[str] = field(default_factory=list)


class Clip(TypedDict):
    uri: str
    note: NotRequired[str]


class Partly(TypedDict, total=False):
    note: str


class Point(NamedTuple):
    x: int
    y: int = 0


class Model(BaseModel):
    text: str
    score: float | None = None


@dataclass
class Tree:
    value: int
    children: "list[Tree]"


UserId = NewType("UserId", int)
Bound = TypeVar("Bound", bound=str)
Free = TypeVar("Free")
SCENE = Type("record", fields=(Field("start", FLOAT), Field("labels", list_of(STR))), name="Scene")


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, STR),
        (int, INT),
        (bool, BOOL),
        (float, FLOAT),
        (None, NULL),
        (type(None), NULL),
        (Any, ANY),
        (object, ANY),
        (bytes, ANY),
        ("not resolved", ANY),
        (list[str], list_of(STR)),
        (list, list_of(ANY)),
        (tuple[int, ...], list_of(INT)),
        (tuple[int, int], list_of(INT)),
        (tuple[int, str], list_of(ANY)),
        (Sequence[Scene], list_of(SCENE)),
        (dict[str, int], Type("map", INT)),
        (dict, Type("map", ANY)),
        (Mapping[str, list[int]], Type("map", list_of(INT))),
        (int | None, optional(INT)),
        (Optional[list[str]], optional(list_of(STR))),  # noqa: UP045
        (Union[int, str], ANY),  # noqa: UP007
        (int | float, FLOAT),
        (int | float | None, optional(FLOAT)),
        (int | str | None, ANY),
        (Literal["a", "b"], STR),
        (Literal[1, 2], INT),
        (Literal[1, "a"], ANY),
        (Literal["a"] | None, optional(STR)),
        (Colour, STR),
        (Level, INT),
        (Mixed, ANY),
        (Path, STR),
        (File, FILE),
        (list[File], list_of(FILE)),
        (Annotated[int, "how many"], INT),
        (UserId, INT),
        (Bound, STR),
        (Free, ANY),
        (Awaitable[int], INT),
        (Scene, SCENE),
        (Clip, Type("record", fields=(Field("uri", STR), Field("note", STR, optional=True)), name="Clip")),
        (Partly, Type("record", fields=(Field("note", STR, optional=True),), name="Partly")),
        (Point, Type("record", fields=(Field("x", INT), Field("y", INT)), name="Point")),
        (Model, Type("record", fields=(Field("text", STR), Field("score", optional(FLOAT))), name="Model")),
        (Tree, Type("record", fields=(Field("value", INT), Field("children", list_of(ANY))), name="Tree")),
    ],
)
def test_an_annotation_becomes_the_type_it_stands_for(annotation: Any, expected: Type) -> None:
    assert type_of(annotation) == expected


@pytest.mark.parametrize(("record", "name"), [(Scene, "labels"), (Point, "y"), (Model, "score")])
def test_a_field_with_a_default_may_be_missing_only_in_what_is_given(record: type, name: str) -> None:
    given, made = type_of(record, partial=True).field(name), type_of(record).field(name)
    assert given is not None
    assert made is not None
    assert (given.optional, made.optional) == (True, False)


def test_one_class_used_twice_is_read_twice() -> None:
    @dataclass
    class Pair:
        left: Point
        right: Point

    assert [f.type.name for f in type_of(Pair).fields] == ["Point", "Point"]


def test_a_function_is_described_by_its_signature() -> None:
    async def transcribe(audio: File, language: Annotated[str, "ISO code"] = "en", *, beams: int = 5) -> list[Scene]:
        """Return the words
        spoken.

        Not this.
        """
        return []

    found = describe(transcribe)
    assert (found.name, found.description, found.open_inputs) == ("transcribe", "Return the words spoken.", False)
    assert found.inputs == (
        Parameter("audio", FILE),
        Parameter("language", STR, default="en", required=False, description="ISO code"),
        Parameter("beams", INT, default=5, required=False),
    )
    assert found.result == list_of(SCENE)


def test_the_name_can_be_given() -> None:
    assert describe(len, name="length").name == "length"


def test_further_keywords_make_the_inputs_open() -> None:
    def anything(*args: int, **options: int) -> None: ...

    found = describe(anything)
    assert found.open_inputs
    assert found.inputs == ()
    assert found.result == NULL


def test_without_annotations_everything_is_any() -> None:
    found = describe(lambda x, y=3: x)
    assert found.inputs == (Parameter("x", ANY), Parameter("y", ANY, default=3, required=False))
    assert found.result == ANY


def test_a_signature_python_does_not_know_is_open() -> None:
    found = describe(dict)
    assert found.open_inputs


def _module_with(source: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ModuleType("late_annotations")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(source, module.__dict__)  # a module with postponed annotations, as a user would write one
    return module


def test_annotations_written_as_text_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _module_with(
        "from __future__ import annotations\n"
        "from typing import TypedDict, NotRequired\n"
        "class Clip(TypedDict):\n    uri: str\n    note: NotRequired[int]\n"
        "def cut(clip: Clip, at: list[float] | None = None) -> dict[str, Clip]: ...\n",
        monkeypatch,
    )
    clip = Type("record", fields=(Field("uri", STR), Field("note", INT, optional=True)), name="Clip")
    found = describe(module.cut)
    assert [p.type for p in found.inputs] == [clip, optional(list_of(FLOAT))]
    assert found.result == Type("map", clip)


def test_one_annotation_that_cannot_be_resolved_does_not_spoil_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _module_with(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Box:\n    width: int\n    maker: Unknown\n"
        "def fill(size: int, maker: Unknown.Thing) -> Box: ...\n",
        monkeypatch,
    )
    found = describe(module.fill)
    assert [p.type for p in found.inputs] == [INT, ANY]
    assert [f.type for f in found.result.fields] == [INT, ANY]


def test_wrappers_partials_and_callable_objects_are_seen_through() -> None:
    def add(a: int, b: int) -> int:
        """Return the sum."""
        return a + b

    @functools.wraps(add)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return add(*args, **kwargs)

    class Adder:
        def __call__(self, a: int) -> float:
            return a

    assert describe(wrapped) == describe(add)
    half = describe(functools.partial(add, b=1), name="add")
    assert [(p.name, p.type, p.required) for p in half.inputs] == [("a", INT, True), ("b", INT, False)]
    assert describe(Adder()).result == FLOAT
    assert describe(Adder()).inputs == (Parameter("a", INT),)
