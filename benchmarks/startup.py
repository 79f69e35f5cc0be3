"""driver: what it takes to start - `import murakkab`, `from murakkab import workflow, step`, `murakkab --help` - in fresh processes.

    python -m benchmarks.startup [--json FILE]

Wall time less that of `python -c pass`, taken in turns with it; and the most memory the process had.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.report import finish, in_words
from benchmarks.timing import ROOT, Row

TIMES: Final = 7
_TELL_PEAK: Final = """
import atexit, re
def tell():
    import sys
    print('PEAK', re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)
atexit.register(tell)
"""


def seconds_of(command: list[str]) -> tuple[float, str]:
    """Return how long a command takes, and what it says on its standard error."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stderr


def start_row(name: str, command: list[str], memory: str) -> Row:
    """Return the row of a command. *memory* is Python code that does the same and is asked for its memory."""
    peak = [sys.executable, "-c", _TELL_PEAK + memory]
    empty = [sys.executable, "-c", "pass"]
    seconds_of(command)  # the first run reads the disk
    extra: list[float] = []
    whole: list[float] = []
    memories: list[float] = []
    for _ in range(TIMES):
        nothing, _said = seconds_of(empty)
        something, _said = seconds_of(command)
        whole.append(something * 1e3)
        extra.append((something - nothing) * 1e3)
        memories.append(int(seconds_of(peak)[1].rpartition("PEAK")[2]) / 1024)
    figures = {
        "ms": statistics.median(extra),
        "least_ms": min(extra),
        "most_ms": max(extra),
        "whole_ms": statistics.median(whole),
        "mb": statistics.median(memories),
        "runs": TIMES,
    }
    row = Row("murakkab", name, "", figures)
    print(f"{name}: {in_words(row)}", flush=True)
    return row


def rows() -> list[Row]:
    """Return a row per way to start."""
    script = str(Path(sys.executable).with_name("murakkab"))
    help_code = f"import runpy, sys\nsys.argv = ['murakkab', '--help']\nrunpy.run_path({script!r}, run_name='__main__')"
    found = [start_row(code, [sys.executable, "-c", code], code) for code in ("import murakkab", "from murakkab import workflow, step")]
    return [*found, start_row("murakkab --help", [script, "--help"], help_code)]


def main() -> int:
    """Time every way to start; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    return finish(rows(), parser.parse_args().json)


if __name__ == "__main__":
    sys.exit(main())
