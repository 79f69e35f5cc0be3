"""driver: profiles the executors of the shipped workflows on this machine, as `murakkab profile` does, and writes them to a file.

    python -m benchmarks.profiled [--only CAPABILITY] [--home FOLDER] [--export FILE]

`--export cluster/murakkab_cluster/data/executors.json` makes the file of profiles that ships.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.profiling_data import Measurable, measurables
from benchmarks.report import console
from murakkab import app
from murakkab.cli.profile_tables import outcome_table
from murakkab.measuring.bench import Bench
from murakkab.measuring.power import Power
from murakkab.measuring.study import Outcome, Plan, Study, study_id
from murakkab.measuring.tools import core, meters
from murakkab.profiles import Setting
from murakkab.profiling.codec import setting_key
from murakkab.profiling.sharing import shared_text

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
                study = Study(plan, bench, store, _Told(), app.system_clock(), outcome)
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


def main() -> int:
    """Profile; show a table for each capability."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="one capability; may be given again")
    parser.add_argument("--home", type=Path, help="keep what is measured in this folder, and go on with what is there")
    parser.add_argument("--export", type=Path, help="write the profiles to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        asyncio.run(profile(home, options.only or CAPABILITIES))
        if options.export is not None:
            options.export.write_text(export(home, "python -m benchmarks.profiled"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
