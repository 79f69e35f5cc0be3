"""driver: opening video and sound files - shared by the families that read them, so that all say the same of a file that is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.values import File

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_FALLBACK_RATE: Final = 25.0


@contextmanager
def opened(file: File, call: Call) -> Iterator["InputContainer"]:
    """Open a media file. FFmpeg's complaints, now or while it is read, become `ExecutorError`s. Raises `NotFoundError`."""
    import av
    from av.error import FFmpegError

    path = call.artifacts.local_path({"uri": file.uri})
    try:
        # A play list may name further files to read: those of this machine only, never a network.
        with av.open(path, metadata_errors="replace", options={"protocol_whitelist": "file"}) as container:
            yield container
    except FFmpegError as error:
        hint = "play the file to see whether it is whole, or convert it again"
        raise unreadable(file, f"cannot be read: {error.strerror}", hint=hint) from error


def unreadable(file: File, what: str, *, hint: str = "") -> ExecutorError:
    """Return the error for a file that will not do, however often it is tried."""
    return ExecutorError(f"{file.uri} {what}", hint=hint, reason="bad-media", retryable=False)


def wrong_input(what: str) -> ExecutorError:
    """Return the error for an input that cannot be met."""
    return ExecutorError(what, reason="bad-input", retryable=False)


def seconds(count: int | None, base: Any) -> float:
    """Return *count* units of a time base as seconds; of an unknown number, zero."""
    return float(count * Fraction(base.numerator, base.denominator)) if count is not None and base else 0.0


def origin(container: "InputContainer") -> float:
    """Return the time stamp at which a file begins: that of its first picture or, without pictures, of its first sound."""
    stream: Any = next(iter((*container.streams.video, *container.streams.audio)), None)
    return seconds(stream.start_time, stream.time_base) if stream is not None else 0.0


def length(container: "InputContainer") -> float:
    """Return the seconds that a file says it lasts; zero if it does not say."""
    import av

    return float((container.duration or 0) / av.time_base)


def pictures_of(container: "InputContainer", video: File) -> "VideoStream":
    """Return the stream of a file's pictures. Raises `ExecutorError` where it has none."""
    if not container.streams.video:
        raise unreadable(video, "has no pictures", hint="give a video, not a sound file")
    return container.streams.video[0]


def rate_of(stream: "VideoStream") -> float:
    """Return the pictures per second of a stream; 25 where it does not say."""
    return float(stream.average_rate or _FALLBACK_RATE)
