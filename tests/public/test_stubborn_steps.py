"""Steps that will not end, or end in ways that were meant for others: the job ends, says how, and so does the process."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

STEPS = """
import asyncio
import time

async def deaf():
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass

def leaves():
    raise GeneratorExit("plain")

async def leaves_later():
    raise GeneratorExit("async")

async def leaves_beside():
    await asyncio.to_thread(leaves)

async def interrupts():
    raise KeyboardInterrupt("async")

def interrupts_plainly():
    raise KeyboardInterrupt("plain")
"""
DEAF = """
workflow: deaf
steps:
  a: {call: "stubborn_steps:deaf", timeout: 100ms, on_error: {default: x}}
outputs: {a: "${a}"}
"""
ENDS = """
workflow: ends
steps:
  plain: {call: "stubborn_steps:leaves", on_error: {default: "${error.message}"}}
  later: {call: "stubborn_steps:leaves_later", on_error: {default: "${error.message}"}}
  beside: {call: "stubborn_steps:leaves_beside", on_error: {default: "${error.message}"}}
  timed: {call: "stubborn_steps:leaves_later", timeout: 5s, on_error: {default: "${error.message}"}}
  keys: {call: "stubborn_steps:interrupts", on_error: {default: "${error.message}"}}
  keys_timed: {call: "stubborn_steps:interrupts", timeout: 5s, on_error: {default: "${error.message}"}}
  keys_plain: {call: "stubborn_steps:interrupts_plainly", on_error: {default: "${error.message}"}}
outputs: {all: ["${plain}", "${later}", "${beside}", "${timed}", "${keys}", "${keys_timed}", "${keys_plain}"]}
"""
ENDED = [
    "GeneratorExit: plain, raised by the function itself",
    "GeneratorExit: async",
    "GeneratorExit",
    "GeneratorExit: async",
    "KeyboardInterrupt: async",
    "KeyboardInterrupt: async",
    "KeyboardInterrupt: plain, raised by the function itself",
]
IN_PYTHON = """
import murakkab
handle = murakkab.load_workflow({file!r})
print(handle.run())
print(len(list(handle.stream())) > 1)
"""


@pytest.fixture
def stubborn(shell: Shell) -> Iterator[Shell]:
    for name, text in {"stubborn_steps.py": STEPS, "deaf.yaml": DEAF, "ends.yaml": ENDS}.items():
        (shell.folder / name).write_text(text)
    yield shell
    sys.modules.pop("stubborn_steps", None)


@pytest.mark.timeout(40)
def test_a_job_ends_although_a_coroutine_does_not(stubborn: Shell) -> None:
    begin = time.monotonic()
    done = stubborn.process("run", "deaf.yaml", "--quiet")
    assert time.monotonic() - begin < 15
    assert (done.status, json.loads(done.out)) == (0, {"a": "x"})
    assert done.err == "1 coroutine would not be cancelled, and is left behind\n"


@pytest.mark.timeout(40)
def test_a_job_in_python_ends_although_a_coroutine_does_not(stubborn: Shell) -> None:
    line = [sys.executable, "-c", IN_PYTHON.format(file="deaf.yaml")]
    done = subprocess.run(line, cwd=stubborn.folder, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "{'a': 'x'}\nTrue\n"), done.stderr
    assert set(done.stderr.splitlines()) == {"1 coroutine would not be cancelled, and is left behind"}


def test_what_ends_a_generator_or_a_program_ends_the_step_that_raises_it(stubborn: Shell) -> None:
    done = stubborn.process("run", "ends.yaml", "--quiet")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {"all": ENDED}


def test_in_python_it_ends_the_step_too(stubborn: Shell) -> None:
    script = "import murakkab; print(murakkab.load_workflow('ends.yaml').run()['all'])"
    done = subprocess.run([sys.executable, "-c", script], cwd=stubborn.folder, capture_output=True, text=True, timeout=15, check=False)
    assert (done.stdout, done.stderr) == (f"{ENDED}\n", "")
