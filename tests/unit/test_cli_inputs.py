"""What `-i name=value` means for each declared type, and what is said when it does not fit."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from murakkab.cli.inputs import read_inputs
from murakkab.errors import InputError
from murakkab.spec import Input
from murakkab.types import parse_type


def read(kind: str, *words: str) -> Any:
    return read_inputs([f"x={word}" for word in words], {"x": Input(parse_type(kind))})["x"]


def refusal(kind: str, *words: str) -> str:
    with pytest.raises(InputError) as caught:
        read(kind, *words)
    return caught.value.message


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "a=b, c", "a=b, c"),
        ("str", "5", "5"),
        ("str", "@@handle", "@handle"),
        ("int", "5", 5),
        ("int", "-5", -5),
        ("float", "5", 5),
        ("float", "0.5", 0.5),
        ("bool", "true", True),
        ("bool", "False", False),
        ("int?", "null", None),
        ("int?", "3", 3),
        ("any", '{"a": [1]}', {"a": [1]}),
        ("any", "just text", "just text"),
        ("list[str]", "a, b,c", ["a", "b", "c"]),
        ("list[str]", '["a,b"]', ["a,b"]),
        ("list[int]", "1,2", [1, 2]),
        ("list[int]", "", []),
        ("list[int]?", "1,2", [1, 2]),
        ("{a: int, b?: str}", '{"a": 1}', {"a": 1}),
        ("map[float]", '{"a": 1.5}', {"a": 1.5}),
        ("file", "s3://bucket/a.mp4", {"uri": "s3://bucket/a.mp4", "media_type": "video/mp4"}),
        ("file", '{"uri": "s3://bucket/a.mp4"}', {"uri": "s3://bucket/a.mp4"}),
    ],
)
def test_text_is_read_as_the_declared_type(kind: str, text: str, value: Any) -> None:
    assert read(kind, text) == value


def test_a_path_becomes_a_file_value(tmp_path: Path) -> None:
    clip = tmp_path / "a clip.mp4"
    clip.write_bytes(b"12345")
    assert read("file", str(clip)) == {"uri": clip.as_uri(), "media_type": "video/mp4", "size": 5}


def test_paths_inside_lists_and_records_become_file_values(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"")
    assert read("list[file]", f"{clip},{clip}")[1]["uri"].startswith("file:///")
    assert read("{video: file}", json.dumps({"video": str(clip)}))["video"]["uri"] == clip.as_uri()


def test_a_list_given_several_times_grows() -> None:
    assert read("list[int]", "1,2", "3") == [1, 2, 3]


def test_a_single_value_given_twice_is_refused() -> None:
    assert "given twice" in refusal("int", "1", "2")


def test_at_reads_json_from_a_file(tmp_path: Path) -> None:
    source = tmp_path / "ids.json"
    source.write_text("[1, 2]")
    assert read("list[int]", f"@{source}") == [1, 2]


def test_at_reads_the_text_of_a_file_for_a_str(tmp_path: Path) -> None:
    source = tmp_path / "note.txt"
    source.write_text("dear reader")
    assert read("str", f"@{source}") == "dear reader"


def test_at_minus_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("[3]"))
    assert read("list[int]", "@-") == [3]


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("int", "five", "'five' is not a whole number"),
        ("int", "1.5", "int is wanted"),
        ("float", "fast", "'fast' is not a number"),
        ("bool", "maybe", "'maybe' is not true or false"),
        ("list[int]", "1,x", "'x' is not a whole number"),
        ("list[int]", '[1, "x"]', "[1]: int is wanted"),
        ("{a: int}", "a", "'a' is not JSON for {a: int}"),
        ("{a: int}", "{}", "field 'a'"),
        ("file", "no-such.mp4", "no-such.mp4 does not exist"),
        ("list[file]", "no-such.mp4", "no-such.mp4 does not exist"),
        ("file", "/", "is a folder"),
        ("str", "@no-such.txt", "cannot read 'no-such.txt'"),
    ],
)
def test_a_wrong_value_names_the_input_its_type_and_the_reason(kind: str, text: str, says: str) -> None:
    message = refusal(kind, text)
    assert message.startswith("input 'x' (")
    assert says in message


def test_an_unknown_input_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'videos'") as caught:
        read_inputs(["video=a.mp4"], {"videos": Input(parse_type("list[str]"), required=False)})
    assert "videos: list[str] (optional)" in caught.value.hint


def test_every_mistake_is_said_at_once() -> None:
    declared = {"a": Input(parse_type("int")), "b": Input(parse_type("list[file]")), "c": Input(parse_type("int"))}
    with pytest.raises(InputError) as caught:
        read_inputs(["a=x", "d=1", "plain", "c=1"], declared)
    lines = caught.value.message.splitlines()
    assert len(lines) == 4
    assert "input 'b' (list[file]) is missing: -i b=PATH,PATH" in lines


def test_an_optional_input_may_be_left_out() -> None:
    assert read_inputs([], {"a": Input(parse_type("int"), default=3, required=False)}) == {}
