"""The paper's tables replayed: how its figures are read, and what the replay makes of them. All figures here are invented."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.checkout, pytest.mark.timeout(120)]

ROOT = Path(__file__).parent.parent.parent
SOURCE = Path("optimization/profiles/sources/figures_digitized.py")
VIDEO, CODE = "video-qa", "code-generation"

#: Written as that repository is: typed assignments, among others that are of no use here.
PUBLISHED = '''"""Invented."""
from typing import Final
import nothing.of.that.name

raise SystemExit("this was run")

OTHER: Final = compute()
ACCURACY_BAND_PP: Final[float] = 1.0
FIG_4B_BAND_PP: Final[float] = 2.0
FIG_2A_ACCURACY_PCT: Final[dict] = {("a", 1, "N"): 50.0, ("a", 1, "Y"): 60.0, ("b", 1, "N"): 70, ("b", 1, "Y"): 80.0}
FIG_2C_ACCURACY_PCT: Final[dict] = {("a", 2, 2): 75.0, ("a", 2, 4): 85.0}
FIG_4B_ACCURACY_PCT = {("c", 2, 2): 95.0}
FIG_2B_STT_Y_SIDE: Final = {"a": "left", "b": "inseparable", "d": "right"}
FIG_2B_CLUSTERS: Final = {
    ("a", 1): {50: ((100, 150),), 90: ((200, 210), (300, 330)), 99: ()},
    ("b", 1): {50: ((10, 20),), 90: ((30, 40), (50, 60))},
    ("d", 5): {50: ((100, 105),), 90: ((200, 300),)},
}
FIG_2D_R2_SIDE = "left"
FIG_2D_CLUSTERS: Final = {("a", 2): {50: ((1000, 2000),), 90: ((3000, 4000), (5000, 6000))}}
LINE_HALF_WIDTH_TOKENS_2B: Final[float] = 5.0
LINE_HALF_WIDTH_TOKENS_2D: Final[float] = 50.0
FIG_3_CURVES: Final = {
    ("a", "A100", 1): {
        "tpot": ((200.01, 0.02), (100.0, 0.01), (300.0, 0.03), (400.0, 0.04)),
        "ttft": ((100.0, 0.5), (150.0, 9.0), (200.0, 0.7)),
        "tps_per_wh": ((100.0, 10.0), (200.0, 20.0), (300.0, 15.0)),
    },
}
FIG_3_VALIDATION_VS_TABLES: Final[dict[str, float]] = {"max_abs_rel_residual_pct": 4}
'''

#: What the replay is given: a small model that is right often enough for the lower tiers, a large one for the higher.
FIGURES = {
    "accuracy": {
        VIDEO: [["small", 1, 1, 63.0, 0.5], ["large", 5, 1, 90.0, 0.5]],
        CODE: [["small", 2, 2, 88.0, 0.5], ["large", 4, 4, 95.0, 0.5]],
    },
    "tokens": {
        VIDEO: [["small", 1, 1, [20, 20], [40, 60]], ["large", 5, 1, [300, 500], [600, 600]]],
        CODE: [["small", 2, 2, [500, 500], [1000, 1000]], ["large", 4, 4, [500, 500], [2000, 2000]]],
    },
    "curves": [
        ["small", "A100", 1, [[100, 0.002, 0.2, 30], [200, 0.01, 0.4, 60], [400, 0.02, None, 40]]],
        ["small", "H100", 1, [[100, 0.002, 0.1, 50], [200, 0.009, 0.2, 80]]],
        ["large", "A100", 4, [[100, 0.004, 0.4, 8], [200, 0.03, 0.8, 16]]],
        ["large", "H100", 4, [[100, 0.004, 0.4, 9], [300, 0.03, 0.8, 24]]],
    ],
    "curve_band": 0.04,
}


def run(module: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def clone(at: Path, text: str) -> Path:
    (at / SOURCE).parent.mkdir(parents=True)
    (at / SOURCE).write_text(text)
    return at


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_figures_are_read_from_a_clone_without_running_it(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    done = run("paper_curves", clone(tmp_path / "clone", PUBLISHED), "--json", made)

    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(made.read_text())
    assert found["accuracy"] == {
        VIDEO: [["a", 1, 0, 50.0, 1.0], ["a", 1, 1, 60.0, 1.0], ["b", 1, 0, 70.0, 1.0], ["b", 1, 1, 80.0, 1.0]],
        CODE: [["a", 2, 2, 75.0, 1.0], ["a", 2, 4, 85.0, 1.0], ["c", 2, 2, 95.0, 2.0]],
    }
    assert sorted(found["tokens"][VIDEO]) == [
        # Lines on each other are one line's width at each end; with speech on the left or the right, as the repository has it.
        ["a", 1, 0, [140.0, 150.0], [300.0, 330.0]],
        ["a", 1, 1, [100.0, 110.0], [200.0, 210.0]],
        # What cannot be told apart is all of it, for both.
        ["b", 1, 0, [10.0, 20.0], [30.0, 60.0]],
        ["b", 1, 1, [10.0, 20.0], [30.0, 60.0]],
        # No line is wider than what is there.
        ["d", 5, 0, [100.0, 105.0], [200.0, 210.0]],
        ["d", 5, 1, [100.0, 105.0], [290.0, 300.0]],
    ]
    assert sorted(found["tokens"][CODE]) == [
        ["a", 2, 2, [1000.0, 1100.0], [3000.0, 4000.0]],
        ["a", 2, 4, [1900.0, 2000.0], [5000.0, 6000.0]],
    ]
    # By load; a load without tokens per Wh is left out, and a time to the first token at no load of the others too.
    assert found["curves"] == [["a", "A100", 1, [[100.0, 0.01, 0.5, 10.0], [200.01, 0.02, 0.7, 20.0], [300.0, 0.03, None, 15.0]]]]
    assert found["curve_band"] == 0.04


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FIG_3_CURVES: Final = {", "CURVES: Final = {", "expected an assignment to FIG_3_CURVES, found none"),
        ('FIG_2D_R2_SIDE = "left"', "FIG_2D_R2_SIDE = side()", "FIG_2D_R2_SIDE is not of the form expected"),
        ('("a", 1, "Y"): 60.0', '("a", 1, "?"): 60.0', "FIG_2A_ACCURACY_PCT is not of the form expected"),
        ("50: ((100, 150),)", "50: ()", "FIG_2B_CLUSTERS is not of the form expected"),
        ("(100.0, 10.0), (200.0, 20.0)", "(100.0, 0.0), (200.0, 20.0)", "the curve of ('a', 'A100', 1) is not one of positive figures"),
        ('{("a", 2, 2): 75.0, ("a", 2, 4): 85.0}', "{}", "code-generation: there is no model with an accuracy, tokens and a curve"),
        ("OTHER: Final =", "OTHER: Final = =", "expected Python"),
    ],
)
def test_what_is_not_of_the_form_expected_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert PUBLISHED.count(old) == 1
    done = run("paper_curves", clone(tmp_path / "clone", PUBLISHED.replace(old, new)), "--json", tmp_path / "made.json")

    assert said in refused(done)
    assert str(SOURCE) in done.stderr
    assert not (tmp_path / "made.json").exists()


def test_without_figures_the_replay_says_what_to_clone(tmp_path: Path) -> None:
    assert "clone https://github.com/OneLastBeer1337/Murrakub_Mock" in refused(run("paper_tables"))
    assert "a clone of" in refused(run("paper_tables", "--figures", tmp_path))
    (tmp_path / "bad.json").write_text("{}")
    assert "expected the JSON" in refused(run("paper_tables", "--figures", tmp_path / "bad.json"))


def test_the_replay_chooses_the_best_of_what_it_is_given(tmp_path: Path) -> None:
    given, made = tmp_path / "figures.json", tmp_path / "made.json"
    given.write_text(json.dumps(FIGURES))
    done = run("paper_tables", "--figures", given, "--quick", "--only", "AC", "--json", made)

    assert done.returncode == 0, done.stdout + done.stderr
    readings = {name[0]: lines for name, lines in json.loads(made.read_text())["readings"].items()}
    assert {name: len(lines) for name, lines in readings.items()} == {"A": 32, "C": 32}
    assert all(line["is_best"] for lines in readings.values() for line in lines), "by trying all of them"
    rows = {
        (name, *(line["row"][part] for part in ("workflow", "slo", "objective", "tier"))): line["way"]
        for name, lines in readings.items()
        for line in lines
    }

    # The limits of video questions are 66.2, 64.4, 61.4 and 54.9 % right: of the two only the large model reaches the first two.
    accurate = [rows["A", VIDEO, "accuracy", "cost", tier] for tier in ("best", "good", "fair", "basic")]
    assert [way["model"] for way in accurate] == ["large", "large", "small", "small"]
    # Least cost: the cheaper GPU under the highest load; it is clipped there, which counts as 2 s: 2 + 50 x 0.02.
    assert (accurate[3]["gpu"], accurate[3]["tps"]) == ("A100", 400)
    assert accurate[3]["seconds"] == pytest.approx(3.0)
    # No load beyond that with most tokens per Wh, and latency of the median: 0.4 + 20 x 0.01.
    kneed = rows["C", VIDEO, "accuracy", "cost", "basic"]
    assert (kneed["gpu"], kneed["tps"]) == ("A100", 200)
    assert kneed["seconds"] == pytest.approx(0.6)
    assert kneed["usd"] == pytest.approx(2 * accurate[3]["usd"])
    # Least energy: 50 tokens at 80 tokens/s per Wh of a minute.
    spared = rows["A", VIDEO, "accuracy", "energy", "basic"]
    assert (spared["model"], spared["gpu"], spared["tps"]) == ("small", "H100", 200)
    assert spared["joules"] == pytest.approx(50 * 60 / 80)
    # 0.5 s: only at the lowest load, of either GPU; 50 tokens take 0.2 + 50 x 0.002 on the cheaper one.
    fast = rows["A", VIDEO, "latency", "cost", "best"]
    assert (fast["model"], fast["gpu"], fast["tps"]) == ("small", "A100", 100)
    assert fast["seconds"] == pytest.approx(0.3)
    # 91.4 % right, of code.
    assert rows["A", CODE, "accuracy", "cost", "best"]["model"] == "large"
