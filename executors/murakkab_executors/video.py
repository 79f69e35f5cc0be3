"""driver: video - finding its scenes with PySceneDetect, taking still images with PyAV."""

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Final

from murakkab.catalog import Quote
from murakkab.ports import Call
from murakkab.values import File
from murakkab_executors import capabilities
from murakkab_executors.capabilities import AudioClip, Scene
from murakkab_executors.function import Knob, executor
from murakkab_executors.media import opened, origin, seconds, unreadable, wrong_input

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from scenedetect import ContentDetector

#: Pictures are compared at about this width: enough to see a cut, and quick for large videos.
_COMPARED_WIDTH: Final = 256
#: Decoding on over this many seconds is quicker than seeking.
_NEAR: Final = 2.0
_FALLBACK_RATE: Final = 25.0


@executor(
    capabilities.scene_detection,
    name="pyscenedetect",
    effect="pure",
    extra="video",
    quote=Quote(seconds=0.3, source="measured"),
)
def pyscenedetect(
    video: File,
    *,
    call: Call,
    threshold: Annotated[float, Knob("how much of a picture must change at a cut; lower finds more cuts", low=10.0, high=60.0)] = 27.0,
    min_scene_s: Annotated[float, Knob("no scene is shorter than this many seconds", low=0.1, high=10.0)] = 0.6,
) -> list[Scene]:
    """Find cuts by the change of colour and brightness between pictures (PySceneDetect's content detector).

    Measured on 13 s of 480 x 320. A damaged video is refused rather than judged by the part that can be read.
    """
    from scenedetect import ContentDetector

    with opened(video, call) as container:
        rate = _rate(_pictures_of(container, video))
        detector = ContentDetector(threshold=threshold, min_scene_len=max(1, round(min_scene_s * rate)))
        times = _cuts(container, video, detector)
    return [Scene(video, index, start, end, AudioClip(video, start, end)) for index, (start, end) in enumerate(itertools.pairwise(times))]


def _cuts(container: "InputContainer", video: File, detector: "ContentDetector") -> list[float]:
    """Return when the scenes begin, and when the last one ends."""
    from scenedetect import FrameTimecode
    from scenedetect.common import Timecode

    stream = _pictures_of(container, video)
    zero, rate = origin(container), _rate(stream)
    cuts: list[FrameTimecode] = []
    count, last = 0, None
    for frame in container.decode(stream):
        if frame.pts is None or frame.time_base is None:
            raise unreadable(video, "holds pictures without times", hint="put it into a container such as MP4")
        base = Fraction(frame.time_base.numerator, frame.time_base.denominator)
        last = FrameTimecode(Timecode(frame.pts - round(zero / base), base), fps=rate)
        cuts += detector.process_frame(last, _small(frame))
        count += 1
    if last is None:
        raise unreadable(video, "holds no picture")
    cuts += detector.post_process(last)
    end = last.seconds + 1 / rate
    declared = seconds(stream.duration, stream.time_base)
    if count < stream.frames and end < declared - 1.5 / rate:
        raise unreadable(video, f"is damaged: its pictures end at {end:.2f} s, and it says {declared:.2f} s")
    return [0.0, *(round(cut.seconds, 6) for cut in cuts), round(end, 6)]


def _rate(stream: "VideoStream") -> float:
    return float(stream.average_rate or _FALLBACK_RATE)


def _pictures_of(container: "InputContainer", video: File) -> "VideoStream":
    if not container.streams.video:
        raise unreadable(video, "has no pictures", hint="give a video, not a sound file")
    return container.streams.video[0]


def _small(frame: "VideoFrame") -> Any:
    shrink = max(1.0, frame.width / _COMPARED_WIDTH)
    width, height = max(1, round(frame.width / shrink)), max(1, round(frame.height / shrink))
    return frame.to_ndarray(format="bgr24", width=width, height=height)


@executor(
    capabilities.frame_extraction,
    name="pyav-frames",
    effect="pure",
    extra="video",
    quote=Quote(seconds=0.03, source="measured"),
)
def pyav_frames(
    scene: Scene,
    count: int,
    *,
    call: Call,
    quality: Annotated[int, Knob("quality of the JPEG images", low=50, high=100)] = 90,
) -> list[File]:
    """Take the picture in the middle of each of `count` equal parts of the scene, as JPEG. Fewer where the scene has fewer pictures.

    Measured for 5 pictures of 480 x 320.
    """
    if count < 1:
        raise wrong_input(f"count is {count}, and must be at least 1")
    if not 0 <= scene.start < scene.end:
        raise wrong_input(f"a scene cannot last from {scene.start} s to {scene.end} s")
    step = (scene.end - scene.start) / count
    wanted = [scene.start + (number + 0.5) * step for number in range(count)]
    images = _images(scene, wanted, call, seek=True)
    if images is None:
        images = _images(scene, wanted, call, seek=False) or []
    if not images:
        hint = "take the scenes from scene-detection of the same file"
        raise unreadable(scene.video, f"has no picture between {scene.start} s and {scene.end} s", hint=hint)
    jpegs = [_jpeg(image, quality, scene.video) for image in images]
    return [File(**call.artifacts.put(jpeg, suffix=".jpg", media_type="image/jpeg")) for jpeg in jpegs]


def _images(scene: Scene, wanted: Sequence[float], call: Call, *, seek: bool) -> list[Any] | None:
    """Return the upright pictures at the *wanted* times, or None where the file cannot seek: its pictures are then decoded one by one."""
    images = []
    with opened(scene.video, call) as container:
        stream = _pictures_of(container, scene.video)
        half = 0.501 / _rate(stream)  # a little more: at a tie the earlier picture is taken, always
        zero = origin(container)
        frames: Iterator[VideoFrame] = container.decode(stream)
        position = -half
        for time in wanted:
            if position + half >= time:  # the scene has fewer pictures than are wanted
                continue
            if seek and time - position > _NEAR:
                container.seek(round((time + zero) / seconds(1, stream.time_base)), stream=stream)
                frames = container.decode(stream)
                frame = next(frames, None)
                if frame is None or (frame.time or 0.0) - zero > time + half:
                    return None
            else:
                frame = next(frames, None)
            while frame is not None and (frame.time or 0.0) - zero + half < time:
                frame = next(frames, None)
            if frame is None:
                break
            position = (frame.time or 0.0) - zero
            if position >= scene.end:
                break
            images.append(_upright(frame))
    return images


def _upright(frame: "VideoFrame") -> Any:
    """Return the picture turned as the camera says it was held: telephones film lying on their side."""
    import numpy as np

    picture = frame.to_ndarray(format="bgr24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4  # PyAV before 14 cannot tell
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def _jpeg(picture: Any, quality: int, video: File) -> bytes:
    import cv2

    good, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise unreadable(video, "holds a picture that cannot be stored as JPEG")
    return bytes(data.tobytes())


EXECUTORS: Final = (pyscenedetect, pyav_frames)
