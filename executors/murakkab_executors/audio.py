"""driver: sound - cutting it out of a file with PyAV, and writing down what is said with pocketsphinx."""

import functools
import io
import re
import wave
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from murakkab.catalog import Quote
from murakkab.ports import Call
from murakkab.steps import spend
from murakkab.values import File
from murakkab_executors import capabilities
from murakkab_executors.capabilities import AudioClip, Transcript, Word
from murakkab_executors.function import Knob, executor
from murakkab_executors.media import length, opened, origin, seconds, unreadable, wrong_input

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_RATE: Final = 16_000
_SAMPLE: Final = 2  # bytes
#: Begin to decode this much earlier: the first block after a seek is unsound in most codecs.
_LEAD: Final = 0.2
#: The sound of a file may end this much before or after its pictures.
_SLACK: Final = 0.3
#: A silence of this many seconds ends a sentence.
_PAUSE: Final = 0.35
#: Longer speech is taken in pieces, cut where nobody speaks.
_LONGEST: Final = 30.0
#: How hard the decoder looks: what is given to it beside its own defaults. Quicker ones keep fewer guesses and go over the sound once.
Search = Literal["full", "brisk", "hasty"]
_ONCE: Final = {"fwdflat": False, "bestpath": False, "topn": 2}
_SEARCHES: Final[Mapping[Search, Mapping[str, Any]]] = {
    "full": {},
    "brisk": {**_ONCE, "maxhmmpf": 1000},
    "hasty": {**_ONCE, "maxhmmpf": 500, "maxwpf": 5, "beam": 1e-40, "pbeam": 1e-40, "wbeam": 1e-25},
}


@executor(capabilities.audio_extraction, name="pyav-audio", effect="pure", extra="audio", quote=Quote(seconds=0.01, source="measured"))
def pyav_audio(audio: AudioClip, *, call: Call) -> File:
    """Decode the sound of a clip, mix it to one channel and store it as WAV with 16-bit samples."""
    samples, _ = _samples(audio, call)
    spend(units=audio.end - audio.start)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(_SAMPLE)
        sound.setframerate(_RATE)
        sound.writeframes(samples)
    return File(**call.artifacts.put(buffer.getvalue(), suffix=".wav", media_type="audio/wav"))


@executor(
    capabilities.speech_to_text,
    name="pocketsphinx",
    run_in="process",  # it holds the interpreter's lock while it listens
    effect="pure",
    extra="audio",
    quote=Quote(seconds=1.5, quality=0.618, source="measured"),
)
def pocketsphinx(
    audio: AudioClip,
    *,
    call: Call,
    search: Annotated[Search, Knob("how hard to look for the words", choices=("full", "brisk", "hasty"), trades=True)] = "full",
    least_speech_s: Annotated[float, Knob("clips with less than this many seconds of voice are taken for silent", low=0.0, high=2.0)] = 0.2,
    voiced_share: Annotated[float, Knob("part of a word that must sound like a voice", low=0.0, high=1.0)] = 0.3,
) -> Transcript:
    """Write down English speech with the model that ships with pocketsphinx; a pause ends a sentence.

    It is quick and needs no download, but it was trained on clear speech and is often wrong about anything else. Its words carry no
    confidence: the figures that pocketsphinx gives are about as high for wrong words as for right ones. It also hears words in
    silence, so that only words count which a voice detector takes for speech as well. A `brisk` search is as good on clear speech, and
    worse in noise; a `hasty` one is worse in both. Measured on 4 s of clear sound, the model loaded; in noise it takes several times that.
    """
    samples, has_sound = _samples(audio, call)
    spend(units=audio.end - audio.start)
    if not has_sound:
        return Transcript("", language="en")
    voiced, step = _voiced(samples)
    if sum(voiced) * step < least_speech_s:
        return Transcript("", language="en")
    words = [
        Word(text, round(audio.start + start, 3), round(audio.start + end, 3))
        for text, start, end in _heard(samples, _utterances(voiced, step), search)
        if _share(voiced, start / step, end / step) >= voiced_share
    ]
    return Transcript(text_of(words), words, "en")


def text_of(words: Sequence[Word]) -> str:
    """Return the words as text, with a full stop at every pause."""
    text = ""
    for before, word in zip((None, *words), words, strict=False):
        gap = "" if before is None else ". " if word.start - before.end >= _PAUSE else " "
        text += gap + word.text
    return f"{text}." if text else ""


def _share(voiced: Sequence[bool], start: float, end: float) -> float:
    part = voiced[int(start) : max(int(start) + 1, int(end))]
    return sum(part) / len(part) if part else 0.0


# ----------------------------------------------------------------------------------------------------------------- samples


def _samples(clip: AudioClip, call: Call) -> tuple[bytes, bool]:
    """Return the clip as 16 kHz mono 16-bit samples of exactly its length, and whether its source has any sound."""
    if not 0 <= clip.start < clip.end:
        raise wrong_input(f"a clip cannot last from {clip.start} s to {clip.end} s")
    size = _SAMPLE * round((clip.end - clip.start) * _RATE)
    with opened(clip.source, call) as container:
        known = length(container)
        if known and clip.start >= known + _SLACK:
            raise wrong_input(f"the clip begins at {clip.start} s, but {clip.source.uri} lasts only {known:.2f} s")
        if not container.streams.audio:
            return bytes(size), False
        found = _decoded(container, container.streams.audio[0], clip, seek=clip.start > _LEAD)
    if found is None:
        with opened(clip.source, call) as container:
            found = _decoded(container, container.streams.audio[0], clip, seek=False) or b""
    return found[:size].ljust(size, b"\0"), True


def _decoded(container: "InputContainer", stream: "AudioStream", clip: AudioClip, *, seek: bool) -> bytes | None:
    """Return the samples from the clip's start on, not beyond its end by much; None where seeking leads to a later place."""
    import av

    zero = origin(container)
    if seek:
        container.seek(round((clip.start - _LEAD + zero) / seconds(1, stream.time_base)), stream=stream)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    first = last = None
    data = bytearray()
    for frame in container.decode(stream):
        begin = (frame.time or 0.0) - zero
        if first is None:
            first = begin
            if seek and first > clip.start:
                return None
        last = begin + frame.samples / frame.sample_rate
        if begin >= clip.end:
            break
        data += b"".join(part.to_ndarray().tobytes() for part in resampler.resample(frame))
    _check_whole(stream, clip, last)
    if first is None:
        return b""
    data += b"".join(part.to_ndarray().tobytes() for part in resampler.resample(None))
    low = _SAMPLE * round((clip.start - first) * _RATE)
    return bytes(-low) + bytes(data) if low < 0 else bytes(data[low:])


def _check_whole(stream: "AudioStream", clip: AudioClip, last: float | None) -> None:
    """Raise `ExecutorError` where the sound ends before the file says it does: the file was cut off."""
    declared = seconds(stream.duration, stream.time_base)
    if min(declared, clip.end) > max(last or 0.0, clip.start) + _SLACK:
        raise unreadable(clip.source, f"is damaged: its sound ends at {last or 0.0:.2f} s, and it says {declared:.2f} s")


# ---------------------------------------------------------------------------------------------------------------- listening


@functools.cache
def _decoder(search: Search) -> Any:
    """Load the model: once in each process for each search, and every process listens to one clip at a time."""
    from pocketsphinx import Decoder

    return Decoder(samprate=_RATE, loglevel="FATAL", **_SEARCHES[search])


def _voiced(samples: bytes) -> tuple[list[bool], float]:
    """Return for every short step of the sound whether it is a voice, and the seconds of a step."""
    from pocketsphinx import Vad

    detector = Vad(mode=2, sample_rate=_RATE)
    size = detector.frame_bytes
    steps = range(0, len(samples) - size + 1, size)
    return [bool(detector.is_speech(samples[at : at + size])) for at in steps], float(detector.frame_length)


def _utterances(voiced: Sequence[bool], step: float) -> Iterator[tuple[float, float | None]]:
    """Yield start and end of pieces to listen to at once; the last has no end. Long sound is cut in the longest silence in reach."""
    longest, start = int(_LONGEST / step), 0
    while len(voiced) - start > longest:
        # Not in the first third: the shorter the pieces, the less the decoder has to go by.
        cut = start + longest // 3 + _middle_of_silence(voiced[start + longest // 3 : start + longest])
        yield start * step, cut * step
        start = cut
    yield start * step, None


def _middle_of_silence(voiced: Sequence[bool]) -> int:
    """Return the middle of the longest run without a voice, or the end where there is none."""
    best = (0, len(voiced))
    since = 0
    for at, voice in enumerate((*voiced, True)):
        if voice:
            if at > since:
                best = max(best, (at - since, (since + at) // 2))
            since = at + 1
    return best[1]


def _heard(samples: bytes, pieces: Iterator[tuple[float, float | None]], search: Search) -> Iterator[tuple[str, float, float]]:
    """Yield every word with its start and end, in seconds of the samples."""
    decoder = _decoder(search)
    for start, end in pieces:
        # As a whole and with fresh filters: so what was heard before plays no part, and the same sound gives the same words.
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(samples[_at(start) : None if end is None else _at(end)], full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            continue
        for segment in decoder.seg():
            if segment.word[0] not in "<[+":  # silence and noise
                word = re.sub(r"\(\d+\)$", "", segment.word)  # the second way to say it
                yield word, start + segment.start_frame / 100, start + (segment.end_frame + 1) / 100


def _at(time: float) -> int:
    return _SAMPLE * round(time * _RATE)


EXECUTORS: Final = (pyav_audio, pocketsphinx)
