"""Tiers on the command line and in files: listed, used as limits, journalled as numbers, renewed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from murakkab import app, journalled
from murakkab.document import from_document, to_document
from murakkab.spec import Goal
from tests.shells import Shell, shell

__all__ = ["shell"]

DIGEST = """
workflow: digest
inputs: {text: str}
steps:
  short: {uses: text-summary, with: {text: "${inputs.text}", sentences: 3}}
outputs: {short: "${short}"}
goal: {minimize: latency, limits: {quality: good, latency: 60s}}
"""


@pytest.fixture(autouse=True)
def digest(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    file = shell.folder / "digest.yaml"
    file.write_text(DIGEST)
    return file


def executor(plan: dict[str, Any]) -> str:
    return str(plan["steps"][0]["executor"])


def test_tiers_are_listed_and_stay_until_they_are_renewed(shell: Shell) -> None:
    one = shell.json("tiers", "digest.yaml")
    assert (one["version"], one["why"]) == (1, "the first")
    for numbers in one["amounts"].values():
        assert list(numbers) == ["best", "good", "fair", "basic"]
    assert one["amounts"] == one["then"]
    assert shell.json("plan", "digest.yaml", "--tiers") == one
    done = shell("tiers", "digest.yaml")
    assert (done.status, done.err) == (0, "")
    assert "- version 1, set " in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    two = shell.json("tiers", "digest.yaml", "--renew")
    assert (two["version"], two["why"], two["amounts"]) == (2, "asked for", one["amounts"])
    assert sorted(path.name for path in Path(".murakkab/tiers/digest").iterdir()) == ["1.json", "2.json"]


def test_a_tier_is_a_limit_and_the_plan_says_what_it_stands_for(shell: Shell) -> None:
    amounts = shell.json("tiers", "digest.yaml")["amounts"]["quality"]
    plan = shell.json("plan", "digest.yaml")
    assert plan["goal"]["limits"] == {"latency": 60.0, "quality": amounts["good"]}
    (use,) = plan["tiers"]
    assert (use["measure"], use["tier"], use["value"], use["version"]) == ("quality", "good", amounts["good"], 1)
    best = shell.json("plan", "digest.yaml", "--limit", "quality=best,energy=best", status=3)
    assert "quality best" in best["message"]
    best = shell.json("plan", "digest.yaml", "--limit", "quality=best")
    assert best["expected"]["quality"]["value"] >= amounts["best"] > amounts["good"]
    assert executor(best) != executor(plan)
    number = shell.json("plan", "digest.yaml", "--limit", f"quality={amounts['best']}")
    assert (executor(number), number["tiers"]) == (executor(best), [])
    assert "quality good is 0" in shell("plan", "digest.yaml").out
    assert "quality good is 0" in shell("plan", "digest.yaml", "--pareto", "latency,quality").out


def test_a_job_is_journalled_with_the_numbers_it_began_with(shell: Shell) -> None:
    amounts = shell.json("tiers", "digest.yaml")["amounts"]["quality"]
    job = shell.json("run", "digest.yaml", "-i", "text=One. Two. Three. Four.")["job"]
    with app.open_records(app.Settings(home=Path(".murakkab"))) as records:
        assert journalled.work_of(records, job).graph.workflow.goal == Goal(("latency",), {"latency": 60.0, "quality": amounts["good"]})
    told = shell("run", "digest.yaml", "-i", "text=One. Two. Three. Four.").err
    assert "quality good is 0" in told


def test_tiers_are_set_anew_when_the_steps_are_others(shell: Shell, digest: Path) -> None:
    shell.json("tiers", "digest.yaml")
    digest.write_text(
        DIGEST.replace("outputs:", '  more: {uses: text-summary, with: {text: "${short}"}}\noutputs:').replace(
            "{short: ", '{more: "${more}", short: '
        )
    )
    two = shell.json("tiers", "digest.yaml")
    assert (two["version"], two["why"]) == (2, "the steps have changed")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[:-9], "it is no JSON, at line "),
        (lambda text: text.replace('"why"', '"wyh"'), "'why' is missing"),
        (lambda text: text.replace('"number": 1', '"number": "one"'), "another form"),
        (lambda text: "[]", "another form"),
        (lambda text: text.replace('"short": "text-summary"', '"other": "text-summary"'), "a choice lacks a step"),
    ],
)
def test_what_is_wrong_with_a_file_of_tiers_is_told_in_plain_words(shell: Shell, damage: Callable[[str], str], says: str) -> None:
    shell.json("tiers", "digest.yaml")
    file = Path(".murakkab/tiers/digest/1.json")
    file.write_text(damage(file.read_text()))
    done = shell("plan", "digest.yaml")
    assert done.status == 2
    assert f"1.json holds no tiers: {says}" in done.err or f"1.json holds no tiers: something in it has {says}" in done.err
    assert not re.search(r"[A-Z][a-z]+Error|\(", done.err)


def test_a_damaged_file_is_told(shell: Shell) -> None:
    shell.json("tiers", "digest.yaml")
    Path(".murakkab/tiers/digest/1.json").write_text("{")
    done = shell("plan", "digest.yaml")
    assert done.status == 2
    assert "1.json holds no tiers" in done.err
    assert "--renew" in done.err
    assert shell.json("tiers", "digest.yaml", "--renew")["version"] == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("quality: good", "quality: god", "digest.yaml:7:45: bad-quantity: 'god' is neither an amount nor a tier; did you mean 'good'?"),
        ("quality: good", "quality: x1", "a number is wanted here"),
        ("latency: 60s", "latency: bets", "did you mean 'best'?"),
        ("latency: 60s", "latency: soon", "write an amount, or one of best, good, fair, basic"),
    ],
)
def test_wrong_tiers_in_files(shell: Shell, digest: Path, old: str, new: str, says: str) -> None:
    digest.write_text(DIGEST.replace(old, new))
    done = shell("validate", "digest.yaml")
    assert done.status == 2
    assert says in done.err


def test_wrong_tiers_on_the_command_line(shell: Shell) -> None:
    done = shell("plan", "digest.yaml", "--limit", "quality=godo")
    assert (done.status, "did you mean 'good'?" in done.err) == (2, True)
    (shell.folder / "data.jsonl").write_text(json.dumps({"text": "One."}))
    done = shell("profile", "text-summary", "--data", "data.jsonl", "--limit", "quality=good")
    assert (done.status, "only whole workflows have tiers" in done.err) == (2, True)


def test_tiers_go_from_yaml_to_python_and_back(shell: Shell) -> None:
    assert shell("convert", "digest.yaml", "--to", "python", "-o", "digest.py").status == 0
    text = Path("digest.py").read_text()
    assert 'tiers={"quality": "good"}' in text
    document = json.loads(shell("convert", "digest.yaml", "--to", "json").out)
    assert document["goal"]["limits"] == {"latency": 60.0, "quality": "good"}
    read = from_document(document).workflow
    assert read is not None
    assert read.goal == Goal(("latency",), {"latency": 60.0}, tiers={"quality": "good"})
    assert to_document(read) == document


@pytest.mark.parametrize(
    "words",
    [["--pareto", "energy,quality"], ["--minimize", "energy"], ["--limit", "quality=good"], ["--points", "5"], ["--output", "x.png"]],
)
def test_what_says_nothing_of_tiers_is_refused_beside_them(shell: Shell, words: list[str]) -> None:
    done = shell("plan", "digest.yaml", "--tiers", *words)
    assert (done.status, done.out) == (2, "")
    assert words[0] in done.err
    assert done.err.count("error[") == 1
    assert not Path(".murakkab/tiers").exists()
