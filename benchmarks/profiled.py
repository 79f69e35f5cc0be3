"""driver: profiles the executors of the shipped workflows on this machine, as `murakkab profile` does, and writes them to a file.

    python -m benchmarks.profiled [--only CAPABILITY] [--home FOLDER] [--export FILE] [--starts FILE]

`--export cluster/murakkab_cluster/data/executors.json` makes the file of profiles that ships. `--starts` measures nothing but how long the
executors in such a file take to start, each in processes of its own, and writes that into it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.profiling_data import Measurable, measurables
from benchmarks.report import console
from murakkab import app
from murakkab.cli.profile_tables import outcome_table
from murakkab.measuring.bench import Bench
from murakkab.measuring.cold import ColdBench
from murakkab.measuring.power import Power
from murakkab.measuring.study import Outcome, Plan, Study, study_id
from murakkab.measuring.tools import core, meters
from murakkab.profiles import Setting
from murakkab.profiling.codec import setting_key
from murakkab.profiling.estimate import estimate
from murakkab.profiling.sharing import profiles_in, shared_text

CAPABILITIES: Final = (
    "scene-detection",
    "frame-extraction",
    "speech-to-text",
    "object-detection",
    "object-listing",
    "document-loading",
    "chunking",
    "retrieval",
    "answering",
    "text-summary",
    "text-merge",
)
LOADS: Final = (1, 2)
#: How often each row is measured: what takes milliseconds more often than what takes seconds.
_REPEAT: Final = 8
#: How often the start of an executor is measured.
_STARTS: Final = 5
_REPEATS: Final = {"scene-detection": 2, "frame-extraction": 2, "speech-to-text": 1, "object-detection": 1}


class _Told:
    """Says what is dropped."""

    def measured(self, done: int, most: int, now: str) -> None:
        """Say nothing: there are hundreds."""

    def dropped(self, setting: Setting, reason: str) -> None:
        print(f"  dropped {setting.executor} {dict(setting.knobs)}: {reason}", flush=True)


async def profile(home: Path, capabilities: Sequence[str]) -> None:
    """Profile the executors of *capabilities* into the store below *home*: every setting of the knobs that trade, at each load."""
    settings = app.Settings(home=home, learn=False)
    with closing(app.open_profiles(settings)) as store:
        for one in measurables(home, capabilities):
            began = time.perf_counter()
            async with app.open_runtime(settings) as runtime:
                plan = Plan(one.data, _REPEATS.get(one.capability, _REPEAT), LOADS, metric=one.metric_name, only_trades=True, drops=False)
                cpu, gpu = meters()
                bench = Bench(
                    runtime, Power(app.system_clock(), cpu, gpu, core()), one.metric, one.metric_name, study_id(one.capability, plan)
                )
                outcome = Outcome()
                study = Study(plan, bench, store, _Told(), app.system_clock(), outcome, ColdBench(home, f"{bench.study}:cold"))
                await study.of_capability(
                    app.catalog().capabilities[one.capability], one.cards, lambda card: app.most_at_once(card, settings)
                )
            profiles = {setting_key(found.setting): found for found in store.profiles()}
            console().print(outcome_table(outcome.settings, profiles, outcome.dropped, one.metric_name))
            _say(one, outcome, time.perf_counter() - began)


def _say(one: Measurable, outcome: Outcome, seconds: float) -> None:
    for note in outcome.notes:
        print(f"  {note}")
    print(f"{one.capability}: {len(outcome.observations)} observations, {len(one.data.rows)} rows, {seconds:.0f} s", flush=True)


def export(home: Path, command: str) -> str:
    """Return what was measured as a file of profiles, with what it was measured with."""
    with closing(app.open_profiles(app.Settings(home=home))) as store:
        profiles = list(store.profiles())
    about: dict[str, Any] = {"command": command, "data": "the sample data of the workflows", "date": datetime.now(UTC).date().isoformat()}
    return shared_text(profiles, about)


async def started(home: Path, capabilities: Sequence[str], text: str) -> str:
    """Return the file of profiles *text*, in the first profile of each executor the seconds that it takes to start."""
    profiles = profiles_in(text, "the file of profiles")
    bench = ColdBench(home)
    for one in measurables(home, capabilities):
        for card in one.cards:
            mine = [n for n, each in enumerate(profiles) if (each.setting.executor, each.setting.version) == (card.name, card.version)]
            if not mine:
                continue
            place = mine[0]
            setting = replace(profiles[place].setting, load=1)
            found = [await bench.start(setting, one.capability, one.data.rows[0]) for _ in range(_STARTS)]
            startup = estimate(found).profile.startup
            profiles[place] = replace(profiles[place], startup=startup)
            if startup is not None:
                print(f"{card.name}: {startup.value:.3g} s ({startup.low:.3g}-{startup.high:.3g}) to start", flush=True)
    return shared_text(profiles, json.loads(text)["about"])


def main() -> int:
    """Profile; show a table for each capability."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="one capability; may be given again")
    parser.add_argument("--home", type=Path, help="keep what is measured in this folder, and go on with what is there")
    parser.add_argument("--export", type=Path, help="write the profiles to this file")
    parser.add_argument("--starts", type=Path, help="measure only how long executors take to start, and write it into this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        if options.starts is not None:
            text = asyncio.run(started(home, options.only or CAPABILITIES, options.starts.read_text(encoding="utf-8")))
            options.starts.write_text(text, encoding="utf-8")
            return 0
        asyncio.run(profile(home, options.only or CAPABILITIES))
        if options.export is not None:
            options.export.write_text(export(home, "python -m benchmarks.profiled"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
