"""The command line as a user meets it: a process, its output, its exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]


def test_run_prints_the_outputs_and_nothing_else_on_standard_output(shell: Shell) -> None:
    done = shell.process("run", "greeting.yaml", "-i", "names=Ann,Bob")
    assert done.status == 0, done.err
    assert json.loads(done.out) == {"text": "Hello Ann, Hello Bob"}


def test_without_a_terminal_each_settled_step_is_a_line_before_the_table(shell: Shell) -> None:
    lines = shell("run", "greeting.yaml", "-i", "names=Ann,Bob").err.splitlines()
    assert lines[0].startswith("job ")
    assert lines[1].startswith("hello: succeeded  2/2")
    assert lines[2].startswith("all: succeeded")
    (row,) = (line.split() for line in lines if line.split()[:1] == ["hello"])
    assert row[:4] == ["hello", "python", "cpu", "2"]
    assert row[-1] == "succeeded"
    assert any(line.split()[:1] == ["total"] for line in lines)


def test_quiet_prints_the_result_only(shell: Shell) -> None:
    done = shell("run", "greeting.yaml", "-i", "names=Ann", "--quiet")
    assert done.err == ""
    assert json.loads(done.out) == {"text": "Hello Ann"}


def test_json_tells_what_each_step_took(shell: Shell) -> None:
    answer = shell.json("run", "greeting.yaml", "-i", "names=Ann,Bob")
    assert answer["status"] == "succeeded"
    assert answer["outputs"] == {"text": "Hello Ann, Hello Bob"}
    assert [(step["step"], step["executor"], step["done"], step["status"]) for step in answer["steps"]] == [
        ("hello", "python", 2, "succeeded"),
        ("all", "python", 1, "succeeded"),
    ]


def test_a_job_can_be_listed_and_shown_by_the_beginning_of_its_id(shell: Shell) -> None:
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    (summary,) = shell.json("jobs")
    assert (summary["job"], summary["workflow"], summary["status"]) == (job, "greeting", "succeeded")
    shown = shell.json("show", job[:6])
    assert shown["outputs"] == {"text": "Hello Ann"}
    assert {task["task"]: task["status"] for task in shown["tasks"]} == {"hello": "succeeded", "hello[0]": "succeeded", "all": "succeeded"}
    assert job in shell("jobs").out
    assert "hello[0]" in shell("show", job).out


def test_the_story_of_a_task_and_its_value_are_shown(shell: Shell) -> None:
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    told = shell.json("show", job, "--task", "hello[0]")
    assert told["value"] == "Hello Ann"
    assert told["story"][-1].endswith("hello[0] succeeded")
    done = shell("show", job, "--task", "hello[1]")
    assert done.status == 4
    assert "did you mean 'hello[0]'" in done.err


def test_a_failed_job_says_how_to_go_on_and_can_be_resumed(shell: Shell) -> None:
    (shell.folder / "broken").touch()
    done = shell.process("run", "greeting.yaml", "-i", "names=Ann")
    assert done.status == 1
    assert done.out == ""
    assert "error[job-failed]" in done.err
    assert "ValueError: it is broken" in done.err
    assert "Traceback" not in done.err
    (summary,) = shell.json("jobs")
    assert f"murakkab resume {summary['job']}" in done.err
    (shell.folder / "broken").unlink()
    resumed = shell.json("resume", summary["job"])
    assert resumed["outputs"] == {"text": "Hello Ann"}
    assert {step["step"]: (step["done"], step["attempts"]) for step in resumed["steps"]} == {"hello": (1, 1), "all": (1, 2)}


def test_a_failed_job_is_one_json_document_with_the_same_status(shell: Shell) -> None:
    (shell.folder / "broken").touch()
    answer = shell.json("run", "greeting.yaml", "-i", "names=Ann", status=1)
    assert answer["code"] == "job-failed"
    assert answer["causes"][0]["task"] == "all"


def test_a_job_that_succeeded_cannot_be_resumed(shell: Shell) -> None:
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    assert shell.json("resume", job, status=5)["code"] == "conflict"


def test_no_journal_keeps_nothing(shell: Shell) -> None:
    assert shell("run", "greeting.yaml", "-i", "names=Ann", "--no-journal").status == 0
    assert shell.json("jobs") == []


def test_the_journal_may_lie_elsewhere(shell: Shell) -> None:
    job = shell.json("run", "greeting.yaml", "-i", "names=Ann", "--journal", "elsewhere")["job"]
    assert [one["job"] for one in shell.json("jobs", "--journal", "elsewhere")] == [job]
    assert shell.json("jobs") == []


def test_validate_prints_every_mistake_with_its_place(shell: Shell) -> None:
    done = shell("validate", "greeting.yaml", "wrong.yaml")
    assert done.status == 2
    assert done.out == "greeting.yaml: ok, 2 steps\n"
    lines = done.err.splitlines()
    assert any(line.startswith("wrong.yaml:4:") and "unknown-capability" in line for line in lines)
    assert any(line.startswith("wrong.yaml:5:") and "did you mean 'with'" in line for line in lines)


def test_validate_as_json_has_a_report_per_file(shell: Shell) -> None:
    good, bad = shell.json("validate", "greeting.yaml", "wrong.yaml", status=2)
    assert good == {"file": "greeting.yaml", "ok": True, "error": None, "warnings": []}
    assert {one["line"] for one in bad["error"]["diagnostics"]} == {4, 5}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["run", "nowhere.yaml"], 4, "nowhere.yaml"),
        (["run", "wrong.yaml"], 2, "unknown-capability"),
        (["run", "greeting.yaml"], 2, "input 'names' (list[str]) is missing"),
        (["run", "greeting.yaml", "-i", "name=Ann"], 2, "did you mean 'names'"),
        (["run", "greeting.yaml", "-i", "names=Ann", "--goal", "enrgy"], 2, "did you mean 'energy'"),
        (["show", "abc"], 4, "there is no journal"),
        (["resume", "abc"], 4, "there is no journal"),
        (["rnu"], 2, "No such command"),
    ],
)
def test_a_mistake_is_explained_without_a_traceback(shell: Shell, words: list[str], status: int, says: str) -> None:
    done = shell(*words)
    assert done.status == status
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_an_unknown_job_is_not_found(shell: Shell) -> None:
    shell("run", "greeting.yaml", "-i", "names=Ann")
    assert shell.json("show", "zzz", status=4)["code"] == "not-found"


def test_executors_lists_capabilities_with_their_executors(shell: Shell) -> None:
    answer = shell.json("executors")
    names = {one["name"]: one["capability"] for one in answer["executors"]}
    assert names["python"] == "python"
    assert {one["name"] for one in answer["capabilities"]} >= {"python", "object-detection", "speech-to-text"}
    assert "object-detection" in shell("executors").out


def test_schema_is_a_json_schema(shell: Shell) -> None:
    answer = json.loads(shell("schema").out)
    assert answer["$schema"].startswith("https://json-schema.org/")
    assert "steps" in answer["properties"]


COMMANDS = [
    *("run", "resume", "approve", "send", "cancel", "fork"),
    *("jobs", "show", "logs", "graph", "catalog", "clean"),
    *("validate", "plan", "new", "convert", "executors", "schema", "completion"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_an_example_and_speaks_json(shell: Shell, command: str) -> None:
    done = shell(command, "--help")
    assert done.status == 0
    assert f"murakkab {command}" in done.out.partition("Example: ")[2]
    assert "--json" in done.out


def test_help_lists_every_command(shell: Shell) -> None:
    listed = {
        line.split()[0] for line in shell("--help").out.partition("Commands:")[2].splitlines() if line.startswith("  ") and line.split()
    }
    assert set(COMMANDS) <= listed


def test_help_loads_nothing_heavy(shell: Shell) -> None:
    code = (
        "import sys\nsys.argv = ['murakkab', '--help']\nfrom murakkab.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('pydantic', 'asyncio', 'yaml', 'networkx', 'anyio', 'httpx', 'rich', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=shell.folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@contextmanager
def begun(shell: Shell) -> Iterator[subprocess.Popen[str]]:
    """A run whose first step is under way and waits for the file `go`."""
    command, pipe = shell.command("run", "slow.yaml"), subprocess.PIPE
    with subprocess.Popen(command, cwd=shell.folder, env=shell.environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            while not (shell.folder / "begun").exists():
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def until_it_says(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    while text not in process.stderr.readline():
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_first_interrupt_lets_running_tasks_finish_and_the_job_be_resumed(shell: Shell, number: signal.Signals) -> None:
    with begun(shell) as process:
        process.send_signal(number)
        until_it_says(process, "Ctrl-C again stops at once")
        (shell.folder / "go").touch()
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    (summary,) = shell.json("jobs")
    assert summary["status"] == "interrupted"
    assert f"murakkab resume {summary['job']}" in err
    assert shell.json("show", summary["job"], "--task", "first")["status"] == "succeeded"
    assert shell.json("resume", summary["job"])["outputs"] == {"text": "Ann!"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_interrupt_stops_at_once_and_the_job_can_still_be_resumed(shell: Shell, number: signal.Signals) -> None:
    with begun(shell) as process:
        process.send_signal(number)
        until_it_says(process, "Ctrl-C again stops at once")
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    (shell.folder / "go").touch()
    (summary,) = shell.json("jobs")
    assert summary["status"] == "interrupted"
    assert shell.json("resume", summary["job"])["outputs"] == {"text": "Ann!"}


PROGRAM = """
workflow: program
steps:
  a: {uses: shell, with: {argv: [sh, -c, 'trap "" TERM HUP; echo $$ > number; while true; do sleep 0.1; done'], cwd: "FOLDER"}}
"""


@pytest.mark.timeout(30)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_at_once_leaves_no_program_behind(shell: Shell, number: signal.Signals) -> None:
    (shell.folder / "program.yaml").write_text(PROGRAM.replace("FOLDER", str(shell.folder)))
    process = subprocess.Popen(
        shell.command("run", "program.yaml"), cwd=shell.folder, env=shell.environment, stderr=subprocess.PIPE, text=True
    )
    started = shell.folder / "number"
    try:
        until = time.monotonic() + 10
        while not (started.exists() and started.read_text().strip()) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(number)
        until_it_says(process, "Ctrl-C again stops at once")
        process.send_signal(number)
        assert "Traceback" not in process.communicate(timeout=10)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_program_that_is_to_outlive_its_terminal_does(shell: Shell) -> None:
    """As `nohup` begins one."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with begun(shell) as process:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            (shell.folder / "go").touch()
            out, _ = process.communicate()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (process.returncode, json.loads(out)) == (0, {"text": "Ann!"})
