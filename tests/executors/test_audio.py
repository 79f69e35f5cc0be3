"""What is said in the shipped clips, and sound that says nothing."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from murakkab.errors import ExecutorError, NotFoundError
from murakkab.ports import Call, Report
from murakkab.values import File
from murakkab_executors.audio import _middle_of_silence, _utterances, pocketsphinx, pyav_audio, text_of
from murakkab_executors.capabilities import AudioClip, Word
from tests.executors.media_files import call_in, filmed, recorded, remuxed


@pytest.fixture
def call(tmp_path: Path) -> Call:
    return call_in(tmp_path)


@pytest.fixture
def cat(root: Path) -> Path:
    return root / "workflows/media/cat.mp4"


def clip_of(path: Path, start: float, end: float) -> AudioClip:
    return AudioClip(File(str(path)), start, end)


def samples_of(file: File, call: Call) -> Any:
    with wave.open(call.artifacts.local_path({"uri": file.uri})) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16)


# -------------------------------------------------------------------------------------------------------------- extraction


@pytest.mark.parametrize(("start", "end"), [(0.0, 6.0), (6.0, 9.68), (9.68, 12.8), (0.1, 0.15)])
def test_a_clip_is_exactly_as_long_as_asked_and_the_right_part(start: float, end: float, cat: Path, call: Call) -> None:
    whole = samples_of(pyav_audio(clip_of(cat, 0.0, 12.8), call=call), call)
    part = samples_of(pyav_audio(clip_of(cat, start, end), call=call), call)

    assert len(part) == round((end - start) * 16_000)
    assert np.abs(part.astype(int) - whole[round(start * 16_000) :][: len(part)]).max() < 200  # the codec begins anew after a seek


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_a_file_whose_clock_does_not_begin_at_zero_gives_the_same_sound(suffix: str, cat: Path, tmp_path: Path, call: Call) -> None:
    other = remuxed(cat, tmp_path / f"cat.{suffix}")

    expected, found = (samples_of(pyav_audio(clip_of(path, 6.0, 9.68), call=call), call).astype(float) for path in (cat, other))

    shift = int(np.argmax(np.correlate(found[20_000:24_400], expected[20_200:24_200], "valid"))) - 200
    assert abs(shift) <= 32  # 2 ms


def test_the_sound_of_silent_files_is_silence(tmp_path: Path, call: Call) -> None:
    video = filmed(tmp_path / "still.mp4", [np.full((48, 64, 3), 90)] * 50)
    assert not samples_of(pyav_audio(clip_of(video, 0.5, 1.5), call=call), call).any()
    assert pocketsphinx(clip_of(video, 0.5, 1.5), call=call).words == []


def test_beyond_the_end_of_the_sound_is_silence_but_beyond_the_file_an_error(tmp_path: Path, call: Call) -> None:
    tone = recorded(tmp_path / "tone.wav", 9000 * np.sin(np.arange(16_000) / 5))

    longer = samples_of(pyav_audio(clip_of(tone, 0.5, 1.25), call=call), call)

    assert len(longer) == 12_000
    assert np.abs(longer[:8000]).max() > 8000
    assert not longer[8000:].any()
    with pytest.raises(ExecutorError, match=r"begins at 100\.0 s, but .*tone\.wav lasts only 1\.00 s") as caught:
        pyav_audio(clip_of(tone, 100.0, 101.0), call=call)
    assert not caught.value.retryable


def test_sound_of_another_rate_and_two_channels_is_converted(tmp_path: Path, call: Call) -> None:
    tone = recorded(tmp_path / "tone.wav", 9000 * np.sin(np.arange(44_100) / 20), rate=44_100)
    assert len(samples_of(pyav_audio(clip_of(tone, 0.0, 1.0), call=call), call)) == 16_000


def test_a_file_cut_off_in_its_sound_is_refused_for_good(cat: Path, tmp_path: Path, call: Call) -> None:
    sound = remuxed(cat, tmp_path / "sound.mkv", kinds=["audio"])
    for path, broken in ((sound, b"no sound at all"), (tmp_path / "cat.mp4", cat.read_bytes()[:60_000])):
        path.write_bytes(broken)
        with pytest.raises(ExecutorError, match=r"cannot be read|is damaged") as caught:
            pyav_audio(clip_of(path, 1.0, 4.0), call=call)
        assert (caught.value.reason, caught.value.retryable) == ("bad-media", False)


def test_a_missing_file_and_a_clip_without_length_are_refused(cat: Path, tmp_path: Path, call: Call) -> None:
    with pytest.raises(NotFoundError):
        pyav_audio(clip_of(tmp_path / "no.wav", 0.0, 1.0), call=call)
    for start, end in ((1.0, 1.0), (2.0, 1.0), (-1.0, 1.0)):
        with pytest.raises(ExecutorError, match="cannot last"):
            pocketsphinx(clip_of(cat, start, end), call=call)


# ------------------------------------------------------------------------------------------------------------------ speech


def test_the_words_of_a_clip_and_their_times_in_its_source(cat: Path, call: Call) -> None:
    heard = pocketsphinx(clip_of(cat, 6.0, 9.68), call=call)

    assert heard.text == "there is a cup of coffee on the table."
    assert heard.language == "en"
    assert [word.text for word in heard.words] == heard.text.strip(".").split()
    assert all(6.0 <= word.start < word.end <= 9.68 for word in heard.words)
    assert heard.words == sorted(heard.words, key=lambda word: word.start)
    assert {word.confidence for word in heard.words} == {None}


@pytest.mark.parametrize("search", ["brisk", "hasty"])
def test_quicker_searches_hear_clear_speech_too(search: Any, cat: Path, call: Call) -> None:
    assert pocketsphinx(clip_of(cat, 6.0, 9.68), call=call, search=search).text == "there is a cup of coffee on the table."


def test_what_was_heard_before_plays_no_part(root: Path, cat: Path, call: Call) -> None:
    first = pocketsphinx(clip_of(cat, 9.68, 12.8), call=call)
    pocketsphinx(clip_of(root / "workflows/media/person.mp4", 6.16, 9.28), call=call)
    assert pocketsphinx(clip_of(cat, 9.68, 12.8), call=call) == first


@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_nothing_is_heard_where_nobody_speaks(kind: str, tmp_path: Path, call: Call) -> None:
    time = np.arange(32_000)
    sound = {"silence": 0 * time, "noise": np.random.default_rng(1).normal(0, 300, len(time)), "tone": 3000 * np.sin(time / 4)}[kind]

    heard = pocketsphinx(clip_of(recorded(tmp_path / "sound.wav", sound), 0.0, 2.0), call=call)

    assert (heard.text, heard.words) == ("", [])


async def test_it_listens_in_another_process(cat: Path, tmp_path: Path) -> None:
    audio = {"source": {"uri": str(cat)}, "start": 9.68, "end": 12.8}
    call = call_in(tmp_path, audio=audio)._replace(report=Report())
    heard = await pocketsphinx.run(call)
    assert call.report.units == pytest.approx(3.12)
    assert heard["text"] == "the children play with the ball."


def test_a_pause_ends_a_sentence() -> None:
    words = [Word("one", 0.0, 0.4), Word("two", 0.5, 0.9), Word("three", 1.5, 1.9)]
    assert text_of(words) == "one two. three."
    assert text_of([]) == ""


def test_long_sound_is_cut_where_nobody_speaks() -> None:
    step = 0.03
    voiced = [True] * 700 + [False] * 40 + [True] * 700 + [False] * 10 + [True] * 1200

    pieces = list(_utterances(voiced, step))

    starts = [round(start / step) for start, _ in pieces]
    assert starts[:3] == [0, 720, 1445]
    assert [end for _, end in pieces] == [*(start for start, _ in pieces[1:]), None]
    assert all(end is None or end - start <= 30.0 for start, end in pieces)
    assert len(voiced) - starts[-1] <= 1000


@pytest.mark.parametrize(("voiced", "middle"), [([True] * 4, 4), ([True, False, False, True, False], 2), ([False] * 6, 3)])
def test_the_middle_of_the_longest_silence(voiced: list[bool], middle: int) -> None:
    assert _middle_of_silence(voiced) == middle
