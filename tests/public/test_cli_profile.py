"""Measuring on the command line, with real executors where they are quick, on the real runtime."""

import json
import signal
import subprocess
import time

import pytest

from murakkab import app
from tests.shells import Shell, shell

__all__ = ["shell"]

WORDS = "The cat sat on the mat. It was a warm day. Nobody saw the dog. The end came soon. All were glad."


@pytest.fixture
def data(shell: Shell) -> Shell:
    rows = [
        {"inputs": {"text": f"{WORDS} {n} times.", "sentences": 2}, "label": "The cat sat on the mat. It was a warm day."} for n in range(5)
    ]
    (shell.folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (shell.folder / "names.yaml").write_text("- {inputs: {names: [Ann]}, label: Hello Ann}\n- {inputs: {names: [Bob]}, label: Hi}\n")
    return shell


def test_the_executors_of_a_capability_are_measured_and_kept(data: Shell) -> None:
    found = data.json("profile", "text-summary", "--data", "texts.jsonl", "--repeat", "1", "--executor", "lead-summary")

    (one,) = found["configurations"]
    assert found["is_whole"] is True
    assert found["metric"] == "rouge_l"
    profile = one["profile"]
    assert one["configuration"] == "lead-summary"
    assert profile["of"]["count"] == 5
    assert profile["of"]["source"] == "measured"
    assert "cores" in profile["of"]["where"]
    assert 0 < profile["seconds"]["p50"] < 1
    assert profile["quality"]["rouge_l"]["value"] == pytest.approx(1.0)
    assert profile["joules"]["of"]["source"] in ("measured", "modelled")
    assert [known["setting"]["executor"] for known in data.json("profiles")["profiles"]] == ["lead-summary"]


def test_a_second_start_measures_nothing_anew_but_with_again(data: Shell) -> None:
    words = ("profile", "text-summary", "--data", "texts.jsonl", "--repeat", "1", "--executor", "lead-summary")
    first = data.json(*words)["configurations"][0]["profile"]
    second = data.json(*words)["configurations"][0]["profile"]
    again = data.json(*words, "--again")["configurations"][0]["profile"]

    assert second == first
    assert again["revision"] > second["revision"]
    assert again["of"]["count"] == 5


def test_the_table_says_what_was_dropped_and_why(data: Shell) -> None:
    done = data("profile", "text-summary", "--data", "texts.jsonl", "--repeat", "1", "--limit", "quality=0.99")

    assert done.status == 0
    assert "lead-summary" in done.out
    assert "quality (rouge_l)" in done.out
    assert "modelled" in done.out or "measured" in done.out
    assert "dropped pagerank-summary" in done.err
    assert "is below 0.99" in done.out


def test_a_workflow_is_measured_as_a_whole_and_step_by_step(data: Shell) -> None:
    found = data.json("profile", "greeting.yaml", "--data", "names.yaml", "--metric", "exact_match", "--repeat", "2")

    profiles = {one["profile"]["setting"]["executor"]: one["profile"] for one in found["configurations"]}
    assert set(profiles) == {"workflow:greeting", "python:cli_steps:hello", "python:cli_steps:join"}
    assert profiles["workflow:greeting"]["quality"]["exact_match"]["value"] == pytest.approx(0.5, abs=0.01)
    assert profiles["workflow:greeting"]["of"]["count"] == 4
    assert profiles["python:cli_steps:hello"]["of"]["count"] == 4


def test_a_task_that_fails_has_quality_zero_and_the_study_goes_on(data: Shell) -> None:
    (data.folder / "broken").touch()
    found = data.json("profile", "greeting.yaml", "--data", "names.yaml", "--metric", "exact_match", "--repeat", "1")
    assert found["is_whole"] is True
    assert all(one["profile"] is None or "workflow" not in one["configuration"] for one in found["configurations"])
    (data.folder / "broken").unlink()
    found = data.json("profile", "greeting.yaml", "--data", "names.yaml", "--metric", "exact_match", "--repeat", "2")
    whole = next(one["profile"] for one in found["configurations"] if one["configuration"].startswith("workflow"))
    assert whole["quality"]["exact_match"]["value"] == pytest.approx(0.25, abs=0.01)


def test_real_runs_update_profiles_once_there_are_any(data: Shell) -> None:
    assert data.json("run", "greeting.yaml", "-i", "names=Ann")["status"] == "succeeded"
    assert data.json("profiles") == {"profiles": [], "drifts": []}
    data.json("profile", "greeting.yaml", "--data", "names.yaml", "--metric", "exact_match", "--repeat", "1")
    before = {one["setting"]["executor"]: one["revision"] for one in data.json("profiles")["profiles"]}
    data.json("run", "greeting.yaml", "-i", "names=Ann")
    after = {one["setting"]["executor"]: one["revision"] for one in data.json("profiles")["profiles"]}

    assert after["python:cli_steps:join"] == before["python:cli_steps:join"] + 1
    assert after["workflow:greeting"] == before["workflow:greeting"]


def test_a_process_can_be_told_to_learn_or_not() -> None:
    assert app.Settings(learn=True).key != app.Settings(learn=False).key


def test_profiles_go_from_one_folder_to_another(data: Shell) -> None:
    data.json("profile", "greeting.yaml", "--data", "names.yaml", "--metric", "exact_match", "--repeat", "1")
    assert data("profile", "--export", "shared.json").status == 0
    done = data("profile", "--import", "shared.json", "--journal", "elsewhere")
    assert done.status == 0
    assert "3 of 3 profiles were taken" in done.err
    sources = {one["of"]["source"] for one in data.json("profiles", "--journal", "elsewhere")["profiles"]}
    assert sources == {"published"}
    assert "0 of 3" in data("profile", "--import", "shared.json").err
    assert "published" in data("profile", "--list", "--journal", "elsewhere").out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("profile", "text-sumary", "--data", "texts.jsonl"), 4, "did you mean 'text-summary'"),
        (("profile", "text-summary"), 2, "--data"),
        (("profile", "text-summary", "--data", "gone.jsonl"), 4, "gone.jsonl"),
        (("profile", "text-summary", "--data", "texts.jsonl", "--metric", "rouge_x"), 2, "rouge_"),
        (("profile", "text-summary", "--data", "texts.jsonl", "--limit", "speed=3"), 2, "is no limit"),
        (("profile", "text-summary", "--data", "texts.jsonl", "--load", "0"), 2, "--load 1,2,4"),
        (("profile", "text-summary", "--data", "texts.jsonl", "--budget", "soon"), 2, "--budget"),
        (("profile", "text-summary", "--data", "texts.jsonl", "--executor", "lead"), 4, "no executor 'lead'"),
        (("profile", "text-summary", "--data", "names.yaml"), 2, "names.yaml, row 1"),
        (("profile", "greeting.yaml", "--data", "names.yaml", "--metric", "segment_overlap"), 2, "cannot score the label"),
        (("profile", "--export", "x.json"), 4, "there are no profiles"),
        (("profile", "--import", "texts.jsonl"), 2, "no file of profiles"),
        (("profile", "--import", "gone.json"), 4, "gone.json"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(data: Shell, words: tuple[str, ...], status: int, said: str) -> None:
    done = data(*words)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "Traceback" not in done.err


NAP = """
import time

def nap(name: str) -> str:
    with open("naps", "a") as file:
        file.write("x")
    time.sleep(0.15)
    return name
"""
SLEEPY = """
workflow: sleepy
inputs: {name: str}
steps:
  only: {call: "sleepy_steps:nap", with: {name: "${inputs.name}"}}
outputs: {text: "${only}"}
"""


def test_ctrl_c_loses_nothing_and_the_same_command_goes_on(data: Shell) -> None:
    (data.folder / "sleepy.yaml").write_text(SLEEPY)
    (data.folder / "sleepy_steps.py").write_text(NAP)
    (data.folder / "rows.yaml").write_text("- {inputs: {name: a}}\n- {inputs: {name: b}}\n")
    words = ("profile", "sleepy.yaml", "--data", "rows.yaml", "--repeat", "10")
    process = subprocess.Popen(
        data.command(*words), cwd=data.folder, env=data.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    naps = data.folder / "naps"
    until = time.monotonic() + 15
    while time.monotonic() < until and not (naps.exists() and len(naps.read_text()) >= 5):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130, err
    assert "workflow:sleepy" in out
    assert "the same command goes on" in err
    assert "Traceback" not in err

    before = len(naps.read_text())
    found = data.json(*words)
    whole = next(one["profile"] for one in found["configurations"] if one["configuration"].startswith("workflow"))
    assert whole["of"]["count"] == 20
    assert len(naps.read_text()) - before < 20


def test_the_profiles_of_an_executor_that_is_not_there_are_not_found(data: Shell) -> None:
    done = data("profiles", "pagerank-sumary")
    assert (done.status, done.out) == (4, "")
    assert "there is no executor 'pagerank-sumary'" in done.err
    assert "did you mean 'pagerank-summary'?" in done.err
    assert data.json("profiles", "nope", status=4)["code"] == "not-found"
    # Of one that is there nothing may be known yet.
    known = data("profiles", "pagerank-summary")
    assert (known.status, known.out) == (0, "")
    assert "nothing of pagerank-summary was measured" in known.err
