"""Scenes and still images of the shipped clips, in several containers, and of files that are no good."""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from murakkab.errors import ExecutorError, NotFoundError
from murakkab.ports import Report
from murakkab.steps import CURRENT, CurrentAttempt
from murakkab.values import File
from murakkab_executors.capabilities import AudioClip, Scene
from murakkab_executors.video import even_pieces, key_pictures, pyav_frames, pyscenedetect
from tests.executors.media_files import call_in, filmed, remuxed

CUTS = {"cat": [0.0, 6.0, 9.68, 12.8], "person": [0.0, 6.16, 9.28, 12.64]}


def scene_of(path: Path, start: float, end: float) -> Scene:
    file = File(str(path))
    return Scene(file, 0, start, end, AudioClip(file, start, end))


def picture(file: File) -> "np.typing.NDArray[np.uint8]":
    read = cv2.imread(file.uri.removeprefix("file://"))
    assert read is not None
    return np.asarray(read, np.uint8)


@pytest.fixture
def cat(root: Path) -> Path:
    return root / "workflows/media/cat.mp4"


@pytest.mark.parametrize("name", CUTS)
def test_the_cuts_of_the_shipped_clips_are_found(name: str, root: Path, tmp_path: Path) -> None:
    video = File(str(root / f"workflows/media/{name}.mp4"))

    scenes = pyscenedetect(video, call=call_in(tmp_path))

    cuts = CUTS[name]
    assert [(s.index, s.start, s.end) for s in scenes] == [(i, cuts[i], cuts[i + 1]) for i in range(3)]
    assert [s.audio for s in scenes] == [AudioClip(video, s.start, s.end) for s in scenes]
    assert {s.video for s in scenes} == {video}


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_a_file_whose_clock_does_not_begin_at_zero_gives_the_same_scenes_and_images(suffix: str, cat: Path, tmp_path: Path) -> None:
    other = remuxed(cat, tmp_path / f"cat.{suffix}")
    call = call_in(tmp_path)

    assert [s.start for s in pyscenedetect(File(str(other)), call=call)] == CUTS["cat"][:-1]
    for start, end in ((0.0, 6.0), (6.0, 9.68), (9.68, 12.8)):
        expected = pyav_frames(scene_of(cat, start, end), 2, call=call)
        assert pyav_frames(scene_of(other, start, end), 2, call=call) == expected


def test_a_video_without_cuts_is_one_scene(tmp_path: Path) -> None:
    video = filmed(tmp_path / "still.mp4", [np.full((48, 64, 3), 90)] * 50)

    assert [(s.start, s.end) for s in pyscenedetect(File(str(video)), call=call_in(tmp_path))] == [(0.0, 2.0)]


def test_a_shorter_least_scene_lets_more_cuts_through(tmp_path: Path) -> None:
    flicker = [np.full((48, 64, 3), 250 * (second % 2)) for second in range(6) for _ in range(5)]
    video = File(str(filmed(tmp_path / "flicker.mp4", flicker)))
    call = call_in(tmp_path)

    assert len(pyscenedetect(video, call=call, min_scene_s=0.1)) > len(pyscenedetect(video, call=call, min_scene_s=0.9))


def test_the_images_of_a_scene_are_from_that_scene(cat: Path, tmp_path: Path) -> None:
    call = call_in(tmp_path)

    cats, coffee = (pyav_frames(scene_of(cat, *times), 4, call=call) for times in ((0.0, 6.0), (6.0, 9.68)))

    def colour(file: File) -> "np.typing.NDArray[np.float64]":
        return np.asarray(picture(file).mean(axis=(0, 1)), np.float64)

    assert len(set(cats)) == len(set(coffee)) == 4
    assert all(file.media_type == "image/jpeg" and picture(file).shape == (320, 480, 3) for file in (*cats, *coffee))
    apart = np.abs(colour(cats[0]) - colour(coffee[0])).max()
    for group in (cats, coffee):
        assert max(np.abs(colour(file) - colour(group[0])).max() for file in group) < apart / 2


def test_the_same_scene_gives_the_same_files(cat: Path, tmp_path: Path) -> None:
    call = call_in(tmp_path)
    assert pyav_frames(scene_of(cat, 6.0, 9.68), 2, call=call) == pyav_frames(scene_of(cat, 6.0, 9.68), 2, call=call)
    assert pyav_frames(scene_of(cat, 6.0, 9.68), 1, call=call) != pyav_frames(scene_of(cat, 6.0, 9.68), 1, call=call, quality=50)


def test_a_scene_with_fewer_pictures_than_wanted_gives_each_once(cat: Path, tmp_path: Path) -> None:
    three = pyav_frames(scene_of(cat, 6.0, 6.12), 10, call=call_in(tmp_path))
    assert len(three) == len(set(three)) == 3


def test_an_image_is_upright_though_the_camera_lay_on_its_side(cat: Path, tmp_path: Path) -> None:
    turned = remuxed(cat, tmp_path / "turned.mp4", video_filter="h264_metadata=display_orientation=insert:rotate=90")
    call = call_in(tmp_path)

    [image] = pyav_frames(scene_of(turned, 0.0, 0.04), 1, call=call)
    [plain] = pyav_frames(scene_of(cat, 0.0, 0.04), 1, call=call)

    assert np.abs(picture(image).astype(int) - np.rot90(picture(plain)).astype(int)).mean() < 3  # anticlockwise, but for JPEG's losses


# ----------------------------------------------------------------------------------------------------------- quicker ways


@pytest.mark.parametrize("pictures", ["third", "key"])
@pytest.mark.parametrize("name", CUTS)
def test_fewer_pictures_find_the_cuts_nearly_where_they_are(pictures: Any, name: str, root: Path, tmp_path: Path) -> None:
    scenes = pyscenedetect(File(str(root / f"workflows/media/{name}.mp4")), call=call_in(tmp_path), pictures=pictures)

    times = [0.0, *(scene.end for scene in scenes)]
    assert times[-1] == CUTS[name][-1]
    assert all(0 <= found - cut <= 0.1 for found, cut in zip(times, CUTS[name], strict=True))


def test_even_pieces_are_equal_and_reach_from_end_to_end(cat: Path, tmp_path: Path) -> None:
    call = call_in(tmp_path)

    pieces = even_pieces(File(str(cat)), call=call, piece_s=3.0)

    assert [(one.start, one.end) for one in pieces] == [(0.0, 3.2), (3.2, 6.4), (6.4, 9.6), (9.6, 12.8)]
    assert [(one.start, one.end) for one in even_pieces(File(str(cat)), call=call, piece_s=600.0)] == [(0.0, 12.8)]


def test_key_pictures_are_from_their_scene_each_once(cat: Path, tmp_path: Path) -> None:
    call = call_in(tmp_path)
    exact = {at: pyav_frames(scene_of(cat, *times), 1, call=call)[0] for at, times in enumerate(((0.0, 6.0), (6.0, 9.68)))}

    for at, times in enumerate(((0.0, 6.0), (6.0, 9.68))):
        found = key_pictures(scene_of(cat, *times), 5, call=call)
        assert 1 <= len(found) == len(set(found)) <= 5
        apart = {other: np.abs(picture(found[0]).astype(int) - picture(image)).mean() for other, image in exact.items()}
        assert min(apart, key=lambda other: apart[other]) == at


def test_a_scene_without_a_key_picture_of_its_own_gives_the_one_in_its_middle(cat: Path, tmp_path: Path) -> None:
    call, scene = call_in(tmp_path), scene_of(cat, 2.0, 2.4)
    assert key_pictures(scene, 3, call=call) == pyav_frames(scene, 1, call=call)


def test_no_more_pictures_are_taken_than_the_knob_allows(cat: Path, tmp_path: Path) -> None:
    call = call_in(tmp_path)
    assert pyav_frames(scene_of(cat, 6.0, 9.68), 5, call=call, at_most=1) == pyav_frames(scene_of(cat, 6.0, 9.68), 1, call=call)


async def test_a_call_says_how_much_work_it_was(cat: Path, tmp_path: Path) -> None:
    scene = {"video": {"uri": str(cat)}, "index": 0, "start": 6.0, "end": 9.68}
    scene["audio"] = {"source": scene["video"], "start": 6.0, "end": 9.68}
    done = []
    for executor, inputs in ((pyscenedetect, {"video": scene["video"]}), (pyav_frames, {"scene": scene, "count": 2})):
        report = Report()
        CURRENT.set(CurrentAttempt(report))
        await executor.run(call_in(tmp_path, **inputs)._replace(report=report))
        done.append(report.units)
    assert done == [12.8, 2]


# --------------------------------------------------------------------------------------------------------------- bad files


def _bad(kind: str, cat: Path, folder: Path) -> Path:
    whole = cat.read_bytes()
    path = folder / f"{kind}.mp4"
    if kind == "sound":
        return remuxed(cat, path, kinds=["audio"])
    path.write_bytes({"text": b"hello " * 99, "empty": b"", "half": whole[: len(whole) // 2], "end": whole[:-3000]}[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("text", "cannot be read: Invalid data"),
        ("empty", "cannot be read: Invalid data"),
        ("half", "cannot be read: Invalid data"),
        ("end", r"is damaged: its pictures end at 12\.\d+ s, and it says 12\.80 s"),
        ("sound", "has no pictures; give a video"),
    ],
)
def test_a_file_that_is_no_whole_video_is_refused_for_good(kind: str, complaint: str, cat: Path, tmp_path: Path) -> None:
    bad = _bad(kind, cat, tmp_path)
    with pytest.raises(ExecutorError, match=complaint) as caught:
        pyscenedetect(File(str(bad)), call=call_in(tmp_path))
    assert (caught.value.reason, caught.value.retryable) == ("bad-media", False)
    assert bad.name in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere\.mp4 does not exist"):
        pyscenedetect(File(str(tmp_path / "nowhere.mp4")), call=call_in(tmp_path))


@pytest.mark.parametrize(
    ("start", "end", "count", "complaint"),
    [
        (0.0, 6.0, 0, "count is 0"),
        (6.0, 6.0, 1, r"cannot last from 6\.0 s to 6\.0 s"),
        (-1.0, 2.0, 1, "cannot last"),
        (100.0, 110.0, 2, r"has no picture between 100\.0 s and 110\.0 s"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_for_good(
    start: float, end: float, count: int, complaint: str, cat: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExecutorError, match=complaint) as caught:
        pyav_frames(scene_of(cat, start, end), count, call=call_in(tmp_path))
    assert not caught.value.retryable


async def test_a_missing_library_names_the_extra(cat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    with pytest.raises(ExecutorError, match=r"pip install 'murakkab\[video\]'"):
        await pyscenedetect.run(call_in(tmp_path, video={"uri": str(cat)}))


async def test_values_travel_as_json(cat: Path, tmp_path: Path) -> None:
    scenes = await pyscenedetect.run(call_in(tmp_path, video={"uri": str(cat)}))
    assert scenes[2]["audio"]["start"] == 9.68
    images = await pyav_frames.run(call_in(tmp_path, scene=scenes[2], count=2))
    assert [image["media_type"] for image in images] == ["image/jpeg"] * 2
