"""`murakkab plan --pareto`: the picture on a terminal, the points as data and as a file, and what cannot be."""

import importlib.util
from pathlib import Path

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

TRADE = """
workflow: digest
inputs: {text: str}
steps:
  short: {uses: text-summary, with: {text: "${inputs.text}", sentences: 3}}
outputs: {short: "${short}"}
goal: {minimize: latency}
"""
HAS_PLOT = importlib.util.find_spec("matplotlib") is not None


@pytest.fixture(autouse=True)
def digest(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (shell.folder / "digest.yaml").write_text(TRADE)
    monkeypatch.setenv("COLUMNS", "80")


def test_a_frontier_is_drawn_and_listed(shell: Shell) -> None:
    done = shell("plan", "digest.yaml", "--pareto", "latency,quality")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "digest: minimizes latency"
    assert "quality, more is better ↑" in done.out
    assert "latency" in done.out
    assert "[1]" in done.out
    assert "how to have a point" in done.out
    assert max(map(len, lines)) <= 80


def test_a_narrow_terminal_tells_the_differences_below(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = shell("plan", "digest.yaml", "--pareto", "latency,quality")
    assert "\n1: the plan\n2: short: " in done.out
    assert max(map(len, done.out.splitlines())) <= 40


def test_points_are_what_the_plan_says(shell: Shell) -> None:
    answer = shell.json("plan", "digest.yaml", "--pareto", "latency,quality")
    assert answer["measures"] == ["latency", "quality"]
    assert answer["points"][0]["chosen"]
    assert len(answer["points"]) > 1
    for point in answer["points"]:
        plan = shell.json("plan", "digest.yaml", "--limit", f"quality={point['quality'] - 1e-9}")
        assert plan["expected"] == point["expected"]
        assert {one["step"]: one["executor"] for one in plan["steps"]} == {"short": point["choices"]["short"]["executor"]}
    assert [len(point["other_than_plan"]) for point in answer["points"]][:2] == [0, 1]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--pareto", "energy"], 2, "two or three different measures"),
        (["--pareto", "energy,energy"], 2, "energy is named more than once"),
        (["--pareto", "energy,latncy"], 2, "did you mean 'latency'?"),
        (["--pareto", "energy,latency", "-o", "x.pdf"], 2, "neither .png nor .svg"),
        (["--output", "x.png"], 2, "add --pareto"),
        (["--points", "5"], 2, "--points sets how many points a frontier has, and none is asked for"),
        (["--minimize", "energy,energy"], 2, "energy is named more than once"),
        (["--minimize", ""], 2, "nothing is named that could be minimized"),
        (["--minimize", " , "], 2, "nothing is named that could be minimized"),
        (["--pareto", ""], 2, "nothing is named"),
        (["--limit", "energy=1e999"], 2, "'1e999' is no finite number"),
        (["--limit", "energy=1e308kJ"], 2, "'1e308 kJ' cannot be read"),
        (["--pareto", "energy,latency", "--points", "1"], 2, "--points"),
        (["--pareto", "latency,quality", "--limit", "quality=0.99"], 3, "the nearest: quality could be"),
    ],
)
def test_mistakes_are_told(shell: Shell, words: list[str], status: int, says: str) -> None:
    done = shell("plan", "digest.yaml", *words)
    assert done.status == status
    assert says in done.err
    assert not list(shell.folder.glob("x.*"))


@pytest.mark.skipif(HAS_PLOT, reason="Matplotlib is installed")
def test_without_matplotlib_the_extra_is_named(shell: Shell) -> None:
    done = shell("plan", "digest.yaml", "--pareto", "latency,quality", "-o", "x.png")
    assert (done.status, done.out) == (3, "")
    assert "pip install 'murakkab[plot]'" in done.err


@pytest.mark.skipif(not HAS_PLOT, reason="needs the extra plot")
@pytest.mark.parametrize(("name", "begins"), [("x.png", b"\x89PNG"), ("x.svg", b"<?xml"), ("y.PNG", b"\x89PNG")])
def test_a_picture_is_written(shell: Shell, name: str, begins: bytes) -> None:
    for measures in ("latency,quality", "latency,quality,energy"):
        done = shell("plan", "digest.yaml", "--pareto", measures, "-o", name)
        assert done.status == 0, done.err
        assert f"the picture is in {name}" in done.err
        assert Path(name).read_bytes().startswith(begins)
