"""People and cats in images, and images that show neither."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.values import File
from murakkab_executors.capabilities import AudioClip, Scene
from murakkab_executors.detection import opencv_cascades, overlap, upright_cascades
from murakkab_executors.video import pyav_frames
from tests.executors.media_files import call_in


@pytest.fixture
def call(tmp_path: Path) -> Call:
    return call_in(tmp_path)


def still(path: Path, start: float, end: float, call: Call) -> File:
    file = File(str(path))
    [image] = pyav_frames(Scene(file, 0, start, end, AudioClip(file, start, end)), 1, call=call)
    return image


@pytest.mark.parametrize(
    ("clip", "start", "end", "labels"),
    [
        ("cat", 0.0, 6.0, ["cat"]),
        ("cat", 6.0, 9.68, []),  # coffee
        ("cat", 9.68, 12.8, ["cat"]),
        ("person", 0.0, 6.16, ["person"]),
        ("person", 6.16, 9.28, []),  # a rocket
        ("person", 9.28, 12.64, []),  # galaxies
    ],
)
def test_what_the_shipped_clips_show_is_seen(clip: str, start: float, end: float, labels: list[str], root: Path, call: Call) -> None:
    image = still(root / f"workflows/media/{clip}.mp4", start, end, call)

    found = opencv_cascades([image], call=call)

    assert [detection.label for detection in found] == labels
    for detection in found:
        box = detection.box
        assert detection.frame == image
        assert 0 < detection.score <= 1
        assert 0 <= box.left < box.left + box.width <= 480
        assert 0 <= box.top < box.top + box.height <= 320


@pytest.mark.parametrize(
    ("clip", "start", "end", "labels"), [("cat", 0.0, 6.0, ["cat"]), ("person", 0.0, 6.16, ["person"]), ("person", 9.28, 12.64, [])]
)
def test_one_upright_look_sees_who_faces_the_camera(clip: str, start: float, end: float, labels: list[str], root: Path, call: Call) -> None:
    image = still(root / f"workflows/media/{clip}.mp4", start, end, call)
    thorough = opencv_cascades([image], call=call)

    found = upright_cascades([image], call=call)

    assert [detection.label for detection in found] == labels
    for one, other in zip(found, thorough, strict=True):
        boxes = [(float(b.left), float(b.top), float(b.width), float(b.height)) for b in (one.box, other.box)]
        assert overlap(*boxes) > 0.4


def test_what_too_few_images_of_a_scene_show_is_left_out(root: Path, call: Call) -> None:
    cat = still(root / "workflows/media/cat.mp4", 0.0, 6.0, call)
    grey = File(**call.artifacts.put(cv2.imencode(".png", np.full((60, 80), 128, np.uint8))[1].tobytes(), suffix=".png"))

    def seen(images: list[File], agreement: float) -> list[File]:
        return [detection.frame for detection in opencv_cascades(images, call=call, agreement=agreement)]

    assert seen([grey, cat], 0.5) == [cat]
    assert seen([grey, cat, grey], 0.5) == []
    assert seen([grey, cat, grey], 0.0) == [cat]
    assert seen([], 0.5) == []


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff\xd8\xff\xe0 a JPEG that ends at once"])
def test_what_is_no_image_is_refused_for_good(content: bytes, call: Call) -> None:
    bad = File(**call.artifacts.put(content, suffix=".jpg"))
    with pytest.raises(ExecutorError, match="not an image that OpenCV can read; give JPEG") as caught:
        opencv_cascades([bad], call=call)
    assert (caught.value.reason, caught.value.retryable) == ("bad-media", False)


def test_overlap_is_one_for_the_same_box_and_zero_for_boxes_apart() -> None:
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert overlap((0, 0, 2, 2), (2, 0, 2, 2)) == 0
    assert overlap((0, 0, 2, 2), (1, 0, 2, 2)) == pytest.approx(1 / 3)
