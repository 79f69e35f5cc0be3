"""What was predicted beside what was measured, when a job has ended and later."""

import json

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

WORDS = "The cat sat on the mat. It was a warm day. Nobody saw the dog. The end came soon. All were glad."
SUM = """
workflow: sum
inputs: {text: str}
steps:
  short: {uses: text-summary, with: {text: "${inputs.text}", sentences: 1}}
outputs: {text: "${short}"}
goal: {minimize: latency, limits: {latency: 60s}}
"""


@pytest.fixture
def summed(shell: Shell) -> Shell:
    (shell.folder / "sum.yaml").write_text(SUM)
    return shell


def test_a_job_that_was_chosen_for_is_told_beside_its_forecast_then_and_later(summed: Shell) -> None:
    ran = summed("run", "sum.yaml", "-i", f"text={WORDS}")
    (job,) = summed.json("jobs")
    seen = summed("show", job["job"])

    assert ran.status == seen.status == 0
    for text in (ran.err, seen.out):
        assert "predicted" in text
        assert "limit latency 60 s: kept" in text
    assert json.loads(ran.out)["text"]


def test_as_json_it_is_an_object_and_the_same_later(summed: Shell) -> None:
    now = summed.json("run", "sum.yaml", "-i", f"text={WORDS}", "--limit", "quality=0.01")
    later = summed.json("show", now["job"])["predicted"]
    predicted = now["predicted"]

    assert predicted["goal"] == {"minimize": ["latency"], "limits": {"latency": 60.0, "quality": 0.01}, "quality": "mean"}
    assert [(one["limit"], one["kept"]) for one in predicted["limits"]] == [("latency", True), ("quality", None)]
    assert predicted["job"]["seconds"]["predicted"]["low"] <= predicted["job"]["seconds"]["predicted"]["value"]
    assert predicted["job"]["quality"]["measured"] is None
    assert [one["step"] for one in predicted["steps"]] == ["short"]
    assert predicted["steps"][0]["seconds"]["measured"] > 0
    assert later["limits"] == predicted["limits"]
    assert later["steps"][0]["seconds"] == predicted["steps"][0]["seconds"]


def test_a_fork_keeps_the_forecast(summed: Shell) -> None:
    now = summed.json("run", "sum.yaml", "-i", f"text={WORDS}")
    again = summed.json("fork", now["job"], "--from", "short")

    assert again["predicted"]["goal"] == now["predicted"]["goal"]
    assert again["predicted"]["steps"][0]["seconds"]["predicted"] == now["predicted"]["steps"][0]["seconds"]["predicted"]


def test_where_nothing_was_to_be_chosen_nothing_is_said(shell: Shell) -> None:
    ran = shell("run", "greeting.yaml", "-i", "names=Ann")
    told = shell.json("run", "greeting.yaml", "-i", "names=Ann")

    assert "predicted" not in ran.err
    assert told["predicted"] is None
    assert shell.json("run", "greeting.yaml", "-i", "names=Ann", "--minimize", "latency")["predicted"] is not None
