"""Build the two sample clips of the main job: ``cat.mp4`` and ``person.mp4``.

Each clip is a row of scenes with hard cuts between them. A scene shows one
freely usable photograph under a slow pan and zoom while a synthetic voice
speaks one or two sentences. What is said and what is shown differ on purpose,
so a right answer needs both the pictures and the sound.

The photographs come from the data folder of the ``scikit-image`` wheel; the
voice is ``flite`` (voice ``rms``). Origins and licences are in ``README.md``
next to this file.

Usage::

    python make_clips.py IMAGE_FOLDER [--out FOLDER]

Needs ``av``, ``numpy``, an OpenCV 4 wheel and the ``flite`` program.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 480
HEIGHT = 320
FPS = 25
RATE = 16_000
VOICE = "rms"
LEAD_S = 0.4
"""Silence before the first sentence of a scene."""
GAP_S = 0.6
"""Silence between two sentences of a scene."""
TAIL_S = 0.6
"""Silence after the last sentence of a scene, at least."""
MIN_SCENE_S = 3.0

Picture = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class View:
    """A window into a photograph, as shares of the photograph's width.

    Attributes:
        x: Left edge, 0 to 1 of the width.
        y: Top edge, 0 to 1 of the height.
        width: Width of the window, 0 to 1 of the width; its height follows
            from the shape of the clip.

    """

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Scene:
    """One photograph, the camera's path over it, and what is said meanwhile."""

    image: str
    start: View
    end: View
    sentences: tuple[str, ...]


CLIPS: dict[str, tuple[Scene, ...]] = {
    "cat.mp4": (
        Scene(
            "chelsea.png",
            View(0.0, 0.0, 1.0),
            View(0.02, 0.0, 0.95),
            ("A cat sits next to the window.", "The dog sleeps under the bed."),
        ),
        Scene(
            "coffee.png",
            View(0.0, 0.0, 0.9),
            View(0.1, 0.1, 0.9),
            ("There is a cup of coffee on the table.",),
        ),
        Scene(
            "chelsea.png",
            View(0.03, 0.03, 0.95),
            View(0.0, 0.0, 1.0),
            ("The children play with a ball.",),
        ),
    ),
    "person.mp4": (
        Scene(
            "astronaut.png",
            View(0.0, 0.0, 1.0),
            View(0.06, 0.0, 0.9),
            ("A person is standing near the rocket.", "The woman is wearing a helmet."),
        ),
        Scene(
            "rocket.jpg",
            View(0.0, 0.0, 0.9),
            View(0.1, 0.1, 0.9),
            ("The birds fly above the river.",),
        ),
        Scene(
            "hubble_deep_field.jpg",
            View(0.0, 0.0, 0.8),
            View(0.2, 0.3, 0.8),
            ("There is a telescope in the garden.",),
        ),
    ),
}


def speak(sentence: str, voice: str = VOICE) -> Samples:
    """Speak one sentence and return it as 16 kHz mono samples."""
    flite = shutil.which("flite")
    if flite is None:
        sys.exit("make_clips: the program 'flite' is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run([flite, "-voice", voice, "-t", sentence, "-o", str(path)], check=True)
        with wave.open(str(path)) as sound:
            if sound.getframerate() != RATE or sound.getnchannels() != 1:
                sys.exit(f"make_clips: voice {voice!r} is not {RATE} Hz mono")
            return np.frombuffer(sound.readframes(sound.getnframes()), dtype=np.int16)


def scene_sound(sentences: tuple[str, ...]) -> Samples:
    """Speak a scene's sentences with silences around them.

    The result lasts a whole number of video frames, so that sound and picture
    stay together over the cuts.
    """
    parts: list[Samples] = [np.zeros(int(LEAD_S * RATE), np.int16)]
    for number, sentence in enumerate(sentences):
        if number:
            parts.append(np.zeros(int(GAP_S * RATE), np.int16))
        parts.append(speak(sentence))
    spoken = sum(len(part) for part in parts) + int(TAIL_S * RATE)
    per_frame = RATE // FPS
    frames = max(-(-spoken // per_frame), round(MIN_SCENE_S * FPS))
    sound = np.zeros(frames * per_frame, np.int16)
    position = 0
    for part in parts:
        sound[position : position + len(part)] = part
        position += len(part)
    return sound


def scene_pictures(scene: Scene, folder: Path, frames: int) -> Iterator[Picture]:
    """Yield the pictures (RGB) of one scene, from its first view to its last."""
    path = folder / scene.image
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if photo is None:
        sys.exit(f"make_clips: cannot read {path}")
    photo = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
    rows, columns = photo.shape[:2]
    for number in range(frames):
        share = number / max(frames - 1, 1)
        share = share * share * (3 - 2 * share)
        x, y, width = (
            (1 - share) * first + share * last
            for first, last in (
                (scene.start.x, scene.end.x),
                (scene.start.y, scene.end.y),
                (scene.start.width, scene.end.width),
            )
        )
        scale = WIDTH / (width * columns)
        move = np.array([[scale, 0, -x * columns * scale], [0, scale, -y * rows * scale]])
        picture = cv2.warpAffine(
            photo,
            move,
            (WIDTH, HEIGHT),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        yield picture.astype(np.uint8, copy=False)


def write_clip(scenes: tuple[Scene, ...], folder: Path, target: Path) -> list[float]:
    """Write one clip and return the times of its cuts in seconds."""
    cuts: list[float] = []
    total_frames = 0
    options = {"crf": "27", "preset": "slow", "threads": "1"}
    with av.open(str(target), "w", options={"movflags": "+faststart"}) as container:
        video: Any = container.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio: Any = container.add_stream("aac", rate=RATE)
        audio.layout, audio.bit_rate = "mono", 48_000
        sounds = [scene_sound(scene.sentences) for scene in scenes]
        for scene, sound in zip(scenes, sounds, strict=True):
            frames = len(sound) * FPS // RATE
            for picture in scene_pictures(scene, folder, frames):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = total_frames, Fraction(1, FPS)
                container.mux(video.encode(frame))
                total_frames += 1
            cuts.append(total_frames / FPS)
        everything = np.concatenate(sounds)
        position = 0
        # The AAC encoder takes `fltp`, 1024 samples at a time.
        while position < len(everything):
            block = everything[position : position + 1024].astype(np.float32) / 32768
            sound_frame = av.AudioFrame.from_ndarray(block[np.newaxis, :], format="fltp", layout="mono")
            sound_frame.sample_rate, sound_frame.pts = RATE, position
            sound_frame.time_base = Fraction(1, RATE)
            container.mux(audio.encode(sound_frame))
            position += 1024
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return cuts[:-1]


def main() -> None:
    """Build every clip of `CLIPS`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("images", type=Path, help="folder with the photographs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the clips go")
    given = parser.parse_args()
    for name, scenes in CLIPS.items():
        target: Path = given.out / name
        cuts = write_clip(scenes, given.images, target)
        print(f"{name}: {target.stat().st_size} bytes, cuts at {cuts} s")


if __name__ == "__main__":
    main()
