"""Reading and writing files as steps."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from murakkab.errors import ExecutorError, NotFoundError
from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab_executors.file import file_read, file_write
from murakkab_executors.function import FunctionExecutor


async def ran(one: FunctionExecutor[..., Any], folder: Path, knobs: dict[str, Any] | None = None, **inputs: Any) -> Any:
    return await one.run(Call("t", 1, inputs, knobs or {}, LocalArtifacts(folder / "artifacts")))


async def failure(one: FunctionExecutor[..., Any], folder: Path, knobs: dict[str, Any] | None = None, **inputs: Any) -> str:
    with pytest.raises(ExecutorError) as caught:
        await ran(one, folder, knobs, **inputs)
    assert (caught.value.reason, caught.value.retryable) == ("bad-input", False)
    return str(caught.value)


async def test_text_is_read_as_text_and_json_as_json(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text('{"a": 1} grüß', encoding="utf-8")
    (tmp_path / "a.json").write_text('{"a": [1, null]}')

    assert await ran(file_read, tmp_path, path=str(tmp_path / "a.txt")) == '{"a": 1} grüß'
    assert await ran(file_read, tmp_path, path=str(tmp_path / "a.json")) == {"a": [1, None]}
    assert await ran(file_read, tmp_path, {"format": "text"}, path=str(tmp_path / "a.json")) == '{"a": [1, null]}'


async def test_a_file_value_is_read_by_its_media_type(tmp_path: Path) -> None:
    file = LocalArtifacts(tmp_path / "artifacts").put(b"[1]", media_type="application/json")

    assert await ran(file_read, tmp_path, file=file) == [1]
    assert await ran(file_read, tmp_path, {"format": "json"}, file={"uri": file["uri"]}) == [1]


async def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    path = str(tmp_path / "a.json")

    assert await failure(file_read, tmp_path) == "give either 'path' or 'file'"
    assert await failure(file_read, tmp_path, path=path, file={"uri": path}) == "give either 'path' or 'file'"
    assert "is not JSON" in await failure(file_read, tmp_path, path=path)
    assert "is not text in UTF-8" in await failure(file_read, tmp_path, path=str(tmp_path / "a.png"))
    assert "longer than 2 bytes; raise the knob max_bytes" in await failure(
        file_read, tmp_path, {"max_bytes": 2}, path=str(tmp_path / "a.png")
    )
    with pytest.raises(NotFoundError, match="absent does not exist"):
        await ran(file_read, tmp_path, path=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("content", "written"), [("grüß\n", "grüß\n"), ("", ""), ({"ä": [1]}, '{\n  "ä": [\n    1\n  ]\n}\n'), (None, "null\n")]
)
async def test_text_is_written_as_it_is_and_anything_else_as_json(tmp_path: Path, content: Any, written: str) -> None:
    path = tmp_path / "new" / "folder" / "out.json"

    file = await ran(file_write, tmp_path, path=str(path), content=content)

    assert path.read_text(encoding="utf-8") == written
    assert file == {
        "uri": path.as_uri(),
        "media_type": "application/json",
        "size": len(written.encode()),
        "sha256": LocalArtifacts(tmp_path / "other").put(written.encode())["sha256"],
    }


async def test_writing_twice_is_writing_once(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"

    first = await ran(file_write, tmp_path, path=str(path), content="same")

    assert await ran(file_write, tmp_path, path=str(path), content="same") == first
    assert [one async for one in anyio.Path(tmp_path).iterdir()] == [path]


async def test_a_file_value_is_copied(tmp_path: Path) -> None:
    file = LocalArtifacts(tmp_path / "artifacts").put(bytes(range(256)), suffix=".bin")

    written = await ran(file_write, tmp_path, path=str(tmp_path / "copy.bin"), file=file)

    assert (tmp_path / "copy.bin").read_bytes() == bytes(range(256))
    assert written["sha256"] == file["sha256"]


async def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None, True, "x"]}
    file = await ran(file_write, tmp_path, path=str(tmp_path / "x.json"), content=content)

    assert await ran(file_read, tmp_path, file=file) == json.loads(json.dumps(content))


async def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    assert await failure(file_write, tmp_path, path="", content="x") == "'path' is empty"
    assert "both 'content' and 'file'" in await failure(file_write, tmp_path, path="x", content="x", file={"uri": "y"})
    assert "not on this machine" in await failure(file_write, tmp_path, path="s3://bucket/x", content="x")
    assert "cannot be written" in await failure(file_write, tmp_path, path=str(tmp_path), content="x")
