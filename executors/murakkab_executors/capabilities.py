"""data: what the shipped executors provide - capability handles, and the Python types of the values that travel between them.

Each stub is the contract of a capability: typed inputs, typed result, and in its docstring what an executor of it must do. Call a
handle inside a workflow to make a step; give it to `executor(...)` to provide it. Times are seconds from the start of the source.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from murakkab.catalog import Capability
from murakkab.dsl import capability
from murakkab.values import File

# ---------------------------------------------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class AudioClip:
    """The sound of `source` between `start` and `end`. `source` may be a video, with or without a sound track."""

    source: File
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A shot of a video: `index` counts from 0, `audio` is its sound (of no sound track nothing can be heard)."""

    video: File
    index: int
    start: float
    end: float
    audio: AudioClip


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of an image, in pixels from its upper left corner."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Detection:
    """Something seen: `label` in lower-case English, `score` between 0 and 1, and where in which image."""

    label: str
    score: float
    box: Box
    frame: File


@dataclass(frozen=True, slots=True)
class Word:
    """A word heard, and when; `confidence` is between 0 and 1, or None where nobody can tell."""

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said: the whole `text`, and its words in order. Both are empty where nothing was heard."""

    text: str
    words: list[Word] = field(default_factory=list)
    language: str = ""


@dataclass(frozen=True, slots=True)
class ObjectListing:
    """The names of objects, each once and sorted: `objects` is everything `shown` or `mentioned`."""

    objects: list[str]
    shown: list[str]
    mentioned: list[str]


@dataclass(frozen=True, slots=True)
class Document:
    """A text with the name that it has below its folder."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document; `start` counts the characters before it."""

    document: str
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found; how high a `score` can be depends on how it was found."""

    document: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found for a question, best first."""

    question: str
    passages: list[Passage]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the documents that it is from, most important first. `text` is empty where none was found."""

    question: str
    text: str
    documents: list[str]


@dataclass(frozen=True, slots=True)
class ShellResult:
    """How a program ended. `*_dropped` count the bytes over the output limit, which are lost: see the knob `excess`."""

    stdout: str
    stderr: str
    exit: int
    stdout_dropped: int = 0
    stderr_dropped: int = 0


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer. Header names are in lower case; text comes as `body` (and `json` where it is JSON), anything else as `file`."""

    status: int
    headers: dict[str, str]
    body: str = ""
    json: Any = None
    file: File | None = None


# ------------------------------------------------------------------------------------------------- video, audio and text


@capability("scene-detection")
def scene_detection(video: File) -> list[Scene]:  # type: ignore[empty-body]
    """Split a video into its shots, in order and without gaps. A video without cuts is one scene. Units of work: seconds of video."""


@capability("frame-extraction")
def frame_extraction(scene: Scene, count: int = 5) -> list[File]:  # type: ignore[empty-body]
    """Take up to `count` still images from a scene, spread over it. Units of work: images."""


@capability("audio-extraction")
def audio_extraction(audio: AudioClip) -> File:  # type: ignore[empty-body]
    """Write the sound of a clip as 16 kHz mono WAV; silence of the same length where there is no sound track. Units of work: seconds."""


@capability("speech-to-text")
def speech_to_text(audio: AudioClip) -> Transcript:  # type: ignore[empty-body]
    """Write down what is said in a clip; an empty transcript where there is no sound track or no speech. Units of work: seconds."""


@capability("object-detection")
def object_detection(images: list[File]) -> list[Detection]:  # type: ignore[empty-body]
    """Find and name the objects in the images. Units of work: images."""


@capability("object-listing")
def object_listing(seen: list[list[Detection]], heard: list[Transcript]) -> ObjectListing:  # type: ignore[empty-body]
    """List the objects that were shown in images or mentioned in speech. Units of work: characters of speech."""


@capability("text-summary")
def text_summary(text: str, sentences: int = 3) -> str:  # type: ignore[empty-body]
    """Shorten a text to its `sentences` most telling sentences. Units of work: characters."""


@capability("text-merge")
def text_merge(texts: list[str]) -> str:  # type: ignore[empty-body]
    """Put texts together into one, in their order. Units of work: characters."""


# ------------------------------------------------------------------------------------------------------------- documents


@capability("document-loading")
def document_loading(folder: str) -> list[Document]:  # type: ignore[empty-body]
    """Read the text of every document in a folder and the folders in it, sorted by name. Units of work: documents."""


@capability("chunking")
def chunking(documents: list[Document], size: int = 600) -> list[Chunk]:  # type: ignore[empty-body]
    """Cut documents into pieces of up to `size` characters, in order. Units of work: characters."""


@capability("retrieval")
def retrieval(questions: list[str], chunks: list[Chunk], count: int = 4) -> list[Finding]:  # type: ignore[empty-body]
    """Find, for each question, the up to `count` chunks that answer it best, best first. Units of work: characters of the chunks."""


@capability("answering")
def answering(question: str, passages: list[Passage]) -> Answer:  # type: ignore[empty-body]
    """Answer a question by the passages found for it, best first; an empty text where they say nothing. Units of work: characters."""


# --------------------------------------------------------------------------------------------------------------- general

# Empty defaults. They are shared, and copied for every call.
_NONE: Final[dict[str, str]] = {}
_ANYTHING: Final[dict[str, Any]] = {}
_ZERO: Final[list[int]] = [0]


@capability("shell")
def shell(  # type: ignore[empty-body]
    argv: list[str], *, stdin: str = "", env: dict[str, str] = _NONE, cwd: str = "", ok_exit: list[int] = _ZERO
) -> ShellResult:  # pyright: ignore[reportReturnType]
    """Run a program with an argument list, never through a shell. An exit status outside `ok_exit` is a failure.

    The program sees PATH, HOME, LANG and `env`, nothing else of the environment.
    """


@capability("http")
def http(  # type: ignore[empty-body]
    url: str,
    *,
    method: str = "GET",
    headers: dict[str, str] = _NONE,
    query: dict[str, Any] = _ANYTHING,
    json: Any = None,
    body: str = "",
) -> HttpResponse:  # pyright: ignore[reportReturnType]
    """Send an HTTP request that may change something, with a text `body` or a `json` one. A status from 400 up is a failure."""


@capability("http-get")
def http_get(  # type: ignore[empty-body]
    url: str, *, headers: dict[str, str] = _NONE, query: dict[str, Any] = _ANYTHING
) -> HttpResponse:  # pyright: ignore[reportReturnType]
    """Fetch a URL, changing nothing. A status from 400 up is a failure."""


@capability("file-read")
def file_read(path: str = "", *, file: File | None = None) -> Any:
    """Return what a text or JSON file holds. Give `path` or `file`."""


@capability("file-write")
def file_write(path: str, *, content: Any = None, file: File | None = None) -> File:  # type: ignore[empty-body]
    """Write `content` (text as it is, anything else as JSON) or a copy of `file` to `path`, whole or not at all."""


#: A Python function as a step. It takes what its function takes, so only the function itself can say more.
PYTHON: Final = Capability("python", "Call a Python function.", open_inputs=True)

CAPABILITIES: Final[tuple[Capability, ...]] = (
    PYTHON,
    *(
        handle.capability
        for handle in (
            scene_detection,
            frame_extraction,
            audio_extraction,
            speech_to_text,
            object_detection,
            object_listing,
            text_summary,
            text_merge,
            document_loading,
            chunking,
            retrieval,
            answering,
            shell,
            http,
            http_get,
            file_read,
            file_write,
        )
    ),
)
