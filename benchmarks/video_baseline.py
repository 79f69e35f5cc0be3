"""driver: the video workflow as chosen for a goal, beside a script that does one thing after the other with one fixed executor per step.

    python -m benchmarks.video_baseline [--rounds N] [--home FOLDER] [--json FILE]

The script has the shape of the baseline of the HotOS paper: each step is written out with its tool and its parameters, those that give the
best results, and nothing overlaps. `overlap` is the same executors run by Murakkab: what doing things at the same time brings alone. All of
them take turns in one process, after a run of each that loads what they need; figures are medians, ratios those of the same round.

Energy: CPU seconds times the watts that are assumed of a busy core above an idle one (nothing here reads a meter), and the same with the
idle power of all cores for as long as the job takes. Quality: F1 of the objects that are found, against the labels of the clips.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.alternative_samples import MEDIA
from benchmarks.forecast import brief, inputs_of, loaded, ways_text
from benchmarks.machine import machine, others_share
from benchmarks.report import console
from murakkab import app
from murakkab.choosing import chosen
from murakkab.measuring.tools import core
from murakkab.metrics import set_f1
from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.spec import Goal
from murakkab.this_machine import cpu_seconds
from murakkab.values import File
from murakkab_executors.audio import pocketsphinx
from murakkab_executors.detection import opencv_cascades
from murakkab_executors.text import noun_list
from murakkab_executors.video import pyav_frames, pyscenedetect

_ROUNDS: Final = 3
_PICTURES: Final = 5
_WORKFLOW: Final = "video_understanding"
#: What the baseline of the paper took over what Murakkab took, in its table 2 (two machines with eight A100 each, large models).
PAPER: Final = {"seconds": 3.4, "joules": 4.5}
GOALS: Final[Mapping[str, Goal]] = {
    "minimize latency": Goal(("latency",)),
    "minimize energy, quality >= 0.8": Goal(("energy",), {"quality": 0.8, "latency": 60.0}),
    "minimize latency, quality >= 0.8": Goal(("latency",), {"quality": 0.8}),
}
FIXED: Final = {
    "scenes": "pyscenedetect",
    "frames": "pyav-frames",
    "speech": "pocketsphinx",
    "objects": "opencv-cascades",
    "report": "noun-list",
}


def script(videos: Sequence[str], folder: Path) -> list[str]:
    """Return the objects in the videos: one step after the other, one scene after the other, everything at its default."""
    call = Call("script", 1, {}, {}, LocalArtifacts(folder))
    seen, heard = [], []
    for video in videos:
        scenes = pyscenedetect(File(video), call=call)
        for scene in scenes:
            images = pyav_frames(scene, _PICTURES, call=call)
            seen.append(opencv_cascades(images, call=call))
            heard.append(pocketsphinx(scene.audio, call=call))
    return noun_list(seen, heard).objects


@dataclass(slots=True)
class Way:
    """A way to do the job; what it took in each round, and how good the result was."""

    name: str
    ways: str
    run: Callable[[], Sequence[str]]
    expected: float | None = None
    quality_expected: float | None = None
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    quality: float = 0.0

    def once(self, wanted: Sequence[str], *, is_counted: bool) -> None:
        """Run it, and keep what it took."""
        with others_share() as share:
            before, began = cpu_seconds(), time.perf_counter()
            found = self.run()
            seconds, used = time.perf_counter() - began, cpu_seconds() - before
        if is_counted:
            self.seconds.append(seconds)
            self.cpu.append(used)
            self.others.append(share.others)
        self.quality = set_f1(list(found), list(wanted))


def _ways(settings: app.Settings, folder: Path) -> list[Way]:
    inputs = app.check_inputs(loaded(_WORKFLOW).graph.workflow, inputs_of(_WORKFLOW))
    videos = [str(path) for path in sorted(MEDIA.glob("*.mp4"))]
    found = [Way("script (baseline)", ", ".join(FIXED.values()), lambda: script(videos, folder))]
    work = loaded(_WORKFLOW)
    cards = app.catalog().executors
    same = {path: replace(choice, executor=cards[FIXED[path]], knobs={}) for path, choice in work.deployment.choices.items()}
    found.append(_way("overlap", replace(work, deployment=replace(work.deployment, choices=same)), inputs, settings))
    for name, goal in GOALS.items():
        found.append(_way(name, chosen(work, settings, inputs=inputs, goal=goal), inputs, settings))
    return found


def _way(name: str, work: app.Work, inputs: Mapping[str, Any], settings: app.Settings) -> Way:
    def run() -> Sequence[str]:
        result = asyncio.run(app.run_work(work, inputs, settings=settings))
        if result.status != "succeeded":
            raise SystemExit(f"{name}: the job {result.status}: {'; '.join(map(str, result.failures))}")
        return [str(one) for one in result.outputs["objects"]]

    estimate = work.deployment.estimate
    if estimate is None:
        return Way(name, ways_text(work.deployment), run)
    return Way(name, ways_text(work.deployment), run, estimate.seconds.value, estimate.quality.value if estimate.quality else None)


# ------------------------------------------------------------------------------------------------------------------- showing


def ratios(base: Way, way: Way) -> dict[str, float]:
    """Return the medians over the rounds of what the baseline took over what *way* took."""
    kind = core()
    idle = kind.idle_watts.value if kind.idle_watts else 0.0
    busy = (kind.peak_watts.value if kind.peak_watts else 0.0) - idle
    rest = idle * len(os.sched_getaffinity(0))
    pairs = list(zip(base.seconds, base.cpu, way.seconds, way.cpu, strict=True))
    return {
        "seconds": statistics.median(bs / ws for bs, _, ws, _ in pairs),
        "joules": statistics.median(bc / wc for _, bc, _, wc in pairs),
        "joules with idle power": statistics.median((bc * busy + bs * rest) / (wc * busy + ws * rest) for bs, bc, ws, wc in pairs),
    }


def table(ways: Sequence[Way]) -> Table:
    """Return a line per way, with its ratios to the first."""
    shown = Table(title="the video workflow", title_justify="left")
    for name in ("", "seconds", "least - most", "expected", "CPU s", "F1", "speed-up", "energy ratio", "with idle power", "others"):
        shown.add_column(name, justify="right" if name else "left", no_wrap=True)
    for way in ways:
        found = ratios(ways[0], way)
        spread = f"{brief(min(way.seconds))} - {brief(max(way.seconds))}"
        expected = brief(way.expected) if way.expected is not None else "-"
        times = brief(statistics.median(way.seconds)), spread, expected, f"{statistics.median(way.cpu):.1f}", f"{way.quality:.2f}"
        shown.add_row(way.name, *times, *(f"{one:.2f} x" for one in found.values()), f"{statistics.median(way.others):.0%}")
    shown.add_row("the paper", *[""] * 5, f"{PAPER['seconds']} x", "", f"{PAPER['joules']} x", "")
    return shown


def main() -> int:
    """Run all ways in turns, and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--home", type=Path, help="a folder with profiles measured here; without, those that ship are chosen by")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    labels = json.loads((MEDIA / "labels.json").read_text())
    wanted = sorted({one for known in labels.values() for one in known["objects"]})
    with tempfile.TemporaryDirectory() as folder:
        settings = app.Settings(home=options.home or Path(folder), learn=False)
        ways = _ways(settings, Path(folder) / "artifacts")
        for number in range(options.rounds + 1):
            for way in ways:
                way.once(wanted, is_counted=number > 0)
                print(f"round {number}: {way.name}", flush=True)
    for way in ways:
        print(f"{way.name}: {way.ways}")
    console().print(table(ways))
    print("joules are CPU seconds times assumed watts: no meter here")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        rows = [{**json_of(way), "ratios": ratios(ways[0], way)} for way in ways]
        options.json.write_text(json.dumps({"machine": machine(), "paper": PAPER, "rows": rows}, indent=1) + "\n")
    return 0


def json_of(way: Way) -> dict[str, Any]:
    """Return a way as JSON data."""
    return {name: getattr(way, name) for name in ("name", "ways", "expected", "seconds", "cpu", "others", "quality")}


if __name__ == "__main__":
    sys.exit(main())
