"""A small catalog for tests of the planner: what the video workflow needs, and some executors with knobs and effects."""

from murakkab.catalog import Capability, Catalog, ExecutorCard, Parameter
from murakkab.spec import Effect
from murakkab.types import FILE, FLOAT, INT, STR, Field, Type, list_of, parse_type

VIDEO_WORKFLOW = """\
workflow: video-understanding
description: List the objects shown and mentioned in the videos.
inputs:
  videos: {type: list[file]}
steps:
  scenes:   {uses: scene-detection,  for_each: "${inputs.videos}", with: {video: "${item}"}}
  frames:   {uses: frame-extraction, for_each: "${scenes[*][*]}", with: {scene: "${item}", count: 5}}
  speech:   {uses: speech-to-text,   for_each: "${scenes[*][*]}", with: {audio: "${item.audio}"}}
  objects:  {uses: object-detection, for_each: "${frames}", with: {images: "${item}"}}
  report:   {uses: object-listing, with: {seen: "${objects}", heard: "${speech}"}}
outputs: {objects: "${report.objects}"}
goal: {minimize: energy, limits: {latency: 60s}}
"""

AUDIO = Type("record", fields=parse_type("{source: file, start: float, end: float}").fields, name="audio")
SCENE = Type(
    "record",
    fields=(*parse_type("{video: file, start: float, end: float, note?: str}").fields, Field("audio", AUDIO)),
    name="scene",
)
DETECTION = parse_type("{label: str, score: float}")
TRANSCRIPT = parse_type("{text: str, language: str?}")
LISTING = parse_type("{objects: list[str], shown: list[str], mentioned: list[str]}")


def small_catalog() -> Catalog:
    """Return capabilities and executors by name."""
    capabilities = (
        Capability("scene-detection", "Split a video.", (Parameter("video", FILE),), list_of(SCENE)),
        Capability(
            "frame-extraction", "Take images.", (Parameter("scene", SCENE), Parameter("count", INT, 5, required=False)), list_of(FILE)
        ),
        Capability("speech-to-text", "Write down speech.", (Parameter("audio", AUDIO),), TRANSCRIPT),
        Capability("object-detection", "Find objects.", (Parameter("images", list_of(FILE)),), list_of(DETECTION)),
        Capability(
            "object-listing",
            "List objects.",
            (Parameter("seen", list_of(list_of(DETECTION))), Parameter("heard", list_of(TRANSCRIPT))),
            LISTING,
        ),
        Capability("text-summary", "Shorten text.", (Parameter("text", STR), Parameter("ratio", FLOAT, 0.5, required=False)), STR),
        Capability("payment", "Move money.", (Parameter("amount", FLOAT),), parse_type("{receipt: str}")),
        Capability("note", "Write a note.", (Parameter("text", STR),), parse_type("null")),
        Capability("python", "Call a Python function.", open_inputs=True),
    )
    executors = (
        ExecutorCard("pyscenedetect", "scene-detection", "", effect=Effect.PURE),
        ExecutorCard("pyav-frames", "frame-extraction", "", effect=Effect.PURE),
        ExecutorCard(
            "whisper",
            "speech-to-text",
            "",
            (
                Parameter("model", STR, "tiny", required=False, choices=("tiny", "base", "large")),
                Parameter("beams", INT, 1, required=False, low=1, high=16),
                Parameter("pause", FLOAT, 0.5, required=False, low=0),
            ),
            effect=Effect.PURE,
        ),
        ExecutorCard("pocketsphinx", "speech-to-text", "", effect=Effect.PURE),
        ExecutorCard("haar", "object-detection", "", effect=Effect.PURE),
        ExecutorCard("lister", "object-listing", "", effect=Effect.PURE),
        ExecutorCard("textrank", "text-summary", "", effect=Effect.PURE),
        ExecutorCard("bank", "payment", "", effect=Effect.IRREVERSIBLE),
        ExecutorCard("other-bank", "payment", "", effect=Effect.IRREVERSIBLE),
        ExecutorCard("notebook", "note", "", effect=Effect.WRITE),
        ExecutorCard("python", "python", ""),
    )
    return Catalog({c.name: c for c in capabilities}, {e.name: e for e in executors})


def functions() -> dict[str, Capability]:
    """Return the interfaces of functions that `call` may name."""
    return {
        "jobs:double": Capability("double", "Twice as much.", (Parameter("x", INT),), INT),
        "jobs:names": Capability("names", "Some names.", (), list_of(STR)),
        "jobs:anything": Capability("anything", "Whatever.", open_inputs=True),
    }
