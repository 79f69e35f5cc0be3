"""driver: labelled inputs for each capability, made from the sample clips and documents, some of them harder than these are.

Made harder: clips as a streaming encoder writes them (a key picture every two seconds, wherever the cuts are), speech under noise 20 dB
below it, and stills that are tilted by 18 degrees, to either side, and dimmed.
"""

import functools
import inspect
import json
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from benchmarks.timing import ROOT
from murakkab.metrics import reciprocal_rank, token_f1
from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.values import File
from murakkab_executors.answering import span_answer
from murakkab_executors.audio import pyav_audio
from murakkab_executors.capabilities import AudioClip, Chunk, Document, Scene, Transcript
from murakkab_executors.documents import clean_documents, sentence_chunks
from murakkab_executors.function import FunctionExecutor
from murakkab_executors.retrieval import bm25
from murakkab_executors.summary import distinct_summary, pagerank_summary
from murakkab_executors.video import pyav_frames

MEDIA: Final = ROOT / "workflows" / "media"
DOCUMENTS: Final = ROOT / "workflows" / "documents"
_STILLS: Final = 2
_QUIETER_DB: Final = 20.0
_TILTS: Final = (18.0, -18.0)
_KEY_EVERY: Final = 50
_SIZES: Final = (200, 300, 400, 600)

Judge = Callable[[Any, int], Any]


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs of a capability, their labels, and the metric; `judged` makes of a result (of the n-th input) what is scored."""

    capability: str
    metric: str
    inputs: Sequence[Mapping[str, Any]]
    labels: Sequence[Any]
    call: Call
    judged: Judge = lambda result, at: result

    def calling(self, one: FunctionExecutor[..., Any]) -> Callable[..., Any]:
        """Return the function of an executor, with its call where it takes one."""
        takes = "call" in inspect.signature(one.function).parameters
        return functools.partial(one.function, call=self.call) if takes else one.function


def samples_in(folder: Path, only: Sequence[str] | None) -> Iterator[Samples]:
    """Yield the samples of each capability, or of those in *only*; what has to be made is made in *folder*."""
    call = Call("sample", 1, {}, {}, LocalArtifacts(folder / "artifacts"))
    makers: Mapping[str, Callable[[Call, Path], Samples]] = {
        "scene-detection": _scenes,
        "frame-extraction": _frames,
        "speech-to-text": _speech,
        "object-detection": _objects,
        "object-listing": _listing,
        "document-loading": _loading,
        "chunking": _chunking,
        "retrieval": _retrieval,
        "answering": _answering,
        "text-summary": _summary,
        "text-merge": _merge,
    }
    for name in only or makers:
        yield makers[name](call, folder)


# ------------------------------------------------------------------------------------------------------------------- media


def _clips() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MEDIA / "labels.json").read_text())
    return found


def scenes_of(name: str, path: Path) -> list[Scene]:
    """Return the scenes of a sample clip as they are labelled."""
    file = File(str(path))
    return [Scene(file, at, start, end, AudioClip(file, start, end)) for at, (start, end) in enumerate(_clips()[name]["scenes"])]


def _scenes(call: Call, folder: Path) -> Samples:
    paths = [(name, path) for name in _clips() for path in (MEDIA / name, streamed(MEDIA / name, folder / f"streamed-{name}"))]
    inputs = [{"video": File(str(path))} for _, path in paths]
    labels = [_clips()[name]["scenes"] for name, _ in paths]
    judged: Judge = lambda scenes, at: [(scene.start, scene.end) for scene in scenes]  # noqa: E731
    return Samples("scene-detection", "segment_overlap", inputs, labels, call, judged)


def streamed(source: Path, target: Path) -> Path:
    """Write the pictures of *source* again, a key picture every two seconds and none at the cuts."""
    import av

    options = {"g": str(_KEY_EVERY), "sc_threshold": "0", "crf": "27", "threads": "1"}
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream: Any = new.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = old.streams.video[0].width, old.streams.video[0].height, "yuv420p"
        for number, picture in enumerate(old.decode(video=0)):
            frame = picture.reformat(format="yuv420p")
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 25), 0
            new.mux(stream.encode(frame))
        new.mux(stream.encode())
    return target


def _frames(call: Call, folder: Path) -> Samples:
    """Scored is how much of a scene the pictures show: the part of it that is less than a tenth of it away from one, in time."""
    paths = [(name, path) for name in _clips() for path in (MEDIA / name, streamed(MEDIA / name, folder / f"streamed-{name}"))]
    scenes = [scene for name, path in paths for scene in scenes_of(name, path)]

    def judged(images: Sequence[File], at: int) -> list[str]:
        taken = [_place(image, scenes[at], call) for image in images]
        moments = [(number + 0.5) / 100 for number in range(100)]
        return [str(moment) for moment in moments if any(abs(moment - place) <= 0.1 for place in taken)]

    every = [str((number + 0.5) / 100) for number in range(100)]
    inputs = [{"scene": scene, "count": 5} for scene in scenes]
    return Samples("frame-extraction", "set_recall", inputs, [every] * len(scenes), call, judged)


@functools.cache
def _pictures(path: str) -> list[tuple[float, Any]]:
    import av

    with av.open(path) as container:
        return [(float(frame.time or 0.0), frame.to_ndarray(format="gray", width=120, height=80)) for frame in container.decode(video=0)]


def _place(image: File, scene: Scene, call: Call) -> float:
    """Return where in its scene a picture was taken, from 0 to 1: where that is most like it."""
    import cv2
    import numpy as np

    picture = cv2.imdecode(np.frombuffer(call.artifacts.get({"uri": image.uri}), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    small = cv2.resize(picture, (120, 80), interpolation=cv2.INTER_AREA).astype(int)
    apart = [(float(np.abs(small - other).mean()), time) for time, other in _pictures(scene.video.uri) if scene.start <= time < scene.end]
    return (min(apart)[1] - scene.start) / (scene.end - scene.start)


def _speech(call: Call, folder: Path) -> Samples:
    inputs, labels = [], []
    for name, known in _clips().items():
        for at, scene in enumerate(scenes_of(name, MEDIA / name)):
            clear = Path(call.artifacts.local_path({"uri": pyav_audio(scene.audio, call=call).uri}))
            noisy = _with_noise(clear, folder / f"{name}-{at}.wav")
            inputs += [{"audio": AudioClip(File(str(path)), 0.0, scene.end - scene.start)} for path in (clear, noisy)]
            labels += [known["speech"][at]] * 2
    return Samples("speech-to-text", "word_accuracy", inputs, labels, call, lambda result, at: result.text)


def _with_noise(source: Path, target: Path) -> Path:
    """Write the sound of *source* with noise under it, the same each time."""
    import numpy as np

    with wave.open(str(source)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(float)
    loud = float(np.sqrt((samples[np.abs(samples) > 300] ** 2).mean()))
    noise = np.convolve(np.random.default_rng(1).normal(size=len(samples)), np.ones(4) / 4, "same")
    mixed = samples + noise / noise.std() * loud / 10 ** (_QUIETER_DB / 20)
    with wave.open(str(target), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(np.clip(mixed, -32768, 32767).astype(np.int16).tobytes())
    return target


def _objects(call: Call, folder: Path) -> Samples:
    inputs, labels = [], []
    for name, known in _clips().items():
        for at, scene in enumerate(scenes_of(name, MEDIA / name)):
            images = pyav_frames(scene, _STILLS, call=call)
            harder = [[_tilted(image, tilt, call) for image in images] for tilt in _TILTS]
            inputs += [{"images": some} for some in (images, *harder)]
            labels += [known["shown"][at]] * (1 + len(_TILTS))
    return Samples("object-detection", "set_f1", inputs, labels, call, lambda found, at: [one.label for one in found])


def _tilted(image: File, degrees: float, call: Call) -> File:
    import cv2
    import numpy as np

    picture = cv2.imdecode(np.frombuffer(call.artifacts.get({"uri": image.uri}), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    rows, columns = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
    dim = (cv2.warpAffine(picture, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE) * 0.5).astype(np.uint8)
    return File(**call.artifacts.put(cv2.imencode(".jpg", dim)[1].tobytes(), suffix=".jpg", media_type="image/jpeg"))


def _listing(call: Call, folder: Path) -> Samples:
    clips = list(_clips().values())
    inputs = [{"seen": [], "heard": [Transcript(text) for text in known["speech"]]} for known in clips]
    return Samples("object-listing", "set_f1", inputs, [known["mentioned"] for known in clips], call, lambda found, at: found.mentioned)


# --------------------------------------------------------------------------------------------------------------- documents


def _labels() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCUMENTS / "labels.json").read_text())
    return found


def _texts() -> list[Document]:
    return clean_documents(str(DOCUMENTS / "island"))


def _answered(chunks: Sequence[Chunk]) -> float:
    """Return how well the questions are answered from *chunks*, everything else as it is by default: the mean F1 of tokens."""
    asked = _labels()["questions"]
    found = bm25([one["question"] for one in asked], list(chunks), 4)
    scores = [token_f1(span_answer(one.question, one.passages).text, known["answers"]) for one, known in zip(found, asked, strict=True)]
    return sum(scores) / len(scores)


def _in_shares(share: float) -> list[str]:
    """Return so many of a thousand names, so that their recall is *share*: what was scored already."""
    return [str(number) for number in range(round(share * 1000))]


def _loading(call: Call, folder: Path) -> Samples:
    """Scored by the answers that the rest of the workflow makes of the documents."""
    judged: Judge = lambda found, at: _in_shares(_answered(sentence_chunks(found, 600)))  # noqa: E731
    return Samples("document-loading", "set_recall", [{"folder": str(DOCUMENTS / "island")}], [_in_shares(1.0)], call, judged)


def _chunking(call: Call, folder: Path) -> Samples:
    """Scored by the answers that the rest of the workflow makes of chunks of several sizes."""
    judged: Judge = lambda found, at: _in_shares(_answered(found))  # noqa: E731
    inputs = [{"documents": _texts(), "size": size} for size in _SIZES]
    return Samples("chunking", "set_recall", inputs, [_in_shares(1.0)] * len(inputs), call, judged)


def _retrieval(call: Call, folder: Path) -> Samples:
    """Scored by one over the place of the first passage that holds the answer, over all questions, which are one sample."""
    asked = _labels()["questions"]

    def judged(found: Any, at: int) -> list[str]:
        holding = [
            ["right" if any(answer.lower() in passage.text.lower() for answer in known["answers"]) else "wrong" for passage in one.passages]
            for one, known in zip(found, asked, strict=True)
        ]
        return _in_shares(sum(reciprocal_rank(_numbered(one), ["right"]) for one in holding) / len(asked))

    questions = [known["question"] for known in asked]
    inputs = {"questions": questions, "chunks": sentence_chunks(_texts(), 600), "count": 4}
    return Samples("retrieval", "set_recall", [inputs], [_in_shares(1.0)], call, judged)


def _numbered(names: Sequence[str]) -> list[str]:
    """Return the names, the wrong ones told apart: a metric counts each name once."""
    return [name if name == "right" else f"{name} {number}" for number, name in enumerate(names)]


def _answering(call: Call, folder: Path) -> Samples:
    asked = _labels()["questions"]
    found = bm25([one["question"] for one in asked], sentence_chunks(_texts(), 600), 4)
    inputs = [{"question": one.question, "passages": one.passages} for one in found]
    return Samples("answering", "token_f1", inputs, [one["answers"] for one in asked], call, lambda answer, at: answer.text)


def _summary(call: Call, folder: Path) -> Samples:
    texts = _texts()
    inputs = [{"text": one.text, "sentences": 3} for one in texts]
    return Samples("text-summary", "rouge_1", inputs, [_labels()["summaries"][one.name] for one in texts], call)


def _merge(call: Call, folder: Path) -> Samples:
    """Two different summaries of each document, which say some things twice; scored by the summary that is made of them all."""
    texts = [shorter(one.text, 3) for one in _texts() for shorter in (pagerank_summary, distinct_summary)]
    judged: Judge = lambda merged, at: pagerank_summary(merged, 8)  # noqa: E731
    return Samples("text-merge", "rouge_1", [{"texts": texts}], [_labels()["summary"]], call, judged)
