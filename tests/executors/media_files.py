"""Media files made for a test: the shipped clips in other shapes, and clips made from nothing."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts


def call_in(folder: Path, **inputs: Any) -> Call:
    return Call("t", 1, inputs, {}, LocalArtifacts(folder / "artifacts"))


def remuxed(source: Path, target: Path, *, kinds: Iterable[str] = ("video", "audio"), video_filter: str = "") -> Path:
    """Put the streams of *source* into another container, undecoded."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = [stream for stream in old.streams if stream.type in kinds]
        copies: dict[int, Any] = {stream.index: new.add_stream_from_template(stream) for stream in streams}
        changes = BitStreamFilterContext(video_filter, old.streams.video[0]) if video_filter else None
        for packet in old.demux(streams):
            if packet.dts is None:
                continue
            for changed in changes.filter(packet) if changes and packet.stream.type == "video" else [packet]:
                changed.stream = copies[packet.stream.index]
                new.mux(changed)
    return target


def filmed(target: Path, pictures: Iterable[Any], *, rate: int = 25) -> Path:
    """Film pictures (rows x columns x 3) at *rate* a second, without sound."""
    with av.open(str(target), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height = 64, 48
        stream.time_base = Fraction(1, rate)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target


def recorded(target: Path, samples: Any, *, rate: int = 16_000) -> Path:
    """Record 16-bit samples of one channel as WAV."""
    import wave

    with wave.open(str(target), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.asarray(samples, np.int16).tobytes())
    return target
