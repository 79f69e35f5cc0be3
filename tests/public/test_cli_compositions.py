"""Compositions and what may be left out, on the command line: what was chosen, what was not and why, what a frontier makes of them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from murakkab.cli.app import app as commands
from murakkab.cli.wishes import Wishes
from murakkab.errors import InputError


def test_a_plan_says_what_was_set_and_the_command_line_sets_it(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        """\
workflow: w
inputs: {text: str}
steps:
  a: {uses: text-summary, with: {text: "${inputs.text}"}, best_of: [1, 3]}
  b: {uses: text-summary, with: {text: "${a}"}, optional: {default: none}}
outputs: {a: "${a}", b: "${b}"}
goal: {minimize: energy, limits: {quality: 0.2}}
"""
    )

    def told(*words: str) -> str:
        return CliRunner().invoke(commands, ["plan", str(file), "--journal", str(tmp_path / "home"), *words]).output

    assert "a.n is 1 of 1, 3" in told()
    assert "b is left out; done instead: " in told()
    assert "a.n is 3, as set" in told("--knob", "a.n=3,b.done=1")
    assert "b is done\n" in told("--knob", "a.n=3,b.done=1")
    assert "the knob a.n cannot be 2" in told("--knob", "a.n=2")
    assert "'a.n' sets no knob" in told("--knob", "a.n")
    found = json.loads(told("--pareto", "energy,quality", "--json", "--limit", "quality=0.01"))
    assert {tuple(sorted(point["graph"].items())) for point in found["points"]} >= {
        (("a.n", 1), ("b.done", 0)),
        (("a.n", 1), ("b.done", 1)),
    }


OPTIONAL = """\
workflow: w
inputs: {text: str}
steps:
  first: {uses: text-summary, with: {text: "${inputs.text}"}}
  second: {uses: text-summary, with: {text: "${first}"}, optional: {default: none}}
outputs: {a: "${first}", b: "${second}"}
goal: {minimize: energy}
"""


def test_a_refusal_names_the_nearest_of_all_graphs_and_how_they_are_set(tmp_path: Path) -> None:
    """It named that of the graph with the largest numbers."""
    (file := tmp_path / "w.yaml").write_text(OPTIONAL)

    def refused(*words: str) -> tuple[str, float]:
        limits = ["--limit", "energy=1e-8,quality=0.2", *words]
        answer = CliRunner().invoke(commands, ["plan", str(file), "--journal", str(tmp_path / "home"), "--json", *limits])
        assert answer.exit_code == 3
        hint = json.loads(answer.output)["hint"]
        return hint, float(re.search(r"energy could be ([\d.]+) J", hint)[1])  # type: ignore[index]

    hint, least = refused()
    assert "(with second.done=0)" in hint
    set_, more = refused("--knob", "second.done=1")
    assert "with" not in set_.replace("with the others", "")
    assert more > least


def test_what_the_goal_chooses_on_a_frontier_is_what_the_plan_chooses(tmp_path: Path) -> None:
    """It left out a step though no limit said how much quality there must be."""
    (file := tmp_path / "w.yaml").write_text(OPTIONAL)

    def asked(*words: str) -> Any:
        return json.loads(CliRunner().invoke(commands, ["plan", str(file), "--journal", str(tmp_path / "home"), "--json", *words]).output)

    joules = asked()["expected"]["joules"]["value"]
    points = asked("--pareto", "energy,quality")["points"]
    assert [point["energy"] for point in points if point["chosen"]] == [pytest.approx(joules)]
    assert min(point["energy"] for point in points) < joules


def test_the_next_best_of_a_knob_says_when_it_keeps_no_limit(tmp_path: Path) -> None:
    (file := tmp_path / "w.yaml").write_text(OPTIONAL)
    words = ["plan", str(file), "--journal", str(tmp_path / "home"), "--limit", "quality=0.4,energy=1J"]
    told = CliRunner().invoke(commands, words).output
    assert "second is done; left out instead: " in told
    assert re.search(r"left out instead: (quality would be|no choice keeps)", told)


def test_a_knob_is_set_once() -> None:
    with pytest.raises(InputError, match=r"the knob a\.n is set to 3 and to 5"):
        Wishes(knobs=["a.n=3,a.n=5"]).settings()
    assert Wishes(knobs=["a.n=3", "a.n=3"]).settings() == {"a.n": 3}


def test_knobs_of_what_is_left_out_are_not_told_of(tmp_path: Path) -> None:
    (file := tmp_path / "w.yaml").write_text(
        """\
workflow: w
inputs: {text: str}
steps:
  first: {uses: text-summary, with: {text: "${inputs.text}"}}
  outer:
    optional: {default: {x: none}}
    steps:
      b: {uses: text-summary, with: {text: "${first}"}, optional: {default: none}, best_of: [1, 3]}
    outputs: {x: "${b}"}
outputs: {a: "${first}", b: "${outer}"}
goal: {minimize: energy, limits: {quality: 0.01}}
"""
    )

    def knobs(*words: str) -> list[str]:
        answer = CliRunner().invoke(commands, ["plan", str(file), "--journal", str(tmp_path / "home"), "--json", *words])
        return [one["name"] for one in json.loads(answer.output)["graph"]]

    assert knobs("--knob", "outer.done=0") == ["outer.done"]
    assert knobs("--knob", "outer.done=1,outer/b.done=0") == ["outer.done", "outer/b.done"]
    assert knobs("--knob", "outer.done=1,outer/b.done=1") == ["outer.done", "outer/b.done", "outer/b.n"]
