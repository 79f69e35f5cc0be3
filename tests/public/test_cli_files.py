"""What the command line does with workflow files: checks, plans, drawings, new ones, other forms - and how shells complete words."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

UNUSED = """
workflow: unused
inputs: {name: str, more: {type: int, default: 1}}
steps: {hello: {call: "cli_steps:hello", with: {name: "${inputs.name}"}}}
outputs: {text: "${hello}"}
profiles: {dev: {inputs: {name: {default: Dev}}}}
"""
NESTED = """
workflow: nested
inputs: {names: "list[str]"}
steps:
  hello: {call: "cli_steps:hello", for_each: "${inputs.names}", with: {name: "${item}"}, max_parallel: 2}
  same: {call: "cli_steps:last", with: {name: x}, effect: pure}
  twin: {call: "cli_steps:last", with: {name: x}, effect: pure}
  group:
    steps:
      all: {call: "cli_steps:join", with: {parts: "${hello}"}}
      end: {call: "cli_steps:last", with: {name: "${all}"}}
    outputs: {text: "${end}"}
    repeat: {at_most: 3, until: "size(result.text) > 3"}
  ok: {approve: "Fine?", after: [group]}
finally:
  tidy: {call: "cli_steps:last", with: {name: "${job.status}"}}
outputs: {text: "${group.text}", same: "${same}", twin: "${twin}"}
"""


@pytest.fixture
def files(shell: Shell) -> Shell:
    for name, text in {"unused.yaml": UNUSED, "nested.yaml": NESTED}.items():
        (shell.folder / name).write_text(text)
    return shell


# ----------------------------------------------------------------------------------------------------------------- validate


def test_warnings_are_told_and_stop_nobody_unless_they_count(files: Shell) -> None:
    done = files("validate", "unused.yaml")
    assert done.status == 0
    assert "warning: unused-input" in done.err
    assert done.out == "unused.yaml: ok, 1 step, 1 warning\n"
    assert files("validate", "unused.yaml", "--strict").status == 2
    (report,) = files.json("validate", "unused.yaml")
    assert (report["ok"], report["warnings"][0]["code"], report["warnings"][0]["line"]) == (True, "unused-input", 3)
    assert "warning: unused-input" in files("run", "unused.yaml", "-i", "name=Ann").err


def test_a_profile_is_laid_over_the_file(files: Shell) -> None:
    assert files("validate", "unused.yaml", "--profile", "dev").status == 0
    assert files.json("run", "unused.yaml", "--profile", "dev")["outputs"] == {"text": "Hello Dev"}
    done = files("run", "unused.yaml", "--profile", "dve")
    assert done.status == 2
    assert "did you mean 'dev'" in done.err


# --------------------------------------------------------------------------------------------------------------------- plan


def test_a_plan_says_who_does_each_step_and_why_and_runs_nothing(files: Shell) -> None:
    done = files("plan", "nested.yaml")
    assert done.status == 0, done.err
    rows = {line.split()[0]: line.split() for line in done.out.splitlines() if line.startswith(" ") and line.strip()}
    assert rows["hello"][1:3] == ["python", "4"]
    assert rows["group"][1:4] == ["steps", "inside", "≤3"]
    assert rows["ok"][1:3] == ["a", "person"]
    assert "assumed" in rows["all"]
    assert "expected: " in done.out
    assert "critical path: hello → " in done.out
    assert "chosen: each step by itself" in done.out
    assert "twin is the same call as same: runs once" in done.out
    assert not (files.folder / ".murakkab").exists()


def test_a_plan_as_json_has_expectations_with_their_source(files: Shell) -> None:
    plan = files.json("plan", "nested.yaml", "--minimize", "latency,cost")
    assert plan["goal"]["minimize"] == ["latency", "cost"]
    steps = {step["step"]: step for step in plan["steps"]}
    assert list(steps)[:4] == ["hello", "same", "group", "group/all"] or set(steps) >= {"hello", "group", "group/all", "ok", "finally/tidy"}
    assert steps["group/all"]["expected"]["seconds"]["source"] == "assumed"
    assert (steps["ok"]["kind"], steps["hello"]["tasks"]) == ("approve", "4")
    assert plan["critical_path"][0] == "hello"
    assert plan["expected"]["seconds"]["value"] > 0
    assert files("plan", "nested.yaml", "--minimize", "speed").status == 2


# -------------------------------------------------------------------------------------------------------------------- graph


def test_a_file_is_drawn_in_every_form(files: Shell) -> None:
    text = files("graph", "nested.yaml").out
    assert "○" in text
    assert "each inputs.names, 2 at a time" in text
    assert "flowchart TB" in files("graph", "nested.yaml", "--format", "mermaid").out
    assert files("graph", "nested.yaml", "--format", "dot").out.startswith('digraph "nested"')
    ElementTree.fromstring(files("graph", "nested.yaml", "--format", "svg").out)
    assert {box["path"] for box in files.json("graph", "nested.yaml")["boxes"]} >= {"hello", "group", ">inputs", ">outputs", ">finally"}


def test_the_ending_of_the_file_says_how_to_draw(files: Shell) -> None:
    for name in ("a.svg", "a.dot", "a.mmd", "a.txt"):
        assert files("graph", "nested.yaml", "-o", name).out == ""
    ElementTree.parse(files.folder / "a.svg")
    assert "digraph" in (files.folder / "a.dot").read_text()
    assert "flowchart" in (files.folder / "a.mmd").read_text()
    assert "○" in (files.folder / "a.txt").read_text()


def test_a_job_is_drawn_with_the_status_of_each_step(files: Shell) -> None:
    job = files.json("run", "nested.yaml", "-i", "names=Ann", status=8)["job"]
    text = files("graph", job).out
    assert "awaiting" in text
    boxes = {box["path"]: box["status"] for box in files.json("graph", job)["boxes"]}
    assert (boxes["hello"], boxes["ok"]) == ("succeeded", "awaiting")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["graph", "nested.yaml", "--format", "png"], 2, "nothing is drawn as 'png'"),
        (["graph", "nowhere.yaml"], 4, "no file"),
        (["graph", "abc"], 4, "neither a file 'abc' nor a journal"),
        (["plan", "nowhere.yaml"], 4, "no file"),
        (["convert", "greeting.yaml", "--to", "toml"], 2, "nothing is written as 'toml'"),
        (["new", "1st"], 2, "cannot be the name of a workflow"),
        (["new", "x", "--template", "lop"], 2, "did you mean 'loop'"),
        (["completion", "tcsh"], 2, "no completion for 'tcsh'"),
        (["executors", "--for", "txt-summary"], 4, "did you mean 'text-summary'"),
        (["run", "greeting.yaml", "--budget", "cost"], 2, "is no limit"),
        (["schema", "-o", "no/such/folder.json"], 2, "cannot be written"),
    ],
)
def test_a_mistake_is_explained(files: Shell, words: list[str], status: int, says: str) -> None:
    done = files(*words)
    assert done.status == status
    assert says in done.err
    assert done.out == ""
    told = files(*words, "--json")
    assert says in json.loads(told.out)["message"] + json.loads(told.out)["hint"]


# --------------------------------------------------------------------------------------------------------- new and convert


ANSWERS: dict[str, Any] = {
    "hello": ["-i", "who=Ann"],
    "map": ["-i", "texts=one two,three"],
    "approval": ["-i", "customer=Ann", "-i", "amount=12.5"],
    "loop": ["-i", "topic=tea"],
    "agent": ["-i", "question=why"],
    "sql": ["-i", "question=how much"],
}


@pytest.mark.parametrize("template", list(ANSWERS))
def test_a_template_is_valid_runs_and_is_never_written_over(files: Shell, template: str) -> None:
    done = files("new", f"my-{template}", "--template", template)
    assert done.status == 0, done.err
    assert (files.folder / f"my-{template}.yaml").read_text().startswith("# yaml-language-server: $schema=workflow.schema.json\n")
    assert files.json("validate", f"my-{template}.yaml", "--strict")[0]["ok"]
    asks = template in ("approval", "sql")
    answer = files.json("run", f"my-{template}.yaml", *ANSWERS[template], status=8 if asks else 0)
    if asks:
        answer = files.json("approve", answer["job"])
    assert answer["outputs"]
    again = files("new", f"my-{template}", "--template", template)
    assert again.status == 5
    assert "there is a file" in again.err


def test_a_workflow_is_written_in_other_forms_that_mean_the_same(files: Shell) -> None:
    first = json.loads(files("convert", "nested.yaml", "--to", "json").out)
    assert files("convert", "nested.yaml", "--to", "yaml", "-o", "again.yaml").status == 0
    assert json.loads(files("convert", "again.yaml", "--to", "json").out) == first
    source = files("convert", "nested.yaml", "--to", "python").out
    assert "@workflow" in source
    compile(source, "nested.py", "exec")
    (files.folder / "again.json").write_text(json.dumps(first))
    assert files("validate", "again.json").status == 0


def test_a_workflow_that_is_written_as_python_runs_as_it_stands(files: Shell) -> None:
    assert files("convert", "greeting.yaml", "--to", "python", "-o", "written.py").status == 0
    command = [sys.executable, "written.py", '{"names": ["Ann", "Bob"]}']
    done = subprocess.run(command, cwd=files.folder, env=files.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"text": "Hello Ann, Hello Bob"}


@pytest.mark.parametrize("words", [["convert", "cli_steps.py", "--to", "yaml"], ["run", "cli_steps.py"], ["graph", "cli_steps.py"]])
def test_a_file_of_python_is_told_how_to_give_its_yaml(files: Shell, words: list[str]) -> None:
    done = files(*words)
    assert done.status == 2
    assert "'cli_steps.py' is Python, and files of workflows are YAML or JSON" in done.err
    assert ".to_yaml()" in done.err


def test_a_new_workflow_elsewhere_says_where_to_run_it(files: Shell) -> None:
    done = files("new", "some where/greeting")
    command = next(line for line in done.err.splitlines() if "try it with" in line).partition(": ")[2]
    assert command == "cd 'some where' && murakkab run greeting.yaml -i who=Ann"
    ran = subprocess.run(
        files.command("run", "greeting.yaml", "-i", "who=Ann"),
        cwd=files.folder / "some where",
        env=files.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(ran.stdout) == {"text": "Hello, Ann!"}


# ----------------------------------------------------------------------------------------------------- functions that are lacking


LACKING = 'workflow: lacking\nsteps: {a: {call: "steps_beside:f"}}\noutputs: {a: "${a}"}\n'


def test_a_function_beside_the_file_is_told_with_the_folder_to_run_from(files: Shell) -> None:
    folder = files.folder / "flows"
    folder.mkdir()
    (folder / "lacking.yaml").write_text(LACKING)
    missing = files("validate", "flows/lacking.yaml").err
    assert "unknown-function: there is no module 'steps_beside'; is it installed, or its folder on PYTHONPATH?" in missing
    (folder / "steps_beside.py").write_text("def f() -> int:\n    return 7\n")
    told = files("validate", "flows/lacking.yaml").err
    assert "it lies beside lacking.yaml: run it from flows, or set PYTHONPATH=flows" in told
    (files.folder / "around.yaml").write_text(
        'workflow: around\nsteps: {inner: {workflow: flows/lacking.yaml}}\noutputs: {a: "${inner.a}"}\n'
    )
    assert "flows/lacking.yaml:2:" in (inner := files("validate", "around.yaml").err)
    assert "set PYTHONPATH=flows" in inner
    files.environment["PYTHONPATH"] = f"{files.environment.get('PYTHONPATH', '')}:flows"
    assert json.loads(files.process("run", "around.yaml", "--quiet").out) == {"a": 7}


def test_a_picture_is_drawn_of_a_file_whose_functions_are_lacking(files: Shell) -> None:
    (files.folder / "lacking.yaml").write_text(LACKING)
    done = files("graph", "lacking.yaml")
    assert done.status == 0, done.err
    assert "steps_beside:f" in done.out
    assert "warning: unknown-function: there is no module 'steps_beside'" in done.err
    assert files("graph", "wrong.yaml").status == 2


# -------------------------------------------------------------------------------------------------------- shells and signals


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_one_that_it_understands(files: Shell, name: str) -> None:
    done = files("completion", name)
    assert done.status == 0
    assert "_MURAKKAB_COMPLETE" in done.out
    if (found := shutil.which(name)) is not None:
        subprocess.run([found, "-n"], input=done.out, text=True, check=True)


def complete(files: Shell, *words: str) -> list[str]:
    """Return what bash would offer for the last of *words*."""
    line = ["murakkab", *words]
    asked = {"_MURAKKAB_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(line).replace("\n", " "), "COMP_CWORD": str(len(line) - 1)}
    done = subprocess.run(
        files.command(), cwd=files.folder, env={**files.environment, **asked}, capture_output=True, text=True, check=False
    )
    return done.stdout.split()


def test_shells_complete_commands_options_and_jobs(files: Shell) -> None:
    assert "resume" in complete(files, "re")
    assert "--profile" in complete(files, "run", "--p")
    job = files.json("run", "greeting.yaml", "-i", "names=Ann")["job"]
    assert complete(files, "show", job[:4]) == [job]


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_an_interrupt_while_the_command_is_being_loaded_is_no_traceback(files: Shell, delay: float) -> None:
    # Before `main` has begun it can do nothing about the interrupt.
    code = (
        "import signal, sys; from murakkab.cli.start import main; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "sys.stdout.write('up'); sys.stdout.flush(); main()"
    )
    command = [sys.executable, "-c", code, "validate", "nested.yaml"]
    with subprocess.Popen(command, cwd=files.folder, env=files.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(2)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    if process.returncode != 0:
        assert process.returncode == 130
        assert b"Traceback" not in err


def test_an_interrupt_while_a_class_is_being_made_is_no_traceback() -> None:
    # Python 3.11 turns it into a RuntimeError there; modules full of dataclasses make this a good part of loading them.
    code = """
import murakkab.cli.app
from murakkab.cli.start import main

class Late:
    def __set_name__(self, owner, name):
        raise KeyboardInterrupt

murakkab.cli.app.main = lambda: type("Made", (), {"field": Late()})
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


def test_the_journal_folder_is_not_made_by_looking(files: Shell) -> None:
    for words in (["jobs"], ["validate", "nested.yaml"], ["graph", "nested.yaml"], ["plan", "nested.yaml"], ["clean"]):
        files(*words)
    assert not Path(".murakkab").exists()
