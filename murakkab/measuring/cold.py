"""driver: cold starts - the first task of an executor in a fresh process, against the second: what is loaded is loaded then.

A process of its own for each: what has been imported or loaded in this one, for whatever executor, is not loaded again.
"""

import asyncio
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from murakkab import app
from murakkab.errors import BackendError, MurakkabError
from murakkab.measuring.bench import Bench
from murakkab.measuring.power import Power
from murakkab.measuring.rows import Row
from murakkab.measuring.tools import core, meters
from murakkab.profiles import Setting
from murakkab.profiling.codec import observation_from, observation_json, setting_from, setting_json
from murakkab.profiling.observation import Observation

#: What the process runs. It is told what to measure on its standard input.
_PROGRAM: Final = "from murakkab.measuring.cold import main; main()"
#: A process that says nothing for so many seconds is given up.
_PATIENCE: Final = 600.0


@dataclass(frozen=True, slots=True)
class ColdBench:
    """Measures cold starts; `home` is where files go, `study` what the observations belong to."""

    home: Path
    study: str = ""

    async def start(self, setting: Setting, capability: str, row: Row) -> Observation:
        """Return the second task of a fresh process on *row*, with the seconds that the first took more as its `startup`.

        Raises `BackendError` where the process or one of the tasks fails.
        """
        asked = {"setting": setting_json(setting), "capability": capability, "inputs": dict(row.inputs), "home": str(self.home)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                out, err = await process.communicate(json.dumps(asked).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            said = (err.decode(errors="replace").strip().splitlines() or ["it says nothing"])[-1]
            raise BackendError(f"{setting.executor} cannot be started in a process of its own: {said}")
        first, second = (observation_from(setting, one) for one in json.loads(out))
        if error := first.error or second.error:
            raise BackendError(f"{setting.executor} cannot be started in a process of its own: {error}")
        return replace(second, startup=max(0.0, first.seconds - second.seconds), study=self.study)


def main() -> None:
    """Run two tasks as standard input says, and write what they took to standard output."""
    asked = json.loads(sys.stdin.read())
    out = sys.stdout
    sys.stdout = sys.stderr
    try:
        done = asyncio.run(_two(asked))
    except MurakkabError as error:
        sys.exit(str(error))
    out.write(json.dumps([observation_json(one) for one in done]))


async def _two(asked: dict[str, Any]) -> list[Observation]:
    setting, row = setting_from(asked["setting"]), Row(asked["inputs"])
    capability = app.catalog().capabilities[asked["capability"]]
    async with app.open_runtime(app.Settings(home=Path(asked["home"]), learn=False)) as runtime:
        cpu, gpu = meters()
        bench = Bench(runtime, Power(app.system_clock(), cpu, gpu, core()))
        # What the runtime itself loads for its first job is no part of it.
        await bench.calibrate()
        return [one for n in range(2) for one in await bench.tasks(setting, capability, [(0, row)], n)]
