"""What a command writes where: results alone on standard output, whatever steps print, in any encoding, and when it is full or closed."""

import json
import subprocess

import pytest

from tests.shells import Done, Shell, shell

__all__ = ["shell"]

NOISY = """
workflow: noisy
steps: {say: {call: "noisy_steps:say"}}
outputs: {text: "${say}"}
"""
NOISY_STEPS = """
import os
import subprocess
print("of the module")
def say() -> str:
    print("of the step")
    os.write(1, b"of the descriptor\\n")
    subprocess.run(["echo", "of a child"], check=True)
    return "Zo\\xeb"
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NOISE = ["of the module", "of the step", "of the descriptor", "of a child"]


@pytest.fixture
def noisy(shell: Shell) -> Shell:
    (shell.folder / "noisy.yaml").write_text(NOISY)
    (shell.folder / "noisy_steps.py").write_text(NOISY_STEPS)
    return shell


def through_a_shell(noisy: Shell, words: str, redirected: str) -> Done:
    """Return what a command leaves behind that is run with its streams *redirected*."""
    line = ["sh", "-c", f'"$@" {redirected}', "sh", *noisy.command(*words.split())]
    done = subprocess.run(line, cwd=noisy.folder, env=noisy.environment, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


# ------------------------------------------------------------------------------------------------------------- results apart


@pytest.mark.parametrize("words", ["run noisy.yaml --json", "run noisy.yaml --quiet", "run noisy.yaml"])
def test_what_steps_print_goes_to_standard_error(noisy: Shell, words: str) -> None:
    done = noisy.process(*words.split())
    assert done.status == 0, done.err
    answer = json.loads(done.out)
    assert answer.get("outputs", answer) == {"text": "Zoë"}
    assert [line for line in done.err.splitlines() if line in NOISE] == NOISE


@pytest.mark.parametrize("words", ["validate noisy.yaml --json", "plan noisy.yaml --json", "graph noisy.yaml --json"])
def test_what_a_module_prints_while_it_is_looked_at_goes_to_standard_error(noisy: Shell, words: str) -> None:
    done = noisy.process(*words.split())
    assert done.status == 0, done.err
    json.loads(done.out)
    assert done.err.splitlines() == NOISE[:1]


def test_outside_of_the_command_line_printing_is_left_alone(noisy: Shell) -> None:
    code = "import sys; from murakkab import load_workflow; sys.path.insert(0, '.'); print(load_workflow('noisy.yaml').run())"
    command = [*noisy.command()[:1], "-c", code]
    done = subprocess.run(command, cwd=noisy.folder, env=noisy.environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "of the module"
    assert set(NOISE) <= set(done.stdout.splitlines())


# ---------------------------------------------------------------------------------------------------------- full, closed, gone


def test_a_result_that_cannot_be_written_is_told_and_the_job_has_succeeded(noisy: Shell) -> None:
    done = through_a_shell(noisy, "run noisy.yaml --quiet", ">/dev/full")
    assert done.status == 6
    assert "the result cannot be written to standard output: No space left on device" in done.err
    assert "Traceback" not in done.err
    assert noisy.json("jobs")[0]["status"] == "succeeded"


@pytest.mark.parametrize("redirected", [">&-", "<&- >&- 2>&-"])
def test_with_standard_output_closed_the_job_is_done_all_the_same(noisy: Shell, redirected: str) -> None:
    done = through_a_shell(noisy, "run noisy.yaml --quiet", redirected)
    assert done.status == 0, done.err
    assert "Traceback" not in done.err
    assert noisy.json("jobs")[0]["status"] == "succeeded"


def test_a_reader_that_has_gone_is_no_error_to_tell(noisy: Shell) -> None:
    done = through_a_shell(noisy, "schema", "| true")
    assert done.err == ""


# ------------------------------------------------------------------------------------------------------------------ encodings


def test_pictures_are_drawn_in_an_encoding_that_has_none_of_their_signs(noisy: Shell) -> None:
    noisy.environment |= ASCII
    drawn = noisy.process("graph", "noisy.yaml")
    assert drawn.status == 0, drawn.err
    assert drawn.out.splitlines()[1].split() == ["o", "say", "noisy_steps:say"]
    job = json.loads(noisy.process("run", "noisy.yaml", "--json").out)["job"]
    shown = noisy.process("show", job)
    assert (shown.status, shown.out.isascii()) == (0, True)
    assert any(line.startswith("> say ") and "#" in line for line in shown.out.splitlines())


def test_json_stays_json_in_any_encoding(noisy: Shell) -> None:
    noisy.environment |= ASCII
    assert json.loads(noisy.process("run", "noisy.yaml", "--quiet").out) == {"text": "Zoë"}


# ---------------------------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("run --json", "Missing argument"),
        ("fork 3f9a --json", "Missing option"),
        ("convert noisy.yaml --json", "Missing option"),
        ("bogus --json", "No such command 'bogus'"),
        ("jobs -n 0 --json", "Invalid value"),
        ("run noisy.yaml --bogus --json", "No such option"),
        ("--bogus --json", "No such option"),
    ],
)
def test_words_that_no_command_takes_are_one_document_for_who_asks_for_json(noisy: Shell, words: str, says: str) -> None:
    answer = noisy.json(*words.split()[:-1], status=2)
    assert (answer["code"], answer["diagnostics"]) == ("invalid-input", [])
    assert says in answer["message"]
    assert answer["hint"].endswith("--help tells what it takes")


# ----------------------------------------------------------------------------------------------------------- control characters


def test_control_characters_of_foreign_text_are_shown_by_their_numbers(noisy: Shell) -> None:
    (noisy.folder / "noisy_steps.py").write_text(
        "def say() -> str:\n    raise ValueError('\\x1b[31mred\\x1b[0m \\x00\\x9b2J \\u202etxt')\n"
    )
    done = noisy.process("run", "noisy.yaml")
    assert done.status == 1
    assert r"ValueError: \x1b[31mred\x1b[0m \x00\x9b2J \u202etxt" in done.err
    assert not {"\x1b", "\x00", "\x9b", "\u202e"} & set(done.err)
    job = noisy.json("jobs")[0]["job"]
    for words in (["show", job], ["show", job, "--task", "say"], ["logs", job], ["show", job, "--json"]):
        out = noisy.process(*words).out
        assert not {"\x1b", "\x00", "\x9b"} & set(out), words


# ---------------------------------------------------------------------------------------------------------------------- width


@pytest.mark.parametrize("width", [60, 120])
def test_tables_are_as_wide_as_columns_says_where_there_is_no_terminal(noisy: Shell, width: int) -> None:
    noisy.environment["COLUMNS"] = str(width)
    ran = noisy.process("run", "noisy.yaml")
    (row,) = (line.split() for line in ran.err.splitlines() if line.split()[:1] == ["say"])
    assert row[-1] == "succeeded"
    (job,) = (one["job"] for one in noisy.json("jobs"))
    for words in (["jobs"], ["show", job], ["plan", "noisy.yaml"], ["graph", job]):
        lines = noisy.process(*words).out.splitlines()
        assert max(map(len, lines)) <= width, words
    assert any(job in line and "succeeded" in line for line in noisy.process("jobs").out.splitlines())
