"""driver: what the executors of the shipped workflows are profiled with - the samples of `alternative_samples`, and inputs of other sizes.

A row's label is its number: the metric finds what it is compared with by that, since some results are looked at before they are scored.
Rows without a label say nothing of quality; they show what comes with each unit of work.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.alternative_samples import MEDIA, Samples, samples_in, scenes_of
from murakkab import app
from murakkab.catalog import ExecutorCard
from murakkab.measuring.rows import Data, Row
from murakkab.metrics import METRICS, Metric
from murakkab.signature import annotations_of
from murakkab_executors.conversion import reader
from murakkab_executors.function import FunctionExecutor
from murakkab_executors.video import pyav_frames

#: Parts of the inputs that are as long as the work is, and the shares of them that are measured too.
_SIZED: Final[Mapping[str, str]] = {
    "answering": "passages",
    "chunking": "documents",
    "text-merge": "texts",
    "object-listing": "heard",
    "retrieval": "chunks",
}
_SHARES: Final = (0.25, 0.5)
_PICTURES: Final = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Measurable:
    """A capability with the executors that run here, rows, and what scores their results."""

    capability: str
    cards: Sequence[ExecutorCard]
    data: Data
    metric: Metric
    metric_name: str


def measurables(home: Path, capabilities: Sequence[str]) -> Iterator[Measurable]:
    """Yield what each of *capabilities* is profiled with; what has to be made lies below *home*, as artifacts of a runtime there do."""
    catalog = app.catalog()
    for samples in samples_in(home, capabilities):
        cards = [card for card in catalog.providers(samples.capability) if card.name not in catalog.lacking]
        rows = [Row(plain(inputs), at, f"sample {at}") for at, inputs in enumerate(samples.inputs)]
        rows += [Row(plain(inputs), None, f"size {at}") for at, inputs in enumerate(_other_sizes(samples))]
        digest = hashlib.sha256(repr([row.inputs for row in rows]).encode()).hexdigest()
        yield Measurable(samples.capability, cards, Data(tuple(rows), digest), _scorer(samples, cards), samples.metric)


def plain(value: Any) -> Any:
    """Return a value as JSON data."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def _scorer(samples: Samples, cards: Sequence[ExecutorCard]) -> Metric:
    executors = [one for card in cards if isinstance(one := app.executors()[card.name], FunctionExecutor)]
    read = reader(annotations_of(executors[0].function)["return"]) or (lambda value: value)
    metric = METRICS[samples.metric]
    return lambda result, label: metric(samples.judged(read(result), int(label)), samples.labels[int(label)])


def _other_sizes(samples: Samples) -> Iterator[Mapping[str, Any]]:
    if samples.capability == "frame-extraction":
        yield from ({**inputs, "count": count} for inputs in samples.inputs for count in (1, 15))
    if samples.capability == "object-detection":
        yield from _pictures(samples)
    if samples.capability == "text-summary":
        yield {**samples.inputs[0], "text": "\n\n".join(one["text"] for one in samples.inputs[:3])}
        yield {**samples.inputs[0], "text": samples.inputs[0]["text"][:400]}
        yield {**samples.inputs[0], "text": samples.inputs[1]["text"][:700]}
    if (name := _SIZED.get(samples.capability)) is not None:
        whole = samples.inputs[:2]
        yield from ({**inputs, name: inputs[name][: max(1, round(share * len(inputs[name])))]} for share in _SHARES for inputs in whole)


def _pictures(samples: Samples) -> Iterator[Mapping[str, Any]]:
    """Yield several numbers of pictures of each scene as they are: neither tilted nor dimmed."""
    for path in sorted(MEDIA.glob("*.mp4")):
        for scene in scenes_of(path.name, path):
            images = pyav_frames(scene, max(_PICTURES), call=samples.call)
            yield from ({"images": images[:count]} for count in _PICTURES)
