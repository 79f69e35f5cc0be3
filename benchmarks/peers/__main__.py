"""driver: times other orchestrators on the same cases, each in its own environment, beside its own floor.

    python -m benchmarks.peers --venvs DIR [--only TEXT] [--json FILE]

DIR has a virtual environment for each peer. Those that are not there are left out; make them so:

{recipes}
"""

import argparse
import sys
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.cases import CASES
from benchmarks.report import finish, in_fresh_processes
from benchmarks.timing import Row


class Peer(NamedTuple):
    """An environment, what to install in it, the module that runs there, and its arguments."""

    venv: str
    packages: str
    module: str
    runs: tuple[tuple[str, ...], ...]


PEERS: Final = (
    Peer("hamilton", "sf-hamilton", "benchmarks.peers.hamilton_async", tuple((case,) for case in CASES)),
    Peer(
        "langgraph",
        "langgraph langgraph-checkpoint-sqlite",
        "benchmarks.peers.langgraph_async",
        (*((case, "none") for case in CASES), *((case, "sqlite") for case in ("chain", "fanout", "dag", "diamond"))),
    ),
    Peer("burr", "apache-burr", "benchmarks.peers.burr_async", (("chain",),)),
)


def recipes(folder: str) -> str:
    """Return the commands that make the environments."""
    return "\n".join(
        f"    python3 -m venv {folder}/{peer.venv} && {folder}/{peer.venv}/bin/python -m pip install {peer.packages}" for peer in PEERS
    )


def peer_rows(folder: Path, only: str = "") -> list[Row]:
    """Return the rows of the peers whose environments are in *folder*; say how to make those that are not."""
    rows: list[Row] = []
    for peer in PEERS:
        python = folder.absolute() / peer.venv / "bin" / "python"
        if not python.exists():
            print(f"{peer.venv}: no environment in {folder}; `python -m benchmarks.peers --help` says how to make it", flush=True)
            continue
        tasks = [(" ".join((peer.venv, *run)), run) for run in peer.runs]
        rows += in_fresh_processes(peer.module, [task for task in tasks if only in task[0]], python=str(python))
    return rows


def main() -> int:
    """Time the peers; print the table."""
    text = (__doc__ or "").format(recipes=recipes("DIR"))
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, required=True, help="the folder with an environment per peer")
    parser.add_argument("--only", default="", help="time only what has this text in its name, for example langgraph or chain")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    return finish(peer_rows(options.venvs, options.only), options.json)


if __name__ == "__main__":
    sys.exit(main())
