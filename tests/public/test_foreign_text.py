"""Text from outside - of exceptions, values, questions - is shown wherever it meets a terminal, and does nothing there."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.cli.visible import json_text, visible
from tests.public.test_cli_jobs import Terminal
from tests.shells import Shell, shell

__all__ = ["shell"]


STEPS = r"""
FOUL = "\x1b[31mred\x1b[0m \x00 \x07 \x9b2J \x7f \r over"

def fails():
    raise ValueError(FOUL)

def says():
    return FOUL

def half():
    return {"a\udcff": "b\ud800"}
"""
FILES = {
    "fails.yaml": 'workflow: fails\nsteps: {a: {call: "foul_steps:fails"}}\n',
    "says.yaml": 'workflow: says\nsteps: {a: {call: "foul_steps:says"}}\noutputs: {a: "${a}"}\n',
    "half.yaml": 'workflow: half\nsteps: {a: {call: "foul_steps:half"}}\noutputs: {a: "${a}"}\n',
    "asks.yaml": """
workflow: asks
steps:
  a: {call: "foul_steps:says"}
  ask: {approve: {message: {$template: "is ${a} right?"}}}
""",
    "wrong.yaml": 'workflow: wrong\nsteps: {a: {uses: "x\\e[31my\\u009b"}}\n',
}
#: What a terminal does something for; rich colours text, and moves the cursor.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
OF_RICH = re.compile(r"\x1b\[(\d+(;\d+)*m|\?25[lh]|\d*[ABCDK])|\r")


@pytest.fixture
def foul(shell: Shell) -> Iterator[Shell]:
    (shell.folder / "foul_steps.py").write_text(STEPS)
    for name, text in FILES.items():
        (shell.folder / name).write_text(text)
    yield shell
    sys.modules.pop("foul_steps", None)


def clean(text: str) -> str:
    assert not UNSEEN.search(text), ascii(text)
    return text


def test_errors_and_logs_and_looks_show_controls_escaped(foul: Shell) -> None:
    done = foul("run", "fails.yaml")
    assert r"\x1b[31mred\x1b[0m \x00 \x07 \x9b2J \x7f \r over" in clean(done.err)
    (job,) = (one["job"] for one in foul.json("jobs"))
    for words in (["show", job], ["show", job, "--task", "a"], ["logs", job], ["resume", job], ["show", job, "--tasks"]):
        done = foul(*words)
        clean(done.out + done.err)
    assert r"\x1b[31mred" in foul("show", job).out
    assert r"x\x1b[31my" in clean(foul("validate", "wrong.yaml").err)


def test_json_holds_no_control_and_reads_back_the_same(foul: Shell) -> None:
    done = foul("run", "says.yaml", "--json")
    answer = json.loads(clean(done.out))
    assert answer["outputs"]["a"] == "\x1b[31mred\x1b[0m \x00 \x07 \x9b2J \x7f \r over"
    clean(foul("show", answer["job"], "--json").out)
    for line in clean(foul("logs", answer["job"], "--json").out).splitlines():
        json.loads(line)
    assert json.loads(clean(foul("run", "fails.yaml", "--json").out))["code"] == "job-failed"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_half_a_character_is_escaped_and_not_written_as_a_byte(foul: Shell, locale: str) -> None:
    """As in the names of files that are no UTF-8."""
    words = foul.command("run", "half.yaml", "--quiet")
    done = subprocess.run(words, cwd=foul.folder, env={**foul.environment, "LC_ALL": locale}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("utf-8", "strict")) == {"a": {"a\udcff": "b\ud800"}}


def test_on_a_terminal_progress_questions_and_results_do_nothing_but_be_read(foul: Shell) -> None:
    for words in (["run", "fails.yaml"], ["run", "says.yaml"]):
        with Terminal(foul, *words) as terminal:
            said = ""
            while read := terminal._read():
                said += read
        clean(OF_RICH.sub("", said).replace("\n", ""))
        assert "red" in said
    with Terminal(foul, "run", "asks.yaml") as terminal:
        said = ""
        while "[l]ater" not in OF_RICH.sub("", said) and (read := terminal._read()):
            said += read
        terminal.type("l")
        terminal.end()
    clean(OF_RICH.sub("", said).replace("\n", ""))
    assert r"\x1b[31mred" in OF_RICH.sub("", said)


@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_whatever_is_made_visible_can_be_written_and_json_reads_back(text: str) -> None:
    shown = visible(text)
    shown.encode()
    clean(shown)
    assert visible(shown) == shown
    written = json_text({text: [text]})
    written.encode()
    clean(written)
    if not re.search("[\ud800-\udbff][\udc00-\udfff]", text):
        assert json.loads(written) == {text: [text]}
