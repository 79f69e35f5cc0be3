"""The main job end to end: what is shown and mentioned in the shipped clips, by the shipped workflow."""

from pathlib import Path
from typing import Any

import pytest

from murakkab import app
from murakkab.runtime.messages import TaskSucceeded

SHOWN = ["cat", "person"]
MENTIONED = {
    "cat": ["ball", "bed", "cat", "child", "coffee", "cup", "dog", "table", "window"],
    "person": ["bird", "garden", "helmet", "person", "river", "rocket", "telescope", "woman"],
}
STEPS = {"scenes": 2, "frames": 6, "speech": 6, "objects": 6, "report": 1}


async def ran(root: Path, home: Path, *paths: Path) -> app.JobResult:
    work = app.load_file(root / "workflows/video_understanding.yaml")
    inputs: dict[str, Any] = {"videos": [app.file_input(str(path)) for path in paths]}
    return await app.run_work(work, inputs, settings=app.Settings(home=home))


def values(result: app.JobResult, step: str) -> list[Any]:
    """Return the results of the tasks of *step*, in the order in which they ended."""
    ended = (event for event in result.history if isinstance(event, TaskSucceeded))
    return [event.value for event in ended if event.task.partition("[")[0] == step]


@pytest.mark.timeout(180)  # 12 s of work on one quiet core
async def test_the_objects_shown_and_mentioned_in_both_clips(root: Path, tmp_path: Path) -> None:
    media = root / "workflows/media"

    result = await ran(root, tmp_path, media / "cat.mp4", media / "person.mp4")

    everything = sorted({*SHOWN, *MENTIONED["cat"], *MENTIONED["person"]})
    assert (result.status, result.failures) == ("succeeded", ())
    assert result.outputs == {"objects": everything, "shown": SHOWN, "mentioned": sorted({*MENTIONED["cat"], *MENTIONED["person"]})}
    assert {step: len(values(result, step)) for step in STEPS} == STEPS
    cuts = {tuple(scene["end"] for scene in scenes) for scenes in values(result, "scenes")}
    assert cuts == {(6.0, 9.68, 12.8), (6.16, 9.28, 12.64)}


async def test_a_file_that_is_no_video_fails_the_job_with_its_name(root: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_text("Dear reader")

    result = await ran(root, tmp_path, tmp_path / "letter.mp4")

    assert result.status == "failed"
    [failure] = result.failures
    assert failure.reason == "bad-media"
    assert "letter.mp4 cannot be read" in failure.message
