"""driver: video - finding its scenes with PySceneDetect, taking still images with PyAV."""

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from murakkab.catalog import Quote
from murakkab.ports import Call
from murakkab.steps import spend
from murakkab.values import File
from murakkab_executors import capabilities
from murakkab_executors.capabilities import AudioClip, Scene
from murakkab_executors.function import Knob, executor
from murakkab_executors.media import length, opened, origin, pictures_of, rate_of, seconds, unreadable, wrong_input

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from scenedetect import ContentDetector

#: Pictures are compared at about this width: enough to see a cut, and quick for large videos.
_COMPARED_WIDTH: Final = 256
#: Decoding on over this many seconds is quicker than seeking.
_NEAR: Final = 2.0
#: Which pictures are compared; of "key" ones the others need not even be decoded.
Looked = Literal["all", "third", "key"]
AtMost = Annotated[int, Knob("no more pictures than this, whatever `count` says", choices=(100, 3, 1), trades=True)]
JpegQuality = Annotated[int, Knob("quality of the JPEG images", low=50, high=100)]
_EVERY: Final = {"all": 1, "third": 3, "key": 1}


@executor(
    capabilities.scene_detection,
    name="pyscenedetect",
    effect="pure",
    extra="video",
    quote=Quote(seconds=0.85, quality=1.0, source="measured"),
)
def pyscenedetect(
    video: File,
    *,
    call: Call,
    pictures: Annotated[
        Looked, Knob("which pictures are looked at; fewer are quicker, and cuts found later", choices=("all", "third", "key"), trades=True)
    ] = "all",
    threshold: Annotated[float, Knob("how much of a picture must change at a cut; lower finds more cuts", low=10.0, high=60.0)] = 27.0,
    min_scene_s: Annotated[float, Knob("no scene is shorter than this many seconds", low=0.1, high=10.0)] = 0.6,
) -> list[Scene]:
    """Find cuts by the change of colour and brightness between pictures (PySceneDetect's content detector).

    Measured on 13 s of 480 x 320. A damaged video is refused rather than judged by the part that can be read; of one whose `key` pictures
    alone are looked at, damage between them is not seen. Those lie at the cuts where the encoder looked for cuts, else a few seconds apart.
    """
    from scenedetect import ContentDetector

    with opened(video, call) as container:
        rate = rate_of(pictures_of(container, video))
        detector = ContentDetector(threshold=threshold, min_scene_len=max(1, round(min_scene_s * rate)))
        times = _cuts(container, video, detector, pictures)
    spend(units=times[-1])
    return _scenes(video, times)


def _scenes(video: File, times: Sequence[float]) -> list[Scene]:
    return [Scene(video, index, start, end, AudioClip(video, start, end)) for index, (start, end) in enumerate(itertools.pairwise(times))]


def _cuts(container: "InputContainer", video: File, detector: "ContentDetector", looked: Looked) -> list[float]:
    """Return when the scenes begin, and when the last one ends."""
    from scenedetect import FrameTimecode
    from scenedetect.common import Timecode

    stream = pictures_of(container, video)
    zero, rate = origin(container), rate_of(stream)
    if looked == "key":
        stream.codec_context.skip_frame = "NONKEY"
    cuts: list[FrameTimecode] = []
    count, last = 0, None
    for frame in container.decode(stream):
        if frame.pts is None or frame.time_base is None:
            raise unreadable(video, "holds pictures without times", hint="put it into a container such as MP4")
        base = Fraction(frame.time_base.numerator, frame.time_base.denominator)
        last = FrameTimecode(Timecode(frame.pts - round(zero / base), base), fps=rate)
        if count % _EVERY[looked] == 0:
            cuts += detector.process_frame(last, _small(frame))
        count += 1
    if last is None:
        raise unreadable(video, "holds no picture")
    cuts += detector.post_process(last)
    end = last.seconds + 1 / rate
    declared = seconds(stream.duration, stream.time_base)
    if looked == "key":
        end = max(end, declared or length(container))
    elif count < stream.frames and end < declared - 1.5 / rate:
        raise unreadable(video, f"is damaged: its pictures end at {end:.2f} s, and it says {declared:.2f} s")
    return [0.0, *(round(cut.seconds, 6) for cut in cuts), round(end, 6)]


def _small(frame: "VideoFrame") -> Any:
    shrink = max(1.0, frame.width / _COMPARED_WIDTH)
    width, height = max(1, round(frame.width / shrink)), max(1, round(frame.height / shrink))
    return frame.to_ndarray(format="bgr24", width=width, height=height)


@executor(
    capabilities.scene_detection,
    name="even-pieces",
    effect="pure",
    extra="video",
    quote=Quote(seconds=0.003, quality=0.717, source="measured"),
)
def even_pieces(
    video: File,
    *,
    call: Call,
    piece_s: Annotated[float, Knob("seconds of a piece, about", low=0.5, high=600.0)] = 3.0,
) -> list[Scene]:
    """Cut a video into equal pieces by its length alone, wherever the shots end. No picture is looked at: it takes no time.

    Measured on 13 s of 480 x 320.
    """
    with opened(video, call) as container:
        stream = pictures_of(container, video)
        whole = seconds(stream.duration, stream.time_base) or length(container)
    if whole <= 0:
        raise unreadable(video, "does not say how long it is", hint="find its scenes with pyscenedetect, or put it into an MP4 container")
    count = max(1, round(whole / piece_s))
    spend(units=whole)
    return _scenes(video, [*(round(number * whole / count, 6) for number in range(count)), round(whole, 6)])


@executor(
    capabilities.frame_extraction,
    name="pyav-frames",
    effect="pure",
    extra="video",
    quote=Quote(seconds=0.06, quality=0.992, source="measured"),
)
def pyav_frames(
    scene: Scene,
    count: int,
    *,
    call: Call,
    at_most: AtMost = 100,
    quality: JpegQuality = 90,
) -> list[File]:
    """Take the picture in the middle of each of `count` equal parts of the scene, as JPEG. Fewer where the scene has fewer pictures.

    Measured for 5 pictures of 480 x 320.
    """
    return _stored(_exact(scene, _wanted(scene, min(count, at_most)), call), quality, scene.video, call)


@executor(
    capabilities.frame_extraction,
    name="key-pictures",
    effect="pure",
    extra="video",
    quote=Quote(seconds=0.03, quality=0.243, source="measured"),
)
def key_pictures(scene: Scene, count: int, *, call: Call, quality: JpegQuality = 90) -> list[File]:
    """Take the key picture next before the middle of each of `count` equal parts of the scene, each once, as JPEG.

    Only these pictures are decoded. There are as few as the encoder made: often one a scene, and not spread evenly. Where a scene has
    none of its own, the one in its middle is taken. Measured for scenes of 480 x 320.
    """
    images = _key_images(scene, _wanted(scene, count), call)
    return _stored(images or _exact(scene, _wanted(scene, 1), call), quality, scene.video, call)


def _wanted(scene: Scene, count: int) -> list[float]:
    if count < 1:
        raise wrong_input(f"count is {count}, and must be at least 1")
    if not 0 <= scene.start < scene.end:
        raise wrong_input(f"a scene cannot last from {scene.start} s to {scene.end} s")
    step = (scene.end - scene.start) / count
    return [scene.start + (number + 0.5) * step for number in range(count)]


def _stored(images: Sequence[Any], quality: int, video: File, call: Call) -> list[File]:
    spend(units=len(images))
    jpegs = [_jpeg(image, quality, video) for image in images]
    return [File(**call.artifacts.put(jpeg, suffix=".jpg", media_type="image/jpeg")) for jpeg in jpegs]


def _key_images(scene: Scene, wanted: Sequence[float], call: Call) -> list[Any]:
    """Return the key pictures of the scene that lie next before the *wanted* times, upright."""
    images, times = [], set()
    with opened(scene.video, call) as container:
        stream = pictures_of(container, scene.video)
        stream.codec_context.skip_frame = "NONKEY"
        half, zero = 0.501 / rate_of(stream), origin(container)
        for time in wanted:
            container.seek(round((time + zero) / seconds(1, stream.time_base)), stream=stream)
            frame = next(container.decode(stream), None)
            at = (frame.time or 0.0) - zero if frame is not None else scene.end
            if frame is not None and scene.start - half < at < scene.end and at not in times:
                times.add(at)
                images.append(_upright(frame))
    return images


def _exact(scene: Scene, wanted: Sequence[float], call: Call) -> list[Any]:
    """Return the pictures at the *wanted* times, upright. Raises `ExecutorError` where there are none."""
    images = _images(scene, wanted, call, seek=True)
    if images is None:
        images = _images(scene, wanted, call, seek=False) or []
    if not images:
        hint = "take the scenes from scene-detection of the same file"
        raise unreadable(scene.video, f"has no picture between {scene.start} s and {scene.end} s", hint=hint)
    return images


def _images(scene: Scene, wanted: Sequence[float], call: Call, *, seek: bool) -> list[Any] | None:
    """Return the upright pictures at the *wanted* times, or None where the file cannot seek: its pictures are then decoded one by one."""
    images = []
    with opened(scene.video, call) as container:
        stream = pictures_of(container, scene.video)
        half = 0.501 / rate_of(stream)  # a little more: at a tie the earlier picture is taken, always
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


EXECUTORS: Final = (pyscenedetect, even_pieces, pyav_frames, key_pictures)
