"""policy: the paper's figures as Murakkab's own inputs - workflows in YAML, cards with knobs, profiles, pools - under one reading."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any, Final

from benchmarks import paper_figures as paper
from benchmarks.paper_curves import Figures, Point
from benchmarks.paper_figures import CODE, VIDEO, Row
from murakkab.catalog import Capability, Catalog, Device, ExecutorCard, Parameter, Quote
from murakkab.devices import ClusterView, DeviceKind, Pool
from murakkab.figures import Figure, Provenance, Source, exactly
from murakkab.load import parse
from murakkab.optimizer.situation import Situation
from murakkab.plan import TaskGraph
from murakkab.planner.check import check
from murakkab.planner.compile import compile_workflow
from murakkab.profiles import Profile, Setting, Spread

#: The step whose executor is a language model: all that the paper has profiles of.
STEPS: Final = {VIDEO: "answer", CODE: "debate"}
KNOBS: Final = {VIDEO: ("frames", "speech"), CODE: ("debaters", "rounds")}
_DOCUMENTS: Final = {
    VIDEO: """
workflow: video-qa
inputs: {query: str, video: str}
steps:
  scenes: {uses: scene-detection, with: {of: "${inputs.video}"}}
  images: {uses: frame-extraction, with: {of: "${scenes}"}}
  transcript: {uses: speech-to-text, with: {of: "${scenes}"}}
  answer: {uses: video-answer, with: {query: "${inputs.query}", images: "${images}", transcript: "${transcript}"}}
outputs: {answer: "${answer}"}
""",
    CODE: """
workflow: code-generation
inputs: {task: str}
steps:
  debate: {uses: code-debate, with: {task: "${inputs.task}"}}
  tests: {uses: code-tests, with: {of: "${debate}"}}
  best: {uses: ranking, with: {of: "${tests}"}}
outputs: {program: "${best}"}
""",
}
_TOOLS: Final = {VIDEO: ("scene-detection", "frame-extraction", "speech-to-text"), CODE: ("code-tests", "ranking")}
#: The paper counts no time, energy or money of tools: its latency is that of the language model alone.
_NOTHING: Final = Quote(seconds=0.0, joules=0.0, source="published")
#: Seconds, joules or USD per token are of the paper's profiles by this formula of its appendix A.5: TTFT + tokens x TPOT.
_OF: Final = Provenance(Source.PUBLISHED, "arXiv 2508.18298, tables and digitised figures")
_PER_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How the paper is read where it leaves that open, and by which part of their bands its figures are moved (-1 to 1).

    `is_median`: latency of the median tokens of a request (else of the ninth decile, as the text has it for allocation). `to_knee`: an
    instance gets at most the load at which it gives most tokens per Wh (else all that Figure 3 shows). `energy`: joules by "figure" 3, by
    the "share" of the machine in Table 3, or by the objective (11) as it is "written": energy of the instance times its GPUs. `nvlm`:
    tokens of NVLM on code, which the paper does not publish (0: it is left out). `ratio`: how many A100 an H100 costs (0: as in Table 3).
    """

    is_median: bool = False
    to_knee: bool = False
    energy: str = "figure"
    nvlm: float = 0.0
    ratio: float = 0.0
    floor: float = paper.FLOOR
    accuracy: float = 0.0
    tokens: float = 0.0
    curves: float = 0.0
    llava_watts: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to serve a workflow: its configuration, the load of an instance (tokens/s), and what a request takes."""

    model: str
    first: int
    second: int
    gpu: str
    gpus: int
    tps: int
    seconds: float
    usd: float
    joules: float
    right: float

    @property
    def configuration(self) -> tuple[str, int, int, str, int]:
        """Return what the tables call a configuration: all but the load."""
        return self.model, self.first, self.second, self.gpu, self.gpus

    def is_of(self, row: Row) -> bool:
        """Return whether it is the configuration of *row*."""
        return self.configuration == (row.model, row.first, row.second, row.gpu, row.gpus)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What `choose` is given for a workflow; `ways`: the same figures for looking things up."""

    graph: TaskGraph
    catalog: Catalog
    situation: Situation
    ways: tuple[Way, ...]


# ---------------------------------------------------------------------------------------------------------------- operating points


@dataclass(frozen=True, slots=True)
class Load:
    """An instance under a load: tokens/s, seconds per token and to the first, and watts of all its GPUs."""

    tps: int
    tpot: float
    ttft: float
    watts: float


def loads(figures: Figures, model: str, gpu: str, gpus: int, reading: Reading) -> list[Load]:
    """Return the operating points of an instance: those of Figure 3, and those that Tables 5 and 6 print."""
    curve = figures.curves.get((model, gpu, gpus), ())
    moved = 1.0 + figures.curve_band * reading.curves
    knee = max(curve, key=lambda point: point.per_wh).tps if curve else float("inf")
    found: dict[int, Load] = {}
    for tps, tpot, ttft, per_wh in curve:
        found[round(tps)] = Load(round(tps), tpot * moved, ttft or paper.CLIPPED_SECONDS, tps / per_wh * _PER_MINUTE)
    for row in paper.rows():
        if (row.model, row.gpu, row.gpus) == (model, gpu, gpus):
            found.pop(row.tps, None)
            one = Load(row.tps, row.tpot, *_between(curve, row.tps)) if curve else _uncurved(figures, row, reading)
            if one is not None:
                found[row.tps] = one
    # Table rows stand within 2 % of the knee of the figure.
    return [one for one in found.values() if not reading.to_knee or one.tps <= knee * 1.02]


def _between(curve: tuple[Point, ...], tps: float) -> tuple[float, float]:
    """Return seconds to the first token and watts at a load between the points of a curve."""
    at = min(max(tps, curve[0].tps), curve[-1].tps)
    low, high = next((a, b) for a, b in pairwise(curve) if a.tps <= at <= b.tps)
    part = (at - low.tps) / (high.tps - low.tps)
    first, last = (point.ttft or paper.CLIPPED_SECONDS for point in (low, high))
    return first + (last - first) * part, tps / (low.per_wh + (high.per_wh - low.per_wh) * part) * _PER_MINUTE


def _uncurved(figures: Figures, row: Row, reading: Reading) -> Load | None:
    """Return a point of a model without a curve; None where no other model has one on as many such GPUs.

    No time to the first token is counted, and watts are modelled by those of the others at their peaks.
    """
    peaks = [
        max(curve, key=lambda point: point.per_wh) for (_, gpu, gpus), curve in figures.curves.items() if (gpu, gpus) == (row.gpu, row.gpus)
    ]
    if not peaks:
        return None
    watts = sum(point.tps / point.per_wh * _PER_MINUTE for point in peaks) / len(peaks)
    return Load(row.tps, row.tpot, 0.0, watts * (1.0 + paper.SHARE_BAND * reading.llava_watts))


def _instances(figures: Figures, workflow: str, model: str) -> list[tuple[str, int]]:
    """Return on which GPUs, and on how many, a model runs."""
    found = {(gpu, gpus) for name, gpu, gpus in figures.curves if name == model}
    return sorted(found | {(row.gpu, row.gpus) for row in paper.rows() if row.model == model and row.workflow == workflow})


def tokens_of(figures: Figures, workflow: str, of: tuple[str, int, int], reading: Reading) -> tuple[float, float] | None:
    """Return the tokens of a request, median and ninth decile; None where the paper has none."""
    extents = figures.tokens[workflow].get(of)
    if extents is None:
        return (reading.nvlm, reading.nvlm) if reading.nvlm and of == (paper.UNTOLD, 2, 2) and workflow == CODE else None
    middle, tail = ((low + high) / 2 + (high - low) / 2 * reading.tokens for low, high in extents)
    return middle, tail


def ways_of(figures: Figures, workflow: str, reading: Reading) -> Iterator[Way]:
    """Yield every configuration that has profiles, at every load."""
    for of, (shown, band) in figures.accuracy[workflow].items():
        tokens = tokens_of(figures, workflow, of, reading)
        if tokens is None:
            continue
        stated = paper.STATED.get((workflow, of[0], of[1:]))
        right = (shown + band * reading.accuracy if stated is None else stated) / 100
        for gpu, gpus in _instances(figures, workflow, of[0]):
            for load in loads(figures, of[0], gpu, gpus, reading):
                yield _way((*of, gpu, gpus), load, tokens, right, reading)


def _way(of: tuple[str, int, int, str, int], load: Load, tokens: tuple[float, float], right: float, reading: Reading) -> Way:
    middle, tail = tokens
    gpu, gpus = of[3], of[4]
    # What a request occupies of an instance, seconds: its tokens over those that the instance gives (appendix A.5, (3)).
    share = tail / load.tps
    watts = {"figure": load.watts, "written": load.watts * gpus, "share": paper.watts_by_share(gpu) * gpus}[reading.energy]
    rent = paper.usd_per_hour(gpu) if not reading.ratio or gpu == "A100" else paper.usd_per_hour("A100") * reading.ratio
    seconds = load.ttft + (middle if reading.is_median else tail) * load.tpot
    return Way(*of, load.tps, seconds, share * gpus * rent / 3600, share * watts, right)


# -------------------------------------------------------------------------------------------------------------------- inputs


def inputs_of(figures: Figures, workflow: str, reading: Reading) -> Inputs:
    """Return the inputs of `choose` for a workflow."""
    ways = tuple(ways_of(figures, workflow, reading))
    cards = {name: _tool(name) for name in _TOOLS[workflow]}
    profiles: dict[str, list[Profile]] = {}
    for model in dict.fromkeys(way.model for way in ways):
        mine = [way for way in ways if way.model == model]
        cards[model] = _card(workflow, model, mine)
        profiles[model] = [_profile(workflow, way) for way in mine]
    uses = [*_TOOLS[workflow], cards[ways[0].model].capability]
    catalog = Catalog({name: Capability(name, name, open_inputs=True) for name in uses}, cards)
    parsed = parse(_DOCUMENTS[workflow], f"{workflow}.yaml")
    assert parsed.workflow is not None, parsed.diagnostics
    assert not check(parsed.workflow, catalog, {})
    pools = {gpu.lower(): Pool(gpu.lower(), _kind(gpu), 2000.0) for gpu in ("A100", "H100")}
    pools["cpu"] = Pool("cpu", DeviceKind("cpu", Device.CPU), 64.0)
    at = Situation(ClusterView(pools), profiles, time_limit=20.0, gap=1e-6)
    return Inputs(compile_workflow(parsed.workflow, catalog), catalog, at, ways)


def _kind(gpu: str) -> DeviceKind:
    return DeviceKind(gpu.lower(), memory=80e9, usd_per_hour=exactly(paper.usd_per_hour(gpu), _OF), of=_OF)


def _tool(name: str) -> ExecutorCard:
    return ExecutorCard(f"{name}-tool", name, "A tool, of which the paper has no profile.", quote=_NOTHING)


def _card(workflow: str, model: str, ways: list[Way]) -> ExecutorCard:
    """Return the card of a model. How many GPUs an instance has and which load it gets are knobs too: the platform sets them."""
    choices = {name: sorted({_knobs(workflow, way)[name] for way in ways}) for name in _knobs(workflow, ways[0])}
    knobs = tuple(
        Parameter(name, default=_knobs(workflow, ways[0])[name], choices=tuple(one), trades=True) for name, one in choices.items()
    )
    return ExecutorCard(model, "video-answer" if workflow == VIDEO else "code-debate", "A model.", knobs, device=Device.GPU, quote=_NOTHING)


def _knobs(workflow: str, way: Way) -> dict[str, Any]:
    first, second = KNOBS[workflow]
    return {first: way.first, second: way.second, "gpus": way.gpus, "tokens_per_second": way.tps}


def _profile(workflow: str, way: Way) -> Profile:
    # What the paper limits is one number, by quantiles: it stands for the median too, which is what a limit of latency is on here.
    seconds = Spread(way.seconds, way.seconds, way.seconds, way.seconds)
    knobs = tuple(sorted(_knobs(workflow, way).items()))
    right: Mapping[str, Figure] = {"right": exactly(way.right, _OF)}
    setting = Setting(way.model, knobs=knobs, model=way.model, device=way.gpu.lower(), devices=way.gpus)
    assert isfinite(way.seconds)
    return Profile(setting, seconds, joules=exactly(way.joules, _OF), usd=exactly(way.usd, _OF), quality=right, of=_OF)


def way_of(workflow: str, inputs: Inputs, choice: Any) -> Way:
    """Return the way that a choice for the step of the language model is."""
    knobs = {knob.name: knob.default for knob in choice.executor.knobs} | dict(choice.knobs)
    found = [
        way
        for way in inputs.ways
        if way.model == choice.executor.name and way.gpu.lower() == choice.pool and _knobs(workflow, way) == knobs
    ]
    assert len(found) == 1, (choice, found)
    return found[0]
