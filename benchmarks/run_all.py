"""driver: every benchmark there is, then the figures to reach with a mark each; writes benchmarks/results/<date>.json.

    python -m benchmarks.run_all [--venvs DIR] [--no-crash] [--json FILE]

Without --venvs no peer is timed. Figures are worth most on a quiet machine; the load is in the file.
"""

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import startup
from benchmarks.overhead import overhead_rows
from benchmarks.peers.__main__ import peer_rows, recipes
from benchmarks.report import console, finish
from benchmarks.tables import target_table
from benchmarks.timing import ROOT, Row

RESULTS: Final = ROOT / "benchmarks" / "results"


def crash_row() -> Row:
    """Return whether the crash test, which tells about itself, passes."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.crash"], cwd=ROOT, check=False)
    return Row("murakkab", "crash test", "", {"exit_code": done.returncode})


def main() -> int:
    """Run everything; 1 when a figure could not be measured. A figure that is missed is marked in the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, help="a folder with an environment per peer; `python -m benchmarks.peers --help` says more")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    parser.add_argument("--no-crash", action="store_true", help="leave out the crash test, which kills a hundred processes")
    options = parser.parse_args()
    print("-- start", flush=True)
    rows = startup.rows()
    print("-- cost per step", flush=True)
    rows += overhead_rows()
    if options.venvs is not None:
        print("-- peers", flush=True)
        rows += peer_rows(options.venvs)
    if not options.no_crash:
        print("-- crash test", flush=True)
        rows.append(crash_row())
    code = finish(rows, options.json or RESULTS / f"{datetime.now(UTC).date()}.json")
    console().print(target_table(rows))
    if options.venvs is None:
        print(f"no peers were timed: give their environments with --venvs DIR. To make them:\n{recipes('DIR')}")
    return code


if __name__ == "__main__":
    sys.exit(main())
